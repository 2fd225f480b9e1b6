# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Both trainers take steps on a device: losses fall, optimisers agree with the CPU, checkpoints are resumed from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.device import build_model, build_strips
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainingArguments

from pixel_ar import PixelARForCausalLM
from pixel_ar.training import (
    AdversarialArguments,
    AdversarialTrainer,
    MuonAdamW,
    PatchDiscriminator,
    muon_groups,
)

pytestmark = pytest.mark.cuda


class Strips(IterableDataset):
    """The same few strips again and again."""

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        strips = build_strips(8, 10)
        while True:
            for strip in strips:
                yield {
                    "pixel_values": strip,
                    "attention_mask": torch.ones(10, dtype=torch.int64),
                    "labels": torch.zeros(10, dtype=torch.int64),
                }


def arguments(folder: Path, device: torch.device, **options: Any) -> TrainingArguments:
    settings = {
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "use_cpu": device.type == "cpu",
        "dataloader_pin_memory": False,
        "seed": 1,
    }
    return TrainingArguments(output_dir=str(folder), **{**settings, **options})


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def train(model: PixelARForCausalLM, device: torch.device, folder: Path, **options: Any) -> Trainer:
    resume = options.pop("resume", None)
    groups = muon_groups(model, 0.01, 3e-3)
    trainer = Trainer(
        model=model,
        args=arguments(folder, device, **options),
        train_dataset=Strips(),
        optimizers=(MuonAdamW(groups), None),
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("head", ["autoregressive", "dictionary"])
def test_training_lowers_the_loss(head: str, device: torch.device, tmp_path: Path) -> None:
    trainer = train(build_model(head, device), device, tmp_path, bf16=device.type == "cuda")
    found = losses(trainer)
    assert len(found) == 8 and sum(found[-2:]) < sum(found[:2])
    assert next(trainer.model.parameters()).device.type == device.type


def test_a_run_is_resumed(device: torch.device, tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 4}
    whole = losses(train(build_model("autoregressive", device), device, tmp_path, **options))
    resumed = train(
        build_model("autoregressive", device),
        device,
        tmp_path,
        resume=str(tmp_path / "checkpoint-4"),
        **options,
    )
    assert losses(resumed) == pytest.approx(whole, rel=1e-3)


def test_the_adversarial_stage_takes_steps(device: torch.device, tmp_path: Path) -> None:
    model = build_model("bernoulli", device)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trainer = AdversarialTrainer(
        model=model,
        args=arguments(tmp_path, device, max_steps=4),
        train_dataset=Strips(),
        discriminator=PatchDiscriminator.from_generator(model),
        adversarial=AdversarialArguments(num_samples=3, ratio_warmup_steps=2),
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "discriminator_loss" in entry]
    assert len(logged) == 4
    assert all(abs(entry["discriminator_loss"]) < 100 for entry in logged)
    assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())
