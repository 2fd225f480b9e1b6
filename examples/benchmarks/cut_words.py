# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words cut into units: the glyphs of the units against those of the whole words, in the fonts of every script.

    apt-get install unicode-cldr-core fonts-noto-core
    python examples/benchmarks/cut_words.py /usr/share/unicode/cldr/common/main --fonts /usr/share/fonts/truetype/noto

The words are those of the names of countries, languages, scripts, months and days of Unicode's CLDR in all its
languages, but the ones in plain Latin letters. Each is drawn with every font that has all of its characters. A font
that looks over a cut draws other glyphs for the parts than for the word, as HarfBuzz shapes it: these are counted, and
words drawn otherwise in a line than cut. Letters that are not shaped at all (Latin, Greek, Cyrillic and the like) are
drawn one by one in every line, so that a font's ligatures of `f` and `i` remain: eight words with letters under marks.
"""

import argparse
import json
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.bidi import embedding_levels

TAGS = ("territory", "language", "month", "day", "script")
PARTS = re.compile(r"[\s()\-/,.;:·’'\"«»\[\]]+")
# Other cuts of the same designs, and what holds no letters.
SAMPLED = 12  # words of a font, or up to so many
NOT_TEXT = ("Mono", "Display", "UI", "Symbols", "Math", "Color", "Slanted", "Looped")


def words_of(folder: Path) -> dict[str, set[str]]:
    """The words of each file of CLDR.

    Args:
        folder: `common/main` of CLDR, one XML file a locale.
    """
    words: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.xml")):
        root = ElementTree.parse(path).getroot()
        texts = [element.text or "" for tag in TAGS for element in root.iter(tag)]
        found = {word for text in texts if len(text) < 60 for word in PARTS.split(text)}
        words[path.stem] = {word for word in found if any(ord(char) > 0x2FF for char in word)}
    return words


def cut_words(font: ShapedFont, words: list[str]) -> tuple[list[str], list[str]]:
    """The words that a font draws, and those of them whose units have other glyphs than the whole."""
    renderer = StripRenderer([font, "unifont-16"], missing="hexbox", unsupported="cells")
    shaper = renderer.shaper
    assert shaper is not None
    checked, wrong = [], []
    for word in words:
        text = renderer.normalise(word) if font.covers(word) else ""
        if not text or not font.covers(text):
            continue
        levels, base = embedding_levels(text)
        if {level for level in levels if level >= 0} - {base}:
            continue  # parts of two directions are never shaped together
        pieces = shaper.pieces(text)
        if any(piece.source != font.name for piece in pieces if any(piece.cell)):
            continue  # Unifont draws some of it
        is_right = base == 1
        units = [font.glyph_numbers(text[piece.start : piece.stop], is_right) for piece in pieces]
        whole = font.glyph_numbers(text, is_right)
        checked.append(word)
        parts = b"".join([piece.cell for piece in pieces])
        if sum(units[::-1] if is_right else units, ()) != whole or renderer.render_bytes(text) != parts:
            wrong.append(word)
    return checked, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Glyphs of units against glyphs of words, script by script.")
    parser.add_argument("words", type=Path, help="common/main of CLDR")
    parser.add_argument("--fonts", type=Path, required=True, help="folder of TrueType and OpenType fonts")
    parser.add_argument("--only", nargs="*", default=[], help="names of fonts, such as NotoSansBengali")
    parser.add_argument(
        "--sample", type=Path, help="write some words of each font to a JSON file, for the tests"
    )
    options = parser.parse_args()
    by_locale = words_of(options.words)
    words = sorted(set().union(*by_locale.values()))
    print(
        f"{sum(map(len, by_locale.values()))} words of {len(by_locale)} locales, {len(words)} different ones"
    )
    began, total, faults = time.process_time(), 0, 0
    drawn: set[str] = set()
    sample: dict[str, list[str]] = {}
    for path in sorted(options.fonts.glob("*-Regular.?tf")):
        name = path.name.removesuffix("-Regular.ttf").removesuffix("-Regular.otf")
        if any(part in name for part in NOT_TEXT) or (options.only and name not in options.only):
            continue
        font = ShapedFont(path)
        codes = set(font.code_points.tolist())
        fitting = [
            word
            for word in words
            if all(ord(char) in codes or ord(char) in (0x200C, 0x200D) for char in word)
        ]
        if not fitting:
            continue
        checked, wrong = cut_words(font, fitting)
        total, faults = total + len(checked), faults + len(wrong)
        drawn.update(checked)
        sample[name] = checked[:: len(checked) // SAMPLED + 1]
        print(f"{name:32} {len(checked):6} words {len(wrong):4} wrong {' '.join(wrong[:5])}", flush=True)
    if options.sample is not None:
        rows = json.dumps(sample, ensure_ascii=False, separators=(",", ":")).replace('],"', '],\n"')
        options.sample.write_text(rows + "\n", encoding="utf-8")
    seconds = time.process_time() - began
    print(
        f"{total} words in their fonts, {len(drawn)} of {len(words)} different ones: {faults} wrong, {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
