# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The standard Trainer on our models: accumulation, resume, evaluation, callbacks, time budget."""

import inspect
import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from PIL import Image
from safetensors.torch import load_file
from tools.finetuning import RECOMPUTATION
from transformers import AutoModelForCausalLM, AutoProcessor, PreTrainedModel, Trainer, TrainingArguments

from pixel_ar import PixelARForCausalLM, PixelProcessor
from pixel_ar.metrics import score_texts
from pixel_ar.models.page import modeling_page
from pixel_ar.models.pixel_ar import modeling_pixel_ar, tasks
from pixel_ar.training import (
    BitsPerCharacterCallback,
    LanguageModelingCollator,
    PackedTextDataset,
    SampleStripsCallback,
    TimeBudget,
)

TEXTS = [f"Document number {number} speaks of the state of the union." for number in range(40)]


@pytest.fixture
def processor(tiny_checkpoint: Path) -> PixelProcessor:
    return PixelProcessor.from_pretrained(tiny_checkpoint)


def build_trainer(
    tiny_checkpoint: Path, processor: PixelProcessor, folder: Path, callbacks: list | None = None, **options
) -> Trainer:
    documents = Dataset.from_dict({"text": TEXTS}).to_iterable_dataset().shuffle(seed=0, buffer_size=100)
    defaults = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "remove_unused_columns": False,
        "prediction_loss_only": True,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return Trainer(
        model=PixelARForCausalLM.from_pretrained(tiny_checkpoint),
        args=TrainingArguments(output_dir=str(folder), **{**defaults, **options}),
        train_dataset=PackedTextDataset(documents, processor.renderer, 20, 16),
        eval_dataset=Dataset.from_dict({"text": TEXTS[:8]}),
        data_collator=LanguageModelingCollator(processor, 16),
        processing_class=processor,
        callbacks=callbacks,
    )


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def largest_difference(first: torch.nn.Module, second: dict[str, torch.Tensor]) -> float:
    return max(
        (first.state_dict()[name].float() - value.float()).abs().max().item()
        for name, value in second.items()
    )


def test_training_lowers_the_loss_and_saves_a_folder_that_loads(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    trainer = build_trainer(tiny_checkpoint, processor, tmp_path, max_steps=30, learning_rate=1e-2)
    trainer.train()
    assert losses(trainer)[-1] < 0.7 * losses(trainer)[0]
    trainer.save_model()
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert largest_difference(trainer.model, model.state_dict()) == 0
    assert again.renderer.render_bytes("same pixels") == processor.renderer.render_bytes("same pixels")


def test_accumulated_batches_equal_one_large_batch(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    large = build_trainer(tiny_checkpoint, processor, tmp_path / "a", per_device_train_batch_size=8)
    small = build_trainer(
        tiny_checkpoint,
        processor,
        tmp_path / "b",
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
    )
    large.train()
    small.train()
    difference = largest_difference(large.model, small.model.state_dict())
    print(f"largest difference of a weight, 4 x 2 against 8: {difference:.2e}")
    assert difference < 1e-5
    assert losses(small) == pytest.approx(losses(large), abs=1e-3)


def test_resume_is_bit_equal(tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 3}
    whole = build_trainer(tiny_checkpoint, processor, tmp_path, **options)
    whole.train()
    resumed = build_trainer(tiny_checkpoint, processor, tmp_path, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert losses(resumed) == losses(whole)
    assert largest_difference(resumed.model, whole.model.state_dict()) == 0
    saved = load_file(tmp_path / "checkpoint-6" / "model.safetensors")
    assert largest_difference(whole.model, saved) == 0


def test_bf16_and_gradient_checkpointing_train(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    trainer = build_trainer(
        tiny_checkpoint, processor, tmp_path, bf16=True, max_steps=3, **{RECOMPUTATION: True}
    )
    trainer.train()
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())


def test_trainer_knows_the_labels_by_name() -> None:
    """It computes the loss of an evaluation where every argument with "label" in its name is in the batch."""
    classes = [
        cls
        for module in (modeling_pixel_ar, tasks, modeling_page)
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, PreTrainedModel) and cls.__module__ == module.__name__
    ]
    with_loss = [cls for cls in classes if "labels" in inspect.signature(cls.forward).parameters]
    assert len(with_loss) == 4
    for cls in with_loss:
        names = [name for name in inspect.signature(cls.forward).parameters if "label" in name]
        assert names == ["labels"], cls


def test_evaluation_stores_no_pixels(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    trainer = build_trainer(tiny_checkpoint, processor, tmp_path, prediction_loss_only=False)
    output = trainer.predict(Dataset.from_dict({"text": TEXTS[:4]}))
    assert output.predictions is None or len(output.predictions) == 0
    assert output.metrics["test_loss"] > 0


def test_bits_per_character_enter_the_metrics(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    trainer = build_trainer(
        tiny_checkpoint, processor, tmp_path, [BitsPerCharacterCallback(processor, TEXTS[:8], batch_size=3)]
    )
    metrics = trainer.evaluate()
    expected = score_texts(trainer.model, processor, TEXTS[:8]).bits_per_character
    assert metrics["eval_bits_per_character"] == pytest.approx(expected, rel=1e-5)
    assert any("eval_bits_per_character" in entry for entry in trainer.state.log_history)


def test_sample_strips_are_written_and_leave_training_alone(
    tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
) -> None:
    callback = SampleStripsCallback(
        processor, ["The", "Of the people"], tmp_path / "samples", max_new_patches=3
    )
    options = {"eval_strategy": "steps", "eval_steps": 2, "max_steps": 4}
    with_samples = build_trainer(tiny_checkpoint, processor, tmp_path, [callback], **options)
    without = build_trainer(tiny_checkpoint, processor, tmp_path, **options)
    with_samples.train()
    without.train()
    pictures = sorted(path.name for path in (tmp_path / "samples").glob("*.png"))
    assert pictures == ["step-0000002.png", "step-0000004.png"]
    with Image.open(tmp_path / "samples" / pictures[0]) as picture:
        assert picture.height == 2 * (2 * (8 + 4) + 4)
    assert losses(with_samples) == losses(without)


class TestTimeBudget:
    """Training by the clock."""

    @pytest.mark.parametrize("clock", ["wall", "processor"])
    def test_stops_and_lowers_the_learning_rate(
        self, clock: str, tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
    ) -> None:
        trainer = build_trainer(tiny_checkpoint, processor, tmp_path, max_steps=100_000)
        budget = TimeBudget(minutes=2 / 60, warmup_steps=2, clock=clock)
        budget.install(trainer)
        trainer.train()
        assert 2 <= budget.seconds_used < 30
        assert 0 < trainer.state.global_step < 100_000
        rates = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
        assert max(rates) > 10 * rates[-1]

    def test_a_resumed_run_spends_what_is_left(
        self, tiny_checkpoint: Path, processor: PixelProcessor, tmp_path: Path
    ) -> None:
        first = build_trainer(
            tiny_checkpoint, processor, tmp_path, save_strategy="steps", save_steps=2, max_steps=2
        )
        budget = TimeBudget(minutes=60)
        budget.install(first)
        first.train()
        second = build_trainer(tiny_checkpoint, processor, tmp_path, max_steps=4)
        rest = TimeBudget(minutes=60)
        rest.install(second)
        second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        state = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())
        used = state["stateful_callbacks"]["TimeBudget"]["attributes"]["seconds_used"]
        assert 0 < used < rest.seconds_used

    def test_needs_time(self) -> None:
        with pytest.raises(ValueError, match="positive, got 0"):
            TimeBudget(0)
        with pytest.raises(ValueError, match="one of wall, processor, got 'sun'"):
            TimeBudget(1, clock="sun")
