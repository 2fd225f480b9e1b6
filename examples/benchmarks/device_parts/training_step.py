# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training steps: a pixel model and Transformers' own Llama with the same decoder, eager and compiled, in one process.

A step is forward pass, backward pass and fused AdamW over packed strips without padding (tokens likewise). Utilisation
is that of the model's FLOPs, `pixel_ar.estimation`, against a square matrix product measured in the same process.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from harness import Record, Settings

from pixel_ar.estimation.trace import training_cost

from .measuring import (
    build,
    clock,
    count_parameters,
    llama_like,
    peak_memory,
    pixel_config,
    product_rate,
    reset_memory,
    time_calls,
)


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    device = settings.device
    on_device = device == "cuda"
    sizes = ["tiny"] if settings.is_quick else settings.options.get("sizes") or ["pixel-ar-113m"]
    if on_device and not settings.is_quick and not settings.options.get("sizes"):
        sizes = ["pixel-ar-113m", "pixel-ar-317m"]
    batch = 2 if settings.is_quick else (64 if on_device else 8)
    length = 8 if settings.is_quick else 360
    dtype = torch.bfloat16 if on_device else torch.float32
    size = 256 if settings.is_quick else (8192 if on_device else 1024)
    rate = product_rate(device, dtype, size, 5)
    record("matrix product", dtype=str(dtype).removeprefix("torch."), size=size, tflops=rate / 1e12)
    forms = [False, True] if on_device or settings.options.get("compile") else [False]
    for name in sizes:
        for is_compiled in forms:
            for kind in ("pixels", "llama"):
                about = {
                    "model": name,
                    "kind": kind,
                    "compiled": is_compiled,
                    "batch": batch,
                    "length": length,
                }
                if settings.seconds_left() < (1 if settings.is_quick else 20):
                    record("train step", **about, skipped="no time left")
                    continue
                record.attempt(
                    "train step",
                    lambda name=name, kind=kind, is_compiled=is_compiled: measure(
                        name, kind, device, batch, length, is_compiled, rate
                    ),
                    **about,
                )


def measure(
    name: str, kind: str, device: str, batch: int, length: int, is_compiled: bool, rate: float
) -> dict[str, Any]:
    """Time, utilisation and memory of a step."""
    config = pixel_config(name)
    config.max_position_embeddings = max(config.max_position_embeddings, length)
    # Weights in float32 that are multiplied in bf16, where the device has bf16.
    reset_memory(device)
    is_pixels = kind == "pixels"
    model = build(config if is_pixels else llama_like(config), device, torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    batch_of = pixel_batch(config, batch, length, device) if is_pixels else token_batch(batch, length, device)
    forward: Callable[..., Any] = torch.compile(model) if is_compiled else model

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = forward(**batch_of).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spent = time_calls(step, device, 5 if device == "cuda" else 3)
    which = clock(device)
    seconds = getattr(spent, which)
    positions = batch * length
    values: dict[str, Any] = {
        "parameters": count_parameters(model),
        "clock": which,
        "step_ms": 1e3 * seconds,
        "positions_per_s": positions / seconds,
    }
    flops = _flops(config, batch, length) if is_pixels else _llama_flops(model, batch, length)
    values |= {"tflops": flops / seconds / 1e12, "share_of_products": flops / seconds / rate}
    if (peak := peak_memory(device)) is not None:
        values["peak_gib"] = peak / 2**30
    return values


def pixel_batch(config: Any, batch: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """Packed strips as a collator sends them: uint8."""
    height, width = config.patch_size
    shape = (batch, config.num_channels, height, length * width)
    return {
        "pixel_values": 255 * torch.randint(0, 2, shape, dtype=torch.uint8, device=device),
        "labels": torch.zeros(batch, length, dtype=torch.int64, device=device),
    }


def token_batch(batch: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """As many tokens."""
    ids = torch.randint(1, 4096, (batch, length), device=device)
    return {"input_ids": ids, "labels": ids}


def _flops(config: Any, batch: int, length: int) -> float:
    cost = training_cost(config, batch, length, torch.float32)
    return cost.forward_flops + cost.backward_flops


def _llama_flops(model: Any, batch: int, length: int) -> float:
    """Six for each weight that is multiplied and position, and attention."""
    config = model.config
    weights = sum(p.numel() for name, p in model.named_parameters() if "norm" not in name)
    attention = 12 * config.num_hidden_layers * config.hidden_size * length
    return batch * length * (6.0 * weights + attention)
