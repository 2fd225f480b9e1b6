# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fixtures of the reference implementations, and their weights under this package's names."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from tools.paths import FIXTURES

from pixel_ar import PixelARConfig

LLAMA_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "attention_bias",
    "max_position_embeddings",
)


@dataclass
class Fixture:
    """One fixture.

    Attributes:
        about: its description.
        weights: tensors under the reference's names.
        inputs: what the reference was given.
        outputs: what it returned.
    """

    about: dict[str, Any]
    weights: dict[str, torch.Tensor]
    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


def load_fixture(name: str) -> Fixture:
    """Reads a fixture by its file name without suffix."""
    parts: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "inputs": {}, "outputs": {}}
    for key, tensor in load_file(FIXTURES / f"{name}.safetensors").items():
        kind, rest = key.split(".", 1)
        parts[kind][rest] = tensor
    about = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return Fixture(about, **parts)


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest absolute difference."""
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)}, the reference has {tuple(theirs.shape)}"
    return float((ours.to(theirs.dtype) - theirs).abs().max())


def _llama_fields(given: dict[str, Any]) -> dict[str, Any]:
    fields = {name: given[name] for name in LLAMA_FIELDS if name in given}
    if "rope_theta" in given:
        fields["rope_parameters"] = {"rope_type": "default", "rope_theta": given["rope_theta"]}
    return fields


def pixar_config(about: dict[str, Any], **overrides: Any) -> PixelARConfig:
    """The configuration of a PIXAR fixture under this package's names."""
    given = about["config"]
    fields = _llama_fields(given)
    fields |= {
        "patch_size": (given["patch_size"], given["patch_size"] * given["patch_len"]),
        "num_channels": given["num_channel"],
        "patch_embedding_bias": False,
        "patch_head": "bernoulli" if given["binary"] else "regression",
        "regression_output_range": "signed",
    }
    return PixelARConfig(**{**fields, **overrides})


def pixar_weights(weights: dict[str, torch.Tensor], config: PixelARConfig) -> dict[str, torch.Tensor]:
    """PIXAR's backbone weights under this package's names; `score` and `head` keep theirs."""
    renamed = {}
    for name, tensor in weights.items():
        name = name.removeprefix("llama.")
        if name == "in_proj.weight":
            name, tensor = "model.embed_patches.projection.weight", tensor.permute(0, 2, 3, 1).flatten(1)
        elif name == "out_proj.weight":
            name, tensor = "patch_head.projection.weight", tensor.permute(2, 3, 1, 0).flatten(0, 2)
        elif not name.startswith(("score.", "head.")):
            name = f"model.{name}"
        renamed[name] = tensor.contiguous()
    return renamed


def pixelgpt_config(about: dict[str, Any], **overrides: Any) -> PixelARConfig:
    """The configuration of a PixelGPT fixture under this package's names."""
    given = about["config"]
    fields = _llama_fields(given)
    fields |= {
        name: given[name]
        for name in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "num_labels")
        if name in given
    }
    fields |= {
        "patch_size": (given["patch_size"], given["patch_size"]),
        "num_channels": given["num_channels"],
        "pixel_mean": 0.0,
        "pixel_std": 1.0,
        "patch_embedding_norm": True,
        "patch_head": "regression",
        "norm_pix_loss": given.get("norm_pix_loss", True),
    }
    return PixelARConfig(**{**fields, **overrides})


def pixelgpt_weights(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """PixelGPT's weights under this package's names."""
    renamed = {}
    for name, tensor in weights.items():
        name = name.replace("embed_patches.patch_embeddings.", "embed_patches.")
        name = name.replace("lm_token_head.", "token_head.").replace(
            "lm_pixel_head.", "patch_head.projection."
        )
        if name == "model.embed_patches.projection.weight":
            tensor = tensor.permute(0, 2, 3, 1).flatten(1)
        renamed[name] = tensor.contiguous()
    return renamed


def to_conv(weight: torch.Tensor, channels: int, height: int, width: int) -> torch.Tensor:
    """A patch projection `[D, P]` in the layout of the references' convolution, `[D, C, h, w]`."""
    return weight.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)


def relative_deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The norm of the difference over the norm of the reference."""
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)}, the reference has {tuple(theirs.shape)}"
    return float((ours - theirs).norm() / theirs.norm())


__all__ = [
    "FIXTURES",
    "Fixture",
    "deviation",
    "load_fixture",
    "pixar_config",
    "pixar_weights",
    "pixelgpt_config",
    "pixelgpt_weights",
    "relative_deviation",
    "to_conv",
]
