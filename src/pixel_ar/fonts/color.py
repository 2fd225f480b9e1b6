# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Glyphs in colour: emoji of fonts with bitmaps (CBDT, sbix) or painted layers (COLR).

HarfBuzz finds the bitmap or paints the layers; bitmaps are scaled down by averaging areas, in plain arithmetic, so that
no imaging library's version shows. SVG glyphs are not drawn.

A glyph in colour has a 1-bit and a gray form too, its darkness on white: what is darker than half its darkest pixel is
ink. So it can be drawn in every mode.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from ..limits import MAX_BITMAP_PIXELS, MAX_GLYPH_PIXELS, check_limit

try:
    import uharfbuzz
except ImportError:  # colour needs the engine that shapes
    uharfbuzz = None  # type: ignore[assignment, unused-ignore]

# Rec. 601 luma, as Pillow converts to gray.
_LUMA = np.array([0.299, 0.587, 0.114])
_MARGIN = 2


@dataclass(frozen=True)
class Painting:
    """Glyphs painted on a transparent canvas.

    Attributes:
        rgba: uint8 `[rows, columns, 4]`, not premultiplied.
        top: rows of the canvas above the baseline.
        left: column of its first column from the pen position.
    """

    rgba: np.ndarray
    top: int
    left: int

    def darkness(self) -> np.ndarray:
        """How dark each pixel is on white, uint8 `[rows, columns]`."""
        levels = (255 - self.rgba[..., :3] @ _LUMA) * (self.rgba[..., 3] / 255)
        return np.rint(levels).astype(np.uint8)


def has_colors(face: Any) -> bool:
    """Tell whether a face of uharfbuzz has bitmaps or layers in colour."""
    return bool(face.has_color_png or face.has_color_layers or face.has_color_paint)


def paint_glyphs(face: Any, font: Any, glyphs: list[tuple[int, float, float]]) -> Painting | None:
    """Paint the glyphs of a cluster over each other, in order.

    Args:
        face: Of uharfbuzz.
        font: Of that face, scaled to 64 units a pixel.
        glyphs: (glyph id, x, y) of each in pixels.

    Returns:
        The painting; None if no glyph of the cluster has colour, or there is nothing to paint.
    """
    if not any(_is_colored(face, font, glyph) for glyph, _, _ in glyphs):
        return None
    boxes = [_box(font, *glyph) for glyph in glyphs]
    found = [box for box in boxes if box is not None]
    if not found:
        return None
    left, bottom = (int(np.floor(min(box[i] for box in found))) - _MARGIN for i in (0, 1))
    right, top = (int(np.ceil(max(box[i] for box in found))) + _MARGIN for i in (2, 3))
    check_limit((top - bottom) * (right - left), MAX_GLYPH_PIXELS, "pixels of a glyph in colour")
    canvas = np.zeros((top - bottom, right - left, 4))
    for (glyph, x, y), box in zip(glyphs, boxes, strict=True):
        data = font.get_glyph_color_png(glyph).data if face.has_color_png else b""
        if data and box is not None:
            layer = _bitmap(data, box, (left, top), canvas.shape[:2])
        else:
            layer = _layers(font, glyph, x, y, (left, bottom, right - left, top - bottom))
        canvas = layer + canvas * (1 - layer[..., 3:])
    if not canvas[..., 3].any():
        return None
    alpha = canvas[..., 3:]
    colors = np.divide(canvas[..., :3], alpha, out=np.zeros_like(canvas[..., :3]), where=alpha > 0)
    rgba = np.concatenate([colors, alpha], axis=2)
    return Painting(np.rint(rgba.clip(0, 1) * 255).astype(np.uint8), top, left)


def _is_colored(face: Any, font: Any, glyph: int) -> bool:
    if face.has_color_png and font.get_glyph_color_png(glyph).data:
        return True
    if face.has_color_paint and face.glyph_has_color_paint(glyph):
        return True
    return bool(face.has_color_layers and face.get_glyph_color_layers(glyph))


def _box(font: Any, glyph: int, x: float, y: float) -> tuple[float, float, float, float] | None:
    """(left, bottom, right, top) of a glyph in pixels; None if it has no extents."""
    extents = font.get_glyph_extents(glyph)
    if extents is None or not extents.width or not extents.height:
        return None
    left, top = x + extents.x_bearing / 64, y + extents.y_bearing / 64
    return left, top + extents.height / 64, left + extents.width / 64, top


def _bitmap(
    data: bytes, box: tuple[float, float, float, float], corner: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """A PNG scaled into its box on the canvas: premultiplied float `[rows, columns, 4]` in [0, 1]."""
    with Image.open(BytesIO(data)) as file:
        # Pillow knows the size from the header, before it inflates anything.
        check_limit(file.width * file.height, MAX_BITMAP_PIXELS, "pixels of a bitmap in the font")
        image = np.asarray(file.convert("RGBA"), np.float64) / 255
    image = np.concatenate([image[..., :3] * image[..., 3:], image[..., 3:]], axis=2)
    rows = _area_weights(corner[1] - box[3], corner[1] - box[1], image.shape[0], shape[0])
    columns = _area_weights(box[0] - corner[0], box[2] - corner[0], image.shape[1], shape[1])
    return np.einsum("rh,hwc,kw->rkc", rows, image, columns, optimize=True)


def _area_weights(start: float, stop: float, num_in: int, num_out: int) -> np.ndarray:
    """Share of each input pixel in each output pixel, `[num_out, num_in]`, if the input spans [start, stop)."""
    step = (stop - start) / num_in
    edges = start + step * np.arange(num_in + 1)
    low = np.maximum(edges[None, :-1], np.arange(num_out)[:, None])
    high = np.minimum(edges[None, 1:], np.arange(1, num_out + 1)[:, None])
    return np.maximum(high - low, 0)


def _layers(font: Any, glyph: int, x: float, y: float, box: tuple[int, int, int, int]) -> np.ndarray:
    """Painted layers, or a black outline, of a glyph: premultiplied float `[rows, columns, 4]` in [0, 1]."""
    left, bottom, width, height = box
    paint = uharfbuzz.RasterPaint()
    paint.transform = (1 / 64, 0, 0, 1 / 64, x, y)
    paint.extents = uharfbuzz.RasterExtents(
        x_origin=left, y_origin=bottom, width=width, height=height, stride=4 * width
    )
    paint.paint_glyph(font, glyph)
    image = paint.render()
    pixels = np.frombuffer(image.buffer, np.uint8).reshape(height, image.extents.stride // 4, 4)
    return pixels[::-1, :width, [2, 1, 0, 3]] / 255


__all__ = ["Painting", "has_colors", "paint_glyphs"]
