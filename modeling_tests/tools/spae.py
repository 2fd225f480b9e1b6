# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A language model, its tokenizer and a SPAE of its words, all very small and made on the spot."""

from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pixel_ar import LexicalCodebook, SpaeConfig, SpaeModel

COLORS = ("black", "red", "green", "blue")
SHAPES = ("circle", "square", "cross")
# Enough that no two prompts look alike; the fixed texts of prompts stand apart.
WORDS = (
    *COLORS,
    *SHAPES,
    "small",
    "large",
    *(f"w{chr(97 + i)}{chr(97 + j)}" for i in range(5) for j in range(6)),
)
FIXED = ("Input:", "Output:", "is", "a", ".")
SPECIAL = ("<unk>", "<s>", "</s>")


def word_tokenizer(words: tuple[str, ...] = WORDS, shift: int = 0) -> PreTrainedTokenizerFast:
    """One token per word, between blanks; `shift` puts so many other tokens first."""
    tokens = [*SPECIAL, *(f"#{index}" for index in range(shift)), *FIXED, *words]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def random_llama(vocab_size: int, tied: bool = False, length: int = 512) -> LlamaForCausalLM:
    """A causal language model that knows nothing."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=length,
            tie_word_embeddings=tied,
            bos_token_id=1,
            eos_token_id=2,
            initializer_range=0.5,
        )
    ).eval()


def small_codebook(dim: int = 8, norm: str = "sphere") -> LexicalCodebook:
    """Words with random vectors."""
    vectors = torch.randn(len(WORDS), dim, generator=torch.Generator().manual_seed(1))
    return LexicalCodebook(vectors, WORDS, norm=norm)


def small_spae(**fields: Any) -> SpaeModel:
    """A SPAE of 8 x 8 pictures of 4 x 4 places."""
    torch.manual_seed(0)
    book = small_codebook()
    sizes = {
        "image_size": (8, 8),
        "grid": (4, 4),
        "hidden_sizes": (8,),
        "mixing_channels": 2,
        "pyramid": ((1, 1), (2, 2), (4, 4)),
    }
    if fields.get("codebook") == "learned":
        return SpaeModel(SpaeConfig(codebook_size=32, codebook_dim=8, **{**sizes, **fields}))
    return SpaeModel(SpaeConfig(**book.config_fields(), **{**sizes, **fields}), book)
