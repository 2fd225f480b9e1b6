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

TARGET = Path(__file__).parents[2] / "src" / "pixel_ar" / "text" / "unicode_data.py"
BIDI = [
    "L",
    "R",
    "AL",
    "EN",
    "ES",
    "ET",
    "AN",
    "CS",
    "NSM",
    "BN",
    "B",
    "S",
    "WS",
    "ON",
    "LRE",
    "LRO",
    "RLE",
    "RLO",
    "PDF",
    "LRI",
    "RLI",
    "FSI",
    "PDI",
]
BIDI_NAMES = {
    "Left_To_Right": "L",
    "Right_To_Left": "R",
    "Arabic_Letter": "AL",
    "European_Terminator": "ET",
    "Boundary_Neutral": "BN",
}
GRAPHEME = [
    "Other",
    "CR",
    "LF",
    "Control",
    "Extend",
    "ZWJ",
    "Regional_Indicator",
    "Prepend",
    "SpacingMark",
    "L",
    "V",
    "T",
    "LV",
    "LVT",
]
JOINING = ["U", "C", "D", "L", "R", "T"]
# Of IndicSyllabicCategory.txt and IndicPositionalCategory.txt, what clusters are built from.
LINKERS, CONSONANTS = (
    {"Virama", "Invisible_Stacker"},
    {"Consonant", "Consonant_Dead", "Consonant_With_Stacker"},
)
LEFT = {"Left"}

HEADER = '''# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Character properties of Unicode {version}, the same under every Python.

Made by examples/unicode/build_tables.py from the Unicode Character Database (Unicode License v3); do not edit.
"""

import base64
import zlib
from functools import cache

import numpy as np

UNICODE_VERSION = "{version}"
BIDI_CLASSES = {bidi!r}
GRAPHEME_CLASSES = {grapheme!r}
JOINING_TYPES = {joining!r}
# Values of the table `indic`; 0 for all others.
LINKER, CONSONANT, LEFT_VOWEL, SUBJOINED, SPACING_MARK = 1, 2, 3, 4, 5


@cache
def property_table(name: str) -> np.ndarray:
    """Return a property of every code point.

    Args:
        name: `"bidi"` (index in `BIDI_CLASSES`), `"grapheme"` (in `GRAPHEME_CLASSES`; 128 is added for
            Extended_Pictographic), `"joining"` (in `JOINING_TYPES`) or `"indic"`.

    Returns:
        uint8 `[0x110000]`, read-only.

    Raises:
        KeyError: for another name.
    """
    return np.frombuffer(zlib.decompress(base64.b85decode("".join(_TABLES[name]))), np.uint8)


@cache
def mirror_map() -> dict[str, str]:
    """Return the mirror image of every character that has one (BidiMirroring.txt)."""
    return _pairs(_MIRRORS)


@cache
def bracket_pairs() -> dict[str, str]:
    """Return the closing bracket of every opening one (BidiBrackets.txt)."""
    return _pairs(_BRACKETS)


def _pairs(packed: tuple[str, ...]) -> dict[str, str]:
    text = zlib.decompress(base64.b85decode("".join(packed))).decode()
    return dict(zip(text[::2], text[1::2], strict=True))


'''


def entries(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """(first, last, further fields) of every data line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.split("#")[0].split(";")]
        if len(fields) > 1:
            first, _, last = fields[0].partition("..")
            yield int(first, 16), int(last or first, 16), fields[1:]


def build(folder: Path) -> tuple[str, dict[str, np.ndarray], str, str]:
    """Read the version and all tables."""
    derived = folder / "extracted" / "DerivedBidiClass.txt"
    lines = derived.read_text(encoding="utf-8").splitlines()
    version = re.search(r"-([\d.]+)\.txt", lines[0]).group(1)
    tables = {name: np.zeros(0x110000, np.uint8) for name in ("bidi", "grapheme", "joining", "indic")}
    for line in lines:  # the classes of code points that are not assigned yet
        if match := re.match(r"# @missing: (\w+)\.\.(\w+); (\w+)", line):
            kind = BIDI_NAMES.get(match[3], match[3])
            tables["bidi"][int(match[1], 16) : int(match[2], 16) + 1] = BIDI.index(kind)
    for first, last, (kind, *_) in entries(derived):
        tables["bidi"][first : last + 1] = BIDI.index(kind)
    for first, last, (kind, *_) in entries(folder / "auxiliary" / "GraphemeBreakProperty.txt"):
        tables["grapheme"][first : last + 1] = GRAPHEME.index(kind)
    for first, last, (kind, *_) in entries(folder / "emoji" / "emoji-data.txt"):
        if kind == "Extended_Pictographic":
            tables["grapheme"][first : last + 1] += 128
    for first, last, (kind, *_) in entries(folder / "extracted" / "DerivedJoiningType.txt"):
        tables["joining"][first : last + 1] = JOINING.index(kind)
    for first, last, (kind, *_) in entries(folder / "IndicSyllabicCategory.txt"):
        value = (
            1 if kind in LINKERS else 2 if kind in CONSONANTS else 4 if kind == "Consonant_Subjoined" else 0
        )
        tables["indic"][first : last + 1] = value
    for first, last, (kind, *_) in entries(folder / "IndicPositionalCategory.txt"):
        if kind in LEFT:
            tables["indic"][first : last + 1] = 3
    for line in (folder / "UnicodeData.txt").read_text(encoding="utf-8").splitlines():
        code, _, category = line.split(";")[:3]
        if category == "Mc" and tables["indic"][int(code, 16)] == 0:
            tables["indic"][int(code, 16)] = 5
    mirrors = "".join(
        chr(first) + chr(int(other, 16)) for first, _, (other, *_) in entries(folder / "BidiMirroring.txt")
    )
    brackets = "".join(
        chr(first) + chr(int(other, 16))
        for first, _, (other, kind) in entries(folder / "BidiBrackets.txt")
        if kind == "o"
    )
    return version, tables, mirrors, brackets


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
    version, tables, mirrors, brackets = build(parser.parse_args().folder)
    names = {"bidi": tuple(BIDI), "grapheme": tuple(GRAPHEME), "joining": tuple(JOINING)}
    source = HEADER
    source = source.replace("{version}", version)
    for key, value in names.items():
        source = source.replace("{" + key + "!r}", repr(value).replace("'", '"'))
    source += "# fmt: off\n_TABLES = {\n"
    for name, table in tables.items():
        source += f'    "{name}": (\n{pack(table.tobytes(), "    ")}    ),\n'
    source += "}\n"
    for name, text in (("_MIRRORS", mirrors), ("_BRACKETS", brackets)):
        source += f"{name} = (\n{pack(text.encode(), '')})\n"
    TARGET.write_text(source + "# fmt: on\n", encoding="utf-8")
    print(f"{TARGET.name}: Unicode {version}, {len(source)} bytes")


if __name__ == "__main__":
    main()
