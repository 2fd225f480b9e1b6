# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""PEFT: default targets, heads trained whole, save, load and merge."""

import importlib
import inspect
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
from pixel_ar.peft_targets import CONSTANTS, LORA_TARGETS, register_peft_targets

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
    config = peft.LoraConfig(task_type=task, r=2, modules_to_save=to_save)
    model = peft.get_peft_model(cls.from_pretrained(checkpoint), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    return model, cls


@pytest.mark.parametrize("task", TASKS)
def test_defaults_adapt_the_decoder_and_train_the_head(task: str, tiny_checkpoint: Path) -> None:
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


def test_other_methods_have_defaults(tiny_checkpoint: Path) -> None:
    for config in (peft.IA3Config, peft.LNTuningConfig, peft.VeraConfig):
        base = PixelARForSequenceClassification.from_pretrained(tiny_checkpoint)
        model = peft.get_peft_model(base, config(task_type="SEQ_CLS"))
        trainable, everything = model.get_nb_trainable_parameters()
        assert 0 < trainable < everything


def test_waits_for_the_import_of_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported after this package, PEFT has the defaults too; the wait ends with it."""
    tables = sys.modules[CONSTANTS]
    monkeypatch.delitem(sys.modules, CONSTANTS)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = list(sys.meta_path)
    register_peft_targets()
    register_peft_targets()
    assert len(sys.meta_path) == len(before) + 1
    fresh = importlib.import_module(CONSTANTS)
    assert fresh is not tables and sys.meta_path == before
    assert fresh.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING["pixel_ar"] == list(LORA_TARGETS)
    assert inspect.getsource(fresh)
    monkeypatch.setattr(sys.modules["peft.utils"], "constants", tables)


def test_a_users_own_entry_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    table = sys.modules[CONSTANTS].TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    monkeypatch.setitem(table, "pixel_ar", ["q_proj"])
    register_peft_targets()
    assert table["pixel_ar"] == ["q_proj"]
