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

import numpy as np

from ..text.properties import bidirectional, is_letter
from .cell_index import FIRST_UNIT
from .costs import SCALE, GlyphGroup, Prices, count_wrong, flip_cost, to_words
from .damaged import MIN_NOISE, DamagedStrip, most_wrong, within_range
from .exact import ExactRun, Reading, parse_exactly
from .glyph_classes import FREQUENT
from .lattice import Decoded, Segments, decode
from .odds import FOREIGN, GlyphOdds

# An exact stretch is trusted from this many characters and columns with ink on, less some characters at its ends:
# narrow glyphs parse by accident, and a parse that begins inside a letter soon falls into step.
_MIN_CHARS, _MIN_INK_COLUMNS, _TRIM = 6, 12, 2
_GLANCE = 64  # columns that show whether there is such a stretch at all
# The noise, at first, of a strip of which hardly anything parses exactly.
_UNKNOWN_NOISE = 0.06
# Nats for a glyph that the reader does not know, and for each of its pixels; that glyphs are drawn in runs and lines
# makes it far less than the entropy of their ink. Pixels for which the noise of clean strips stands at first.
_UNKNOWN_NATS, _NATS_A_PIXEL, _FIRST_PIXELS = 12.0, 0.2, 200
# With a prior, exact glyphs stay open to it unless all frequent rivals are less likely by this many nats.
_SURE_NATS = 9.0
_MAX_SEARCHED = 512
# Nats for a column too many or too few: at first, and the range of the estimate.
_FIRST_SLACK, _LEAST_SLACK, _MOST_SLACK = 6.0, 3.0, 9.0
# A grid is sought for glyphs of at least so many columns.
_GRID_WIDTH = 5


class NoisyReader:
    """Finds the likeliest characters on columns that do not parse exactly.

    Args:
        odds: The glyphs, and how likely they are.
        slack_cost: Nats for a column too many or too few; None: estimated from each strip.
        noise: Share of pixels that are wrong, above 0 and below 0.5; None: estimated from each strip.
    """

    def __init__(self, odds: GlyphOdds, slack_cost: float | None, noise: float | None) -> None:
        self.odds, self.index = odds, odds.index
        self.slack_cost, self.noise = slack_cost, noise

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
        strip = DamagedStrip(columns, stop, is_open, self._anchors(runs, seen, prices.flip), self.odds.known)
        if self.odds.prior is not None:  # it can tell what is too rare to be believed
            seen = [code for run in runs for code in self.index.codes[run.classes].tolist()]
        reading = self._read_strip(strip, seen, prices)
        codes = reading.codes.tolist()
        known = {code >> 7 for code in seen}
        foreign = {code >> 7 for code in codes if 0x7F < code < FIRST_UNIT and is_letter(chr(code))} - known
        # Another script than expected: read again, knowing it.
        if foreign and sum(code >> 7 in foreign for code in codes) > 0.15 * len(codes):
            seen += [code for code in codes if code >> 7 in foreign]
            reading = self._read_strip(strip, seen, prices)
        return reading

    def _read_strip(self, strip: DamagedStrip, seen: list[int], prices: Prices) -> Reading:
        """Find the glyphs that may stand there, then estimate the noise and decide, twice."""
        groups, priors = self.odds.groups(seen)
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
        lattice = _Lattice(self.odds, strip, segments, priors)
        decoded = lattice.decode(prices)
        better = self._estimate(strip, lattice.segments, decoded.posteriors, prices)
        if abs(math.log(better.flip / prices.flip)) > 0.1 or abs(better.slack - prices.slack) > SCALE:
            prices = better
            decoded = lattice.decode(prices)
        return lattice.reading(decoded, prices)

    # ---- exact stretches ----

    def exact_share(self, columns: np.ndarray, stop: int) -> float:
        """Return the share of the inked columns before `stop` that lie in exact stretches; see [`read`].

        A strip shorter than such a stretch counts if all of it parses.
        """
        has_ink = np.asarray(columns[:stop].any(axis=1))
        first = int(has_ink.argmax())
        run = parse_exactly(self.index, columns.tobytes(), first, stop)
        starts = range(max(0, first - self.odds.known.glyphs.space_width), first)
        runs = [run, *(parse_exactly(self.index, columns.tobytes(), start, stop) for start in starts)]
        if any(each.bounds[-1] >= stop for each in runs):
            return 1.0
        runs = self._exact_runs(columns.tobytes(), columns, stop)
        return sum(int(has_ink[each.bounds[0] : each.bounds[-1]].sum()) for each in runs) / int(has_ink.sum())

    def _exact_runs(self, data: bytes, columns: np.ndarray, stop: int) -> list[ExactRun]:
        """Find stretches that parse exactly and are long enough not to do so by accident."""
        has_ink = np.asarray(columns.any(axis=1))
        runs, position = [], 0
        size, shortest = self.index.height // 8, self.index.byte_lengths[0]
        prefixes, end = self.index.prefixes, stop * size
        while position < stop:
            first = position * size
            entry = prefixes.get(data[first : first + shortest])
            # Where only one glyph fits, a look at what follows it mostly ends the matter.
            if entry is not None and not entry[1]:
                after = first + shortest
                if after < end and data[after : after + shortest] not in prefixes:
                    entry = None
            if entry is not None:
                run = parse_exactly(self.index, data, position, min(stop, position + _GLANCE))
                if run.bounds[-1] >= position + _GLANCE:
                    run = parse_exactly(self.index, data, position, stop)
                num_inked = has_ink[position : run.bounds[-1]].sum()
                if len(run.classes) >= _MIN_CHARS and num_inked >= _MIN_INK_COLUMNS:
                    runs.append(run)
                    position = run.bounds[-1]
                    continue
            position += 1
        return runs

    def _trusted_codes(self, runs: list[ExactRun]) -> list[int]:
        """Return the code points read exactly, without blocks that are so rare that wrong pixels explain them."""
        codes = np.concatenate([np.zeros(0, np.uint32), *(self.index.codes[run.classes] for run in runs)])
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
                if is_end or not self.odds.is_plausible(run.classes[number], trusted, flip, _SURE_NATS):
                    if number > first:
                        anchors.append(run.part(first, number))
                    first = number + 1
        return anchors

    # ---- noise ----

    def _noise_of_share(self, share: float) -> float:
        """Estimate the noise from the share of the ink that parses exactly."""
        widths, priors = self.index.widths, self.index.priors
        frequent = widths[priors <= FREQUENT]
        pixels = self.index.height * float(frequent.mean() if len(frequent) else widths.mean())
        return min(max(-math.log(max(share, 1e-3)) / pixels, MIN_NOISE), _UNKNOWN_NOISE)

    def _estimate(
        self, strip: DamagedStrip, segments: Segments, weights: np.ndarray, prices: Prices
    ) -> Prices:
        """Set prices by the pixels and columns that are expected to be wrong."""
        flip, slack = prices.flip, prices.slack
        if self.noise is None:
            wrong = float((weights * segments.wrong).sum())
            noise = (wrong + 0.2) / max(1, strip.stop * self.index.height)
            flip = flip_cost(within_range(noise))
        if self.slack_cost is None:
            drift = float((weights * segments.drift).sum())
            rate = (drift + 0.1) / max(1, strip.stop)
            slack = round(SCALE * min(max(-math.log(rate / 2), _LEAST_SLACK), _MOST_SLACK))
        return Prices(flip, slack)

    # ---- what to look for besides ----

    def _rare_groups(self, strip: DamagedStrip, path: Segments, prices: Prices) -> list[GlyphGroup]:
        """Among all classes, find those closest to the columns that the common ones explain badly."""
        odds, height = self.odds, self.index.height
        num_looked_for = len(odds.lasting_texts) if odds.prior is not None else len(odds.common)
        if num_looked_for == odds.num_lasting:
            return []
        noise = 1 / (1 + math.exp(prices.flip / SCALE))
        pixels = ((path.stops - path.starts) * height).tolist()
        is_bad = path.wrong > np.array([most_wrong(number, noise) for number in pixels])
        wanted: set[int] = set()
        # Searching tens of thousands takes long.
        for place in path.starts[is_bad][:_MAX_SEARCHED].tolist():
            for width in odds.widths:
                indices, words = odds.words_of(width, False)
                cell = strip.columns[place : place + width].reshape(1, -1)
                wrong = count_wrong(to_words(cell), words)[0]
                best = int(wrong.argmin())
                if int(wrong[best]) <= 0.25 * width * height:
                    wanted.add(int(indices[best]))
        return self.odds.build_groups(np.array(sorted(wanted), np.int32), self.odds.class_priors(), False)


class _Lattice:
    """Segments of a whole strip with the characters they may stand for."""

    def __init__(self, odds: GlyphOdds, strip: DamagedStrip, segments: Segments, priors: np.ndarray) -> None:
        self.odds, self.strip, self.priors = odds, strip, priors
        anchors = [Segments.of_glyphs(run.bounds, run.classes) for run in strip.anchors]
        joined = Segments.join([segments, *anchors])
        is_anchor = np.zeros(strip.stop + 1, bool)
        for run in strip.anchors:
            is_anchor[run.bounds[:-1]] = True
        numbers: list[int] = []
        self.texts: list[str] = []
        known, text_of = odds.known_texts(), odds.known.text_of
        for number, index in enumerate(joined.classes.tolist()):
            texts = ("",) if index < 0 else known.get(index) or (text_of(index),)
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
        if self.odds.prior is None:
            costs[is_glyph] += self.priors[segments.classes[is_glyph]]
        elif self.odds.alphabet:
            preferred = set(self.odds.alphabet)
            costs += np.array([0.0 if preferred.issuperset(text) else FOREIGN for text in self.texts])
        return costs

    def decode(self, prices: Prices) -> Decoded:
        """Find the likeliest text at these prices."""
        segments, strip = self.segments, self.strip
        starts, stops, prior = segments.starts, segments.stops, self.odds.prior
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
        segments = self.segments
        path = np.array([n for n in decoded.path if segments.classes[n] >= 0], np.int64)
        chosen = segments.take(path)
        codes = self.odds.index.codes[chosen.classes]
        for place, number in enumerate(path.tolist()):
            text = self.texts[number]
            if len(text) == 1 and codes[place] < FIRST_UNIT:
                codes[place] = ord(text)
        confidences = self._confidences(path, decoded.posteriors)
        exact = self.is_anchor[path]
        if exact.any():
            indices, where = np.unique(chosen.classes[exact], return_inverse=True)
            alone = np.array([self.odds.alone(index, prices.flip) for index in indices.tolist()])
            confidences[exact] = np.minimum(confidences[exact], alone[where])
        if not exact.all():
            confidences *= self._known_shares(chosen)
        wrong = np.where(chosen.drift == 0, np.ceil(chosen.wrong), -1).astype(np.int32)
        confidences = np.clip(confidences, 1e-6, 1.0).astype(np.float32)
        return Reading(chosen.starts, chosen.stops, codes, confidences, wrong)

    def _known_shares(self, chosen: Segments) -> np.ndarray:
        """Probability that each glyph of a way is known at all, float64 `[n]`.

        A glyph that the reader does not know (a letter with a mark too many) is described by some bits a pixel. What
        is known costs the pixels that are wrong beyond those of the noise, which is that of all others on the way.
        """
        pixels = np.maximum(chosen.stops - chosen.starts, 1) * self.odds.index.height
        wrong = np.ceil(chosen.wrong).astype(np.float64)
        noise = (wrong.sum() - wrong + _FIRST_PIXELS * self.odds.noise) / (
            pixels.sum() - pixels + _FIRST_PIXELS
        )
        noise = np.clip(noise, MIN_NOISE, 0.4)
        excess = (wrong - noise * pixels) * np.log((1 - noise) / noise)
        unknown = _UNKNOWN_NATS + _NATS_A_PIXEL * pixels
        return np.where(wrong > 0, 1 / (1 + np.exp(np.clip(excess - unknown, -50, 50))), 1.0)

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


__all__ = ["NoisyReader"]
