# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Spans of texts and the patches that show them."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.directions import LANGUAGES, sentences

from pixel_ar import PixelProcessor
from pixel_ar.training.alignment import TextAlignment
from pixel_ar.training.spans import patches_to_span, row_patches, segments_of_patches, span_to_patches

FIXED = PixelProcessor.from_preset("fixed-8")
UNIFONT = PixelProcessor.from_preset("unifont-16", tab=4, newline="symbol")
# A cedilla between a letter and its accent, Jamo, CR LF, a tab, invisible characters, a mark on a space.
AWKWARD = "ne\u0301e o\u0327\u0301 \u1112\u1161\u11ab\r\nx\ty\u200b\u0301z\n\u00adend \u0301q\u0323\u0301"


def offsets(processor: PixelProcessor, text: str, **kwargs: object) -> np.ndarray:
    return processor(text=[text], return_offsets_mapping=True, return_tensors="np", **kwargs)[
        "offset_mapping"
    ][0]


@pytest.mark.parametrize("processor", [FIXED, UNIFONT], ids=["fixed", "unifont"])
def test_alignment_names_the_characters_that_were_drawn(processor: PixelProcessor) -> None:
    assert unicodedata.normalize("NFC", AWKWARD) != AWKWARD
    alignment = TextAlignment(AWKWARD, processor.renderer)
    assert alignment.drawn == processor.renderer.normalise(AWKWARD) and len(alignment.origins) == len(
        alignment.drawn
    )
    for place, char in enumerate(alignment.drawn):
        start, end = alignment.to_original(place, place + 1)
        # What a drawn character stands for is drawn as that character (or as the whole it is a part of).
        assert char in processor.renderer.normalise(AWKWARD[start:end])
        first, last = alignment.to_drawn(start, end)
        assert first <= place < last and alignment.to_original(first, last) == (start, end)
    assert alignment.to_original(1, 2) == (1, 3)  # é
    assert AWKWARD[slice(*alignment.to_original(0, len(alignment.drawn)))] == AWKWARD
    place = AWKWARD.index("\r")
    assert alignment.to_drawn(place, place + 1) == alignment.to_drawn(place, place + 2)
    plain = TextAlignment("plain", processor.renderer)
    assert plain.to_drawn(1, 3) == plain.to_original(1, 3) == (1, 3)


@given(
    st.text(
        st.sampled_from("ae\u0301\u0323\u0327\u200b\r\n\t\u1112\u1161\u11ab한가 \u0344x"),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_alignment_of_any_text(text: str) -> None:
    alignment = TextAlignment(text, UNIFONT.renderer)
    starts, ends = alignment.origins[:, 0], alignment.origins[:, 1]
    assert (starts < ends).all() and (np.diff(starts) >= 0).all() and (np.diff(ends) >= 0).all()
    covered = {place for start, end in alignment.origins for place in range(start, end)}
    assert all(UNIFONT.renderer.normalise(text[place]) == "" for place in set(range(len(text))) - covered)


def test_spans_outside_the_text() -> None:
    alignment = TextAlignment("ab\u200bc", FIXED.renderer)
    for span in ((-1, 2), (0, 5), (2, 2), (3, 1)):
        with pytest.raises(ValueError, match=r"is not a part of the text, which has 4"):
            alignment.to_drawn(*span)
        with pytest.raises(ValueError, match="which has 4"):
            span_to_patches(*span, "ab\u200bc", offsets(FIXED, "ab\u200bc"), FIXED.renderer)
    with pytest.raises(ValueError, match="draws nothing"):
        alignment.to_drawn(2, 3)
    with pytest.raises(ValueError, match="drawn text, which has 3"):
        alignment.to_original(0, 4)
    with pytest.raises(ValueError, match=r"processor\.renderer"):
        span_to_patches(0, 1, "ab", offsets(FIXED, "ab"))


@pytest.mark.parametrize("processor", [FIXED, UNIFONT], ids=["fixed", "unifont"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_span_lies_on_the_patches_that_change_with_it(processor: PixelProcessor, side: str) -> None:
    text = "The peo\u0301ple\r\nof the United\tStates"
    start = text.index("United")
    other = text[:start] + "###ted" + text[start + 6 :]
    processor = PixelProcessor(**{**_settings(processor), "padding_side": side})
    one, two = (
        processor(text=[t, "x" * 60], return_offsets_mapping=True, return_tensors="np") for t in (text, other)
    )
    width = processor.patch_size[1]
    changed = np.flatnonzero((one["pixel_values"] != two["pixel_values"])[0, 0].any(0)) // width
    assert span_to_patches(start, start + 3, text, one["offset_mapping"][0], processor.renderer) == (
        changed.min(),
        changed.max(),
    )
    patches = span_to_patches(start, start + 6, text, one["offset_mapping"][0], processor.renderer)
    assert patches is not None
    found = patches_to_span(*patches, text, one["offset_mapping"][0], processor.renderer)
    assert "United" in text[slice(*found)]
    assert found[0] <= start and found[1] >= start + 6


def _settings(processor: PixelProcessor) -> dict[str, object]:
    return {name: getattr(processor, name) for name in ("atlases", "patch_size", "newline", "tab")}


def test_snapping_to_words() -> None:
    text = "in 1865 he became"
    row = offsets(FIXED, text)  # in 1|865 |he b|ecam|e
    assert row[:5].tolist() == [[0, 4], [4, 8], [8, 12], [12, 16], [16, 17]]

    def found(first: int, last: int, snap: str = "words") -> str:
        return text[slice(*patches_to_span(first, last, text, row, FIXED.renderer, snap=snap))]

    assert found(1, 1) == "1865" and found(1, 1, "patches") == "865"
    assert found(0, 1) == "in 1865" and found(2, 2) == "he" and found(2, 2, "patches") == "he b"
    assert found(3, 3) == "became" and found(3, 4, "patches") == "ecame" and found(0, 4) == text
    with pytest.raises(ValueError, match="patches 4 to 5"):
        found(4, 5)
    with pytest.raises(ValueError, match="patches 2 to 1"):
        found(2, 1)
    with pytest.raises(ValueError, match="'letters'"):
        found(0, 1, "letters")


def test_pairs_and_truncation() -> None:
    question, context = "Who?", "Lincoln was the President in 1865"
    row = FIXED(
        text=[question],
        text_pair=[context],
        add_start=True,
        return_offsets_mapping=True,
        max_patches=8,
        truncation="only_second",
    )["offset_mapping"][0]
    assert segments_of_patches(row).tolist() == [-1, 0, -1, 1, 1, 1, 1, -1]
    assert span_to_patches(0, 7, context, row, FIXED.renderer, segment=1) == (3, 4)
    assert span_to_patches(0, 3, question, row, FIXED.renderer) == (1, 1)
    assert patches_to_span(3, 4, context, row, FIXED.renderer, segment=1) == (0, 7)
    # 16 characters fit: "Lincoln was the " is there, the rest is not.
    assert span_to_patches(12, 15, context, row, FIXED.renderer, segment=1) == (6, 6)
    for start, end in ((12, 25), (16, 25)):
        assert span_to_patches(start, end, context, row, FIXED.renderer, segment=1) is None
    with pytest.raises(ValueError, match="no text number 2"):
        span_to_patches(0, 1, "x", row, FIXED.renderer, segment=2)
    with pytest.raises(ValueError, match="patches 1 to 4"):
        patches_to_span(1, 4, context, row, FIXED.renderer, segment=1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_offset_mapping_says_the_same_as_the_layout(language: str) -> None:
    for words in sentences(language):
        text = " ".join(words)
        exact, row = row_patches(UNIFONT, text, add_start=True), offsets(UNIFONT, text, add_start=True)
        assert exact.num_patches == len(row)
        start = 0
        for word in words:
            ends = exact.texts[0].ends(start, start + len(word))
            assert span_to_patches(start, start + len(word), text, row, UNIFONT.renderer) == ends
            found = exact.texts[0].span(*ends)
            assert found[0] <= start and found[1] >= start + len(word)
            assert patches_to_span(*ends, text, row, UNIFONT.renderer) == found
            start += len(word) + 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [8, 16])
def test_spans_come_back_from_their_patches(language: str, width: int) -> None:
    """Also where a patch shows the ends of two words that stand far apart in a line of both directions."""
    assert _kinds_of_spans(language, width).keys() == {"exact"}


def test_wide_patches_lose_no_more_in_mixed_lines_than_in_english() -> None:
    """A patch of four letters may show two words: in English the answer then comes with its neighbour."""
    english, mixed = _kinds_of_spans("English", 32), _kinds_of_spans("mixed", 32)
    assert english.keys() == {"exact", "more"}
    assert mixed["exact"] / mixed.total() > english["exact"] / english.total() > 0.8
    assert mixed["less"] / mixed.total() < english["more"] / english.total()


def _kinds_of_spans(language: str, width: int) -> Counter[str]:
    """How many spans of one to four words come back exactly, with more around them, or with less."""
    processor = PixelProcessor(["unifont-16"], patch_size=(16, width))
    kinds: Counter[str] = Counter()
    for words in sentences(language, count=25):
        shown = row_patches(processor, " ".join(words)).texts[0]
        starts = [len(" ".join(words[:index])) + (index > 0) for index in range(len(words))]
        for first, start in enumerate(starts):
            for last in range(first, min(first + 4, len(words))):
                end = starts[last] + len(words[last])
                ends = shown.ends(start, end)
                assert ends is not None
                found = shown.span(*ends)
                holds = found[0] <= start and end <= found[1]
                kinds["exact" if found == (start, end) else "more" if holds else "less"] += 1
    return kinds


def test_right_to_left_spans_begin_on_the_right() -> None:
    text = "ואדי גדול בנגב"
    row = row_patches(UNIFONT, text).texts[0]
    assert row.ends(0, len(text)) == (6, 0) and row.patches(0, 4) == (5, 6)
    assert row.span(6, 0) == (0, len(text))
    with pytest.raises(ValueError, match="In right-to-left text the first patch is the greater number"):
        row.span(0, 6)
