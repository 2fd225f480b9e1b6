# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The decoder's layers: RMSNorm (arXiv 1910.07467), rotary positions (arXiv 2104.09864), grouped-query attention
(arXiv 2305.13245) and SwiGLU (arXiv 2002.05202), together the decoder of Llama (arXiv 2302.13971).

Parameters carry Llama's names, so that checkpoints of both kinds and adapters for them fit. Attention runs through
transformers' attention interface: eager, SDPA, FlashAttention, FlexAttention and whatever a user registers.

Shapes: B rows, T positions, D hidden size, N attention heads, K key/value heads, d width of a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    ROPE_INIT_FUNCTIONS,
    AttentionInterface,
    Cache,
    GradientCheckpointingLayer,
    dynamic_rope_update,
)

from ...transformers_internals import ACT2FN
from .configuration_pixel_ar import PixelARConfig

ATTENTION_FUNCTIONS = AttentionInterface()


class RMSNorm(nn.Module):
    """Divides each state by its root mean square: `[..., D]` to `[..., D]`."""

    def __init__(self, hidden_size: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.eps = eps

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """In float32, whatever the type of the states."""
        if (
            states.device.type != "cpu"
        ):  # where torch has one kernel for it; on CPUs its own composition is slower
            return F.rms_norm(states, self.weight.shape, self.weight, self.eps)
        wide = states.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(states.dtype)

    def extra_repr(self) -> str:
        """Shape for `print(model)`."""
        return f"{self.weight.shape[0]}, eps={self.eps}"


class RotaryPositions(nn.Module):
    """Cosines and sines of all positions, by the rule in `config.rope_parameters`."""

    inv_freq: torch.Tensor
    original_inv_freq: torch.Tensor

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.config = config
        parameters: Any = config.rope_parameters  # filled in by the configuration
        self.rope_type = parameters["rope_type"]
        self.max_seq_len_cached = self.original_max_seq_len = config.max_position_embeddings
        inv_freq, self.attention_scaling = self.frequencies()
        # Not saved: `reset` refills them where a checkpoint is loaded.
        self.register_buffer("inv_freq", inv_freq, persistent=False)
        self.register_buffer("original_inv_freq", inv_freq.clone(), persistent=False)

    def frequencies(self) -> tuple[torch.Tensor, float]:
        """Radians per position, float32 `[d / 2]`, and the factor on cosines and sines."""
        if self.rope_type != "default":
            return ROPE_INIT_FUNCTIONS[self.rope_type](self.config)
        width: Any = self.config.head_dim
        parameters: Any = self.config.rope_parameters
        exponents = torch.arange(0, width, 2, dtype=torch.float32) / width
        return 1.0 / parameters["rope_theta"] ** exponents, 1.0

    @dynamic_rope_update
    def forward(self, states: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines for [`rotate`], each `[B or 1, 1, T, d]` in the type of the states."""
        angles = position_ids[:, None, :, None].float() * self.inv_freq.to(states.device)
        cos, sin = angles.cos() * self.attention_scaling, angles.sin() * self.attention_scaling
        return torch.cat([cos, cos], -1).to(states.dtype), torch.cat([-sin, sin], -1).to(states.dtype)


def rotate(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turns the pairs (i, i + d / 2) of every head by the angle of its position.

    Args:
        states: `[B, heads, T, d]`.
        cos: `[B or 1, 1, T, d]`.
        sin: likewise, negative in its first half, so that one rotation of the whole axis serves both halves.
    """
    return states * cos + states.roll(states.shape[-1] // 2, -1) * sin


class Attention(nn.Module):
    """Causal self-attention with fewer key/value heads than query heads."""

    is_causal = True  # read by the attention functions, as the other plain attributes here

    def __init__(self, config: PixelARConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = config.head_dim or config.hidden_size // config.num_attention_heads
        num_key_value_heads = config.num_key_value_heads or config.num_attention_heads
        self.num_key_value_groups = config.num_attention_heads // num_key_value_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        width, bias = config.num_attention_heads * self.head_dim, config.attention_bias
        self.q_proj = nn.Linear(config.hidden_size, width, bias=bias)
        self.k_proj = nn.Linear(config.hidden_size, num_key_value_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(config.hidden_size, num_key_value_heads * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=bias)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: Any = None,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`[B, T, D]` to `[B, T, D]`, and the weights `[B, N, T, cached + T]` where the function gives them.

        Args:
            hidden_states: `[B, T, D]`.
            position_embeddings: from [`RotaryPositions`].
            attention_mask: from `causal_mask`.
            cache: gets the keys and values of these positions.
            kwargs: passed on to the attention function.
        """
        batch, length = hidden_states.shape[:2]
        # -1 heads: with tensor parallelism a process holds some of them.
        query, key, value = (
            projection(hidden_states).view(batch, length, -1, self.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = rotate(query, *position_embeddings), rotate(key, *position_embeddings)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        attend = ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        mixed, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.o_proj(mixed.reshape(batch, length, -1)), weights


def eager_attention(
    module: Attention,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention as plain products, the one function that gives its weights.

    Args:
        module: the attention layer.
        query: `[B, N, T, d]`.
        key: `[B, K, S, d]`.
        value: `[B, K, S, d]`.
        attention_mask: added to the scores, `[B, 1, T, S]`.
        dropout: of the weights.
        scaling: of the scores.
        kwargs: what only other attention functions use.

    Returns:
        `[B, T, N, d]` and the weights `[B, N, T, S]`.
    """
    key = key.repeat_interleave(module.num_key_value_groups, 1)
    value = value.repeat_interleave(module.num_key_value_groups, 1)
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.promote_types(query.dtype, torch.float32)).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2), weights


class SwiGLU(nn.Module):
    """Gated two-layer network: `[..., D]` to `[..., D]`."""

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`down(act(gate(x)) * up(x))`."""
        return self.down_proj(self.act_fn(self.gate_proj(states)) * self.up_proj(states))


class DecoderLayer(GradientCheckpointingLayer):
    """Attention, then the gated network, each on normalised states and added to them."""

    def __init__(self, config: PixelARConfig, layer_idx: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer_idx)
        self.mlp = SwiGLU(config)
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: Any = None,
        cache: Cache | None = None,
        attentions: list[torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """`[B, T, D]` to `[B, T, D]`; `attentions` gets the weights appended, the rest as in [`Attention`]."""
        mixed, weights = self.self_attn(
            self.input_layernorm(hidden_states), position_embeddings, attention_mask, cache, **kwargs
        )
        if attentions is not None and weights is not None:
            attentions.append(weights)
        hidden_states = hidden_states + mixed
        return hidden_states + self.mlp(self.post_attention_layernorm(hidden_states))


__all__ = ["Attention", "DecoderLayer", "RMSNorm", "RotaryPositions", "SwiGLU"]
