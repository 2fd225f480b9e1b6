# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Models of every patch head, with strips they could have seen, for the tests on devices."""

from typing import Any

import numpy as np
import torch
from tools.tiny import TINY

from pixel_ar import PatchDictionary, PixelARConfig, PixelARForCausalLM

PATCH = (8, 20)
LARGER: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "head_hidden_size": 64,
    "head_num_layers": 1,
    "head_byte_hidden_size": 32,
}
# What a head needs besides its name.
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"autoregressive": {"head_num_glyphs": 0}}


def build_dictionary(patch_size: tuple[int, int] = PATCH) -> PatchDictionary:
    """Twelve random patches, the white and the EOS patch among them, and four glyphs."""
    rows = np.random.default_rng(0).integers(0, 256, (60, patch_size[1]), dtype=np.uint8)
    rows[:20], rows[20:30] = 0, 255
    strips = (rows[index % 45].tobytes() for index in range(200))
    return PatchDictionary.fit(strips, patch_size, 12, 4, 5)


def build_model(head: str, device: torch.device | str = "cpu", **options: Any) -> PixelARForCausalLM:
    """A small model with random weights, in evaluation, float32; larger on a device that is made for it.

    Args:
        head: a key of `PATCH_HEADS`.
        device: where the test runs.
        options: fields of the configuration.
    """
    sizes = TINY if torch.device(device).type == "cpu" else LARGER
    dictionary = build_dictionary() if head == "dictionary" else None
    settings = {
        **sizes,
        "patch_size": PATCH,
        "patch_head": head,
        "initializer_range": 0.1,
        "max_position_embeddings": 256,
        **({} if dictionary is None else dictionary.config_fields()),
        **HEAD_OPTIONS.get(head, {}),
        **options,
    }
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**settings))
    if dictionary is not None:
        model.set_patch_dictionary(dictionary)
    return model.eval().to(device)


def build_strips(rows: int, patches: int, num_channels: int = 1, seed: int = 1) -> torch.Tensor:
    """`[rows, C, 8, patches * 20]` of 0 and 1, with patches of the dictionary among them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, num_channels, PATCH[0], patches * PATCH[1])
    strips = torch.randint(0, 2, shape, generator=generator).float()
    strips[..., : 2 * PATCH[1]] = 1
    return strips


__all__ = ["HEAD_OPTIONS", "PATCH", "build_dictionary", "build_model", "build_strips"]
