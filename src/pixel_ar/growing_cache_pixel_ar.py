# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A dynamic cache that does not copy itself at every step.

Transformers' dynamic layer concatenates: each new position copies all that came before it. This one writes into spare
room and doubles that room when it is used up, so the copying stays linear in the length.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer


@dataclass
class _Buffer:
    """Spare room `[B, heads, capacity, d]`, of which the first `used` positions are written."""

    states: torch.Tensor
    used: int


class GrowingLayer(DynamicLayer):
    """A `DynamicLayer` whose `keys` and `values` `[B, heads, T, d]` are views of larger buffers.

    It writes in place only behind the last position ever written to a buffer: after a crop, and in a copy whose
    original has gone on, the states move to a buffer of their own, as if they had been concatenated.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self._buffers: dict[str, _Buffer] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends `[B, heads, n, d]` keys and values; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = self._append("keys", self.keys, key_states)
        self.values = self._append("values", self.values, value_states)
        return self.keys, self.values

    def _append(self, name: str, states: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        if states.numel() == 0 or torch.is_grad_enabled():
            return torch.cat([states, new], dim=-2)
        length, count = states.shape[-2], new.shape[-2]
        buffer = self._buffers.get(name)
        if buffer is None or not _fits(buffer, states, length + count):
            room = states.new_empty(*states.shape[:-2], 2 * (length + count), states.shape[-1])
            room[..., :length, :] = states
            buffer = self._buffers[name] = _Buffer(room, length)
        buffer.states[..., length : length + count, :] = new
        buffer.used = length + count
        return buffer.states[..., : length + count, :]


def _fits(buffer: _Buffer, states: torch.Tensor, needed: int) -> bool:
    """Whether `states` is all that is written in the buffer, and there is room for more behind it."""
    return (
        buffer.used == states.shape[-2]
        and needed <= buffer.states.shape[-2]
        and buffer.states.data_ptr() == states.data_ptr()
        and buffer.states.shape[:-2] == states.shape[:-2]
        and buffer.states.stride() == states.stride()
    )


def let_grow(cache: Cache | None) -> None:
    """Replaces the plain dynamic layers of a cache that is still empty."""
    layers = getattr(cache, "layers", None)
    if cache is None or not layers or getattr(cache, "offloading", False) or cache.get_seq_length() > 0:
        return
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in layers]


__all__ = ["GrowingLayer", "let_grow"]
