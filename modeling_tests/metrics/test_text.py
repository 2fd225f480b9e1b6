# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Error rates and readability of text."""

import math
import random

import pytest

from pixel_ar.metrics import character_error_rate, edit_distance, word_error_rate, word_readability


def slow_distance(first: str, second: str) -> int:
    """From the definition, each prefix by itself."""
    if not first or not second:
        return len(first) + len(second)
    return min(
        slow_distance(first[1:], second) + 1,
        slow_distance(first, second[1:]) + 1,
        slow_distance(first[1:], second[1:]) + (first[0] != second[0]),
    )


def test_edit_distance_is_the_definition() -> None:
    numbers = random.Random(0)
    for _ in range(60):
        first, second = ("".join(numbers.choices("abc", k=numbers.randint(0, 5))) for _ in range(2))
        assert edit_distance(first, second) == slow_distance(first, second) == edit_distance(second, first)
    assert edit_distance(["a", "bc"], ["bc"]) == 1


def test_error_rates() -> None:
    assert character_error_rate(predictions=["abd", "x"], references=["abc", "xyz"]) == {"cer": 3 / 6}
    assert character_error_rate(["aaaa"], ["b"]) == {"cer": 4.0}
    assert word_error_rate(["the cat sat"], ["the  hat sat"]) == {"wer": 1 / 3}
    with pytest.raises(ValueError, match="1 predictions, but 2"):
        character_error_rate(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="no words"):
        word_error_rate(["a"], [" "])
    with pytest.raises(ValueError, match="one text"):
        character_error_rate("ab", "ab")


def test_word_readability() -> None:
    known = ["The people of the United States", "\u00e9t\u00e9"]
    assert word_readability(["the PEOPLE peoqle in \u00c9t\u00c9"], known) == {
        "word_readability": 0.75,
        "num_words": 4,
    }
    assert word_readability(["The PEOPLE"], known, ignore_case=False)["word_readability"] == 0.5
    assert word_readability(["of people"], known, min_letters=2)["num_words"] == 2
    assert math.isnan(word_readability(["it is"], known)["word_readability"])
    with pytest.raises(ValueError, match="hold no word"):
        word_readability(["the"], ["..."])
    with pytest.raises(ValueError, match="references must be a list"):
        word_readability(["the"], "the people")
