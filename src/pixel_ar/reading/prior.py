# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How frequent characters are after others, to read what pixels leave open.

An n-gram model of characters, fitted by counting and smoothed by the rule of Witten and Bell (1991, method C): what a
context was followed by is mixed with what the context without its first character was followed by, and the more kinds
of characters followed, the more weight the shorter one has. A small floor keeps characters readable that were never
seen.
"""

import hashlib
import json
import math
import numbers
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..atomic import replacing

_FORMAT = "pixel_ar character prior 2"
_MAX_ORDER = 8
# Share of the floor: half of it as single characters are frequent, half for any of 65,536 characters. After a character
# never seen, another is much less of a surprise.
_FLOOR, _FOREIGN_FLOOR, _NUM_CHARACTERS = 1e-3, 0.5, 0x10000
# Contexts from this length on keep only what followed them at least `min_count` times.
_PRUNED_FROM = 2
_MAX_CACHE = 1 << 20

Counts = Mapping[str, Mapping[str, int]]


class CharacterPrior:
    """Probabilities of characters given those before. Immutable; made by [`fit`] or [`load`].

    Args:
        counts: Context (0 to `order - 1` characters) -> character -> how often it followed.

    Raises:
        ValueError: for no characters, counts that are not positive integers, or contexts that are too long.
    """

    def __init__(self, counts: Counts) -> None:
        if not isinstance(counts, Mapping) or not counts.get(""):
            raise ValueError("counts must hold the context '' with at least one character")
        self._counts = {context: dict(followers) for context, followers in counts.items()}
        self._order = max(map(len, self._counts)) + 1
        if self._order > _MAX_ORDER:
            raise ValueError(
                f"contexts may have {_MAX_ORDER - 1} characters at most, one has {self._order - 1}"
            )
        for context, followers in self._counts.items():
            if any(
                type(count) is not int or count < 1 or len(char) != 1 for char, count in followers.items()
            ):
                raise ValueError(
                    f"counts must be positive integers of single characters, after {context!r} not"
                )
        # Context -> how many characters followed it, and how many kinds.
        self._totals = {
            context: (sum(followers.values()), len(followers)) for context, followers in self._counts.items()
        }
        self._cache: dict[str, float] = {}

    @classmethod
    def fit(cls, texts: Iterable[str], order: int = 5, min_count: int = 2) -> "CharacterPrior":
        """Count the characters of texts, which are best like those that will be read.

        Args:
            texts: Any number of texts; spaces are thought before each, and one after it.
            order: Characters that are looked at together, the one to be told among them: 1 to 8. Text of a few
                thousand characters is enough for 2 or 3, millions are worth 5.
            min_count: What followed a context of two characters or more less often than this is forgotten, which
                makes files small and loses little; in texts of less than 100,000 characters nothing is forgotten.

        Raises:
            TypeError: for what is no text, or no integer, naming it.
            ValueError: if there is no character in the texts, or `order` or `min_count` is out of range.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a list of texts, got one text: {texts!r:.60}")
        for name, value in (("order", order), ("min_count", min_count)):
            if not isinstance(value, numbers.Integral) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, got {value!r:.80}")
        if not isinstance(texts, Iterable):
            raise TypeError(f"texts must be a list of texts, got {texts!r:.80}")
        if not 1 <= order <= _MAX_ORDER or min_count < 1:
            raise ValueError(
                f"order must be 1 to {_MAX_ORDER} and min_count at least 1, got {order} and {min_count}"
            )
        grams: Counter[str] = Counter()
        before, num_chars = " " * (order - 1), 0
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{index}] must be a string, got {text!r:.80}")
            padded = f"{before}{text} "
            num_chars += len(text)
            grams.update(map("".join, zip(*(padded[first:] for first in range(order)), strict=False)))
        if not num_chars:
            raise ValueError("there is no character in the texts; give at least one text that is not empty")
        counts: dict[str, dict[str, int]] = {}
        for length in range(order - 1, -1, -1):
            is_pruned = length >= _PRUNED_FROM and num_chars >= 100_000
            shorter: Counter[str] = Counter()
            for gram, count in grams.items():
                if count >= min_count or not is_pruned:
                    counts.setdefault(gram[:-1], {})[gram[-1]] = count
                shorter[gram[1:]] += count
            grams = shorter
        return cls(counts)

    @property
    def order(self) -> int:
        """How many characters are looked at together."""
        return self._order

    @property
    def characters(self) -> str:
        """The characters it was fitted on, the most frequent first."""
        singles = self._counts[""]
        return "".join(sorted(singles, key=lambda char: (-singles[char], char)))

    def __contains__(self, char: str) -> bool:
        """Whether a character was seen."""
        return char in self._counts[""]

    def log_probability(self, char: str, before: str = " ") -> float:
        """Return the natural logarithm of a character's probability after others.

        Args:
            char: One character.
            before: The text before; its last `order - 1` characters count.
        """
        context = before[len(before) - self._order + 1 :] if len(before) >= self._order else before
        key = context + char
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _MAX_CACHE:
                self._cache.clear()
            found = self._cache[key] = math.log(self._probability(char, context))
        return found

    def single_log_probability(self, char: str) -> float:
        """Return the natural logarithm of a character's probability wherever it stands."""
        return math.log(self._probability(char, ""))

    def text_log_probability(self, text: str, before: str = " ") -> float:
        """Return the natural logarithm of a whole text's probability after another."""
        total = 0.0
        for char in text:
            total += self.log_probability(char, before)
            before = (before + char)[-_MAX_ORDER:]
        return total

    def _probability(self, char: str, context: str) -> float:
        uniform = 1.0 / _NUM_CHARACTERS
        probability = single = uniform
        for length in range(len(context) + 1):
            suffix = context[len(context) - length :]
            totals = self._totals.get(suffix)
            if totals is None:
                break
            count, (total, kinds) = self._counts[suffix].get(char, 0), totals
            # What was forgotten is given to the shorter context along with the kinds.
            probability = (count + kinds * probability) / (total + kinds)
            if not length:
                single = probability
        if context and context[-1] not in self._counts[""]:  # a foreign word goes on
            return (1 - _FOREIGN_FLOOR) * probability + _FOREIGN_FLOOR * uniform
        return (1 - _FLOOR) * probability + _FLOOR * 0.5 * (single + uniform)

    # ---- saving and loading ----

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the counts as JSON; what was under this name stays until the new file is whole."""
        with replacing(path) as file:
            file.write(self._to_json())

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "CharacterPrior":
        """Read what [`save`] wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a character prior.
        """
        try:
            content = json.loads(Path(path).read_bytes().decode("utf-8", "surrogatepass"))
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {_FORMAT!r}")
            return cls(content["counts"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is damaged or no character prior: {error}") from error

    def _to_json(self) -> bytes:
        content = {"format": _FORMAT, "counts": self._counts}
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")

    @property
    def sha256(self) -> str:
        """Hash of the counts, the same on every machine: what a processor records of its prior."""
        return hashlib.sha256(self._to_json()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The counts, as the constructor takes them."""
        return {context: dict(followers) for context, followers in self._counts.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CharacterPrior) and self._counts == other._counts

    def __hash__(self) -> int:
        return hash((self._order, self._totals[""], len(self._totals)))

    def __repr__(self) -> str:
        total, kinds = self._totals[""]
        return f"CharacterPrior(order {self._order}, {kinds} characters, {total} counted)"

    def __reduce__(self) -> tuple:
        return type(self), (self._counts,)


__all__ = ["CharacterPrior"]
