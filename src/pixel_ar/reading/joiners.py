# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Joined letters read back: what their forms say, and what they leave to the language.

A letter in its isolated or final form before one that it should join was kept apart by a zero-width non-joiner; one in
its initial or medial form with nothing to join was followed by a zero-width joiner (The Unicode Standard, section 9.2).
Some letters of Arabic and of the languages written with more letters share forms; what a line holds besides decides.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import Protocol

from ..text.joining import joining_types, letters_of_forms
from ..text.properties import presentation_forms

_KINDS = ("isolated", "final", "initial", "medial")
_JOINED_AFTER, _JOINED_BEFORE = 0b1100, 0b1010
# Pe, che, zhe, gaf, tteh, ddal, rreh, noon ghunna, heh goal and doachashmee, yeh barree; Persian digits.
_ONLY_URDU = frozenset("\u0679\u0688\u0691\u06ba\u06c1\u06d2")
_ONLY_PERSIAN = (
    frozenset("\u067e\u0686\u0698\u06af\u06be") | _ONLY_URDU | frozenset(map(chr, range(0x6F0, 0x6FA)))
)
_PERSIAN_TWINS = {0x643: 0x6A9, 0x649: 0x6CC, 0x64A: 0x6CC}
_URDU_TWINS = _PERSIAN_TWINS | {0x647: 0x6C1}


# Heh with hamza above, which Persian writes as two characters.
_HEH_HAMZA, _PERSIAN_HEH = "\u06c0", "\u0647\u0654"
_WRITE_PERSIAN_HEH = frozenset(["fa", "mzn", "lrc"])
_LIKE_PERSIAN, _LIKE_URDU = frozenset(["fa", "ps", "ckb", "mzn", "lrc"]), frozenset(["ur", "pa-Arab"])


class Prior(Protocol):
    """Tells how frequent characters are after others."""

    def log_probability(self, char: str, before: str = " ") -> float:
        """Return the natural logarithm of a character's probability after the text before it."""


@cache
def form_mask(shape: str) -> int:
    """Return 1, 2, 4 or 8 for the isolated, final, initial or medial form of letters, 0 for anything else."""
    if shape not in letters_of_forms():
        return 0
    return 1 << _KINDS.index(presentation_forms()[shape][0])


def restore_joiners(text: str, origins: list[int], masks: list[int]) -> tuple[str, list[int]]:
    """Put back the joiners that the forms of letters show.

    Args:
        text: In logical order.
        origins: For each character, the unit it comes from; characters of one unit need no joiner between them.
        masks: For each unit the forms of its letter that it may be, as of [`form_mask`], 0 if it shows none.

    Returns:
        Text and origins with joiners added; a joiner has the origin of the letter before it, or of the first.
    """
    kinds = joining_types(text)
    letters = [index for index, kind in enumerate(kinds) if kind != "T"]
    added: dict[int, str] = {}
    for place, index in enumerate(letters):
        mask = masks[origins[index]]
        if not mask:
            continue
        before, after = (letters[at] if 0 <= at < len(letters) else -1 for at in (place - 1, place + 1))
        reaches = kinds[index] in "DLC"
        meets = after >= 0 and kinds[after] in "DRC"
        if reaches and after >= 0 and origins[after] == origins[index]:
            meets = reaches = False  # lam and alef are one glyph
        if reaches and meets and not mask & _JOINED_AFTER:
            added[after] = "\u200c"
        elif reaches and not meets and not mask & ~_JOINED_AFTER:
            added[after if after >= 0 else len(text)] = "\u200d"
        is_met = before >= 0 and kinds[before] in "DLC"
        is_inside = before >= 0 and origins[before] == origins[index]
        if kinds[index] in "DR" and not is_met and not is_inside and not mask & ~_JOINED_BEFORE:
            added.setdefault(index, "\u200d")
    if not added:
        return text, origins
    pieces, places = [], []
    for index in range(len(text) + 1):
        if index in added:
            pieces.append(added[index])
            places.append(origins[max(index - 1, 0)])
        if index < len(text):
            pieces.append(text[index])
            places.append(origins[index])
    return "".join(pieces), places


def as_persian(text: str) -> str:
    """Return a text with the letters that Persian, Urdu and their relatives use where Arabic has others like them.

    Most forms of these letters are drawn alike. Text without a letter that only those languages have stays as it is.
    """
    if not any(char in _ONLY_PERSIAN for char in text):
        return text
    return _with_twins(text, any(char in _ONLY_URDU for char in text))


def _with_twins(text: str, is_urdu: bool) -> str:
    return text.translate(_URDU_TWINS if is_urdu else _PERSIAN_TWINS)


def likelier_letters(
    text: str,
    draw: Callable[[str], bytes | None],
    prior: Prior | None,
    languages: Collection[str] = (),
) -> str:
    """Choose between the Arabic and the Persian or Urdu letters of a line that are drawn alike.

    Args:
        text: The line, with Arabic letters where both are possible.
        draw: Draws a text, None if it cannot: only words that are drawn alike are changed.
        prior: Decides if given; else the letters do that only one of the languages has.
        languages: What the line is written in, where that is known: Persian or Urdu decide before all else.
    """
    if languages and set(languages) <= _LIKE_PERSIAN | _LIKE_URDU:
        return _redrawn(text, _with_twins(text, set(languages) <= _LIKE_URDU), draw)
    if prior is None:
        return _redrawn(text, as_persian(text), draw)
    ways = [text, *(_redrawn(text, _with_twins(text, is_urdu), draw) for is_urdu in (False, True))]
    return max(ways, key=lambda way: _probability(way, prior))


def persian_hehs(
    text: str, origins: list[int], draw: Callable[[str], bytes | None], languages: Collection[str] = ()
) -> tuple[str, list[int]]:
    """Write heh with hamza above as Persian does, in lines of Persian and where both are drawn alike.

    Args:
        text: The line.
        origins: For each character, the unit it comes from.
        draw: Draws a text, None if it cannot.
        languages: What the line is written in, where that is known.

    Returns:
        Text and origins.
    """
    if _HEH_HAMZA not in text:
        return text, origins
    is_persian = not _ONLY_PERSIAN.isdisjoint(text) and _ONLY_URDU.isdisjoint(text)
    if not (set(languages) <= _WRITE_PERSIAN_HEH if languages else is_persian):
        return text, origins
    pieces: list[str] = []
    spread: list[int] = []
    position = 0
    for word in text.split(" "):
        other = word.replace(_HEH_HAMZA, _PERSIAN_HEH)
        is_alike = other != word and draw(other) == draw(word)
        for char in word + " ":
            pieces.append(_PERSIAN_HEH if is_alike and char == _HEH_HAMZA else char)
            spread += origins[position : position + 1] * len(pieces[-1])
            position += 1
    return "".join(pieces[:-1]), spread


def _probability(text: str, prior: Prior) -> float:
    return sum(
        prior.log_probability(char, text[index - 1] if index else " ") for index, char in enumerate(text)
    )


def _redrawn(text: str, other: str, draw: Callable[[str], bytes | None]) -> str:
    """Take over the words of `other` that are drawn like those of `text`."""
    if other == text:
        return text
    words = zip(text.split(" "), other.split(" "), strict=True)
    return " ".join(new if new == old or draw(new) == draw(old) else old for old, new in words)


__all__ = ["as_persian", "form_mask", "likelier_letters", "persian_hehs", "restore_joiners"]
