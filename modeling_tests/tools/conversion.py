# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fixtures written as the reference implementations write checkpoints."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tools.fixture import Fixture

# What the configuration classes of transformers 4.34 and 4.36 write besides the fields of a fixture.
LLAMA_FIELDS: dict[str, Any] = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": 2048,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "use_cache": True,
    "vocab_size": 32000,
}


def original_config(fixture: Fixture) -> dict[str, Any]:
    """The `config.json` that the reference writes for a fixture's model."""
    given = dict(fixture.about["config"])
    is_pixar = "num_channel" in given
    is_classifier = any(name.startswith("score.") for name in fixture.weights)
    kind = ("LlamaForPatch", "CausalInference") if is_pixar else ("ErniePixelFor", "CausalLM")
    config = {
        **LLAMA_FIELDS,
        "num_key_value_heads": given["num_attention_heads"],
        "architectures": [kind[0] + ("SequenceClassification" if is_classifier else kind[1])],
        "model_type": "llama" if is_pixar else "ernie-pixel",
        "transformers_version": "4.34.1" if is_pixar else "4.36.2",
    }
    labels = given.pop("num_labels", None)
    if labels is not None:
        config["id2label"] = {str(index): f"LABEL_{index}" for index in range(labels)}
        config["label2id"] = {f"LABEL_{index}": index for index in range(labels)}
    return config | given


def write_original(
    folder: Path,
    weights: dict[str, torch.Tensor],
    config: dict[str, Any],
    form: str = "bin",
    name: str = "pytorch_model.bin",
) -> Path:
    """Writes a checkpoint in one of the layouts: "bin", "safetensors", "sharded bin" or "sharded safetensors"."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = {
        key: tensor.clone() if tensor.is_sparse else tensor.clone().contiguous()
        for key, tensor in weights.items()
    }
    if form == "bin":
        torch.save(weights, folder / name)
    elif form == "safetensors":
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        _write_shards(folder, weights, form.removeprefix("sharded "))
    return folder


def _write_shards(folder: Path, weights: dict[str, torch.Tensor], form: str) -> None:
    stem = "pytorch_model" if form == "bin" else "model"
    suffix = "bin" if form == "bin" else "safetensors"
    names = sorted(weights)
    halves = [names[::2], names[1::2]]
    weight_map = {}
    for number, half in enumerate(halves, start=1):
        file = f"{stem}-{number:05d}-of-{len(halves):05d}.{suffix}"
        part = {key: weights[key] for key in half}
        if form == "bin":
            torch.save(part, folder / file)
        else:
            save_file(part, folder / file)
        weight_map |= dict.fromkeys(half, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index), encoding="utf-8")


__all__ = ["original_config", "write_original"]
