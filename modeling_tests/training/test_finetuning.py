# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The standard Trainer on the task models: what must be equal is equal, and nothing needs a trainer of our own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from safetensors.torch import load_file
from tools.finetuning import FSDP, RECOMPUTATION, TASKS, build, descend, deviation, rows
from tools.paths import ROOT
from transformers import AutoProcessor, EarlyStoppingCallback, Trainer, TrainingArguments

from pixel_ar import PixelARForCausalLM, PixelProcessor
from pixel_ar.training import LanguageModelingCollator


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def compute_accuracy(found: Any) -> dict[str, float]:
    return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}


@pytest.mark.parametrize("task", TASKS)
def test_evaluation_stores_logits_alone(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    seen: list[Any] = []

    def compute(found: Any) -> dict[str, float]:
        seen.append(found)
        return {"count": len(found.label_ids)}

    trainer = build(task, tiny_checkpoint, tmp_path, compute_metrics=compute)
    trainer.evaluate()
    predictions = seen[0].predictions
    if task == "answers":
        start, end = predictions
        assert start.shape == end.shape and start.shape[0] == 10 and start.ndim == 2
        assert len(seen[0].label_ids) == 2
    else:
        assert isinstance(predictions, np.ndarray) and predictions.shape[0] == 10
        assert predictions.shape[-1] == 3 and predictions.ndim == (2 if task == "sequence" else 3)
    assert seen[0].inputs is None


@pytest.mark.parametrize("task", TASKS)
def test_accumulated_batches_equal_one_large_batch(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    large = build(task, tiny_checkpoint, tmp_path, per_device_train_batch_size=8)
    small = build(
        task, tiny_checkpoint, tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    large.train()
    small.train()
    difference = deviation(weights(large), weights(small))
    print(f"\n{task}: 4 x 2 against 8: weights {difference:.1e}")
    assert difference < 2e-5
    assert losses(small) == pytest.approx(losses(large), abs=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_resume_is_bit_equal(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 3, "max_steps": 5}
    whole = build(task, tiny_checkpoint, tmp_path, **options)
    whole.train()
    resumed = build(task, tiny_checkpoint, tmp_path, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert losses(resumed) == losses(whole)
    assert deviation(weights(resumed), weights(whole)) == 0


def test_the_processor_is_saved_with_every_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    build("sequence", tiny_checkpoint, tmp_path, save_strategy="steps", save_steps=1, max_steps=2).train()
    original = PixelProcessor.from_pretrained(tiny_checkpoint)
    for step in (1, 2):
        saved = AutoProcessor.from_pretrained(tmp_path / f"checkpoint-{step}")
        assert saved.renderer.render_bytes("same") == original.renderer.render_bytes("same")


def test_the_best_model_is_loaded_at_the_end(tiny_checkpoint: Path, tmp_path: Path) -> None:
    steps = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 1}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": True}
    # Highest loss as the best: surely not that of the last step.
    trainer = build(
        "sequence",
        tiny_checkpoint,
        tmp_path,
        compute_metrics=compute_accuracy,
        learning_rate=1e-2,
        **steps,
        **best,
    )
    trainer.train()
    found = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    step = 1 + found.index(max(found))
    assert step < 6 and trainer.state.best_model_checkpoint.endswith(f"checkpoint-{step}")
    saved = load_file(tmp_path / f"checkpoint-{step}" / "model.safetensors")
    assert deviation(weights(trainer), saved) == 0
    assert trainer.evaluate()["eval_loss"] == pytest.approx(max(found), abs=1e-6)


def test_early_stopping(tiny_checkpoint: Path, tmp_path: Path) -> None:
    steps = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 1}
    trainer = build(
        "sequence",
        tiny_checkpoint,
        tmp_path,
        callbacks=[EarlyStoppingCallback(2, early_stopping_threshold=9.0)],  # no step is good enough
        compute_metrics=compute_accuracy,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        **steps,
    )
    trainer.train()
    assert trainer.state.global_step == 3


class TestLabelSmoothing:
    @pytest.mark.parametrize("task", ["sequence", "words"])
    def test_is_what_pytorch_computes(self, task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
        trainer = build(task, tiny_checkpoint, tmp_path, label_smoothing_factor=0.2)
        batch = trainer.data_collator(list(rows(task, 5)))
        labels = batch["labels"]
        with torch.no_grad():
            found = trainer.compute_loss(trainer.model, dict(batch))
            logits = trainer.model(**batch).logits
        expected = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), label_smoothing=0.2)
        print(f"\n{task}: smoothed loss deviates by {float((found - expected).abs()):.1e}")
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)

    def test_words_count_alike_however_they_are_batched(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        runs = []
        for size, steps in ((8, 1), (2, 4)):
            options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps}
            runs.append(build("words", tiny_checkpoint, tmp_path, label_smoothing_factor=0.2, **options))
            runs[-1].train()
        difference = deviation(weights(runs[0]), weights(runs[1]))
        print(f"\nsmoothed words, 4 x 2 against 8: weights {difference:.1e}")
        assert difference < 2e-5

    def test_patches_refuse_it(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        """The values of a patch are no classes: Trainer's smoothing would compute nonsense without a word."""
        processor = PixelProcessor.from_pretrained(tiny_checkpoint)
        arguments = TrainingArguments(
            str(tmp_path), label_smoothing_factor=0.1, remove_unused_columns=False, use_cpu=True
        )
        trainer = Trainer(
            PixelARForCausalLM.from_pretrained(tiny_checkpoint),
            arguments,
            train_dataset=Dataset.from_dict({"text": ["one", "two"]}),
            data_collator=LanguageModelingCollator(processor),
        )
        with pytest.raises(ValueError, match="label_smoothing_factor=0"):
            trainer.train()


def test_rows_of_like_length_meet(tiny_checkpoint: Path, tmp_path: Path) -> None:
    data = rows("sequence")
    trainer = build("sequence", tiny_checkpoint, tmp_path)
    data = data.add_column("length", [trainer.data_collator.length(row) for row in data])
    padded = {}
    for strategy in ("random", "group_by_length"):
        trainer = build(
            "sequence", tiny_checkpoint, tmp_path, train_sampling_strategy=strategy, train_dataset=data
        )
        masks = [batch["attention_mask"] for batch in trainer.get_train_dataloader()]
        assert sum(len(mask) for mask in masks) == 48
        padded[strategy] = sum(int((mask == 0).sum()) for mask in masks)
    print(f"\npadding: {padded}")
    assert padded["group_by_length"] < 0.5 * padded["random"]
    trainer.train()


def test_the_batch_size_is_found(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build(
        "sequence", tiny_checkpoint, tmp_path, per_device_train_batch_size=8, auto_find_batch_size=True
    )
    forward, sizes = trainer.model.forward, []

    def limited(*args: Any, **kwargs: Any) -> Any:
        sizes.append(len(kwargs["pixel_values"]))
        if sizes[-1] > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate too much.")
        return forward(*args, **kwargs)

    monkeypatch.setattr(trainer.model, "forward", limited)
    trainer.train()
    assert sizes[0] == 8 and sizes[-1] <= 3 and trainer.state.global_step == 6


@pytest.mark.parametrize("task", TASKS)
def test_activation_checkpointing_changes_nothing(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    plain = build(task, tiny_checkpoint, tmp_path, max_steps=3)
    saving = build(task, tiny_checkpoint, tmp_path, max_steps=3, **{RECOMPUTATION: True})
    plain.train()
    saving.train()
    difference = deviation(weights(plain), weights(saving))
    print(f"\n{task}: activation checkpointing: weights {difference:.1e}")
    assert difference < 1e-6


@pytest.mark.parametrize("task", TASKS)
def test_a_compiled_model_trains_alike(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    plain = build(task, tiny_checkpoint, tmp_path)
    plain.train()
    assert not torch._dynamo.utils.counters["stats"]["unique_graphs"]
    with patch.dict(os.environ):  # TrainingArguments leaves its choice there for all that follow
        # The graph is captured as for any backend; what inductor makes of it is PyTorch's business.
        options = {"torch_compile": True, "torch_compile_backend": "aot_eager"}
        compiled = build(task, tiny_checkpoint, tmp_path, **options)
        compiled.train()
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    difference = deviation(weights(plain), weights(compiled))
    print(f"\n{task}: compiled ({graphs} graphs) against not: weights {difference:.1e}")
    assert graphs > 0
    assert difference < 1e-5
    assert compiled.evaluate()["eval_loss"] == pytest.approx(plain.evaluate()["eval_loss"], abs=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_bf16_is_close(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    exact = build(task, tiny_checkpoint, tmp_path)
    half = build(task, tiny_checkpoint, tmp_path, bf16=True)
    exact.train()
    half.train()
    difference = max(abs(a - b) / a for a, b in zip(losses(exact), losses(half), strict=True))
    print(f"\n{task}: bf16: losses deviate by {100 * difference:.2f} %")
    assert difference < 0.02
    assert all(value.dtype == torch.float32 for value in weights(half).values())


def test_the_fsdp_file_is_one_that_trainer_knows(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")  # TrainingArguments sets it, and leaves it
    arguments = TrainingArguments(str(tmp_path), fsdp=True, fsdp_config=str(FSDP), use_cpu=True)
    plugin = arguments.fsdp_plugin_args
    assert plugin["fsdp_version"] == 2 and plugin["state_dict_type"] == "FULL_STATE_DICT"
    wrapped = set(json.loads(FSDP.read_text(encoding="utf-8"))["transformer_layer_cls_to_wrap"])
    model = PixelARForCausalLM.from_pretrained(tiny_checkpoint)
    found = [module for module in model.modules() if type(module).__name__ in wrapped]
    assert len(found) == model.config.num_hidden_layers


@pytest.mark.slow
def test_two_processes_equal_one(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """DDP (every task) and FSDP over gloo, against one process with twice the batch."""
    source = os.pathsep.join((str(ROOT / "src"), str(ROOT / "modeling_tests")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(ROOT / "modeling_tests" / "tools" / "finetuning.py"), str(tiny_checkpoint), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    for task in TASKS:
        one = build(task, tiny_checkpoint, tmp_path / "one", per_device_train_batch_size=8)
        one.train()
        difference = deviation(weights(one), load_file(tmp_path / task / "model.safetensors"))
        print(f"\n{task}: two processes against one: weights {difference:.1e}")
        assert difference < 2e-5
    one = build("sequence", tiny_checkpoint, tmp_path / "one")
    start = weights(one)
    descend(one, one.model.train(), slice(None))
    sharded = load_file(tmp_path / "fsdp" / "model.safetensors")
    difference = deviation(weights(one), sharded)
    print(f"\nFSDP: two processes against one: weights {difference:.1e}")
    assert difference < 2e-5 and deviation(start, sharded) > 1e-3
