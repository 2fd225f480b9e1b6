# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Tiny models with a patch dictionary."""

from typing import Any

import numpy as np
import torch
from tools.tiny import TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.dictionary import PatchDictionary


def build_dictionary_model(
    entry_size: tuple[int, int] = (8, 1),
    num_glyphs: int = 9,
    group_columns: int = 1,
    size: int = 12,
    std: float = 0.4,
    num_parts: int = 1,
    **options: Any,
) -> PixelARForCausalLM:
    """A model in float64 whose weights are large enough for everything to matter, in patches of some entries."""
    rng = np.random.default_rng(0)
    length = entry_size[0] // 8 * entry_size[1]
    strips = [rng.integers(0, 20, 40 * length).astype(np.uint8) for _ in range(20)]
    dictionary = PatchDictionary.fit(strips, entry_size, size, num_glyphs, group_columns)
    settings = {
        **TINY,
        **dictionary.config_fields(num_parts),
        "head_group_columns": group_columns,
        **options,
    }
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**settings)).to(torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    model.set_patch_dictionary(dictionary)
    return model.eval()


__all__ = ["build_dictionary_model"]
