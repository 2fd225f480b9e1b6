# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Settings of the whole suite: nothing is downloaded, nothing leaves this machine."""

import os

# Before the first import of huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tools.deprecations import pytest_runtest_call, pytest_runtest_setup
from tools.tiny import TINY
from transformers.utils import logging

from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

# The same examples in every run, whatever the machine's speed.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

LOOPBACK = ("127.", "::1", "localhost")

__all__ = ["pytest_runtest_call", "pytest_runtest_setup"]  # hooks: calls of what is deprecated fail a test


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails any test that connects to another machine; sockets between processes of this one stay usable."""
    connect = socket.socket.connect

    def guarded_connect(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0]) if isinstance(address, tuple) else str(address)
            if not host.startswith(LOOPBACK):
                raise AssertionError(f"a test tried to connect to {host}; tests must not need a network")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    yield


@pytest.fixture(autouse=True)
def verbosity() -> Iterator[None]:
    """Gives transformers its voice back: the command line silences it in its process, which is the tests' too."""
    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    yield
    logging.set_verbosity(level)
    if has_bars:
        logging.enable_progress_bar()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a very small model of random weights and its processor. Read only: copy it to change it."""
    import torch

    from pixel_ar import PixelARConfig, PixelARForCausalLM
    from pixel_ar.processing.processing_pixel_ar import PixelProcessor

    torch.manual_seed(0)
    config = PixelARConfig(max_position_embeddings=64, **TINY)
    folder = tmp_path_factory.mktemp("tiny_checkpoint")
    PixelARForCausalLM(config).eval().save_pretrained(folder)
    PixelProcessor.from_preset("fixed-8", model_max_patches=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def drawer() -> StripRenderer:
    """Draws every script in the cells of GNU Unifont."""
    return StripRenderer(["unifont-16"], missing="hexbox", unsupported="cells")


@pytest.fixture(scope="module")
def reader() -> StripReader:
    """Reads them; shares no drawing with the drawer."""
    return StripReader(["unifont-16"], renderer=StripRenderer(["unifont-16"], unsupported="cells"))
