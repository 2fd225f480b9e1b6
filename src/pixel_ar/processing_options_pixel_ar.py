# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a call of the processor takes, and the named settings of `PixelProcessor.from_preset`."""

import os
from dataclasses import dataclass
from typing import Any, TypedDict

from .rendering_pixel_ar import GlyphAtlas


class PixelProcessorKwargs(TypedDict, total=False):
    """Options of `PixelProcessor.__call__`.

    Attributes:
        padding: `True` or `"longest"` (default): to the longest row of the batch; `"max_length"`: to `max_patches`
            (and `max_target_tokens`); `False` or `"do_not_pad"`: not at all, which needs `return_tensors=None` or rows
            of one length.
        truncation: `False` (default): a row longer than `max_patches` is an error; `True` or `"longest_first"`:
            the longer segment is cut until the row fits, at a character border, keeping the EOS patch;
            `"only_first"`, `"only_second"`: that segment is cut. Any but `False` also cuts `target_text`.
        max_patches: most patches of a row, special patches included. Default: the processor's
            `model_max_patches`.
        add_eos: whether an EOS patch follows the last segment. Default `True`.
        add_start: whether an EOS patch stands before the first segment, so that `log_likelihood` covers the first
            patch of the text as well. Default `False`.
        end_gap: moves the last segment right until exactly so many white columns are left between its end and a patch
            border, where the row then ends; needs `add_eos=False`. PIXAR prompts its models with `end_gap=3`, since
            their heads only write whole patches. Default `None`: the text stays where it is.
        target_first: whether the tokens of `target_text` stand before the patches. Default `False`.
        add_target_bos: whether `target_text` begins with the tokenizer's BOS token, where the tokenizer itself does not
            put it there. Default `False`.
        add_target_eos: likewise for the EOS token at the end.
        max_target_tokens: most tokens of a row, special tokens included. Default `None`: no limit.
        return_offsets_mapping: also return `offset_mapping` `[B, P, 2]`: for each patch, the (start, end) of the
            characters it shows, in the text as drawn (`processor.renderer.normalise(text)`); (0, 0) on special
            patches, images and padding.
        return_tensors: `"pt"`, `"np"` or `None` (lists).
        text_kwargs: any of the above, in the nested form of Transformers' processors.
        images_kwargs: likewise.
        common_kwargs: likewise.
    """

    padding: bool | str
    truncation: bool | str
    max_patches: int | None
    add_eos: bool
    add_start: bool
    end_gap: int | None
    target_first: bool
    add_target_bos: bool
    add_target_eos: bool
    max_target_tokens: int | None
    return_offsets_mapping: bool
    return_tensors: str | None
    text_kwargs: dict
    images_kwargs: dict
    common_kwargs: dict


@dataclass(frozen=True)
class OriginalFont:
    """The font of a published model.

    Attributes:
        file: what its authors call it.
        size: pixels per em.
    """

    file: str
    size: float


# The PIXEL family's renderer leaves two white columns on either side of a text (xplip/pixel, both back ends).
_PUBLISHED = {"left_padding": 2, "right_padding": 2}
PROCESSOR_PRESETS: dict[str, dict[str, Any]] = {
    # Four 5x8 characters per patch: no glyph is cut by a patch border.
    "fixed-8": {"atlases": ("fixed-5x8",), "patch_size": (8, 20)},
    # One or two 8-pixel characters per patch, or one full-width character.
    "unifont-16": {"atlases": ("unifont-16",), "patch_size": (16, 16)},
    # arXiv 2401.03321, section 3.1 and the settings of its release.
    "pixar": {"patch_size": (8, 16), "num_channels": 1, "model_max_patches": 360, **_PUBLISHED},
    # arXiv 2404.10710, section 3.1.
    "pixelgpt": {"patch_size": (16, 16), "num_channels": 3, "model_max_patches": 1024, **_PUBLISHED},
}
ORIGINAL_FONTS = {
    "pixar": OriginalFont("PixeloidSans-mLxMm.ttf", 8 * 80 / 72),  # 8 points at 80 dpi
    "pixelgpt": OriginalFont("GoNotoCurrent.ttf", 8 * 120 / 72),  # 8 points at 120 dpi
}


def preset_settings(
    name: str, font: "str | os.PathLike[str] | bytes | None", overrides: dict[str, Any]
) -> dict[str, Any]:
    """The constructor's arguments for a preset.

    Args:
        name: of the preset.
        font: a font file for the presets of published models.
        overrides: arguments that differ from the preset.

    Raises:
        ValueError: for an unknown name, a preset that needs a font and gets none, or the other way round.
    """
    if name not in PROCESSOR_PRESETS:
        raise ValueError(f"unknown preset {name!r}; known presets: {', '.join(PROCESSOR_PRESETS)}.")
    settings = {**PROCESSOR_PRESETS[name], **overrides}
    original = ORIGINAL_FONTS.get(name)
    if original is None or "atlases" in overrides:
        if font is not None:
            brings = f"preset {name!r} draws with" if original is None else "the call also passes"
            raise ValueError(f"font={font!r:.80} has no use here: {brings} atlases {settings['atlases']}.")
        return settings
    if font is None:
        raise ValueError(
            f"preset {name!r} needs font=PATH: its models were trained on {original.file}, which cannot be shipped "
            "with this package. Get it from its authors, or draw with other glyphs than the model knows: "
            'another font file, or atlases=("fixed-5x8",) (8 rows), ("unifont-16",) (16 rows).'
        )
    height = settings["patch_size"][0]
    # The original strips cut what does not fit, too.
    settings["atlases"] = (GlyphAtlas.from_font(font, original.size, height, overflow="cut"),)
    return settings


__all__ = ["ORIGINAL_FONTS", "PROCESSOR_PRESETS", "OriginalFont", "PixelProcessorKwargs", "preset_settings"]
