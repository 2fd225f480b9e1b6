# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw one article of the Universal Declaration of Human Rights in several languages as a page, and read it back.

    python examples/unicode/page.py examples/figures/page.png

The picture shows the page twice as large, with the borders of its patches in blue.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.rendering.pages import page_text

FIXTURES = Path(__file__).parents[2] / "modeling_tests" / "fixtures" / "unicode"
LANGUAGES = ("eng", "arb", "hin", "cmn_hans", "heb")
WIDTH, SCALE = 26, 2
GRID = (198, 216, 240)


def picture(page: np.ndarray, patch_size: tuple[int, int]) -> Image.Image:
    """An enlarged page with the borders of its patches, `[H, W]` of 0 and 1 to RGB."""
    large = page.repeat(SCALE, axis=0).repeat(SCALE, axis=1).astype(np.uint8) * 255
    colours = np.repeat(large[:, :, None], 3, axis=2)
    border = np.zeros(large.shape, bool)
    border[:: SCALE * patch_size[0]] = border[:, :: SCALE * patch_size[1]] = True
    colours[border & (large == 255)] = GRID
    return Image.fromarray(colours)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    articles = json.loads((FIXTURES / "declarations.json").read_text(encoding="utf-8"))
    text = "\n\n".join(articles[code][0] for code in LANGUAGES)
    chain = ("unifont-16", FIXTURES / "NotoSansDevanagari-sample.ttf")
    processor = PixelProcessor(chain, patch_size=(16, 16))
    batch = processor.render_pages(text, WIDTH, margins=1, return_tensors="np")
    picture(batch["pixel_values"][0, 0], processor.patch_size).save(args.output, optimize=True)
    expected, found = page_text(processor.renderer, text), processor.decode_pages(batch)[0]
    wrong = sum(a != b for a, b in zip(expected, found, strict=False)) + abs(len(expected) - len(found))
    rows = batch["line_layout"].shape[1]
    print(f"{args.output}: {rows} rows of {WIDTH} patches, {len(expected)} characters, {wrong} read wrongly")


if __name__ == "__main__":
    main()
