# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""From the glyphs that may stand on columns to the likeliest text, and how likely each of its characters is.

First all ways over the columns are looked at without regard to context, with the cheapest glyph of each length only; a
glyph is kept where the cheapest way that takes it costs little more than the cheapest of all (max-marginals). On what
is left, a few glyphs per character, the forward-backward algorithm (Rabiner 1989, section III) runs over states made of
a column and the last characters, with the probabilities of a [`CharacterPrior`] of any order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .costs import CHUNK, INFINITY, SCALE, GlyphGroup, Prices, best_costs
from .prior import CharacterPrior

# Kept: glyphs on ways this much costlier than the best, in nats, and so many for each column.
_KEPT_NATS, _KEPT_GLYPHS = 12.0, 32
# States of a column less likely than the best by this many nats are dropped, and all but so many.
_BEAM_NATS, _BEAM_STATES = 10.0, 48


@dataclass(frozen=True)
class Places:
    """Columns at which glyphs may begin. Build with [`build`].

    Attributes:
        starts: int `[n]`, ascending.
        limits: int `[n]`, column that no glyph from there may lead beyond.
        is_fixed: bool `[n]`, whether exactly one glyph of `unit` columns stands there.
        unit: Columns of a cell of the grid.
        gaps: (number of the first place, of the one after the last, column after it, column where the exact glyphs that
            follow end), of each stretch in which glyphs are sought.
        stop: Column to reach.
        is_open: Whether the last glyph may end beyond it.
    """

    starts: np.ndarray
    limits: np.ndarray
    is_fixed: np.ndarray
    unit: int
    gaps: list[tuple[int, int, int, int]]
    stop: int
    is_open: bool

    @classmethod
    def build(
        cls, edges: Sequence[tuple[int, int, int]], cells: Sequence[int], unit: int, is_open: bool
    ) -> "Places":
        """Every column of some stretches, but only the first of each cell whose place is known.

        Args:
            edges: Of each stretch, its first column, the one after it, and where the exact glyphs that follow end.
            cells: First columns of cells, ascending, within the stretches and not overlapping.
            unit: Columns of each.
            is_open: Whether a glyph of the last stretch may end beyond it.
        """
        starts: list[int] = []
        limits: list[int] = []
        fixed: list[bool] = []
        gaps, rest = [], list(cells)[::-1]
        for first, stop, resume in edges:
            row, position = len(starts), first
            while position < stop:
                end = rest[-1] if rest and rest[-1] < stop else stop
                is_last = end == stop == edges[-1][1]
                starts += range(position, end)
                limits += [INFINITY if is_open and is_last else end] * (end - position)
                fixed += [False] * (end - position)
                position = end
                while rest and rest[-1] == position < stop:
                    starts.append(rest.pop())
                    position += unit
                    limits.append(position)
                    fixed.append(True)
            gaps.append((row, len(starts), stop, resume))
        return cls(
            np.array(starts, np.int64),
            np.array(limits, np.int64),
            np.array(fixed, bool),
            unit,
            gaps,
            stop,
            is_open,
        )

    def costs(self, groups: list[GlyphGroup], columns: np.ndarray, prices: Prices) -> dict[int, np.ndarray]:
        """Return the least cost of any glyph at each place: columns covered -> int64 `[n]`."""
        every: dict[int, np.ndarray] = {}
        for is_fixed in (True, False):
            rows = np.flatnonzero(self.is_fixed == is_fixed)
            if len(rows):
                for length, costs in best_costs(
                    self.fitting(groups, is_fixed), columns, self.starts[rows], prices
                ):
                    every.setdefault(length, np.full(len(self.starts), INFINITY, np.int64))[rows] = costs
        for length, costs in every.items():
            costs[~self.allows(length)] = INFINITY
        return every

    def fitting(self, groups: list[GlyphGroup], is_fixed: bool) -> list[tuple[GlyphGroup, bool]]:
        """Return the groups that fit places of a kind, each with whether its columns may be doubled or lost."""
        if is_fixed:
            return [(group, False) for group in groups if group.width == self.unit]
        return [(group, True) for group in groups]

    def allows(self, length: int, rows: "np.ndarray | slice" = slice(None)) -> np.ndarray:
        """Return bool `[n]`, whether a glyph of so many columns may stand at each place."""
        ends = self.starts[rows] + length
        return (ends <= self.limits[rows]) & (~self.is_fixed[rows] | (ends == self.limits[rows]))


@dataclass(frozen=True)
class Segments:
    """Glyphs that may stand on columns, in the order of their first columns.

    Attributes:
        starts: int32 `[n]`, first column.
        stops: int32 `[n]`, column after the last.
        classes: int32 `[n]`; -1 for a column that belongs to no glyph.
        wrong: float32 `[n]`, pixels that are wrong; for a column of no glyph its ink.
        drift: int32 `[n]`, columns too many or too few.
        excess: int32 `[n]`, what the cheapest way that takes it costs more than the cheapest of all.
    """

    starts: np.ndarray
    stops: np.ndarray
    classes: np.ndarray
    wrong: np.ndarray
    drift: np.ndarray
    excess: np.ndarray

    @classmethod
    def join(cls, parts: "Sequence[Segments]") -> "Segments":
        """Join and sort by first column."""
        names = ("starts", "stops", "classes", "wrong", "drift", "excess")
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        order = np.lexsort((columns[5], columns[0]))
        return cls(*(column[order] for column in columns))

    @classmethod
    def of_glyphs(cls, bounds: Sequence[int], classes: Sequence[int]) -> "Segments":
        """Make segments of glyphs that stand there exactly."""
        edges, zeros = np.array(bounds, np.int32), np.zeros(len(classes), np.int32)
        return cls(edges[:-1], edges[1:], np.array(classes, np.int32), zeros.astype(np.float32), zeros, zeros)

    def take(self, chosen: np.ndarray) -> "Segments":
        """Return some of them, by mask or number."""
        names = ("starts", "stops", "classes", "wrong", "drift", "excess")
        return Segments(*(getattr(self, name)[chosen] for name in names))


class _Ways:
    """Costs of the cheapest ways to every column (`ahead`) and from there to the end (`back`)."""

    def __init__(self, places: Places, lengths: dict[int, np.ndarray], skips: np.ndarray) -> None:
        stop, unit = places.stop, places.unit
        reach = (
            max(stop, int(places.starts[-1]) + 1 if len(places.starts) else 0) + max(lengths, default=1) + 1
        )
        self._edges = [(length, costs.tolist()) for length, costs in lengths.items()]
        self._cells = lengths[unit].tolist() if unit in lengths else []
        self._skips, self._starts = skips.tolist(), places.starts.tolist()
        self._is_fixed = places.is_fixed.tolist()
        ahead, back = [INFINITY] * (reach + 1), [INFINITY] * (reach + 1)
        ahead[0] = 0
        end = reach if places.is_open else stop + 1
        back[stop:end] = [0] * (end - stop)
        self._go(places, ahead)
        self._return(places, back)
        self.total = back[0]
        self.ahead, self.back = np.array(ahead, np.int64), np.array(back, np.int64)

    def _go(self, places: Places, ahead: list[int]) -> None:
        starts, is_fixed, edges, unit = self._starts, self._is_fixed, self._edges, places.unit
        for first, last, stop, resume in places.gaps:
            for row in range(first, last):
                position = starts[row]
                cost = ahead[position]
                if cost >= INFINITY:
                    continue
                if is_fixed[row]:
                    ahead[position + unit] = min(ahead[position + unit], cost + self._cells[row])
                    continue
                total = cost + self._skips[row]
                if total < ahead[position + 1]:
                    ahead[position + 1] = total
                for length, costs in edges:
                    total = cost + costs[row]
                    if total < ahead[position + length]:
                        ahead[position + length] = total
            if resume > stop:
                ahead[resume] = ahead[stop]

    def _return(self, places: Places, back: list[int]) -> None:
        starts, is_fixed, edges, unit = self._starts, self._is_fixed, self._edges, places.unit
        for first, last, stop, resume in reversed(places.gaps):
            if resume > stop:
                back[stop] = back[resume]
            for row in range(last - 1, first - 1, -1):
                position = starts[row]
                if is_fixed[row]:
                    back[position] = self._cells[row] + back[position + unit]
                    continue
                best = self._skips[row] + back[position + 1]
                for length, costs in edges:
                    total = costs[row] + back[position + length]
                    if total < best:
                        best = total
                back[position] = best


def find_segments(
    groups: list[GlyphGroup],
    columns: np.ndarray,
    places: Places,
    ink: np.ndarray,
    extra: np.ndarray,
    prices: Prices,
) -> Segments:
    """Find the glyphs that may stand at places.

    Args:
        groups: What to look for.
        columns: uint8 `[W, height // 8]`, packed, enough of them beyond the last place.
        places: Where to look.
        ink: int32 `[n]`, pixels with ink in the column of each place: wrong if it belongs to no glyph.
        extra: int32 `[n]`, 1 for each place whose column would be one too many if it belongs to no glyph, else 0.
        prices: Of wrong pixels and columns.

    Returns:
        Those on ways that are not much costlier than the cheapest.
    """
    starts = places.starts
    lengths = places.costs(groups, columns, prices)
    skips = prices.flip * ink.astype(np.int64) + prices.slack * extra + 1
    skips[places.is_fixed] = INFINITY
    ways = _Ways(places, lengths, skips)
    most = ways.total + round(_KEPT_NATS * SCALE)
    least = np.full(len(starts), INFINITY, np.int64)
    for length, costs in lengths.items():
        np.minimum(least, costs + ways.back[starts + length], out=least)
    is_active = ways.ahead[starts] + least <= most
    excess = ways.ahead[starts] + skips + ways.back[starts + 1]
    rows = np.flatnonzero(excess <= most)
    kept = [
        Segments(
            starts[rows].astype(np.int32),
            starts[rows].astype(np.int32) + 1,
            np.full(len(rows), -1, np.int32),
            ink[rows].astype(np.float32),
            extra[rows].astype(np.int32),
            (excess[rows] - ways.total).astype(np.int32),
        )
    ]
    for is_fixed in (True, False):
        active = np.flatnonzero(is_active & (places.is_fixed == is_fixed))
        for first in range(0, len(active), CHUNK):
            chosen = places.fitting(groups, is_fixed)
            kept += _within(chosen, columns, places, active[first : first + CHUNK], prices, ways, most)
    found = Segments.join(kept)
    # The likeliest of each column; they are sorted by column and excess.
    firsts = np.searchsorted(found.starts, found.starts, side="left")
    return found.take(np.arange(len(firsts)) - firsts < _KEPT_GLYPHS)


def _within(
    groups: list[tuple[GlyphGroup, bool]],
    columns: np.ndarray,
    places: Places,
    rows: np.ndarray,
    prices: Prices,
    ways: _Ways,
    most: int,
) -> list[Segments]:
    """Glyphs at some places on ways that cost at most so much."""
    found = []
    starts = places.starts[rows]
    for group, drifts in groups:
        for length, costs in group.costs(columns, starts, prices, drifts):
            room = most - ways.ahead[starts] - ways.back[np.minimum(starts + length, len(ways.back) - 1)]
            room[~places.allows(length, rows)] = -1
            here, which = np.nonzero(costs <= room[:, None])
            if not len(here):
                continue
            cost = costs[here, which]
            drift = np.full(len(here), abs(length - group.width), np.int32)
            pixels = cost - group.priors[which] - drift * prices.slack
            found.append(
                Segments(
                    starts[here].astype(np.int32),
                    (starts[here] + length).astype(np.int32),
                    group.indices[which].astype(np.int32),
                    (pixels / prices.flip).astype(np.float32),
                    drift,
                    (cost - room[here] + most - ways.total).astype(np.int32),
                )
            )
    return found


# ---- contexts ----


@dataclass(frozen=True)
class Decoded:
    """The likeliest way over segments.

    Attributes:
        path: Numbers of its segments, in order of columns.
        posteriors: float64 `[n]`, probability of every segment.
    """

    path: list[int]
    posteriors: np.ndarray


class _States:
    """What the forward-backward algorithm keeps of each state and each step between two."""

    def __init__(self) -> None:
        self.columns: dict[int, dict[str, int]] = {0: {"": 0}}
        self.forward, self.cheapest, self.origin = [0.0], [0.0], [-1]
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []
        self.segments: list[int] = []

    def kept(self, column: int) -> list[tuple[str, int]]:
        """The likely states of a column."""
        states = self.columns[column]
        if len(states) == 1:
            return list(states.items())
        forward = self.forward
        least = max(forward[state] for state in states.values()) - _BEAM_NATS
        likely = [item for item in states.items() if forward[item[1]] >= least]
        if len(likely) > _BEAM_STATES:
            likely = sorted(likely, key=lambda item: -forward[item[1]])[:_BEAM_STATES]
        return likely

    def step(self, source: int, column: int, context: str, weight: float, segment: int) -> None:
        """Go from a state to a column with a context."""
        states = self.columns.setdefault(column, {})
        target = states.get(context)
        total, cheapest = self.forward[source] + weight, self.cheapest[source] + weight
        number = len(self.sources)
        if target is None:
            target = states[context] = len(self.forward)
            self.forward.append(total)
            self.cheapest.append(cheapest)
            self.origin.append(number)
        else:
            known = self.forward[target]
            high, low = (total, known) if total > known else (known, total)
            if low > high - 30:
                high += math.log1p(math.exp(low - high))
            self.forward[target] = high
            if cheapest > self.cheapest[target]:
                self.cheapest[target], self.origin[target] = cheapest, number
        self.sources.append(source)
        self.targets.append(target)
        self.weights.append(weight)
        self.segments.append(segment)

    def finish(self, ends: Sequence[int], num_segments: int) -> Decoded:
        """Return the best way to the last states, and the posteriors."""
        final = max(ends, key=self.cheapest.__getitem__)
        path, state = [], final
        while self.origin[state] >= 0:
            path.append(self.segments[self.origin[state]])
            state = self.sources[self.origin[state]]
        low = -math.inf
        backward = [low] * len(self.forward)
        for state in ends:
            backward[state] = 0.0
        highest = max(self.forward[state] for state in ends)
        total = highest + math.log(sum(math.exp(self.forward[state] - highest) for state in ends))
        posteriors = [0.0] * num_segments
        exp, log1p = math.exp, math.log1p
        for arc in range(len(self.sources) - 1, -1, -1):
            beyond = backward[self.targets[arc]]
            if beyond == low:
                continue
            source = self.sources[arc]
            value = self.weights[arc] + beyond
            posteriors[self.segments[arc]] += exp(min(0.0, self.forward[source] + value - total))
            known = backward[source]
            high, less = (value, known) if value > known else (known, value)
            backward[source] = high + log1p(exp(less - high)) if less > high - 30 else high
        return Decoded(path[::-1], np.minimum(np.array(posteriors), 1.0))


def decode(
    starts: Sequence[int],
    stops: Sequence[int],
    texts: Sequence[str],
    costs: Sequence[float],
    prior: CharacterPrior | None,
    stop: int,
    is_open: bool = True,
) -> Decoded:
    """Find the likeliest way over segments from column 0 to the end, and the probability of each segment.

    Args:
        starts: First columns, ascending, of n segments.
        stops: Columns after the last.
        texts: What each says; "" for a column of no glyph.
        costs: Nats of each by its pixels, and without a prior also by how rare it is.
        prior: Probabilities of characters after others.
        stop: Column to reach.
        is_open: Whether the last segment may end beyond it.

    Returns:
        The way and the posteriors.

    Raises:
        ValueError: if there is no way.
    """
    states = _States()
    order = 0 if prior is None else prior.order - 1
    before = " " * order
    states.columns = {0: {before: 0}}
    number, count, furthest = 0, len(starts), 0
    while number < count:
        column, last = starts[number], number
        while last < count and starts[last] == column:
            last += 1
        if column in states.columns and column < stop:
            likely = states.kept(column)
            if last == number + 1 and len(likely) == 1 and column == furthest:
                # All ways pass here and go on alike: whatever it weighs is the same for all of them.
                context, state = likely[0]
                context = (context + texts[number])[len(texts[number]) :]
                furthest = stops[number]
                states.step(state, furthest, context, 0.0, number)
                number = last
                continue
            for segment in range(number, last):
                text, there, cost = texts[segment], stops[segment], costs[segment]
                furthest = max(furthest, there)
                for context, state in likely:
                    if prior is None or not text:
                        states.step(state, there, context, -cost, segment)
                        continue
                    if len(text) == 1:
                        weight = prior.log_probability(text, context) - cost
                    else:
                        weight = prior.text_log_probability(text, context) - cost
                    states.step(state, there, (context + text)[len(text) :] if order else "", weight, segment)
        number = last
    ends = [
        state
        for column, items in states.columns.items()
        if column == stop or (is_open and column > stop)
        for state in items.values()
    ]
    if not ends:
        raise ValueError(f"no way over the segments leads from column 0 to column {stop}")
    return states.finish(ends, count)


__all__ = ["Decoded", "Places", "Segments", "decode", "find_segments"]
