# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Every script end to end: drawn, read back, no ink lost; and what becomes of what has no shape of its own.

The whole Universal Declaration: examples/unicode/languages.py.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from tools.paths import EXAMPLES
from tools.unicode import declarations, sample_font

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

sys.path.insert(0, str(EXAMPLES / "unicode"))
import languages

SCRIPTS = Path(languages.__file__).parent
CODES = sorted(declarations())
RIGHT_TO_LEFT = {"heb", "arb", "pes_1", "urd", "div"}
# Of the languages that may be read otherwise (see the table in examples/unicode), those whose samples are.
READ_OTHERWISE = {"hye", "mal", "pes_1", "sin", "ukr"}
SAMPLE_FONTS = {
    "hin": "Devanagari",
    "mar": "Devanagari",
    "nep": "Devanagari",
    "arb": "Arabic",
    "khm": "Khmer",
}


@pytest.mark.parametrize("code", CODES)
def test_languages_are_read_back(drawer: StripRenderer, reader: StripReader, code: str) -> None:
    differs = False
    for text in declarations()[code]:
        expected = drawer.normalise(text).rstrip(" ")
        found = reader.read(drawer.render_bytes(text))
        assert drawer.render_bytes(found.text) == drawer.render_bytes(expected)
        assert languages.fold(found.text, code) == languages.fold(expected, code)
        assert len(found.confidences) == len(found.text) == len(found.char_columns) - 1
        assert found.unreadable == 0
        differs |= found.text != expected
    assert differs == (code in READ_OTHERWISE)


def test_exceptions_are_explained() -> None:
    listed = {code for each in languages.EXCEPTIONS for code in each.languages}
    anywhere = {code for code in READ_OTHERWISE if code not in listed}
    assert anywhere == {"ukr"} and not languages.EXCEPTIONS[0].languages  # the hyphen of all languages
    assert listed <= set(languages.LANGUAGES) == set(CODES)
    assert languages.table_of_exceptions() in (SCRIPTS / "README.md").read_text(encoding="utf-8")


def test_an_alphabet_resolves_them(drawer: StripRenderer) -> None:
    """One alphabet for both: the Armenian characters, stops among them, and the Persian letters."""
    texts = [text for code in ("hye", "pes_1") for text in declarations()[code]]
    alphabet = set("".join(declarations()["hye"])) | {
        char for text in texts for char in text if char.isalpha()
    }
    reader = StripReader(["unifont-16"], "".join(sorted(alphabet)), renderer=drawer)
    for text in texts:
        found = reader.read(drawer.render_bytes(text)).text
        assert found.replace("\u2024", ".") == drawer.normalise(text).rstrip(" ").replace("\u2024", ".")
        assert "\u2024" in found or "\u2024" not in text


def test_a_prior_resolves_persian(drawer: StripRenderer) -> None:
    reader = StripReader(["unifont-16"], renderer=drawer, prior=CharacterPrior.fit(declarations()["pes_1"]))
    for text in declarations()["pes_1"]:
        assert reader.read(drawer.render_bytes(text)).text == drawer.normalise(text)


MIXED = [
    "{a} PDF 2.0 {b}",
    "{a} (1948) {b}.",
    "{a} 12,5 % {b}",
    "Article 3 of the Universal Declaration: {a} (see {b})",
    "שלום {a} 42 {b} עולם",
    "{a}/{b} - 10:30",
    "1948 {a} n = 3 + 4 {b}",
    "{a}, «{b}» [2]",
]


@pytest.mark.parametrize("code", CODES)
def test_lines_of_both_directions(drawer: StripRenderer, reader: StripReader, code: str) -> None:
    """Latin letters, digits and brackets in lines of all languages, and Hebrew around them."""
    text = declarations()[code][-1]
    words = text.split(" ") if text.count(" ") > 3 else [text[:6], text[6:9], text[9:12], text[12:15]]
    count = 0
    for template in MIXED:
        line = template.format(a=" ".join(words[:2]), b=" ".join(words[2:4]))
        expected, drawn = drawer.normalise(line), drawer.render_bytes(line)
        found = reader.read(drawn).text
        assert drawer.render_bytes(found) == drawn
        found, expected = (reader.canonical(languages.fold(each, code)) for each in (found, expected))
        assert found == expected or (template == MIXED[3] and code in RIGHT_TO_LEFT)
        count += found == expected
    assert count >= len(MIXED) - (code in RIGHT_TO_LEFT)


@pytest.mark.parametrize("code", sorted(SAMPLE_FONTS))
def test_no_ink_is_lost_in_a_line(code: str) -> None:
    """The ink of a line is that of its units drawn in 64 rows, where nothing could be cut off.

    Units higher than the strip are drawn smaller: then that of the largest smaller drawing that fits.
    """
    path = sample_font(SAMPLE_FONTS[code])
    font = ShapedFont(path)
    renderer = StripRenderer([font, "unifont-16"])
    shaper = renderer.shaper
    assert shaper is not None
    drawn_by_font = 0
    for text in map(renderer.normalise, declarations()[code]):
        total = 0
        for unit in shaper.pieces(text):
            if unit.source == font.name and any(unit.cell):
                drawn_by_font += 1
                total += ink_of(full_drawing(path, font, text[unit.start : unit.stop], code == "arb"))
            else:
                total += ink_of(unit.cell)
        assert ink_of(renderer.render_bytes(text)) == total > 300
    assert drawn_by_font > 30


def full_drawing(path: Path, font: ShapedFont, cluster: str, is_right: bool) -> bytes:
    """Draw a cluster in 64 rows, smaller if it has more than 16 rows with ink."""
    size = font.size
    while True:
        drawn = ShapedFont(path, height=64, size=size, baseline=32).draw(cluster, is_right)
        assert drawn is not None
        rows = np.flatnonzero(
            np.unpackbits(np.frombuffer(drawn, np.uint8).reshape(-1, 8), axis=1).any(axis=0)
        )
        if len(rows) == 0 or rows[-1] - rows[0] < 16:
            return drawn
        size = max(4, min(size - 0.5, size * 16 / (rows[-1] - rows[0] + 1)))


def ink_of(columns: bytes) -> int:
    return int.from_bytes(columns, "big").bit_count()


@pytest.mark.parametrize("code", [code for code in CODES if code not in RIGHT_TO_LEFT])
def test_cells_keep_their_ink(drawer: StripRenderer, code: str) -> None:
    """Every pixel of every character's own glyph is in its unit, moved by whole half-cells at most."""
    atlas = GlyphAtlas.load("unifont-16")
    shaper = drawer.shaper
    assert shaper is not None
    text = drawer.normalise(declarations()[code][0])[:80]
    for unit in shaper.pieces(text):
        cluster = text[unit.start : unit.stop]
        if not unit.source:  # a box
            continue
        inks = [ink_of(atlas.glyph(atlas.index(char))) for char in cluster if atlas.index(char) >= 0]
        assert (
            max(inks, default=0) <= ink_of(unit.cell) <= max(sum(inks), 1)
            or "\u0dda" <= cluster[-1] <= "\u0ddf"
        )


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("国、「語」。", "国、「語」。"),  # no vertical forms, no rotation: as typed
        ("︙｜︵", "︙｜︵"),  # vertical forms are characters of their own
        ("\uf900\u2f00", "豈\u2f00"),  # compatibility ideographs as NFC has them, radicals as they are
        ("葛\U000e0100", "葛"),  # variants without a font that has them
        ("か\u3099", "が"),
        ("あ\u3099", "あ\u3099"),
        ("ｱﾞＡ", "ｱﾞＡ"),
        ("\u1112\u1161\u11ab", "한"),
        ("\u1112\u119e\u11ab글", "\u1112\u119e\u11ab글"),  # an old syllable, from three jamo
        ("\ub38c\u11f0", "\ub38c\u11f0"),  # a syllable of today with an old final
        ("ㅎㅏㄴ", "ㅎㅏㄴ"),
        ("👍🏽!", "👍🏽!"),
        ("👩\u200d💻", "👩💻"),  # side by side without a font that joins them
        ("❤\ufe0f1\ufe0f\u20e3", "❤1\u20e3"),
        ("🇩🇪", "🇩🇪"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴"),
    ],
)
def test_east_asia_and_emoji(drawer: StripRenderer, reader: StripReader, text: str, normal: str) -> None:
    assert drawer.normalise(text) == normal == drawer.normalise(normal)
    drawn = drawer.render_bytes(text)
    assert drawn == drawer.render_bytes(normal) and reader.read(drawn).text == normal
    strip = drawer.render(text)
    assert strip.num_columns == sum(len(unit.cell) // 2 for unit in drawer.shaper.pieces(normal))  # type: ignore[union-attr]


def test_jamo_are_one_cell(drawer: StripRenderer) -> None:
    for text in ("\u1112\u119e\u11ab", "\u1112\u119e", "\ub38c\u11f0", "한"):
        assert drawer.measure(text) == 16
    assert drawer.measure("\u115f\u1161") == 16  # a filler holds a consonant's place
    assert drawer.measure("字　字") == 48 and drawer.measure("👍🏽") == 32
    assert drawer.render_bytes("\u1112\u1161\u11ab") == drawer.render_bytes("한")


def test_blanks_of_east_asia_are_read_as_spaces(drawer: StripRenderer, reader: StripReader) -> None:
    assert reader.read(drawer.render_bytes("中　文")).text == "中  文"
