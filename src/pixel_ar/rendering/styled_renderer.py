# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Strips in every style: gray and colour, spaced letters, units on patch borders.

[`StyledRenderer`] draws the same 1-bit strip as [`StripRenderer`] first, puts its pieces to units, and lets
`rendering.painting` lay levels and colours over it.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..fonts.chain import load_atlases
from ..fonts.source import GlyphSource
from ..fonts.spacing import space_members
from ..text.graphemes import grapheme_bounds
from .painting import StripPainter
from .pieces import Piece
from .renderer import StripRenderer
from .shaper import SpacedShaper
from .strip import PackedStrip
from .style import RenderStyle
from .units import group_pieces, group_word_pieces, place_cells, place_units

# Characters that are clusters by themselves and, the space apart, not blank: Latin, punctuation, the symbol for a line.
_CELLS_ALONE = re.compile("[\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u203a\u21b5]+")


class StyledRenderer(StripRenderer):
    """Draws texts as strips of any style. Immutable but for its caches, picklable.

    Args:
        atlases: As for [`StripRenderer`].
        style: Mode, colours, spacing and strategy.
        patch_width: Columns of a patch, or of the units in it (`unit_width`): on its multiples units begin. Needed for
            strategies other than `"continuous"`.
        policy: `missing`, `newline`, `tab`, `normalize` and `unsupported`, as for [`StripRenderer`].

    Raises:
        ValueError: for settings that do not fit each other.
    """

    def __init__(
        self,
        atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphSource]",
        style: RenderStyle,
        patch_width: int | None = None,
        **policy: Any,
    ) -> None:
        if style.strategy != "continuous" and not patch_width:
            raise ValueError(
                f"strategy={style.strategy!r} puts units on patch borders and needs patch_width, got {patch_width}."
            )
        self._members = load_atlases(atlases)
        super().__init__(space_members(self._members, style.letter_spacing), **policy)
        if self._shaper is not None and style.letter_spacing:
            self._shaper = SpacedShaper(self._atlases, self._policy, self._table.__getitem__)
        if style.strategy == "word_pieces" and style.letter_spacing and patch_width:
            width = len(self._table["n"]) // (self.height // 8)
            if width > patch_width:
                # A space that begins a unit would look like one that a wide glyph left over.
                raise ValueError(
                    f"letter_spacing={style.letter_spacing} makes letters of {width} pixels, wider than a patch of "
                    f"{patch_width}; strategy='word_pieces' cannot be read back so: take wider patches or less spacing."
                )
        self._style, self._patch_width = style, patch_width
        self._painter = StripPainter(self._atlases, style) if style.has_levels else None

    @property
    def atlases(self) -> tuple[GlyphSource, ...]:
        """The glyph atlases and fonts as given, in the order in which they are asked."""
        return self._members

    @property
    def spaced_atlases(self) -> tuple[GlyphSource, ...]:
        """The same with their spacing, as a reader needs them."""
        return self._atlases

    @property
    def style(self) -> RenderStyle:
        """Mode, colours, spacing and strategy."""
        return self._style

    @property
    def patch_width(self) -> int | None:
        """Columns of a patch."""
        return self._patch_width

    def fingerprint(self) -> str:
        """Return a sha256 over the glyphs and all settings, those of the style among them."""
        parts: dict[str, Any] = {"renderer": super().fingerprint(), "style": self._style.settings()}
        if self._style.strategy != "continuous":
            parts["patch_width"] = self._patch_width
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def render_bytes(self, text: str) -> bytes:
        """Draw a text in 1 bit, whatever the mode, with its spacing and units; see [`StripRenderer.render_bytes`]."""
        if self._style.strategy == "continuous":
            return super().render_bytes(text)
        return (self._render_cells(text) or self._render_packed(text)[0]).columns

    def render(self, text: str) -> PackedStrip:
        """Draw a text; the strip has levels unless the mode is `"1"`."""
        if self._painter is not None and self._painter.needs_pieces:
            return self._painter.paint(*self._render_packed(text))
        if self._style.strategy == "continuous":
            packed = super().render_batch([text])[0]
        else:
            packed = self._render_cells(text) or self._render_packed(text)[0]
        return packed if self._painter is None else self._painter.paint(packed, [])

    def render_batch(self, texts: "Sequence[str]") -> list[PackedStrip]:
        """Draw texts; see [`render`]."""
        return [self.render(text) for text in texts]

    # ---- 1 bit ----

    def _render_packed(self, text: str) -> tuple[PackedStrip, list[Piece]]:
        strip = self._render_whole(text)  # checks that everything has a glyph
        pieces = self._pieces(strip.text)
        strategy = self._style.strategy
        if strategy == "continuous":
            return strip, pieces
        geometry = self.height, int(self._patch_width or 1)
        if strategy == "word_pieces":
            units = group_word_pieces(pieces, strip.text, geometry)
        else:
            units = group_pieces(pieces, strategy)
        return place_units(units, strategy, strip.text, geometry, strip.is_right_to_left), pieces

    def _render_cells(self, text: str) -> PackedStrip | None:
        """Draw the pieces of words of a text in cells of one width, all at once; None for any other text."""
        if self._style.strategy != "word_pieces" or not isinstance(text, str) or not text:
            return None
        if self._ascii is None:
            self._prepare_cells()
        uniform, width = self._uniform, int(self._patch_width or 1)
        if uniform is None or uniform.width > width:
            return None
        text = self._normalise(text)
        if not _CELLS_ALONE.fullmatch(text):
            return None
        index = uniform.index.take(np.frombuffer(text.encode("utf-16-le"), "<u2"))
        if not index.all():
            return None
        return place_cells(text, uniform.cells.take(index), (self.height, width))

    def _is_shaped(self, text: str) -> bool:
        if super()._is_shaped(text):
            return True
        if not self._style.letter_spacing or self._shaper is None or text.isascii():
            return False
        # The blanks come after clusters: one of several characters (a flag) is drawn as one.
        return len(grapheme_bounds(text)) <= len(text)

    def _pieces(self, text: str) -> list[Piece]:
        """Cut a normalised text into what is drawn as one, in visual order."""
        if self._is_shaped(text):
            return self._shaped_pieces(text)
        table = self._table
        if text.isascii():
            return [Piece(place, place + 1, table[char]) for place, char in enumerate(text)]
        bounds = grapheme_bounds(text)
        return [
            Piece(start, stop, b"".join(map(table.__getitem__, text[start:stop])))
            for start, stop in pairwise(bounds)
        ]

    # ---- levels ----

    def colored_clusters(self) -> dict[str, tuple[bytes, np.ndarray]]:
        """What is known in colour: cluster -> (packed columns, uint8 `[H, w, 4]`).

        These are the single characters of the chain's colour fonts, drawn at the first call, and every sequence drawn
        since.
        """
        painter = self._painter
        if painter is None or self._style.mode != "RGB":
            return {}
        for font in self._atlases:
            if font.has_colors:
                for code in font.code_points.tolist():
                    char = chr(code)
                    # Only if no member before it draws the character.
                    if (
                        font.index(char) >= 0
                        and char not in painter.colored
                        and painter.first_source(char) is font
                    ):
                        painter.piece_levels(char, Piece(0, 1, self._table[char]))
        return painter.colored

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self._style})".replace("StripRenderer", "StyledRenderer", 1)

    def __reduce__(self) -> tuple:
        policy = {name: getattr(self._policy, name) for name in self._policy.__dataclass_fields__}
        return _rebuild, (self._members, self._style, self._patch_width, policy)


def _rebuild(
    members: tuple[GlyphSource, ...], style: RenderStyle, patch_width: int | None, policy: dict[str, Any]
) -> StyledRenderer:
    return StyledRenderer(members, style, patch_width, **policy)


def build_renderer(
    atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphSource]",
    style: RenderStyle,
    patch_width: int | None,
    **policy: Any,
) -> StripRenderer:
    """Return the renderer for a style: the plain one where that draws it, with nothing slower or different."""
    if style.is_plain:
        return StripRenderer(atlases, **policy)
    return StyledRenderer(atlases, style, patch_width, **policy)


__all__ = ["StyledRenderer", "build_renderer"]
