# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Packing documents into strips of equal length, for pretraining without padding."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from ..rendering.renderer import StripRenderer
from ..rendering.strip import PackedStrip
from ..text.graphemes import grapheme_bounds
from .columns import check_rows, read_column
from .documents import Documents, endless

# Columns of a character, to begin with; characters that are drawn at least; how far a space is looked for.
_USUAL_WIDTH, _LEAST, _WINDOW = 4, 1024, 200


def _cut_near(text: str, stop: int) -> int:
    """A place at `stop` or a little after it where a text may be cut: before a space, or between clusters."""
    space = text.find(" ", stop, stop + _WINDOW)
    if space >= 0:
        return space
    # Clusters are found from a place where one surely begins, or nearly so: a window before.
    first = max(stop - _WINDOW, 0)
    bounds = grapheme_bounds(text[first : stop + _WINDOW])
    return first + next((bound for bound in bounds if first + bound >= stop), bounds[-1])


class PackedTextDataset(IterableDataset):
    """Fills blocks of a fixed number of patches with documents, an EOS patch after each.

    A document that does not fit is cut at the end of the block and resumed in the next one, `0 .. max_rewind`
    characters (at random) before the cut: nothing is lost, and the text meets the patch grid at changing offsets, so a
    model that sees a corpus many times does not see the same patches each time. Text drawn in units that begin at patch
    borders (`strategy`) is cut between units and resumed there. Shaped text (right to left, joined) is
    cut between words, and each piece is drawn by itself; what it leaves of its block is padding.

    Blocks come without end, pass after pass over the documents; bound training with `max_steps`. The order depends on
    `seed` alone, so a resumed run that skips the batches it has seen continues exactly where it stopped.

    Args:
        documents: shuffled stream of dictionaries.
        renderer: measures the text; must be the one that draws it.
        patch_width: columns per patch.
        block_patches: patches per block.
        text_column: key of the text in a document.
        max_rewind: largest number of characters repeated when a cut document resumes.
        seed: seed of the rewinds.
        margins: white columns before each text and between a text and its EOS patch: the processor's `left_padding`
            and `right_padding`.

    Yields:
        `{"segments": list[str], "is_complete": bool}`: texts of one block; `is_complete` tells whether the last one
        ends in it.
    """

    def __init__(
        self,
        documents: Documents,
        renderer: StripRenderer,
        patch_width: int,
        block_patches: int,
        text_column: str = "text",
        max_rewind: int = 7,
        seed: int = 0,
        margins: tuple[int, int] = (0, 0),
    ) -> None:
        if isinstance(block_patches, bool) or not isinstance(block_patches, int) or block_patches < 2:
            raise ValueError(
                f"block_patches must be at least 2 (one to read, one to predict), got {block_patches!r}."
            )
        self.documents = documents
        self.renderer = renderer
        self.patch_width = patch_width
        self.block_patches = block_patches
        self.text_column = text_column
        self.max_rewind = max_rewind
        self.seed = seed
        self.margins = margins

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Packs the documents of this worker, see [`endless`]."""
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 0 if worker is None else worker.id])
        segments: list[str] = []
        room = self.block_patches
        for document in self._texts():
            text, position = "", 0  # what is drawn again; where the document goes on after it
            while text or position < len(document):
                text, position = self._head(document, text, position, room)
                strip = self.renderer.render(text)
                needed = -(-(strip.num_columns + sum(self.margins)) // self.patch_width) + 1
                is_complete = True
                if needed <= room:
                    segments.append(text)
                    room -= needed
                    text = ""
                elif (cut := self._whole_units(strip, room)) is not None:
                    if cut:
                        segments.append(strip.text[:cut])
                    text, room = strip.text[cut:], 0
                    is_complete = not text and position == len(document)
                elif strip.char_spans is None:
                    segments.append(text)
                    text = self._rest(strip.text, strip.char_columns, room, rng)
                    room, is_complete = 0, not text and position == len(document)
                else:
                    text, piece = strip.text, self._fitting(strip.text, room)
                    if piece:
                        segments.append(piece)
                        text = self._rest_of_shaped(text, len(piece), rng)
                        is_complete = not text and position == len(document)
                    elif room == self.block_patches:
                        raise ValueError(
                            f"the first character of {text[:20]!r} is wider than a block of {room} patches."
                        )
                    room = 0
                if room == 0:
                    yield {"segments": segments, "is_complete": is_complete}
                    segments, room = [], self.block_patches

    def _head(self, document: str, text: str, position: int, room: int) -> tuple[str, int]:
        """What comes next of a document: all of it, or a beginning that is wider than a block with `room` patches left.

        So a block costs the time of what it holds, not of the whole document.

        Returns:
            `text` and what follows it in the document from `position` on; where the document goes on.
        """
        columns = (room + 1) * self.patch_width
        count = max(columns // _USUAL_WIDTH, _LEAST)
        while position + count - len(text) < len(document):
            stop = _cut_near(document, position + count - len(text)) if count > len(text) else position
            head = text + document[position:stop]
            if self.renderer.measure(head) > columns:
                return head, stop
            count *= 2
        return text + document[position:], len(document)

    def _whole_units(self, strip: PackedStrip, room: int) -> int | None:
        """Characters of the units that a block with `room` patches left can show; `None` where that is no beginning.

        A unit is drawn alike wherever it stands, so there is nothing to gain from cutting elsewhere.
        """
        if strip.unit_spans is None:
            return None
        spans = strip.char_spans
        if spans is None or strip.is_right_to_left or (np.diff(spans[:, 0]) < 0).any():
            return None
        shown = room * self.patch_width - sum(self.margins)
        fitting = strip.unit_spans[strip.unit_spans[:, 1] <= shown]
        if not len(fitting) and room == self.block_patches:
            return None
        return 0 if not len(fitting) else int(np.searchsorted(spans[:, 0], fitting[-1, 1], side="left"))

    def _rest(self, text: str, char_columns: np.ndarray, room: int, rng: np.random.Generator) -> str:
        """What a block with `room` patches left cannot show of a text, from a little before the cut."""
        shown = room * self.patch_width - self.margins[0]
        first_cut = int(np.searchsorted(char_columns, shown, side="right")) - 1
        rewind = int(rng.integers(0, self.max_rewind + 1))
        # Resuming at or before the start of what was just written would repeat the document forever.
        return text[max(first_cut - rewind, min(first_cut, 1)) :]

    def _fitting(self, text: str, room: int) -> str:
        """The longest beginning of a shaped text that a block with `room` patches left can show.

        Shaped text may run from right to left, where its end comes first in the strip, so a piece is drawn by itself.
        It ends with a word if it can.
        """
        columns = room * self.patch_width - sum(self.margins)
        words = [place + 1 for place, char in enumerate(text) if char == " "]
        for ends in (words, grapheme_bounds(text)[1:]):
            count = bisect_right(ends, columns, key=lambda end: self.renderer.measure(text[:end]))
            if count:
                return text[: ends[count - 1]]
        return ""

    def _rest_of_shaped(self, text: str, cut: int, rng: np.random.Generator) -> str:
        """What follows a piece of shaped text, from the start of the word a little before the cut."""
        start = max(cut - int(rng.integers(0, self.max_rewind + 1)), 0)
        if start < cut:
            start = text.rfind(" ", 0, start + 1) + 1
        return text[start or cut :]

    def _texts(self) -> Iterator[str]:
        """Texts of this worker, pass after pass."""
        last = -1  # pass that had a text
        for epoch, number, document in endless(self.documents):
            if epoch > last + 1:
                raise ValueError("the data set has no documents with text; check the path and the split.")
            text = read_column(check_rows([document]), self.text_column)[0]
            if not isinstance(text, str):
                raise ValueError(
                    f"{self.text_column!r} of document {number} must be a text, got {type(text).__name__}: "
                    f"{text!r:.60}."
                )
            if text.strip():
                last = epoch
                yield text


__all__ = ["PackedTextDataset"]
