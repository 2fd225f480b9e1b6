# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A text and the text as drawn.

What is drawn is not the text that was given: accents join their letters, line breaks become spaces, invisible
characters are gone. [`TextAlignment`] maps one to the other, so that labels come in, and answers go out, as spans of
the ORIGINAL. Spans are (start, end) of characters, end excluded.
"""

import unicodedata

import numpy as np

from ..rendering.renderer import StripRenderer


class TextAlignment:
    """Which characters of a text are which of the text as drawn.

    Args:
        text: the original.
        renderer: what draws it; its settings say what becomes of each character.

    Attributes:
        text: the original.
        drawn: `renderer.normalise(text)`.
        origins: `[len(drawn), 2]`, the span of the original that each drawn character stands for. Characters that are
            drawn together (a letter and its accents, CR LF) have one span; invisible ones belong to none.
    """

    def __init__(self, text: str, renderer: StripRenderer) -> None:
        self.text = text
        self.drawn = renderer.normalise(text)
        if self.drawn == text:
            starts = np.arange(len(text))
            self.origins = np.stack([starts, starts + 1], axis=1)
            return
        clusters = _clusters(text, renderer)
        if "".join(drawn for _, _, drawn in clusters) != self.drawn:
            raise ValueError(
                f"cannot align {text[:60]!r} with its drawn form {self.drawn[:60]!r}; take spans of "
                "renderer.normalise(text) instead."
            )
        origins = [(start, end) for start, end, drawn in clusters for _ in drawn]
        self.origins = np.array(origins, dtype=np.int64).reshape(-1, 2)

    def to_drawn(self, start: int, end: int) -> tuple[int, int]:
        """The drawn characters that show a span of the original; a character shown in part counts.

        Raises:
            ValueError: for a span outside the text, an empty one, or one of invisible characters alone.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(
                f"the span {start} to {end} is not a part of the text, which has {len(self.text)} characters."
            )
        # Both columns ascend: what is drawn later stands for what is written later.
        first = int(np.searchsorted(self.origins[:, 1], start, side="right"))
        last = int(np.searchsorted(self.origins[:, 0], end, side="left"))
        if first >= last:
            raise ValueError(
                f"the span {start} to {end} holds {self.text[start:end]!r}, which draws nothing."
            )
        return first, last

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that drawn characters stand for.

        Raises:
            ValueError: for an empty span, or one outside the drawn text.
        """
        if not 0 <= start < end <= len(self.drawn):
            raise ValueError(
                f"the span {start} to {end} is not a part of the drawn text, which has {len(self.drawn)} characters."
            )
        return int(self.origins[start, 0]), int(self.origins[end - 1, 1])


def _clusters(text: str, renderer: StripRenderer) -> list[tuple[int, int, str]]:
    """(start, end, drawn) of the parts of a text that are drawn one after the other.

    The ends leave out invisible characters around a part.
    """
    clusters: list[tuple[int, int, str]] = []
    for index, char in enumerate(text):
        alone = renderer.normalise(char)
        if not alone:
            continue  # invisible; a mark after it still joins the letter before it
        if clusters and (char == "\n" or not char.isascii()):
            start, _, drawn = clusters[-1]
            part = text[start : index + 1]
            whole = renderer.normalise(part)
            # Marks reorder, so one that seems to stand alone may yet let a later one join the letter. CR and LF are one
            # break only side by side.
            if unicodedata.category(char).startswith("M") or whole != drawn + alone:
                clusters[-1] = (start, index + 1, whole)
                continue
        clusters.append((index, index + 1, alone))
    return clusters


__all__ = ["TextAlignment"]
