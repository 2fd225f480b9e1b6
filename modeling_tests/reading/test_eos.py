# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The patch that ends a text is found though pixels of it are wrong, and text of blocks is not taken for it."""

import numpy as np
import pytest

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.reading.eos import dense_cells, is_eos
from pixel_ar.reading.glyph_classes import glyph_classes
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

TEXT = "The people of the United States"


@pytest.mark.parametrize("add_start", [False, True])
@pytest.mark.parametrize("preset", ["fixed-8", "unifont-16"])
def test_one_wrong_pixel_in_an_end(preset: str, add_start: bool) -> None:
    """Wherever it is, in the patch at the end or in that at the start; what comes after is not read."""
    processor = PixelProcessor.from_preset(preset)
    inputs = processor(text=TEXT, add_start=add_start, add_eos=True, return_tensors="np")
    height, width = processor.patch_size
    last = int(inputs["attention_mask"].sum()) - 1
    tail = processor(text="not read", add_eos=False, return_tensors="np")["pixel_values"]
    clean = np.concatenate([inputs["pixel_values"], tail], axis=-1)
    rng = np.random.default_rng(0)
    for patch in {last, 0 if add_start else last}:
        for _ in range(6):
            pixels = clean.copy()
            row, column = rng.integers(height), patch * width + rng.integers(width)
            pixels[0, :, row, column] = 1
            assert processor.decode(pixels) == TEXT


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("name", ["fixed-5x8", "unifont-16"])
def test_ends_and_blocks_with_wrong_pixels(name: str, share: float) -> None:
    atlas = GlyphAtlas.load(name)
    blocks = dense_cells(glyph_classes((atlas,)).index)
    columns = StripRenderer([atlas]).render_bytes("\u2588" * 40)
    text = np.unpackbits(np.frombuffer(columns, np.uint8).reshape(-1, atlas.height // 8), axis=1).T.astype(
        bool
    )
    rng = np.random.default_rng(1)
    ends = [is_eos(rng.random((atlas.height, atlas.height)) >= share, blocks) for _ in range(40)]
    stretch = text[:, 3 : 3 + 6 * atlas.height]
    texts = [is_eos(stretch ^ (rng.random(stretch.shape) < share), blocks) for _ in range(40)]
    assert sum(ends) >= (39 if share < 0.05 else 33) and sum(texts) <= 1


def test_blocks_are_text() -> None:
    for name in ("fixed-5x8", "unifont-16"):
        renderer, text = (
            StripRenderer([name]),
            "see \u2588\u2588\u2588\u2588\u2588\u2588 and \u2593\u2593\u2593\u2593",
        )
        reader = StripReader([name], eos_width=renderer.height)
        assert reader.read(renderer.render_bytes(text)).text == text


def test_an_end_that_no_patch_border_meets() -> None:
    renderer = StripRenderer()
    reader = StripReader(eos_width=8)
    ink = np.unpackbits(np.frombuffer(renderer.render_bytes(TEXT), np.uint8).reshape(-1, 1), axis=1).T.astype(
        bool
    )
    end, blank = np.ones((8, 8), bool), np.zeros((8, 13), bool)
    end[2, 3] = end[5, 5] = False
    result = reader.read(~np.concatenate([ink, blank, end, blank, ink], axis=1))
    assert result.text == TEXT and result.eos_column == ink.shape[1] + 13
