# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The strategy `word_pieces`: which units a text is cut into, and that the patches give it back."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixel_ar import PixelProcessor
from pixel_ar.text.graphemes import grapheme_bounds

LATIN = PixelProcessor(patch_size=(8, 40), strategy="word_pieces", newline="symbol")
UNIFONT = PixelProcessor(("unifont-16",), (16, 64), strategy="word_pieces", missing="hexbox")
# The rule of `group_word_pieces` for cells of one width, eight to a patch, once more as a regular expression.
LETTER = r"(?:[^\W\d_]|(?<=[^\W\d_])['\u2019])"
OTHER = r"(?:(?!(?<=[^\W\d_])['\u2019])[^\w\s\u21b5]|_)"
KINDS = (LETTER, OTHER, "\u21b5")
SPACED = "|".join(f"{kind}{{1,7}}" for kind in KINDS)
PLAIN = "|".join(f"{kind}{{1,8}}" for kind in KINDS)
RULE = re.compile(rf" (?:{SPACED}|\d{{1,4}})|(?:{PLAIN}|\d{{1,4}})| ")


def units(processor: PixelProcessor, text: str) -> list[str]:
    """The text of every unit, from left to right."""
    strip = processor.renderer.render(text)
    assert strip.unit_spans is not None and strip.char_spans is not None
    found = []
    for first, stop in strip.unit_spans:
        inside = (strip.char_spans[:, 0] >= first) & (strip.char_spans[:, 1] <= stop)
        found.append("".join(np.array(list(strip.text))[inside]))
    return found


def test_units_of_english() -> None:
    text = "The States, don't (1865): internationalisation  of\n\n\"Yes,\" weather's couldn't 1234567"
    assert units(LATIN, text) == [
        *("The", " States", ",", " don't", " (", "1865", "):", " interna", "tionalis", "ation", " ", " of"),
        *("↵↵", '"', "Yes", ',"', " weather", "'s", " couldn'", "t", " 1234", "567"),
    ]


@given(st.text(alphabet="ab XY09_'.,-\n\"é ", max_size=40), st.sampled_from([2, 3]))
def test_several_units_to_a_patch(text: str, number: int) -> None:
    """The same columns as with a patch for each, and the same text back; only the end is rounded to wider patches."""
    wide = LATIN.replace(patch_size=(8, 40 * number), unit_width=40)
    one, several = LATIN.renderer.render_bytes(text), wide.renderer.render_bytes(text)
    assert several == one
    assert units(wide, text) == units(LATIN, text)
    strips = wide(text=text, add_start=True, return_tensors="pt")
    assert strips["pixel_values"].shape[-1] % (40 * number) == 0
    assert wide.decode(strips) == text.replace("\n", "↵").rstrip(" ")


def test_units_must_divide_patches() -> None:
    with pytest.raises(ValueError, match="unit_width=30 does not divide the patch width"):
        LATIN.replace(unit_width=30)
    with pytest.raises(ValueError, match="belongs to a strategy with units"):
        PixelProcessor(patch_size=(8, 40), unit_width=20)
    assert "unit_width" not in LATIN.to_dict() and LATIN.replace(unit_width=20).to_dict()["unit_width"] == 20


@given(st.text(alphabet="ab XY09_'’.,-\n\"é жβ", max_size=40))
def test_units_follow_the_rule(text: str) -> None:
    drawn = LATIN.renderer.normalise(text)
    assert units(LATIN, text) == RULE.findall(drawn)


@given(st.text(alphabet="ab XY09_'.,-\n\"é ", min_size=1, max_size=30))
def test_patches_give_the_text_back(text: str) -> None:
    inputs = LATIN(text=text, add_start=True, return_tensors="pt")
    assert LATIN.decode(inputs) == text.replace("\n", "↵").rstrip(" ")


@pytest.mark.parametrize(
    "text",
    [
        "日本語のテキスト、二〇二六年。 한국어 문장",
        "γλώσσα язык ﬁ́ g̈ö ẹ́",
        "नमस्ते दुनिया",
        "a 日b 1日",
        "☃ snow☃man 👍🏽!",
    ],
)
def test_clusters_are_never_cut(text: str) -> None:
    drawn = UNIFONT.renderer.normalise(text)
    cut = units(UNIFONT, text)
    assert "".join(cut) == drawn
    borders = {0, *np.cumsum([len(unit) for unit in cut]).tolist()}
    assert borders <= set(grapheme_bounds(drawn))
    assert UNIFONT.decode(UNIFONT(text=text, return_tensors="pt")) == drawn


@given(st.text(alphabet="ab 1'.\n", min_size=2, max_size=30))
def test_appended_text_moves_nothing(text: str) -> None:
    whole = LATIN.renderer.render(text)
    for stop in range(1, len(text)):
        begun = LATIN.renderer.render(text[:stop])
        assert whole.columns.startswith(begun.columns[: begun.num_columns])


def test_a_unit_that_may_grow_stays_open() -> None:
    ends = [LATIN.renderer.render(text).num_columns for text in ("ab", "ab ", "abcdefgh", "abcdefghi")]
    assert ends == [10, 45, 40, 45]


def test_damaged_patches_do_not_move_their_neighbours() -> None:
    text = "The people of the United States"
    inputs = LATIN(text=text, return_tensors="np")
    pixels = inputs["pixel_values"]
    pixels[0, 0, 3, 41:60:7] = 1 - pixels[0, 0, 3, 41:60:7]
    read = LATIN.decode(inputs)
    assert read.startswith("The") and read.endswith(" of the United States")


def test_glyphs_wider_than_a_patch_go_on_in_the_next() -> None:
    processor = PixelProcessor(("unifont-16",), (16, 8), strategy="word_pieces")
    text = "a日 本b"
    assert processor.decode(processor(text=text, return_tensors="pt")) == text
    spans = processor.renderer.render(text).unit_spans
    assert all(first % 8 == 0 for first, _ in spans) and all(a[1] <= b[0] for a, b in pairwise(spans))
