# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Normalisation forms NFC and NFD (UAX #15) of one version of Unicode, under every Python.

Unicode promises that the form of a text never changes once all its characters are assigned. So Python's own function
normalises every text whose characters the oldest Python that is supported knows. For the few others it would give
another form from one release of Python to the next: these are normalised here, from the tables of
`text.properties`.
"""

import re
import unicodedata
from functools import cache

import numpy as np

from .properties import code_points, combining, decompositions, property_table

# Python 3.11 has the tables of Unicode 14.0; in the form of the table `age`.
_KNOWN_TO_PYTHON = 14 << 4
_FIRST_SYLLABLE, _FIRST_L, _FIRST_V, _FIRST_T = 0xAC00, 0x1100, 0x1161, 0x11A7
_NUM_L, _NUM_V, _NUM_T = 19, 21, 28


@cache
def unsettled_characters() -> np.ndarray:
    """Booleans `[0x110000]`: what some supported Python does not know, so that its normalisation may differ."""
    return property_table("age") > _KNOWN_TO_PYTHON


def nfc(text: str) -> str:
    """Return a text in form NFC."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text) if _is_settled(text) else _compose(_decompose(text))


def nfd(text: str) -> str:
    """Return a text in form NFD."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFD", text) if _is_settled(text) else "".join(_decompose(text))


def is_nfc(text: str) -> bool:
    """Tell whether a text is in form NFC."""
    return nfc(text) == text


def _is_settled(text: str) -> bool:
    # Most texts hold nothing that could be unsettled, which a search tells in a tenth of the time.
    if _doubtful().search(text) is None:
        return True
    return not unsettled_characters().take(code_points(text)).any()


@cache
def _doubtful() -> "re.Pattern[str]":
    """Unsettled characters of the first plane, and all above it."""
    codes = np.flatnonzero(unsettled_characters()[:0x10000])
    starts = codes[np.append(True, np.diff(codes) > 1)].tolist()
    stops = codes[np.append(np.diff(codes) > 1, True)].tolist()
    ranges = [f"\\U{first:08x}-\\U{last:08x}" for first, last in zip(starts, stops, strict=True)]
    return re.compile(f"[{''.join(ranges)}\\U00010000-\\U0010ffff]")


def _decompose(text: str) -> list[str]:
    """The characters of the full canonical decomposition, in canonical order."""
    chars = [part for char in text for part in _parts(char)]
    first = 0
    while first < len(chars):
        stop = first
        while stop < len(chars) and combining(chars[stop]):
            stop += 1
        chars[first:stop] = sorted(chars[first:stop], key=combining)
        first = stop + 1
    return chars


def _parts(char: str) -> str:
    place = ord(char) - _FIRST_SYLLABLE
    if 0 <= place < _NUM_L * _NUM_V * _NUM_T:
        leading, rest = divmod(place, _NUM_V * _NUM_T)
        vowel, trailing = divmod(rest, _NUM_T)
        parts = chr(_FIRST_L + leading) + chr(_FIRST_V + vowel)
        return parts + chr(_FIRST_T + trailing) if trailing else parts
    found = decompositions().get(char)
    return char if found is None else "".join(map(_parts, found))


@cache
def _compositions() -> dict[str, str]:
    """Pairs of characters -> what they are composed to; those that the standard excludes are none."""
    return {
        parts: char
        for char, parts in decompositions().items()
        # Excluded are those that NFC takes apart: Python knows them, since no more can be added for old characters.
        if len(parts) == 2 and not combining(char) and not combining(parts[0]) and not _is_excluded(char)
    }


def _is_excluded(char: str) -> bool:
    known = not unsettled_characters()[ord(char)]
    return known and unicodedata.normalize("NFC", char) != char


def _compose(chars: list[str]) -> str:
    found: list[str] = []
    starter = -1  # place of the last character of combining class 0
    last_class = 0
    for char in chars:
        kind = combining(char)
        is_blocked = starter < 0 or (len(found) > starter + 1 and (last_class >= kind or last_class == 0))
        joined = None if is_blocked else _join(found[starter], char)
        if joined is not None:
            found[starter] = joined
            continue
        found.append(char)
        last_class = kind
        if kind == 0:
            starter = len(found) - 1
    return "".join(found)


def _join(first: str, second: str) -> str | None:
    leading, vowel = ord(first) - _FIRST_L, ord(second) - _FIRST_V
    if 0 <= leading < _NUM_L and 0 <= vowel < _NUM_V:
        return chr(_FIRST_SYLLABLE + (leading * _NUM_V + vowel) * _NUM_T)
    syllable, trailing = ord(first) - _FIRST_SYLLABLE, ord(second) - _FIRST_T
    is_open = 0 <= syllable < _NUM_L * _NUM_V * _NUM_T and syllable % _NUM_T == 0
    if is_open and 0 < trailing < _NUM_T:
        return chr(ord(first) + trailing)
    return _compositions().get(first + second)
