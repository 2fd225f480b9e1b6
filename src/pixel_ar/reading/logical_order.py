# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""From the order of the eye to the order of the text."""

import re
from collections.abc import Sequence
from itertools import pairwise

from ..text.bidi import bidi_classes, embedding_levels, visual_order
from ..text.marks import Keeps, ordered_places
from ..text.normalization import nfc, nfd
from ..text.properties import LEFT_VOWEL, category, mirror_map, property_table

# A letter and what follows up to the next strong character, in letters of `bidi_classes`.
_AFTER_LETTER = re.compile("L[^LRA9]*1[^LRA9]*")


def logical_text(
    units: Sequence[str], base: int | None = None, keeps: Keeps | None = None
) -> tuple[str, list[int]]:
    """Return the text of units in visual order, and for each of its characters the unit it comes from.

    Blanks at the end of the text are dropped.

    Args:
        units: Characters of each unit, from left to right.
        base: Direction of the line, 0 or 1 (right to left); None: the one that fits.
        keeps: Tells which marks stay in the order of their unit; see [`text.marks.normalise_marks`].
    """
    order, texts = _best_guess(units, base)
    order, texts = _move_left_vowels(order, texts)
    text, origins = "", []
    for position, piece in zip(order, texts, strict=True):
        text += piece
        origins += [position] * len(piece)
    places = ordered_places(text, keeps)
    text, origins = "".join([text[place] for place in places]), [origins[place] for place in places]
    composed = nfc(text)
    if composed != text:
        origins = _realign(text, composed, origins)
    length = len(composed.rstrip(" "))
    return composed[:length], origins[:length]


def _realign(text: str, composed: str, origins: list[int]) -> list[int]:
    """Carry the origins of characters over to their composed forms."""
    aligned, position = [], 0
    for char in composed:
        aligned.append(origins[min(position, len(origins) - 1)])
        parts = nfd(char)
        source = ""
        while position < len(text) and len(source) < len(parts):
            source += nfd(text[position])
            position += 1
    return aligned


def _move_left_vowels(order: list[int], texts: list[str]) -> tuple[list[int], list[str]]:
    """Put vowels that are drawn before their consonant after it."""
    kinds = property_table("indic")
    order, texts = list(order), list(texts)
    index = 0
    while index + 1 < len(texts):
        piece = texts[index]
        if len(piece) == 1 and kinds[ord(piece)] == LEFT_VOWEL and category(texts[index + 1][0])[0] == "L":
            order[index : index + 2] = order[index + 1], order[index]
            texts[index : index + 2] = texts[index + 1], texts[index]
            index += 1
        index += 1
    return order, texts


def _best_guess(units: Sequence[str], base: int | None) -> tuple[list[int], list[str]]:
    """Order and texts for the base direction that is given or fits."""
    if not units:
        return [], []
    classes = bidi_classes("".join(unit[0] for unit in units))
    if base is None and not set(classes) & set("RA9"):
        return list(range(len(units))), list(units)
    # Where several texts give the same picture, one in the direction of most letters, of these the one with the
    # fewest turns.
    num_left = classes.count("L")
    bases: tuple[int, ...] = (
        (0, 1) if 2 * num_left > num_left + len([letter for letter in classes if letter in "RA"]) else (1, 0)
    )
    if base is not None:
        bases = (base,)
    for each in bases:
        found: list[tuple[int, list[int], list[str]]] = []
        for kinds in {_numbers_after_letters(classes): None, classes: None}:
            order, texts = _invert(units, kinds, each)
            levels, its_base = embedding_levels("".join([text[0] for text in texts]), base)
            if its_base == each and [order[i] for i in visual_order(levels)] == list(range(len(units))):
                turns = sum([first != second for first, second in pairwise(levels)])
                found.append((turns, order, texts))
        if found:
            return min(found)[1:]
    return _invert(units, classes, bases[0])


def _numbers_after_letters(classes: str) -> str:
    """Take numbers that stand to the right of left-to-right letters for part of their run, as in `PDF 2.0`."""
    return _AFTER_LETTER.sub(lambda match: match[0].replace("1", "L"), classes)


def _invert(units: Sequence[str], classes: str, base: int) -> tuple[list[int], list[str]]:
    """Undo the reordering of a line of one base direction."""
    mirrors = mirror_map()
    positions = list(range(len(units)))
    if base:
        positions.reverse()
        classes = classes[::-1]
    firsts = "".join(units[position][0] for position in positions)
    if base:
        firsts = "".join(mirrors.get(char, char) for char in firsts)
    levels, _ = embedding_levels(firsts, base, classes)
    # The line is turned round already, so only what runs against it is left.
    order = [
        positions[i] for i in visual_order([max(level, 0) - base if level > base else 0 for level in levels])
    ]
    level_of = dict(zip(positions, levels, strict=True))
    texts = []
    for position in order:
        unit = units[position]
        is_mirrored = level_of[position] & 1 and len(unit) == 1
        texts.append(mirrors.get(unit, unit) if is_mirrored else unit)
    return order, texts


__all__ = ["logical_text"]
