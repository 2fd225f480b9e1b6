# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The layers of the page model: T5's (arXiv 1910.10683), as Pix2Struct (arXiv 2210.03347) uses them.

Norms without mean or bias before each part, no biases, gated networks, and attention whose scores are NOT divided by
the root of the head's width: initial queries are small instead. The decoder adds a learnt number to each score, by the
head and by how far back the key lies; one table serves all layers.

Shapes: B rows, T positions that ask, S positions that are asked, D hidden size, N attention heads, d width of a head.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import EncoderDecoderCache, GradientCheckpointingLayer

from ...transformers_internals import ACT2FN
from ..pixel_ar.layers import ATTENTION_FUNCTIONS, RMSNorm, eager_attention
from .configuration_page import LayerSettings, PixelPageConfig, Side


class PageAttention(nn.Module):
    """Attention of states to themselves, or to those of the encoder."""

    # Read by the attention functions: the mask says all.
    is_causal = False
    num_key_value_groups = 1
    scaling = 1.0

    def __init__(
        self, config: PixelPageConfig, settings: LayerSettings, layer_idx: int, is_cross: bool
    ) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.is_cross = is_cross
        self.head_dim = settings.head_dim
        self.dropout = settings.attention_dropout
        width = settings.heads * settings.head_dim
        self.q_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=False)

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        source: torch.Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`[B, T, D]` to `[B, T, D]`, and the weights `[B, N, T, S]` where the attention function gives them.

        Args:
            states: `[B, T, D]`.
            mask: added to the scores, `[B, 1 or N, 1 or T, S]`.
            source: `[B, S, D]` states that are asked; `None` for `states`.
            cache: keys and values of earlier positions, and of the encoder's states.
            kwargs: passed on to the attention function.
        """
        query = self._heads(self.q_proj(states))
        key, value = self._keys_and_values(states if source is None else source, cache)
        # A cache of fixed size hands out what is not filled yet, too.
        key, value = key[:, :, : mask.shape[-1]], value[:, :, : mask.shape[-1]]
        attend = ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        mixed, weights = attend(
            self,
            query,
            key,
            value,
            mask,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.o_proj(mixed.reshape(*states.shape[:2], -1)), weights

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        """`[B, T, N * d]` to `[B, N, T, d]`."""
        return states.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

    def _keys_and_values(
        self, source: torch.Tensor, cache: EncoderDecoderCache | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each `[B, N, S, d]`; those of the encoder's states are computed once."""
        if cache is not None and self.is_cross and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        key, value = self._heads(self.k_proj(source)), self._heads(self.v_proj(source))
        if cache is None:
            return key, value
        part = cache.cross_attention_cache if self.is_cross else cache.self_attention_cache
        key, value = part.update(key, value, self.layer_idx)
        if self.is_cross:
            cache.is_updated[self.layer_idx] = True
        return key, value


class GatedNetwork(nn.Module):
    """`down(act(gate(x)) * up(x))`: `[..., D]` to `[..., D]`."""

    def __init__(self, config: PixelPageConfig, settings: LayerSettings) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, settings.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, settings.intermediate_size, bias=False)
        self.down_proj = nn.Linear(settings.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = ACT2FN[settings.hidden_act]
        self.dropout = settings.dropout

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """State by state."""
        inner = self.act_fn(self.gate_proj(states)) * self.up_proj(states)
        return self.down_proj(F.dropout(inner, self.dropout, self.training))


class PageLayer(GradientCheckpointingLayer):
    """Self-attention, in the decoder attention to the page, then the gated network; each on normalised states."""

    def __init__(self, config: PixelPageConfig, side: Side, layer_idx: int) -> None:
        super().__init__()
        settings = config.layer_settings(side)
        self.residual_dropout = settings.residual_dropout
        self.self_attn_norm = RMSNorm(config.hidden_size, eps=settings.norm_eps)
        self.self_attn = PageAttention(config, settings, layer_idx, is_cross=False)
        if side == "decoder":
            self.cross_attn_norm = RMSNorm(config.hidden_size, eps=settings.norm_eps)
            self.cross_attn = PageAttention(config, settings, layer_idx, is_cross=True)
        self.mlp_norm = RMSNorm(config.hidden_size, eps=settings.norm_eps)
        self.mlp = GatedNetwork(config, settings)

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        page: torch.Tensor | None = None,
        page_mask: torch.Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        attentions: tuple[list[Any], list[Any]] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """`[B, T, D]` to `[B, T, D]`.

        Args:
            states: `[B, T, D]`.
            mask: of self-attention, see [`PageAttention`].
            page: the encoder's states `[B, S, D]`, in the decoder.
            page_mask: of the attention to them.
            cache: likewise.
            attentions: get the weights appended: of self-attention, and of that to the page.
            kwargs: passed on to the attention function.
        """
        mixed, weights = self.self_attn(self.self_attn_norm(states), mask, cache=cache, **kwargs)
        states = states + F.dropout(mixed, self.residual_dropout, self.training)
        found = [weights]
        if page is not None and page_mask is not None:
            normed = self.cross_attn_norm(states)
            mixed, weights = self.cross_attn(normed, page_mask, source=page, cache=cache, **kwargs)
            states = states + F.dropout(mixed, self.residual_dropout, self.training)
            found.append(weights)
        if attentions is not None:
            for kept, item in zip(attentions, found, strict=False):
                kept += [] if item is None else [item]
        mixed = self.mlp(self.mlp_norm(states))
        return states + F.dropout(mixed, self.residual_dropout, self.training)


class RelativeBias(nn.Module):
    """A number for each head and class of distance: small distances have a class each, larger ones share.

    The first half of the classes are the distances 0, 1, ...; the second half divides the distances from there up to
    `max_distance` into steps of equal ratio (T5, section 2.1, for attention to earlier positions alone).
    """

    def __init__(self, num_buckets: int, max_distance: int, num_heads: int) -> None:
        super().__init__()
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.weight = nn.Parameter(torch.empty(num_buckets, num_heads))

    def buckets(self, distance: torch.Tensor) -> torch.Tensor:
        """Distances back, integers of any shape, to their classes; negative ones (later positions) to class 0."""
        distance = distance.clamp(min=0)
        exact = self.num_buckets // 2
        # In float32, as the published weights were trained: a border between two classes may lie on an integer.
        ratio = torch.log(distance.clamp(min=exact).float() / exact) / math.log(self.max_distance / exact)
        far = (exact + (ratio * (self.num_buckets - exact)).long()).clamp(max=self.num_buckets - 1)
        return torch.where(distance < exact, distance, far)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Positions `[T]` and `[S]` to `[1, N, T, S]`."""
        return self.weight[self.buckets(queries[:, None] - keys)].permute(2, 0, 1)[None]


def added_mask(allowed: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """`scores` where attention is allowed, the lowest number elsewhere; shapes broadcast."""
    shape = torch.broadcast_shapes(allowed.shape, scores.shape)
    return scores.expand(shape).masked_fill(~allowed, torch.finfo(scores.dtype).min)


__all__ = ["GatedNetwork", "PageAttention", "PageLayer", "RelativeBias", "added_mask"]
