# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts printed above a page, for models that are asked by picture (Pix2Struct, arXiv 2210.03347, section 4).

Two ways: by our renderer, from the glyphs of the processor; and as Pix2Struct's image processor draws them, from a font
file. Neither needs anything from outside.

Shapes: H, W rows and columns of a page.
"""

import io
import math
import os
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..limits import read_limited
from ..rendering.pages import PageFormat, draw_sheet, lay_out_page
from ..rendering.renderer import StripRenderer
from .layout import unpack_columns

# What Pix2Struct's headers are drawn with: characters of a line, pixels of an em, pixels around the text.
LINE_CHARACTERS = 80
FONT_SIZE = 36
PADDING = 5


def add_header(page: np.ndarray, text: str, renderer: StripRenderer, zoom: int = 1) -> np.ndarray:
    """Prints a text above a page, in the glyphs of strips, wrapped at the width of the page.

    Between text and page stands a black line as high as a line of text, the EOS patches of a strip.

    Args:
        page: uint8 `[H, W, 3]`.
        text: what to print; line breaks in it begin lines.
        renderer: draws it.
        zoom: side of a pixel of the text.

    Returns:
        uint8 `[lines * height * zoom + height * zoom + H, W, 3]`.

    Raises:
        PageOverflowError: for a page narrower than a character.
        ValueError: for a text that cannot be drawn, or a renderer that draws no plain lines.
    """
    style = getattr(renderer, "style", None)
    if style is not None and not style.is_plain:
        raise ValueError(
            f"headers are drawn in 1 bit, but this processor has {style}; use one with mode='1', "
            "strategy='continuous' and letter_spacing=0, or pass header_font=PATH."
        )
    width = page.shape[1]
    columns = width // zoom
    layout = lay_out_page(renderer, text, max(columns, 1))
    page_format = PageFormat(max(columns, 1))
    packed = draw_sheet(layout.lines, page_format, len(layout.lines), renderer.height // 8)
    lines = unpack_columns(packed, 1, "uint8")[:, 0]
    drawn = lines.reshape(-1, lines.shape[-1]).repeat(zoom, axis=0).repeat(zoom, axis=1)
    header = np.full((len(drawn) + renderer.height * zoom, width), 255, np.uint8)
    header[: len(drawn), : drawn.shape[1]] = drawn
    header[len(drawn) :] = 0
    return np.concatenate([np.repeat(header[:, :, None], 3, axis=2), page])


def header_zoom(page: np.ndarray, max_patches: int, patch_size: tuple[int, int]) -> int:
    """How many times a header is enlarged so that it comes out about as drawn, once the page is resized."""
    height, width = page.shape[:2]
    scale = math.sqrt(max_patches * (patch_size[0] / height) * (patch_size[1] / width))
    return max(1, round(1 / scale))


def add_font_header(page: np.ndarray, text: str, font: "str | os.PathLike[str]") -> np.ndarray:
    """Prints a text above a page as Pix2Struct's image processor does (`render_header` in transformers).

    Lines of at most 80 characters, 36 pixels per em, 5 pixels around them; then text and page are both brought to the
    width of the wider one.

    Args:
        page: uint8 `[H, W, 3]`.
        text: what to print; line breaks in it count as spaces.
        font: a TrueType or OpenType file; the models saw Arial.

    Returns:
        uint8, three channels.

    Raises:
        ValueError: for a file that is no font.
    """
    if not isinstance(font, str | os.PathLike):
        raise ValueError(f"header_font must be a path, got {font!r:.60}.")
    content = read_limited(font)
    try:
        face = ImageFont.truetype(io.BytesIO(content), size=FONT_SIZE, encoding="UTF-8")
    except OSError as error:
        raise ValueError(f"header_font={os.fspath(font)!r} is no font that can be read: {error}.") from None
    drawn = font_header(text, face)
    picture = Image.fromarray(page)
    width = max(drawn.width, picture.width)
    heights = [int(part.height * (width / part.width)) for part in (drawn, picture)]
    whole = Image.new("RGB", (width, sum(heights)), "white")
    whole.paste(drawn.resize((width, heights[0])), (0, 0))
    whole.paste(picture.resize((width, heights[1])), (0, heights[0]))
    return np.asarray(whole)


def font_header(text: str, face: ImageFont.FreeTypeFont) -> Image.Image:
    """The text alone, black on white, RGB."""
    wrapped = "\n".join(textwrap.wrap(text, LINE_CHARACTERS))
    _, _, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((0, 0), wrapped, font=face)
    size = (int(right) + 2 * PADDING, int(bottom) + 2 * PADDING)
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).text((PADDING, PADDING), wrapped, fill="black", font=face)
    return picture


__all__ = ["add_font_header", "add_header", "font_header", "header_zoom"]
