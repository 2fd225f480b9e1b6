# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The cell of a glyph: where its ink stands in the strip, and how wide it is."""

import numpy as np


def place_ink(ink: np.ndarray, row: int, left: int, advance: int, height: int) -> tuple[np.ndarray, int]:
    """Put the ink of a glyph into its cell.

    Args:
        ink: `[rows, columns]`, without blank edges; may be empty.
        row: Row of the strip where its first row goes; rows outside the strip are cut off.
        left: Its first column, counted from the pen.
        advance: Columns to the next pen position. Ink beyond it on either side widens the cell.
        height: Rows of the strip.

    Returns:
        uint8 `[height, W]` with 1 = ink and W at least 1; and the columns that all is moved to the right.
    """
    shift = max(-left, 0) if ink.size else 0
    stop = left + ink.shape[1] if ink.size else 0
    cell = np.zeros((height, max(shift + max(advance, stop), 1)), np.uint8)
    return (paste(cell, ink, (row, left + shift)) if ink.size else cell), shift


def paste(canvas: np.ndarray, image: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Lay an image on a canvas with its corner at (row, column); what lies outside is cut off. Returns the canvas."""
    first, start = max(place[0], 0), max(place[1], 0)
    stops = [min(place[axis] + image.shape[axis], canvas.shape[axis]) for axis in (0, 1)]
    if first < stops[0] and start < stops[1]:
        canvas[first : stops[0], start : stops[1]] = image[
            first - place[0] : stops[0] - place[0], start - place[1] : stops[1] - place[1]
        ]
    return canvas


__all__ = ["paste", "place_ink"]
