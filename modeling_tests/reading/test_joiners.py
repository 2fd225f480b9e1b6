# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Joined letters: joiners from forms, letters of Arabic, Persian and Urdu."""

import pytest
from tools.unicode import declarations

from pixel_ar.reading.joiners import as_persian, form_mask, likelier_letters, restore_joiners
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer


@pytest.fixture(scope="module")
def renderer() -> StripRenderer:
    return StripRenderer(["unifont-16"], unsupported="cells")


@pytest.fixture(scope="module")
def reader(renderer: StripRenderer) -> StripReader:
    return StripReader(["unifont-16"], renderer=renderer)


@pytest.mark.parametrize(
    "text",
    [
        "نمی\u200cشود گفت",  # kept apart
        "ل\u200cا",  # not one glyph
        "ه\u200d ب",  # a medial form with nothing after it
        "بِ\u200cت",
        "«سلام»",
        "لا إله",
        "ا ب",
    ],
)
def test_joiners_are_seen(renderer: StripRenderer, reader: StripReader, text: str) -> None:
    found = reader.read(renderer.render_bytes(text))
    assert found.text == renderer.normalise(text)
    assert len(found.confidences) == len(found.text) == len(found.char_columns) - 1


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("ا\u200cب", "اب"),  # alef joins nothing after it
        ("ب\u200dت", "بت"),
        ("র\u200cই", "রই"),
        ("ണ്\u200c.", "ണ്."),
        ("ന്\u200d", "ന്\u200d"),
        ("क्\u200cष", "क्\u200cष"),
        ("क्\u200dष", "क्\u200dष"),
        ("می\u200cشود", "می\u200cشود"),
    ],
)
def test_joiners_without_a_shape_are_normalised_away(renderer: StripRenderer, typed: str, drawn: str) -> None:
    assert renderer.normalise(typed) == drawn == renderer.normalise(drawn)
    assert renderer.render_bytes(typed) == renderer.render_bytes(drawn)


def test_forms() -> None:
    assert [form_mask(char) for char in "\ufe8f\ufe90\ufe91\ufe92aب"] == [1, 2, 4, 8, 0, 0]
    assert restore_joiners("بت", [1, 0], [1, 1]) == ("ب\u200cت", [1, 1, 0])
    assert restore_joiners("بت", [1, 0], [2, 4]) == ("بت", [1, 0])
    assert restore_joiners("ب", [0], [4]) == ("ب\u200d", [0, 0])
    assert restore_joiners("ب", [0], [2]) == ("\u200dب", [0, 0])
    assert restore_joiners("", [], []) == ("", [])


def test_letters_of_languages() -> None:
    assert as_persian("كتاب گلى") == "کتاب گلی" and as_persian("كتاب") == "كتاب"
    assert as_persian("ہ كه") == "ہ کہ"
    prior = CharacterPrior.fit(declarations()["pes_1"])
    arabic = CharacterPrior.fit(declarations()["arb"])
    assert likelier_letters("كس", lambda text: b"", prior) == "کس"
    assert (
        likelier_letters("كس", lambda text: b"", arabic)
        == "كس"
        == likelier_letters("كس", lambda text: b"", None)
    )
    # Words that are not drawn alike stay.
    assert likelier_letters("كس", lambda text: text.encode(), prior) == "كس"
