# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The letters of languages: writes src/pixel_ar/reading/letters_data.py from Unicode's CLDR.

    npm pack cldr-core cldr-misc-full        # 48.2.0; or any copy of the two packages
    python examples/unicode/build_letters.py --core FOLDER/cldr-core --misc FOLDER/cldr-misc-full

Of every language: the characters that its words are written with (`exemplarCharacters`), those of loans
(`auxiliary`), and its punctuation, each without scripts that have no letters like those of others. Of the letters of
ASCII only `a` is kept, which stands for all of them.
Languages are sorted by the number of people who use them (`territoryInfo`), so that a line that several fit is given to
the most widespread one. Unicode License v3, whose text the table carries.
"""

import argparse
import json
import re
from pathlib import Path

HEADER = '''# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Letters of languages, of Unicode's CLDR {version}. Written by examples/unicode/build_letters.py; not edited by hand.

The data below, unlike the file around it, is Copyright (c) 2004-2026 Unicode, Inc., and under this licence:

{license}
"""

CLDR_VERSION = "{version}"
# Language and script -> letters, letters of loans, punctuation; the most widespread language first.
LETTERS: dict[str, tuple[str, str, str]] = {{
'''
# Beyond these, letters of different scripts are not drawn alike.
RANGES = (
    (0xA0, 0x58F),
    (0x10A0, 0x10FF),
    (0x13A0, 0x13FF),
    (0x1C80, 0x1CBF),
    (0x1E00, 0x20CF),
    (0x2100, 0x214F),
)
RANGES += ((0x2C60, 0x2C7F), (0xA640, 0xA69F), (0xA720, 0xA7FF), (0xAB30, 0xABBF))


def characters(pattern: str) -> list[str]:
    """The characters of a set of CLDR: `[a á {ch} \\\\u0331 \\\\-]`, ranges included."""
    text = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), pattern.strip()[1:-1])
    text = re.sub(r"\\\\?([^\s])-([^\s\]])", spread, text) if re.search(r"[^\s\\]-[^\s]", text) else text
    found = [char for char in text if char not in " {}[]\\"]
    return list(dict.fromkeys(found))


def spread(match: "re.Match[str]") -> str:
    """A range, written out."""
    first, last = ord(match[1]), ord(match[2])
    return " ".join(map(chr, range(first, last + 1))) if first < last < first + 600 else match[0]


def letters(chars: list[str]) -> str:
    """Both cases of those in range, each once."""
    both = [form for char in chars for form in (char, char.upper(), char.title()) if len(form) == 1]
    kept = {char for char in both if char == "a" or any(low <= ord(char) <= high for low, high in RANGES)}
    return "".join(sorted(kept))


def speakers(core: Path) -> dict[str, float]:
    """People by language."""
    info = json.loads((core / "supplemental/territoryInfo.json").read_text(encoding="utf-8"))
    found: dict[str, float] = {}
    for territory in info["supplemental"]["territoryInfo"].values():
        for language, use in territory.get("languagePopulation", {}).items():
            count = float(territory["_population"]) * float(use["_populationPercent"]) / 100
            code = language.replace("_", "-")
            found[code] = found.get(code, 0.0) + count
    return found


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Letters of languages from Unicode's CLDR.")
    parser.add_argument("--core", type=Path, required=True, help="folder of the npm package cldr-core")
    parser.add_argument("--misc", type=Path, required=True, help="folder of the npm package cldr-misc-full")
    options = parser.parse_args()
    version = json.loads((options.core / "package.json").read_text(encoding="utf-8"))["version"]
    people = speakers(options.core)
    rows: dict[str, tuple[str, str, str]] = {}
    for path in sorted((options.misc / "main").glob("*/characters.json")):
        locale = path.parent.name
        if re.search(r"-([A-Z]{2}|[0-9]{3}|[a-z0-9]{5,8})\b", locale):  # of a country, not of a language
            continue
        data = json.loads(path.read_text(encoding="utf-8"))["main"][locale]["characters"]
        kinds = ("exemplarCharacters", "auxiliary", "punctuation")
        own, loans, signs = (letters(characters(data.get(kind, "[]"))) for kind in kinds)
        # Those of other scripts have no letters here, but their signs.
        if own or loans or signs:
            rows[locale] = own, "".join(char for char in loans if char not in own), signs
    order = sorted(rows, key=lambda locale: (-people.get(locale, 0.0), locale))
    license_text = (options.core / "LICENSE").read_text(encoding="utf-8").strip().replace("\\", "\\\\")
    lines = [f"    {locale!r}: {rows[locale]!r},\n" for locale in order]
    text = HEADER.format(version=version, license=license_text) + "".join(lines) + "}\n"
    target = Path(__file__).parents[2] / "src/pixel_ar/reading/letters_data.py"
    target.write_text(text, encoding="utf-8")
    print(f"{target}: {len(order)} languages, {len(text)} characters")


if __name__ == "__main__":
    main()
