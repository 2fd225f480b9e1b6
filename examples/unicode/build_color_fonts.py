# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
# /// script
# dependencies = ["pixel-ar", "fonttools>=4.60"]
# ///
"""Make the two small colour fonts of the tests: the same squares and a face, as painted layers and as bitmaps.

    python examples/unicode/build_color_fonts.py modeling_tests/fixtures/unicode

`colors-layers.ttf` has a COLR table of version 0, `colors-bitmaps.ttf` an sbix table with PNG images 32 pixels high.
Nothing in them is taken from another font.
"""

import argparse
from io import BytesIO
from pathlib import Path
from typing import Any

from fontTools.colorLib.builder import buildCOLR, buildCPAL
from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.sbixGlyph import Glyph as BitmapGlyph
from fontTools.ttLib.tables.sbixStrike import Strike
from PIL import Image, ImageDraw

UNITS = 1024
RED, BLUE, YELLOW, BLACK = (0.9, 0.1, 0.1, 1), (0.1, 0.2, 0.9, 1), (1, 0.8, 0.1, 1), (0, 0, 0, 1)
PALETTE = [RED, BLUE, YELLOW, BLACK]
# Boxes (left, bottom, right, top) in units, and the colours they are painted in, of each glyph.
WHOLE, EYES = (60, -140, 980, 780), [(240, 400, 380, 580), (660, 400, 800, 580)]
MOUTH = [(260, 40, 780, 160)]
GLYPHS: dict[str, list[tuple[list[tuple[int, int, int, int]], int]]] = {
    "red": [([WHOLE], 0)],
    "blue": [([WHOLE], 1)],
    "face": [([WHOLE], 2), (EYES, 3), (MOUTH, 3)],
    # The sequence of face, joiner and blue square.
    "face_blue": [([WHOLE], 1), (EYES, 2), (MOUTH, 2)],
}
CODES = {0x1F7E5: "red", 0x1F7E6: "blue", 0x1F600: "face", 0x200D: "joiner", 0xFE0F: "selector"}
FEATURES = "feature ccmp { sub face joiner blue by face_blue; sub red selector by red; } ccmp;"


def draw_boxes(boxes: list[tuple[int, int, int, int]]) -> Any:
    """The outline of some boxes."""
    pen = TTGlyphPen(None)
    for left, bottom, right, top in boxes:
        pen.moveTo((left, bottom))
        for corner in ((left, top), (right, top), (right, bottom)):
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()


def draw_bitmap(layers: list[tuple[list[tuple[int, int, int, int]], int]], size: int) -> bytes:
    """The glyph as PNG on a square of the em, `size` pixels high."""
    image = Image.new("RGBA", (size, size))
    draw, scale = ImageDraw.Draw(image), size / UNITS
    for boxes, color in layers:
        for left, bottom, right, top in boxes:
            corners = [left * scale, size - (top + 192) * scale, right * scale, size - (bottom + 192) * scale]
            draw.rectangle([round(value) for value in corners], tuple(round(255 * v) for v in PALETTE[color]))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def build(kind: str) -> FontBuilder:
    """A font with `"layers"` or `"bitmaps"`."""
    layers = {
        f"{name}.{index}": boxes for name, parts in GLYPHS.items() for index, (boxes, _) in enumerate(parts)
    }
    order = [".notdef", "joiner", "selector", *GLYPHS, *layers]
    builder = FontBuilder(UNITS)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(CODES)
    outlines = {name: draw_boxes(layers.get(name, [])) for name in order}
    if kind == "bitmaps":
        outlines |= {name: draw_boxes([(0, -192, UNITS, UNITS - 192)]) for name in GLYPHS}
    else:
        outlines |= {name: draw_boxes(parts[0][0]) for name, parts in GLYPHS.items()}
    builder.setupGlyf(outlines)
    widths = {name: 0 if name in ("joiner", "selector") else UNITS + 64 for name in order}
    table = builder.font["glyf"]
    builder.setupHorizontalMetrics(
        {
            name: (width, table[name].xMin if table[name].numberOfContours else 0)
            for name, width in widths.items()
        }
    )
    builder.setupHorizontalHeader(ascent=832, descent=-192)
    builder.setupNameTable({"familyName": f"Pixel AR colours, {kind}", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=832, sTypoDescender=-192, usWinAscent=832, usWinDescent=192)
    builder.setupPost()
    addOpenTypeFeaturesFromString(builder.font, FEATURES)
    if kind == "layers":
        painted = {
            name: [(f"{name}.{index}", color) for index, (_, color) in enumerate(parts)]
            for name, parts in GLYPHS.items()
        }
        builder.font["COLR"] = buildCOLR(painted, version=0)
        builder.font["CPAL"] = buildCPAL([PALETTE])
    else:
        sbix = builder.font["sbix"] = newTable("sbix")
        strike = Strike(ppem=32, resolution=72)
        for name in order:
            image = draw_bitmap(GLYPHS[name], 32) if name in GLYPHS else None
            strike.glyphs[name] = BitmapGlyph(
                glyphName=name, graphicType="png " if image else None, imageData=image, originOffsetY=-6
            )
        sbix.strikes = {32: strike}
    # The same bytes at every run.
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    return builder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for kind in ("layers", "bitmaps"):
        build(kind).save(folder / f"colors-{kind}.ttf")


if __name__ == "__main__":
    main()
