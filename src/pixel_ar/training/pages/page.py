# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A page to train on: its pixels, where its characters stand, and what is to be told of it; data sets of such pages.

Shapes: H, W rows and columns of a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ...rendering.renderer import StripRenderer


@dataclass(frozen=True)
class PageText:
    """A text on a page.

    Attributes:
        tag: what it is, such as `"question"`, `"key"` or `"value"`.
        text: its characters.
        top: the first row of its glyphs.
        left: the first column.
        spans: `[len(text), 2]`, first column of each character and the one after it, counted from `left`.
        is_crossed_out: whether a crossed box stands in its place.
    """

    tag: str
    text: str
    top: int
    left: int
    spans: np.ndarray
    is_crossed_out: bool = False


@dataclass(frozen=True)
class TrainingPage:
    """A page and what is to be told of it.

    Attributes:
        pixels: uint8 `[H, W]`, or `[H, W, 3]` of a page in colour; 255 = background.
        target: what a model shall write.
        task: what is asked, such as `"parse"` (all of it as JSON) or `"question"`.
        texts: what stands on it, for the reading loss; empty where the places of characters are not known.
        fields: values by key, in their order on the page; empty for other tasks than JSON.
        crossed_out: the keys of those whose key or value is crossed out.
        header: the text of the header, if the page has one: what `processor.page_patches(body, header=...)` prints.
        header_rows: rows of the header and of the line below it.
        glyph_height: rows of a character.
    """

    pixels: np.ndarray
    target: str
    task: str
    texts: tuple[PageText, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    crossed_out: frozenset[str] = frozenset()
    header: str | None = None
    header_rows: int = 0
    glyph_height: int = 8

    @property
    def body(self) -> np.ndarray:
        """The page without its header."""
        return self.pixels[self.header_rows :]


class DrawnPages(Dataset):
    """Pages drawn on demand from random numbers. Page number n of a seed is always the same; subclasses draw it.

    Args:
        renderer: draws the texts; `processor.renderer`.
        length: pages of the data set.
        size: (H, W).
        seed: of all pages.
        first: number of the first page.
    """

    def __init__(
        self, renderer: StripRenderer, length: int, size: tuple[int, int], seed: int, first: int
    ) -> None:
        self.renderer, self.length, self.size = renderer, length, size
        self.seed, self.first = seed, first

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> TrainingPage:
        """Page number `index`."""
        if not 0 <= index < self.length:
            raise IndexError(f"page {index} of {self.length}.")
        return self.draw(np.random.default_rng([self.seed, self.first + index]))

    def draw(self, rng: np.random.Generator) -> TrainingPage:
        """A page, made of nothing but these numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define draw")  # abstract


def random_offset(room: int, step: int, rng: np.random.Generator) -> int:
    """A multiple of `step` from 0 to `room`, 0 where there is no room."""
    return step * int(rng.integers(0, max(room, 0) // step + 1))


class Canvas:
    """A page while it is written.

    Args:
        renderer: draws texts, in 1 bit, levels or colours; pages are gray.
        size: (H, W).
        paper: level of the ground.
        ink: level of texts.
    """

    def __init__(
        self, renderer: StripRenderer, size: tuple[int, int], paper: int = 255, ink: int = 0
    ) -> None:
        self.renderer, self.paper, self.ink = renderer, paper, ink
        self.pixels = np.full(size, paper, np.uint8)
        self.texts: list[PageText] = []

    def write(self, tag: str, text: str, top: int, left: int, is_crossed_out: bool = False) -> None:
        """Draws a text, or a crossed box in its place; it must fit."""
        strip = self.renderer.render(text)
        drawn = np.asarray(strip.to_pil().convert("L"))
        height, width = drawn.shape
        place = self.pixels[top : top + height, left : left + width]
        place[:] = np.rint(self.ink + (self.paper - self.ink) * (drawn / 255))
        if is_crossed_out:
            place[:] = crossed_box(height, width, self.paper, self.ink)
        spans = np.stack([strip.char_columns[:-1], strip.char_columns[1:]], axis=1)
        self.texts.append(PageText(tag, strip.text, top, left, spans, is_crossed_out))


def crossed_box(height: int, width: int, paper: int = 255, ink: int = 0) -> np.ndarray:
    """A frame with both diagonals, uint8 `[height, width]`."""
    box = np.full((height, width), paper, np.uint8)
    box[[0, -1]] = box[:, [0, -1]] = ink
    steps = np.arange(max(height, width))
    rows = steps * (height - 1) // max(len(steps) - 1, 1)
    columns = steps * (width - 1) // max(len(steps) - 1, 1)
    box[rows, columns] = box[height - 1 - rows, columns] = ink
    return box


def shown_characters(page: TrainingPage, patch_size: tuple[int, int]) -> list[list[str]]:
    """The characters that each patch of a page shows: those whose middle lies in it, from left to right.

    Args:
        page: a page in whole patches, or not: its last row and column of patches may reach beyond it.
        patch_size: (height, width) of a patch.

    Returns:
        One list per patch, row after row. What is crossed out is not shown.
    """
    height, width = patch_size
    rows, columns = (-(-side // step) for side, step in zip(page.pixels.shape[:2], patch_size, strict=True))
    shown: list[list[tuple[int, str]]] = [[] for _ in range(rows * columns)]
    for text in page.texts:
        row = (text.top + page.glyph_height // 2) // height
        for char, (first, stop) in zip(text.text, text.spans.tolist(), strict=True):
            middle = text.left + (first + stop) // 2
            if not char.isspace() and not text.is_crossed_out:
                shown[row * columns + middle // width].append((middle, char))
    return [[char for _, char in sorted(found)] for found in shown]


__all__ = [
    "Canvas",
    "DrawnPages",
    "PageText",
    "TrainingPage",
    "crossed_box",
    "random_offset",
    "shown_characters",
]
