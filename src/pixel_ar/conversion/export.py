# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Page models back to Pix2Struct, so that whatever reads its checkpoints reads one that was trained here."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import Pix2StructConfig, Pix2StructForConditionalGeneration

from ..models.page.configuration_page import PixelPageConfig
from ..models.page.modeling_page import PixelPageForConditionalGeneration
from ..processing.processing_pixel_ar import PixelProcessor
from .checkpoints import ConversionReport, check_target, staging, write_json
from .pix2struct import SETTINGS_FILE, TEXT_FIELDS, VISION_FIELDS, pix2struct_name
from .sources import read_json

# Of training alone: answers do not depend on it.
READING_HEAD = "reading_head."


def export_pix2struct(
    source: str | os.PathLike, target: str | os.PathLike, *, with_processor: bool = True
) -> ConversionReport:
    """Writes a page model as transformers' own `Pix2StructForConditionalGeneration` saves one.

    Args:
        source: a folder with a `PixelPageForConditionalGeneration`.
        target: a folder that does not exist yet, or is empty.
        with_processor: whether the settings of its processor, and its tokenizer, are written too, where it has one.

    Returns:
        What was done.

    Raises:
        ValueError: for a folder with another model, or sizes that Pix2Struct cannot have. Nothing is written then.
        OSError: if the target cannot be written.
    """
    source, target = Path(source), Path(target)
    check_target(target)
    if not (source / "config.json").is_file():
        raise ValueError(f"{source} is not a checkpoint: it has no config.json.")
    kind = read_json(source / "config.json").get("model_type")
    if kind != PixelPageConfig.model_type:
        raise ValueError(
            f"{source} holds a model of type {kind!r}; only page models ({PixelPageConfig.model_type!r}) can become "
            "Pix2Struct."
        )
    ours = PixelPageForConditionalGeneration.from_pretrained(source, local_files_only=True)
    model = _to_pix2struct(ours)
    has_processor = with_processor and (source / "processor_config.json").is_file()
    processor = PixelProcessor.from_pretrained(source) if has_processor else None
    dropped = tuple(name for name in ours.state_dict() if name.startswith(READING_HEAD))
    notes = [] if processor is not None else ["there is no processor in this folder"]
    if dropped:
        notes.append("the reading head was dropped: Pix2Struct has none, and answers do not depend on it")
    with staging(target) as folder:
        model.save_pretrained(folder)
        if processor is not None:
            write_json(folder / SETTINGS_FILE, _image_processor(ours.config, processor))
            if hasattr(processor.tokenizer, "save_pretrained"):
                processor.tokenizer.save_pretrained(folder)
    count = sum(parameter.numel() for parameter in model.parameters())
    read = tuple(sorted(path.name for path in source.iterdir() if path.suffix in (".json", ".safetensors")))
    return ConversionReport(target, type(model).__name__, count, read, dropped, tuple(notes))


def pix2struct_config(config: PixelPageConfig) -> Pix2StructConfig:
    """The configuration in transformers' terms.

    Raises:
        ValueError: for heads that do not make up the hidden size in the decoder.
    """
    width = config.decoder_attention_heads * config.decoder_head_dim
    if width != config.hidden_size:
        raise ValueError(
            f"{config.decoder_attention_heads} decoder heads of {config.decoder_head_dim} make {width}, but Pix2Struct "
            f"needs them to make the hidden size ({config.hidden_size})."
        )
    halves = [
        {theirs: getattr(config, ours) for theirs, (ours, _) in table.items()}
        for table in (TEXT_FIELDS, VISION_FIELDS)
    ]
    text: dict[str, Any] = {**halves[0], "is_decoder": True, "use_cache": True}
    return Pix2StructConfig(
        text_config=text, vision_config=halves[1], tie_word_embeddings=config.tie_word_embeddings
    )


def _to_pix2struct(ours: PixelPageForConditionalGeneration) -> Pix2StructForConditionalGeneration:
    with torch.device("meta"):
        model = Pix2StructForConditionalGeneration(pix2struct_config(ours.config))
    weights = {
        pix2struct_name(name): tensor
        for name, tensor in ours.state_dict().items()
        if not name.startswith(READING_HEAD)
    }
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    model.generation_config = ours.generation_config
    return model.eval()


def _image_processor(config: PixelPageConfig, processor: PixelProcessor) -> dict[str, Any]:
    """The content of `preprocessor_config.json`."""
    height, width = config.patch_size or processor.page_patch_size or processor.patch_size
    return {
        "image_processor_type": "Pix2StructImageProcessor",
        "processor_class": "Pix2StructProcessor",
        "do_convert_rgb": True,
        "do_normalize": True,
        "is_vqa": False,
        "max_patches": processor.page_max_patches,
        "patch_size": {"height": height, "width": width},
    }


__all__ = ["export_pix2struct", "pix2struct_config"]
