# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configurations of the published models, and of ours at the same sizes.

Sizes are those of PIXAR (arXiv 2401.03321; the 113M one as its release counts 113,462,016 parameters, the 85M one with
the SwiGLU width that gives 85M) and of PixelGPT and DualGPT (arXiv 2404.10710; 350,277,632 values in the released
file). Counts are tested. Values are plain numbers and tuples, so that no configuration can change a preset.
"""

from typing import Any

# A Llama decoder of GPT-2's base width.
_BASE: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
}

# PIXAR's binary release: strips of 8 rows and at most 360 patches, two 8-pixel squares to a patch.
_PIXAR: dict[str, Any] = {
    **_BASE,
    "max_position_embeddings": 360,
    "patch_size": (8, 16),
    "num_channels": 1,
    "pixel_mean": 0.5,
    "pixel_std": 0.5,
    "patch_embedding_bias": False,
    "patch_head": "bernoulli",
    "patch_loss_reduction": "sample",
    "classifier_bias": True,
}

# 24 layers with eight key-value heads, half as many as there are query heads.
_LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}

# The token ids are those of Llama 2's tokenizer, which has no padding token: PixelGPT pads with EOS.
_PIXELGPT: dict[str, Any] = {
    **_LARGE,
    "max_position_embeddings": 2048,
    "patch_size": (16, 16),
    "num_channels": 3,
    "pixel_mean": 0.0,
    "pixel_std": 1.0,
    "patch_embedding_bias": True,
    "patch_embedding_norm": True,
    "patch_head": "regression",
    "norm_pix_loss": True,
    "vocab_size": 32000,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}

# Ours: the same decoders, with patches in through one hidden layer and out through the exact head. A patch of 20
# columns holds four whole characters of the 5x8 atlas, and the head is the masked MLP, the default; see
# examples/benchmarks for what both are worth.
_AUTOREGRESSIVE: dict[str, Any] = {
    "max_position_embeddings": 1024,
    "num_channels": 1,
    "pixel_mean": 0.5,
    "pixel_std": 0.5,
    "patch_embedding_bias": True,
    "patch_head": "autoregressive",
}
_AUTOREGRESSIVE_BASE: dict[str, Any] = {
    **_BASE,
    **_AUTOREGRESSIVE,
    "patch_size": (8, 20),
    "patch_embedding_hidden_size": 768,
}

# A word, or eight of its letters, in a patch; one decision among 16,383 entries of a dictionary that is fitted to the
# training text (`set_patch_dictionary`), and glyph by glyph where no entry is meant.
_WORDS: dict[str, Any] = {
    "patch_size": (8, 40),
    "patch_head": "dictionary",
    "dictionary_size": 16383,
    "dictionary_frequent_entries": 2048,
    "dictionary_sampled_entries": 2048,
    "head_num_glyphs": 256,
    "head_group_columns": 5,
    "head_hidden_size": 192,
    "head_intermediate_size": 512,
    "head_num_layers": 2,
    "head_byte_hidden_size": 64,
}

CONFIG_PRESETS: dict[str, dict[str, Any]] = {
    "pixar-85m": {**_PIXAR, "intermediate_size": 2048},
    "pixar-113m": {**_PIXAR, "intermediate_size": 3072},
    # PixelGPT reads pixels alone; its size is counted with one table of the 32,000 tokens, so the tables are tied.
    "pixelgpt-317m": {**_PIXELGPT, "tie_word_embeddings": True},
    "dualgpt-350m": {**_PIXELGPT, "tie_word_embeddings": False},
    "pixel-ar-85m": {**_AUTOREGRESSIVE_BASE, "intermediate_size": 2048},
    "pixel-ar-113m": {**_AUTOREGRESSIVE_BASE, "intermediate_size": 3072},
    "pixel-ar-words-113m": {**_AUTOREGRESSIVE_BASE, "intermediate_size": 3072, **_WORDS},
    "pixel-ar-317m": {
        **_LARGE,
        **_AUTOREGRESSIVE,
        "patch_size": (16, 16),
        "patch_embedding_hidden_size": 1024,
    },
}

__all__ = ["CONFIG_PRESETS"]
