# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Memory of a training step, measured beside what `pixel_ar.estimation` says of it.

On a CUDA device: the most that PyTorch's allocator held. On a CPU: what autograd saved, counted storage by storage.
"""

from typing import Any

import torch
from harness import Record, Settings

from pixel_ar.estimation.plan import Run
from pixel_ar.estimation.plan import memory as estimate
from pixel_ar.estimation.trace import SavedStorages

from .measuring import build, peak_memory, pixel_config, reset_memory
from .training_step import pixel_batch


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    device = settings.device
    on_device = device == "cuda"
    name = "tiny" if settings.is_quick else "pixel-ar-113m"
    shapes = (
        [(2, 8)] if settings.is_quick else ([(8, 360), (32, 360), (8, 1024)] if on_device else [(2, 360)])
    )
    for batch, length in shapes:
        for recomputes in (False, True):
            about = {"model": name, "batch": batch, "length": length, "recomputes": recomputes}
            if settings.seconds_left() < 1:
                record("memory", **about, skipped="no time left")
                continue
            record.attempt(
                "memory",
                lambda batch=batch, length=length, recomputes=recomputes: measure(
                    name, device, batch, length, recomputes
                ),
                **about,
            )


def measure(name: str, device: str, batch: int, length: int, recomputes: bool) -> dict[str, Any]:
    """Measured and estimated bytes of one step."""
    config = pixel_config(name)
    config.max_position_embeddings = max(config.max_position_embeddings, length)
    precision = "mixed" if device == "cuda" else "float32"
    found = estimate(Run(config, 1, batch, length, precision, recomputes=recomputes), "ddp")
    reset_memory(device)
    model = build(config, device, torch.float32).train()
    if recomputes:
        # The second name is that of Transformers before 5.23.
        (getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable)()
    inputs = pixel_batch(config, batch, length, device)
    if device != "cuda":
        saved = SavedStorages(model)
        with torch.autograd.graph.saved_tensors_hooks(*saved.hooks):
            model(**inputs)
        return {"saved_mib": saved.num_bytes / 2**20, "estimated_activations_mib": found.activations / 2**20}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    for _ in range(2):  # the first makes the optimiser's state
        with torch.autocast(device, torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = peak_memory(device) or 0
    return {
        "peak_gib": peak / 2**30,
        "estimated_gib": found.total / 2**30,
        "estimated_activations_gib": found.activations / 2**30,
        "ratio": peak / found.total,
    }
