# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Build `src/pixel_ar/text/unicode_data.py` from the files of the Unicode Character Database.

    apt-get install unicode-data
    python examples/unicode/build_tables.py /usr/share/unicode

Python's own `unicodedata` lacks most of these properties, and its version changes with that of Python; strips must not.
"""

import argparse
import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pixel_ar.text.properties import BIDI_CLASSES, CATEGORIES, GRAPHEME_CLASSES, JOINING_TYPES

TARGET = Path(__file__).parents[2] / "src" / "pixel_ar" / "text" / "unicode_data.py"
BIDI_NAMES = {
    "Left_To_Right": "L",
    "Right_To_Left": "R",
    "Arabic_Letter": "AL",
    "European_Terminator": "ET",
    "Boundary_Neutral": "BN",
}
# Of IndicSyllabicCategory.txt and IndicPositionalCategory.txt, what clusters are built from.
LINKERS, CONSONANTS = (
    {"Virama", "Invisible_Stacker"},
    {"Consonant", "Consonant_Dead", "Consonant_With_Stacker"},
)
LEFT = {"Left"}

HEADER = '''# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Tables of Unicode {version}, compressed. What they hold: text/properties.py, which reads them.

Made by examples/unicode/build_tables.py from the Unicode Character Database (Unicode License v3); do not edit.
"""

UNICODE_VERSION = "{version}"
'''


def entries(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """(first, last, further fields) of every data line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.split("#")[0].split(";")]
        if len(fields) > 1:
            first, _, last = fields[0].partition("..")
            yield int(first, 16), int(last or first, 16), fields[1:]


def build(folder: Path) -> tuple[str, dict[str, np.ndarray], dict[str, str]]:
    """Read the version, the tables with an entry for every code point, and the texts."""
    derived = folder / "extracted" / "DerivedBidiClass.txt"
    lines = derived.read_text(encoding="utf-8").splitlines()
    version = re.search(r"-([\d.]+)\.txt", lines[0]).group(1)
    names = ("bidi", "grapheme", "joining", "indic", "category", "combining", "age")
    tables = {name: np.zeros(0x110000, np.uint8) for name in names}
    for line in lines:  # the classes of code points that are not assigned yet
        if match := re.match(r"# @missing: (\w+)\.\.(\w+); (\w+)", line):
            kind = BIDI_NAMES.get(match[3], match[3])
            tables["bidi"][int(match[1], 16) : int(match[2], 16) + 1] = BIDI_CLASSES.index(kind)
    for first, last, (kind, *_) in entries(derived):
        tables["bidi"][first : last + 1] = BIDI_CLASSES.index(kind)
    for first, last, (kind, *_) in entries(folder / "auxiliary" / "GraphemeBreakProperty.txt"):
        tables["grapheme"][first : last + 1] = GRAPHEME_CLASSES.index(kind)
    for first, last, (kind, *_) in entries(folder / "emoji" / "emoji-data.txt"):
        if kind == "Extended_Pictographic":
            tables["grapheme"][first : last + 1] += 128
    for first, last, (kind, *_) in entries(folder / "extracted" / "DerivedJoiningType.txt"):
        tables["joining"][first : last + 1] = JOINING_TYPES.index(kind)
    for first, last, (kind, *_) in entries(folder / "IndicSyllabicCategory.txt"):
        value = (
            1 if kind in LINKERS else 2 if kind in CONSONANTS else 4 if kind == "Consonant_Subjoined" else 0
        )
        tables["indic"][first : last + 1] = value
    for first, last, (kind, *_) in entries(folder / "IndicPositionalCategory.txt"):
        if kind in LEFT:
            tables["indic"][first : last + 1] = 3
    for first, last, (kind, *_) in entries(folder / "extracted" / "DerivedGeneralCategory.txt"):
        tables["category"][first : last + 1] = CATEGORIES.index(kind)
    for first, last, (kind, *_) in entries(folder / "extracted" / "DerivedCombiningClass.txt"):
        tables["combining"][first : last + 1] = int(kind)
    tables["age"][:] = 255
    for first, last, (version_of, *_) in entries(folder / "DerivedAge.txt"):
        major, minor = map(int, version_of.split("."))
        tables["age"][first : last + 1] = 16 * major + minor
    # A spacing mark that has no other part in a cluster.
    is_spacing = tables["category"] == CATEGORIES.index("Mc")
    tables["indic"][is_spacing & (tables["indic"] == 0)] = 5
    mirrors = "".join(
        chr(first) + chr(int(other, 16)) for first, _, (other, *_) in entries(folder / "BidiMirroring.txt")
    )
    brackets = "".join(
        chr(first) + chr(int(other, 16))
        for first, _, (other, kind) in entries(folder / "BidiBrackets.txt")
        if kind == "o"
    )
    texts = {"MIRRORS": mirrors, "BRACKETS": brackets, "DECOMPOSITIONS": "\n".join(decompositions(folder))}
    return version, tables, texts


def decompositions(folder: Path) -> Iterator[str]:
    """Canonical decompositions, and the presentation forms of Arabic: character, kind of a form or nothing, parts."""
    for first, _, fields in entries(folder / "UnicodeData.txt"):
        kind, _, parts = fields[4].rpartition("> ")
        is_form = 0xFB50 <= first <= 0xFEFF and kind in ("<isolated", "<final", "<initial", "<medial")
        if parts and (not kind or is_form):
            letters = "".join(chr(int(code, 16)) for code in parts.split())
            yield f"{chr(first)}\t{kind[1:]}\t{letters}"


def pack(data: bytes, indent: str) -> str:
    """Write bytes as a tuple of string literals."""
    text = base64.b85encode(zlib.compress(data, 9)).decode()
    pieces = [text[start : start + 100] for start in range(0, len(text), 100)]
    return "".join(f'{indent}    "{piece}",\n' for piece in pieces)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the Unicode Character Database")
    version, tables, texts = build(parser.parse_args().folder)
    source = HEADER.replace("{version}", version) + "# fmt: off\nTABLES = {\n"
    for name, table in tables.items():
        source += f'    "{name}": (\n{pack(table.tobytes(), "    ")}    ),\n'
    source += "}\n"
    for name, text in texts.items():
        source += f"{name} = (\n{pack(text.encode(), '')})\n"
    TARGET.write_text(source + "# fmt: on\n", encoding="utf-8")
    print(f"{TARGET.name}: Unicode {version}, {len(source)} bytes")


if __name__ == "__main__":
    main()
