# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""This package's classes under transformers' common tests; `run_common_tests.py` puts this file beside them."""

import unittest
import unittest.mock
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedConfig
from transformers.models.auto import modeling_auto

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelARModel,
    PixelProcessor,
)
from pixel_ar.models.pixel_ar.modeling_pixel_ar import PixelARPreTrainedModel

from . import test_modeling_common
from .byte_tokenizer import byte_tokenizer
from .generation import test_utils
from .generation.test_utils import GenerationTesterMixin
from .test_configuration_common import ConfigTester
from .test_modeling_common import ModelTesterMixin, ids_tensor
from .test_processing_common import ProcessorTesterMixin
from .tiny import GROUPED, TINY

CLASSES = (
    PixelARModel,
    PixelARForCausalLM,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelARForQuestionAnswering,
)

# The mixins find out what a class is for, and which labels it takes, by its name in transformers' own tables.
TABLES = (
    "MODEL_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
)
for table, model_class in zip(TABLES, CLASSES, strict=True):
    getattr(modeling_auto, table)["pixel_ar"] = model_class.__name__


def widen_epsilons(config: PreTrainedConfig) -> None:
    """The mixins' own sets epsilons under the names of all models; a configuration of ours with `norm_eps` does not
    load: it takes that for a misspelt field."""
    config.rms_norm_eps = 1.0  # type: ignore[attr-defined]


test_modeling_common.set_config_for_less_flaky_test = widen_epsilons
test_utils.set_config_for_less_flaky_test = widen_epsilons


class PixelTester:
    """Small models of pixels alone, and strips for them."""

    def __init__(self, batch_size: int = 3, seq_length: int = 7) -> None:
        self.batch_size, self.seq_length = batch_size, seq_length
        self.is_training = True
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads"):
            setattr(self, name, GROUPED[name])

    def get_config(self) -> PixelARConfig:
        """Two layers with grouped queries, a head with a layer of its own."""
        return PixelARConfig(max_position_embeddings=64, **{**TINY, **GROUPED})

    def prepare_config_and_inputs_for_common(self) -> tuple[PixelARConfig, dict[str, torch.Tensor]]:
        """Strips `[B, 1, H, W]` of black and white, no padding."""
        config = self.get_config()
        width = config.patch_width * self.seq_length
        pixels = ids_tensor([self.batch_size, config.num_channels, config.patch_height, width], 2).float()
        mask = torch.ones(self.batch_size, self.seq_length, dtype=torch.int64)
        return config, {"pixel_values": pixels, "attention_mask": mask}


class TokenTester(PixelTester):
    """Small models with a token head as well, and token ids for them."""

    vocab_size = 99

    def get_config(self) -> PixelARConfig:
        """That of pixels, with a vocabulary."""
        config = super().get_config().to_dict()
        return PixelARConfig.from_dict(
            {**config, "vocab_size": self.vocab_size, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        )

    def prepare_config_and_inputs_for_common(self) -> tuple[PixelARConfig, dict[str, torch.Tensor]]:
        """Token ids `[B, L]`, special ones left out."""
        ids = ids_tensor([self.batch_size, self.seq_length], self.vocab_size - 3) + 3
        mask = torch.ones(self.batch_size, self.seq_length, dtype=torch.int64)
        return self.get_config(), {"input_ids": ids, "attention_mask": mask}


class PixelModelTest(ModelTesterMixin, unittest.TestCase):
    """Models of pixels alone."""

    all_model_classes = CLASSES
    test_resize_embeddings = False  # there are no tokens
    # Their `generate` writes patches: the mixin for token ids is run on models with a token head, below.
    all_generative_model_classes = ()

    def setUp(self) -> None:
        self.model_tester = PixelTester()
        self.config_tester = ConfigTester(
            self, config_class=PixelARConfig, has_text_modality=False, hidden_size=32
        )

    def test_config(self) -> None:
        self.config_tester.run_common_tests()


class TokenModelTest(ModelTesterMixin, GenerationTesterMixin, unittest.TestCase):
    """Models with a token head, on tokens."""

    all_model_classes = CLASSES
    test_all_params_have_gradient = False  # what reads and draws patches stands idle

    def setUp(self) -> None:
        if self._testMethodName != "test_model_main_input_name":
            # Many tests pass the main input alone, and it is tokens here.
            reads_tokens = unittest.mock.patch.object(PixelARPreTrainedModel, "main_input_name", "input_ids")
            reads_tokens.start()
            self.addCleanup(reads_tokens.stop)
        self.model_tester = TokenTester()
        self.config_tester = ConfigTester(self, config_class=PixelARConfig, vocab_size=99, hidden_size=32)

    def test_config(self) -> None:
        self.config_tester.run_common_tests()


class PixelProcessorTest(ProcessorTesterMixin, unittest.TestCase):
    """The processor of strips."""

    processor_class = PixelProcessor
    text_input_name = "pixel_values"

    @staticmethod
    def prepare_processor_dict() -> dict[str, Any]:
        """Settings other than the defaults."""
        return {"missing": "hexbox", "model_max_patches": 64}

    def prepare_images_inputs(self, batch_size: int | None = None, nested: bool = False) -> Any:
        """Grey strips as high as a patch: the mixin's are in colour, which this processor refuses."""
        pixels = np.random.default_rng(0).integers(0, 2, (8, 80), np.uint8) * 255
        strips = [Image.fromarray(pixels)] * (batch_size or 1)
        return [[strip] for strip in strips] if nested else strips


class TokenProcessorTest(PixelProcessorTest):
    """The same with a tokenizer."""

    @classmethod
    def prepare_processor_dict(cls) -> dict[str, Any]:
        """With the tokenizer, which is no modality of its own here and so no component to the mixin."""
        return {**super().prepare_processor_dict(), "tokenizer": byte_tokenizer()}
