# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of strips that no sequence of glyphs draws exactly: sampled by a model, or damaged.

Stretches that parse exactly are kept where no glyph is so near another that wrong pixels may have made it. For what
lies between, the glyphs that may stand on each column are found (see `reading.lattice`): a wrong pixel costs
`log((1 - noise) / noise)` nats, a column too many or too few, anywhere in a glyph, `slack_cost`; so does a column that
belongs to no glyph, whose ink counts as wrong pixels. Which characters are frequent, alone or after others, is the
classes' or the prior's part. The share of wrong pixels is estimated from the strip where it is not given: from the
stretches that parse exactly at first, then twice from the pixels that the likeliest text leaves wrong.
"""

import math
import re
from functools import cached_property

import numpy as np

from ..text.properties import bidirectional
from .costs import SCALE, GlyphGroup, Prices, count_wrong, flip_cost, to_words
from .damaged import MIN_NOISE, DamagedStrip, most_wrong, within_range
from .exact import ExactRun, Reading, parse_exactly
from .glyph_classes import FREQUENT, GlyphClasses
from .lattice import Decoded, Segments, decode
from .prior import CharacterPrior

# An exact stretch is trusted from this many characters and columns with ink on, less some characters at its ends:
# narrow glyphs parse by accident, and a parse that begins inside a letter soon falls into step.
_MIN_CHARS, _MIN_INK_COLUMNS, _TRIM = 6, 12, 2
_GLANCE = 64  # columns that show whether there is such a stretch at all
# The noise of clean stretches, and, at first, that of a strip of which hardly anything parses exactly.
_CLEAN_NOISE, _UNKNOWN_NOISE = 0.01, 0.06
# With a prior, exact glyphs stay open to it unless all frequent rivals are less likely by this many nats.
_SURE_NATS = 9.0
_MAX_SEARCHED = 512
# Nats for a column too many or too few: at first, and the range of the estimate.
_FIRST_SLACK, _LEAST_SLACK, _MOST_SLACK = 6.0, 3.0, 9.0
# A grid is sought for glyphs of at least so many columns.
_GRID_WIDTH = 5
# Nats for a character outside the alphabet that was given.
_FOREIGN = 12.0


class NoisyReader:
    """Finds the likeliest characters on columns that do not parse exactly.

    Args:
        classes: The glyphs.
        slack_cost: Nats for a column too many or too few; None: estimated from each strip.
        noise: Share of pixels that are wrong, above 0 and below 0.5; None: estimated from each strip.
        prior: Probabilities of characters after others.
    """

    def __init__(
        self,
        classes: GlyphClasses,
        slack_cost: float | None,
        noise: float | None,
        prior: CharacterPrior | None = None,
    ) -> None:
        self.classes, self.prior = classes, prior
        self.num_classes = len(classes.codes)
        self.slack_cost, self.noise = slack_cost, noise
        self._choices: dict[tuple[int, ...], tuple[list[GlyphGroup], np.ndarray]] = {}
        self._words: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]] = {}
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
        if stop <= 0:
            return Reading.join([])
        runs = self._exact_runs(columns.tobytes(), columns, stop)
        has_ink = np.asarray(columns[:stop].any(axis=1))
        exact = sum(int(has_ink[run.bounds[0] : run.bounds[-1]].sum()) for run in runs)
        noise = self.noise or self._noise_of_share(exact / max(1, int(has_ink.sum())))
        slack = _FIRST_SLACK if self.slack_cost is None else self.slack_cost
        prices = Prices(flip_cost(noise), round(SCALE * slack))
        seen = self._trusted_codes(runs)
        strip = DamagedStrip(columns, stop, is_open, self._anchors(runs, seen, prices.flip), self.classes)
        if self.prior is not None:  # it can tell what is too rare to be believed
            seen = [code for run in runs for code in self.classes.codes[run.classes].tolist()]
        reading = self._read_strip(strip, seen, prices)
        codes = reading.codes.tolist()
        known = {code >> 7 for code in seen}
        foreign = {code >> 7 for code in codes if code > 0x7F and chr(code).isalpha()} - known
        # Another script than expected: read again, knowing it.
        if foreign and sum(code >> 7 in foreign for code in codes) > 0.15 * len(codes):
            seen += [code for code in codes if code >> 7 in foreign]
            reading = self._read_strip(strip, seen, prices)
        return reading

    def _read_strip(self, strip: DamagedStrip, seen: list[int], prices: Prices) -> Reading:
        """Find the glyphs that may stand there, then estimate the noise and decide, twice."""
        groups, priors = self._groups(seen)
        frequent = [group for group in groups if len(group.shifts) > 1]
        if len(frequent) == 1 and frequent[0].width >= _GRID_WIDTH:
            prices = strip.fix_cells(frequent[0], prices, self.noise is None)
        segments = strip.find(groups, prices)
        path = strip.cheapest(segments)
        rare = self._rare_groups(strip, segments.take(np.array(path)), prices)
        if rare:
            segments = strip.find([*groups, *rare], prices)
            path = strip.cheapest(segments)
        weights = np.zeros(len(segments.starts))
        weights[path] = 1.0
        prices = self._estimate(strip, segments, weights, prices)
        lattice = _Lattice(self, strip, segments, priors)
        decoded = lattice.decode(prices)
        better = self._estimate(strip, lattice.segments, decoded.posteriors, prices)
        if abs(math.log(better.flip / prices.flip)) > 0.1 or abs(better.slack - prices.slack) > SCALE:
            prices = better
            decoded = lattice.decode(prices)
        return lattice.reading(decoded, prices)

    # ---- exact stretches ----

    def _exact_runs(self, data: bytes, columns: np.ndarray, stop: int) -> list[ExactRun]:
        """Find stretches that parse exactly and are long enough not to do so by accident."""
        has_ink = np.asarray(columns.any(axis=1))
        runs, position = [], 0
        size, shortest = self.classes.height // 8, self.classes.byte_lengths[0]
        prefixes, end = self.classes.prefixes, stop * size
        while position < stop:
            first = position * size
            entry = prefixes.get(data[first : first + shortest])
            # Where only one glyph fits, a look at what follows it mostly ends the matter.
            if entry is not None and not entry[1]:
                after = first + shortest
                if after < end and data[after : after + shortest] not in prefixes:
                    entry = None
            if entry is not None:
                run = parse_exactly(self.classes, data, position, min(stop, position + _GLANCE))
                if run.bounds[-1] >= position + _GLANCE:
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
        priors = self._class_priors
        if self.prior is not None and index in self._known_texts:
            return self._distances.get(index, 99) * flip >= _SURE_NATS * SCALE
        if priors[index] <= FREQUENT or int(self.classes.codes[index]) >> 7 in trusted:
            return True
        rivals, wrong = self._rivals(index)
        frequent = priors[rivals] <= FREQUENT
        if self.prior is not None:
            frequent = np.isin(rivals, list(self._known_texts))
        costs = priors[rivals] + wrong * (flip / SCALE)
        return not frequent.any() or float(priors[index]) < float(costs[frequent].min())

    def _rivals(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the other common classes of the same width, and their distances in pixels."""
        width = int(self.classes.widths[index])
        rivals, words = self._all_words(width, True)
        wrong = count_wrong(to_words(self.classes.bits(np.array([index])).reshape(1, -1)), words)[0]
        return rivals[rivals != index], wrong[rivals != index].astype(np.int32)

    @cached_property
    def _distances(self) -> dict[int, int]:
        """For each class the prior knows, the pixels in which the nearest other one differs."""
        found: dict[int, int] = {}
        known = np.array(sorted(self._known_texts), np.int32)[:2048]
        widths = self.classes.widths[known]
        for width in np.unique(widths).tolist():
            same = known[widths == width]
            words = to_words(self.classes.bits(same).reshape(len(same), -1))
            wrong = count_wrong(words, words)
            np.fill_diagonal(wrong, 9999)
            found.update(zip(same.tolist(), wrong.min(axis=1).tolist(), strict=True))
        return found

    def exact_reading(self, run: ExactRun) -> Reading:
        """Return an exact parse as a reading."""
        bounds, indices = np.array(run.bounds, np.int32), np.array(run.classes, np.int32)
        codes, confidences = self.classes.codes[indices], self.clean_confidences(indices)
        return Reading(bounds[:-1], bounds[1:], codes, confidences, np.zeros(len(indices), np.int32))

    def clean_confidences(self, indices: np.ndarray) -> np.ndarray:
        """Return float32 `[n]`: the posterior of classes whose glyphs are matched exactly, against others as wide."""
        known = self._clean_confidences[indices]
        if np.isnan(known).any():
            flip = flip_cost(self.noise or _CLEAN_NOISE) / SCALE
            for index in np.unique(indices[np.isnan(known)]).tolist():
                rivals, wrong = self._rivals(index)
                odds = np.exp(self.classes.priors[index] - self.classes.priors[rivals] - wrong * flip)
                self._clean_confidences[index] = 1 / (1 + odds.sum())
            known = self._clean_confidences[indices]
        return known

    # ---- noise ----

    def _noise_of_share(self, share: float) -> float:
        """Estimate the noise from the share of the ink that parses exactly."""
        frequent = self.classes.widths[self.classes.priors <= FREQUENT]
        pixels = self.classes.height * float(frequent.mean() if len(frequent) else self.classes.widths.mean())
        return min(max(-math.log(max(share, 1e-3)) / pixels, MIN_NOISE), _UNKNOWN_NOISE)

    def _estimate(
        self, strip: DamagedStrip, segments: Segments, weights: np.ndarray, prices: Prices
    ) -> Prices:
        """Set prices by the pixels and columns that are expected to be wrong."""
        flip, slack = prices.flip, prices.slack
        if self.noise is None:
            wrong = float((weights * segments.wrong).sum())
            noise = (wrong + 0.2) / max(1, strip.stop * self.classes.height)
            flip = flip_cost(within_range(noise))
        if self.slack_cost is None:
            drift = float((weights * segments.drift).sum())
            rate = (drift + 0.1) / max(1, strip.stop)
            slack = round(SCALE * min(max(-math.log(rate / 2), _LEAST_SLACK), _MOST_SLACK))
        return Prices(flip, slack)

    # ---- what to look for ----

    @cached_property
    def _known_texts(self) -> dict[int, list[str]]:
        """Class -> its texts that the prior has seen, the most frequent first."""
        found: dict[int, list[str]] = {}
        if self.prior is None:
            return found
        preferred = set(self.classes.alphabet)
        for char in self.prior.characters:
            index = self.classes.members.get(ord(char))
            if index is not None:
                found.setdefault(index, []).append(char)
        for index, texts in found.items():
            found[index] = [char for char in texts if char in preferred] or texts
        for index in np.flatnonzero(self.classes.codes >= 0xF0000).tolist():
            text = self.classes.text_of(self.classes.chars[index])
            if all(char in self.prior for char in text):
                found[index] = [text]
        return found

    @cached_property
    def _twins(self) -> dict[str, list[str]]:
        """Characters whose class the prior does not know as the canonical one alone -> those it knows."""
        unsure = {
            index: texts
            for index, texts in self._known_texts.items()
            if texts != [self.classes.chars[index]] and len(texts[0]) == 1
        }
        return {chr(code): unsure[index] for code, index in self.classes.members.items() if index in unsure}

    def resolve_twins(self, text: str, confidences: np.ndarray) -> tuple[str, np.ndarray]:
        """Let the prior decide between characters that are drawn alike, in words of which it knows all letters.

        Args:
            text: As it was read.
            confidences: float32 `[len(text)]`.

        Returns:
            Text and confidences, which are the less the less sure the prior is.
        """
        if self.prior is None or self._twins.keys().isdisjoint(text):
            return text, confidences
        starts: list[int] = []
        texts: list[str] = []
        position = 0
        for word in re.split("( )", text):
            members, known = self.classes.members, self._known_texts
            is_known = all(members.get(ord(char), -1) in known for char in word if char.isalpha())
            for char in word:
                choices = self._twins.get(char, [char]) if is_known else [char]
                starts += [position] * len(choices)
                texts += choices
                position += 1
        stops = [start + 1 for start in starts]
        found = decode(starts, stops, texts, [0.0] * len(starts), self.prior, len(text), False)
        chosen = "".join(texts[number] for number in found.path)
        posteriors = np.clip(found.posteriors[found.path], 1e-6, 1.0)
        return chosen, (confidences * posteriors).astype(np.float32)

    @cached_property
    def _class_priors(self) -> np.ndarray:
        """float32 `[K]`: nats of each class without its context."""
        if self.prior is None:
            return self.classes.priors
        priors = np.full(len(self.classes.codes), -self.prior.log_probability("\uffff"), np.float32)
        for index, texts in self._known_texts.items():
            single = [sum(self.prior.single_log_probability(char) for char in text) for text in texts]
            priors[index] = -max(single)
            if self.classes.alphabet and not set(texts[0]) <= set(self.classes.alphabet):
                priors[index] += _FOREIGN
        return priors

    def _groups(self, seen: list[int]) -> tuple[list[GlyphGroup], np.ndarray]:
        """Choose what to look for: every common class as it is, frequent ones with a column more or less as well.

        Characters of the blocks of 128 code points in which others were `seen` count as frequent, so that any script
        is read well where most of a strip is clean. With a prior, its characters are common and frequent, and of the
        others only those that were seen themselves. The second result is the nats of every class by these rules.
        """
        classes, priors = self.classes, self._class_priors
        blocks = tuple(sorted({code >> 7 for code in seen}))
        key = tuple(sorted(set(seen))) if self.prior is not None else blocks
        if key not in self._choices:
            if len(self._choices) >= 8:
                self._choices.clear()
            if self.prior is not None:
                known = np.array(sorted(self._known_texts), np.int32)
                known = known[np.argsort(priors[known], kind="stable")][:4096]
                is_seen = np.flatnonzero(np.isin(classes.codes, sorted(set(seen))))
                common = np.union1d(known, is_seen).astype(np.int32)
                frequent = np.union1d(known[:1024], is_seen[:1024]).astype(np.int32)
            else:
                in_block = np.isin(classes.codes >> 7, blocks) & (not classes.alphabet)
                priors = np.where(in_block, np.minimum(priors, FREQUENT), priors)
                common = np.union1d(classes.common, np.flatnonzero(in_block)[:4096]).astype(np.int32)
                frequent = common[priors[common] <= FREQUENT][:1024]
            groups = self._build_groups(np.setdiff1d(common, frequent), priors, False)
            self._choices[key] = groups + self._build_groups(frequent, priors, True), priors
        return self._choices[key]

    def _build_groups(self, indices: np.ndarray, priors: np.ndarray, drifts: bool) -> list[GlyphGroup]:
        widths = self.classes.widths[indices]
        return [
            GlyphGroup(self.classes, indices[widths == width], priors, drifts)
            for width in np.unique(widths).tolist()
        ]

    def _rare_groups(self, strip: DamagedStrip, path: Segments, prices: Prices) -> list[GlyphGroup]:
        """Among all classes, find those closest to the columns that the common ones explain badly."""
        classes = self.classes
        num_looked_for = len(self._known_texts) if self.prior is not None else len(classes.common)
        if num_looked_for == len(classes.codes):
            return []
        noise = 1 / (1 + math.exp(prices.flip / SCALE))
        pixels = ((path.stops - path.starts) * classes.height).tolist()
        is_bad = path.wrong > np.array([most_wrong(number, noise) for number in pixels])
        wanted: set[int] = set()
        # Searching tens of thousands takes long.
        for place in path.starts[is_bad][:_MAX_SEARCHED].tolist():
            for width in self._widths:
                indices, words = self._all_words(width, False)
                cell = strip.columns[place : place + width].reshape(1, -1)
                wrong = count_wrong(to_words(cell), words)[0]
                best = int(wrong.argmin())
                if int(wrong[best]) <= 0.25 * width * classes.height:
                    wanted.add(int(indices[best]))
        return self._build_groups(np.array(sorted(wanted), np.int32), self._class_priors, False)

    @cached_property
    def _widths(self) -> list[int]:
        return np.unique(self.classes.widths).tolist()

    def _all_words(self, width: int, is_common: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes of a width, all or the common ones (all if none is), and their packed cells as words."""
        key = (width, is_common)
        if key not in self._words:
            part = self.classes.common if is_common else np.arange(len(self.classes.codes), dtype=np.int32)
            part = part[self.classes.widths[part] == width]
            if not len(part):
                return self._all_words(width, False)
            self._words[key] = (part, to_words(self.classes.bits(part).reshape(len(part), -1)))
        return self._words[key]


class _Lattice:
    """Segments of a whole strip with the characters they may stand for."""

    def __init__(
        self, reader: NoisyReader, strip: DamagedStrip, segments: Segments, priors: np.ndarray
    ) -> None:
        self.reader, self.strip, self.priors = reader, strip, priors
        anchors = [Segments.of_glyphs(run.bounds, run.classes) for run in strip.anchors]
        joined = Segments.join([segments, *anchors])
        is_anchor = np.zeros(strip.stop + 1, bool)
        for run in strip.anchors:
            is_anchor[run.bounds[:-1]] = True
        numbers: list[int] = []
        self.texts: list[str] = []
        chars, known = reader.classes.chars, reader._known_texts
        for number, index in enumerate(joined.classes.tolist()):
            texts = ("",) if index < 0 else known.get(index) or (reader.classes.text_of(chars[index]),)
            for text in texts:
                numbers.append(number)
                self.texts.append(text)
        self.segments = joined.take(np.array(numbers, np.int64))
        self.is_anchor = is_anchor[self.segments.starts]

    def _costs(self, prices: Prices) -> np.ndarray:
        """Nats of every segment, without what the prior says of it."""
        segments = self.segments
        costs = (segments.wrong * prices.flip + segments.drift * prices.slack) / SCALE
        is_glyph = segments.classes >= 0
        reader = self.reader
        if reader.prior is None:
            costs[is_glyph] += self.priors[segments.classes[is_glyph]]
        elif reader.classes.alphabet:
            preferred = set(reader.classes.alphabet)
            costs += np.array([0.0 if preferred.issuperset(text) else _FOREIGN for text in self.texts])
        return costs

    def decode(self, prices: Prices) -> Decoded:
        """Find the likeliest text at these prices."""
        segments, strip = self.segments, self.strip
        starts, stops, prior = segments.starts, segments.stops, self.reader.prior
        costs = self._costs(prices)
        if prior is None or not self._runs_left():
            return decode(
                starts.tolist(), stops.tolist(), self.texts, costs.tolist(), prior, strip.stop, strip.is_open
            )
        # The prior knows texts in logical order, so the strip is read from its right end.
        firsts, lasts = strip.stop - np.minimum(stops, strip.stop), strip.stop - starts
        order = np.argsort(firsts, kind="stable")
        texts = [self.texts[number] for number in order.tolist()]
        found = decode(
            firsts[order].tolist(),
            lasts[order].tolist(),
            texts,
            costs[order].tolist(),
            prior,
            strip.stop,
            False,
        )
        posteriors = np.zeros(len(order))
        posteriors[order] = found.posteriors
        return Decoded([int(order[number]) for number in reversed(found.path)], posteriors)

    def _runs_left(self) -> bool:
        """Whether most letters are of a right-to-left script."""
        likely = [self.texts[number] for number in np.flatnonzero(self.segments.excess <= 0).tolist()]
        kinds = [bidirectional(text[0]) for text in likely if text]
        return 2 * sum(kind in ("R", "AL") for kind in kinds) > sum(
            kind in ("R", "AL", "L") for kind in kinds
        )

    def reading(self, decoded: Decoded, prices: Prices) -> Reading:
        """Return the characters of the likeliest way."""
        segments, classes = self.segments, self.reader.classes
        path = np.array([n for n in decoded.path if segments.classes[n] >= 0], np.int64)
        chosen = segments.take(path)
        codes = classes.codes[chosen.classes]
        for place, number in enumerate(path.tolist()):
            text = self.texts[number]
            if len(text) == 1 and codes[place] < 0xF0000:
                codes[place] = ord(text)
        confidences = self._confidences(path, decoded.posteriors)
        exact = self.is_anchor[path]
        if exact.any():
            indices, where = np.unique(chosen.classes[exact], return_inverse=True)
            alone = np.array([self._alone(index, prices) for index in indices.tolist()])
            confidences[exact] = np.minimum(confidences[exact], alone[where])
        wrong = np.where(chosen.drift == 0, np.ceil(chosen.wrong), -1).astype(np.int32)
        confidences = np.clip(confidences, 1e-6, 1.0).astype(np.float32)
        return Reading(chosen.starts, chosen.stops, codes, confidences, wrong)

    def _confidences(self, path: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
        """Probability of the characters on a way: that they stand there, be it a column further left or right."""
        segments = self.segments
        confidences = posteriors[path].copy()
        for place in np.flatnonzero(confidences < 0.9999).tolist():
            number = int(path[place])
            start, stop, text = segments.starts[number], segments.stops[number], self.texts[number]
            near = int(stop - start) // 2
            first, last = np.searchsorted(segments.starts, [start - near, start + near + 1]).tolist()
            confidences[place] = sum(
                posteriors[other]
                for other in range(first, last)
                if self.texts[other] == text and abs(int(segments.stops[other]) - int(stop)) <= near
            )
        return confidences

    def _alone(self, index: int, prices: Prices) -> float:
        """Probability of a glyph that was matched exactly, without regard to others around it."""
        rivals, wrong = self.reader._rivals(index)
        priors = self.reader._class_priors
        return float(1 / (1 + np.exp(priors[index] - priors[rivals] - wrong * prices.flip / SCALE).sum()))


__all__ = ["NoisyReader"]
