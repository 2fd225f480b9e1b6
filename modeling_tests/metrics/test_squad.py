# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Answers to questions."""

import pytest

from pixel_ar.metrics import squad
from pixel_ar.metrics.squad import normalize_answer


def test_answers_are_compared_without_articles_and_marks() -> None:
    assert normalize_answer("  The White-House, a  house!") == "whitehouse house"
    assert squad(predictions=["the Moon."], references=[["moon", "sun"]]) == {
        "exact_match": 100.0,
        "f1": 100.0,
    }


def test_f1_is_the_best_over_answers_and_counts_words() -> None:
    result = squad(["in the year 1865 year", "no"], [["1865", "the year 1865"], ["yes"]])
    # in, year, 1865, year against year, 1865: two common words of four and two.
    assert result == {"exact_match": 0.0, "f1": pytest.approx(50 * 2 * 2 / 6)}


def test_no_answer() -> None:
    assert squad(["", "x", ""], [[], [], ["x"]]) == {
        "exact_match": pytest.approx(100 / 3),
        "f1": pytest.approx(100 / 3),
    }


def test_the_format_of_the_data_set() -> None:
    predictions = [{"id": 2, "prediction_text": "b"}, {"id": 1, "prediction_text": "a x"}]
    references = [
        {"id": 1, "answers": {"text": ["x"], "answer_start": [0]}},
        {"id": 2, "answers": {"text": ["c"], "answer_start": [5]}},
    ]
    assert squad(predictions, references) == {"exact_match": 50.0, "f1": 50.0}
    with pytest.raises(ValueError, match="such as id 1"):
        squad(predictions[:1], references)
    with pytest.raises(ValueError, match="two predictions for id 2"):
        squad(predictions[:1] * 2, references)
    with pytest.raises(ValueError, match="list of accepted answers"):
        squad(["a"], ["a"])
    with pytest.raises(ValueError, match="1 predictions, but 2"):
        squad(["a"], [["a"], ["b"]])
    with pytest.raises(ValueError, match="no references"):
        squad([], [])
