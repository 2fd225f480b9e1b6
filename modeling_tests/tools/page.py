# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Small page models, and Pix2Struct models of transformers to compare them with."""

from typing import Any

import torch
from transformers import Pix2StructConfig, Pix2StructForConditionalGeneration

from pixel_ar import PixelPageConfig, PixelPageForConditionalGeneration

TINY: dict[str, Any] = {
    "patch_size": (4, 6),
    "num_channels": 1,
    "max_grid_size": 12,
    "hidden_size": 24,
    "vocab_size": 31,
    "encoder_layers": 2,
    "encoder_attention_heads": 3,
    "encoder_head_dim": 10,
    "encoder_intermediate_size": 40,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_head_dim": 6,
    "decoder_intermediate_size": 36,
    "decoder_dropout": 0.0,
    "relative_attention_num_buckets": 6,
    "relative_attention_max_distance": 9,
}


def tiny_page_model(seed: int = 0, **changes: Any) -> PixelPageForConditionalGeneration:
    """A model with random weights, of sizes that differ wherever they may."""
    torch.manual_seed(seed)
    return PixelPageForConditionalGeneration(PixelPageConfig(**{**TINY, **changes})).eval()


def random_pages(counts: tuple[int, ...] = (5, 3), columns: int = 3, seed: int = 1, **changes: Any) -> Any:
    """Patches `[B, S, 2 + P]` of pages with so many patches, and their mask."""
    config = PixelPageConfig(**{**TINY, **changes})
    generator = torch.Generator().manual_seed(seed)
    length = max(counts)
    patches = torch.zeros(len(counts), length, 2 + config.patch_length)
    for row, count in enumerate(counts):
        places = torch.arange(count)
        patches[row, :count, 0] = places // columns + 1.0
        patches[row, :count, 1] = places % columns + 1.0
        patches[row, :count, 2:] = torch.randn(count, config.patch_length, generator=generator)
    return patches, (patches[..., 0] != 0).float()


def random_pix2struct(
    seed: int = 0, tied: bool = False, patch_length: int = 72, **text: Any
) -> Pix2StructForConditionalGeneration:
    """transformers' own model with random weights that are large enough to tell answers apart."""
    torch.manual_seed(seed)
    config = Pix2StructConfig(
        text_config={
            "vocab_size": 43,
            "hidden_size": 36,
            "d_kv": 12,
            "d_ff": 50,
            "num_layers": 3,
            "num_heads": 3,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 20,
            "layer_norm_epsilon": 1e-5,
            "dropout_rate": 0.0,
            **text,
        },
        vision_config={
            "hidden_size": 36,
            "patch_embed_hidden_size": patch_length,
            "d_ff": 44,
            "d_kv": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 5,
            "layer_norm_eps": 1e-4,
            "seq_len": 40,
        },
        tie_word_embeddings=tied,
    )
    model = Pix2StructForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.1 * torch.randn_like(parameter))
            else:
                scale = 0.2 if "query" in name else 1.0 if parameter.dim() == 2 else 0.1
                width = parameter.shape[-1] if "embed" not in name and parameter.dim() == 2 else 1
                parameter.copy_(scale * torch.randn_like(parameter) / width**0.5)
    return model


__all__ = ["TINY", "random_pages", "random_pix2struct", "tiny_page_model"]
