# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The decoder while it writes: reads the prompt, then patch after patch, and keeps cache, mask and positions.

Shapes: B rows, K patches read at once, P values per patch, L positions so far.
"""

from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Cache, DynamicCache, GenerationConfig, QuantizedCache, StaticCache

from ....transformers_internals import causal_mask, versions
from ..heads.base import PatchSample
from ..outputs import PixelARModelOutput
from ..sequences import unpadded_positions
from .compiled import Drawing, begin_step, compiled, draw
from .prompts import PixelPrompt

# Static caches that no caller holds. Compiled code is bound to the addresses in them: a new one is a new compilation.
_FREE_CACHES: WeakKeyDictionary[nn.Module, list[StaticCache]] = WeakKeyDictionary()
# By how many patches a mask grows at once.
ROOM = 256


class ContextLostError(RuntimeError):
    """The cache does not hold what was read, so the next patch would be drawn without its context."""


class Decoding:
    """A decoder with all that it remembers of one `generate` call.

    Args:
        model: a `PixelARForCausalLM`.
        config: of the call.
        prompt: what is read first.
        cache: of the caller, holding the positions before `prompt.fed`; `None` for a new one.
        num_steps: how many patches are drawn at most.

    Raises:
        ValueError: if the caller's cache is too small.
    """

    def __init__(
        self, model: Any, config: GenerationConfig, prompt: PixelPrompt, cache: Cache | None, num_steps: int
    ) -> None:
        self.decoder = model.base_model
        self.capacity = prompt.attention_mask.shape[1] + num_steps - 1  # the last patch is drawn, not read
        self.is_own_cache = cache is None and config.use_cache is not False
        self.cache = (
            _new_cache(self.decoder, config, self.capacity, len(prompt.fed)) if self.is_own_cache else cache
        )
        _check_capacity(self.cache, self.capacity)
        self.length = prompt.attention_mask.shape[1] - prompt.fed.shape[1]
        self.roomy_mask = prompt.attention_mask  # with room for what will be read: a step takes a view of it
        self.mask: torch.Tensor | None = prompt.attention_mask
        self.positions = unpadded_positions(prompt.attention_mask)[:, self.length :]
        self.patches: torch.Tensor | None = None
        self.recorded = {
            name: True
            for name in ("output_attentions", "output_hidden_states")
            if getattr(config, name, None)
        }
        self.is_static = getattr(self.cache, "is_compileable", False) and not isinstance(
            self.cache, DynamicCache
        )
        uses_flash = "flash" in str(model.config._attn_implementation)
        if not (uses_flash and self.is_static) and bool(self.mask.all()):
            self.mask = None  # nothing is padded: the fastest kernels take no mask
        # States that are kept would be overwritten by the next run of a CUDA graph.
        self.is_compiled = not self.recorded and _compiles(model, config, self.is_static)
        self.step = compiled(_step, config) if self.is_compiled else _step

    def read(self, patches: torch.Tensor) -> PixelARModelOutput:
        """Reads the next patches `[B, K, P]` of all rows; the prompt's first.

        Raises:
            ContextLostError: if they did not reach the cache.
        """
        return self.read_and_draw(patches, None)[0]

    def read_and_draw(
        self, patches: torch.Tensor, drawing: Drawing | None
    ) -> tuple[PixelARModelOutput, PatchSample | None]:
        """As [`read`]; and, in the same call of compiled code, the patch that the head draws next.

        Args:
            patches: `[B, K, P]`.
            drawing: how; `None` to read alone.

        Raises:
            ContextLostError: see [`read`].
        """
        is_first = self.patches is None
        if self.patches is None or self.cache is not None:
            self.patches = patches
        else:
            self.patches = torch.cat([self.patches, patches], dim=1)
        count = patches.shape[1] - self.positions.shape[1] if is_first else patches.shape[1]
        if count:
            new = self.positions[:, -1:] + torch.arange(1, count + 1, device=self.positions.device)
            is_all = not is_first and self.cache is not None
            self.positions = new if is_all else torch.cat([self.positions, new], dim=1)
            if self.mask is not None:
                length = self.length + patches.shape[1]
                if length > self.roomy_mask.shape[1]:
                    self.roomy_mask = F.pad(self.roomy_mask, (0, ROOM), value=1)
                self.mask = self.roomy_mask[:, :length]
        mask: Any = self.mask
        if self.is_static:  # made here, where lengths are numbers, and not inside of compiled code
            shape = self.patches.new_empty(*self.patches.shape[:2], 0, dtype=self.decoder.dtype)
            mask = causal_mask(self.decoder.config, shape, mask, self.cache, self.positions)
        if self.is_compiled:
            begin_step(patches.device)
        outputs, drawn = (_step if is_first else self.step)(
            self.decoder, self.patches, mask, self.positions, self.cache, self.recorded, drawing
        )
        self.length += patches.shape[1]
        self._check_context()
        return outputs, drawn

    def drop(self, count: int) -> None:
        """Forgets the last `count` positions that were read; without a cache, or with a static one, it cannot."""
        if count and self.cache is not None:
            self.cache.crop(-count)
            self.length -= count
            self.positions = self.positions[:, -1:] - count

    def release(self, returned: bool) -> Cache | None:
        """The cache for the caller; one that is not returned may serve the next call."""
        if self.cache is None or returned or not (self.is_own_cache and self.is_static):
            return self.cache
        self.cache.reset()
        _FREE_CACHES.setdefault(self.decoder, []).append(self.cache)
        return None

    def _check_context(self) -> None:
        held = 0 if self.cache is None else self.cache.get_seq_length()
        if self.cache is None or (isinstance(held, torch.Tensor) and held.device.type != "cpu"):
            return  # a number on a device costs a synchronisation; static caches count by themselves
        if int(held) != self.length:
            raise ContextLostError(
                f"the cache holds {int(held)} positions, but {self.length} were read: the context is lost, and what "
                f"follows would be garbage. Not a fault of yours: {versions()} do not fit this package; install a "
                "version named here, or pass use_cache=False."
            )


def _step(
    decoder: Any,
    patches: torch.Tensor,
    mask: Any,
    positions: torch.Tensor,
    cache: Cache | None,
    recorded: dict[str, bool],
    drawing: Drawing | None,
) -> tuple[PixelARModelOutput, PatchSample | None]:
    outputs = decoder(
        patches=patches,
        attention_mask=mask,
        position_ids=positions,
        cache=cache,
        use_cache=cache is not None,
        return_dict=True,
        **recorded,
    )
    return outputs, None if drawing is None else draw(outputs.last_hidden_state, drawing)


def _compiles(model: Any, config: GenerationConfig, is_static: bool) -> bool:
    """Where compiling is possible and wanted: static caches on GPUs, and on CPUs with a `compile_config`."""
    if (
        config.disable_compile
        or not is_static
        or (model.device.type == "cpu" and config.compile_config is None)
    ):
        return False
    quantizer = getattr(model, "hf_quantizer", None)
    devices = set(getattr(model, "hf_device_map", {}).values())
    is_offloaded = "disk" in devices or ("cpu" in devices and len(devices) > 1) or model.device.type == "meta"
    return not is_offloaded and (quantizer is None or quantizer.is_compileable)


def _new_cache(decoder: Any, config: GenerationConfig, capacity: int, num_rows: int) -> Cache:
    """The cache that `cache_implementation` asks for."""
    kind = config.cache_implementation
    if kind == "quantized":
        options = dict(config.cache_config or {})
        return QuantizedCache(options.pop("backend", "quanto"), **{"config": decoder.config, **options})
    if kind in (None, "dynamic", "offloaded"):
        return DynamicCache(config=decoder.config, **({"offloading": True} if kind == "offloaded" else {}))
    capacity = max(capacity, getattr(config, "max_cache_len", None) or 0)
    free = _FREE_CACHES.get(decoder, [])
    for index, cache in enumerate(free):
        keys = cache.layers[0].keys
        if (_capacity(cache), len(keys), keys.dtype) == (capacity, num_rows, decoder.dtype):
            return free.pop(index)
    free.clear()  # of other sizes
    return StaticCache(config=decoder.config, max_cache_len=capacity, offloading=kind == "offloaded_static")


def _capacity(cache: Cache | None) -> int | None:
    """How many positions fit; `None` without a limit."""
    layers = getattr(cache, "layers", None)
    return getattr(layers[0], "max_cache_len", None) if layers else None


def _check_capacity(cache: Cache | None, needed: int) -> None:
    capacity = _capacity(cache)
    if capacity is not None and capacity < needed:
        raise ValueError(
            f"past_key_values have room for {capacity} patches, but {needed} are needed; make the static cache "
            "larger (max_cache_len) or max_new_patches smaller."
        )


__all__ = ["ContextLostError", "Decoding"]
