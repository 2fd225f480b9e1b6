# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Of characters drawn alike, those are read that the language of the line writes."""

import json
from functools import cache

import pytest

from modeling_tests.tools.unicode import FOLDER
from pixel_ar.reading.letters import LetterChoice, find_languages
from pixel_ar.reading.letters_data import LETTERS
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

# Country names of languages whose script Unifont draws, and the few that no line alone can tell: `ООН`.
NAMES: dict[str, list[str]] = json.loads((FOLDER / "country_names.json").read_text(encoding="utf-8"))
SHARED_ONLY = {
    "\u041e\u041e\u041d",
    "\u041e\u041d",
    "\u0397\u0392",
    "\u039f\u0397\u0395",
    "\u041e\u0440\u043e\u0441",
}


@cache
def renderer() -> StripRenderer:
    return StripRenderer(["unifont-16"])


@cache
def reader(language: str | None = None) -> StripReader:
    return StripReader(["unifont-16"], renderer=renderer(), language=language)


def read(text: str, language: str | None = None) -> str:
    return reader(language).read(renderer().render_bytes(text)).text


@pytest.mark.parametrize("code", sorted(NAMES))
def test_country_names_are_read_back(code: str) -> None:
    for name in NAMES[code]:
        if name not in SHARED_ONLY:
            assert read(name) == renderer().normalise(name).rstrip(" ")


@pytest.mark.parametrize("text", ["\u041e\u041e\u041d", "\u0421\u0410\u041e"])
def test_a_language_that_is_given_decides(text: str) -> None:
    assert read(text).isascii() and read(text, "ru") == text
    assert read(text, "ru-RU") == text


@pytest.mark.parametrize(
    "text",
    [
        "\u041e\u0431\u02bc\u0454\u0434\u043d\u0430\u043d\u0456 \u0415\u043c\u0456\u0440\u0430\u0442\u0438",
        "Don\u2019t say \u2018never\u2019 \u2013 it\u2019s \u201cold\u201d",
        "\u0110an M\u1ea1ch, \u0110\u1ed9c l\u1eadp",
        "\u00cdsland og \u00de\u00fdskaland, \u00d0E\u00d0",
        "\u04e9\u0440\u0433\u04e9\u043d \u0438\u0445",
        "\u0421\u0430\u043d-\u0424\u0440\u0430\u043d\u0446\u0438\u0441\u043a\u043e",
    ],
)
def test_words_keep_their_letters(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    ("language", "names"),
    [
        (
            "fa",
            "ایران|ایالات_متحده|کانادا|ترکیه|بریتانیا|جزایر_آلاند|کرهٔ_شمالی|اتحادیهٔ_اروپا|منطقهٔ_ویژهٔ_اداری_چین|عربستان_سعودی|جمهوری_چک|هند",
        ),
        (
            "ur",
            "پاکستان|بھارت|ریاست_ہائے_متحدہ_امریکہ|برطانیہ|جرمنی|کینیڈا|آذربائیجان|سعودی_عرب|فن_لینڈ",
        ),
    ],
)
def test_persian_and_urdu_letters_drawn_like_arabic_ones(language: str, names: str) -> None:
    """A name alone may be Arabic as well (yeh and kaf are drawn like theirs): the language that is given decides."""
    for name in names.replace("_", " ").split("|"):
        assert read(name, language) == renderer().normalise(name)


def test_languages_are_named_as_everywhere() -> None:
    assert find_languages("sr_latn") == ("sr-Latn",) and find_languages(["uk-UA", "en"]) == ("uk", "en")
    assert find_languages(None) == tuple(LETTERS)
    with pytest.raises(ValueError, match=r"no letters of a language 'ukr' are known; .* such as ur, uk"):
        StripReader(language="ukr")


def test_every_character_of_the_table_is_its_own_language_s() -> None:
    """A text in one language that is given comes back as it is, whatever else is drawn alike."""
    alike = {"\u0110": "\u0110\u00d0\u0189", "\u00d0": "\u00d0\u0110\u0189"}
    for language, char in (("vi", "\u0110"), ("is", "\u00d0")):
        assert LetterChoice(alike, (language,)).resolve("\u0110\u00d0") == char * 2
