# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training with the standard Trainer: packing, collators, callbacks, the adversarial stage."""

from .adversarial import AdversarialArguments, AdversarialTrainer
from .callbacks import BitsPerCharacterCallback, SampleStripsCallback, stack_strips
from .collators import LanguageModelingCollator, MixedModalityCollator
from .discriminator import PatchDiscriminator, PatchDiscriminatorOutput
from .modality_groups import ModalityGroups
from .packing import PackedTextDataset
from .time_budget import TimeBudget

__all__ = [
    "AdversarialArguments",
    "AdversarialTrainer",
    "BitsPerCharacterCallback",
    "LanguageModelingCollator",
    "MixedModalityCollator",
    "ModalityGroups",
    "PackedTextDataset",
    "PatchDiscriminator",
    "PatchDiscriminatorOutput",
    "SampleStripsCallback",
    "TimeBudget",
    "stack_strips",
]
