# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Which device the tests of this folder run on: the CPU, unless PIXEL_AR_DEVICE names another."""

import os

import pytest
import torch


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The device; a test that finds none fails, for whoever names a device wants it tested."""
    found = torch.device(os.environ.get("PIXEL_AR_DEVICE", "cpu"))
    if found.type == "cuda":
        assert torch.cuda.is_available(), "PIXEL_AR_DEVICE=cuda, but torch finds no CUDA device"
        # Exact products, so that differences are those of the package.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return found
