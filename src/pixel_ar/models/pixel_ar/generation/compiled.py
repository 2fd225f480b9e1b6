# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The compiled step: the decoder reads a patch and the head draws the next one, in one call.

Compiled functions are kept by what they were compiled with and take modules as arguments, so that a copied model runs
its own weights. On GPUs the call is one CUDA graph. Randomness is drawn before it: a seed writes the same patches with
and without it.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    CompileConfig,
    EpsilonLogitsWarper,
    GenerationConfig,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from ..heads.base import DrawInputs, PatchHead, PatchSample, Warp

# What a compiled step needs to draw: the head, its warp (see [`lasting_warp`]), and what else `PatchHead.draw` takes.
Drawing = tuple[PatchHead, Warp | None, DrawInputs]

_COMPILED: dict[tuple[Callable, str], Any] = {}
# Warps by what they do: compiled code is bound to the very function, and each call of `generate` makes new processors.
_WARPS: dict[Any, Warp] = {}
# Their results depend on their settings and arguments alone.
_PLAIN = (
    EpsilonLogitsWarper,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)


def compiled(function: Callable, config: GenerationConfig) -> Any:
    """A function compiled as `config.compile_config` says, once for each configuration."""
    options = (config.compile_config or CompileConfig()).to_dict()
    key = function, repr(options)
    if key not in _COMPILED:
        _COMPILED[key] = torch.compile(function, **options)
    return _COMPILED[key]


def begin_step(device: torch.device) -> None:
    """Says that what the compiled calls of the last step returned is no longer needed, but for what was copied."""
    if device.type == "cuda":  # elsewhere there are no graphs, and to say so loads a compiler
        torch.compiler.cudagraph_mark_step_begin()


def chain(processors: LogitsProcessorList) -> Warp | None:
    """Processors as one function; not the list itself, which inspects every signature at every call."""
    if not processors:
        return None

    def warp(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for processor in processors:
            scores = processor(written, scores)
        return scores

    return warp


def lasting_warp(processors: LogitsProcessorList) -> tuple[Warp | None, bool]:
    """As [`chain`], the same function for processors of the same settings; whether there is one.

    A processor of one's own may look at anything, so it has none.
    """
    if not processors:
        return None, True
    if not all(type(processor) in _PLAIN for processor in processors):
        return None, False
    key = tuple((type(processor), repr(sorted(vars(processor).items()))) for processor in processors)
    warp = _WARPS.get(key)
    if warp is None and (made := chain(processors)) is not None:
        warp = _WARPS[key] = made
    return warp, True


def draw(hidden_states: torch.Tensor, drawing: Drawing) -> PatchSample:
    """One patch of every row after states `[B, T, D]`."""
    head, warp, inputs = drawing
    return PatchSample(*head.draw(hidden_states[:, -1], warp, inputs))


__all__ = ["Drawing", "begin_step", "chain", "compiled", "draw", "lasting_warp"]
