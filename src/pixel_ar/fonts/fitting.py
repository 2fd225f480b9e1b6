# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The size at which a font fits a strip: on the baseline that all fonts of a chain share, nothing moved or shrunk.

By default [`ShapedFont`] takes a size that fits most letters, and moves or shrinks the few clusters that reach farther.
Where the texts are known, [`fit_font`] measures them instead. Measured are outlines (HarfBuzz), before any pixel is
drawn, so a fitted font may leave part of a row empty.
"""

import math
import os
from collections.abc import Iterable
from typing import Any

from ..text.bidi import bidi_classes
from .shaped_font import SMALLEST_SIZE, ShapedFont, shape_outline

_UNIT = 64.0


def ink_extents(font: ShapedFont, texts: Iterable[str]) -> tuple[float, float]:
    """How far texts reach above and below the baseline, in ems.

    Args:
        font: Any size of it.
        texts: Any texts; words with characters that the font lacks are passed over.

    Returns:
        (above, below), each at least 0.

    Raises:
        ShapingNotInstalledError: without HarfBuzz.
    """
    above = below = 0.0
    for word in {word for text in texts for word in text.split() if font.covers(word)}:
        is_right = bool(set(bidi_classes(word)) & set("RA"))
        extents = shape_outline(font, word, is_right, _UNIT)
        if extents is not None:
            above, below = max(above, extents[0] / _UNIT), max(below, extents[1] / _UNIT)
    return above, below


def fit_font(
    font: "str | os.PathLike[str] | bytes",
    texts: Iterable[str],
    height: int = 16,
    baseline: int | None = None,
    **options: Any,
) -> ShapedFont:
    """Take the largest size at which no ink of given texts leaves the strip, at most three quarters of its height.

    Args:
        font: Path or contents of a font file.
        texts: What is to be drawn, or a fair sample of it.
        height: Rows of the strip.
        baseline: Rows above the baseline; by default that of every [`ShapedFont`], three quarters of the height.
        options: Further arguments of [`ShapedFont`].

    Raises:
        ValueError: if the font covers no word of the texts, or would have to be too small.
        ShapingNotInstalledError: without HarfBuzz.
    """
    usual = ShapedFont(font, height, size=0.75 * height, baseline=baseline, **options)
    above, below = ink_extents(usual, texts)
    if not above and not below:
        raise ValueError(f"font {usual.name!r} has no ink for any word of the texts to fit")
    rows = [(usual.baseline, above), (height - usual.baseline, below)]
    size = math.floor(4 * min([usual.size, *(room / ems for room, ems in rows if ems > 0)])) / 4
    if size < SMALLEST_SIZE:
        raise ValueError(
            f"font {usual.name!r} reaches {above:.2f} ems above and {below:.2f} ems below the baseline in these texts, "
            f"which does not fit {height} rows with baseline={usual.baseline} at any size from {SMALLEST_SIZE:g} on; "
            "pass another baseline, or more rows."
        )
    return ShapedFont(font, height, size=size, baseline=baseline, **options)


__all__ = ["fit_font", "ink_extents"]
