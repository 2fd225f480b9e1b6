# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The columns of a damaged strip: where in it glyphs are sought, and where they lie on a grid all the same.

In a strip of glyphs of one width, wrong pixels hardly hide the grid: there, a row of cells is explained far better than
a few columns beside it. So only between such rows, where a column may have been doubled or lost, every column may begin
a glyph; this is what makes reading fast.
"""

import math

import numpy as np

from .costs import CHUNK, INFINITY, POPCOUNT, REACH, SCALE, GlyphGroup, Prices, flip_cost
from .exact import ExactRun
from .known import GlyphsOnly
from .lattice import Places, Segments, find_segments

# The noise of a strip is taken to be no smaller, and no larger.
MIN_NOISE, _MOST_NOISE = 5e-4, 0.25
# Cells lie on a grid where five in a row cost so many nats less than on any other.
_GRID_NATS = 12.0


class DamagedStrip:
    """The columns of a strip, and where in it glyphs are sought.

    Args:
        columns: uint8 `[W, height // 8]`, enough of them blank beyond `stop`.
        stop: Where to stop.
        is_open: Whether the last glyph may end beyond `stop`.
        anchors: Exact stretches that are kept.
        known: The glyphs.
    """

    def __init__(
        self, columns: np.ndarray, stop: int, is_open: bool, anchors: list[ExactRun], known: GlyphsOnly
    ) -> None:
        self.columns = np.pad(columns, ((0, int(known.index.widths.max()) + 2 * REACH + 2), (0, 0)))
        self.stop, self.is_open, self.anchors = stop, is_open, anchors
        edges = [0, *(bound for run in anchors for bound in (run.bounds[0], run.bounds[-1])), stop, stop]
        self.edges = [
            (edges[number], edges[number + 1], edges[number + 2]) for number in range(0, len(edges) - 2, 2)
        ]
        self._ink = POPCOUNT[columns[:stop]].sum(axis=1, dtype=np.int32)
        self._extra = np.ones(stop, np.int32)
        if not anchors or anchors[0].bounds[0]:  # a text may begin at any column
            blank = int(np.argmax(self._ink > 0)) if self._ink.any() else stop
            self._extra[: min(blank, known.glyphs.space_width - 1)] = 0
        self.places = Places.build(self.edges, [], 1, is_open)

    def fix_cells(self, group: GlyphGroup, prices: Prices, estimates: bool) -> Prices:
        """Look for glyphs on a grid, where they explain the columns far better than on any grid beside it.

        Args:
            group: The frequent glyphs, all of one width.
            prices: Of wrong pixels and columns.
            estimates: Whether to take the noise from the glyphs that were found.

        Returns:
            The prices for that noise.
        """
        unit, num_sought = group.width, sum(last - first for first, last, _ in self.edges)
        if num_sought < 8 * unit:
            return prices
        costs, wrong = self._nearest(group, prices.flip)
        # Five cells in a row, the one in question in their middle; beyond the strip there is nothing to explain.
        padded = np.pad(costs, 2 * unit)
        rows = np.sum([padded[shift * unit :][: self.stop] for shift in range(5)], axis=0)
        around = np.pad(rows, unit - 1, constant_values=INFINITY)
        others = [around[shift:][: self.stop] for shift in range(2 * unit - 1) if shift != unit - 1]
        is_cell = rows + _GRID_NATS * SCALE <= np.min(others, axis=0)
        pixels = unit * group.height
        if estimates and is_cell.sum() >= 8:
            # Most of them, without those that lost a column or have one too many.
            typical = np.sort(wrong[is_cell])[: -(-3 * int(is_cell.sum()) // 4)]
            prices = Prices(
                flip_cost(within_range((1.15 * float(typical.mean()) + 0.1) / pixels)), prices.slack
            )
        noise = 1 / (1 + math.exp(prices.flip / SCALE))
        is_cell &= wrong <= most_wrong(pixels, noise, 2.5)
        cells: list[int] = []
        for first, last, _ in self.edges:
            inside = is_cell[first : max(first, last - unit + 1)]
            # Those at the ends of a row may hide a column too many or too few.
            before = np.concatenate([np.ones(unit, bool), inside])[: len(inside)]
            after = np.concatenate([inside, np.ones(unit, bool)])[unit:][: len(inside)]
            cells += (np.flatnonzero(inside & before & after) + first).tolist()
        self.places = Places.build(self.edges, cells, unit, self.is_open)
        return prices

    def _nearest(self, group: GlyphGroup, flip: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cost of the best glyph at every column, and its wrong pixels."""
        costs, wrong = [], []
        for first in range(0, self.stop, CHUNK):
            table = group.plain_costs(self.columns, np.arange(first, min(first + CHUNK, self.stop)), flip)
            best = table.argmin(axis=1)
            costs.append(table[np.arange(len(best)), best])
            wrong.append((costs[-1] - group.priors[best]) // flip)
        return np.concatenate(costs), np.concatenate(wrong)

    def find(self, groups: list[GlyphGroup], prices: Prices) -> Segments:
        """Find the glyphs that may stand there."""
        starts = self.places.starts
        return find_segments(
            groups, self.columns, self.places, self._ink[starts], self._extra[starts], prices
        )

    def cheapest(self, segments: Segments) -> list[int]:
        """Return the numbers of the segments on the cheapest way."""
        starts, stops = segments.starts.tolist(), segments.stops.tolist()
        # The first of each column is the cheapest.
        number_of = dict(zip(reversed(starts), range(len(starts) - 1, -1, -1), strict=True))
        path = []
        for position, last, _ in self.edges:
            while position < last:
                path.append(number_of[position])
                position = stops[path[-1]]
        return path


def within_range(noise: float) -> float:
    """Return an estimate of the noise that is neither nought nor out of all reason."""
    return min(max(noise, MIN_NOISE), _MOST_NOISE)


def most_wrong(pixels: int, noise: float, deviations: float = 4.0) -> float:
    """Return the wrong pixels that hardly any glyph exceeds."""
    expected = pixels * noise
    return expected + deviations * math.sqrt(expected) + deviations / 2


__all__ = ["MIN_NOISE", "DamagedStrip", "most_wrong", "within_range"]
