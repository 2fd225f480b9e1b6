# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Settings of processors by name, and the fonts of the published systems."""

import os
from dataclasses import dataclass
from typing import Any

from ..fonts.atlas import GlyphAtlas


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


__all__ = ["ORIGINAL_FONTS", "PROCESSOR_PRESETS", "OriginalFont", "preset_settings"]
