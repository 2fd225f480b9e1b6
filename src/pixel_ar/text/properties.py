# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Properties of characters, from tables of one version of Unicode: the same under every Python.

Python's own `unicodedata` has the tables of its own release, and what is drawn must not depend on it. Code points that
are not assigned in `UNICODE_VERSION` are unassigned here, whatever the running Python knows of them.
"""

import base64
import hashlib
import zlib
from functools import cache

import numpy as np

from .unicode_data import BRACKETS, DECOMPOSITIONS, MIRRORS, TABLES, UNICODE_VERSION

BIDI_CLASSES = (
    *("L", "R", "AL", "EN", "ES", "ET", "AN", "CS", "NSM", "BN", "B", "S", "WS", "ON"),
    *("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
)
GRAPHEME_CLASSES = (
    *("Other", "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark"),
    *("L", "V", "T", "LV", "LVT"),
)
JOINING_TYPES = ("U", "C", "D", "L", "R", "T")
CATEGORIES = (
    *("Cn", "Cc", "Cf", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"),
)
# Values of the table `indic`; 0 for all others.
LINKER, CONSONANT, LEFT_VOWEL, SUBJOINED, SPACING_MARK = 1, 2, 3, 4, 5


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text, lone surrogates among them, uint32 `[len(text)]`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@cache
def property_table(name: str) -> np.ndarray:
    """Return a property of every code point.

    Args:
        name: `"bidi"` (index in `BIDI_CLASSES`), `"grapheme"` (in `GRAPHEME_CLASSES`; 128 is added for
            Extended_Pictographic), `"joining"` (in `JOINING_TYPES`), `"indic"`, `"category"` (in `CATEGORIES`),
            `"combining"` (the canonical combining class) or `"age"` (16 times the major version of Unicode that
            assigned the code point, and the minor one; 255 for what none has).

    Returns:
        uint8 `[0x110000]`, read-only.

    Raises:
        KeyError: for another name.
    """
    return np.frombuffer(zlib.decompress(base64.b85decode("".join(TABLES[name]))), np.uint8)


@cache
def _property_bytes(name: str) -> bytes:
    # One look-up of bytes takes a tenth of the time of one of an array.
    return property_table(name).tobytes()


def category(char: str) -> str:
    """Return the general category of a character, such as `"Lu"`; `"Cn"` for what is not assigned."""
    return CATEGORIES[_property_bytes("category")[ord(char)]]


def combining(char: str) -> int:
    """Return the canonical combining class of a character; 0 for what is no mark."""
    return _property_bytes("combining")[ord(char)]


def bidirectional(char: str) -> str:
    """Return the bidirectional class of a character, such as `"AL"`."""
    return BIDI_CLASSES[_property_bytes("bidi")[ord(char)]]


def is_mark(char: str) -> bool:
    """Tell whether a character is a combining mark (of category M)."""
    return category(char)[0] == "M"


@cache
def _letter_kinds() -> frozenset[int]:
    return frozenset(number for number, name in enumerate(CATEGORIES) if name[0] == "L")


def is_letter(char: str) -> bool:
    """Tell whether a character is a letter (of category L), as `str.isalpha` does by the tables of the interpreter."""
    return _property_bytes("category")[ord(char)] in _letter_kinds()


def is_decimal(char: str) -> bool:
    """Tell whether a character is a decimal digit (of category Nd)."""
    return category(char) == "Nd"


def is_letter_or_number(char: str) -> bool:
    """Tell whether a character is a letter or a number, as `str.isalnum` does by the tables of the interpreter."""
    return category(char)[0] in "LN"


@cache
def letters_and_numbers() -> str:
    """Return the letters and numbers as ranges of a class of regular expressions, without its brackets."""
    kinds = [number for number, name in enumerate(CATEGORIES) if name[0] in "LN"]
    inside = np.isin(property_table("category"), kinds).astype(np.int8)
    edges = np.flatnonzero(np.diff(inside, prepend=0, append=0)).reshape(-1, 2)
    return "".join([f"{chr(first)}-{chr(stop - 1)}" for first, stop in edges.tolist()])


@cache
def decompositions() -> dict[str, str]:
    """Return the canonical decomposition of every character that has one but the Hangul syllables, one step deep."""
    return {char: parts for char, kind, parts in _decompositions() if not kind}


@cache
def presentation_forms() -> dict[str, tuple[str, str]]:
    """Return what the presentation forms of Arabic stand for: form -> (kind, letters).

    The kind is `"isolated"`, `"final"`, `"initial"` or `"medial"`.
    """
    return {char: (kind, parts) for char, kind, parts in _decompositions() if kind}


@cache
def _decompositions() -> tuple[tuple[str, str, str], ...]:
    lines = [line.split("\t") for line in _unpack(DECOMPOSITIONS).split("\n")]
    return tuple((char, kind, parts) for char, kind, parts in lines)


@cache
def mirror_map() -> dict[str, str]:
    """Return the mirror image of every character that has one (BidiMirroring.txt)."""
    return _pairs(MIRRORS)


@cache
def bracket_pairs() -> dict[str, str]:
    """Return the closing bracket of every opening one (BidiBrackets.txt)."""
    return _pairs(BRACKETS)


@cache
def tables_digest() -> str:
    """Return a sha256 over all tables: what is drawn alike everywhere is drawn with equal ones."""
    digest = hashlib.sha256(UNICODE_VERSION.encode())
    for name, packed in sorted({**TABLES, "m": MIRRORS, "b": BRACKETS, "d": DECOMPOSITIONS}.items()):
        digest.update(name.encode() + zlib.decompress(base64.b85decode("".join(packed))))
    return digest.hexdigest()


def _unpack(packed: tuple[str, ...]) -> str:
    return zlib.decompress(base64.b85decode("".join(packed))).decode()


def _pairs(packed: tuple[str, ...]) -> dict[str, str]:
    text = _unpack(packed)
    return dict(zip(text[::2], text[1::2], strict=True))
