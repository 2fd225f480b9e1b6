# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw the same article in all languages of `languages.py` as one picture.

    python examples/unicode/gallery.py --fonts /usr/share/fonts/truetype/noto gallery.png

With `--compare`, each line of a script that a font draws is followed by the same text drawn by HarfBuzz's `hb-view`
(Debian package libharfbuzz-bin), scaled to 16 rows.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from languages import LANGUAGES
from PIL import Image, ImageDraw

from pixel_ar.rendering_pixel_ar import StripRenderer

SAMPLES = Path(__file__).parents[2] / "modeling_tests" / "fixtures" / "unicode" / "declarations.json"
LABEL, WIDTH, ROWS = 150, 620, 20


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
    """The text drawn by hb-view at four times the size, scaled down."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "line.png"
        command = [
            "hb-view",
            str(font),
            f"--text={text}",
            "--font-size=48",
            "--margin=8",
            f"--output-file={target}",
        ]
        subprocess.run(command, check=True)
        image = Image.open(target).convert("L")
        return image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, help="folder of the Noto fonts")
    parser.add_argument("--compare", action="store_true", help="also draw with hb-view")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"))
    lines: list[tuple[str, Image.Image]] = []
    for code, (language, _, font) in LANGUAGES.items():
        path = args.fonts / f"{font}-Regular.ttf" if args.fonts and font else None
        if args.compare and path is None:
            continue
        chain = ["unifont-16", *([str(path)] if path else [])]
        renderer = StripRenderer(chain, missing="hexbox", unsupported="shape" if path else "cells")
        pixels, text = shorten(renderer, samples[code][0])
        lines.append((language, Image.fromarray(pixels)))
        if args.compare and path is not None:
            lines.append(("  hb-view", drawn_by_hb_view(text, path)))
    heights = [max(ROWS, image.height + 2) for _, image in lines]
    picture = Image.new("L", (LABEL + WIDTH + 120 * args.compare, sum(heights)), 255)
    draw, top = ImageDraw.Draw(picture), 0
    for (label, image), height in zip(lines, heights, strict=True):
        draw.text((4, top + 2), label, fill=90)
        picture.paste(image, (LABEL, top + 2))
        top += height
    picture.save(args.output, optimize=True)
    print(f"{args.output}: {len(lines)} lines")


if __name__ == "__main__":
    main()
