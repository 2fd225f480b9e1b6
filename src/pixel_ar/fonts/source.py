# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What every member of a chain can do, be it an atlas of drawn glyphs or a font that draws on demand."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from .cutting import ShapedText


class GlyphSource(ABC):
    """Where ink comes from.

    Attributes:
        name: Of the atlas or font, fit for a file name.
        height: Rows of every glyph.
        license: Licence of the font.
        source: Where the glyphs come from.
        sha256: Hash of all that decides what is drawn, but for the engine that shapes.
        code_points: uint32, ascending: what the source covers.
        provenance: What was drawn and how, as JSON values.
        shapes_clusters: Whether clusters and joined words are shaped as a whole; else they are put together from the
            glyphs of their characters.
        has_colors: Whether there are glyphs in colours of their own.
        spacing: Blank columns at the right of each cluster.
    """

    name: str
    height: int
    license: str
    source: str
    sha256: str
    code_points: np.ndarray
    provenance: dict[str, Any]
    shapes_clusters: bool = False
    has_colors: bool = False
    spacing: int = 0

    @property
    @abstractmethod
    def has_levels(self) -> bool:
        """Whether glyphs have gray levels."""

    @property
    @abstractmethod
    def cell_width(self) -> int | None:
        """Columns of every glyph, or None if they differ."""

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make the source of the file it is saved in, ready for JSON."""
        return {}

    @property
    def tight(self) -> "GlyphSource":
        """The same without letter spacing."""
        return self

    @abstractmethod
    def index(self, char: str) -> int:
        """Return the number that [`glyph`] takes for a character, or -1 if there is none."""

    @abstractmethod
    def glyph(self, index: int) -> bytes:
        """Return the packed columns of a character drawn alone."""

    @abstractmethod
    def glyphs(self, code_points: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Draw characters that the source has: (code point, packed columns) of each that shows alone."""

    @abstractmethod
    def covers(self, cluster: str) -> bool:
        """Tell whether the source has every character of a cluster."""

    def shape(self, text: str, is_right_to_left: bool) -> ShapedText:
        """Shape a text without drawing it, where `shapes_clusters`.

        Raises:
            TypeError: for a source that does not shape.
        """
        raise TypeError(f"{self.name} puts clusters together from single glyphs, it does not shape them")

    def glyph_numbers(self, text: str, is_right_to_left: bool) -> tuple[int, ...]:
        """Return the glyphs of a text in the order of its characters, as [`shape`] does."""
        return self.shape(text, is_right_to_left).glyphs

    @abstractmethod
    def draw(self, cluster: str, is_right_to_left: bool) -> bytes | None:
        """Draw a cluster as one; None if the source cannot."""

    @abstractmethod
    def draw_levels(
        self, cluster: str, is_right_to_left: bool
    ) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Draw a cluster as [`draw`] does, with its gray levels.

        Returns:
            uint8 `[H, W]`, 255 = all ink, and uint8 `[H, W, 4]` (red, green, blue, opacity) or None without colour;
            None if the source cannot.
        """

    @abstractmethod
    def save(self, path: Any) -> None:
        """Write the file that the source is loaded from."""

    def __contains__(self, char: object) -> bool:
        return isinstance(char, str) and len(char) == 1 and self.index(char) >= 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GlyphSource) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple:
        return self.name, self.sha256, self.shapes_clusters, self.spacing

    def __copy__(self) -> "GlyphSource":
        return self

    def __deepcopy__(self, memo: dict) -> "GlyphSource":
        return self


__all__ = ["GlyphSource"]
