# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Run the whole conformance tests of Unicode 15.0.0, which lie beside this script; a sample is in the test suite.

python examples/unicode/conformance.py

A folder of the Unicode Character Database, of another version perhaps, may be named instead.
"""

import argparse
import lzma
import sys
from pathlib import Path

from pixel_ar.text.bidi import class_letters, embedding_levels, visual_order
from pixel_ar.text.graphemes import grapheme_clusters

FOLDER = Path(__file__).parent / "conformance"
# Where each file lies in the folders of the Unicode Character Database.
TESTS = ("auxiliary/GraphemeBreakTest.txt", "BidiCharacterTest.txt", "BidiTest.txt")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, which may be compressed by xz."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes()).decode("utf-8").splitlines()
    return path.read_text(encoding="utf-8").splitlines()


def find(folder: Path, name: str) -> Path:
    """A file of `TESTS` in a folder of the Character Database or in `FOLDER`; SystemExit where there is none."""
    places = [folder / name, folder / Path(name).name, folder / f"{Path(name).name}.xz"]
    for place in places:
        if place.is_file():
            return place
    raise SystemExit(f"no {name} in {folder}; without an argument the tests in {FOLDER} run")


def check_bidi_classes(path: Path) -> tuple[int, list[str]]:
    """BidiTest.txt: (cases, failing lines)."""
    levels: list[int] = []
    order: list[int] = []
    cases, failures = 0, []
    for line in read_lines(path):
        if line.startswith("@Levels:"):
            levels = [-1 if level == "x" else int(level) for level in line.split(":")[1].split()]
        elif line.startswith("@Reorder:"):
            order = [int(index) for index in line.split(":")[1].split()]
        elif line and line[0] not in "#@":
            classes, _, bits = line.partition(";")
            letters = class_letters(classes.split())
            for bit, base in ((1, None), (2, 0), (4, 1)):
                if int(bits) & bit:
                    cases += 1
                    found, _ = embedding_levels("", base, letters)
                    if found != levels or visual_order(found) != order:
                        failures.append(f"{line} (base {base}): {found} for {levels}")
    return cases, failures


def check_bidi_characters(path: Path) -> tuple[int, list[str]]:
    """BidiCharacterTest.txt: (cases, failing lines)."""
    cases, failures = 0, []
    for line in read_lines(path):
        if line and line[0] != "#":
            codes, direction, base, levels, order = line.split(";")
            text = "".join(chr(int(code, 16)) for code in codes.split())
            found, found_base = embedding_levels(text, {"0": 0, "1": 1, "2": None}[direction])
            cases += 1
            expected = [-1 if level == "x" else int(level) for level in levels.split()]
            if (found, found_base) != (expected, int(base)) or visual_order(found) != [
                int(index) for index in order.split()
            ]:
                failures.append(f"{line}: {found}, base {found_base}")
    return cases, failures


def check_graphemes(path: Path) -> tuple[int, list[str]]:
    """GraphemeBreakTest.txt: (cases, failing lines)."""
    cases, failures = 0, []
    for line in read_lines(path):
        line = line.split("#")[0].strip()
        if line:
            pieces = [piece.replace("×", " ").split() for piece in line.split("÷") if piece.strip()]
            expected = ["".join(chr(int(code, 16)) for code in piece) for piece in pieces]
            cases += 1
            if grapheme_clusters("".join(expected)) != expected:
                failures.append(line)
    return cases, failures


def write_sample(folder: Path, target: Path) -> None:
    """Every 401st case of BidiTest.txt, every 97th of BidiCharacterTest.txt, and GraphemeBreakTest.txt."""
    kept: list[str] = []
    head: dict[str, str] = {}
    number = 0
    for line in read_lines(find(folder, "BidiTest.txt")):
        if line.startswith("@"):
            head[line.split(":")[0]] = line
        elif line and line[0] != "#":
            number += 1
            if number % 401 == 0:
                kept += [*head.values(), line]
    (target / "BidiTest.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    lines = read_lines(find(folder, "BidiCharacterTest.txt"))
    cases = [line for line in lines if line and line[0] != "#"]
    (target / "BidiCharacterTest.txt").write_text("\n".join(cases[::97]) + "\n", encoding="utf-8")
    lines = read_lines(find(folder, "auxiliary/GraphemeBreakTest.txt"))
    cases = [line.split("#")[0].strip() for line in lines if line and line[0] != "#"]
    (target / "GraphemeBreakTest.txt").write_text("\n".join(cases) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=FOLDER, help="of the Unicode Character Database"
    )
    parser.add_argument(
        "--sample", type=Path, help="write the sample of the test suite into this folder instead"
    )
    args = parser.parse_args()
    folder = args.folder
    if args.sample:
        write_sample(folder, args.sample)
        return
    has_failed = False
    for name, check in zip(TESTS, (check_graphemes, check_bidi_characters, check_bidi_classes), strict=True):
        cases, failures = check(find(folder, name))
        print(f"{name}: {cases} cases, {len(failures)} failures")
        print("".join(f"  {failure}\n" for failure in failures[:5]), end="")
        has_failed |= bool(failures)
    sys.exit(has_failed)


if __name__ == "__main__":
    main()
