# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Renderers and readers with settings of all kinds, built once a process."""

import functools
from random import Random
from typing import Any

import numpy as np
from tools.paths import FIXTURES
from tools.unicode import sample_font

from pixel_ar import GlyphAtlas, StripReader, StripRenderer
from pixel_ar.reading.styled_reader import build_reader
from pixel_ar.rendering.style import RenderStyle
from pixel_ar.rendering.styled_renderer import build_renderer

NUM_CHAINS = 24
COLORS = FIXTURES / "unicode" / "colors-bitmaps.ttf"
LAYERS = FIXTURES / "unicode" / "colors-layers.ttf"
_PATCH_WIDTH = 16


def settings_of(index: int) -> dict[str, Any]:
    """The arguments of chain number `index`: the plain ones first, then drawn ones."""
    rng = Random(f"chain {index}")
    atlases: list[Any] = [["fixed-5x8"], ["unifont-16"], ["tiny5-8"], ["unifont-16", sample_font("Arabic")]][
        index % 4
    ]
    if index >= 4:
        fonts = (sample_font("Devanagari"), sample_font("Khmer"), sample_font("Arabic"), COLORS, LAYERS)
        atlases = rng.choice((["fixed-5x8"], ["tiny5-8"], ["unifont-16"], ["unifont-16", rng.choice(fonts)]))
    settings: dict[str, Any] = {"atlases": atlases, "missing": "hexbox", "unsupported": "shape"}
    if index >= 4:
        settings |= {
            "missing": rng.choice(("error", "warn", "hexbox", "hexbox")),
            "newline": rng.choice(("space", "symbol")),
            "tab": rng.choice(("space", 1, 4, 16)),
            "normalize": rng.choice(("NFC", None)),
            "unsupported": rng.choice(("shape", "cells", "cells", "error", "missing")),
        }
    return settings


def style_of(index: int) -> RenderStyle:
    """The looks of chain number `index`: every third is not plain."""
    rng = Random(f"style {index}")
    if index % 3 != 2:
        return RenderStyle()
    mode = rng.choice(("1", "L", "RGB"))
    colors = {"RGB": ("navy", "#ffeecc"), "L": (40, 250), "1": ("black", "white")}[mode]
    return RenderStyle(
        mode, *colors, rng.choice((0, 0, 1, 3)), rng.choice(("continuous", "bigrams", "mono", "words"))
    )


@functools.cache
def renderer_of(index: int) -> StripRenderer:
    """Chain number `index` of `NUM_CHAINS`."""
    settings = settings_of(index)
    return build_renderer(settings.pop("atlases"), style_of(index), _PATCH_WIDTH, **settings)


@functools.cache
def reader_of(index: int) -> StripReader:
    """The reader of a chain, which learns from case to case what its renderer draws."""
    return build_reader(renderer_of(index))


def fresh_reader_of(index: int) -> StripReader:
    """A reader that has read nothing, of a renderer that has drawn nothing."""
    settings = settings_of(index)
    return build_reader(build_renderer(settings.pop("atlases"), style_of(index), _PATCH_WIDTH, **settings))


def ink_bytes(drawn: bytes, height: int) -> bytes:
    """Packed columns without the blank ones at the end, which no reader can tell from padding."""
    size = height // 8
    kept = drawn.rstrip(b"\0")
    return drawn[: -(-len(kept) // size) * size]


def without_blank(pixels: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Pixels `[C, H, W]` without the columns of background at the end."""
    used = np.flatnonzero((pixels != background).any(axis=(0, 1)))
    return pixels[:, :, : used[-1] + 1 if len(used) else 0]


@functools.cache
def atlas_names() -> tuple[str, ...]:
    """The bundled atlases."""
    from pixel_ar import bundled_atlases

    return tuple(bundled_atlases())


@functools.cache
def bundled(name: str) -> GlyphAtlas:
    """A bundled atlas."""
    return GlyphAtlas.load(name)


__all__ = [
    "COLORS",
    "LAYERS",
    "NUM_CHAINS",
    "atlas_names",
    "bundled",
    "fresh_reader_of",
    "ink_bytes",
    "reader_of",
    "renderer_of",
    "settings_of",
    "style_of",
    "without_blank",
]
