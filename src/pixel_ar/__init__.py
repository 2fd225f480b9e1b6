# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Language models that read and write text as pixels.

Importing this package registers its classes with the Auto classes of transformers, and its layers with PEFT.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoProcessor,
)

from .configuration_pixel_ar import PixelARConfig
from .font_fitting_pixel_ar import fit_font
from .generation_pixel_ar import PixelGenerateOutput
from .heads_pixel_ar import PATCH_HEADS, PatchHead
from .hub import bundled_checkpoint, bundled_checkpoints, export_remote_code
from .modeling_pixel_ar import PixelARCausalLMOutput, PixelARForCausalLM, PixelARModel, PixelARPreTrainedModel
from .pages_pixel_ar import PageOverflowError
from .peft_targets import register_peft_targets
from .processing_pixel_ar import PixelProcessor
from .reading_pixel_ar import ReadResult, StripReader
from .rendering_pixel_ar import (
    GlyphAtlas,
    MissingGlyphError,
    PackedStrip,
    ShapedFont,
    StripRenderer,
    UnsupportedScriptError,
    bundled_atlases,
)
from .task_models_pixel_ar import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)
from .writing_pixel_ar import PatchIteratorStreamer

__version__ = "0.1.0"

AutoConfig.register("pixel_ar", PixelARConfig, exist_ok=True)
AutoModel.register(PixelARConfig, PixelARModel, exist_ok=True)
AutoModelForCausalLM.register(PixelARConfig, PixelARForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(PixelARConfig, PixelARForSequenceClassification, exist_ok=True)
AutoModelForTokenClassification.register(PixelARConfig, PixelARForTokenClassification, exist_ok=True)
AutoModelForQuestionAnswering.register(PixelARConfig, PixelARForQuestionAnswering, exist_ok=True)
AutoProcessor.register(PixelARConfig, PixelProcessor, exist_ok=True)
register_peft_targets()

__all__ = [
    "PATCH_HEADS",
    "GlyphAtlas",
    "MissingGlyphError",
    "PackedStrip",
    "PageOverflowError",
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
    "PixelProcessor",
    "ReadResult",
    "ShapedFont",
    "StripReader",
    "StripRenderer",
    "UnsupportedScriptError",
    "bundled_atlases",
    "bundled_checkpoint",
    "bundled_checkpoints",
    "export_remote_code",
    "fit_font",
]
