# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Tensors that a model does not read: of other shapes, types and values, or no tensors at all."""

import contextlib
import math
from random import Random
from typing import Any

import torch

TYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool, torch.complex64)
VALUES = (math.nan, math.inf, -1.0, 1e30, 300.0)


def generator_of(rng: Random) -> torch.Generator:
    """Random tensors that follow the case's numbers."""
    return torch.Generator().manual_seed(rng.randrange(2**32))


def spoiled(rng: Random, value: torch.Tensor) -> Any:
    """A tensor with one thing wrong; some changes do not apply to some tensors and leave them as they are."""
    choices = (
        lambda: value[:, :0],
        lambda: value[:0],
        lambda: value[0],
        lambda: value[None],
        lambda: torch.cat([value, value]),
        lambda: value[..., :-1],
        lambda: torch.cat([value, value[..., :1]], dim=-1),
        lambda: value.to(rng.choice(TYPES)),
        lambda: torch.full_like(
            value, rng.choice((-1, 0, 2, 99)) if not value.is_floating_point() else math.nan
        ),
        lambda: torch.full_like(value.float(), rng.choice(VALUES)),
        lambda: value.tolist(),
        lambda: value.numpy(),
        lambda: value.transpose(-1, -2),
    )
    with contextlib.suppress(RuntimeError, IndexError, TypeError):
        return rng.choice(choices)()
    return value


def are_in_range(inputs: dict[str, Any], most: float = 1.0) -> bool:
    """Whether all floating point inputs are finite and not above `most`: then all that comes out is finite."""
    given = [
        value
        for value in inputs.values()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel()
    ]
    return all(bool(value.isfinite().all()) and float(value.abs().max()) <= most for value in given)


def shown(inputs: dict[str, Any]) -> str:
    """Inputs as a title."""
    words = []
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor):
            words.append(f"{name}={str(value.dtype).removeprefix('torch.')}{list(value.shape)}")
        else:
            words.append(f"{name}={type(value).__name__} {value!r:.40}")
    return ", ".join(words)


__all__ = ["TYPES", "VALUES", "are_in_range", "generator_of", "shown", "spoiled"]
