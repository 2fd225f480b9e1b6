# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""PEFT: targets, heads trained whole, save, load and merge."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from pixel_ar import (
    PixelARForCausalLM,
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelProcessor,
)
from pixel_ar.training import LORA_TARGETS

peft = pytest.importorskip("peft")

TASKS = {
    "SEQ_CLS": (PixelARForSequenceClassification, "AutoPeftModelForSequenceClassification", None),
    "TOKEN_CLS": (PixelARForTokenClassification, "AutoPeftModelForTokenClassification", None),
    "QUESTION_ANS": (PixelARForQuestionAnswering, "AutoPeftModelForQuestionAnswering", None),
    "CAUSAL_LM": (PixelARForCausalLM, "AutoPeftModelForCausalLM", ["patch_head"]),
}


def inputs(checkpoint: Path) -> dict[str, torch.Tensor]:
    processor = PixelProcessor.from_pretrained(checkpoint)
    return dict(processor(text=["one row", "and a second one"], return_tensors="pt"))


def outputs(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        found = model.eval()(**batch)
    return found.start_logits if hasattr(found, "start_logits") else found.logits


def trained(task: str, checkpoint: Path) -> tuple[torch.nn.Module, PreTrainedModel]:
    """An adapted model of which every trained part has moved, and the class of its base."""
    torch.manual_seed(1)
    cls, _, to_save = TASKS[task]
    config = peft.LoraConfig(task_type=task, r=2, target_modules=LORA_TARGETS, modules_to_save=to_save)
    model = peft.get_peft_model(cls.from_pretrained(checkpoint), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    return model, cls


@pytest.mark.parametrize("task", TASKS)
def test_targets_are_the_decoder_and_train_the_head(task: str, tiny_checkpoint: Path) -> None:
    model, _ = trained(task, tiny_checkpoint)
    adapted = {name for name, module in model.named_modules() if hasattr(module, "lora_A") and module.lora_A}
    assert {name.rsplit(".", 1)[1] for name in adapted} == set(LORA_TARGETS)
    assert all(".model.layers." in name for name in adapted) and len(adapted) == 2 * len(LORA_TARGETS)
    free = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    heads = {
        "SEQ_CLS": "score",
        "TOKEN_CLS": "score",
        "QUESTION_ANS": "qa_outputs",
        "CAUSAL_LM": "patch_head",
    }
    assert all("lora_" in name or f".{heads[task]}.modules_to_save." in name for name in free)
    assert any(f".{heads[task]}." in name for name in free)


@pytest.mark.parametrize("task", TASKS)
def test_saved_loaded_and_merged_are_equal(task: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, cls = trained(task, tiny_checkpoint)
    batch = inputs(tiny_checkpoint)
    expected = outputs(model, batch)
    assert not torch.equal(expected, outputs(cls.from_pretrained(tiny_checkpoint), batch))
    model.save_pretrained(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    loaded = getattr(peft, TASKS[task][1]).from_pretrained(tmp_path / "adapter")
    assert torch.equal(outputs(loaded, batch), expected)
    merged = model.merge_and_unload()
    deviation = float((outputs(merged, batch) - expected).abs().max())
    print(f"\n{task}: merged deviates by {deviation:.1e}")
    assert deviation < 1e-5
    merged.save_pretrained(tmp_path / "merged")
    assert torch.equal(outputs(cls.from_pretrained(tmp_path / "merged"), batch), outputs(merged, batch))


def test_adapted_models_write(tiny_checkpoint: Path) -> None:
    model, _ = trained("CAUSAL_LM", tiny_checkpoint)
    strips = model.generate(**inputs(tiny_checkpoint), max_new_patches=2)
    assert strips.shape[1:3] == (1, 8)


def test_nothing_hooks_into_imports() -> None:
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("pixel_ar")]
