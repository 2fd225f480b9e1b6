# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Properties and normal forms from pinned tables: Python's own where Python cannot differ, and theirs elsewhere."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixel_ar.text import normalization
from pixel_ar.text.invisible import IGNORABLE, INVISIBLE, MEANINGFUL, OPTIONAL_IN_FONTS, TAGS, class_mask
from pixel_ar.text.normalization import is_nfc, nfc, nfd, unsettled_characters
from pixel_ar.text.properties import (
    CATEGORIES,
    bidirectional,
    category,
    code_points,
    combining,
    decompositions,
    is_decimal,
    is_letter,
    is_letter_or_number,
    letters_and_numbers,
    presentation_forms,
    property_table,
    tables_digest,
)

SETTLED = [chr(code) for code in np.flatnonzero(~unsettled_characters()).tolist()]
ACTIVE = [char for char in SETTLED if unicodedata.decomposition(char) or unicodedata.combining(char)]
ACTIVE += [*map(chr, range(0x1100, 0x1200)), *"aeou가각"]


def test_what_every_python_knows_is_as_python_says() -> None:
    for char in SETTLED:
        assert category(char) == unicodedata.category(char)
        assert combining(char) == unicodedata.combining(char)
        assert unicodedata.bidirectional(char) in ("", bidirectional(char))
    settled = set(SETTLED)
    assert {char: parts for char, parts in decompositions().items() if char in settled} == {
        char: "".join(chr(int(code, 16)) for code in unicodedata.decomposition(char).split())
        for char in SETTLED
        if unicodedata.decomposition(char)[:1] not in ("", "<")
    }
    for form, (kind, letters) in presentation_forms().items():
        codes = " ".join(f"{ord(letter):04X}" for letter in letters)
        assert unicodedata.decomposition(form) == f"<{kind}> {codes}"


def test_every_character_is_normalised_as_python_does() -> None:
    for char in ACTIVE:
        parts = normalization._decompose(char)
        assert "".join(parts) == unicodedata.normalize("NFD", char)
        assert normalization._compose(parts) == unicodedata.normalize("NFC", char)


@given(text=st.text(st.sampled_from(ACTIVE), max_size=8))
@settings(max_examples=300)
def test_every_text_is_normalised_as_python_does(text: str) -> None:
    parts = normalization._decompose(text)
    assert "".join(parts) == unicodedata.normalize("NFD", text) == nfd(text)
    assert normalization._compose(parts) == unicodedata.normalize("NFC", text) == nfc(text)
    assert is_nfc(nfc(text)) and nfc(nfd(text)) == nfc(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Marks of Unicode 15.0, which Python 3.11 takes for unassigned: classes 220 and 230, nukta before viramas.
        ("a\u0301\U00010efd", "\u00e1\U00010efd"),
        ("a\u0301\U00010efd\u0323", "\u00e1\U00010efd\u0323"),
        ("\U0001e4ee\U0001e4ec", "\U0001e4ee\U0001e4ec"),
        ("e\U0001e08f\u0323\u0302", "\u1eb9\U0001e08f\u0302"),
        # A mark of Unicode 16.0 is unassigned here, under every Python.
        ("\U0001e5ee\u0323", "\U0001e5ee\u0323"),
        ("a\U000105c9\u0307", "a\U000105c9\u0307"),
    ],
)
def test_characters_that_pythons_differ_in(text: str, expected: str) -> None:
    assert nfc(text) == expected
    assert nfc(nfd(text)) == nfc(text)


def test_later_characters_are_unassigned() -> None:
    """U+1C89 is a letter of Unicode 16.0, U+11F00 a mark of 15.0: equal tables give equal answers."""
    assert (category("\u1c89"), category("\U00011f00"), category("\U0001fae8")) == ("Cn", "Mn", "So")
    assert len(tables_digest()) == 64
    assert property_table("category").max() < len(CATEGORIES)
    with pytest.raises(KeyError):
        property_table("script")


def test_lists_of_invisible_characters_hold_each_other() -> None:
    kinds = property_table("category")
    formats = np.isin(kinds, [CATEGORIES.index(name) for name in ("Cf", "Mn", "Lo")])
    for characters in (IGNORABLE, INVISIBLE, MEANINGFUL):
        assert formats[class_mask(characters)].all()
    assert (class_mask(IGNORABLE) >= class_mask(MEANINGFUL)).all()
    assert (class_mask(IGNORABLE) == class_mask(OPTIONAL_IN_FONTS) | class_mask(TAGS)).all()
    assert class_mask("a-cx").sum() == 4 and class_mask("a-cx")[code_points("abcx")].all()


def test_letters_and_numbers_are_those_of_the_tables() -> None:
    """Equal to Python's own for the characters that every supported Python knows, and more for newer ones."""
    age = property_table("age")
    known = np.flatnonzero((age > 0) & (age <= 0xE0))  # Unicode 14, of Python 3.11
    pattern = re.compile(f"[{letters_and_numbers()}]")
    for char in map(chr, known.tolist()):
        assert is_letter(char) == char.isalpha() and is_decimal(char) == char.isdecimal()
        assert is_letter_or_number(char) == char.isalnum() == bool(pattern.match(char))
    for kawi in "\U00011f04\U00011f33":  # a letter of Unicode 15
        assert is_letter(kawi) and is_letter_or_number(kawi) and pattern.match(kawi)
