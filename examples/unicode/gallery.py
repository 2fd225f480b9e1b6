# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw the same article in all languages of `languages.py` as one picture.

    fonts=/usr/share/fonts/truetype/noto
    python examples/unicode/gallery.py --fonts $fonts examples/figures/scripts.png
    python examples/unicode/gallery.py --fonts $fonts --compare examples/figures/scripts_compared.png

With `--compare`, the first words in the scripts that are shaped, twice as large, and beside them the same words drawn
by HarfBuzz's `hb-view` (Debian package libharfbuzz-bin): with the font of the chain where a font draws, otherwise with
a Noto font of the script, to compare the shapes that GNU Unifont's cells make.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from languages import LANGUAGES
from PIL import Image, ImageDraw

from pixel_ar.rendering.renderer import StripRenderer

SAMPLES = Path(__file__).parents[2] / "modeling_tests" / "fixtures" / "unicode" / "declarations.json"
LABEL, WIDTH, ROWS, HALF = 150, 620, 20, 400
# Scripts whose cells are compared, and with which font.
COMPARED = {
    "heb": "NotoSansHebrew",
    "arb": "NotoSansArabic",
    "pes_1": "NotoSansArabic",
    "urd": "NotoSansArabic",
    "div": "NotoSansThaana",
    "tha": "NotoSansThai",
    "lao": "NotoSansLao",
}


def shorten(renderer: StripRenderer, text: str) -> tuple[np.ndarray, str]:
    """As many whole words as fit into the width: pixels uint8 `[16, W]`, and these words."""
    words = text.split(" ")
    while len(words) > 1 and renderer.measure(" ".join(words)) > WIDTH:
        words.pop()
    text = " ".join(words)
    while renderer.measure(text) > WIDTH:
        text = text[:-1]
    return renderer.render(text).to_array(), text


def drawn_by_hb_view(text: str, font: Path) -> Image.Image:
    """The text drawn by hb-view, 24 pixels per em."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "line.png"
        command = [
            "hb-view",
            str(font),
            f"--text={text}",
            "--font-size=24",
            "--margin=2",
            f"--output-file={target}",
        ]
        subprocess.run(command, check=True)
        return Image.open(target).convert("L")


def renderer_of(font: Path | None) -> StripRenderer:
    chain = ["unifont-16", *([str(font)] if font else [])]
    return StripRenderer(chain, missing="hexbox", unsupported="shape" if font else "cells")


def gallery(samples: dict[str, list[str]], fonts: Path | None) -> Image.Image:
    """One line a language."""
    picture = Image.new("L", (LABEL + WIDTH, ROWS * len(LANGUAGES)), 255)
    draw = ImageDraw.Draw(picture)
    for row, (code, (language, _, font)) in enumerate(LANGUAGES.items()):
        path = fonts / f"{font}-Regular.ttf" if fonts and font else None
        pixels, _ = shorten(renderer_of(path), samples[code][0])
        draw.text((4, ROWS * row + 2), language, fill=90)
        picture.paste(Image.fromarray(pixels), (LABEL, ROWS * row + 2))
    return picture


def comparison(samples: dict[str, list[str]], fonts: Path) -> Image.Image:
    """Ours on the left, hb-view's on the right."""
    rows = []
    for code, (language, _, font) in LANGUAGES.items():
        if not font and code not in COMPARED:
            continue
        path = fonts / f"{font or COMPARED[code]}-Regular.ttf"
        renderer = renderer_of(path if font else None)
        text = renderer.normalise(samples[code][0])
        while renderer.measure(text) > HALF // 2:
            text = text.rpartition(" ")[0] if " " in text else text[:-1]
        ours = Image.fromarray(renderer.render(text).to_array())
        ours = ours.resize((ours.width * 2, ours.height * 2), Image.Resampling.NEAREST)
        rows.append((f"{language}\n{font or 'Unifont'}", ours, drawn_by_hb_view(text, path)))
    heights = [max(ours.height, other.height) + 8 for _, ours, other in rows]
    picture = Image.new(
        "L", (LABEL + HALF + 20 + max(other.width for _, _, other in rows), sum(heights)), 255
    )
    draw, top = ImageDraw.Draw(picture), 0
    for (label, ours, other), height in zip(rows, heights, strict=True):
        draw.text((4, top + 4), label, fill=90)
        picture.paste(ours, (LABEL, top + (height - ours.height) // 2))
        picture.paste(other, (LABEL + HALF + 20, top + (height - other.height) // 2))
        top += height
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, help="folder of the Noto fonts")
    parser.add_argument("--compare", action="store_true", help="draw shaped scripts beside hb-view's drawing")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    if args.compare and not args.fonts:
        parser.error("--compare needs --fonts")
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"))
    picture = comparison(samples, args.fonts) if args.compare else gallery(samples, args.fonts)
    picture.save(args.output, optimize=True)
    print(f"{args.output}: {picture.width} x {picture.height}")


if __name__ == "__main__":
    main()
