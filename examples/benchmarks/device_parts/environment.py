# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What this machine is, and what it can do at most: matrix products and copies, to which the other parts are held."""

import subprocess

import torch
from harness import Record, Settings

from .measuring import copy_rate, product_rate


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    device = settings.device
    if device == "cuda":
        record.attempt("device", describe)
    else:
        record("device", device="cpu", threads=torch.get_num_threads())
    size = 256 if settings.is_quick else (8192 if device == "cuda" else 1024)
    # Without instructions for it, a CPU emulates bf16.
    types = [torch.float32, torch.bfloat16] if device == "cuda" else [torch.float32]
    for dtype in types:
        record.attempt(
            "matrix product",
            lambda dtype=dtype: {"tflops": product_rate(device, dtype, size) / 1e12},
            dtype=str(dtype).removeprefix("torch."),
            size=size,
        )
    size = 2**20 if settings.is_quick else (2**32 if device == "cuda" else 2**28)
    record.attempt("copy", lambda: {"gb_per_s": copy_rate(device, size) / 1e9}, bytes=size)


def describe() -> dict[str, object]:
    """Of the first CUDA device."""
    properties = torch.cuda.get_device_properties(0)
    try:
        driver = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        driver = "?"
    return {
        "device": properties.name,
        "memory_gib": properties.total_memory / 2**30,
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda,
        "driver": driver,
    }
