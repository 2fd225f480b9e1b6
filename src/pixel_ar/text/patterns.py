# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Regular expressions over the characters of words, built from the tables of properties at first use.

They find in a word what `drawn_bounds` and the joining types would say of each character, in one pass.
"""

import re
from functools import cache

import numpy as np

from .invisible import JOINERS, MARKS_OF_DIRECTION
from .properties import (
    BIDI_CLASSES,
    CONSONANT,
    GRAPHEME_CLASSES,
    JOINING_TYPES,
    LINKER,
    SPACING_MARK,
    property_table,
)

# Stands before the first word of a line if that begins with a mark; no word holds it.
BEGINNING = "\0"
_LAM, _ALEFS = "\u0644", "[\u0622\u0623\u0625\u0627]"


def _ranges(mask: np.ndarray) -> str:
    """The characters where `mask` holds, as the inside of a character class."""
    codes = np.flatnonzero(mask)
    starts = codes[np.append(True, np.diff(codes) > 1)]
    stops = codes[np.append(np.diff(codes) > 1, True)]
    spans = zip(starts.tolist(), stops.tolist(), strict=True)
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans)


@cache
def _masks() -> dict[str, np.ndarray]:
    """Boolean `[0x110000]` for the properties that the expressions below are made of."""
    grapheme, joining, indic = (
        property_table("grapheme") & 127,
        property_table("joining"),
        property_table("indic"),
    )
    masks = {name: grapheme == place for place, name in enumerate(GRAPHEME_CLASSES)}
    masks |= {f"join {name}": joining == place for place, name in enumerate(JOINING_TYPES)}
    masks |= {"linker": indic == LINKER, "consonant": indic == CONSONANT, "spacing": indic == SPACING_MARK}
    joiner = np.zeros(len(indic), bool)
    joiner[[ord(char) for char in JOINERS]] = True
    masks["extending"] = masks["Extend"] & ~joiner
    following = ("Extend", "SpacingMark", "spacing", "ZWJ", "V", "T")
    masks["follows"] = np.logical_or.reduce([masks[name] for name in following])
    # What is a cluster only together with its neighbours, by rules that the expressions leave out.
    joined = ("CR", "LF", "Control", "ZWJ", "Regional_Indicator", "Prepend", "L", "V", "T")
    masks["odd"] = np.logical_or.reduce([masks[name] for name in joined])
    # The expressions for words know the BMP alone.
    masks["odd"][0x10000:] = True
    return masks


def _bmp(mask: np.ndarray) -> str:
    """The same for the BMP alone: ranges above it are tried one by one, for every character."""
    return _ranges(mask[:0x10000])


@cache
def left_expressions() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(what sends a word to the general way, a drawn cluster), for words from left to right.

    The second is `drawn_bounds` for words without the first.
    """
    masks = _masks()
    extending, linker = _bmp(masks["extending"] & ~masks["linker"]), _bmp(masks["linker"])
    joined = masks["linker"].copy()
    joined[[0xBCD, 0xDCA]] = False  # drawn, but for the two Tamil ligatures
    odd = re.compile(
        f"[{_ranges(masks['odd'] | _joining_mask())}]|[{linker}][{extending}]|\u0b95\u0bcd\u0bb7|\u0bb8\u0bcd\u0bb0|"
        f"\\A[{BEGINNING}{_bmp(masks['follows'])}]"
    )
    tail = f"[{_bmp(masks['extending'] | masks['SpacingMark'] | masks['spacing'])}\u200c]*"
    cluster = f"[\\s\\S]{tail}(?:(?<=[{_bmp(joined)}])[{_bmp(masks['consonant'])}]{tail})*"
    return odd, re.compile(cluster)


@cache
def right_expressions(fonts_join: bool) -> tuple[re.Pattern[str], ...]:
    """Expressions for words from right to left.

    Returns:
        What sends a word to the general way; a mark; letters that join each other, in words without marks; the same in
        all words; one letter with its marks.
    """
    masks, bidi = _masks(), property_table("bidi")
    numbers_and_left = np.isin(bidi, [BIDI_CLASSES.index(name) for name in ("L", "EN", "AN")])
    strange = masks["odd"] | masks["join L"] | numbers_and_left | masks["SpacingMark"] | masks["spacing"]
    strange |= (masks["extending"] != masks["join T"]) & ~masks["odd"]
    # A font may look at a joiner that an atlas passes over.
    strange[[ord(char) for char in JOINERS]] = [fonts_join, True]
    marks = _bmp(masks["extending"] & masks["join T"])
    odd = re.compile(f"[{_ranges(strange)}]|\u200c[{marks}]|\\A[{BEGINNING}{_bmp(masks['follows'])}]")
    both, before = _bmp(masks["join D"] | masks["join C"] & ~masks["ZWJ"]), _bmp(masks["join R"])
    with_marks = (
        f"(?:[{both}][{marks}]*)+(?:[{before}][{marks}]*)?|[{before}][{marks}]*|\u200c|[\\s\\S][{marks}]*"
    )
    sources = (
        f"[{marks}]",
        f"[{both}]+[{before}]?|[\\s\\S]",
        with_marks,
        f"(?:{_LAM}[{marks}]*{_ALEFS}|[\\s\\S])[{marks}]*",
    )
    return odd, *map(re.compile, sources)


@cache
def letter_clusters() -> re.Pattern[str]:
    """Several characters that have the form of one letter."""
    masks = _masks()
    marks = _bmp(masks["extending"] & masks["join T"])
    return re.compile(f"{_LAM}[{marks}]*{_ALEFS}[{marks}]*|[^ ][{marks}]+")


@cache
def _joining_mask() -> np.ndarray:
    masks = _masks()
    return masks["join D"] | masks["join R"] | masks["join L"] | masks["join C"]


@cache
def joining_letters() -> frozenset[str]:
    return frozenset(map(chr, np.flatnonzero(_joining_mask() & ~_masks()["join L"]).tolist()))


@cache
def _left_joining() -> frozenset[str]:
    """Joining letters of scripts that run from left to right."""
    mask = _joining_mask() & (property_table("bidi") == BIDI_CLASSES.index("L"))
    return frozenset(map(chr, np.flatnonzero(mask).tolist()))


@cache
def _transparent() -> frozenset[str]:
    return frozenset(map(chr, np.flatnonzero(_masks()["join T"]).tolist()))


def joins_across(text: str, bound: int) -> bool:
    """Tell whether letters may join others of another direction at a bound between them."""
    before = bound - 1
    while before > 0 and text[before] in _transparent():
        before -= 1
    return text[before] == "\u200d" or not _left_joining().isdisjoint((text[before], text[bound]))


@cache
def joined_through_control() -> re.Pattern[str]:
    """Letters with a mark of direction between them, which does not keep them from joining."""
    joining, through = _ranges(_joining_mask()), _ranges(_masks()["join T"])
    return re.compile(f"[{joining}][{through}]*[{MARKS_OF_DIRECTION}][{through}]*[{joining}]")


@cache
def prefix() -> re.Pattern[str]:
    return re.compile(f"[{_ranges(_masks()['Prepend'])}]")


@cache
def edges() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(what belongs to the character before it; two characters that may belong together)."""
    masks = _masks()
    follows = (
        masks["Extend"] | masks["SpacingMark"] | masks["spacing"] | masks["ZWJ"] | masks["V"] | masks["T"]
    )
    leads = masks["Prepend"] | masks["linker"] | masks["ZWJ"] | masks["L"]
    pair = (
        f"[{_ranges(leads)}][\\s\\S]|[\\s\\S][{_ranges(follows)}]|"
        f"[{_ranges(masks['Extend'])}][{_ranges(masks['consonant'])}]"
    )
    return re.compile(f"[{_ranges(follows)}]"), re.compile(pair)
