# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a call of the processor takes, and the named settings of `PixelProcessor.from_preset`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ..fonts.atlas import GlyphAtlas
from ..rendering.style import RenderStyle


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
    "pixelgpt": {
        "patch_size": (16, 16),
        "num_channels": 3,
        "mode": "RGB",
        "model_max_patches": 1024,
        **_PUBLISHED,
    },
    # arXiv 2207.06991, section 2.1 and appendix: strips of 16 x 8464 pixels.
    "pixel": {
        "patch_size": (16, 16),
        "num_channels": 3,
        "mode": "RGB",
        "model_max_patches": 529,
        **_PUBLISHED,
    },
}
ORIGINAL_FONTS = {
    "pixel": OriginalFont("GoNotoCurrent.ttf", 8 * 120 / 72),  # 8 points at 120 dpi
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
    levels = "1" if settings.get("mode", "1") == "1" else "L"
    # The original strips cut what does not fit, too.
    settings["atlases"] = (GlyphAtlas.from_font(font, original.size, height, overflow="cut", mode=levels),)
    return settings


def check_geometry(
    patch_size: Sequence[int], num_channels: int, padding_side: str, left_padding: int, right_padding: int
) -> None:
    """Check the sizes a processor was given.

    Raises:
        ValueError: for one out of range.
    """
    if len(patch_size) != 2 or min(patch_size) < 1:
        raise ValueError(f"patch_size must be two positive integers (height, width), got {patch_size}.")
    if num_channels not in (1, 3):
        raise ValueError(f"num_channels must be 1 or 3, got {num_channels}.")
    if padding_side not in ("right", "left"):
        raise ValueError(f'padding_side must be "right" or "left", got {padding_side!r}.')
    for name, columns in (("left_padding", left_padding), ("right_padding", right_padding)):
        if isinstance(columns, bool) or not isinstance(columns, int) or not 0 <= columns < patch_size[1]:
            raise ValueError(
                f"{name} must be a number of columns below the patch width {patch_size[1]}, got {columns!r}."
            )


def check_style(style: RenderStyle, num_channels: int, left_padding: int) -> None:
    """Check the looks of strips against the other settings of a processor.

    Raises:
        ValueError: for colours in one channel, or units that would not stand on patch borders.
    """
    if style.mode == "RGB" and num_channels != 3:
        raise ValueError(
            f"mode='RGB' needs num_channels=3, got {num_channels}; pass num_channels=3, or mode='L' for gray strips of "
            "one channel."
        )
    if style.strategy != "continuous" and left_padding:
        raise ValueError(
            f"left_padding={left_padding} would move the units of strategy={style.strategy!r} off their patch borders; "
            "use left_padding=0."
        )


def check_model(style: RenderStyle, patch_size: tuple[int, int], num_channels: int, config: Any) -> None:
    """Check a processor against a model's configuration; see `PixelProcessor.check_model`."""
    if tuple(config.patch_size) != tuple(patch_size):
        raise ValueError(
            f"the processor draws patches of {tuple(patch_size)}, the model reads patches of "
            f"{tuple(config.patch_size)}; set patch_size of one to that of the other."
        )
    if config.num_channels != num_channels:
        raise ValueError(
            f"the processor draws {num_channels} channels, the model reads {config.num_channels}; set num_channels of "
            "one to that of the other."
        )
    if config.patch_head == "autoregressive" and style.has_levels:
        raise ValueError(
            f"patch_head='autoregressive' writes 1-bit columns, but the processor draws mode={style.mode!r}; use a "
            "processor with mode='1' and num_channels=1, or a model with patch_head='regression' (levels and colours) "
            "or 'bernoulli'."
        )


__all__ = [
    "ORIGINAL_FONTS",
    "PROCESSOR_PRESETS",
    "OriginalFont",
    "PixelProcessorKwargs",
    "check_geometry",
    "check_model",
    "check_style",
    "preset_settings",
]
