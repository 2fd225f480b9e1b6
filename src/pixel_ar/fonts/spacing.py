# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Letter spacing: a chain of atlases and fonts whose glyphs carry blank columns at their right.

Renderer and reader then work as they do, at the same speed: a spaced letter is a wider letter. Where a letter joins the
one at its right (final and medial forms of Arabic) no blank is put between them, as CSS Text 3, section 7.2 asks.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..text.joining import letters_of_forms
from ..text.properties import presentation_forms
from .atlas import GlyphAtlas
from .shaped_font import ShapedFont

_MAX_WIDTH = 255


@cache
def _joined_forms() -> frozenset[str]:
    """Presentation forms that join the letter before them."""
    return frozenset(
        form for form in letters_of_forms() if presentation_forms()[form][0] in ("final", "medial")
    )


class SpacedAtlas(GlyphAtlas):
    """An atlas with blank columns at the right of its glyphs.

    Args:
        tight: The atlas.
        spacing: Blank columns.

    Attributes:
        tight: The atlas as it was.
        spacing: As given.

    Raises:
        ValueError: if a glyph gets wider than an atlas can hold.
    """

    def __init__(self, tight: GlyphAtlas, spacing: int) -> None:
        widest = int(tight.widths.max()) + spacing
        if widest > _MAX_WIDTH:
            raise ValueError(
                f"letter_spacing={spacing} makes glyphs of {tight.name!r} {widest} columns wide, more than "
                f"{_MAX_WIDTH}; use less."
            )
        self.tight, self.spacing = tight, spacing
        codes = [ord(form) for form in _joined_forms()]
        added = np.where(np.isin(tight.code_points, codes), 0, spacing)
        size = tight.height // 8
        # Where each old column stands once the blanks before it are in.
        shift = np.repeat(np.cumsum(added) - added, tight.widths)
        place = np.arange(len(shift)) + shift
        columns = np.zeros((len(shift) + int(added.sum()), size), np.uint8)
        columns[place] = tight.columns.reshape(-1, size)
        levels: np.ndarray | None = None
        if tight.levels is not None:
            rows = np.zeros((len(columns), tight.height), np.uint8)
            rows[place] = tight.levels.reshape(-1, tight.height)
            levels = rows.ravel()
        super().__init__(
            tight.name,
            tight.height,
            tight.code_points,
            (tight.widths + added).astype(np.uint8),
            columns.ravel(),
            tight.license,
            tight.source,
            tight.provenance,
            levels,
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.tight, self.spacing)


class SpacedFont(ShapedFont):
    """A font with blank columns at the right of each cluster it draws.

    Args:
        tight: The font.
        spacing: Blank columns.

    Attributes:
        tight: The font as it was.
        spacing: As given.
    """

    def __init__(self, tight: ShapedFont, spacing: int) -> None:
        super().__init__(tight.data, **tight.settings)
        self.tight, self.spacing = tight, spacing

    def draw(self, cluster: str, is_right_to_left: bool) -> bytes | None:
        """As [`ShapedFont.draw`], with the blanks."""
        cell = super().draw(cluster, is_right_to_left)
        return None if cell is None else cell + bytes(self.spacing * self.height // 8)

    def draw_levels(
        self, cluster: str, is_right_to_left: bool
    ) -> tuple[np.ndarray, np.ndarray | None] | None:
        """As [`ShapedFont.draw_levels`], with the blanks."""
        drawn = super().draw_levels(cluster, is_right_to_left)
        if drawn is None:
            return None
        blank = ((0, 0), (0, self.spacing))
        levels, rgba = drawn
        return np.pad(levels, blank), None if rgba is None else np.pad(rgba, (*blank, (0, 0)))

    def __reduce__(self) -> tuple:
        return type(self), (self.tight, self.spacing)


def space_members(members: Sequence[Any], spacing: int) -> tuple[Any, ...]:
    """Return the members of a chain with `spacing` blank columns after each cluster; themselves for 0."""
    if spacing == 0:
        return tuple(members)
    return tuple(
        SpacedFont(member, spacing) if isinstance(member, ShapedFont) else SpacedAtlas(member, spacing)
        for member in members
    )


__all__ = ["SpacedAtlas", "SpacedFont", "space_members"]
