# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How likely glyphs are against each other: what readers of clean and of damaged strips have in common.

What holds for the cells that stay known is worked out once; what a line adds to them (see `reading.unit_classes`) is
looked at anew for each line.
"""

import re
from functools import cached_property

import numpy as np

from ..text.properties import is_letter
from .cell_index import FIRST_UNIT
from .costs import SCALE, GlyphGroup, count_wrong, flip_cost, to_words
from .exact import ExactRun, Reading
from .glyph_classes import FREQUENT
from .known import GlyphsOnly
from .lattice import decode
from .prior import CharacterPrior

# The noise of clean stretches.
_CLEAN_NOISE = 0.01
# Nats for a character outside the alphabet that was given.
FOREIGN = 12.0
_MAX_CACHED = 50_000


class GlyphOdds:
    """Rivals and priors of the glyphs that a reader knows.

    Args:
        known: The glyphs; those that are added later for one line need not be there yet.
        noise: Share of pixels that are wrong in what is matched exactly, or None for that of clean strips.
        prior: Probabilities of characters after others.
    """

    def __init__(self, known: GlyphsOnly, noise: float | None, prior: CharacterPrior | None = None) -> None:
        self.known, self.index, self.prior = known, known.index, prior
        self.alphabet = known.glyphs.alphabet
        self.num_lasting = known.num_lasting
        self.noise = noise or _CLEAN_NOISE
        self._words: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]] = {}
        self._clean_confidences = np.full(self.num_lasting, np.nan, np.float32)
        self._added_confidences: dict[tuple[bytes, float], float] = {}
        self._choices: dict[tuple[int, ...], tuple[list[GlyphGroup], np.ndarray]] = {}

    # ---- texts ----

    @cached_property
    def lasting_texts(self) -> dict[int, list[str]]:
        """Class -> its texts that the prior has seen, the most frequent first."""
        found: dict[int, list[str]] = {}
        if self.prior is None:
            return found
        preferred = set(self.alphabet)
        for char in self.prior.characters:
            index = self.known.glyphs.members.get(ord(char))
            if index is not None:
                found.setdefault(index, []).append(char)
        for index, texts in found.items():
            found[index] = [char for char in texts if char in preferred] or texts
        found.update(self._unit_texts(0, self.num_lasting))
        return found

    def _unit_texts(self, first: int, last: int) -> dict[int, list[str]]:
        """The units among some classes of which the prior knows all characters."""
        if self.prior is None:
            return {}
        units = first + np.flatnonzero(self.index.codes[first:last] >= FIRST_UNIT)
        pairs = ((index, self.known.text_of(index)) for index in units.tolist())
        return {index: [text] for index, text in pairs if all(char in self.prior for char in text)}

    def known_texts(self) -> dict[int, list[str]]:
        """The same with what this line adds."""
        added = self._unit_texts(self.num_lasting, len(self.index))
        return {**self.lasting_texts, **added} if added else self.lasting_texts

    @cached_property
    def _twins(self) -> dict[str, list[str]]:
        """Characters whose class the prior does not know as the canonical one alone -> those it knows."""
        glyphs = self.known.glyphs
        unsure = {
            index: texts
            for index, texts in self.lasting_texts.items()
            if self.index.codes[index] < FIRST_UNIT and texts != [glyphs.chars[index]]
        }
        return {chr(code): unsure[index] for code, index in glyphs.members.items() if index in unsure}

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
        members, known = self.known.glyphs.members, self.lasting_texts
        for word in re.split("( )", text):
            is_known = all(members.get(ord(char), -1) in known for char in word if is_letter(char))
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

    # ---- priors ----

    def class_priors(self) -> np.ndarray:
        """float32 `[K]`: nats of each class without its context."""
        if self.prior is None:
            return self.index.priors
        added = len(self.index) - self.num_lasting
        if not added:
            return self._lasting_priors
        texts = self._unit_texts(self.num_lasting, len(self.index))
        return np.concatenate([self._lasting_priors, self._priors_of(self.num_lasting, added, texts)])

    @cached_property
    def _lasting_priors(self) -> np.ndarray:
        return self._priors_of(0, self.num_lasting, self.lasting_texts)

    def _priors_of(self, first: int, count: int, known: dict[int, list[str]]) -> np.ndarray:
        assert self.prior is not None
        priors = np.full(count, -self.prior.log_probability("\uffff"), np.float32)
        for index, texts in known.items():
            single = [sum(self.prior.single_log_probability(char) for char in text) for text in texts]
            priors[index - first] = -max(single)
            if self.alphabet and not set(texts[0]) <= set(self.alphabet):
                priors[index - first] += FOREIGN
        return priors

    # ---- rivals ----

    def rivals(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the other common classes of the same width, and their distances in pixels."""
        width = int(self.index.widths[index])
        rivals, words = self.words_of(width, True)
        wrong = count_wrong(to_words(self.index.bits(np.array([index])).reshape(1, -1)), words)[0]
        return rivals[rivals != index], wrong[rivals != index].astype(np.int32)

    def words_of(self, width: int, is_common: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the lasting classes of a width, all or the common ones (all if none is), and their packed cells as
        words.
        """
        key = (width, is_common)
        if key not in self._words:
            every = np.arange(self.num_lasting, dtype=np.int32)
            part = self.common if is_common else every
            part = part[self.index.widths[part] == width]
            if not len(part):
                part = every[self.index.widths[: self.num_lasting] == width]
            words = to_words(self.index.bits(part).reshape(len(part), -1)) if len(part) else None
            self._words[key] = (part, np.zeros((0, 1), np.uint64) if words is None else words)
        return self._words[key]

    @cached_property
    def common(self) -> np.ndarray:
        """int32: the lasting classes that a noisy glyph is compared with."""
        if self.num_lasting <= 4096:
            return np.arange(self.num_lasting, dtype=np.int32)
        return self.known.glyphs.common

    @cached_property
    def widths(self) -> list[int]:
        """The widths of the lasting classes."""
        return np.unique(self.index.widths[: self.num_lasting]).tolist()

    @cached_property
    def distances(self) -> dict[int, int]:
        """For each class the prior knows, the pixels in which the nearest other one differs."""
        found: dict[int, int] = {}
        known = np.array(sorted(self.lasting_texts), np.int32)[:2048]
        widths = self.index.widths[known]
        for width in np.unique(widths).tolist():
            same = known[widths == width]
            words = to_words(self.index.bits(same).reshape(len(same), -1))
            wrong = count_wrong(words, words)
            np.fill_diagonal(wrong, 9999)
            found.update(zip(same.tolist(), wrong.min(axis=1).tolist(), strict=True))
        return found

    def is_plausible(self, index: int, trusted: set[int], flip: int, least: float) -> bool:
        """Tell whether a glyph that stands there exactly is likelier than wrong pixels in a frequent one.

        Args:
            index: Its class.
            trusted: Blocks of 128 code points that the strip holds.
            flip: Price of a wrong pixel.
            least: Nats by which a glyph that the prior knows must be likelier.
        """
        priors = self.class_priors()
        if self.prior is not None and index in self.lasting_texts:
            return self.distances.get(index, 99) * flip >= least * SCALE
        if priors[index] <= FREQUENT or int(self.index.codes[index]) >> 7 in trusted:
            return True
        rivals, wrong = self.rivals(index)
        frequent = priors[rivals] <= FREQUENT
        if self.prior is not None:
            frequent = np.isin(rivals, list(self.lasting_texts))
        costs = priors[rivals] + wrong * (flip / SCALE)
        return not frequent.any() or float(priors[index]) < float(costs[frequent].min())

    # ---- exact glyphs ----

    def alone(self, index: int, flip: int) -> float:
        """Return the probability of a glyph that is matched exactly, without regard to others around it."""
        rivals, wrong = self.rivals(index)
        priors = self.class_priors()
        return float(1 / (1 + np.exp(priors[index] - priors[rivals] - wrong * flip / SCALE).sum()))

    def exact_reading(self, run: ExactRun) -> Reading:
        """Return an exact parse as a reading."""
        bounds, indices = np.array(run.bounds, np.int32), np.array(run.classes, np.int32)
        codes, confidences = self.index.codes[indices], self.clean_confidences(indices)
        return Reading(bounds[:-1], bounds[1:], codes, confidences, np.zeros(len(indices), np.int32))

    def clean_confidences(self, indices: np.ndarray) -> np.ndarray:
        """Return float32 `[n]`: the posterior of classes whose glyphs are matched exactly, against others as wide."""
        is_added = indices >= self.num_lasting
        known = self._clean_confidences[np.where(is_added, 0, indices)]
        known[is_added] = np.nan
        if np.isnan(known).any():
            flip, priors = flip_cost(self.noise) / SCALE, self.index.priors
            for index in np.unique(indices[np.isnan(known)]).tolist():
                cell = self.index.cells[index], float(priors[index])
                value = None if index < self.num_lasting else self._added_confidences.get(cell)
                if value is None:
                    rivals, wrong = self.rivals(index)
                    odds = np.exp(priors[index] - priors[rivals] - wrong * flip)
                    value = float(1 / (1 + odds.sum()))
                known[indices == index] = value
                if index < self.num_lasting:
                    self._clean_confidences[index] = value
                elif len(self._added_confidences) < _MAX_CACHED:
                    self._added_confidences[cell] = value
        return known

    # ---- what to look for in a damaged strip ----

    def groups(self, seen: list[int]) -> tuple[list[GlyphGroup], np.ndarray]:
        """Choose what to look for: every common class as it is, frequent ones with a column more or less as well.

        Characters of the blocks of 128 code points in which others were `seen` count as frequent, so that any script
        is read well where most of a strip is clean. With a prior, its characters are common and frequent, and of the
        others only those that were seen themselves. The second result is the nats of every class by these rules.
        """
        blocks = tuple(sorted({code >> 7 for code in seen}))
        key = tuple(sorted(set(seen))) if self.prior is not None else blocks
        if key not in self._choices:
            if len(self._choices) >= 8:
                self._choices.clear()
            self._choices[key] = self._lasting_groups(seen, blocks)
        groups, priors = self._choices[key]
        if len(self.index) == self.num_lasting:
            return groups, priors
        added = np.arange(self.num_lasting, len(self.index), dtype=np.int32)
        own = self.class_priors()[self.num_lasting :]
        is_seen = np.isin(self.index.codes[added], seen)
        if self.prior is None and not self.alphabet:
            own = np.where(is_seen, np.minimum(own, FREQUENT), own)
        priors = np.concatenate([priors, own])
        is_frequent = is_seen if self.prior is not None else own <= FREQUENT
        more = self.build_groups(added[~is_frequent], priors, False)
        return groups + more + self.build_groups(added[is_frequent], priors, True), priors

    def _lasting_groups(
        self, seen: list[int], blocks: tuple[int, ...]
    ) -> tuple[list[GlyphGroup], np.ndarray]:
        codes = self.index.codes[: self.num_lasting]
        priors = self.class_priors()[: self.num_lasting].copy()
        if self.prior is not None:
            known = np.array(sorted(self.lasting_texts), np.int32)
            known = known[np.argsort(priors[known], kind="stable")][:4096]
            is_seen = np.flatnonzero(np.isin(codes, sorted(set(seen))))
            common = np.union1d(known, is_seen).astype(np.int32)
            frequent = np.union1d(known[:1024], is_seen[:1024]).astype(np.int32)
        else:
            in_block = np.isin(codes >> 7, blocks) & (not self.alphabet)
            priors = np.where(in_block, np.minimum(priors, FREQUENT), priors)
            common = np.union1d(self.common, np.flatnonzero(in_block)[:4096]).astype(np.int32)
            frequent = common[priors[common] <= FREQUENT][:1024]
        groups = self.build_groups(np.setdiff1d(common, frequent), priors, False)
        return groups + self.build_groups(frequent, priors, True), priors

    def build_groups(self, indices: np.ndarray, priors: np.ndarray, drifts: bool) -> list[GlyphGroup]:
        """Sort classes by width."""
        widths = self.index.widths[indices]
        return [
            GlyphGroup(self.index, indices[widths == width], priors, drifts)
            for width in np.unique(widths).tolist()
        ]


__all__ = ["FOREIGN", "GlyphOdds"]
