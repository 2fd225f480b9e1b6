# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Which places of a latent grid each layer of a pyramid writes (SPAE, arXiv 2306.17842, and its supplement).

A layer of `(h, w)` tokens lies on a grid of `(H, W)` places at even distances h' = H / h and w' = W / w: its places
are, counted from one, (h' i - ceil(h' / 2) + 1, w' j - ceil(w' / 2) + 1). Before the first full layer most places have
no token yet; a decoder is shown the nearest place that has.

Places are numbered row by row, N = H * W. Plain numpy: a model may be built on the meta device.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

# Rows of the table of distances that are looked at together.
CHUNK = 1024


class Pyramid:
    """The layers of a pyramid on a grid.

    Args:
        grid: (H, W) places.
        layers: (h, w) tokens of each layer, the coarsest first; each divides the grid. A layer may come again.

    Raises:
        ValueError: for an empty grid or pyramid, or a layer that does not divide the grid.
    """

    def __init__(self, grid: Sequence[int], layers: Sequence[Sequence[int]]) -> None:
        if len(grid) != 2 or min(grid) < 1:
            raise ValueError(f"grid must be two positive integers (rows, columns), got {tuple(grid)}.")
        if not layers:
            raise ValueError("a pyramid needs at least one layer (rows, columns).")
        for layer in layers:
            if len(layer) != 2 or min(layer) < 1 or grid[0] % layer[0] or grid[1] % layer[1]:
                raise ValueError(
                    f"a layer of {tuple(layer)} tokens does not divide the grid {tuple(grid)} (rows, columns)."
                )
        self.grid = (int(grid[0]), int(grid[1]))
        self.layers = tuple((int(rows), int(columns)) for rows, columns in layers)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def num_tokens(self) -> tuple[int, ...]:
        """Tokens of each layer."""
        return tuple(rows * columns for rows, columns in self.layers)

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """The places of each layer's tokens, int64 `[h * w]`, row by row."""
        return tuple(self._places(*layer) for layer in self.layers)

    @cached_property
    def counts(self) -> np.ndarray:
        """Tokens on each place once a layer is written, int64 `[layers, N]`."""
        written = np.zeros((len(self), self.grid[0] * self.grid[1]), np.int64)
        for layer, places in enumerate(self.places):
            written[layer, places] = 1
        return written.cumsum(0)

    @cached_property
    def sources(self) -> tuple[np.ndarray, ...]:
        """For each prefix of layers the place that each place is filled from, int64 `[N]`.

        A place with a token is its own source; another takes the place with a token at the smallest squared distance
        in rows and columns, of several the first, row by row.
        """
        return tuple(self._nearest(np.flatnonzero(row)) for row in self.counts)

    def _places(self, rows: int, columns: int) -> np.ndarray:
        down, right = (_along(size, count) for size, count in zip(self.grid, (rows, columns), strict=True))
        return (down[:, None] * self.grid[1] + right[None, :]).reshape(-1)

    def _nearest(self, filled: np.ndarray) -> np.ndarray:
        every = np.arange(self.grid[0] * self.grid[1])
        if len(filled) == len(every):
            return every
        found = np.empty_like(every)
        for start in range(0, len(every), CHUNK):
            part = every[start : start + CHUNK]
            down = part[:, None] // self.grid[1] - filled[None] // self.grid[1]
            right = part[:, None] % self.grid[1] - filled[None] % self.grid[1]
            # `filled` ascends, and argmin takes the first of equals.
            found[start : start + CHUNK] = filled[(down**2 + right**2).argmin(1)]
        return found


def _along(size: int, count: int) -> np.ndarray:
    """Places of `count` tokens along an axis of `size`, from zero."""
    step = size // count
    return np.arange(1, count + 1) * step - (step + 1) // 2


__all__ = ["Pyramid"]
