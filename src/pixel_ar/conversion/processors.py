# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor of a converted model: drawn with the font it was trained on, or as the user asks."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..fonts.atlas import GlyphAtlas, bundled_atlases
from ..models.page.configuration_page import PixelPageConfig
from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from ..processing.presets import ORIGINAL_FONTS, PROCESSOR_PRESETS
from ..processing.processing_pixel_ar import PixelProcessor
from .family import Family
from .pix2struct import processor_settings
from .sources import file_sha256

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)

# What headers of pages are drawn with, unless another atlas is named.
HEADER_ATLAS = "unifont-16"


@dataclass(frozen=True)
class ProcessorChoice:
    """How the converted model shall draw text.

    Attributes:
        font: file of the original font.
        atlas: name of a bundled atlas to draw with instead.
        wanted: `False` for no processor.
    """

    font: Path | None
    atlas: str | None
    wanted: bool

    def check(self, family: Family) -> None:
        """Raises `ValueError` for a choice that contradicts itself, or is none."""
        given = [self.font is not None, self.atlas is not None, not self.wanted]
        if sum(given) > 1:
            raise ValueError("give only one of a font, an atlas and no processor: each excludes the others.")
        if not family.reads_strips and self.font is not None:
            raise ValueError(
                f"{family.title} reads pages, for which no font is needed: leave it out, and pass header_font=PATH to "
                "processor.page_patches where a header shall look as in training."
            )
        if self.atlas is not None and self.atlas not in bundled_atlases():
            raise ValueError(
                f"no bundled atlas is called {self.atlas!r}; there are: {', '.join(bundled_atlases())}."
            )
        if not family.reads_strips:
            return
        original = ORIGINAL_FONTS[family.kind].file
        if not any(given):
            raise ValueError(
                f"{family.title} was trained on text drawn with {original}, which cannot be shipped here: give its "
                "file (font=PATH, on the command line --font PATH). Or draw with a bundled atlas that it was not "
                f"trained on (atlas={bundled_atlases()[0]!r}, --atlas NAME), or convert the model alone "
                "(with_processor=False, --no-processor)."
            )
        if self.font is not None and not self.font.is_file():
            raise ValueError(f"there is no font file {self.font}; give the path of {original}.")

    def describe(self, processor: PixelProcessor | None) -> dict[str, Any] | None:
        """What `conversion.json` says about the processor: names and hashes, no paths."""
        if processor is None:
            return None
        drawn = [{"name": atlas.name, "sha256": atlas.sha256} for atlas in processor.renderer.atlases]
        if self.font is None:
            return {"atlases": drawn}
        return {"font": {"name": self.font.name, "sha256": file_sha256(self.font)}, "atlases": drawn}


def build_processor(
    family: Family,
    choice: ProcessorChoice,
    config: PixelARConfig | PixelPageConfig,
    source: Mapping[str, Any],
    tokenizer: Any,
) -> tuple[PixelProcessor | None, tuple[str, ...]]:
    """A processor set up as the model was trained.

    Args:
        family: the kind of checkpoint.
        choice: font, atlas or nothing.
        config: our configuration.
        source: the original `config.json`.
        tokenizer: its tokenizer, or `None`.

    Returns:
        The processor, or `None` if none is wanted, and what a user should know about it.

    Raises:
        ValueError: if the font cannot be drawn in strips of the model's height.
    """
    if not choice.wanted:
        own = "strips" if family.reads_strips else "patches"
        return None, (f"there is no processor in this folder: bring {own} of your own",)
    if isinstance(config, PixelPageConfig):
        return _page_processor(choice, config, source, tokenizer)
    settings: dict[str, Any] = {
        "patch_size": tuple(config.patch_size),
        "num_channels": config.num_channels,
        # PIXAR's binary models saw levels cut at half; its RGB models, and PixelGPT, saw the levels.
        "mode": "RGB" if config.num_channels == 3 else "1" if family.kind == "pixar" else "L",
        "model_max_patches": _max_patches(family, config, source),
        "tokenizer": tokenizer,
    }
    original = ORIGINAL_FONTS[family.kind].file
    if choice.font is None:
        processor = PixelProcessor.from_preset(family.kind, atlases=(choice.atlas,), **settings)
        note = f"text is drawn with the atlas {choice.atlas}, not with {original}, which the model was trained on"
        return processor, (note,)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        processor = PixelProcessor.from_preset(family.kind, font=choice.font, **settings)
    depth = "1 bit" if processor.mode == "1" else "gray levels"
    notes = [
        f"text is drawn from {choice.font.name} in {depth}, character by character; the original's library drew it "
        "antialiased, kerned and shaped, so single pixels differ from what the model was trained on"
    ]
    if choice.font.name != original:
        notes.append(f"the model was trained on {original}; {choice.font.name} may be another font")
    # What the font lacks at this size belongs into the record, not into a warning that scrolls by.
    notes += [str(warning.message).removesuffix(".") for warning in caught]
    return processor, tuple(notes)


def _page_processor(
    choice: ProcessorChoice, config: PixelPageConfig, source: Mapping[str, Any], tokenizer: Any
) -> tuple[PixelProcessor, tuple[str, ...]]:
    """Cuts pages as the original did; headers are drawn with an atlas."""
    atlas = GlyphAtlas.load(choice.atlas or HEADER_ATLAS)
    processor = PixelProcessor(
        atlases=(atlas,),
        patch_size=(atlas.height, 16),
        tokenizer=tokenizer,
        missing="hexbox",
        **processor_settings(config, source),
    )
    return processor, (
        f"headers are drawn with the atlas {atlas.name}; pass header_font=PATH for the font the model was trained on",
    )


def _max_patches(family: Family, config: PixelARConfig, source: Mapping[str, Any]) -> int:
    """The longest strip of the original's training."""
    limit = config.max_position_embeddings
    if family.kind == "pixar":
        return min(PROCESSOR_PRESETS["pixar"]["model_max_patches"], limit)
    image_size = source.get("image_size")
    if isinstance(image_size, list) and [type(side) for side in image_size] == [int, int]:
        height, width = image_size
        if height == config.patch_height:
            return max(1, min(width // config.patch_width, limit))
    return limit


def load_tokenizer(
    files: tuple[Path, ...], config: PixelARConfig | PixelPageConfig
) -> tuple[Any, tuple[str, ...]]:
    """The tokenizer beside a checkpoint.

    Args:
        files: the tokenizer's files; they are carried along whether or not it can be loaded.
        config: whose special token ids it gets where it names none itself.

    Returns:
        The tokenizer or `None`, and what a user should know about it.
    """
    if not any(path.suffix in (".model", ".json") and path.stem in ("tokenizer", "spiece") for path in files):
        return None, ()
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    names = [path.name for path in files]
    # Away from the original's config.json, whose model type transformers does not know.
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            shutil.copyfile(path, Path(folder, path.name))
        try:
            if "tokenizer_config.json" in names or "tokenizer.json" not in names:
                tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            else:
                tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(folder, "tokenizer.json")))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # Any library below may fail: on a damaged file, or because sentencepiece is not installed. What panics in
            # compiled code is not even an Exception.
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return None, (f"the tokenizer files were copied, but could not be loaded here ({reason})",)
    for name in ("bos", "eos", "pad"):
        index = getattr(config, f"{name}_token_id")
        if (
            isinstance(index, int)
            and getattr(tokenizer, f"{name}_token_id") is None
            and index < len(tokenizer)
        ):
            setattr(tokenizer, f"{name}_token", tokenizer.convert_ids_to_tokens(index))
    return tokenizer, ()


__all__ = ["TOKENIZER_FILES", "ProcessorChoice", "build_processor", "load_tokenizer"]
