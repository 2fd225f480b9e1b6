# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Distillation of the flow head: the decoder stays, students load and generate at their steps, runs resume."""

import copy
import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, TrainingArguments

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import (
    FlowDistillationArguments,
    FlowDistillationTrainer,
    LanguageModelingCollator,
)
from pixel_ar.training.flow_distillation import cache_states

TEXTS = [f"Number {number} of the union." for number in range(24)]
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "head_hidden_size": 32,
    "head_num_layers": 1,
}


def build(head: str = "flow", **fields: Any) -> PixelARForCausalLM:
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**SMALL, patch_head=head, **fields))
    if head == "flow":  # a new one predicts the same whatever it sees
        torch.nn.init.normal_(model.patch_head.network.output.weight, std=0.3)
    return model


def train(
    model: PixelARForCausalLM, folder: Path, resume: str | None = None, **options: Any
) -> FlowDistillationTrainer:
    processor = PixelProcessor()
    names = FlowDistillationArguments.__dataclass_fields__
    settings = {name: options.pop(name) for name in list(options) if name in names}
    arguments: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        **options,
    }
    trainer = FlowDistillationTrainer(
        model=model,
        args=TrainingArguments(output_dir=str(folder), **arguments),
        distillation=FlowDistillationArguments(**settings),
        train_dataset=Dataset.from_dict({"text": TEXTS}),
        eval_dataset=Dataset.from_dict({"text": TEXTS[:4]}),
        data_collator=LanguageModelingCollator(processor),
        processing_class=processor,
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def decoder_hash(model: PixelARForCausalLM) -> str:
    """Of everything but the head."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not name.startswith("patch_head."):
            digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def head_weights(model: PixelARForCausalLM) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.patch_head.state_dict().items()}


@pytest.mark.parametrize("cached", [0, 64])
@pytest.mark.parametrize("stage", ["guidance", "halving"])
def test_the_decoder_stays_and_the_head_learns(stage: str, cached: int, tmp_path: Path) -> None:
    model = build()
    before, head = decoder_hash(model), head_weights(model)
    trainer = train(model, tmp_path, stage=stage, iterations=2, start_steps=2, cache_states=cached)
    assert decoder_hash(model) == before
    after = head_weights(model)
    assert all(not torch.equal(after[name], value) for name, value in head.items() if "null" not in name)
    assert trainer.state.global_step == 2
    assert trainer.evaluate()["eval_loss"] > 0


def test_a_new_input_changes_nothing(tmp_path: Path) -> None:
    model = build()
    hidden = torch.randn(3, 16)
    before = model.eval().patch_head.sample(hidden).patches
    trainer = FlowDistillationTrainer(model, TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"))
    for scale in (1.0, 2.5, 4.0):
        torch.testing.assert_close(
            model.patch_head.eval().sample(hidden, guidance_scale=scale).patches, before
        )
    assert model.config.flow_guided and not trainer.teacher.config.flow_guided


def test_every_halving_is_a_checkpoint(tmp_path: Path) -> None:
    model = build(flow_guided=True)
    train(model, tmp_path, stage="halving", iterations=1, start_steps=4)
    prompt = torch.ones(1, 1, 8, 40)
    for steps in (2, 1):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / f"steps-{steps}")
        assert loaded.config.flow_steps == steps and loaded.config.flow_guided
        counts: list[int] = []
        loaded.patch_head.network.output.register_forward_hook(lambda *_, seen=counts: seen.append(1))
        out = loaded.generate(prompt, max_new_patches=3, stop_at_eos=False, guidance_scale=2.0)
        assert out.shape == (1, 1, 8, 100) and len(counts) == 3 * steps
        assert PixelProcessor.from_pretrained(tmp_path / f"steps-{steps}").patch_size == (8, 20)
    last = AutoModelForCausalLM.from_pretrained(tmp_path / "steps-1").state_dict()
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("step", [1, 2, 3])
def test_resuming(step: int, tmp_path: Path) -> None:
    """A run stopped in the first halving, between the two, or in the second ends with the same weights."""
    options: dict[str, Any] = {"stage": "halving", "iterations": 2, "start_steps": 4, "cache_states": 40}
    whole = build()
    train(whole, tmp_path, save_strategy="steps", save_steps=1, **options)
    again = build()
    for folder in tmp_path.glob("steps-1"):
        shutil.rmtree(folder)
    resumed = train(again, tmp_path, resume=str(tmp_path / f"checkpoint-{step}"), **options)
    assert resumed.state.global_step == 4 and again.config.flow_steps == 1
    expected = head_weights(whole)
    for name, value in head_weights(again).items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-5)
    assert (tmp_path / "steps-1").is_dir()
    shutil.rmtree(tmp_path / "steps-2")
    if step == 3:
        with pytest.raises(ValueError, match=r"steps-2 is gone"):
            train(build(), tmp_path, resume=str(tmp_path / "checkpoint-3"), **options)


def test_cached_states_are_those_of_the_decoder() -> None:
    model, collator = build().eval(), LanguageModelingCollator(PixelProcessor())
    cached = cache_states(model, Dataset.from_dict({"text": TEXTS}), collator, 10, 3)
    batch = collator([{"text": text} for text in TEXTS[:3]])
    with torch.no_grad():
        states = model.model(batch["pixel_values"], batch["attention_mask"]).last_hidden_state
    assert len(cached) == 10
    torch.testing.assert_close(cached[0]["hidden_states"], states[0, 0])
    torch.testing.assert_close(cached[1]["hidden_states"], states[0, 1])
    second = batch["pixel_values"][0, 0, :, 20:40].float().flatten() / 255
    assert torch.equal(cached[0]["patches"], second)


def test_one_step_learns_what_two_do(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = build(initializer_range=0.3)
    teacher = copy.deepcopy(model.patch_head).eval()
    hidden = torch.randn(200, 16)

    def error() -> float:
        options: dict[str, Any] = {"do_sample": True, "sampler": "raw"}
        drawn = [
            head.eval()
            .sample(hidden, generator=torch.Generator().manual_seed(0), pixel_steps=steps, **options)
            .patches
            for head, steps in ((model.patch_head, 1), (teacher, 2))
        ]
        return float((drawn[0] - drawn[1]).detach().square().mean())

    before = error()
    options = {"start_steps": 2, "cache_states": 100, "per_device_train_batch_size": 50}
    train(model, tmp_path, stage="halving", iterations=80, **options)
    assert error() < 0.5 * before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stage": "third"}, "stage must be one of"),
        ({"iterations": 0}, "iterations"),
        ({"cache_states": -1}, "cache_states"),
        ({"start_steps": 12}, "power of 2"),
        ({"start_steps": 1}, "at least twice"),
        ({"scale_range": [4.0, 1.0]}, "scale_range"),
        ({"scale_range": [1.0]}, "scale_range"),
    ],
)
def test_wrong_settings(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowDistillationArguments(**fields)


def test_models_that_have_nothing_to_distil(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no steps to distil"):
        train(build("bernoulli", head_num_attention_heads=2), tmp_path)
    with pytest.raises(ValueError, match="takes the guidance scale already"):
        train(build(flow_guided=True), tmp_path)
    with pytest.raises(TypeError, match="PixelARForCausalLM"):
        train(build().model, tmp_path)
