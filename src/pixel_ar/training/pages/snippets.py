# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts on pages, to be read: the warm-up before a model parses pages (Pix2Struct, arXiv 2210.03347, section 3.3).

Shapes: H, W rows and columns of a page.
"""

from collections.abc import Sequence

import numpy as np

from ...rendering.renderer import StripRenderer
from .page import Canvas, DrawnPages, TrainingPage, random_offset

MOST_INK, LEAST_PAPER = 144, 208


class SnippetPages(DrawnPages):
    """Words of a corpus in some lines anywhere on a page, in any gray on any paler one: a data set for Trainer.

    The target is the text, its words between single spaces. Page number n of a seed is always the same.

    Args:
        renderer: draws the texts; `processor.renderer`.
        texts: the corpus, at least one with a word that can be drawn on a line.
        length: pages of the data set.
        size: (H, W).
        lines: fewest and most lines.
        jitter: (rows, columns): texts begin at multiples of these; (1, 1) for anywhere.
        seed: of all pages.
        first: number of the first page.

    Raises:
        ValueError: for texts without words, or lines that do not fit on the page.
    """

    def __init__(
        self,
        renderer: StripRenderer,
        texts: Sequence[str],
        length: int = 1 << 20,
        size: tuple[int, int] = (64, 120),
        lines: tuple[int, int] = (1, 4),
        jitter: tuple[int, int] = (1, 1),
        seed: int = 0,
        first: int = 0,
    ) -> None:
        self.documents = [words for text in texts if (words := text.split())]
        if not self.documents:
            raise ValueError("the texts hold no word.")
        if not 1 <= lines[0] <= lines[1] or min(jitter) < 1 or lines[1] * renderer.height > size[0]:
            raise ValueError(
                f"lines {lines} must be positive and fit on {size[0]} rows, {renderer.height} each; jitter {jitter} "
                "must be positive."
            )
        super().__init__(renderer, length, size, seed, first)
        self.lines, self.jitter = lines, jitter

    def draw(self, rng: np.random.Generator) -> TrainingPage:
        """Some lines."""
        words = self.documents[int(rng.integers(len(self.documents)))]
        start = int(rng.integers(len(words)))
        width = int(rng.integers(self.size[1] // 3, self.size[1] + 1))
        count = int(rng.integers(self.lines[0], self.lines[1] + 1))
        lines = self._wrap(words[start:] + words[:start], width, count)
        ink, paper = int(rng.integers(MOST_INK + 1)), int(rng.integers(LEAST_PAPER, 256))
        canvas = Canvas(self.renderer, self.size, paper, ink)
        widest = max((self.renderer.measure(line) for line in lines), default=0)
        row = random_offset(self.size[0] - len(lines) * self.renderer.height, self.jitter[0], rng)
        left = random_offset(self.size[1] - widest, self.jitter[1], rng)
        for number, line in enumerate(lines):
            canvas.write("text", line, row + number * self.renderer.height, left)
        return TrainingPage(
            canvas.pixels, " ".join(lines), "read", tuple(canvas.texts), glyph_height=self.renderer.height
        )

    def _wrap(self, words: Sequence[str], width: int, count: int) -> list[str]:
        """The first words in lines; one that is wider than the page is left out."""
        lines: list[str] = []
        for word in words:
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.renderer.measure(longer) <= width:
                lines[-1] = longer
            elif self.renderer.measure(word) <= self.size[1]:
                if len(lines) == count:
                    break
                lines.append(word)
        return lines


__all__ = ["SnippetPages"]
