# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Letter spacing: a chain of atlases and fonts whose glyphs carry blank columns at their right.

Renderer and reader then work as they do, at the same speed: a spaced letter is a wider letter. Where a letter joins the
one at its right (final and medial forms of Arabic) no blank is put between them, as CSS Text 3, section 7.2 asks.
"""

from collections.abc import Sequence
from functools import cache, singledispatch

import numpy as np

from ..text.joining import letters_of_forms
from ..text.properties import presentation_forms
from .atlas import GlyphAtlas
from .shaped_font import ShapedFont
from .source import GlyphSource

_MAX_WIDTH = 255


@cache
def joined_forms() -> frozenset[str]:
    """Return the presentation forms that join the letter before them."""
    return frozenset(
        form for form in letters_of_forms() if presentation_forms()[form][0] in ("final", "medial")
    )


class SpacedAtlas(GlyphAtlas):
    """An atlas with blank columns at the right of its glyphs.

    Args:
        tight: The atlas.
        spacing: Blank columns.

    Attributes:
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
        self._tight, self.spacing = tight, spacing
        codes = [ord(form) for form in joined_forms()]
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

    @property
    def tight(self) -> GlyphSource:
        """As it was."""
        return self._tight

    def __reduce__(self) -> tuple:
        return type(self), (self._tight, self.spacing)


class SpacedFont(ShapedFont):
    """A font with blank columns at the right of each cluster it draws.

    Args:
        tight: The font.
        spacing: Blank columns.

    Attributes:
        spacing: As given.
    """

    def __init__(self, tight: ShapedFont, spacing: int) -> None:
        super().__init__(tight.data, **tight.settings)
        self._tight, self.spacing = tight, spacing

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

    @property
    def tight(self) -> GlyphSource:
        """As it was."""
        return self._tight

    def __reduce__(self) -> tuple:
        return type(self), (self._tight, self.spacing)


@singledispatch
def add_spacing(source: GlyphSource, spacing: int) -> GlyphSource:
    """Return a source with `spacing` blank columns after each cluster.

    Raises:
        TypeError: for a kind of source that this is not known for.
    """
    raise TypeError(f"letter_spacing is not known for a {type(source).__name__}")


@add_spacing.register
def _(source: GlyphAtlas, spacing: int) -> GlyphSource:
    return SpacedAtlas(source, spacing)


@add_spacing.register
def _(source: ShapedFont, spacing: int) -> GlyphSource:
    return SpacedFont(source, spacing)


def space_members(members: Sequence[GlyphSource], spacing: int) -> tuple[GlyphSource, ...]:
    """Return the members of a chain with `spacing` blank columns after each cluster; themselves for 0."""
    return tuple(add_spacing(member, spacing) for member in members) if spacing else tuple(members)


__all__ = ["SpacedAtlas", "SpacedFont", "add_spacing", "joined_forms", "space_members"]
