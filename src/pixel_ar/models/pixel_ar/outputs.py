# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What models return.

The cache has two names, `cache` and `past_key_values` (Transformers' own until 5.24): arguments and outputs answer to
both on every version.

Shapes: B rows, T positions, P values per patch, D hidden size, V vocabulary, N labels.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from transformers import Cache
from transformers.utils import ModelOutput

Forward = TypeVar("Forward", bound=Callable[..., Any])

OLD_CACHE_NAME = "past_key_values"


def one_cache(cache: Cache | None, past_key_values: Cache | None) -> Cache | None:
    """The cache of a call, under whichever name it came.

    Raises:
        ValueError: if two different ones came.
    """
    if cache is not None and past_key_values is not None and cache is not past_key_values:
        raise ValueError("cache and past_key_values are the same argument: pass only one of them.")
    return past_key_values if cache is None else cache


def tuple_on_request(forward: Forward) -> Forward:
    """Lets a `forward` return a tuple where `return_dict=False` is passed or configured."""

    @functools.wraps(forward)
    def wrapper(self: Any, *args: Any, return_dict: bool | None = None, **kwargs: Any) -> Any:
        outputs = forward(self, *args, **kwargs)
        keeps_names = self.config.return_dict if return_dict is None else return_dict
        return outputs if keeps_names else outputs.to_tuple()

    return wrapper  # type: ignore[return-value]


class CacheUnderBothNames(ModelOutput):
    """An output whose field `cache` is found as `past_key_values` too."""

    @property
    def past_key_values(self) -> Cache | None:
        """The cache."""
        return self.cache

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__("cache" if key == OLD_CACHE_NAME else key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__("cache" if key == OLD_CACHE_NAME else key)

    def get(self, key: str, default: Any = None) -> Any:
        """As of a dictionary."""
        return super().get("cache" if key == OLD_CACHE_NAME else key, default)


@dataclass
class PixelARModelOutput(CacheUnderBothNames):
    """Output of [`PixelARModel`].

    Attributes:
        last_hidden_state: `[B, T, D]`, after the final norm.
        cache: the cache, if one was passed or `use_cache`.
        hidden_states: on request `[B, T, D]` before each layer, and the last after the final norm.
        attentions: on request `[B, heads, T, T]` of each layer; eager attention alone gives them.
        page_hidden_state: `[B, S, D]` of the page before the sequence, if one was read; the two above cover it too.
    """

    last_hidden_state: torch.Tensor = None  # type: ignore[assignment]
    cache: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    page_hidden_state: torch.Tensor | None = None


@dataclass
class PixelARCausalLMOutput(CacheUnderBothNames):
    """Output of [`PixelARForCausalLM`].

    Attributes:
        loss: weighted sum of the losses; only with `labels`.
        patch_loss: of the labelled patches: nats per patch (autoregressive head), nats per pixel value (bernoulli),
            or squared error (regression). `None` in a batch without patches.
        token_loss: mean cross-entropy of the labelled tokens, nats per token; `None` in a batch without tokens.
        logits: token logits `[B, T, V]` of every position, if there are tokens among the inputs; else the patch logits.
        patch_logits: of patch t + 1 at every position t, if there are patches among the inputs: `[B, T, P]` raw
            outputs of the linear heads, `[B, T, 256]` for the autoregressive head (the first byte).
        cache: the cache, also as `past_key_values`.
        hidden_states: one `[B, T, D]` per layer, on request.
        attentions: one `[B, heads, T, T]` per layer, on request.
        reading_loss: mean cross-entropy of the characters that a page's patches show; only with `reading_targets`.
    """

    loss: torch.Tensor | None = None
    patch_loss: torch.Tensor | None = None
    token_loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    patch_logits: torch.Tensor | None = None
    cache: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    reading_loss: torch.Tensor | None = None


@dataclass
class PixelARSequenceClassifierOutput(CacheUnderBothNames):
    """Output of [`PixelARForSequenceClassification`].

    Attributes:
        loss: with labels.
        logits: `[B, N]`.
        cache: the cache, also as `past_key_values`.
        hidden_states: one `[B, T, D]` per layer, on request.
        attentions: one `[B, heads, T, T]` per layer, on request.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    cache: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


__all__ = [
    "CacheUnderBothNames",
    "PixelARCausalLMOutput",
    "PixelARModelOutput",
    "PixelARSequenceClassifierOutput",
    "one_cache",
    "tuple_on_request",
]
