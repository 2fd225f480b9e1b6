# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""FLOPs and saved activations of a training step, found by running the model itself on tensors without memory.

On the device `meta` every operation works out shapes alone. The very code that trains is run, so nothing has to be kept
in step with it: FLOPs are those of the matrix products and of attention as `torch.utils.flop_counter` counts them (two
for a multiplication and an addition), activations the storages that autograd saves for the backward pass, each once,
weights left out. Attention keeps no scores, as fused kernels do; RMSNorm is taken as composed of its steps, where one
kernel keeps a little less.

The dictionary head looks at its targets, which `meta` cannot: its scores are counted by hand, its escape is run.

Shapes: B rows, T patches, D hidden size, P values per patch, V entries.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AttentionInterface

from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from ..models.pixel_ar.heads.autoregressive import AutoregressivePatchHead
from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel

# Share of the patches of English that a dictionary of 16,383 word pieces leaves to the escape.
ESCAPE_SHARE = 0.2


@dataclass(frozen=True)
class Cost:
    """Of one step of one device.

    Attributes:
        forward_flops: of the forward pass.
        backward_flops: of the backward pass.
        saved_bytes: what autograd keeps between the two.
    """

    forward_flops: float
    backward_flops: float
    saved_bytes: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.forward_flops + other.forward_flops,
            self.backward_flops + other.backward_flops,
            self.saved_bytes + other.saved_bytes,
        )

    def times(self, factor: float) -> "Cost":
        """So many times as much of everything."""
        return Cost(factor * self.forward_flops, factor * self.backward_flops, factor * self.saved_bytes)


class SavedStorages:
    """Counts what autograd saves: `with torch.autograd.graph.saved_tensors_hooks(*counter.hooks)`.

    Args:
        module: whose weights and buffers do not count.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        # Storages are told apart by identity, since on `meta` they have no address; each is kept, so that none is new
        # under the identity of one that was freed.
        held = [tensor.untyped_storage() for tensor in (*module.parameters(), *module.buffers())]
        self._own = {id(storage): storage for storage in held}
        self._seen: dict[int, torch.UntypedStorage] = {}

    @property
    def hooks(self) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]:
        """For `torch.autograd.graph.saved_tensors_hooks`."""
        return self._pack, lambda tensor: tensor

    @property
    def num_bytes(self) -> int:
        """Bytes of all storages seen, each once."""
        return sum(storage.nbytes() for storage in self._seen.values())

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in self._own:
            self._seen[id(storage)] = storage
        return tensor


class _FusedAttention(torch.autograd.Function):
    """What a fused kernel multiplies and keeps: queries, keys, values, the result and a number for each query.

    On `meta` alone, where the scores in between take no memory (FlashAttention, arXiv 2205.14135, algorithms 1 and 4).
    """

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """`[B, N, T, d]` of each, keys and values perhaps with fewer heads."""
        groups = query.shape[1] // key.shape[1]
        scores = query @ key.repeat_interleave(groups, 1).transpose(2, 3)
        mixed = scores @ value.repeat_interleave(groups, 1)
        mixed = (
            mixed.transpose(1, 2).contiguous().transpose(1, 2)
        )  # as the next layer reads it, without a copy
        ctx.save_for_backward(
            query, key, value, mixed, scores.new_empty(query.shape[:-1], dtype=torch.float32)
        )
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Five products: the scores once more, and the gradients of scores, values, queries and keys."""
        query, key, value, _, _ = ctx.saved_tensors
        groups = query.shape[1] // key.shape[1]
        wide_key, wide_value = (states.repeat_interleave(groups, 1) for states in (key, value))
        scores = query @ wide_key.transpose(2, 3)
        of_scores = gradients[0] @ wide_value.transpose(2, 3)
        of_value = scores.transpose(2, 3) @ gradients[0]
        of_query = of_scores @ wide_key
        of_key = of_scores.transpose(2, 3) @ query
        return (
            of_query,
            of_key.view(*key.shape[:2], groups, *key.shape[2:]).sum(2),
            of_value.view(*value.shape[:2], groups, *value.shape[2:]).sum(2),
        )


def _traced_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *args: Any,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    mixed: Any = _FusedAttention.apply(query, key, value)
    return mixed.transpose(1, 2), None


TRACED = "pixel_ar_traced"
AttentionInterface.register(TRACED, _traced_attention)


def cost_of(module: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Cost:
    """Cost of a scalar that `loss` computes with `module`, on whatever device it is."""
    saved = SavedStorages(module)
    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(*saved.hooks):
        value = loss()
    num_bytes, forward = saved.num_bytes, counter.get_total_flops()
    counter = FlopCounterMode(display=False)
    with counter:
        value.backward()
    return Cost(forward, counter.get_total_flops(), num_bytes)


def training_cost(
    config: PixelARConfig, batch: int, length: int, dtype: torch.dtype, escape_share: float = ESCAPE_SHARE
) -> Cost:
    """Cost of a step of `batch` strips of `length` patches, nothing recomputed.

    Args:
        config: of the model.
        batch: B.
        length: T.
        dtype: of weights and activations.
        escape_share: of the patches that a dictionary head draws byte by byte.
    """
    # Every layer costs the same, so two of them tell what all do.
    one, two = (_traced(config, layers, batch, length, dtype, escape_share) for layers in (1, 2))
    layer = two + one.times(-1)
    return one + layer.times(config.num_hidden_layers - 1)


def layer_cost(config: PixelARConfig, batch: int, length: int, dtype: torch.dtype) -> Cost:
    """Cost of one decoder layer, see [`training_cost`]."""
    one, two = (_traced(config, layers, batch, length, dtype, 0.0) for layers in (1, 2))
    return two + one.times(-1)


def build_on_meta(config: PixelARConfig, dtype: torch.dtype = torch.float32) -> PixelARForCausalLM:
    """The model without memory for its weights, in training."""
    with torch.device("meta"):
        model = PixelARForCausalLM(copy.deepcopy(config)).train().to(dtype)
    model.set_attn_implementation(TRACED)
    return model


def _traced(
    config: PixelARConfig, layers: int, batch: int, length: int, dtype: torch.dtype, escape_share: float
) -> Cost:
    config = copy.deepcopy(config)
    config.num_hidden_layers = layers
    height, width = config.patch_size
    strips = torch.zeros(batch, config.num_channels, height, length * width, device="meta")
    if config.patch_head == "dictionary":
        return _with_dictionary(config, strips, dtype, escape_share)
    model = build_on_meta(config, dtype)
    labels = torch.zeros(batch, length, dtype=torch.int64, device="meta")
    return cost_of(model, lambda: model(pixel_values=strips, labels=labels).loss)


def _with_dictionary(
    config: PixelARConfig, strips: torch.Tensor, dtype: torch.dtype, escape_share: float
) -> Cost:
    """Decoder and escape as they run; the scores of the entries by hand."""
    plain: dict[str, Any] = {
        "patch_head": "autoregressive",
        "dictionary_size": None,
        "dictionary_sha256": None,
    }
    config_without = copy.deepcopy(config)
    for name, value in plain.items():
        setattr(config_without, name, value)
    with torch.device("meta"):
        decoder = PixelARModel(config_without).train().to(dtype)
        escape = AutoregressivePatchHead(config_without).train().to(dtype)
    decoder.set_attn_implementation(TRACED)
    body = cost_of(decoder, lambda: decoder(pixel_values=strips).last_hidden_state.float().sum())
    patches = len(strips) * (strips.shape[-1] // config.patch_size[1] - 1)
    spelled = max(round(patches * escape_share), 1)
    states = torch.zeros(spelled, config.hidden_size, device="meta", dtype=dtype, requires_grad=True)
    pixels = torch.zeros(spelled, config.patch_length, device="meta")
    drawn = cost_of(escape, lambda: escape.loss(states, pixels).sum())
    return body + drawn + _scores_cost(config, patches, dtype)


def _scores_cost(config: PixelARConfig, patches: int, dtype: torch.dtype) -> Cost:
    """The entries' vectors, drawn anew in each step, and a product of each with every state."""
    size = int(config.dictionary_size or 0)
    sampled = config.dictionary_sampled_entries
    entries = size if sampled is None else min(size, config.dictionary_frequent_entries + sampled)
    hidden = config.hidden_size
    inner = config.patch_embedding_hidden_size
    drawing = config.patch_length * hidden if inner is None else (config.patch_length + hidden) * inner
    products = 2.0 * entries * drawing + 2.0 * patches * hidden * (hidden + entries)
    width = torch.finfo(dtype).bits // 8
    # Logarithms of probabilities in float32; queries, the table and what drew it in the type of the weights.
    kept = 4 * patches * (entries + 1) + width * (
        2 * patches * hidden + entries * (hidden + 2 * (inner or 0))
    )
    return Cost(products, 2 * products, kept)


__all__ = ["ESCAPE_SHARE", "Cost", "SavedStorages", "build_on_meta", "cost_of", "layer_cost", "training_cost"]
