# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fixtures of the reference implementations, and their weights under this package's names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass
class Fixture:
    """One fixture.

    Attributes:
        about: its description.
        weights: tensors under the reference's names.
        inputs: what the reference was given.
        outputs: what it returned.
    """

    about: dict[str, Any]
    weights: dict[str, torch.Tensor]
    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


def load_fixture(name: str) -> Fixture:
    """Reads a fixture by its file name without suffix."""
    parts: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "inputs": {}, "outputs": {}}
    for key, tensor in load_file(FIXTURES / f"{name}.safetensors").items():
        kind, rest = key.split(".", 1)
        parts[kind][rest] = tensor
    about = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return Fixture(about, **parts)


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest absolute difference."""
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)}, the reference has {tuple(theirs.shape)}"
    return float((ours.to(theirs.dtype) - theirs).abs().max())


__all__ = ["FIXTURES", "Fixture", "deviation", "load_fixture"]
