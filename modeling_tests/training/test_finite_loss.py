# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A loss that is not a number is an error with its row, not a training step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import TrainingArguments

from pixel_ar import PixelARForCausalLM, PixelARForTokenClassification, PixelProcessor
from pixel_ar.training import (
    FiniteLossTrainer,
    LanguageModelingCollator,
    NonFiniteLossError,
    TokenClassificationCollator,
)


class Spoiling:
    """A collator that spoils one row of its batches."""

    def __init__(self, collator: Any, name: str, row: int, value: float) -> None:
        self.collator, self.name, self.row, self.value = collator, name, row, value

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self.collator(rows)
        if self.name == "pixel_values":
            batch["pixel_values"] = batch["pixel_values"].float() / 255
        batch[self.name][self.row] = self.value
        return batch


def trainer(model: Any, collator: Any, rows: list[dict[str, Any]], folder: Path) -> FiniteLossTrainer:
    arguments = TrainingArguments(
        str(folder),
        max_steps=2,
        per_device_train_batch_size=len(rows),
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    return FiniteLossTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_list(rows), data_collator=collator
    )


def test_the_row_is_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = PixelARForCausalLM.from_pretrained(tiny_checkpoint)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    collator = LanguageModelingCollator(PixelProcessor.from_pretrained(tiny_checkpoint))
    rows = [{"text": "one row"}, {"text": "another"}, {"text": "a third"}]
    spoiled = Spoiling(collator, "pixel_values", 1, float("nan"))
    with pytest.raises(
        NonFiniteLossError, match=r"after step 0 is nan: row 1: \d+ values of pixel_values"
    ) as found:
        trainer(model, spoiled, rows, tmp_path).train()
    assert found.value.rows == (1,) and found.value.step == 0
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    trainer(model, collator, rows, tmp_path).train()


def test_rows_without_a_label(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = PixelARForTokenClassification.from_pretrained(tiny_checkpoint, num_labels=3)
    collator = TokenClassificationCollator(PixelProcessor.from_pretrained(tiny_checkpoint))
    spoiled = Spoiling(collator, "labels", slice(None), -100)
    rows = [{"tokens": ["a", "b"], "tags": [1, 2]}]
    with pytest.raises(NonFiniteLossError, match="row 0: all of its labels are -100"):
        trainer(model, spoiled, rows, tmp_path).train()
    trainer(model, collator, rows, tmp_path).train()


def test_spoiled_weights_are_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = PixelARForCausalLM.from_pretrained(tiny_checkpoint)
    with torch.no_grad():
        model.model.norm.weight[0] = float("inf")
    collator = LanguageModelingCollator(PixelProcessor.from_pretrained(tiny_checkpoint))
    with pytest.raises(NonFiniteLossError, match=r"weights hold NaN or infinity \(model\.norm\.weight\)"):
        trainer(model, collator, [{"text": "one row"}], tmp_path).train()


def test_strips_of_one_patch_teach_nothing(tiny_checkpoint: Path) -> None:
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    collator = LanguageModelingCollator(processor, max_patches=1, add_start=False)
    with pytest.raises(ValueError, match=r"no room|no label in any of the 1 rows"):
        collator([{"text": "a"}])
