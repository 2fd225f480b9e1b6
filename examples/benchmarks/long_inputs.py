# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Whether time grows in proportion to the text: twelve kinds of long input, drawn, and packed into blocks for training.

    python examples/benchmarks/long_inputs.py --characters 20000

Each is drawn at one, two and four times the length by a fresh renderer, in CPU time. Twice the text may take at most
twice the time, so that all ratios are near 2; --require fails the run where the larger two are further from it.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.training.packing import PackedTextDataset

SAMPLES = Path(__file__).parents[2] / "modeling_tests" / "fixtures" / "unicode"
ATLAS = ("unifont-16",)
FONTS = (SAMPLES / "NotoSansArabic-sample.ttf", SAMPLES / "NotoSansDevanagari-sample.ttf", *ATLAS)
# Kind -> (what is repeated, chain).
KINDS: dict[str, tuple[str, tuple[str | Path, ...]]] = {
    "English": ("We the People of the United States, ", ATLAS),
    "Chinese": ("人人生而自由在尊严和权利上一律平等", ATLAS),
    "Arabic": ("يولد جميع الناس أحرارا متساوين في الكرامة والحقوق ", ATLAS),
    "Arabic, a font": ("يولد جميع الناس أحرارا متساوين في الكرامة والحقوق ", FONTS),
    "Hebrew and English": ("כל בני האדם (born free, 1948) נולדו בני חורין ", ATLAS),
    "Hindi, a font": ("सभी मनुष्यों को गौरव और अधिकारों के मामले में ", FONTS),
    "Thai, no spaces": ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน", ATLAS),
    "one word of tatweels, a font": ("\u0640", FONTS),
    "one letter with marks": ("\u0301", ATLAS),
    "brackets of both directions": ("(א[", ATLAS),
    "emoji with joiners": ("\U0001f469\U0001f3fd\u200d\U0001f4bb", ATLAS),
    "embeddings": ("\u202bאב\u202c cd ", ATLAS),
}
PACKED = ("English", "Chinese", "Arabic", "Hindi, a font")
BLOCK_PATCHES = 256


class _PassedError(Exception):
    """The text has been packed once."""


class OneDocument:
    """A data set of one text, which ends after one pass."""

    def __init__(self, text: str) -> None:
        self.text = text

    def set_epoch(self, epoch: int) -> None:
        """Nothing to shuffle; no second pass."""
        if epoch:
            raise _PassedError

    def __iter__(self):
        return iter([{"text": self.text}])


def draw(text: str, chain: tuple[str | Path, ...]) -> None:
    """Draw a text once."""
    StripRenderer(chain, missing="hexbox", unsupported="cells").render_bytes(text)


def pack(text: str, chain: tuple[str | Path, ...]) -> None:
    """Pack a text into blocks."""
    renderer = StripRenderer(chain, missing="hexbox", unsupported="cells")
    try:
        for _ in PackedTextDataset(OneDocument(text), renderer, 16, BLOCK_PATCHES):
            pass
    except _PassedError:
        pass


def seconds(function: Callable[[str, tuple[str | Path, ...]], None], text: str, chain: tuple) -> float:
    """CPU time of one call."""
    start = time.process_time()
    function(text, chain)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=20_000, help="length of the shortest text")
    parser.add_argument(
        "--require", type=float, help="fail if twice the text takes more than so many times as long"
    )
    options = parser.parse_args()
    for chain in (ATLAS, FONTS):
        draw("warm: سلام नमस्ते (א)", chain)  # tables and atlases are loaded once
    worst = 0.0
    print(f"{'':32} {'seconds':>24}   ratios")
    jobs = [("drawn", draw, kind) for kind in KINDS] + [("packed", pack, kind) for kind in PACKED]
    for name, function, kind in jobs:
        unit, chain = KINDS[kind]
        texts = [
            (unit * (size // len(unit) + 1))[:size] for size in (options.characters << i for i in range(3))
        ]
        found = [seconds(function, text, chain) for text in texts]
        ratios = [after / before for before, after in itertools.pairwise(found)]
        worst = max(worst, ratios[-1])
        print(
            f"{kind + ', ' + name:32} {' '.join(f'{value:8.3f}' for value in found)}   {ratios[0]:.2f} {ratios[1]:.2f}"
        )
    if options.require and worst > options.require:
        sys.exit(f"twice the text takes {worst:.2f} times as long, more than {options.require}")


if __name__ == "__main__":
    main()
