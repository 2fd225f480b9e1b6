# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The Bidirectional Algorithm and grapheme clusters, against samples of Unicode's own conformance tests.

All of those tests: examples/unicode/conformance.py.
"""

import hashlib
import lzma
import re
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.paths import EXAMPLES
from tools.unicode import FOLDER

from pixel_ar.text.bidi import (
    bidi_classes,
    class_letters,
    embedding_levels,
    has_right_to_left,
    plain_levels,
    visual_order,
)
from pixel_ar.text.graphemes import drawn_bounds, grapheme_bounds, grapheme_clusters
from pixel_ar.text.properties import (
    BIDI_CLASSES,
    UNICODE_VERSION,
    bracket_pairs,
    mirror_map,
    property_table,
)

sys.path.insert(0, str(EXAMPLES / "unicode"))
import conformance

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
# Text in which order matters.
BIDI_TEXT = st.text(
    st.sampled_from(
        "ab של مح 12٣٤ +-,.%()[]\u0301\u05b8\u200f\u202a\u202b\u202d\u202e\u202c\u2066\u2067\u2068\u2069"
    ),
    max_size=24,
)


@pytest.mark.parametrize(
    ("name", "check", "least"),
    [
        ("BidiTest.txt", conformance.check_bidi_classes, 1500),
        ("BidiCharacterTest.txt", conformance.check_bidi_characters, 900),
        ("GraphemeBreakTest.txt", conformance.check_graphemes, 602),
    ],
)
def test_conformance(name: str, check, least: int) -> None:
    cases, failures = check(FOLDER / name)
    assert cases >= least and failures == []


def test_the_sample_is_one_of_the_shipped_tests(tmp_path: Path) -> None:
    """What `python examples/unicode/conformance.py` runs without an argument is there, and whole."""
    conformance.write_sample(conformance.FOLDER, tmp_path)
    for name in ("BidiTest.txt", "BidiCharacterTest.txt", "GraphemeBreakTest.txt"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    for row in (conformance.FOLDER / "README.md").read_text(encoding="utf-8").splitlines():
        if digest := re.search(r"`(\w+\.txt)` \| `(\w{64})`", row):
            text = lzma.decompress((conformance.FOLDER / f"{digest[1]}.xz").read_bytes())
            assert hashlib.sha256(text).hexdigest() == digest[2]


def test_a_folder_without_the_tests_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=re.escape(str(tmp_path))):
        conformance.find(tmp_path, "BidiTest.txt")


@given(BIDI_TEXT)
@settings(max_examples=200, deadline=None)
def test_order_is_a_permutation(text: str) -> None:
    for base in (None, 0, 1):
        levels, found = embedding_levels(text, base)
        assert len(levels) == len(text) and found in (0, 1) and base in (None, found)
        assert sorted(visual_order(levels)) == [i for i, level in enumerate(levels) if level >= 0]
        assert all(level >= found or level == -1 for level in levels)


def test_simple_lines() -> None:
    levels, base = embedding_levels("car 12 שלום")
    assert base == 0 and visual_order(levels) == [0, 1, 2, 3, 4, 5, 6, 10, 9, 8, 7]
    levels, base = embedding_levels("שלום 12 car")
    assert base == 1 and visual_order(levels) == [8, 9, 10, 7, 5, 6, 4, 3, 2, 1, 0]
    assert embedding_levels("")[0] == [] and visual_order([]) == []
    assert has_right_to_left("a ש") and not has_right_to_left("aé中")
    with pytest.raises(ValueError, match="got 2"):
        embedding_levels("a", 2)


@pytest.mark.parametrize(("letter", "level"), [("\u0628", "1"), ("\u05d0", "1"), ("a", "2"), ("(", "1")])
def test_a_letter_with_a_million_marks(letter: str, level: str) -> None:
    """Every mark goes with its letter, and the work grows with the text: its square would not end."""
    text = letter + "\u064e" * 1_000_000
    assert set(plain_levels(text, bidi_classes(text), 1)) == {level}


def test_tables_agree_with_python() -> None:
    """Where Python's tables know a character, they agree; ours do not change with Python."""
    assert UNICODE_VERSION == "15.0.0"
    letters = dict(zip(BIDI_CLASSES, map(class_letters, ([name] for name in BIDI_CLASSES)), strict=True))
    # Of Unicode 14, which every supported Python knows: later versions change a few.
    known = np.flatnonzero(property_table("age")[:0x3000] <= 0xE0)
    for code in known[::3].tolist():
        if kind := unicodedata.bidirectional(chr(code)):
            assert bidi_classes(chr(code)) == letters[kind], hex(code)
    assert all(unicodedata.mirrored(char) for char in mirror_map())
    assert bracket_pairs()["("] == ")" and mirror_map()["("] == ")" and mirror_map()[")"] == "("
    assert not property_table("bidi").flags.writeable
    with pytest.raises(KeyError):
        property_table("colour")


@given(ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_clusters_are_the_text(text: str) -> None:
    assert "".join(grapheme_clusters(text)) == text
    drawn = drawn_bounds(text)
    assert drawn == sorted(set(drawn)) and drawn[-1] == len(text)
    assert set(drawn) <= {0, *grapheme_bounds(text)}


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("क्षत्रिय", ["क्ष", "त्रि", "य"]),
        ("क्\u200cष", ["क्\u200c", "ष"]),
        ("பக்கம்", ["ப", "க்", "க", "ம்"]),
        ("க்ஷ", ["க்ஷ"]),
        ("ක්\u200dෂ", ["ක්\u200dෂ"]),
        ("ක්ෂ", ["ක්", "ෂ"]),
        ("ខ្មែរ", ["ខ្មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("👩\u200d👩\u200d👧👍🏽🇩🇪", ["👩\u200d👩\u200d👧", "👍🏽", "🇩🇪"]),
        ("\u1112\u1161\u11ab", ["\u1112\u1161\u11ab"]),
    ],
)
def test_drawn_clusters(text: str, clusters: list[str]) -> None:
    bounds = drawn_bounds(text)
    assert [text[a:b] for a, b in pairwise(bounds)] == clusters
