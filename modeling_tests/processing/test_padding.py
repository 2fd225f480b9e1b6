# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Rows drawn one by one and padded later are the batch that is drawn at once; the habits of Transformers' users."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tools.tokenizer import byte_tokenizer
from transformers import DataCollatorWithPadding

from pixel_ar.processing.processing_pixel_ar import PixelProcessor

TEXTS = ["The people of the", "ab", "of the United States"]
STYLES: list[dict[str, Any]] = [
    {},
    {"padding_side": "left"},
    {"num_channels": 3, "mode": "RGB", "background_color": "ivory", "text_color": "navy"},
]


def assert_equal(batch: Any, expected: Any) -> None:
    assert set(batch) == set(expected)
    for key, values in expected.items():
        assert torch.equal(torch.as_tensor(batch[key]), values), key


@pytest.mark.parametrize("settings", STYLES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("options", [{}, {"add_eos": False}, {"return_offsets_mapping": True}])
def test_padded_rows_are_the_batch(settings: dict, dtype: str, options: dict) -> None:
    processor = PixelProcessor(**settings)
    options = {**options, "dtype": dtype}
    expected = processor(TEXTS, return_tensors="pt", **options)
    assert expected["pixel_values"].dtype == getattr(torch, dtype)
    rows = [processor(text, as_row=True, **options) for text in TEXTS]
    assert rows[0]["pixel_values"].ndim == 3 and isinstance(rows[0]["attention_mask"][0], int)
    assert_equal(processor.pad(rows, return_tensors="pt"), expected)
    batches_of_one = [processor(text, **options) for text in TEXTS]
    assert_equal(processor.pad(batches_of_one, return_tensors="pt"), expected)
    unpadded = processor(TEXTS, padding=False, **options)
    assert_equal(processor.pad(unpadded, return_tensors="pt"), expected)


def test_uint8_is_the_same_picture_in_a_quarter_of_the_memory() -> None:
    processor = PixelProcessor()
    small, large = (
        processor(TEXTS, dtype=dtype, return_tensors="np")["pixel_values"] for dtype in (np.uint8, "float32")
    )
    assert small.nbytes * 4 == large.nbytes and np.array_equal(small, (large * 255).astype(np.uint8))
    assert processor.batch_decode(small) == TEXTS
    with pytest.raises(ValueError, match="dtype must be"):
        processor("a", dtype="float16")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("target_first", [False, True])
def test_mixed_rows_are_padded_part_by_part(side: str, target_first: bool) -> None:
    processor = PixelProcessor(tokenizer=byte_tokenizer(), padding_side=side)
    options = {"target_first": target_first}
    targets = ["x", "yes", "no"]
    expected = processor(TEXTS, target_text=targets, return_tensors="pt", **options)
    rows = [
        processor(text, target_text=target, as_row=True, **options)
        for text, target in zip(TEXTS, targets, strict=True)
    ]
    assert_equal(processor.pad(rows, return_tensors="pt"), expected)
    ids = processor(target_text=targets, return_tensors="pt")
    assert_equal(
        processor.pad([processor(target_text=text, as_row=True) for text in targets], return_tensors="pt"),
        ids,
    )


def test_map_then_collate() -> None:
    datasets = pytest.importorskip("datasets")
    processor = PixelProcessor()
    data = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 0]})
    expected = processor(TEXTS, return_tensors="pt")
    collate = DataCollatorWithPadding(processor)
    ways = [
        data.map(lambda row: processor(row["text"], dtype="uint8"), remove_columns="text"),
        data.map(lambda row: processor(row["text"], as_row=True), remove_columns="text"),
        data.map(
            lambda rows: processor(rows["text"], dtype="uint8"),
            batched=True,
            batch_size=2,
            remove_columns="text",
        ),
        data.map(lambda rows: processor(rows["text"], padding=False), batched=True, remove_columns="text"),
    ]
    for mapped in ways:
        assert len(mapped) == len(TEXTS)
        batch = collate([mapped[index] for index in range(3)])
        assert batch["labels"].tolist() == [0, 1, 0]
        pixels = batch["pixel_values"].float() / (255 if batch["pixel_values"].dtype == torch.uint8 else 1)
        assert torch.equal(pixels, expected["pixel_values"])
        assert torch.equal(batch["attention_mask"], expected["attention_mask"])


def test_labels_per_position_and_multiples() -> None:
    processor = PixelProcessor()
    rows = [
        {**processor(text, as_row=True), "labels": processor(text, as_row=True)["attention_mask"]}
        for text in TEXTS
    ]
    batch = processor.pad(rows, pad_to_multiple_of=4, return_tensors="pt")
    assert batch["pixel_values"].shape[-1] == 8 * 20
    assert torch.equal(batch["labels"] == -100, batch["attention_mask"] == 0)
    fixed = processor.pad(rows, padding="max_length", max_length=9, return_tensors="np")
    assert fixed["attention_mask"].shape == (3, 9)
    left = processor.pad(rows, padding_side="left", return_tensors="pt")
    assert left["attention_mask"][1].tolist() == [0] * 4 + [1] * 2
    assert (
        processor.batch_decode({key: left[key] for key in ("pixel_values", "attention_mask", "num_columns")})
        == TEXTS
    )


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ([], ValueError, "batch is empty"),
        ([{"text": "a"}], ValueError, "row 0 has no pixel_values"),
        (["a"], TypeError, "list of rows"),
        (
            [
                {"pixel_values": np.ones((1, 8, 20)), "label": [1, 2, 3]},
                {"pixel_values": np.ones((1, 8, 20)), "label": [1]},
            ],
            ValueError,
            "label of row 1",
        ),
        ([{"pixel_values": np.ones((1, 8, 20)), "text": "a"}], ValueError, "text of row 0"),
        ([{"pixel_values": np.ones((1, 8, 21))}], ValueError, "a multiple of 20"),
        ([{"pixel_values": np.full((1, 8, 20), 2.0)}], ValueError, r"in \[0, 1\]"),
        (
            [{"pixel_values": np.ones((1, 8, 20)), "attention_mask": [1, 1]}],
            ValueError,
            "2 entries for 1 patches",
        ),
        (
            [{"pixel_values": np.ones((1, 8, 20))}, {"pixel_values": np.ones((1, 8, 20)), "x": 1}],
            ValueError,
            "row 1 has the columns",
        ),
    ],
)
def test_rows_that_do_not_fit(features: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PixelProcessor().pad(features)


def test_max_length_is_max_patches() -> None:
    processor = PixelProcessor()
    one = processor(TEXTS[0], truncation=True, max_length=3, return_tensors="np")
    assert one["attention_mask"].shape == (1, 3)
    with pytest.raises(ValueError, match="max_length=3 is another name of max_patches, which is 4"):
        processor("a", max_length=3, max_patches=4)
    with pytest.raises(ValueError, match="max_patches is 2"):
        processor(TEXTS[0], max_length=2)


def test_images_may_come_first() -> None:
    processor = PixelProcessor()
    drawn = processor.to_pil(processor(TEXTS[:2], add_eos=False, padding=False))
    expected = processor(images=drawn, text=["x", "y"], return_tensors="pt")
    assert_equal(processor(drawn, ["x", "y"], return_tensors="pt"), expected)
    assert_equal(processor(drawn[0], return_tensors="pt"), processor(images=drawn[0], return_tensors="pt"))
    assert isinstance(drawn[0], Image.Image)
    array = np.asarray(drawn[0])
    assert_equal(processor(array, return_tensors="pt"), processor(images=array, return_tensors="pt"))


def test_rows_are_read_as_batches_are() -> None:
    processor = PixelProcessor(padding_side="left")
    row = processor(TEXTS[1], padding="max_length", max_length=6, as_row=True)
    assert processor.decode(row) == TEXTS[1] and processor.to_pil(row)[0].size == (120, 8)
    with pytest.raises(ValueError, match="as_row"):
        processor(TEXTS, as_row=True)
