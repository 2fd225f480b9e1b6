# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Strips as pictures for people: enlarged, wrapped into lines, the prompt tinted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..limits import MAX_IMAGE_PIXELS, check_limit

PAPER = (255, 255, 255)
PROMPT = (255, 236, 179)
INK = (17, 17, 17)


def strip_page(
    strips: Sequence[np.ndarray],
    prompt_columns: Sequence[int] | None = None,
    line_columns: int = 480,
    scale: int = 3,
) -> Image.Image:
    """Draws strips below each other on one page.

    Args:
        strips: each `[C, H, W]` in [0, 1], 1 = background.
        prompt_columns: how many columns of each strip were given and not generated; they get a tinted background.
        line_columns: strips are wrapped after so many columns.
        scale: side of a pixel in the picture.

    Returns:
        An RGB image.
    """
    given = prompt_columns if prompt_columns is not None else [0] * len(strips)
    height = strips[0].shape[1]
    lines: list[np.ndarray] = []
    for index, (strip, columns) in enumerate(zip(strips, given, strict=True)):
        coloured = _tint(strip, columns)
        if index > 0:
            # A wider gap than between the lines of one strip.
            lines.append(np.full((height // 2, line_columns, 3), PAPER, np.float32))
        for start in range(0, max(coloured.shape[1], 1), line_columns):
            line = np.full((height + height // 2, line_columns, 3), PAPER, np.float32)
            part = coloured[:, start : start + line_columns]
            line[:height, : part.shape[1]] = part
            lines.append(line)
    margin = height // 2
    page = np.pad(np.concatenate(lines), ((margin, 0), (margin, margin), (0, 0)), constant_values=255)
    image = Image.fromarray(np.rint(page).astype(np.uint8))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def strips_of_page(
    pixels: np.ndarray, layout: Mapping[str, Any], height: int, num_channels: int
) -> list[np.ndarray]:
    """The strips of a picture that [`strip_page`] made, without tint, zoom and line breaks.

    Args:
        pixels: uint8 `[rows, columns, 3]`.
        layout: `scale`, `line_columns` and `num_columns` (a list, one per strip).
        height: H.
        num_channels: C.

    Returns:
        float32 `[C, H, W]` of each strip.

    Raises:
        ValueError: for a picture of another size than the layout says.
    """
    numbers = [layout.get("scale"), layout.get("line_columns"), *_listed(layout.get("num_columns"))]
    if len(numbers) < 3 or not all(isinstance(number, int) and number > 0 for number in numbers):
        raise ValueError("the picture does not say how its strips lie; cut out single lines.")
    scale, line, *counts = (int(number) for number in numbers if number is not None)
    small = pixels[scale // 2 :: scale, scale // 2 :: scale].astype(np.float32)
    light = np.clip((small.mean(axis=2) - INK[0]) / (min(sum(PROMPT) / 3, 255) - INK[0]), 0, 1)
    margin = height // 2
    lines_of = [max(-(-count // line), 1) for count in counts]
    rows = sum(lines_of) * (height + height // 2) + (len(counts) - 1) * (height // 2) + margin
    if light.shape != (rows, line + 2 * margin):
        raise ValueError(
            f"the picture has {light.shape[0]} x {light.shape[1]} squares, but says that it has {rows} x "
            f"{line + 2 * margin}; it was cut or scaled since."
        )
    strips, top = [], margin
    for count, num_lines in zip(counts, lines_of, strict=True):
        parts = []
        for _ in range(num_lines):
            parts.append(light[top : top + height, margin : margin + line])
            top += height + height // 2
        top += height // 2
        strip = np.concatenate(parts, axis=1)[:, :count]
        strips.append(np.repeat(strip[None], num_channels, axis=0))
    return strips


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tint(strip: np.ndarray, prompt_columns: int) -> np.ndarray:
    """`[C, H, W]` in [0, 1] to `[H, W, 3]` of 0..255."""
    light = strip.mean(axis=0)[:, :, None]
    background = np.full((1, strip.shape[2], 3), PAPER, np.float32)
    background[:, :prompt_columns] = PROMPT
    return light * background + (1 - light) * np.array(INK, np.float32)


def strip_to_pil(strip: np.ndarray, scale: int = 1) -> Image.Image:
    """`[C, H, W]`, uint8 or in [0, 1], to an image of mode L (C = 1) or RGB (C = 3), enlarged `scale` times.

    Raises:
        ValueError: for another number of channels, no pixels, or more of them than `MAX_IMAGE_PIXELS`.
    """
    if len(strip) not in (1, 3):
        raise ValueError(
            f"a strip [C, H, W] has 1 or 3 channels, got the shape {strip.shape}; move the channels of [H, W, C] first."
        )
    if 0 in strip.shape:
        raise ValueError(f"a strip of the shape {strip.shape} has no pixels.")
    check_limit(
        strip.shape[1] * strip.shape[2] * scale**2, MAX_IMAGE_PIXELS, f"pixels at scale={scale!r:.20}"
    )
    levels = strip if strip.dtype == np.uint8 else np.rint(strip * 255).astype(np.uint8)
    image = Image.fromarray(
        levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, 2))
    )
    if scale == 1:
        return image
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def stack_strips(strips: Sequence[Image.Image], scale: int = 1, gap: int = 4) -> Image.Image:
    """Puts strips below each other on one white picture.

    Args:
        strips: pictures of any widths.
        scale: integer zoom.
        gap: white rows between two strips, before zooming.
    """
    width = max(strip.width for strip in strips)
    height = sum(strip.height + gap for strip in strips) + gap
    sheet = Image.new("L", (width + 2 * gap, height), 255)
    top = gap
    for strip in strips:
        sheet.paste(strip.convert("L"), (gap, top))
        top += strip.height + gap
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)


__all__ = ["stack_strips", "strip_page", "strip_to_pil", "strips_of_page"]
