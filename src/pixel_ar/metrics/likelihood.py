# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Likelihood of text under a pixel model, in units that compare across vocabularies and patch sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM
from ..processing.processing_pixel_ar import PixelProcessor


@dataclass(frozen=True)
class TextLikelihood:
    """How likely texts are under a model.

    Attributes:
        nats: per text, the negative log-probability of its strip (text and closing EOS patch) after an EOS patch.
        num_characters: per text, characters as drawn.
    """

    nats: tuple[float, ...]
    num_characters: tuple[int, ...]

    @property
    def bits_per_character(self) -> float:
        """Bits over all texts divided by characters over all texts."""
        return sum(self.nats) / math.log(2) / sum(self.num_characters)


@torch.no_grad()
def score_texts(
    model: PixelARForCausalLM,
    processor: PixelProcessor,
    texts: Sequence[str],
    batch_size: int = 16,
) -> TextLikelihood:
    """Scores texts, each as a document of its own.

    Every column of every text counts, the first patch included (it is predicted from the EOS patch before it), and so
    does the EOS patch that ends the text.

    Args:
        model: a causal model whose head has a likelihood.
        processor: the processor saved beside it.
        texts: at least one, none empty.
        batch_size: texts per forward pass; texts of similar length are grouped.

    Raises:
        ValueError: if there are no texts.
    """
    if not texts:
        raise ValueError("score_texts needs at least one text.")
    was_training = model.training
    model.eval()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    nats = [0.0] * len(texts)
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        inputs = processor(text=[texts[index] for index in indices], add_start=True, return_tensors="pt")
        values = model.log_likelihood(**inputs.to(model.device))
        for index, value in zip(indices, values.tolist(), strict=True):
            nats[index] = -value
    model.train(was_training)
    return TextLikelihood(tuple(nats), tuple(len(processor.renderer.normalise(text)) for text in texts))


__all__ = ["TextLikelihood", "score_texts"]
