# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cursive joining with the presentation forms of Unicode (The Unicode Standard, section 9.2).

A glyph atlas has no shaping tables, but Unifont draws every presentation form of the Arabic block. Letters that have
none (those of Syriac, N'Ko, Mongolian and some Arabic ones) keep their own glyph, and are reported as unjoined.
"""

from functools import cache, lru_cache

import numpy as np

from .properties import JOINING_TYPES, code_points, presentation_forms, property_table

_KINDS = dict(zip(JOINING_TYPES, range(len(JOINING_TYPES)), strict=True))
_FORMS = ("isolated", "final", "initial", "medial")
_LAM = "\u0644"
_ALEFS = "\u0622\u0623\u0625\u0627"


@cache
def _letter_table() -> np.ndarray:
    return np.frombuffer("".join(JOINING_TYPES).encode(), np.uint8)[property_table("joining")]


def joining_types(text: str) -> str:
    """Return the Joining_Type of each character as a letter, `len(text)` letters."""
    return _letter_table()[code_points(text)].tobytes().decode("ascii")


@cache
def _forms() -> dict[str, list[str]]:
    """Letter (or lam and alef) -> its isolated, final, initial and medial form, "" where there is none."""
    forms: dict[str, list[str]] = {}
    for form, (kind, text) in presentation_forms().items():
        # Not the ligatures of the first block, which no letter of a text asks for.
        is_letter = not 0xFC00 <= ord(form) < 0xFE70
        if is_letter and (len(text) == 1 or text in (_LAM + alef for alef in _ALEFS)):
            forms.setdefault(text, [""] * 4)[_FORMS.index(kind)] = form
    return forms


@lru_cache(maxsize=4096)
def _joining_type(char: str) -> str:
    return joining_types(char)


@cache
def letters_of_forms() -> dict[str, str]:
    """Presentation form -> the letter or letters it stands for."""
    return {form: text for text, forms in _forms().items() for form in forms if form}


def join_letters(text: str) -> tuple[list[str], list[int]]:
    """Choose the form of every letter.

    Args:
        text: In logical order.

    Returns:
        What to draw for each character: itself, a presentation form, or "" for an alef that the lam before it has
        taken in; and the positions of letters that join but have no form for it.
    """
    drawn = list(text)
    kinds = joining_types(text)
    letters = [index for index, kind in enumerate(kinds) if kind != "T"]
    unjoined: list[int] = []
    joins_before = False
    table = _forms()
    for place, index in enumerate(letters):
        following = letters[place + 1] if place + 1 < len(letters) else -1
        joins_after = kinds[index] in "DLC" and following >= 0 and kinds[following] in "DRC"
        joined_before = joins_before and kinds[index] in "DRC"
        joins_before = joins_after
        if kinds[index] not in "DRL":
            continue
        form = int(joined_before) + 2 * int(joins_after)
        if text[index] == _LAM and joins_after and text[following] in _ALEFS:
            # Also if there are marks between them, which then stand on both.
            drawn[index], drawn[following] = table[_LAM + text[following]][int(joined_before)], ""
        elif drawn[index]:
            shape = table.get(text[index], [""] * 4)[form]
            if shape:
                drawn[index] = shape
            elif form:
                unjoined.append(index)
    return drawn, unjoined


def letter_form(letters: str, form: int) -> tuple[str, bool]:
    """Choose one form of a letter, as [`join_letters`] does.

    Args:
        letters: A letter, or lam and alef, with its marks, those of the lam between the two.
        form: 0 isolated, 1 final, 2 initial, 3 medial.

    Returns:
        What to draw, and whether the letter joins but has no form for it.
    """
    if _joining_type(letters[0]) not in "DRL":
        return letters, False
    base, marks = letters[0], letters[1:]
    if base == _LAM and (alef := next((char for char in marks if char in _ALEFS), "")):
        base, marks = base + alef, marks.replace(alef, "", 1)
    shape = _forms().get(base, [""] * 4)[form]
    return (shape or base) + marks, form > 0 and not shape


def joins(text: str, kinds: str, bound: int) -> bool:
    """Tell whether the letters on both sides of `bound` are joined; `kinds` as of [`joining_types`]."""
    before = bound - 1
    while before >= 0 and kinds[before] == "T":
        before -= 1
    return before >= 0 and kinds[before] in "DLC" and kinds[bound] in "DRC"


__all__ = ["join_letters", "joining_types", "joins", "letter_form", "letters_of_forms"]
