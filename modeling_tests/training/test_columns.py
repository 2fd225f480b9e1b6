# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What is no batch of rows is refused by every collator in the same words, with the row."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from tools.tokenizer import byte_tokenizer

from pixel_ar import PixelProcessor
from pixel_ar.training import (
    LanguageModelingCollator,
    MixedModalityCollator,
    PackedTextDataset,
    QuestionAnsweringCollator,
    SequenceClassificationCollator,
    TokenClassificationCollator,
)
from pixel_ar.training.noise import NoiseTransform


def collators() -> dict[str, Any]:
    processor = PixelProcessor(tokenizer=byte_tokenizer())
    return {
        "language": LanguageModelingCollator(processor, block_patches=4),
        "mixed": MixedModalityCollator(processor, {"pixel": 1}),
        "token": MixedModalityCollator(processor, {"token": 1}),
        "sequence": SequenceClassificationCollator(processor),
        "words": TokenClassificationCollator(processor),
        "answers": QuestionAnsweringCollator(processor),
    }


@pytest.mark.parametrize("name", collators())
@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([], ValueError, "the batch is empty"),
        (None, TypeError, "list of rows .* got NoneType"),
        ({"text": "a"}, TypeError, "list of rows .* got dict"),
        ("text", TypeError, "list of rows .* got str"),
        ([{"text": "a", "tokens": ["a"]}, None], TypeError, "row 1 .* got NoneType"),
        (["text"], TypeError, "row 0 .* got str"),
    ],
)
def test_no_rows(name: str, rows: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        collators()[name](rows)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("language", {"segments": None, "is_complete": True}, "'segments'"),
        ("language", {"segments": "abc", "is_complete": True}, "'segments' of row 0 must be a list, got str"),
        ("language", {"segments": ["a", 3], "is_complete": True}, "must be texts, got int"),
        ("words", {"tokens": math.nan, "tags": [0]}, "'tokens' of row 0 must be a list, got float"),
        ("words", {"tokens": ["a"], "tags": 7}, "'tags' of row 0 must be a list, got int"),
        ("words", {"tokens": ["a", 0], "tags": [0, 0]}, "row 0 of the batch: word 1 must be a text, got int"),
        ("sequence", {"text": "a", "label": 10**400}, "'label' of row 0 is 1000"),
        ("sequence", {"text": "a", "label": 2**63}, "'label' of row 0 is 9223372036854775808"),
        ("sequence", {"text": "a", "label": b"x"}, "'label' of row 0"),
        (
            "answers",
            {"question": "a", "context": "b", "answer_start": "0", "answer_end": 1},
            "answer of row 0",
        ),
        ("token", {"text": "a\ud83d"}, "half a surrogate pair"),
    ],
)
def test_values_of_another_kind(name: str, row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collators()[name]([row])


def test_a_block_says_whether_it_ends() -> None:
    with pytest.raises(KeyError, match="is_complete"):
        collators()["language"]([{"segments": ["a"]}])


class Rows:
    def __init__(self, *rows: Any) -> None:
        self.rows = rows

    def set_epoch(self, epoch: int) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ({"text": 3}, ValueError, "'text' of document 1 must be a text, got int"),
        ({"text": None}, ValueError, "no 'text'"),
        ({"texts": "a"}, KeyError, "no column 'text'"),
        ("a", TypeError, "must be a dictionary"),
    ],
)
def test_documents_of_another_kind(row: Any, kind: type[Exception], message: str) -> None:
    processor = PixelProcessor()
    with pytest.raises(kind, match=message):
        list(PackedTextDataset(Rows({"text": "a"}, row), processor.renderer, 20, 2))


@pytest.mark.parametrize("block", [1, True, 2.5, math.inf, "8", None])
def test_blocks_are_whole_numbers(block: Any) -> None:
    with pytest.raises(ValueError, match="block_patches"):
        PackedTextDataset(Rows(), PixelProcessor().renderer, 20, block)


@pytest.mark.parametrize("settings", [("8",), (math.nan,), (None,), (0.5, 3), (0.5, ()), (0.5, [["x"]])])
def test_noise_of_another_kind(settings: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"strength|kinds"):
        NoiseTransform(*settings)
