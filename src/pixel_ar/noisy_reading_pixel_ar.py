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

from .character_prior_pixel_ar import CharacterPrior
from .glyph_classes_pixel_ar import FREQUENT, GlyphClasses

_SCALE = 16
_POPCOUNT = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
# An exact stretch is trusted from this many characters and columns with ink on, less some characters at its ends:
# narrow glyphs parse by accident, and a parse that begins inside a letter soon falls into step.
_MIN_CHARS, _MIN_INK_COLUMNS, _TRIM = 6, 12, 2
_INFINITY = 1 << 60
# The estimate of the noise is no smaller; above the second, no more of it is read off the share of exact glyphs.
_MIN_NOISE, _CLEAN_NOISE = 5e-4, 0.01


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

    def moved(self, columns: int) -> "Reading":
        """Return the same characters, `columns` further right."""
        return Reading(self.starts + columns, self.stops + columns, self.codes, self.confidences, self.wrong)

    @property
    def text(self) -> str:
        """The characters."""
        return self.codes.astype("<u4").tobytes().decode("utf-32-le")


@dataclass(frozen=True)
class ExactRun:
    """Glyphs that follow each other: `len(classes)` classes and the columns where they begin and the last ends."""

    bounds: list[int]
    classes: list[int]

    def part(self, first: int, last: int) -> "ExactRun":
        """Return the glyphs from number `first` to before number `last`."""
        return ExactRun(self.bounds[first : last + 1], self.classes[first:last])


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
        delta: Columns that a glyph has too many (1), or too few (-1).
    """

    def __init__(self, classes: GlyphClasses, indices: np.ndarray, priors: np.ndarray, delta: int) -> None:
        self.indices, self.delta = indices, delta
        self.width = int(classes.widths[indices[0]])
        bits = classes.bits(indices)  # [K, w, height // 8]
        every_byte = np.arange(256, dtype=np.uint8)
        # [w, height // 8, 256, K]
        self.distances = _POPCOUNT[bits.transpose(1, 2, 0)[:, :, None, :] ^ every_byte[None, None, :, None]]
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

    def wrong_pixels(self, columns: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Count the wrong pixels of every class at some columns, with the extra or missing column at its best place.

        Args:
            columns: uint8 `[W, height // 8]`, long enough.
            starts: `[n]`, where the glyph begins.

        Returns:
            uint16 `[n, K]`.
        """
        before = [np.zeros((len(starts), len(self.indices)), np.uint16)]
        for column in range(self.width if self.delta == 0 else self.width - 1):
            before.append(before[-1] + self._column_distances(columns, starts, column, 0))
        if self.delta == 0:
            return before[-1]
        best, after = None, np.zeros_like(before[0])
        for column in range(self.width - 1, -1, -1):
            if self.delta < 0:  # `column` is the missing one
                total = before[column] + after
            after = after + self._column_distances(columns, starts, column, self.delta)
            if self.delta > 0:  # the extra one comes before `column`
                if column == 0:
                    break
                total = before[column] + after
            best = total if best is None else np.minimum(best, total)
        assert best is not None
        return best


@dataclass(frozen=True)
class _Costs:
    """What a reading costs: the glyphs to look for, a wrong pixel, a column too many or too few."""

    groups: list[_Group]
    flip: int
    slack: int

    def of_group(
        self, group: _Group, columns: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the cost of every class, int32 `[n, K]`, and its wrong pixels, uint16 `[n, K]`."""
        wrong = group.wrong_pixels(columns, starts)
        costs = wrong.astype(np.int32)
        costs *= self.flip
        costs += group.priors + (self.slack if group.delta else 0)
        return costs, wrong

    def best(self, columns: np.ndarray, span: int) -> "list[_Best]":
        """Find the best class of every group at each column below `span`."""
        found = []
        for group in self.groups:
            costs: list[int] = []
            choices = []
            for first in range(0, span, 128):  # chunks that stay in the cache
                table, _ = self.of_group(group, columns, np.arange(first, min(span, first + 128)))
                choice = table.argmin(axis=1)
                choices.append(choice)
                costs += np.take_along_axis(table, choice[:, None], 1)[:, 0].tolist()
            found.append(_Best(group, costs, np.concatenate(choices)))
        return found


@dataclass(frozen=True)
class _Best:
    """The best class of one group at every column of a span, and its cost."""

    group: _Group
    costs: list[int]
    choices: np.ndarray


def flip_cost(noise: float) -> int:
    """Return the cost of a wrong pixel if this share of pixels is wrong."""
    return max(1, round(_SCALE * math.log((1 - noise) / noise)))


class NoisyReader:
    """Finds the likeliest characters on columns that do not parse exactly.

    Args:
        classes: The glyphs.
        slack_cost: Nats for a column too many or too few.
        noise: Share of pixels that are wrong, above 0 and below 0.5; None: estimated from each strip.
        prior: Frequencies of characters, to decide between glyphs that are near each other.
    """

    def __init__(
        self,
        classes: GlyphClasses,
        slack_cost: float,
        noise: float | None,
        prior: CharacterPrior | None = None,
    ) -> None:
        self.classes, self.prior = classes, prior
        self.num_classes = len(classes.codes)
        self.slack = round(_SCALE * slack_cost)
        self.noise = noise
        self._groups: dict[tuple[int, ...], list[_Group]] = {}
        self._clean_confidences = np.full(len(classes.codes), np.nan, np.float32)

    def read(self, columns: np.ndarray, stop: int, is_open: bool) -> Reading:
        """Read columns [0, stop).

        Args:
            columns: uint8 `[W, height // 8]`, with blank columns beyond `stop` for twice the widest glyph.
            stop: Where to stop.
            is_open: Whether blank columns may come after `stop`, so that the last glyph may end there.

        Returns:
            What was read. Columns between its characters belong to no glyph.
        """
        runs = self._exact_runs(columns.tobytes(), columns, stop)
        has_ink = np.asarray(columns[:stop].any(axis=1))
        share = sum(int(has_ink[run.bounds[0] : run.bounds[-1]].sum()) for run in runs) / max(
            1, int(has_ink.sum())
        )
        noise = self.noise or self._noise_of_share(share)
        seen = self._trusted_codes(runs)
        anchors = self._anchors(runs, seen, flip_cost(noise))
        extra = self._extra_groups(columns, anchors, stop)
        if self.noise is None and share < 0.9:
            noise = self._estimate_noise(columns, stop, anchors, self._find_groups(seen) + extra)
        costs = _Costs(self._find_groups(seen) + extra, flip_cost(noise), self.slack)
        reading = self._read_between(columns, stop, is_open, anchors, costs)
        codes = reading.codes.tolist()
        foreign = {code >> 7 for code in codes if code > 0x7F and chr(code).isalpha()} - {
            code >> 7 for code in seen
        }
        # Another script than expected: read again, knowing it.
        if foreign and sum(code >> 7 in foreign for code in codes) > 0.15 * len(codes):
            seen += [code for code in codes if code >> 7 in foreign]
            costs = _Costs(self._find_groups(seen) + extra, costs.flip, self.slack)
            reading = self._read_between(columns, stop, is_open, anchors, costs)
        return reading

    # ---- exact stretches ----

    def _exact_runs(self, data: bytes, columns: np.ndarray, stop: int) -> list[ExactRun]:
        """Find stretches that parse exactly and are long enough not to do so by accident."""
        has_ink = np.asarray(columns.any(axis=1))
        runs, position = [], 0
        size, shortest = self.classes.height // 8, self.classes.byte_lengths[0]
        while position < stop:
            if data[position * size : position * size + shortest] in self.classes.prefixes:
                run = parse_exactly(self.classes, data, position, stop)
                num_inked = has_ink[position : run.bounds[-1]].sum()
                if len(run.classes) >= _MIN_CHARS and num_inked >= _MIN_INK_COLUMNS:
                    runs.append(run)
                    position = run.bounds[-1]
                    continue
            position += 1
        return runs

    def _trusted_codes(self, runs: list[ExactRun]) -> list[int]:
        """Return the code points read exactly, without blocks that are so rare that wrong pixels explain them."""
        codes = np.concatenate([np.zeros(0, np.uint32), *(self.classes.codes[run.classes] for run in runs)])
        blocks, counts = np.unique(codes[codes != 0x20] >> 7, return_counts=True)
        return codes[np.isin(codes >> 7, blocks[counts > 0.1 * counts.sum()])].tolist() if len(blocks) else []

    def _anchors(self, runs: list[ExactRun], seen: list[int], flip: int) -> list[ExactRun]:
        """Cut the ends off exact runs, and glyphs that are rarer than the wrong pixels that make them of others."""
        trusted = {code >> 7 for code in seen}
        anchors = []
        for run in runs:
            first = _TRIM if run.bounds[0] else 0
            for number in range(first, len(run.classes) - _TRIM + 1):
                is_end = number >= len(run.classes) - _TRIM
                if is_end or not self._is_plausible(run.classes[number], trusted, flip):
                    if number > first:
                        anchors.append(run.part(first, number))
                    first = number + 1
        return anchors

    def _is_plausible(self, index: int, trusted: set[int], flip: int) -> bool:
        prior = self.classes.prior_list[index]
        if prior <= FREQUENT or int(self.classes.codes[index]) >> 7 in trusted:
            return True
        rivals, wrong = self._rivals(index)
        frequent = self.classes.priors[rivals] <= FREQUENT
        costs = self.classes.priors[rivals] + wrong * (flip / _SCALE)
        return not frequent.any() or prior < float(costs[frequent].min())

    def _rivals(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the other common classes of the same width, and their distances in pixels."""
        common, widths = self.classes.common, self.classes.widths
        rivals = common[(widths[common] == widths[index]) & (common != index)]
        if not len(rivals):
            return rivals, np.zeros(0, np.int32)
        cell = self.classes.bits(np.array([index]))
        return rivals, _count_bits((self.classes.bits(rivals) ^ cell).reshape(len(rivals), -1))

    def exact_reading(self, run: ExactRun) -> Reading:
        """Return an exact parse as a reading."""
        bounds, indices = np.array(run.bounds, np.int32), np.array(run.classes, np.int32)
        codes, confidences = self.classes.codes[indices], self.clean_confidences(indices)
        return Reading(bounds[:-1], bounds[1:], codes, confidences, np.zeros(len(indices), np.int32))

    def clean_confidences(self, indices: np.ndarray) -> np.ndarray:
        """Return float32 `[n]`: the posterior of classes whose glyphs are matched exactly, against others as wide."""
        known = self._clean_confidences[indices]
        if np.isnan(known).any():
            flip = flip_cost(self.noise or _CLEAN_NOISE) / _SCALE
            for index in np.unique(indices[np.isnan(known)]).tolist():
                rivals, wrong = self._rivals(index)
                odds = np.exp(self.classes.priors[index] - self.classes.priors[rivals] - wrong * flip)
                self._clean_confidences[index] = 1 / (1 + odds.sum())
            known = self._clean_confidences[indices]
        return known

    # ---- what to look for, and at what cost ----

    def _noise_of_share(self, share: float) -> float:
        """Estimate the noise from the share of the ink that parses exactly."""
        frequent = self.classes.widths[self.classes.priors <= FREQUENT]
        pixels = self.classes.height * float(frequent.mean() if len(frequent) else self.classes.widths.mean())
        return min(max(-math.log(max(share, 1e-3)) / pixels, _MIN_NOISE), _CLEAN_NOISE)

    def _estimate_noise(
        self, columns: np.ndarray, stop: int, anchors: list[ExactRun], groups: list[_Group]
    ) -> float:
        """Read a few hundred columns to see how many pixels are wrong."""
        costs = _Costs([group for group in groups if group.delta == 0], flip_cost(0.03), self.slack)
        position, unread, sample, wrong = 0, 0, 0, 0
        for run in [*anchors, ExactRun([stop], [])]:
            end = min(run.bounds[0], position + 512 - min(sample, 512))
            unread += run.bounds[0] - position
            if end > position:
                wrong += int(self._read_span(columns, position, end, costs, True, True).wrong.sum())
                sample += end - position
            position = run.bounds[-1]
        noise = wrong / max(1, sample) * unread / (stop * self.classes.height)
        return min(max(noise, _MIN_NOISE), 0.2)

    def _find_groups(self, seen: list[int]) -> list[_Group]:
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
            frequent = common[priors[common] <= FREQUENT][:1024]
            self._groups[blocks] = [
                group
                for indices, delta in ((common, 0), (frequent, -1), (frequent, 1))
                for group in self._build_groups(indices, priors, delta)
            ]
        return self._groups[blocks]

    def _build_groups(self, indices: np.ndarray, priors: np.ndarray, delta: int) -> list[_Group]:
        widths = self.classes.widths[indices]
        return [
            _Group(self.classes, indices[widths == width], priors, delta)
            for width in np.unique(widths).tolist()
            if width > 1 or delta == 0
        ]

    def _extra_groups(self, columns: np.ndarray, anchors: list[ExactRun], stop: int) -> list[_Group]:
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
        return self._build_groups(indices, self.classes.priors, 0)

    @cached_property
    def _all_bits(self) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
        """Width -> (classes, their packed columns uint8 `[K, width * height // 8]`) for all and for common classes."""
        every = np.arange(len(self.classes.codes), dtype=np.int32)
        found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for width in np.unique(self.classes.widths).tolist():
            parts = [
                indices[self.classes.widths[indices] == width] for indices in (every, self.classes.common)
            ]
            if not len(parts[1]):
                parts[1] = parts[0]
            found[width] = [(part, self.classes.bits(part).reshape(len(part), -1)) for part in parts]
        return found

    def _nearest(self, cell: np.ndarray, is_common: bool) -> tuple[int, int]:
        """Return the class closest to a cell, and the number of wrong pixels."""
        indices, bits = self._all_bits[len(cell)][is_common]
        wrong = _count_bits(bits ^ cell.reshape(-1))
        best = int(wrong.argmin())
        return int(indices[best]), int(wrong[best])

    # ---- Viterbi ----

    def _read_between(
        self, columns: np.ndarray, stop: int, is_open: bool, anchors: list[ExactRun], costs: _Costs
    ) -> Reading:
        """Keep what was read exactly and read what lies between."""
        readings: list[Reading] = []
        position = 0
        for run in [*anchors, None]:
            end = run.bounds[0] if run else stop
            if end > position:
                is_last = is_open and run is None
                readings.append(self._read_span(columns, position, end, costs, position == 0, is_last))
            if run:
                readings.append(self.exact_reading(run))
                position = run.bounds[-1]
        return Reading.join(readings)

    def _read_span(
        self, columns: np.ndarray, first: int, stop: int, costs: _Costs, is_start: bool, is_open: bool
    ) -> Reading:
        """Run the Viterbi algorithm on columns [first, stop)."""
        span = stop - first
        # Nothing beyond a closed end may be read as part of a glyph: it belongs to the exact stretch there.
        columns = columns[first:] if is_open else np.pad(columns[first:stop], ((0, 64), (0, 0)))
        candidates = costs.best(columns, span)
        ink = _POPCOUNT[columns[:span]].sum(axis=1, dtype=np.int64)
        skips = (costs.slack + costs.flip * ink).tolist()
        if is_start:  # a text may begin at any column
            blank = min(int(np.argmax(ink > 0)) if ink.any() else span, self.classes.space_width - 1)
            skips[:blank] = [1] * blank
        steps = _cheapest_path(
            skips, [(best.group.width + best.group.delta, best.costs) for best in candidates], is_open
        )
        table = np.array(steps, np.int32).reshape(-1, 3)
        codes, confidences = np.zeros(len(table), np.uint32), np.ones(len(table), np.float32)
        wrong = np.zeros(len(table), np.int32)
        rivals: list[tuple[np.ndarray, np.ndarray]] = [(codes, codes)] * len(table)
        for number in np.unique(table[:, 2]).tolist():
            best, rows = candidates[number], np.flatnonzero(table[:, 2] == number)
            choices = best.choices[table[rows, 0]]
            all_costs, all_wrong = costs.of_group(best.group, columns, table[rows, 0])
            chosen = all_costs[np.arange(len(rows)), choices]
            codes[rows] = self.classes.codes[best.group.indices[choices]]
            confidences[rows] = 1 / np.exp((chosen[:, None] - all_costs) / _SCALE).sum(axis=1)
            wrong[rows] = all_wrong[np.arange(len(rows)), choices] if best.group.delta == 0 else -1
            if self.prior is not None:
                # What pixels alone say; how frequent characters are is the prior's part.
                pixel_costs = (all_costs - best.group.priors) / _SCALE
                group_codes = self.classes.codes[best.group.indices]
                for row, row_costs in zip(rows.tolist(), pixel_costs, strict=True):
                    rivals[row] = (group_codes, row_costs)
        if self.prior is not None and len(table):
            codes, confidences = self.prior.choose(rivals)
        return Reading(table[:, 0] + first, table[:, 1] + first, codes, confidences, wrong)


def _cheapest_path(
    skips: list[int], edges: list[tuple[int, list[int]]], is_open: bool
) -> list[tuple[int, int, int]]:
    """Find the cheapest way over columns.

    Args:
        skips: Cost of leaving out each column.
        edges: For each kind of step, its length and its cost at every column.
        is_open: Whether the last step may lead beyond the end.

    Returns:
        (start, stop, kind) of every step taken.
    """
    span = len(skips)
    reach = span + max(advance for advance, _ in edges) + 1
    best, back = [_INFINITY] * (reach + 1), [(-1, -1)] * (reach + 1)
    best[0] = 0
    for position in range(span):
        cost = best[position]
        if cost == _INFINITY:
            continue
        if cost + skips[position] < best[position + 1]:
            best[position + 1], back[position + 1] = cost + skips[position], (position, -1)
        for kind, (advance, costs) in enumerate(edges):
            total = cost + costs[position]
            if total < best[position + advance]:
                best[position + advance], back[position + advance] = total, (position, kind)
    position = min(range(span, reach), key=best.__getitem__) if is_open else span
    steps = []
    while position > 0:
        previous, kind = back[position]
        if kind >= 0:
            steps.append((previous, position, kind))
        position = previous
    return steps[::-1]
