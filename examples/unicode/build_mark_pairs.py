# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Build `src/pixel_ar/text/mark_pairs.py`: marks whose order decides whether a font draws a dotted circle.

    apt-get install fonts-noto-core
    python examples/unicode/build_mark_pairs.py /usr/share/fonts/truetype/noto

HarfBuzz puts a dotted circle below a mark that cannot stand where it stands; the rules are those of the scripts, not of
a font. Listed are pairs of marks on a letter that give no circle as they are and one when they are exchanged: of these,
the order of the text is kept when marks are sorted.
"""

import argparse
import base64
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import uharfbuzz

from pixel_ar.text.marks import mark_rank
from pixel_ar.text.properties import category

TARGET = Path(__file__).parents[2] / "src" / "pixel_ar" / "text" / "mark_pairs.py"
CIRCLE = 0x25CC
HEADER = '''# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Marks whose order decides whether a font draws a dotted circle, compressed: first and second of each pair in turn.

Made by examples/unicode/build_mark_pairs.py with HarfBuzz {version}; do not edit.
"""

# fmt: off
MARK_PAIRS = (
'''


def has_circle(font: Any, circle: int, text: str) -> bool:
    """Whether HarfBuzz puts a dotted circle into a text."""
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    uharfbuzz.shape(font, buffer)
    return any(info.codepoint == circle for info in buffer.glyph_infos)


def pairs_of(path: Path) -> set[str]:
    """The pairs of the marks of one font."""
    face = uharfbuzz.Face(path.read_bytes())
    codes = face.unicodes
    marks = [chr(code) for code in sorted(codes) if mark_rank(chr(code)) is not None]
    letters = [chr(code) for code in sorted(codes) if code > 0x590 and category(chr(code)) == "Lo"]
    if not marks or not letters or CIRCLE not in codes:
        return set()
    font = uharfbuzz.Font(face)
    circle = font.get_nominal_glyph(CIRCLE)
    found = set()
    for letter in (letters[len(letters) // 4], letters[len(letters) // 2]):
        shown = {
            first + second: has_circle(font, circle, letter + first + second)
            for first, second in product(marks, marks)
        }
        found |= {pair for pair, circled in shown.items() if not circled and shown[pair[::-1]]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with Noto fonts of all scripts")
    found: set[str] = set()
    for path in sorted(parser.parse_args().folder.glob("Noto*-Regular.ttf")):
        found |= pairs_of(path)
    text = base64.b85encode(zlib.compress("".join(sorted(found)).encode(), 9)).decode()
    lines = "".join(f'    "{text[start : start + 100]}"\n' for start in range(0, len(text), 100))
    source = HEADER.replace("{version}", uharfbuzz.version_string()) + lines + ")\n# fmt: on\n"
    TARGET.write_text(source, encoding="utf-8")
    print(f"{TARGET.name}: {len(found)} pairs, {len(source)} bytes")


if __name__ == "__main__":
    main()
