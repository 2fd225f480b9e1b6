# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Language models that read and write text as pixels.

Importing this package registers its classes with the Auto classes and the pipelines of transformers.
"""

import transformers
from transformers import AutoConfig, AutoProcessor, AutoTokenizer

from .families import FAMILIES
from .fonts.atlas import GlyphAtlas, bundled_atlases
from .fonts.fitting import fit_font
from .fonts.shaped_font import ShapedFont
from .hub import bundled_checkpoint, bundled_checkpoints, export_remote_code
from .models.page.configuration_page import PixelPageConfig
from .models.page.modeling_page import PixelPageForConditionalGeneration, PixelPagePreTrainedModel
from .models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .models.pixel_ar.dictionary import PatchDictionary
from .models.pixel_ar.generation.generation_pixel_ar import PixelGenerateOutput
from .models.pixel_ar.generation.streamers import PatchIteratorStreamer
from .models.pixel_ar.heads.base import PatchHead
from .models.pixel_ar.heads.registry import PATCH_HEADS
from .models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel, PixelARPreTrainedModel
from .models.pixel_ar.outputs import PixelARCausalLMOutput
from .models.pixel_ar.tasks import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)
from .models.spae.codebook import LexicalCodebook
from .models.spae.configuration_spae import SpaeConfig
from .models.spae.decoding import LexicalLogitsProcessor, ProgressiveDecoder
from .models.spae.modeling_spae import SpaeModel
from .models.spae.prompts import LexicalPrompt
from .models.spae.quantizer import LexicalQuantizer
from .processing.processing_pixel_ar import PixelProcessor
from .processing.settings import PageSettings, StripGeometry
from .reading.prior import CharacterPrior
from .reading.reader import ReadResult, StripReader
from .rendering.pages import PageOverflowError
from .rendering.renderer import StripRenderer
from .rendering.strip import PackedStrip
from .rendering.style import RenderStyle
from .selfcheck import selftest, write_selftest
from .serving.pipelines import register_pipelines
from .serving.streaming import PixelTextIteratorStreamer, PixelTextStreamer
from .serving.tokenizers import PixelCheckpointTokenizer
from .text.characters import CharacterPolicy, MissingGlyphError, UnsupportedScriptError

__version__ = "0.1.0"

for _family in FAMILIES.values():
    AutoConfig.register(_family.name, _family.config, exist_ok=True)
    AutoProcessor.register(_family.config, PixelProcessor, exist_ok=True)
    for _auto_class, _model in _family.models.items():
        getattr(transformers, _auto_class).register(_family.config, _model, exist_ok=True)
AutoTokenizer.register(PixelARConfig, PixelCheckpointTokenizer, exist_ok=True)
register_pipelines()

__all__ = [
    "PATCH_HEADS",
    "CharacterPolicy",
    "CharacterPrior",
    "GlyphAtlas",
    "LexicalCodebook",
    "LexicalLogitsProcessor",
    "LexicalPrompt",
    "LexicalQuantizer",
    "MissingGlyphError",
    "PackedStrip",
    "PageOverflowError",
    "PageSettings",
    "PatchDictionary",
    "PatchHead",
    "PatchIteratorStreamer",
    "PixelARCausalLMOutput",
    "PixelARConfig",
    "PixelARForCausalLM",
    "PixelARForQuestionAnswering",
    "PixelARForSequenceClassification",
    "PixelARForTokenClassification",
    "PixelARModel",
    "PixelARPreTrainedModel",
    "PixelGenerateOutput",
    "PixelPageConfig",
    "PixelPageForConditionalGeneration",
    "PixelPagePreTrainedModel",
    "PixelProcessor",
    "PixelTextIteratorStreamer",
    "PixelTextStreamer",
    "ProgressiveDecoder",
    "ReadResult",
    "RenderStyle",
    "ShapedFont",
    "SpaeConfig",
    "SpaeModel",
    "StripGeometry",
    "StripReader",
    "StripRenderer",
    "UnsupportedScriptError",
    "bundled_atlases",
    "bundled_checkpoint",
    "bundled_checkpoints",
    "export_remote_code",
    "fit_font",
    "selftest",
    "write_selftest",
]


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
