# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a reader can tell apart, if nothing is shaped: the glyphs of its chain, and nothing besides.

[`GlyphsOnly`] answers every question that a reader of shaped text asks of `UnitClasses` as is right for plain text, so
that a reader needs no case for it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from .glyph_classes import GlyphClasses


class GlyphsOnly:
    """The glyphs of a chain. Nothing is ever added.

    Args:
        glyphs: The classes of the chain.

    Attributes:
        glyphs: The same.
        index: The cells that are known.
    """

    def __init__(self, glyphs: GlyphClasses) -> None:
        self.glyphs, self.index = glyphs, glyphs.index

    @property
    def num_lasting(self) -> int:
        """Cells that are known whatever the line."""
        return len(self.index)

    # ---- what was read ----

    def text_of(self, index: int) -> str:
        """Return the characters that a class stands for."""
        return self.glyphs.chars[index]

    def texts_of(self, codes: np.ndarray) -> Sequence[str]:
        """Return the characters that each code of a reading stands for: uint32 `[n]` -> n texts."""
        return codes.astype("<u4").tobytes().decode("utf-32-le")

    def is_shaped(self, texts: Sequence[str], base: int | None) -> bool:
        """Tell whether what was read stands in visual order and must be put into logical order."""
        return False

    def masks_of(self, codes: np.ndarray) -> list[int]:
        """Return for each code of a reading the forms of a joined letter that it may be; see `form_mask`."""
        return [0] * len(codes)

    def shares_of(self, codes: np.ndarray) -> np.ndarray:
        """Return for each code of a reading how likely its characters are among all that are drawn alike."""
        return np.ones(len(codes), np.float32)

    def canonical(self, text: str) -> str:
        """Replace every character by the one that is read for it."""
        return self.glyphs.canonical(text)

    # ---- cells that are not known yet ----

    def learn(self, texts: Iterable[str]) -> None:
        """Make known what texts look like.

        Raises:
            ValueError: always: there is nothing to learn about glyphs.
        """
        raise ValueError(
            "only a reader made with a renderer that shapes text can learn its units: "
            "StripReader(atlases, renderer=StripRenderer(atlases))"
        )

    def add_drawn(self) -> bool:
        """Add what the renderer has drawn since; return whether there was something new."""
        return False

    def prepare(self, data: bytes, start: int, stop: int) -> bool:
        """Take apart the cells of a line that are not known yet; return whether there was something new."""
        return False

    def explain(self, data: bytes, starts: Sequence[int], indices: Sequence[int]) -> bool:
        """Take apart one of the cells that begin at some columns; return whether there was something new."""
        return False

    def has_units(self, indices: Iterable[int]) -> bool:
        """Tell whether some classes are units."""
        return False

    def forget_line(self) -> None:
        """Drop what was found for one line only."""


__all__ = ["GlyphsOnly"]
