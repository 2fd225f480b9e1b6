# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Labels of words on the patches that show them."""

import numpy as np
import pytest
from tools.directions import LANGUAGES, RIGHT_TO_LEFT, sentences

from pixel_ar import PixelProcessor
from pixel_ar.training.spans import row_patches
from pixel_ar.training.words import join_words, label_patches, spread_labels, word_labels_from_patches

FIXED = PixelProcessor.from_preset("fixed-8")
UNIFONT = PixelProcessor.from_preset("unifont-16", tab=4, newline="symbol")
PADDED = PixelProcessor.from_preset("unifont-16", left_padding=3, right_padding=2)

WORDS = ["I", "am", "were", "Washingtonian", "\u00e9te\u0301", "."]


@pytest.mark.parametrize("processor", [FIXED, UNIFONT], ids=["fixed", "unifont"])
@pytest.mark.parametrize("policy", ["last", "first", "all"])
def test_labels_of_words_come_back(processor: PixelProcessor, policy: str) -> None:
    labels = [4, 1, 2, 3, 0, 5]
    row = label_patches(WORDS, labels, processor, policy, add_start=True)
    assert (
        row.num_cut == 0 and len(row.labels) == row_patches(processor, row.text, add_start=True).num_patches
    )
    assert word_labels_from_patches(row.labels, row.word_patches, policy) == labels
    places = [patch for first, last in row.word_patches for patch in range(first, last + 1)]
    assert len(set(places)) == len(places) and row.labels[0] == -100
    marked = {"all": len(places)}.get(policy, len(WORDS))
    assert sum(label != -100 for label in row.labels) == marked
    ends = [patches[-1 if policy == "last" else 0] for patches in row.word_patches]
    assert [row.labels[patch] for patch in ends] == labels
    assert row.text.split() == WORDS


def test_joined_words_have_their_spans() -> None:
    for align in (True, False):
        joined = join_words(WORDS, FIXED, align)
        assert [joined.text[slice(*span)] for span in joined.spans] == WORDS
    assert joined.text == " ".join(WORDS)
    assert (
        join_words(["ab", "c"], FIXED).text == "ab  c" and join_words(["abcd", "e"], FIXED).text == "abcd e"
    )


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="6 words, but 5 labels"):
        label_patches(WORDS, [0] * 5, FIXED)
    with pytest.raises(ValueError, match=r"words 0 and 1 \('I' and 'am'\) share patch 0"):
        label_patches(WORDS, range(6), FIXED, align=False)
    assert label_patches(["I", "am"], [2, 2], FIXED, align=False).labels == (2, -100)
    assert label_patches(["I", "am"], [2, -100], FIXED, align=False).labels == (2, -100)
    with pytest.raises(ValueError, match=r"word 1 is '\\u200b'"):
        label_patches(["a", "\u200b"], [0, 0], FIXED)
    with pytest.raises(ValueError, match="at least one word"):
        label_patches([], [], FIXED)
    with pytest.raises(ValueError, match="list"):
        join_words("a text", FIXED)
    with pytest.raises(ValueError, match="'middle'"):
        label_patches(WORDS, range(6), FIXED, policy="middle")
    with pytest.raises(ValueError, match="max_patches"):
        label_patches(WORDS, range(6), FIXED, max_patches=5)


def test_words_that_are_cut_are_counted() -> None:
    row = label_patches(WORDS, range(6), FIXED, truncation=True, max_patches=6)
    # I|am|were| Was|hing, then the EOS patch: the fourth word is cut into, so it has no label.
    assert row.num_cut == 3 and row.labels == (0, 1, 2, -100, -100, -100)
    assert row.word_patches == ((0, 0), (1, 1), (2, 2), None, None, None)
    assert word_labels_from_patches(row.labels, row.word_patches) == [0, 1, 2, -100, -100, -100]


def test_votes_and_spreading() -> None:
    assert word_labels_from_patches([1, 2, 2, 3], [(0, 2), (2, 3)], "all") == [2, 3]
    assert spread_labels([(0, 1), None, (3, 3)], [5, 6, 7], 4, "all") == (5, 5, -100, 7)


@pytest.mark.parametrize("policy", ["last", "first", "all"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_come_back_in_every_direction(language: str, policy: str) -> None:
    """What holds in English holds in right-to-left text and in lines of both directions."""
    for index, words in enumerate(sentences(language)):
        labels = [number % 7 for number in range(len(words))]
        row = label_patches(words, labels, PADDED if index % 2 else UNIFONT, policy)
        assert row.num_cut == 0 and row.text.split() == words
        assert row.word_labels(row.labels) == labels
        shown = [set(patches) for patches in row.patches]
        assert all(len(one & other) == 0 for i, one in enumerate(shown) for other in shown[:i])
        if language != "mixed" or policy != "all":  # parts of a word of both directions may stand apart
            assert word_labels_from_patches(row.labels, row.word_patches, policy) == labels


@pytest.mark.parametrize(("language", "letter"), [("English", "#"), ("Hebrew", "\u05e9")])
def test_the_patches_of_a_word_are_those_that_change_with_it(language: str, letter: str) -> None:
    for words in sentences(language, count=4):
        row = label_patches(words, [1] * len(words), UNIFONT)
        pixels = UNIFONT(text=[row.text], return_tensors="np")["pixel_values"][0, 0]
        for index, (start, end) in enumerate(join_words(words, UNIFONT).spans):
            other = row.text[:start] + letter * (end - start) + row.text[end:]
            changed = UNIFONT(text=[other], return_tensors="np")["pixel_values"][0, 0]
            columns = np.flatnonzero((changed != pixels).any(0))
            assert set(columns // 16) == set(row.patches[index])


def test_hebrew_words_over_several_patches() -> None:
    row = label_patches(["ואדי", "גדול", "בנגב"], [1, 2, 1], UNIFONT)
    # The line begins at the right: the third word stands on the first patches. The last patch is the EOS patch.
    assert row.num_cut == 0 and row.word_patches == ((5, 6), (2, 4), (0, 1))
    assert row.labels == (-100, 1, -100, -100, 2, -100, 1, -100)


@pytest.mark.parametrize("language", RIGHT_TO_LEFT)
def test_words_that_are_cut_from_right_to_left(language: str) -> None:
    """Cutting takes words from the end of the text, in every direction."""
    words = sentences(language)[0]
    whole = label_patches(words, range(len(words)), UNIFONT)
    row = label_patches(
        words, range(len(words)), UNIFONT, truncation=True, max_patches=len(whole.labels) // 2
    )
    kept = len(words) - row.num_cut
    assert 0 < kept < len(words)
    assert row.word_labels(row.labels) == [*range(kept), *[-100] * row.num_cut]
