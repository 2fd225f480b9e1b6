# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where a paragraph may be broken into lines: a simple form of the Unicode Line Breaking Algorithm (UAX #14).

A line may begin

- after spaces (rule LB18): U+0020, the fixed-width spaces, U+3000. Not after no-break spaces (LB12), not before closing
  punctuation even so (LB13: `quoi ?` stays together), and not after the spaces that a paragraph begins with;
- after a hyphen inside a word (HY and BA, LB21), unless a digit follows (LB25), and before and after an em dash (LB17);
- after marks that end a word or a phrase in scripts without spaces (BA): Tibetan tsheg, Ethiopic word space, dandas,
  Khmer and Burmese full stops;
- between ideographs, kana, Yi syllables and emoji, and between these and letters or digits (ID, LB31), but not before
  closing punctuation and small kana (CL, EX, NS; LB13, LB21) and not after opening punctuation (OP; LB14), nor on
  either side of quotation marks that may be opening or closing (QU, LB19). Korean, which is written with spaces, breaks
  at these alone, one of the two ways that section 8 of the annex leaves open.

Only between extended grapheme clusters (LB9). Thai, Lao, Khmer and Burmese words are not looked up in a dictionary:
such text breaks at its spaces, and where the writer put a zero width space (U+200B), which the page layout passes on.
Blocks are named rather than looked up in the running Python's tables, so that a page does not depend on its version.
"""

import re
from functools import cache

import numpy as np

from .graphemes import grapheme_bounds
from .invisible import class_mask
from .properties import code_points

# Letters of the classes: s space, h hyphen, d em dash, b break after, i ideograph, c closing or non-starter of CJK,
# e closing of other scripts, p opening of CJK, o opening of others, q quotation mark, g glue, n digit, x the rest.
_RANGES = {
    "i": (
        "\u2e80-\u2fff\u3003-\u3007\u3012-\u3013\u3020-\u302f\u3031-\u303a\u303e-\u3040\u3042-\u30ff"
        "\u3100-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff02-\uffe6"
        "\U00016fe0-\U0001b2ff\U0001f000-\U0001faff\U00020000-\U0003fffd"
    ),
    "n": "0-9\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f",
    "s": " \u1680\u2000-\u2006\u2008-\u200a\u205f\u3000",
    "g": "\u00a0\u202f\u2007\u2011\u0f0c\ufeff",
    "h": "-\u058a\u05be\u2010\u2012\u2013",
    "d": "\u2014",
    "b": "\u0964\u0965\u0f0b\u1361\u104a\u104b\u17d4\u17d5\u17da",
    "q": "\"'\u2018\u2019\u201b\u201c\u201d\u201f\u00ab\u00bb\u2039\u203a",
    "o": "([{\u00a1\u00bf\u201a\u201e\u2045\u207d\u2329",
    "e": (
        ")]}!?,.:;/%\u2024-\u2026\u203c\u203d\u2046-\u2049\u207e\u232a\u00a2\u00b0\u2030\u2032\u2033\u21b5"
        "\u060c\u061b\u061f\u06d4\u0f0d-\u0f11\u17d6"
    ),
    "p": "\u3008\u300a\u300c\u300e\u3010\u3014\u3016\u3018\u301a\u301d\uff08\uff3b\uff5b\uff5f\uff62\uff04\uffe5",
    "c": (
        "\u3001\u3002\u3005\u3009\u300b\u300d\u300f\u3011\u3015\u3017\u3019\u301b\u301c\u301e\u301f\u303b\u30fb-\u30fe"
        "\u309b-\u309e\u30a0\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e\u3095\u3096\u30a1\u30a3\u30a5"
        "\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee\u30f5\u30f6\u31f0-\u31ff\uff01\uff05\uff09\uff0c\uff0e\uff1a\uff1b"
        "\uff1f\uff3d\uff5d\uff60\uff61\uff63-\uff65\uff67-\uff70\uff9e\uff9f\ufe50-\ufe57"
    ),
}
_BREAK = re.compile(
    "(?<![op]s)(?<=s)(?=[^sec])"
    "|(?<=[xnice]h)(?=[xiop])"
    "|(?<=d)(?=[xniop])|(?<=[xniceb])(?=d)"
    "|(?<=b)(?=[xniop])"
    "|(?<=[ic])(?=[xniop])|(?<=[xnbe])(?=[ip])"
)
_SPACES = re.compile(f"[{_RANGES['s']}]+")


@cache
def _class_table() -> np.ndarray:
    """uint8 `[0x110000]`: the letter of each character's class."""
    table = np.full(0x110000, ord("x"), np.uint8)
    for letter, ranges in _RANGES.items():
        table[class_mask(ranges)] = ord(letter)
    return table


def is_space(char: str) -> bool:
    """Tell whether a character is a space at which a line may be broken."""
    return _SPACES.fullmatch(char) is not None


def break_opportunities(text: str) -> list[int]:
    """Return where a line of a paragraph may begin, ascending, without its beginning and its end.

    Args:
        text: A paragraph, normalised, without line breaks.
    """
    codes = code_points(text)
    bounds = None if text.isascii() else grapheme_bounds(text)
    if bounds is not None:
        codes = codes[bounds[:-1]]
    letters = _class_table()[codes].tobytes().decode("ascii")
    leading = len(letters) - len(letters.lstrip("s"))
    places = [match.start() for match in _BREAK.finditer(letters)]
    # A match at position 0 cannot be (every alternative looks back); spaces at the beginning are no place to break.
    return [place if bounds is None else bounds[place] for place in places if place > leading]


__all__ = ["break_opportunities", "is_space"]
