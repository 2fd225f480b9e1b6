# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The patch that ends a text, found though some of its pixels are wrong.

A patch that is nearly all ink was an EOS patch or is text made of blocks of ink. Both are given the likelihood of the
pixels that they leave wrong, at the share of wrong pixels that suits each best; the blocks stand in any row and at any
place. Text of blocks is rare, which counts for some nats.
"""

import math
from collections.abc import Sequence

import numpy as np

from .cell_index import CellIndex

# Share of a patch that may be without ink, and of a glyph that can be taken for one.
_MOST_BLANK, _DENSE = 0.25, 0.6
# Nats by which text of blocks is rarer than an end.
_BLOCK_NATS = 2.5
_SWITCH = 4
# The share of wrong pixels is no smaller.
_LEAST_NOISE = 0.002


def dense_cells(index: CellIndex) -> list[np.ndarray]:
    """Return the glyphs that are mostly ink, bool `[H, w]` each."""
    size = index.height // 8
    found = []
    for cell in index.cells:
        if int.from_bytes(cell, "big").bit_count() >= _DENSE * 8 * len(cell):
            packed = np.frombuffer(cell, np.uint8).reshape(-1, size)
            found.append(np.unpackbits(packed, axis=1).T.astype(bool))
    return found


def nearly_full(ink: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Return bool `[n]`: whether the `width` columns from each start on, of ink bool `[H, W]`, may be an EOS patch."""
    blanks = np.concatenate([[0], np.cumsum((~ink).sum(axis=0))])
    return np.asarray(blanks[starts + width] - blanks[starts] <= _MOST_BLANK * width * len(ink))


def is_eos(patch: np.ndarray, blocks: Sequence[np.ndarray]) -> bool:
    """Tell whether a patch that is nearly full ends a text.

    Args:
        patch: bool `[H, w]`, True = ink.
        blocks: The glyphs that are mostly ink, see [`dense_cells`].
    """
    pixels = patch.size
    blank = pixels - int(patch.sum())
    if blank > _MOST_BLANK * pixels:
        return False
    return _nats(blank, pixels) < _nats(_wrong_as_blocks(patch, blocks), pixels) + _BLOCK_NATS


def _nats(wrong: int, pixels: int) -> float:
    """Minus the log-likelihood of so many wrong pixels at the noise that suits them best."""
    share = min(max(wrong / pixels, _LEAST_NOISE), 0.5)
    return -wrong * math.log(share) - (pixels - wrong) * math.log(1 - share)


def _wrong_as_blocks(patch: np.ndarray, blocks: Sequence[np.ndarray]) -> int:
    """The fewest pixels that any row of glyphs leaves wrong, which may begin and end within the patch."""
    if not blocks:
        return patch.size
    columns = np.concatenate(blocks, axis=1)  # [H, T]
    widths = np.array([block.shape[1] for block in blocks])
    lasts = np.cumsum(widths) - 1
    firsts = lasts - widths + 1
    wrong = (patch.T[:, :, None] != columns[None]).sum(axis=1)  # [w, T]
    # The fullest block is the likeliest; to draw another, or to go over to another, counts as some wrong pixels.
    odd = np.array([_SWITCH] * len(blocks))
    odd[int(np.argmax([block.mean() for block in blocks]))] = 0
    costs = wrong[0] + np.repeat(odd, widths)
    for column in range(1, len(wrong)):
        before = np.concatenate([[0], costs[:-1]])
        before[firsts] = np.minimum(costs[lasts], costs[lasts].min() + _SWITCH)
        costs = before + wrong[column]
    return int(costs.min())


__all__ = ["dense_cells", "is_eos", "nearly_full"]
