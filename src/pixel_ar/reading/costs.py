# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How well glyphs explain the columns of a strip, for many glyphs and many columns at once.

A glyph as it is: wrong pixels are counted on packed bits (XOR, then the set bits of 64-bit words). A glyph with columns
doubled or left out: the alignment of the two rows of columns that costs least, by dynamic programming over the columns
of the glyph, for all glyphs of a width and all places together. Costs are integers, sixteenths of a nat, so that
results do not depend on the order of additions.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .cell_index import CellIndex

SCALE = 16
# Net columns that a glyph may have too many or too few.
REACH = 2
INFINITY = 1 << 28
POPCOUNT = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
CHUNK = 128  # rows of a table that stay in the cache


def flip_cost(noise: float) -> int:
    """Return the cost of a wrong pixel if this share of pixels is wrong."""
    return max(1, round(SCALE * math.log((1 - noise) / noise)))


def to_words(cells: np.ndarray) -> np.ndarray:
    """Turn packed cells uint8 `[n, bytes]` into uint64 words `[n, words]`, filled up with zeros."""
    padded = np.zeros((len(cells), -(-cells.shape[1] // 8) * 8), np.uint8)
    padded[:, : cells.shape[1]] = cells
    return padded.view(np.uint64)


def count_wrong(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count the pixels in which cells differ.

    Args:
        first: uint64 words `[n, words]`; see [`to_words`].
        second: The same of others, `[K, words]`.

    Returns:
        uint16 `[n, K]`.
    """
    total = np.zeros((len(first), len(second)), np.uint16)
    has_count = hasattr(np, "bitwise_count")  # numpy 2
    for word in range(first.shape[1]):
        differing = first[:, word, None] ^ second[None, :, word]
        if has_count:
            total += np.bitwise_count(differing)
        else:
            total += (
                POPCOUNT[differing.view(np.uint8)].reshape(*differing.shape, 8).sum(axis=2, dtype=np.uint16)
            )
    return total


@dataclass(frozen=True)
class Prices:
    """What a wrong pixel and a column too many or too few cost, in sixteenths of a nat."""

    flip: int
    slack: int


class GlyphGroup:
    """Classes of one width, among which the best for a place is sought.

    Args:
        index: All cells.
        indices: int32 `[K]`, classes of one width.
        priors: float32, nats of every class.
        drifts: Whether columns may be doubled or left out.
    """

    def __init__(self, index: CellIndex, indices: np.ndarray, priors: np.ndarray, drifts: bool) -> None:
        self.indices, self.height = indices, index.height
        self.width = int(index.widths[indices[0]])
        self._bits = index.bits(indices)  # [K, w, height // 8]
        self._words = to_words(self._bits.reshape(len(indices), -1))
        self.priors = np.round(np.asarray(priors)[indices] * SCALE).astype(np.int32)
        # Net shifts at the end of a glyph; none of a glyph may be left of it.
        reach = min(REACH, self.width - 1) if drifts else 0
        self.shifts = tuple(range(-reach, reach + 1)) if reach else (0,)
        self._tables: tuple[int, list[np.ndarray]] = (0, [])

    def _column_tables(self, flip: int) -> list[np.ndarray]:
        """For each column of the glyphs and each byte of it, the cost of every value: `[256, K]`."""
        if self._tables[0] != flip:
            # Half the memory where it is enough: sums stay below twice the largest cost of interest.
            kind = np.int16 if (self.width + REACH) * self.height * flip < 25_000 else np.int32
            every = np.arange(256, dtype=np.uint8)
            bits = self._bits.transpose(1, 2, 0)  # [w, height // 8, K]
            tables = [
                POPCOUNT[every[:, None] ^ bits[column, byte]].astype(kind) * kind(flip)
                for column in range(self.width)
                for byte in range(bits.shape[1])
            ]
            self._tables = (flip, tables)
        return self._tables[1]

    def plain_costs(self, columns: np.ndarray, starts: np.ndarray, flip: int) -> np.ndarray:
        """Return int32 `[n, K]`: the cost of the wrong pixels of each glyph as it is, and of its prior."""
        size = columns.shape[1]
        windows = np.lib.stride_tricks.sliding_window_view(columns.reshape(-1), self.width * size)
        wrong = count_wrong(to_words(windows[starts * size]), self._words)
        return wrong.astype(np.int32) * flip + self.priors

    def costs(
        self, columns: np.ndarray, starts: np.ndarray, prices: Prices, drifts: bool = True
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield, for each net shift, the cost of each glyph that begins at some columns.

        Args:
            columns: uint8 `[W, height // 8]`, with `width + REACH` columns and more from the last place on.
            starts: Ascending, `[n]`.
            prices: Of wrong pixels and columns.
            drifts: Whether to look for doubled and lost columns, if the group has such glyphs.

        Yields:
            (columns that the glyph covers, int32 `[n, K]`).
        """
        if not drifts or len(self.shifts) == 1:
            yield self.width, self.plain_costs(columns, starts, prices.flip)
            return
        paths = self._align(columns, starts, prices)
        for shift in self.shifts:
            yield self.width + shift, paths[shift] + self.priors

    def _align(self, columns: np.ndarray, starts: np.ndarray, prices: Prices) -> dict[int, np.ndarray]:
        """Cost of the best alignment for each net shift, `[n, K]`."""
        tables, size = self._column_tables(prices.flip), columns.shape[1]
        slack = tables[0].dtype.type(min(prices.slack, 500))
        reach = self.shifts[-1]
        first, last = int(starts[0]), int(starts[-1])
        values = columns[first : last + self.width + REACH]
        places, is_dense = starts - first, len(starts) == last - first + 1
        paths = {0: np.zeros((len(starts), len(self.indices)), tables[0].dtype)}
        for column in range(self.width):
            table = tables[column * size].take(values[:, 0], axis=0)
            for byte in range(1, size):
                table += tables[column * size + byte].take(values[:, byte], axis=0)
            least, most = -min(reach, column + 1), min(reach, column + 1)
            # The cost of this column of the glyph if it lies on the strip's, `shift` further right.
            at = {
                shift: table[column + shift :][: len(starts)]
                if is_dense
                else table[places + (column + shift)]
                for shift in range(max(least, -column), most + 1)
            }
            doubled = {shift: at[shift] + slack for shift in range(max(least + 1, 1 - column), most + 1)}
            once = {shift: paths[shift] + at[shift] for shift in paths if shift in at}
            found: dict[int, np.ndarray] = {}
            for shift in range(least, most + 1):
                best = once.get(shift)
                if shift + 1 in paths:  # this column of the glyph is missing
                    missing = paths[shift + 1] + slack
                    best = missing if best is None else np.minimum(best, missing)
                if shift - 1 in once and shift in doubled:  # it is there twice
                    twice = once[shift - 1] + doubled[shift]
                    best = twice if best is None else np.minimum(best, twice)
                if best is not None:
                    found[shift] = best
            paths = found
        return {shift: path.astype(np.int32) for shift, path in paths.items()}


def best_costs(
    groups: list[tuple[GlyphGroup, bool]], columns: np.ndarray, starts: np.ndarray, prices: Prices
) -> Iterable[tuple[int, np.ndarray]]:
    """Find the least cost of any glyph at each place.

    Args:
        groups: What to look for, each with whether columns may be doubled or lost.
        columns: uint8 `[W, height // 8]`; see [`GlyphGroup.costs`].
        starts: Ascending, `[n]`, places where a glyph may begin.
        prices: Of wrong pixels and columns.

    Returns:
        (columns covered, int32 `[n]`), each length once.
    """
    best: dict[int, np.ndarray] = {}
    for first in range(0, len(starts), CHUNK):
        for group, drifts in groups:
            for length, costs in group.costs(columns, starts[first : first + CHUNK], prices, drifts):
                row = best.setdefault(length, np.full(len(starts), INFINITY, np.int32))[first : first + CHUNK]
                np.minimum(row, costs.min(axis=1), out=row)
    return best.items()


__all__ = [
    "CHUNK",
    "INFINITY",
    "POPCOUNT",
    "REACH",
    "SCALE",
    "GlyphGroup",
    "Prices",
    "best_costs",
    "count_wrong",
    "flip_cost",
    "to_words",
]
