# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training with the standard Trainer: packing, collators, callbacks, spans, the adversarial stage."""

from ..processing.pictures import stack_strips
from .adversarial import AdversarialArguments, AdversarialTrainer
from .alignment import TextAlignment
from .answer_collator import QuestionAnsweringCollator
from .answers import QuestionWindows, find_answers
from .batches import TruncationCounter
from .callbacks import BitsPerCharacterCallback, SampleStripsCallback
from .checkpoints import MarkCheckpoints, checkpoint_fault, find_checkpoint, resume
from .collators import LanguageModelingCollator, MixedModalityCollator
from .discriminator import PatchDiscriminator, PatchDiscriminatorOutput
from .finite_loss import FiniteLossMixin, FiniteLossTrainer, NonFiniteLossError
from .flow_distillation import FlowDistillationArguments, FlowDistillationTrainer
from .lora import LORA_TARGETS, QUANTIZATION_SKIPS
from .modality_groups import ModalityGroups
from .muon import MuonAdamW, muon_groups
from .packing import PackedTextDataset
from .pages.charts import ChartPages
from .pages.collators import PageCollator, PagePixelCollator, PagePrefixCollator
from .pages.forms import FormPages
from .pages.page import TrainingPage
from .pages.scores import score_pages
from .pages.screenshots import ScreenshotPages
from .pages.snippets import SnippetPages
from .sequence_collator import SequenceClassificationCollator
from .spae import CaptionRelevance, ClipRelevance, SpaeCollator, count_words
from .spans import patches_to_span, row_patches, span_to_patches
from .time_budget import TimeBudget
from .word_collator import TokenClassificationCollator
from .words import join_words, label_patches, word_labels_from_patches

__all__ = [
    "LORA_TARGETS",
    "QUANTIZATION_SKIPS",
    "AdversarialArguments",
    "AdversarialTrainer",
    "BitsPerCharacterCallback",
    "CaptionRelevance",
    "ChartPages",
    "ClipRelevance",
    "FiniteLossMixin",
    "FiniteLossTrainer",
    "FlowDistillationArguments",
    "FlowDistillationTrainer",
    "FormPages",
    "LanguageModelingCollator",
    "MarkCheckpoints",
    "MixedModalityCollator",
    "ModalityGroups",
    "MuonAdamW",
    "NonFiniteLossError",
    "PackedTextDataset",
    "PageCollator",
    "PagePixelCollator",
    "PagePrefixCollator",
    "PatchDiscriminator",
    "PatchDiscriminatorOutput",
    "QuestionAnsweringCollator",
    "QuestionWindows",
    "SampleStripsCallback",
    "ScreenshotPages",
    "SequenceClassificationCollator",
    "SnippetPages",
    "SpaeCollator",
    "TextAlignment",
    "TimeBudget",
    "TokenClassificationCollator",
    "TrainingPage",
    "TruncationCounter",
    "checkpoint_fault",
    "count_words",
    "find_answers",
    "find_checkpoint",
    "join_words",
    "label_patches",
    "muon_groups",
    "patches_to_span",
    "resume",
    "row_patches",
    "score_pages",
    "span_to_patches",
    "stack_strips",
    "word_labels_from_patches",
]
