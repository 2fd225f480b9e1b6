# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Entities in tagged words."""

import pytest

from pixel_ar.metrics import entity_f1, entity_spans


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-X I-X O", [("X", 1, 2)]),
        ("B-X B-X I-X", [("X", 0, 0), ("X", 1, 2)]),
        ("I-X I-X O I-Y", [("X", 0, 1), ("Y", 3, 3)]),
        ("B-X I-Y I-Y", [("X", 0, 0), ("Y", 1, 2)]),
        ("B-X E-X S-X S-Y", [("X", 0, 1), ("X", 2, 2), ("Y", 3, 3)]),
        ("I-X E-X I-X E-X", [("X", 0, 1), ("X", 2, 3)]),
        ("S-X I-X", [("X", 0, 0), ("X", 1, 1)]),
        ("B-X O I-X", [("X", 0, 0), ("X", 2, 2)]),
        ("B-MISC-1 I-MISC-1", [("MISC-1", 0, 1)]),
        ("O", []),
    ],
)
def test_entities_of_every_scheme(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert entity_spans(tags.split()) == expected


def test_whole_entities_count() -> None:
    references = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    predictions = [["B-PER", "O", "O", "B-LOC"], ["B-PER", "B-LOC"]]
    result = entity_f1(predictions=predictions, references=references)
    assert result["LOC"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 2}
    assert result["PER"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "number": 1}
    assert result["overall_precision"] == 0.5 and result["overall_recall"] == 2 / 3
    assert result["overall_f1"] == pytest.approx(4 / 7) and result["overall_accuracy"] == 4 / 6
    assert entity_f1(references, references)["overall_f1"] == 1.0
    assert entity_f1([["O"]], [["O"]])["overall_f1"] == 0.0


def test_tags_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="'PER' of word 1"):
        entity_f1([["O", "PER"]], [["O", "B-PER"]])
    with pytest.raises(ValueError, match="sentence 1 has 1 predicted tags for 2"):
        entity_f1([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="0 predictions, but 1"):
        entity_f1([], [["O"]])
    with pytest.raises(ValueError, match="no words"):
        entity_f1([[]], [[]])
