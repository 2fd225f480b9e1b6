# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""One order for the marks of a letter in the scripts of South and South-East Asia.

Normalisation sorts marks by their combining class, but most vowel signs, bindus and tone marks of these scripts have
none, so that one picture could be typed in several orders. The Unicode Standard, chapters 12, 13 and 16, names the
order that text should have: nukta and medial consonants, vowel signs, tone marks or bindus, visarga. The renderer draws
text in this order (`normalise` returns it), and the reader reads it: what cannot be seen is the same on both sides.
Of two marks that may stand on the letter in one order only (`text.mark_pairs`) that order comes first, whatever was
typed: cells laid over each other do not show which it was, and what is drawn has to be read as it is normalised.
"""

import base64
import re
import zlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np

from .mark_pairs import MARK_PAIRS
from .normalization import nfc
from .properties import CONSONANT, LEFT_VOWEL, category, code_points, combining, is_mark, property_table

# Ranks. Marks of one rank stay in the order of their code points, but those beside the letter and those below each
# other (subjoined letters) as they are, since their order can be seen.
_ATTACHED, _VOWEL, _SPACING_VOWEL, _FINAL, _TONE, _BINDU, _DOT, _ASAT, _VISARGA, _ACCENT = range(10)
_MEDIALS = frozenset("\u0a75\u0ebc\u103b\u103c\u103d\u103e\u105e\u105f\u1060\u1082\u17c9\u17ca\u17cc")
_TONES = frozenset(
    "\u0e48\u0e49\u0e4a\u0e4b\u0ec8\u0ec9\u0eca\u0ecb\u17cb\u17cd\u17ce\u17cf\u17d0\u17d1\u17dd"
)
_BINDUS = frozenset("\u0a70\u0a71\u0f7e\u1036\u17c6\u0e4c\u0e4e\u0ecc")
_VISARGAS = frozenset("\u0f7f\u1038\u17c7\u17c8")
# One range a script: marks of different scripts on one letter are left to normalisation.
_RANGES = (
    (0x7A6, 0x7B1),
    *((first, first + 0x80) for first in range(0x900, 0xF00, 0x80)),
    (0xF18, 0xFC7),
    (0x102B, 0x10A0),
    (0x17B6, 0x17DE),
)
# Longer runs of marks, which no language has, are looked at less closely, in less time.
_LONG_RUN = 32
# From so many characters on, a table is faster than an expression.
_LONG_TEXT = 200


@cache
def mark_rank(char: str) -> int | None:
    """Return where a mark stands among those of a letter, or None for a character that is not sorted."""
    code = ord(char)
    kind, order = category(char), combining(char)
    if kind[0] != "M" or not any(first <= code < last for first, last in _RANGES):
        return None
    # The last four: visible viramas that canonical order puts before vowels.
    if char in _MEDIALS or 0xF8D <= code <= 0xFBC or char in "\u0c4d\u0e3a\u0eba\u0f84":
        return _ATTACHED
    if code in (0x1037, 0x103A):
        return _DOT if code == 0x1037 else _ASAT
    if order == 7:
        return _ATTACHED
    if code in (0x1039, 0x17D2):  # they take the next consonant in
        return None
    if order == 9:
        return _FINAL
    if order >= 200:
        return _ACCENT
    if char in _TONES:
        return _TONE
    is_indic = 0x900 <= code < 0xE00
    if char in _BINDUS or (is_indic and code & 0x7F in (0, 1, 2)):
        return _BINDU
    if char in _VISARGAS or (is_indic and code & 0x7F == 3):
        return _VISARGA
    return _SPACING_VOWEL if kind == "Mc" and char != "\u1031" else _VOWEL


def mark_key(char: str) -> tuple[int, int, int]:
    """Sort key of a mark: rank, combining class, and code point where the order of equals cannot be seen."""
    rank = mark_rank(char)
    if rank is None:
        return _ACCENT, combining(char), ord(char)
    if rank in (_SPACING_VOWEL, _VISARGA) or 0xF8D <= ord(char) <= 0xFBC:
        # Their order can be seen, but not that of one on the left and one on the right.
        return rank, combining(char), int(_stands_right(char))
    return rank, combining(char), ord(char)


def reading_key(char: str) -> tuple[int, int, int]:
    """Sort key of a mark whose place in the text is not known: subjoined letters as they mostly follow each other."""
    rank, order, code = mark_key(char)
    if 0xF8D <= ord(char) <= 0xFBC:
        code = 0xFBD if char == "\u0fad" else ord(char)  # wa-zur comes last
    return rank, order, code


@cache
def _is_ranked() -> np.ndarray:
    """Boolean `[0x110000]`: whether a character may be a mark that is sorted."""
    table = np.zeros(0x110000, bool)
    for first, last in _RANGES:
        table[first:last] = True
    return table


@cache
def _runs() -> "tuple[re.Pattern[str], re.Pattern[str]]":
    """Two sorted marks in a row, of any scripts; two or more of one script in a row."""
    scripts = [
        "".join(char for char in map(chr, range(*span)) if mark_rank(char) is not None) for span in _RANGES
    ]
    # One set of characters is looked for much faster than one set a script, and most words have no such run.
    any_two = re.compile(f"[{''.join(scripts)}]{{2}}")
    return any_two, re.compile("|".join(f"[{marks}]{{2,}}" for marks in scripts if marks))


def _has_marks_in_a_row(text: str) -> bool:
    if len(text) >= _LONG_TEXT and not _is_ranked()[code_points(text)].any():
        return False
    return _runs()[0].search(text) is not None


# Tells whether a letter's marks stay as they were typed: (letter with its marks, the same in order) -> bool.
Keeps = Callable[[str, str], bool]


def order_marks(text: str, keeps: Keeps | None = None) -> str:
    """Return a text with the marks of each letter in their order; applying it twice changes nothing more.

    A virama that joins a consonant after it stays where it is, and so do marks around it.

    Args:
        text: Any text.
        keeps: Asked for each letter whose marks would change places; see [`normalise_marks`].
    """
    if not _has_marks_in_a_row(text):
        return text

    return _runs()[1].sub(
        lambda match: "".join([text[place] for place in _places_of(text, match, keeps)]), text
    )


def _places_of(text: str, match: "re.Match[str]", keeps: Keeps | None) -> Sequence[int]:
    """The places of the marks of a letter, in order."""
    first, stop = match.span()
    order = _order_of(match[0], text[stop : stop + 1])
    if keeps is None or order == tuple(range(len(order))):
        return [first + place for place in order]
    begin, end = _letter_around(text, first, stop)
    ordered = "".join([match[0][place] for place in order])
    is_kept = keeps(text[begin:end], text[begin:first] + ordered + text[stop:end])
    return range(first, stop) if is_kept else [first + place for place in order]


def _letter_around(text: str, start: int, stop: int) -> tuple[int, int]:
    """Where a letter begins and ends of which some marks are given, with letters that marks connect it with."""
    first, last = max(start - _LONG_RUN, 0), min(stop + _LONG_RUN, len(text))
    while stop < last and is_mark(text[stop]):
        stop += 1
    begin = start
    while begin > first and (begin == start or is_mark(text[begin]) or is_mark(text[begin - 1])):
        begin -= 1
    return begin, stop


def normalise_marks(text: str, keeps: Keeps | None = None) -> str:
    """Return a text in form NFC with its marks in order.

    Args:
        text: Any text.
        keeps: Asked for each letter whose marks would change places, as it was typed and with them in order: whether
            they stay as they are. Fonts draw dotted circles below some orders.
    """
    text = nfc(text)
    # A mark that moved may stand beside another that it joins, or is sorted with.
    for _ in range(3):
        if not _has_marks_in_a_row(text):
            break
        ordered = order_marks(text, keeps)
        if ordered == text:
            break
        text = nfc(ordered)
    return text


def ordered_places(text: str, keeps: Keeps | None = None) -> list[int]:
    """Return the places of the characters of a text in the order that [`order_marks`] gives them.

    Args:
        text: Any text.
        keeps: See [`normalise_marks`].
    """
    places: list[int] = []
    position = 0
    for match in _runs()[1].finditer(text):
        places += [*range(position, match.start()), *_places_of(text, match, keeps)]
        position = match.end()
    return [*places, *range(position, len(text))]


@cache
def _pairs_in_order() -> frozenset[str]:
    """Two marks that stand in this order: exchanged, a font would draw a dotted circle below one of them."""
    text = zlib.decompress(base64.b85decode(MARK_PAIRS)).decode()
    return frozenset(map("".join, zip(text[::2], text[1::2], strict=True)))


def _stands_right(mark: str) -> bool:
    return category(mark) == "Mc" and property_table("indic")[ord(mark)] != LEFT_VOWEL


@lru_cache(maxsize=4096)
def _order_of(marks: str, following: str) -> tuple[int, ...]:
    """Places of the marks in order; the last one does not move if it is a virama that joins what follows."""
    count = len(marks)
    if following and combining(marks[-1]) == 9 and marks[-1] != "\u103a":
        count -= following in "\u200c\u200d" or property_table("indic")[ord(following)] == CONSONANT
    order = sorted(range(count), key=lambda place: mark_key(marks[place]))
    # Marks to the right of the letter stay as they follow each other: that can be seen.
    beside = iter([place for place in range(count) if _stands_right(marks[place])])
    order = [next(beside) if _stands_right(marks[place]) else place for place in order]
    if count <= _LONG_RUN:
        order = _with_pairs_in_order(marks, order)
    return (*order, *range(count, len(marks)))


def _with_pairs_in_order(marks: str, order: list[int]) -> list[int]:
    """Move marks before those that they follow, where the pair has to stand the other way round.

    Only neighbours count: a mark that may not follow another may follow what stands between them, as the Burmese
    killer follows the vowel sign aa after e.
    """
    found: list[int] = []
    for place in order:
        index = len(found)
        while index and _is_pair(marks[place], marks[found[index - 1]]):
            index -= 1
        found.insert(index, place)
    return found


def _is_pair(first: str, second: str) -> bool:
    return first + second in _pairs_in_order() and not _order_can_be_seen(first, second)


def _order_can_be_seen(first: str, second: str) -> bool:
    """Whether two marks stand beside each other on one side of the letter, or are the same."""
    if first == second or (_stands_right(first) and _stands_right(second)):
        return True
    return mark_key(first) == mark_key(second)


__all__ = [
    "Keeps",
    "mark_key",
    "mark_rank",
    "normalise_marks",
    "order_marks",
    "ordered_places",
    "reading_key",
]
