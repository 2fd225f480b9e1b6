# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words cut into units: what a font draws for the units is what it draws for the word, as HarfBuzz shapes it."""

import json
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tools.unicode import FOLDER, declarations, sample_font

from pixel_ar.fonts.cutting import ShapedText, uncut_bounds
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.bidi import embedding_levels
from pixel_ar.text.marks import normalise_marks
from pixel_ar.text.normalization import nfc
from pixel_ar.text.properties import category, is_mark

NOTO = Path("/usr/share/fonts/truetype/noto")  # of Debian's package fonts-noto-core, where it is installed
SAMPLES = {"Devanagari": ("hin", "mar", "nep"), "Khmer": ("khm",), "Arabic": ("arb", "pes_1", "urd")}
# Fonts of scripts with marks that hardly ever stand together.
RARE_MARKS = (
    "NotoSansBengali",
    "NotoSansGujarati",
    "NotoSerifMyanmar",
    "NotoSerifTibetan",
    "NotoSansDevanagari",
)
# Words in which a font looks from one cluster to the next.
ACROSS = {
    "NotoSansBengali": ["রেখে", "ডেমোটিক", "নবেম্বর", "য়ুনাইটেদ"],
    "NotoSansSinhala": ["ක්\u200dරි", "බුද්\u200dධ", "ශ්\u200dරී"],
    "NotoSansTamil": ["\u0bb6\u0bcd\u0bb0\u0bc0", "ஸ்ரீ", "க்ஷ"],
    "NotoSansMongolian": ["ᠠᠮᠢᠨ\u180eᠠ", "ᠬᠦᠮᠦᠨ"],
    "NotoSansAdlam": ["𞤀𞥄𞤩𞤵𞤲𞥋𞤣𞤫", "𞤆𞤵𞤤𞤢𞤪"],
    "NotoSansNKo": ["ߒߞߏ", "ߓߊ߬ߡߊ߲"],
    "NotoSansSyriac": ["ܐܪܡܝܐ", "ܣܘܪܝܝܐ", "ܕܐ"],
    "NotoNastaliqUrdu": ["ازبیک", "فریولیائی", "ساندویچی", "ايموجي"],
    "NotoSerifTibetan": ["ཨོཤི་ཡཱན་ན་གྱི་མཐའ་མཚམས", "ལྷོའི་ཨེ་ཤི་ཡ"],
}


def check_words(path: Path, words: list[str]) -> int:
    """Check the words that a font covers; how many there were."""
    font = ShapedFont(path)
    renderer = StripRenderer([font, "unifont-16"], missing="hexbox", unsupported="cells")
    shaper, count = renderer.shaper, 0
    assert shaper is not None
    for word in map(renderer.normalise, words):
        levels, base = embedding_levels(word)
        if not font.covers(word) or {level for level in levels if level >= 0} - {base}:
            continue
        units = shaper.pieces(word)
        alone = [glyph for unit in units for glyph in _glyphs(font, word[unit.start : unit.stop], base == 1)]
        assert alone == _glyphs(font, word, base == 1), word
        # Line by line and unit by unit are one way.
        assert renderer.render_bytes(word) == b"".join(unit.cell for unit in units)
        count += 1
    return count


def _glyphs(font: ShapedFont, text: str, is_right: bool) -> list[int]:
    glyphs = font.shape(text, is_right).glyphs
    return list(glyphs[::-1] if is_right else glyphs)


@pytest.mark.parametrize("name", SAMPLES)
def test_units_have_the_glyphs_of_their_words(name: str) -> None:
    words = {word for code in SAMPLES[name] for text in declarations()[code] for word in text.split()}
    assert check_words(sample_font(name), sorted(words)) > 20


@pytest.mark.parametrize("name", ACROSS)
def test_fonts_that_look_across(name: str) -> None:
    path = NOTO / f"{name}-Regular.ttf"
    if not path.is_file():
        pytest.skip("the Noto fonts are not installed")
    assert check_words(path, ACROSS[name]) == len(ACROSS[name])


def test_words_of_every_script() -> None:
    """A dozen words of CLDR for each font that has them; examples/benchmarks/cut_words.py looks at all."""
    words = json.loads((FOLDER / "script_words.json").read_text(encoding="utf-8"))
    fonts = {name: path for name in words if (path := NOTO / f"{name}-Regular.ttf").is_file()}
    if not fonts:
        pytest.skip("the Noto fonts are not installed")
    for name, path in fonts.items():
        assert check_words(path, words[name]) == len(words[name])


@pytest.mark.parametrize("beside", ["שלום", "हिन्दी"])
@pytest.mark.parametrize(
    ("name", "word"), [("NotoSans", "office"), ("NotoSerifArmenian", "\u0578\u0582\u0580")]
)
def test_a_word_looks_the_same_in_every_line(name: str, word: str, beside: str) -> None:
    """Whether a font's ligature is used depends on the letters, not on what else stands in the line."""
    path = NOTO / f"{name}-Regular.ttf"
    if not path.is_file():
        pytest.skip("the Noto fonts are not installed")
    renderer = StripRenderer([path, "unifont-16"], missing="hexbox", unsupported="cells")
    assert renderer.render_bytes(word) in renderer.render_bytes(f"{word} {beside}")
    assert renderer.shaper is not None
    assert len(renderer.shaper.pieces(word)) == len(word) - (name == "NotoSerifArmenian")


def test_cuts_where_the_parts_differ() -> None:
    """A made-up script: `b` is 2, but 9 after an `a`; `c` changes all before it; `k` is kerned, no more."""

    def glyphs(text: str) -> tuple[int, ...]:
        found = ["abck".index(char) + 1 for char in text]
        found = [9 if i and text[i - 1 : i + 1] == "ab" else number for i, number in enumerate(found)]
        return tuple(7 if "c" in text[i + 1 :] else number for i, number in enumerate(found))

    def uncut(text: str, safe: str = "") -> set[int]:
        whole = ShapedText(glyphs(text), tuple(range(len(text))), tuple(char in safe for char in text))
        return uncut_bounds(text, range(len(text) + 1), whole, glyphs)

    assert uncut("kkk") == set() and uncut("kabk") == {2} and uncut("abab") == {1, 3}
    assert uncut("kkc") == {1, 2} and uncut("kkck") == {1, 2}
    assert uncut("kabk", safe="kb") == {2}  # said to be safe, and is not
    assert uncut("abkk", safe="k") == {1}
    assert uncut("ab" * 500 + "c") == set(range(1, 1001))


def test_lam_and_alef_join_over_marks() -> None:
    """The ligature with its mark, as without the mark; in words, too, and remembered together."""
    for words in (["لَا", "لا"], ["السَّلَام", "السّلام"], ["بِلَادٍ", "بِلادٍ"], ["لَّا", "لّا"]):
        renderer = StripRenderer(["unifont-16"])
        marked, plain = (np.frombuffer(renderer.render_bytes(word), np.uint8) for word in words)
        assert len(marked) == len(plain) and (marked & plain == plain).all()
        together = StripRenderer(["unifont-16"])
        together.remember([" ".join(words * 20)])
        assert [strip.columns for strip in together.render_batch(words)] == [
            marked.tobytes(),
            plain.tobytes(),
        ]


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("Devanagari", "क"),
        ("Gujarati", "ક"),
        ("Khmer", "ក"),
        ("Myanmar", "က"),
        ("Sinhala", "ක"),
        ("Telugu", "క"),
    ],
)
def test_sorting_marks_makes_no_dotted_circle(name: str, letter: str) -> None:
    path = NOTO / f"NotoSans{name}-Regular.ttf"
    if not path.is_file():
        pytest.skip("the Noto fonts are not installed")
    font = ShapedFont(path)
    marks = [chr(code) for code in font.code_points.tolist() if is_mark(chr(code)) and code > 0x370]
    (circle,) = font.shape("\u25cc", False).glyphs
    count = 0
    for pair in product(marks, repeat=2):
        typed = nfc(letter + "".join(pair))
        ordered = normalise_marks(typed)
        assert normalise_marks(ordered) == ordered
        if ordered != typed and circle not in font.shape(typed, False).glyphs:
            assert circle not in font.shape(ordered, False).glyphs, ascii(typed)
            count += 1
    assert count > 0


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("NotoSansGujarati", "\u0a95\u0afd\u0ae3\u0afb"),  # nuktas around a vowel sign
        ("NotoSansMyanmar", "\u1000\uaa7d\u102c\u102d"),
        ("NotoSerifBengali", "\u099b\u09fe\u0983\u1cd8\u0995"),  # marks of two scripts
        ("NotoSerifDevanagari", "\u0925\u0953\u0901\u1ce3"),
    ],
)
def test_an_order_that_a_font_does_not_draw_is_left_as_typed(name: str, word: str) -> None:
    """The marks are in order in cells; where a font would then draw a dotted circle, they stay."""
    path = NOTO / f"{name}-Regular.ttf"
    if not path.is_file():
        pytest.skip("the Noto fonts are not installed")
    font = ShapedFont(path)
    renderer = StripRenderer([font, "unifont-16"], missing="hexbox", unsupported="cells")
    (circle,) = font.glyph_numbers("\u25cc", False)
    assert circle in font.glyph_numbers(normalise_marks(word), False)
    assert renderer.normalise(word) == renderer.normalise(renderer.normalise(word)) == nfc(word)
    assert circle not in font.glyph_numbers(nfc(word), False)
    assert StripRenderer(["unifont-16"], unsupported="cells").normalise(word) == normalise_marks(word)


def test_marks_left_as_typed_are_read_so() -> None:
    path, word = NOTO / "NotoSansGujarati-Regular.ttf", "\u0a95\u0afd\u0ae3\u0afb"
    if not path.is_file():
        pytest.skip("the Noto fonts are not installed")
    renderer = StripRenderer([path, "unifont-16"], missing="hexbox", unsupported="cells")
    reader = StripReader([path, "unifont-16"], renderer=renderer)
    reader.learn([word])
    assert reader.read(renderer.render_bytes(word)).text == word


def test_sorting_random_marks_makes_no_dotted_circle() -> None:
    draw, changed = Random(0), 0
    for path in sorted(NOTO.glob("NotoS*-Regular.ttf")):
        if path.name.removesuffix("-Regular.ttf") not in RARE_MARKS:
            continue
        font = ShapedFont(path)
        shaper = StripRenderer([font, "unifont-16"], missing="hexbox", unsupported="cells").shaper
        assert shaper is not None
        (circle,) = font.glyph_numbers("\u25cc", False)
        characters = [chr(code) for code in font.code_points.tolist() if code > 0x590]
        marks = [char for char in characters if is_mark(char)]
        letters = [char for char in characters if category(char) == "Lo"]
        for _ in range(300):
            typed = letters[len(letters) // 3] + "".join(draw.choices(marks, k=draw.randint(2, 4)))
            ordered = shaper.normalise(typed)
            before, after = (font.glyph_numbers(text, False).count(circle) for text in (typed, ordered))
            assert after <= before and shaper.normalise(ordered) == ordered, ascii(typed)
            changed += ordered != typed
    if not changed:
        pytest.skip("the Noto fonts are not installed")
    assert changed > 500


def test_the_killer_stays_before_burmese_vowels() -> None:
    for text in ("\u1014\u103a\u102f", "\u1016\u1031\u102c\u103a", "\u1004\u103a\u1039\u1002"):
        assert normalise_marks(text) == text


def test_a_tone_of_skin_before_a_joiner_is_one_picture() -> None:
    renderer = StripRenderer(["unifont-16", FOLDER / "colors-layers.ttf"], missing="hexbox")
    text = "\U0001f469\U0001f3fd\u200d\U0001f4bb"
    assert renderer.normalise(text) == text and renderer.shaper is not None
    assert len(renderer.shaper.pieces(text)) == 1
    # A joiner after what is no picture changes nothing, and goes.
    assert renderer.normalise("a\ufe0f\u200d\U0001f4bb") == "a\ufe0f\U0001f4bb"
