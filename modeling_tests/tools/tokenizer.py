# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A small tokenizer, made on the spot."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


def byte_tokenizer(with_bos: bool = True, **special_tokens: str | None) -> PreTrainedTokenizerFast:
    """One token per byte, after `<s>` = 0, `</s>` = 1 and `<pad>` = 2; 259 in all.

    Args:
        with_bos: whether the tokenizer puts `<s>` before each text, as Llama's does.
        special_tokens: in place of those named above, or `None` for none of that kind.
    """
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", **special_tokens}
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", "<pad>"])}
    for char in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[char] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if with_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
        )
    given = {name: token for name, token in special.items() if token is not None}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given)
