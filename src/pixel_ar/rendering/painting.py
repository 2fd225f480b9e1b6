# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Gray levels and colours of a line, painted over its strip in 1 bit piece by piece.

What has outlines is antialiased (levels of an atlas made with `GlyphAtlas.from_font(mode="L")`, drawn by Pillow with
basic layout; clusters of a [`ShapedFont`], drawn by HarfBuzz), what is 1-bit is black and white, emoji have colours of
their own.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..fonts.source import GlyphSource
from .pieces import Piece
from .strip import PackedStrip, StripLevels
from .style import RenderStyle

_MAX_CELLS = 20_000


class StripPainter:
    """Paints the pieces of strips, and remembers them.

    Args:
        sources: The chain that the pieces were drawn by.
        style: Mode and colours.

    Attributes:
        colored: Clusters painted in colours of their own so far -> (packed columns, uint8 `[H, w, 4]`).
    """

    def __init__(self, sources: Sequence[GlyphSource], style: RenderStyle) -> None:
        self._sources, self._style = tuple(sources), style
        self._has_levels = any(source.has_levels for source in self._sources)
        self._levels: dict[tuple[str, bytes, str | None, bool], tuple[np.ndarray, np.ndarray | None]] = {}
        self.colored: dict[str, tuple[bytes, np.ndarray]] = {}

    @property
    def needs_pieces(self) -> bool:
        """Whether a strip has levels of its own; else it is painted without looking at its pieces."""
        return self._has_levels

    def paint(self, strip: PackedStrip, pieces: Sequence[Piece]) -> PackedStrip:
        """Return a strip with levels.

        Args:
            strip: In 1 bit.
            pieces: What it was drawn from; none of them unless `needs_pieces`.
        """
        if not self._has_levels:
            return replace(strip, levels=StripLevels(hard_levels(strip.columns, strip.height), self._style))
        coverage = np.zeros((strip.height, strip.num_columns), np.uint8)
        colored: list[tuple[int, np.ndarray]] = []
        starts = strip.char_columns if strip.char_spans is None else strip.char_spans[:, 0]
        for piece in pieces:
            if not any(piece.cell):
                continue
            start = int(starts[piece.start])
            levels, rgba = self.piece_levels(strip.text[piece.start : piece.stop], piece)
            coverage[:, start : start + levels.shape[1]] = levels
            if rgba is not None and self._style.mode == "RGB":
                colored.append((start, rgba))
        return replace(strip, levels=StripLevels(coverage, self._style, tuple(colored)))

    def piece_levels(self, cluster: str, piece: Piece) -> tuple[np.ndarray, np.ndarray | None]:
        """Return coverage, uint8 `[H, w]`, and colours, uint8 `[H, w, 4]` or None, of a piece."""
        key = cluster, piece.cell, piece.source, piece.is_right_to_left
        found = self._levels.get(key)
        if found is None:
            hard = hard_levels(piece.cell, self._sources[0].height)
            drawn = self._soft_levels(cluster, piece)
            levels, rgba = drawn if drawn is not None and drawn[0].shape == hard.shape else (hard, None)
            found = self._style.align(levels, hard > 0), rgba
            if rgba is not None:
                self.colored[cluster] = piece.cell, rgba
            if len(self._levels) >= _MAX_CELLS:
                self._levels.clear()
            self._levels[key] = found
        return found

    def _soft_levels(self, cluster: str, piece: Piece) -> tuple[np.ndarray, np.ndarray | None] | None:
        """The levels as the piece's source draws it; None for what was put together from cells."""
        if piece.source is None:
            drawn = [self._char_levels(char) for char in cluster]
            if len(drawn) == 1 or any(part is None for part in drawn):
                return drawn[0] if len(drawn) == 1 else None
            return np.concatenate([part[0] for part in drawn if part is not None], axis=1), None
        source = next((source for source in self._sources if source.name == piece.source), None)
        if source is None or source.draw(cluster, piece.is_right_to_left) != piece.cell:
            return None
        return source.draw_levels(cluster, piece.is_right_to_left)

    def _char_levels(self, char: str) -> tuple[np.ndarray, np.ndarray | None] | None:
        source = self.first_source(char)
        return None if source is None else source.draw_levels(char, False)

    def first_source(self, char: str) -> GlyphSource | None:
        """The first member of the chain that has a character."""
        return next((source for source in self._sources if source.index(char) >= 0), None)


def hard_levels(columns: bytes, height: int) -> np.ndarray:
    """Return the coverage of packed columns, uint8 `[H, W]` of 0 and 255."""
    packed = np.frombuffer(columns, np.uint8).reshape(-1, height // 8)
    return np.ascontiguousarray(np.unpackbits(packed, axis=1).T) * np.uint8(255)


__all__ = ["StripPainter", "hard_levels"]
