# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw one picture of all modes: levels, colours, rows, spacing and strategies, with the patch borders marked.

    python examples/unicode/modes.py --font /usr/share/fonts/truetype/noto/NotoSans-Regular.ttf \
        --devanagari /usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf \
        --emoji /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf modes.png

The fonts are those of Debian's fonts-noto-core and fonts-noto-color-emoji. Every line is read back; what it reads as is
printed where that is not the text.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.reading.styled_reader import build_reader
from pixel_ar.rendering.style import RenderStyle
from pixel_ar.rendering.styled_renderer import build_renderer

LABEL, WIDTH, SCALE, GAP = 118, 330, 3, 4
LATIN = [*map(chr, range(32, 127)), "éè"]


def outlines(font: Path, height: int, size: float) -> GlyphAtlas:
    """Latin letters of a font with their levels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return GlyphAtlas.from_font(
            font, size, height, LATIN, overflow="cut", mode="L", name=f"latin-{height}"
        )


def lines_of(args: argparse.Namespace) -> list[tuple[str, Any, RenderStyle, int, str]]:
    """(label, chain, style, patch width, text) of every line."""
    text = "The people of the United"
    latin = outlines(args.font, 16, 40 / 3)
    hindi = ShapedFont(args.devanagari, 16, 12, latin.provenance["baseline"])
    emoji = ShapedFont(args.emoji, 16)
    navy = RenderStyle("RGB", "navy", "#fff4dc")
    lines: list[tuple[str, Any, RenderStyle, int, str]] = [
        ("8 rows, 1 bit", ("fixed-5x8",), RenderStyle(), 20, text),
        ("16 rows, 1 bit", ("unifont-16",), RenderStyle(), 16, text),
        ("16 rows, gray", (latin,), RenderStyle("L"), 16, text),
        ("gray, shaped", (latin, hindi), RenderStyle("L"), 16, "Hindi: सभी मनुष्यों को गौरव"),
        ("16 rows, RGB", (latin, hindi, emoji), navy, 16, "RGB सभी 😀 👩🏽\u200d🚀 🇮🇳 ❤\ufe0f end"),
        ("24 rows, font", (outlines(args.font, 24, 18),), RenderStyle("L"), 24, text),
        ("24 rows, 5x8 x3", ("fixed-5x8-x3",), RenderStyle(), 24, "The people of the Un"),
        ("32 rows, font", (outlines(args.font, 32, 24),), RenderStyle("L"), 32, text),
        ("32 rows, x2", ("unifont-16-x2",), RenderStyle(), 32, "The people 你好 of"),
        ("spacing 3", ("fixed-5x8-x2",), RenderStyle(letter_spacing=3), 20, text),
    ]
    for strategy in ("continuous", "bigrams", "mono", "words"):
        style = RenderStyle("L", strategy=strategy)
        lines.append((strategy, (latin,), style, 16, "My cat likes to eat warm oatmeal"))
    lines.append(
        ("words, 5x8", ("fixed-5x8",), RenderStyle(strategy="words"), 20, "My cat likes to eat warm oatmeal")
    )
    return lines


def draw_line(chain: Any, style: RenderStyle, width: int, text: str) -> tuple[Image.Image, str, str]:
    """The line, its patch borders ticked below it; the text drawn, and the text read."""
    renderer = build_renderer(chain, style, width)
    strip = renderer.render(text)
    strip = strip.cut(WIDTH)
    image = strip.to_pil().convert("RGB")
    canvas = Image.new("RGB", (WIDTH, image.height + 3), (225, 225, 225))
    canvas.paste(image, (0, 0))
    ticks = ImageDraw.Draw(canvas)
    for border in range(0, WIDTH, width):
        ticks.line([(border, image.height), (border, image.height + 1)], fill=(200, 0, 0))
    reader = build_reader(renderer)
    if renderer.shaper is not None and renderer.shaper.has_fonts:
        reader.learn([text])
    whole = renderer.render(text)
    read = reader.read(whole if whole.levels is not None else np.asarray(whole.to_array()))
    return canvas, whole.text, read.text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--font", type=Path, required=True, help="a Latin font")
    parser.add_argument("--devanagari", type=Path, required=True, help="a font for the Hindi words")
    parser.add_argument("--emoji", type=Path, required=True, help="a font with emoji in colour")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    drawn = []
    for label, chain, style, width, text in lines_of(args):
        image, shown, read = draw_line(chain, style, width, text)
        drawn.append((label, image))
        print(f"{label}: " + ("read back" if read == shown else f"{shown!r} was read as {read!r}"))
    height = sum(image.height + GAP for _, image in drawn) + GAP
    picture = Image.new("RGB", (LABEL * 2 + WIDTH * SCALE, height * SCALE), "white")
    pen, top = ImageDraw.Draw(picture), GAP
    for label, image in drawn:
        pen.text((8, (top + image.height // 2) * SCALE - 8), label, fill=(60, 60, 60), font_size=18)
        large = image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.NEAREST)
        picture.paste(large, (LABEL * 2, top * SCALE))
        top += image.height + GAP
    picture.quantize(256).save(args.output, optimize=True)
    print(f"{args.output}: {len(drawn)} lines")


if __name__ == "__main__":
    main()
