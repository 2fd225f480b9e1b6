# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The loss that makes the upper layers of a pyramid say what is in a picture (SPAE, arXiv 2306.17842, section 3.2).

Each query z_l of the first layers is a classifier over the codebook, softmax_k(-|z_l - e_k|^2). The paper asks every
place for the words that score high for the picture, which gives the same word on every place where there are few such
words. Where a picture's words are known, they can be matched to places instead, each word to one.

Shapes: B rows, P places of a layer, c values, V words, n words of a caption.
"""

from collections.abc import Callable, Sequence

import torch

from ...modalities import IGNORED_LABEL

# `LexicalQuantizer.scores`: queries `[..., c]` to logits `[..., V]`.
Scores = Callable[[torch.Tensor], torch.Tensor]


def pool_loss(
    queries: Sequence[torch.Tensor], scores: Scores, word_scores: torch.Tensor, thresholds: Sequence[float]
) -> torch.Tensor:
    """The paper's form: every place against all words of a pool, the words that score at least the layer's threshold.

    Args:
        queries: of each semantic layer `[B, P, c]`.
        scores: logits of queries.
        word_scores: `[B, V]` in [0, 1], how well each word fits each picture.
        thresholds: of each layer.

    Returns:
        Nats: the mean over layers of the mean over rows and places of the mean over the pool; an empty pool counts 0.
    """
    layers = []
    for query, threshold in zip(queries, thresholds, strict=True):
        pool = (word_scores >= threshold).to(query.dtype)
        share = pool / pool.sum(1, keepdim=True).clamp(min=1)
        layers.append(-(scores(query).log_softmax(-1) * share[:, None]).sum(-1).mean())
    return torch.stack(layers).mean()


def match_loss(
    queries: Sequence[torch.Tensor], scores: Scores, word_ids: torch.Tensor
) -> torch.Tensor | None:
    """Each word of a caption against one place: in order, the first words to the first layer, the others to the next.

    A word takes that free place of its layer which scores it highest. Words that find no place are left out, and places
    without a word have no loss.

    Args:
        queries: of each semantic layer `[B, P, c]`.
        scores: logits of queries.
        word_ids: `[B, n]` entries of the codebook, the most telling (rarest) first, padded with -100.

    Returns:
        Nats: the mean over layers of the mean over matched places; `None` if no layer has any.
    """
    layers = []
    start = 0
    for query in queries:
        words = word_ids[:, start : start + query.shape[1]]
        start += query.shape[1]
        is_word = words != IGNORED_LABEL
        if not bool(is_word.any()):
            continue
        log_probs = scores(query).log_softmax(-1)  # [B, P, V]
        chosen = words.clamp(min=0)[:, None].expand(-1, query.shape[1], -1)
        wanted = log_probs.gather(2, chosen)  # [B, P, n]
        taken = assign(wanted.detach(), is_word)
        layers.append(-(wanted * taken).sum() / is_word.sum())
    return torch.stack(layers).mean() if layers else None


def assign(scores: torch.Tensor, is_word: torch.Tensor) -> torch.Tensor:
    """Gives each word, in order, the free place that scores it highest.

    Args:
        scores: `[B, P, n]`, n at most P.
        is_word: `[B, n]`; others take no place.

    Returns:
        Bool `[B, P, n]`, one place per word.
    """
    taken = torch.zeros_like(scores, dtype=torch.bool)
    free = torch.ones_like(scores[:, :, 0], dtype=torch.bool)
    rows = torch.arange(len(scores), device=scores.device)
    for word in range(scores.shape[2]):
        place = scores[:, :, word].masked_fill(~free, float("-inf")).argmax(1)
        taken[rows, place, word] = is_word[:, word]
        free[rows, place] &= ~is_word[:, word]
    return taken


__all__ = ["assign", "match_loss", "pool_loss"]
