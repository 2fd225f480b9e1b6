# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training with the standard Trainer: packing, collators and callbacks."""

from .callbacks import BitsPerCharacterCallback, SampleStripsCallback, stack_strips
from .collators import LanguageModelingCollator
from .packing import PackedTextDataset
from .time_budget import TimeBudget

__all__ = [
    "BitsPerCharacterCallback",
    "LanguageModelingCollator",
    "PackedTextDataset",
    "SampleStripsCallback",
    "TimeBudget",
    "stack_strips",
]
