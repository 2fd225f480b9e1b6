# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of strips that no sequence of glyphs draws exactly: sampled by a model, or damaged.

Stretches that do parse exactly are kept. What lies between is read by the Viterbi algorithm over pixel columns: a glyph
costs `log((1 - noise) / noise)` nats per wrong pixel plus the prior of its class; a glyph with one column too many or too
few, anywhere in it, costs `slack_cost` more; so does a column that belongs to no glyph, whose ink counts as wrong pixels.
All costs are integers (sixteenths of a nat), so that results do not depend on the order of additions.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .glyph_classes_pixel_ar import GlyphClasses


_SCALE = 16
_POPCOUNT = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
# An exact stretch is trusted from this many characters and columns with ink on, less some characters at its ends:
# narrow glyphs parse by accident, and a parse that begins inside a letter soon falls into step.
_MIN_CHARS, _MIN_INK_COLUMNS, _TRIM = 6, 12, 2
_INFINITY = 1 << 60


@dataclass(frozen=True)
class Segment:
    """One character that was read: columns [start, stop), its class, and whether the pixels are exactly its glyph's."""

    start: int
    stop: int
    index: int
    is_exact: bool
    confidence: float


def parse_exactly(
    classes: GlyphClasses, data: bytes, start: int, stop: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """Cover columns by exact glyphs, as far as it goes, with the likeliest characters.

    Args:
        classes: The glyphs.
        data: Packed columns, with blank columns beyond `stop` for the widest glyph.
        start: Column to begin at.
        stop: Column to reach; the last glyph may end later, on blank columns.

    Returns:
        The furthest column that can be reached, and the (start, stop, class) of each glyph on the way there.
    """
    size = classes.height // 8
    table, priors, lengths = classes.table, classes.prior_list, classes.byte_lengths
    step = math.gcd(*lengths)
    first, end = start * size, stop * size
    costs: dict[int, float] = {first: 0.0}
    back: dict[int, tuple[int, int]] = {}
    for position in range(first, end, step):
        cost = costs.get(position)
        if cost is None:
            continue
        for length in lengths:
            index = table.get(data[position : position + length])
            if index is not None:
                # One nat per character: of two readings, the one with fewer characters.
                total = cost + priors[index] + 1.0
                if total < costs.get(position + length, math.inf):
                    costs[position + length] = total
                    back[position + length] = (position, index)
    complete = [position for position in costs if position >= end]
    position = min(complete, key=costs.__getitem__) if complete else max(costs)
    furthest, path = position // size, []
    while position > first:
        previous, index = back[position]
        path.append((previous // size, position // size, index))
        position = previous
    return furthest, path[::-1]


class _Group:
    """Classes of one width, with tables from a column byte to its distance from every class.

    Args:
        classes: All glyphs.
        indices: int32 `[K]`, classes of one width.
        flip: Cost of a wrong pixel.
        slack: Cost of a column too many or too few.
    """

    def __init__(self, classes: GlyphClasses, indices: np.ndarray, flip: int, slack: int) -> None:
        self.indices = indices
        self.width = int(classes.widths[indices[0]])
        self.flip, self.slack = flip, slack
        bits = classes.bits(indices)  # [K, w, height // 8]
        bytes_of_cell = np.arange(256, dtype=np.uint8)
        # [w, height // 8, 256, K]
        self.distances = _POPCOUNT[bits.transpose(1, 2, 0)[:, :, None, :] ^ bytes_of_cell[None, None, :, None]]
        self.priors = np.round(classes.priors[indices] * _SCALE).astype(np.int32)

    def _column_distances(self, columns: np.ndarray, starts: np.ndarray, column: int, shift: int) -> np.ndarray:
        """Return uint16 `[n, K]`: wrong pixels if `column` of each class lies at `starts + column + shift`."""
        values = columns[starts + column + shift]  # [n, height // 8]
        total = self.distances[column, 0][values[:, 0]].astype(np.uint16)
        for byte in range(1, values.shape[1]):
            total += self.distances[column, byte][values[:, byte]]
        return total

    def wrong_pixels(self, columns: np.ndarray, starts: np.ndarray, delta: int) -> np.ndarray:
        """Count the wrong pixels of every class at some columns.

        Args:
            columns: uint8 `[W, height // 8]`, long enough.
            starts: `[n]`, where the glyph begins.
            delta: 0; 1 for one column too many at the best place inside the glyph; -1 for one missing.

        Returns:
            uint16 `[n, K]`.
        """
        before = [np.zeros((len(starts), len(self.indices)), np.uint16)]
        last = self.width if delta == 0 else self.width - 1
        for column in range(last):
            before.append(before[-1] + self._column_distances(columns, starts, column, 0))
        if delta == 0:
            return before[-1]
        best, after = None, np.zeros_like(before[0])
        for column in range(self.width - 1, -1, -1):
            if delta < 0:  # `column` is the missing one
                total = before[column] + after
            after = after + self._column_distances(columns, starts, column, delta)
            if delta > 0:  # the extra one comes before `column`
                if column == 0:
                    break
                total = before[column] + after
            best = total if best is None else np.minimum(best, total)
        assert best is not None
        return best

    def costs(self, columns: np.ndarray, starts: np.ndarray, delta: int) -> np.ndarray:
        """Return the cost of every class, int32 `[n, K]`, prior and slack included."""
        wrong = self.wrong_pixels(columns, starts, delta).astype(np.int32)
        wrong *= self.flip
        wrong += self.priors
        return wrong + self.slack if delta else wrong


@dataclass
class _Transition:
    """The best glyph of one group with one `delta` at every column of a span."""

    group: _Group
    delta: int
    costs: list[int]
    choices: np.ndarray


class NoisyReader:
    """Finds the likeliest characters on columns that do not parse exactly.

    Args:
        classes: The glyphs.
        slack_cost: Nats for a column too many or too few.
        noise: Share of pixels that are wrong, above 0 and below 0.5.
    """

    def __init__(self, classes: GlyphClasses, slack_cost: float, noise: float) -> None:
        self.classes = classes
        self.slack = round(_SCALE * slack_cost)
        self.flip = max(1, round(_SCALE * math.log((1 - noise) / noise)))
        self._clean_confidences: dict[int, float] = {}

    @cached_property
    def groups(self) -> list[_Group]:
        """The common classes by width."""
        return self._group(self.classes.common)

    def _group(self, indices: np.ndarray) -> list[_Group]:
        widths = self.classes.widths[indices]
        return [
            _Group(self.classes, indices[widths == width], self.flip, self.slack) for width in np.unique(widths)
        ]

    def read(self, columns: np.ndarray, stop: int, is_open: bool) -> list[Segment]:
        """Read columns [0, stop).

        Args:
            columns: uint8 `[W, height // 8]`, with blank columns beyond `stop` for twice the widest glyph.
            stop: Where to stop.
            is_open: Whether blank columns may come after `stop`, so that the last glyph may end there.

        Returns:
            What was read, from left to right. Columns between segments belong to no glyph.
        """
        data = columns.tobytes()
        anchors = self._anchors(data, columns, stop)
        groups = self.groups + self._extra_groups(columns, anchors, stop)
        segments: list[Segment] = []
        position = 0
        for run in [*anchors, []]:
            end = run[0][0] if run else stop
            if end > position:
                segments += self._read_span(columns, position, end, groups, position == 0, is_open and not run)
            segments += [Segment(*glyph, True, self.clean_confidence(glyph[2])) for glyph in run]
            position = run[-1][1] if run else end
        return segments

    def _anchors(self, data: bytes, columns: np.ndarray, stop: int) -> list[list[tuple[int, int, int]]]:
        """Find stretches that parse exactly and are long enough not to do so by accident."""
        has_ink = columns.any(axis=1)
        runs, position = [], 0
        while position < stop:
            furthest, path = parse_exactly(self.classes, data, position, stop)
            trimmed = path[_TRIM if position else 0 : -_TRIM]
            if len(path) >= _MIN_CHARS and has_ink[position:furthest].sum() >= _MIN_INK_COLUMNS and trimmed:
                runs.append(trimmed)
                position = furthest
            else:
                position += 1
        return runs

    def _extra_groups(self, columns: np.ndarray, anchors: list, stop: int) -> list[_Group]:
        """In an atlas of thousands, add the classes next to each unread cell of the grid, and those read nearby."""
        classes = self.classes
        if len(classes.common) == len(classes.codes):
            return []
        wanted = {glyph[2] for run in anchors for glyph in run}
        unit = math.gcd(*classes.widths.tolist())
        position, places = 0, []
        for run in [*anchors, []]:
            places += range(position, run[0][0] if run else stop, unit)
            position = run[-1][1] if run else stop
        for place in places[:512]:
            for width in np.unique(classes.widths).tolist():
                wanted.add(self._nearest(columns[place : place + width]))
        extra = np.array(sorted(wanted - set(classes.common.tolist())), np.int32)
        return self._group(extra) if len(extra) else []

    @cached_property
    def _all_bits(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Width -> (classes, their packed columns uint8 `[K, width * height // 8]`)."""
        widths = self.classes.widths
        found = {width: np.flatnonzero(widths == width).astype(np.int32) for width in np.unique(widths).tolist()}
        return {width: (ids, self.classes.bits(ids).reshape(len(ids), -1)) for width, ids in found.items()}

    def _nearest(self, cell: np.ndarray) -> int:
        indices, bits = self._all_bits[len(cell)]
        wrong = _POPCOUNT[bits ^ cell.reshape(-1)].sum(axis=1, dtype=np.int32)
        return int(indices[wrong.argmin()])

    def _transitions(self, columns: np.ndarray, span: int, groups: list[_Group]) -> list[_Transition]:
        """Find the best class of every group, with every delta, at each column below `span`."""
        transitions = []
        for group in groups:
            for delta in (0, -1, 1) if group.width > 1 else (0,):
                costs: list[int] = []
                choices = []
                for first in range(0, span, 128):  # chunks that stay in the cache
                    table = group.costs(columns, np.arange(first, min(span, first + 128)), delta)
                    choice = table.argmin(axis=1)
                    choices.append(choice)
                    costs += np.take_along_axis(table, choice[:, None], 1)[:, 0].tolist()
                transitions.append(_Transition(group, delta, costs, np.concatenate(choices)))
        return transitions

    def _read_span(
        self, columns: np.ndarray, first: int, stop: int, groups: list[_Group], is_start: bool, is_open: bool
    ) -> list[Segment]:
        """Run the Viterbi algorithm on columns [first, stop)."""
        span = stop - first
        # Nothing beyond a closed end may be read as part of a glyph: it belongs to the exact stretch there.
        columns = columns[first:] if is_open else np.pad(columns[first:stop], ((0, 64), (0, 0)))
        transitions = self._transitions(columns, span, groups)
        ink = _POPCOUNT[columns[:span]].sum(axis=1, dtype=np.int64)
        skips = (self.slack + self.flip * ink).tolist()
        if is_start:  # a text may begin at any column
            blank = int(np.argmax(ink > 0)) if ink.any() else span
            skips[: min(blank, self.classes.space_width - 1)] = [1] * min(blank, self.classes.space_width - 1)
        edges = [(item.group.width + item.delta, item.costs, number) for number, item in enumerate(transitions)]
        reach = span + max(advance for advance, _, _ in edges) + 1
        best, back = [_INFINITY] * (reach + 1), [(-1, -1)] * (reach + 1)
        best[0] = 0
        for position in range(span):
            cost = best[position]
            if cost == _INFINITY:
                continue
            if cost + skips[position] < best[position + 1]:
                best[position + 1], back[position + 1] = cost + skips[position], (position, -1)
            for advance, costs, number in edges:
                total = cost + costs[position]
                if total < best[position + advance]:
                    best[position + advance], back[position + advance] = total, (position, number)
        position = min(range(span, reach), key=best.__getitem__) if is_open else span
        steps = []
        while position > 0:
            previous, number = back[position]
            if number >= 0:
                steps.append((previous, position, number))
            position = previous
        return self._to_segments(columns, first, steps[::-1], transitions)

    def _to_segments(
        self, columns: np.ndarray, first: int, steps: list[tuple[int, int, int]], transitions: list[_Transition]
    ) -> list[Segment]:
        segments = []
        for start, stop, number in steps:
            item = transitions[number]
            choice = int(item.choices[start])
            costs = item.group.costs(columns, np.array([start]), item.delta)[0]
            weights = np.exp((costs[choice] - costs) / _SCALE)
            is_exact = item.delta == 0 and costs[choice] == item.group.priors[choice]
            index = int(item.group.indices[choice])
            segments.append(Segment(first + start, first + stop, index, bool(is_exact), float(1 / weights.sum())))
        return segments

    def clean_confidence(self, index: int) -> float:
        """Return the posterior of a class whose glyph is matched exactly, against the others of its width."""
        known = self._clean_confidences.get(index)
        if known is None:
            common = self.classes.common
            rivals = common[(self.classes.widths[common] == self.classes.widths[index]) & (common != index)]
            total = 1.0
            if len(rivals):
                cell = self.classes.bits(np.array([index]))
                wrong = _POPCOUNT[self.classes.bits(rivals) ^ cell].sum(axis=(1, 2), dtype=np.int32)
                priors = self.classes.priors
                total += float(np.exp(priors[index] - priors[rivals] - wrong * (self.flip / _SCALE)).sum())
            known = self._clean_confidences[index] = 1.0 / total
        return known
