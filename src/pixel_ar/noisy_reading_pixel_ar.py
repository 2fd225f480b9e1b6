# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of strips that no sequence of glyphs draws exactly: sampled by a model, or damaged.

Stretches that do parse exactly are kept. What lies between is read by the Viterbi algorithm over pixel columns:
a glyph costs `log((1 - noise) / noise)` nats per wrong pixel plus the prior of its class; a glyph with one
column too many or too few, anywhere in it, costs `slack_cost` more; so does a column that belongs to no glyph,
whose ink counts as wrong pixels. All costs are integers (sixteenths of a nat), so that results do not depend on
the order of additions.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .glyph_classes_pixel_ar import FREQUENT, GlyphClasses

_SCALE = 16
_POPCOUNT = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
# An exact stretch is trusted from this many characters and columns with ink on, less some characters at its ends:
# narrow glyphs parse by accident, and a parse that begins inside a letter soon falls into step.
_MIN_CHARS, _MIN_INK_COLUMNS, _TRIM = 6, 12, 2
_INFINITY = 1 << 60


def _count_bits(bits: np.ndarray) -> np.ndarray:
    """Count the set bits of each row, uint8 `[n, bytes]` -> `[n]`."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        if bits.shape[1] % 8 == 0:
            bits = np.ascontiguousarray(bits).view(np.uint64)
        return np.bitwise_count(bits).sum(axis=1, dtype=np.int32)
    return _POPCOUNT[bits].sum(axis=1, dtype=np.int32)


@dataclass(frozen=True)
class Reading:
    """Characters that were read, from left to right.

    Attributes:
        starts: int32 `[n]`, first column of each.
        stops: int32 `[n]`, column after each.
        codes: uint32 `[n]`, code points.
        confidences: float32 `[n]`; see `ReadResult`.
        is_exact: bool `[n]`, whether the pixels are exactly those of the glyph.
    """

    starts: np.ndarray
    stops: np.ndarray
    codes: np.ndarray
    confidences: np.ndarray
    is_exact: np.ndarray

    @classmethod
    def of(cls, starts: list, stops: list, codes: list, confidences: list, is_exact: list) -> "Reading":
        """Build a reading from lists."""
        types = (np.int32, np.int32, np.uint32, np.float32, bool)
        columns = (starts, stops, codes, confidences, is_exact)
        return cls(*(np.array(column, kind) for column, kind in zip(columns, types, strict=True)))

    @classmethod
    def join(cls, readings: "list[Reading]") -> "Reading":
        """Join readings of successive columns."""
        names = ("starts", "stops", "codes", "confidences", "is_exact")
        empty = cls.of([], [], [], [], [])
        return cls(*(np.concatenate([getattr(item, name) for item in [empty, *readings]]) for name in names))

    def moved(self, columns: int) -> "Reading":
        """Return the same characters, `columns` further right."""
        return Reading(
            self.starts + columns, self.stops + columns, self.codes, self.confidences, self.is_exact
        )

    @property
    def text(self) -> str:
        """The characters."""
        return self.codes.astype("<u4").tobytes().decode("utf-32-le")


@dataclass(frozen=True)
class ExactRun:
    """Glyphs that follow each other: `len(classes)` classes and the columns where they begin and the last ends."""

    bounds: list[int]
    classes: list[int]

    def trimmed(self, first: int, last: int) -> "ExactRun":
        """Return the run without its `first` first and `last` last glyphs."""
        keep = max(first, len(self.classes) - last)
        return ExactRun(self.bounds[first : keep + 1], self.classes[first:keep])


def parse_exactly(classes: GlyphClasses, data: bytes, start: int, stop: int) -> ExactRun:
    """Cover columns by exact glyphs, as far as it goes, with the likeliest characters.

    Args:
        classes: The glyphs.
        data: Packed columns, with blank columns beyond `stop` for the widest glyph.
        start: Column to begin at.
        stop: Column to reach; the last glyph may end later, on blank columns.

    Returns:
        The glyphs on the way to the furthest column that can be reached; `bounds[-1] >= stop` if all are covered.
    """
    size = classes.height // 8
    table, prefixes, priors = classes.table, classes.prefixes, classes.prior_list
    shortest = classes.byte_lengths[0]
    step = math.gcd(*classes.byte_lengths)
    first, end = start * size, stop * size
    infinity = math.inf
    room = (end - first + classes.byte_lengths[-1]) // step + 2
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
        index, longer = entry
        if index >= 0:
            there = here + shortest // step
            # One nat per character: of two readings, the one with fewer characters.
            total = cost + priors[index] + 1.0
            if total < costs[there]:
                costs[there], back[there] = total, (here, index)
                furthest = max(furthest, there)
        for length in longer:
            index = table.get(data[position : position + length], -1)
            if index >= 0:
                there = here + length // step
                total = cost + priors[index] + 1.0
                if total < costs[there]:
                    costs[there], back[there] = total, (here, index)
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


class _Group:
    """Classes of one width, with tables from a column byte to its distance from every class.

    Args:
        classes: All glyphs.
        indices: int32 `[K]`, classes of one width.
        priors: float32, nats of every class of the atlas.
        flip: Cost of a wrong pixel.
        slack: Cost of a column too many or too few.
    """

    def __init__(
        self, classes: GlyphClasses, indices: np.ndarray, priors: np.ndarray, flip: int, slack: int
    ) -> None:
        self.indices = indices
        self.width = int(classes.widths[indices[0]])
        self.flip, self.slack = flip, slack
        bits = classes.bits(indices)  # [K, w, height // 8]
        bytes_of_cell = np.arange(256, dtype=np.uint8)
        # [w, height // 8, 256, K]
        self.distances = _POPCOUNT[
            bits.transpose(1, 2, 0)[:, :, None, :] ^ bytes_of_cell[None, None, :, None]
        ]
        self.priors = np.round(priors[indices] * _SCALE).astype(np.int32)

    def _column_distances(
        self, columns: np.ndarray, starts: np.ndarray, column: int, shift: int
    ) -> np.ndarray:
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
        self._groups: dict[tuple[int, ...], list[tuple[_Group, int]]] = {}
        self._clean_confidences = np.full(len(classes.codes), np.nan, np.float32)

    def _find_groups(self, seen: list[int]) -> list[tuple[_Group, int]]:
        """Choose what to look for: every common class as it is, frequent ones with a column more or less as well.

        Characters of the blocks of 128 code points in which others were `seen` count as frequent, so that any script
        is read well where most of a strip is clean.
        """
        classes = self.classes
        blocks = tuple(sorted({code >> 7 for code in seen}))
        if blocks not in self._groups:
            if len(self._groups) >= 8:
                self._groups.clear()
            is_seen = np.isin(classes.codes >> 7, blocks) & (not classes.alphabet)
            priors = np.where(is_seen, np.minimum(classes.priors, FREQUENT), classes.priors)
            common = np.union1d(classes.common, np.flatnonzero(is_seen)[:4096]).astype(np.int32)
            frequent = common[priors[common] <= FREQUENT]
            self._groups[blocks] = self._build_groups(common, priors, (0,))
            self._groups[blocks] += self._build_groups(frequent[:1024], priors, (-1, 1))
        return self._groups[blocks]

    def _build_groups(
        self, indices: np.ndarray, priors: np.ndarray, deltas: tuple[int, ...]
    ) -> list[tuple[_Group, int]]:
        widths = self.classes.widths[indices]
        groups = [
            _Group(self.classes, indices[widths == width], priors, self.flip, self.slack)
            for width in np.unique(widths)
        ]
        return [(group, delta) for group in groups for delta in deltas if group.width > 1 or delta == 0]

    def read(self, columns: np.ndarray, stop: int, is_open: bool) -> Reading:
        """Read columns [0, stop).

        Args:
            columns: uint8 `[W, height // 8]`, with blank columns beyond `stop` for twice the widest glyph.
            stop: Where to stop.
            is_open: Whether blank columns may come after `stop`, so that the last glyph may end there.

        Returns:
            What was read. Columns between its characters belong to no glyph.
        """
        anchors = self._anchors(columns.tobytes(), columns, stop)
        extra = self._extra_groups(columns, anchors, stop)
        seen = [code for run in anchors for code in self.classes.codes[run.classes].tolist()]
        reading = self._read_between(columns, stop, is_open, anchors, self._find_groups(seen) + extra)
        codes = reading.codes.tolist()
        foreign = {code >> 7 for code in codes if code > 0x7F and chr(code).isalpha()} - {
            code >> 7 for code in seen
        }
        # Another script than expected: read again, knowing it.
        if foreign and sum(code >> 7 in foreign for code in codes) > 0.15 * len(codes):
            seen += [code for code in codes if code >> 7 in foreign]
            reading = self._read_between(columns, stop, is_open, anchors, self._find_groups(seen) + extra)
        return reading

    def _read_between(
        self,
        columns: np.ndarray,
        stop: int,
        is_open: bool,
        anchors: list[ExactRun],
        groups: list[tuple[_Group, int]],
    ) -> Reading:
        """Keep what was read exactly and read what lies between."""
        readings: list[Reading] = []
        position = 0
        for run in [*anchors, None]:
            end = run.bounds[0] if run else stop
            if end > position:
                is_last = is_open and run is None
                readings.append(self._read_span(columns, position, end, groups, position == 0, is_last))
            if run:
                readings.append(self.exact_reading(run))
                position = run.bounds[-1]
        return Reading.join(readings)

    def exact_reading(self, run: ExactRun) -> Reading:
        """Return an exact parse as a reading."""
        bounds, indices = np.array(run.bounds, np.int32), np.array(run.classes, np.int32)
        codes, confidences = self.classes.codes[indices], self.clean_confidences(indices)
        return Reading(bounds[:-1], bounds[1:], codes, confidences, np.ones(len(indices), bool))

    def _anchors(self, data: bytes, columns: np.ndarray, stop: int) -> list[ExactRun]:
        """Find stretches that parse exactly and are long enough not to do so by accident."""
        has_ink = np.asarray(columns.any(axis=1))
        runs, position = [], 0
        size, shortest = self.classes.height // 8, self.classes.byte_lengths[0]
        while position < stop:
            if data[position * size : position * size + shortest] not in self.classes.prefixes:
                position += 1
                continue
            run = parse_exactly(self.classes, data, position, stop)
            trimmed = run.trimmed(_TRIM if position else 0, _TRIM)
            is_long = (
                len(run.classes) >= _MIN_CHARS
                and has_ink[position : run.bounds[-1]].sum() >= _MIN_INK_COLUMNS
            )
            if is_long and trimmed.classes:
                runs.append(trimmed)
                position = run.bounds[-1]
            else:
                position += 1
        return runs

    def _extra_groups(
        self, columns: np.ndarray, anchors: list[ExactRun], stop: int
    ) -> list[tuple[_Group, int]]:
        """In an atlas of thousands, find the classes closest to each cell of the grid that was not read exactly."""
        classes = self.classes
        if len(classes.common) == len(classes.codes):
            return []
        unit = math.gcd(*classes.widths.tolist())
        position = 0
        places: list[int] = []
        for run in [*anchors, ExactRun([stop], [])]:
            places += range(position, run.bounds[0], unit)
            position = run.bounds[-1]
        wanted: set[int] = set()
        searched = 0
        for place in places:
            nearest = [self._nearest(columns[place : place + width], True) for width in self._all_bits]
            # A common character with a few wrong pixels explains the cell; searching tens of thousands takes long.
            if min(wrong for _, wrong in nearest) > 4 and searched < 256:
                searched += 1
                wanted.update(
                    self._nearest(columns[place : place + width], False)[0] for width in self._all_bits
                )
        indices = np.array(sorted(wanted), np.int32)
        return self._build_groups(indices, self.classes.priors, (0,))

    @cached_property
    def _all_bits(self) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
        """Width -> (classes, their packed columns uint8 `[K, width * height // 8]`) for all and for common classes."""
        every = np.arange(len(self.classes.codes), dtype=np.int32)
        found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for width in np.unique(self.classes.widths).tolist():
            parts = [
                indices[self.classes.widths[indices] == width] for indices in (every, self.classes.common)
            ]
            found[width] = [(part, self.classes.bits(part).reshape(len(part), -1)) for part in parts]
        return found

    def _nearest(self, cell: np.ndarray, is_common: bool) -> tuple[int, int]:
        """Return the class closest to a cell, and the number of wrong pixels."""
        indices, bits = self._all_bits[len(cell)][is_common]
        wrong = _count_bits(bits ^ cell.reshape(-1))
        best = int(wrong.argmin())
        return int(indices[best]), int(wrong[best])

    def _transitions(
        self, columns: np.ndarray, span: int, groups: list[tuple[_Group, int]]
    ) -> list[_Transition]:
        """Find the best class of every group at each column below `span`."""
        transitions = []
        for group, delta in groups:
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
        self,
        columns: np.ndarray,
        first: int,
        stop: int,
        groups: list[tuple[_Group, int]],
        is_start: bool,
        is_open: bool,
    ) -> Reading:
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
        edges = [
            (item.group.width + item.delta, item.costs, number) for number, item in enumerate(transitions)
        ]
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
        return self._to_reading(columns, steps[::-1], transitions).moved(first)

    def _to_reading(
        self, columns: np.ndarray, steps: list[tuple[int, int, int]], transitions: list[_Transition]
    ) -> Reading:
        table = np.array(steps, np.int32).reshape(-1, 3)
        codes, confidences = np.zeros(len(table), np.uint32), np.ones(len(table), np.float32)
        is_exact = np.zeros(len(table), bool)
        for number in np.unique(table[:, 2]).tolist():
            item, rows = transitions[number], np.flatnonzero(table[:, 2] == number)
            choices = item.choices[table[rows, 0]]
            costs = item.group.costs(columns, table[rows, 0], item.delta)
            chosen = costs[np.arange(len(rows)), choices]
            codes[rows] = self.classes.codes[item.group.indices[choices]]
            confidences[rows] = 1 / np.exp((chosen[:, None] - costs) / _SCALE).sum(axis=1)
            is_exact[rows] = (item.delta == 0) & (chosen == item.group.priors[choices])
        return Reading(table[:, 0], table[:, 1], codes, confidences, is_exact)

    def clean_confidences(self, indices: np.ndarray) -> np.ndarray:
        """Return float32 `[n]`: the posterior of classes whose glyphs are matched exactly, against others as wide."""
        known = self._clean_confidences[indices]
        if np.isnan(known).any():
            for index in np.unique(indices[np.isnan(known)]).tolist():
                self._clean_confidences[index] = self._clean_confidence(index)
            known = self._clean_confidences[indices]
        return known

    def _clean_confidence(self, index: int) -> float:
        common, widths, priors = self.classes.common, self.classes.widths, self.classes.priors
        rivals = common[(widths[common] == widths[index]) & (common != index)]
        if not len(rivals):
            return 1.0
        cell = self.classes.bits(np.array([index]))
        wrong = _POPCOUNT[self.classes.bits(rivals) ^ cell].sum(axis=(1, 2), dtype=np.int32)
        return float(1 / (1 + np.exp(priors[index] - priors[rivals] - wrong * (self.flip / _SCALE)).sum()))
