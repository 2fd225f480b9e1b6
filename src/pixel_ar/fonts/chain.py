# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A chain of atlases and fonts: the first member that has a character draws it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .atlas import GlyphAtlas
from .shaped_font import ShapedFont

_FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")


def cell_width(atlases: tuple[GlyphAtlas, ...]) -> int | None:
    """Return the width of every glyph, or None if they differ or there is a font among the atlases."""
    if any(isinstance(atlas, ShapedFont) for atlas in atlases):
        return None
    widths = {int(atlas.widths[0]) for atlas in atlases}
    is_uniform = len(widths) == 1 and all((atlas.widths == atlas.widths[0]).all() for atlas in atlases)
    return widths.pop() if is_uniform else None


def load_atlases(
    atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphAtlas | ShapedFont]",
) -> tuple[GlyphAtlas, ...]:
    """Load what is not loaded yet and check that all heights agree.

    Raises:
        ValueError: for no atlas, or atlases of different heights.
    """
    if isinstance(atlases, str | bytes | os.PathLike | GlyphAtlas | ShapedFont):
        atlases = [atlases]
    given: Sequence[Any] = atlases  # a font has the same duties as an atlas, and no common class
    members = [atlas if _is_font(atlas) else _load_atlas(atlas) for atlas in given]
    known = [member for member in members if isinstance(member, GlyphAtlas | ShapedFont)]
    height = known[0].height if known else 16
    # Fonts stand on the baseline of the first member that has one on record (the bundled atlases have none).
    baseline = next((each.provenance["baseline"] for each in known if "baseline" in each.provenance), None)
    loaded: tuple[Any, ...] = tuple(
        member
        if isinstance(member, GlyphAtlas | ShapedFont)
        else ShapedFont(member, height, baseline=baseline)
        for member in members
    )
    if not loaded:
        raise ValueError("at least one glyph atlas is needed, got none")
    if len({atlas.height for atlas in loaded}) > 1:
        heights = ", ".join(f"{atlas.name} {atlas.height}" for atlas in loaded)
        raise ValueError(f"all atlases of a renderer must have the same height, got {heights}")
    return loaded


def _is_font(member: Any) -> bool:
    """Tell whether a member of a chain is a font file, or what is in one."""
    return isinstance(member, bytes | ShapedFont) or (
        isinstance(member, str | os.PathLike) and Path(member).suffix.lower() in _FONT_SUFFIXES
    )


def _load_atlas(atlas: "str | os.PathLike[str] | GlyphAtlas") -> GlyphAtlas:
    return atlas if isinstance(atlas, GlyphAtlas) else GlyphAtlas.load(atlas)


__all__ = []
