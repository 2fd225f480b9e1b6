# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A line of text in a picture that is not exactly a strip: inverted, with a border, zoomed, shifted, slightly turned.

The background is what most of the border shows. Small turns are undone where that makes the rows of ink sharpest. Then
zooms and places are tried, and the one is taken at which the most columns are exactly those of glyphs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

_SCALES = (1.0, 2.0, 1.5, 3.0, 4.0, 2.5, 1.25, 1.75, 5.0, 6.0, 8.0)
# Turns that are looked for, as rows for each column.
_SLOPES = tuple(step / 200 for step in range(-8, 9))
# Columns of the strip by which places are compared, and the share of exact ones at which the search may end.
_GLANCE, _GOOD = 240, 0.95
# The ink of a line takes at least this share of its height, and a zoomed pixel is ink from this share of it on.
_LEAST_INK = 0.3


@dataclass(frozen=True)
class FoundLine:
    """Where a line lies in a picture.

    Attributes:
        strip: bool `[H, W]`, True = background.
        scale: Pixels of the picture for one of the strip, each way.
        top: Row of the picture where the strip begins.
        left: Column of the same.
        is_inverted: Whether the picture has light text on a dark ground.
        slope: Rows by which the line falls for each column.
        score: Share of the ink columns of its beginning that are exactly those of glyphs.
        is_point: Whether the middle of what a pixel covers was taken, not its mean.
        kept: Share of the ink of the picture that the strip has, 1 at most.
    """

    strip: np.ndarray
    scale: float
    top: float
    left: float
    is_inverted: bool
    slope: float
    score: float
    is_point: bool = False
    kept: float = 1.0


def _kept(part: np.ndarray, level: np.ndarray, scale: float, left: float) -> float:
    """Share of the ink of a picture's columns that a strip has, 1 at most; a quarter may get lost in rounding."""
    first = max(0, int(left))
    inside = level[:, first : first + int(part.shape[1] * scale)]
    ink = float((inside > 0.5).sum())
    return min(1.0, float((~part).sum()) * scale * scale / (0.75 * ink)) if ink else 0.0


def find_line(picture: np.ndarray, height: int, score: Callable[[np.ndarray], float]) -> FoundLine | None:
    """Find the line of text in a picture.

    Args:
        picture: float `[R, C]` in [0, 1].
        height: Rows of a strip, H.
        score: Tells for a strip, bool `[H, w]` with True = background, what share of its ink is exactly that of glyphs.

    Returns:
        The line, or None for a picture without ink.
    """
    ink, is_inverted = _ink_of(picture)
    if ink.max(initial=0.0) < 0.5:
        return None
    best: FoundLine | None = None
    for slope in _likely_slopes(ink):
        level = _sheared(ink, slope)
        rows, columns = (np.flatnonzero((level > 0.5).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        for scale, top, left, is_point in _places(height, rows, columns, level.shape):
            part = _reduced(level, height, scale, top, left, _GLANCE, is_point)
            value = score(part) * _kept(part, level, scale, left)
            if best is None or value > best.score + 1e-6:
                best = FoundLine(part, scale, top, left, is_inverted, slope, value, is_point)
                if value >= _GOOD:
                    break
        if best is not None and best.score >= _GOOD:
            break
    if best is None:
        return None
    level = _sheared(ink, best.slope)
    last = int(np.flatnonzero((level > 0.5).any(axis=0))[-1])
    width = int((last + 1 - best.left) / best.scale) + 2
    strip = _reduced(level, height, best.scale, best.top, best.left, width, best.is_point)
    return replace(best, strip=strip, kept=_kept(strip, level, best.scale, best.left))


def _ink_of(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """(float `[R, C]`, 1 = ink and 0 = background; whether the text is lighter than its ground)."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = float(np.median(border))
    darkest, lightest = np.quantile(picture, [0.002, 0.998])
    is_inverted = lightest - ground > ground - darkest
    text = float(lightest if is_inverted else darkest)
    if abs(text - ground) < 0.05:
        return np.zeros_like(picture), False
    return np.clip((picture - ground) / (text - ground), 0.0, 1.0), bool(is_inverted)


def _likely_slopes(ink: np.ndarray) -> list[float]:
    """Turns, the likeliest first: those that leave the rows the most unlike each other."""
    if ink.shape[1] < 64:
        return [0.0]
    sharpness = {
        slope: float(np.square(np.diff(_sheared(ink, slope).sum(axis=1))).sum()) for slope in _SLOPES
    }
    best = max(sharpness, key=sharpness.__getitem__)
    if sharpness[best] < 1.05 * sharpness[0.0] or best == 0.0:
        return [0.0]
    return [best, 0.0]


def _sheared(ink: np.ndarray, slope: float) -> np.ndarray:
    """Move each column up by what the line has fallen there, from the middle on."""
    if slope == 0.0:
        return ink
    columns = np.arange(ink.shape[1])
    shifts = np.rint((columns - ink.shape[1] / 2) * slope).astype(np.int64)
    rows = np.arange(ink.shape[0])[:, None] + shifts[None]
    inside = (rows >= 0) & (rows < ink.shape[0])
    return np.where(inside, ink[np.clip(rows, 0, ink.shape[0] - 1), columns[None]], 0.0)


def _places(
    height: int, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]
) -> Iterator[tuple[float, float, float, bool]]:
    """(zoom, row, column, whether pixels are taken from the middle) of strips that hold all the ink, the plainest
    first. A picture zoomed by repeating pixels has each of them in the middle.
    """
    first, last = int(rows[0]), int(rows[-1]) + 1
    for scale in sorted(
        {*_SCALES, shape[0] / height}, key=lambda each: (each != shape[0] / height, each % 1 != 0, each)
    ):
        tall = height * scale
        if scale < 0.9 or not _LEAST_INK * tall <= last - first <= tall + 1.5 * scale:
            continue
        step = 1.0 if scale == int(scale) else 0.5
        tops = np.arange(last - tall - (scale - 1), first + (scale - 1) + 0.01, step)
        lefts = np.arange(columns[0] - scale + 1, columns[0] + (1 - step) + 0.01, step)
        # What a strip of the picture's own height shows stands where it stood.
        for top in sorted(tops.tolist(), key=abs) if len(tops) else [float(first)]:
            for left in lefts.tolist()[::-1]:
                yield scale, top, left, False
                if scale != int(scale):
                    yield scale, top, left, True


def _reduced(
    level: np.ndarray, height: int, scale: float, top: float, left: float, width: int, is_point: bool
) -> np.ndarray:
    """The strip at a place, bool `[height, width]`, True = background: the mean of what each of its pixels covers."""
    width = max(1, min(width, int((level.shape[1] - left) / scale) + 1))
    if is_point or (scale == 1.0 and top == int(top) and left == int(left)):
        rows, columns = (
            np.floor(first + scale * (np.arange(count) + 0.5)).astype(np.int64)
            for first, count in ((top, height), (left, width))
        )
        inside = (
            (rows >= 0)[:, None]
            & (rows < level.shape[0])[:, None]
            & (columns >= 0)
            & (columns < level.shape[1])
        )
        taken = level[np.clip(rows, 0, level.shape[0] - 1)][:, np.clip(columns, 0, level.shape[1] - 1)]
        return ~((taken > 0.5) & inside)
    total = np.pad(level, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    ys, xs = top + scale * np.arange(height + 1), left + scale * np.arange(width + 1)
    return ~(_means(total, ys, xs) > 0.5 * scale * scale)


def _means(total: np.ndarray, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Sums over rectangles between rows `ys` and columns `xs`, of a table of sums from the corner on."""
    table = _between(_between(total, ys, 0), xs, 1)
    return np.asarray(table[1:, 1:] - table[:-1, 1:] - table[1:, :-1] + table[:-1, :-1])


def _between(table: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate a table of sums at places along an axis."""
    places = np.clip(places, 0, table.shape[axis] - 1)
    low = np.minimum(places.astype(np.int64), table.shape[axis] - 2)
    share = (places - low).reshape((-1, 1) if axis == 0 else (1, -1))
    return np.asarray(table.take(low, axis) * (1 - share) + table.take(low + 1, axis) * share)


__all__ = ["FoundLine", "find_line"]
