# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How frequent characters are after each other, to read what pixels leave open.

A bigram model, interpolated with single characters and a floor for those never seen (Jelinek and Mercer 1980), fitted
by counting and saved as JSON.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

_FORMAT = "pixel_ar character prior 1"
_BIGRAM, _SINGLE = 0.85, 0.1499
_NUM_RIVALS = 12


class CharacterPrior:
    """Log-probabilities of characters given the one before. Immutable; made by [`fit`].

    Args:
        singles: Character -> count.
        pairs: Two characters -> count.

    Raises:
        ValueError: for no characters, or counts that are not positive.
    """

    def __init__(self, singles: dict[str, int], pairs: dict[str, int]) -> None:
        if not singles or min([*singles.values(), *pairs.values()]) < 1:
            raise ValueError(f"counts must be positive and not empty, got {len(singles)} characters")
        self._singles, self._pairs = dict(singles), dict(pairs)
        self._total = sum(singles.values())
        self._cache: dict[str, float] = {}

    @classmethod
    def fit(cls, texts: Iterable[str]) -> "CharacterPrior":
        """Count the characters of texts, which are best like those that will be read.

        Args:
            texts: Any number of texts; a space is thought before each.

        Raises:
            ValueError: if there is no character in them.
        """
        singles: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        for text in texts:
            singles.update(text)
            singles[" "] += 1
            pairs.update(map("".join, pairwise(f" {text} ")))
        return cls(dict(singles), dict(pairs))

    def log_probability(self, char: str, before: str = " ") -> float:
        """Return the natural logarithm of a character's probability after another."""
        key = before + char
        if key not in self._cache:
            single = self._singles.get(char, 0) / self._total
            context = self._singles.get(before, 0)
            pair = self._pairs.get(key, 0) / context if context else single
            floor = (1 - _BIGRAM - _SINGLE) / 0x10000
            self._cache[key] = math.log(_BIGRAM * min(pair, 1.0) + _SINGLE * single + floor)
        return self._cache[key]

    def choose(
        self, rivals: "list[tuple[np.ndarray, np.ndarray]]", before: str = " "
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decide a row of cells together, by the Viterbi algorithm over their likeliest characters.

        Args:
            rivals: For each of n cells, code points `[K]` and the cost of each in nats by its pixels.
            before: The character before the first cell.

        Returns:
            Code points uint32 `[n]` and confidences float32 `[n]`: probability of the character in its context.
        """
        layers: list[tuple[list[str], list[float]]] = []
        best, back = [0.0], []
        last = [before]
        for codes, costs in rivals:
            kept = np.argsort(costs, kind="stable")[:_NUM_RIVALS]
            chars = list(map(chr, codes[kept].tolist()))
            pixel_costs = costs[kept].tolist()
            totals, origins = [], []
            for char, cost in zip(chars, pixel_costs, strict=True):
                ways = [
                    total - self.log_probability(char, other) for total, other in zip(best, last, strict=True)
                ]
                origin = min(range(len(ways)), key=ways.__getitem__)
                totals.append(ways[origin] + cost)
                origins.append(origin)
            layers.append((chars, pixel_costs))
            back.append(origins)
            best, last = totals, chars
        place = min(range(len(best)), key=best.__getitem__)
        chosen = []
        for origins in reversed(back):
            chosen.append(place)
            place = origins[place]
        return self._with_confidences(layers, chosen[::-1], before)

    def _with_confidences(
        self, layers: "list[tuple[list[str], list[float]]]", chosen: list[int], before: str
    ) -> tuple[np.ndarray, np.ndarray]:
        text = [chars[place] for (chars, _), place in zip(layers, chosen, strict=True)]
        confidences = []
        for index, ((chars, costs), place) in enumerate(zip(layers, chosen, strict=True)):
            left = text[index - 1] if index else before
            right = text[index + 1] if index + 1 < len(text) else ""
            scores = np.array(
                [
                    self.log_probability(char, left)
                    + (self.log_probability(right, char) if right else 0.0)
                    - cost
                    for char, cost in zip(chars, costs, strict=True)
                ]
            )
            confidences.append(1 / float(np.exp(scores - scores[place]).sum()))
        return np.array(list(map(ord, text)), np.uint32), np.array(confidences, np.float32)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the counts as JSON."""
        content = {"format": _FORMAT, **self.to_dict()}
        Path(path).write_text(json.dumps(content, ensure_ascii=False, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "CharacterPrior":
        """Read what [`save`] wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a character prior.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {_FORMAT!r}")
            return cls(content["singles"], content["pairs"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged or no character prior: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The counts, ready for JSON and for the constructor."""
        return {"singles": self._singles, "pairs": self._pairs}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CharacterPrior) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((len(self._singles), self._total))

    def __repr__(self) -> str:
        return f"CharacterPrior({len(self._singles)} characters, {self._total} counted)"

    def __reduce__(self) -> tuple:
        return type(self), (self._singles, self._pairs)


__all__ = ["CharacterPrior"]
