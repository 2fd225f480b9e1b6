# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Columns covered by glyphs exactly, and what a reading of columns consists of."""

import math
from dataclasses import dataclass, replace

import numpy as np

from .cell_index import CellIndex


@dataclass(frozen=True)
class Reading:
    """Characters that were read, from left to right.

    Attributes:
        starts: int32 `[n]`, first column of each.
        stops: int32 `[n]`, column after each.
        codes: uint32 `[n]`, code points, and from `FIRST_UNIT` on numbers of units.
        confidences: float32 `[n]`; see `ReadResult`.
        wrong: int32 `[n]`, pixels that differ from the glyph's; -1 if a column is missing or too many.
    """

    starts: np.ndarray
    stops: np.ndarray
    codes: np.ndarray
    confidences: np.ndarray
    wrong: np.ndarray

    @classmethod
    def join(cls, readings: "list[Reading]") -> "Reading":
        """Join readings of successive columns."""
        kinds = {"starts": "i4", "stops": "i4", "codes": "u4", "confidences": "f4", "wrong": "i4"}
        empty = cls(**{name: np.zeros(0, kind) for name, kind in kinds.items()})
        return cls(*(np.concatenate([getattr(item, name) for item in [empty, *readings]]) for name in kinds))

    @property
    def is_exact(self) -> np.ndarray:
        """bool `[n]`, whether the pixels are exactly those of the glyph."""
        return self.wrong == 0

    def without_certainty(self, most: float) -> "Reading":
        """Return the same with at most so much confidence in characters whose pixels are not exactly those of the
        glyph; in all of them, if none is such.
        """
        is_capped = ~self.is_exact | self.is_exact.all()
        confidences = np.where(is_capped, np.minimum(self.confidences, np.float32(most)), self.confidences)
        return replace(self, confidences=confidences.astype(np.float32))

    def moved(self, columns: int) -> "Reading":
        """Return the same characters, `columns` further right."""
        return Reading(self.starts + columns, self.stops + columns, self.codes, self.confidences, self.wrong)


@dataclass(frozen=True)
class ExactRun:
    """Glyphs that follow each other: `len(classes)` classes and the columns where they begin and the last ends."""

    bounds: list[int]
    classes: list[int]

    def part(self, first: int, last: int) -> "ExactRun":
        """Return the glyphs from number `first` to before number `last`."""
        return ExactRun(self.bounds[first : last + 1], self.classes[first:last])


def parse_exactly(index: CellIndex, data: bytes, start: int, stop: int) -> ExactRun:
    """Cover columns by exact glyphs, as far as it goes, with the likeliest characters.

    Args:
        index: The cells that may stand there.
        data: Packed columns, with blank columns beyond `stop` for the widest glyph.
        start: Column to begin at.
        stop: Column to reach; the last glyph may end later, on blank columns.

    Returns:
        The glyphs on the way to the furthest column that can be reached; `bounds[-1] >= stop` if all are covered.
    """
    size = index.height // 8
    table, prefixes, priors = index.table, index.prefixes, index.prior_list
    shortest = index.byte_lengths[0]
    step = math.gcd(*index.byte_lengths)
    first, end = start * size, stop * size
    infinity = math.inf
    room = (end - first + index.byte_lengths[-1]) // step + 2
    costs, back = [infinity] * room, [(0, 0)] * room
    costs[0] = 0.0
    furthest = 0
    for here in range((end - first + step - 1) // step):
        cost = costs[here]
        if cost == infinity:
            if here > furthest:
                break
            continue
        position = first + here * step
        entry = prefixes.get(data[position : position + shortest])
        if entry is None:
            continue
        found, longer = entry
        if found >= 0:
            there = here + shortest // step
            # One nat per character: of two readings, the one with fewer characters.
            total = cost + priors[found] + 1.0
            if total < costs[there]:
                costs[there], back[there] = total, (here, found)
                furthest = max(furthest, there)
        for length in longer:
            found = table.get(data[position : position + length], -1)
            if found >= 0:
                there = here + length // step
                total = cost + priors[found] + 1.0
                if total < costs[there]:
                    costs[there], back[there] = total, (here, found)
                    furthest = max(furthest, there)
    complete = range(-(-(end - first) // step), room)
    here = min(complete, key=costs.__getitem__)
    if costs[here] == infinity:
        here = furthest
    return _trace(back, here, start, step // size)


def _trace(back: list[tuple[int, int]], here: int, start: int, columns: int) -> ExactRun:
    """Follow the way back from step `here`; a step is `columns` wide."""
    bounds, indices = [start + here * columns], []
    while here > 0:
        here, index = back[here]
        bounds.append(start + here * columns)
        indices.append(index)
    return ExactRun(bounds[::-1], indices[::-1])


__all__ = ["ExactRun", "Reading", "parse_exactly"]
