# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The commands by name: each takes its parsed arguments and returns the exit code."""

from argparse import Namespace
from collections.abc import Callable

from .checking import run_selftest
from .checkpoints import convert, info
from .classifying import classify
from .estimating import run_estimate
from .pictures import read, render
from .writing import generate, score

COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "render": render,
    "read": read,
    "generate": generate,
    "score": score,
    "classify": classify,
    "convert": convert,
    "info": info,
    "selftest": run_selftest,
    "estimate": run_estimate,
}

__all__ = ["COMMANDS"]
