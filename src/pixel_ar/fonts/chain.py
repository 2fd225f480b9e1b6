# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A chain of atlases and fonts: the first member that has a character draws it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .atlas import GlyphAtlas
from .shaped_font import ShapedFont
from .source import GlyphSource

_FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")


def cell_width(sources: Sequence[GlyphSource]) -> int | None:
    """Return the width of every glyph of a chain, or None if they differ."""
    widths = {source.cell_width for source in sources}
    return widths.pop() if len(widths) == 1 else None


def load_atlases(
    atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphSource]",
) -> tuple[GlyphSource, ...]:
    """Load what is not loaded yet and check that all heights agree.

    Raises:
        ValueError: for no atlas, or atlases of different heights.
    """
    if isinstance(atlases, str | bytes | os.PathLike | GlyphSource):
        atlases = [atlases]
    if not isinstance(atlases, Iterable):
        raise TypeError(f"atlases must be a list of names, paths, atlases or fonts, got {atlases!r:.60}")
    # Atlases first: fonts take the height and the baseline of what is loaded.
    members = [_load_atlas(member) for member in atlases]
    known = [member for member in members if isinstance(member, GlyphSource)]
    height = known[0].height if known else 16
    # Fonts stand on the baseline of the first member that has one on record (the bundled atlases have none).
    baseline = next((each.provenance["baseline"] for each in known if "baseline" in each.provenance), None)
    loaded = tuple(
        member if isinstance(member, GlyphSource) else ShapedFont(member, height, baseline=baseline)
        for member in members
    )
    if not loaded:
        raise ValueError("at least one glyph atlas is needed, got none")
    if len({atlas.height for atlas in loaded}) > 1:
        heights = ", ".join(f"{atlas.name} {atlas.height}" for atlas in loaded)
        raise ValueError(f"all atlases of a renderer must have the same height, got {heights}")
    return loaded


def _load_atlas(
    member: "str | bytes | os.PathLike[str] | GlyphSource",
) -> "str | bytes | os.PathLike[str] | GlyphSource":
    """Load a member of a chain, unless it is a font file, or what is in one."""
    if not isinstance(member, str | bytes | os.PathLike | GlyphSource):
        raise TypeError(f"an atlas is a name, a path, the bytes of a font, or an object, got {member!r:.60}")
    if isinstance(member, bytes | GlyphSource) or Path(member).suffix.lower() in _FONT_SUFFIXES:
        return member
    return GlyphAtlas.load(member)


__all__ = ["cell_width", "load_atlases"]
