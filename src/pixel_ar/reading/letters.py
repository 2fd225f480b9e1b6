# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Which of the characters that are drawn alike a line holds: those that a language writes.

Latin `A`, Greek `Α` and Cyrillic `А` are one glyph, Vietnamese `Đ` and Icelandic `Ð` another. A line is given to the
language that most of its letters belong to, of several the most widespread one; a word that this language does not
write, to another that does. Letters of languages are those of CLDR (`reading.letters_data`). A word goes on across
apostrophes and marks; the parts of a word with hyphens are looked at one by one, but share what they leave open.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, lru_cache, partial
from typing import Any

import numpy as np

from ..text.properties import is_letter, letters_and_numbers
from .letters_data import LETTERS

_HYPHENS = re.compile("[-\u2010\u2011]")
_APOSTROPHES = "'\u2019\u02bc\u02bb\u02b9"
# The Tibetan tsheg between nga and shad is the one that keeps them on one line (The Unicode Standard, section 13.4).
_BOUND_TSHEG = re.compile("(?<=\u0f44)\u0f0b(?=\u0f0d)")
# A letter that a language has in loans only.
_LOAN = 0.9
_MOST_WORDS = 20_000
_SCRIPTS = (
    ("Latin", re.compile("[A-Za-z\u00aa-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff]")),
    ("Greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("Cyrillic", re.compile("[\u0400-\u052f\ua640-\ua69f\u1c80-\u1c8f]")),
    ("Armenian", re.compile("[\u0530-\u058f]")),
    ("Cherokee", re.compile("[\u13a0-\u13ff\uab70-\uabbf]")),
)


@cache
def _word() -> "re.Pattern[str]":
    """Letters, with marks, and apostrophes between them."""
    letter = f"[{letters_and_numbers()}][\u0300-\u036f]*"
    return re.compile(f"{letter}(?:[{_APOSTROPHES}]?{letter})*")


def _script(char: str) -> str:
    return next((name for name, pattern in _SCRIPTS if pattern.match(char)), "")


@lru_cache(maxsize=64)
def _table(languages: tuple[str, ...]) -> tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...]:
    """(letters, letters of loans, punctuation) of each language."""
    ascii_letters = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    rows = []
    for language in languages:
        own, loans, signs = map(frozenset, LETTERS[language])
        rows.append((own | ascii_letters if "a" in own else own, loans, signs))
    return tuple(rows)


def find_languages(language: "str | Sequence[str] | None") -> tuple[str, ...]:
    """Return the languages to choose from, as the table names them.

    Args:
        language: A tag of BCP 47 (`"uk"`, `"sr-Latn"`; a country is passed over), several, or None for all.

    Raises:
        ValueError: for a language that the table does not have.
    """
    if language is None:
        return tuple(LETTERS)
    found = []
    for tag in [language] if isinstance(language, str) else language:
        parts = str(tag).replace("_", "-").split("-")
        names = ["-".join([parts[0].lower(), *map(str.title, parts[1:length])]) for length in (2, 1)]
        name = next((name for name in names if name in LETTERS), None)
        if name is None:
            near = ", ".join(difflib.get_close_matches(names[-1], LETTERS, 3, 0.4)) or "en, uk, sr-Latn"
            raise ValueError(
                f"no letters of a language {tag!r} are known; {len(LETTERS)} are, such as {near}. Others are read with "
                "alphabet=, the characters that their text is written with."
            )
        found.append(name)
    return tuple(found)


class _Known(dict[str, Any]):
    """Values of characters, worked out when they are asked for."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, char: str) -> Any:
        found = self[char] = self._find(char)
        return found


def bind_tshegs(text: str) -> str:
    """Return a text in which Tibetan syllables stay with the shad that ends their sentence, where that is usual."""
    return _BOUND_TSHEG.sub("\u0f0c", text)


class LetterChoice:
    """Chooses between characters that are drawn alike.

    Args:
        alike: Canonical character -> all characters that are drawn like it, itself among them.
        languages: What a line may be written in; see [`find_languages`].
    """

    def __init__(self, alike: Mapping[str, str], languages: tuple[str, ...]) -> None:
        self.alike, self.languages = alike, languages
        self.is_narrow = len(languages) < len(LETTERS)
        self._rows = _table(languages)
        self._fits: dict[str, np.ndarray] = {}
        self._none = np.zeros(len(languages))
        self._chosen: dict[tuple[str, int, bool], str] = {}
        # Words come again; what is chosen for one depends on nothing but the word and the language.
        self._language_of = lru_cache(maxsize=_MOST_WORDS)(self._find_language)
        self._chars = [_Known(partial(self._look_up, number=number)) for number in range(len(languages))]
        self._word = lru_cache(maxsize=_MOST_WORDS)(self._choose_letters)

    @cached_property
    def _in_use(self) -> dict[str, int]:
        """Character -> number of the most widespread language that writes it."""
        found: dict[str, int] = {}
        for number, row in enumerate(self._rows):
            for char in row[0] | row[1]:
                found.setdefault(char, number)
        for number, row in enumerate(self._rows):
            for char in row[2]:
                found.setdefault(char, len(self._rows) + number)
        return found

    def resolve(self, text: str) -> str:
        """Give the characters of a line those that its language writes.

        Args:
            text: Canonical characters.
        """
        if text.isascii() and not self.is_narrow:
            return text
        is_open = any(ord(char) > 0xFF or (char in self.alike and not char.isascii()) for char in text)
        if not is_open and not self.is_narrow:
            return text
        line = self._best(text)
        pieces, position, undecided = [], 0, line
        for match in _word().finditer(text):
            word = match.group()
            pieces.append(self._signs(text[position : match.start()], line))
            number = self._language_of(word, line)
            if number is None:
                # All its letters are shared: it goes with the word before, where a hyphen joins them.
                joined = bool(_HYPHENS.fullmatch(text[position : match.start()]))
                number = undecided if joined else line
            undecided = number
            pieces.append(self._word(word, number))
            position = match.end()
        return "".join([*pieces, self._signs(text[position:], line)])

    def _fit(self, char: str) -> np.ndarray:
        """How well a canonical character fits each language, float64 `[L]`."""
        if char not in self._fits:
            members = self.alike.get(char, char)
            if self._in_use.keys().isdisjoint(members):  # as all ideographs
                return self._none
            self._fits[char] = np.array(
                [
                    1.0 if not own.isdisjoint(members) else _LOAN if not loans.isdisjoint(members) else 0.0
                    for own, loans, _ in self._rows
                ]
            )
        return self._fits[char]

    def _best(self, text: str) -> int:
        """The language that most letters fit, the most widespread one of several."""
        counts = [(char, count) for char, count in Counter(text).items() if is_letter(char)]
        if not counts:
            return 0
        return int(np.argmax(np.sum([count * self._fit(char) for char, count in counts], axis=0)))

    def _find_language(self, word: str, line: int) -> int | None:
        """The language of a word: that of the line if it fits; None if all its letters are shared with ASCII."""
        letters = [char for char in word if is_letter(char)]
        if all(char.isascii() for char in letters) and all(char in self.alike for char in letters):
            return None
        fits = [self._fit(char) for char in letters]
        if sum([fit.item(line) for fit in fits]) >= _LOAN * len(letters):
            return line
        return int(np.argmax(np.sum(fits, axis=0)))

    def _choose_letters(self, word: str, number: int) -> str:
        chars = self._chars[number]
        has_own, is_plain, is_written, chosen = zip(*[chars[char] for char in word], strict=True)
        # Numbers stay numbers, though 5x8 draws Cyrillic `б` like `6`, unless other letters make them a word.
        if not any(has_own) and not all(is_plain):
            return word
        if not all(is_written):
            return "".join([self._in_script(char, number) for char in word])
        return "".join(chosen)

    def _look_up(self, char: str, number: int) -> tuple[bool, bool, bool, str]:
        """What a character is in a language.

        Returns:
            Whether it is a letter that makes a word; a letter or apostrophe; something that the language writes, or of
            a script that the table does not have; and the character that the language has for it.
        """
        letter, own = is_letter(char), self._rows[number][0] | self._rows[number][1]
        is_written = not letter or self._is_foreign(char) or not own.isdisjoint(self.alike.get(char, char))
        makes_word = letter and not (char.isascii() and char in self.alike)
        return makes_word, letter or char in _APOSTROPHES, is_written, self._choose(char, number, True)

    def _is_foreign(self, char: str) -> bool:
        """Tell whether the table has no letters of a character's script."""
        return not _script(char)

    def _signs(self, text: str, number: int) -> str:
        return text if text.isascii() else "".join(self._choose(char, number, False) for char in text)

    def _choose(self, char: str, number: int, in_word: bool) -> str:
        """The member that a language has, first of its letters within a word, first of its signs elsewhere."""
        members = self.alike.get(char)
        if members is None or (not in_word and char.isascii()):
            return char
        key = char, number, in_word
        if key not in self._chosen:
            own, loans, signs = self._rows[number]
            order = (own, loans, signs) if in_word else (signs, own, loans)
            found = [[member for member in members if member in chars] for chars in order]
            first = next((each for each in found if each), None)
            self._chosen[key] = first[0] if first else self._usual(members, char)
        return self._chosen[key]

    def _in_script(self, char: str, number: int) -> str:
        """The member of a word that no language fits: of the script of most of the language's letters."""
        members = self.alike.get(char)
        if members is None or not is_letter(char) or not self._script_of(number):
            return char
        return self._usual([member for member in members if _script(member) == self._script_of(number)], char)

    def _script_of(self, number: int) -> str:
        counts = Counter(map(_script, self._rows[number][0]))
        return counts.most_common(1)[0][0] if counts else ""

    def _usual(self, members: Sequence[str], char: str) -> str:
        """Of characters drawn alike, the one of the most widespread language; as it was, if none writes any."""
        used = [member for member in members if member in self._in_use]
        if not used or (char.isascii() and char in members):
            return char if char in members or not members else members[0]
        return min(used, key=lambda member: (self._in_use[member], member))


__all__ = ["LetterChoice", "bind_tshegs", "find_languages"]
