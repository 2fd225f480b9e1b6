# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Quantisation in layers: each prefix of the pyramid is an approximation of the latent (SPAE, arXiv 2306.17842, 3.1).

With streaming averages (`"saq"`), a place that holds n tokens searches for the word nearest to
z_l = (n + 1) z - sum of the words it holds, and stands for the MEAN of its words: whatever the layer, what is searched
for has the size of a word. With residuals (`"rq"`, the baseline), it searches for z - sum, and stands for the sum.

Shapes: B rows, c values per place, H x W places, N = H * W, V entries, h x w tokens of a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ..pixel_ar.checks import are_integers, need_tensors
from .codebook import LearnedCodebook, LexicalCodebook
from .pyramid import Pyramid

Quantization = Literal["saq", "rq"]
Fill = Literal["nearest", "zero"]
# Scores of the search that are in memory at a time.
MAX_SCORES = 1 << 26


@dataclass
class LexicalQuantizerOutput:
    """What a latent became.

    Attributes:
        ids: of each layer int64 `[B, h, w]`.
        quantized: of each prefix of layers `[B, c, H, W]`. Where the latent has a gradient it passes straight through
            to the place that a place is filled from.
        commitment_loss: squared distance of the latent to what stands for it, per value, the mean over the layers of
            the means over each layer's places; the gradient is the latent's alone.
        queries: of each layer `[B, h * w, c]`, what was searched for.
    """

    ids: tuple[torch.Tensor, ...]
    quantized: tuple[torch.Tensor, ...]
    commitment_loss: torch.Tensor
    queries: tuple[torch.Tensor, ...]


class LexicalQuantizer(nn.Module):
    """A latent grid as layers of codebook entries, and back.

    Args:
        codebook: V words (or learned entries) of c values.
        grid: (H, W) places of the latent; (1, N) for a strip.
        pyramid: (h, w) tokens of each layer.
        quantization: `"saq"` or `"rq"`.
        fill: what a place without a token holds: the vector of the `"nearest"` one that has some, or `"zero"`.

    Raises:
        ValueError: for another name, or a layer that does not divide the grid.
    """

    def __init__(
        self,
        codebook: LexicalCodebook | LearnedCodebook,
        grid: Sequence[int],
        pyramid: Sequence[Sequence[int]],
        quantization: Quantization = "saq",
        fill: Fill = "nearest",
    ) -> None:
        super().__init__()
        if quantization not in ("saq", "rq"):
            raise ValueError(f"quantization must be 'saq' or 'rq', got {quantization!r}.")
        if fill not in ("nearest", "zero"):
            raise ValueError(f"fill must be 'nearest' or 'zero', got {fill!r}.")
        self.codebook = codebook
        self.pyramid = Pyramid(grid, pyramid)
        self.quantization = quantization
        self.fill = fill

    def forward(self, latent: torch.Tensor) -> LexicalQuantizerOutput:
        """Quantises a latent.

        Args:
            latent: `[B, c, H, W]`.

        Raises:
            ValueError: for another shape.
        """
        expected = (self.codebook.dim, *self.pyramid.grid)
        if latent.ndim != 4 or latent.shape[1:] != expected:
            raise ValueError(
                f"the latent must be [B, {', '.join(map(str, expected))}] (values of a word, rows, columns), got "
                f"{tuple(latent.shape)}."
            )
        flat = latent.flatten(2).transpose(1, 2)  # [B, N, c]
        # Half precision cannot tell words apart.
        flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
        total = torch.zeros_like(flat)
        ids, queries, prefixes, commitments = [], [], [], []
        for layer, (rows, columns) in enumerate(self.pyramid.layers):
            places = self._index(self.pyramid.places[layer], latent.device)
            query = self._query(flat[:, places], total[:, places], layer)
            found = self.search(query.detach())
            total = total.index_add(1, places, self._entries(found, flat.dtype))
            mean = self._prefix(total, layer)
            ids.append(found.unflatten(1, (rows, columns)))
            queries.append(query)
            prefixes.append(self._spread(mean, layer, flat).to(latent.dtype))
            commitments.append((flat[:, places] - mean[:, places]).square().mean())
        return LexicalQuantizerOutput(
            tuple(ids), tuple(prefixes), torch.stack(commitments).mean(), tuple(queries)
        )

    @torch.no_grad()
    def search(self, queries: torch.Tensor) -> torch.Tensor:
        """The nearest entries of `[..., c]`, int64 `[...]`; of several equally near the lowest."""
        vectors = self.codebook.vectors.to(queries.dtype)
        sizes = vectors.square().sum(1)
        rows = queries.reshape(-1, queries.shape[-1])
        step = max(1, MAX_SCORES // len(vectors))
        parts = [
            torch.addmm(sizes[None], part, vectors.T, beta=1, alpha=-2).argmin(1) for part in rows.split(step)
        ]
        return (torch.cat(parts) if parts else rows.new_zeros(0).long()).view(queries.shape[:-1])

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """-|query - entry|^2 without the part that is equal for all entries, `[..., c]` to `[..., V]`: logits."""
        vectors = self.codebook.vectors.to(queries.dtype)
        return 2 * queries @ vectors.T - vectors.square().sum(1)

    def from_ids(self, ids: Sequence[torch.Tensor]) -> torch.Tensor:
        """What a prefix of layers stands for.

        Args:
            ids: of the first layers, one or more, each `[B, h, w]`.

        Returns:
            `[B, c, H, W]`.

        Raises:
            ValueError: for no layers or too many, another shape, or ids outside the codebook.
        """
        self._check_ids(ids)
        vectors = self.codebook.vectors
        total = vectors.new_zeros(len(ids[0]), len(self.pyramid.counts[0]), self.codebook.dim)
        for layer, layer_ids in enumerate(ids):
            places = self._index(self.pyramid.places[layer], vectors.device)
            total.index_add_(1, places, self._entries(layer_ids.to(vectors.device).flatten(1), total.dtype))
        last = len(ids) - 1
        return self._spread(self._prefix(total, last), last)

    def to_words(self, ids: Sequence[torch.Tensor]) -> list[list[list[str]]]:
        """The words of ids, row by row: for each picture, for each layer, its words in reading order.

        Raises:
            ValueError: as `from_ids`, and for a codebook without words.
        """
        self._check_ids(ids)
        words = self._words().words
        layers = [layer.flatten(1).tolist() for layer in ids]
        return [[[words[index] for index in layer[row]] for layer in layers] for row in range(len(layers[0]))]

    def from_words(self, words: Sequence[Sequence[Sequence[str]]]) -> tuple[torch.Tensor, ...]:
        """The ids of words, as `to_words` returns them.

        Raises:
            TypeError: for what is no list of pictures of layers of words.
            ValueError: for a word that the codebook does not have, or another number of words than a layer holds.
        """
        book = self._words()
        _check_nesting(words)
        counts = self.pyramid.num_tokens
        layers: list[list[list[int]]] = [[] for _ in words[0]] if words else []
        for row, picture in enumerate(words):
            found = [len(layer) for layer in picture]
            if not 0 < len(picture) <= len(counts) or found != list(counts[: len(layers)]):
                raise ValueError(
                    f"picture {row} has {found} words in its layers; the first {max(len(layers), 1)} of this pyramid "
                    f"hold {list(counts[: max(len(layers), 1)])}."
                )
            for layer, names in enumerate(picture):
                ranks = [book.rank(name) for name in names]
                if None in ranks:
                    raise ValueError(f"the word {names[ranks.index(None)]!r} is not in the codebook.")
                layers[layer].append([rank for rank in ranks if rank is not None])
        return tuple(
            torch.tensor(layer, device=book.vectors.device).unflatten(1, self.pyramid.layers[index])
            for index, layer in enumerate(layers)
        )

    def _query(self, latent: torch.Tensor, total: torch.Tensor, layer: int) -> torch.Tensor:
        if self.quantization == "rq":
            return latent - total
        written = self.pyramid.counts[layer][self.pyramid.places[layer]]  # this layer's token among them
        return latent * self._column(written, latent) - total

    def _prefix(self, total: torch.Tensor, layer: int) -> torch.Tensor:
        """What each place stands for, zero where there is no token, `[B, N, c]`."""
        if self.quantization == "rq":
            return total
        return total / self._column(self.pyramid.counts[layer].clip(1), total)

    def _spread(self, mean: torch.Tensor, layer: int, flat: torch.Tensor | None = None) -> torch.Tensor:
        """Fills the places without a token, with the straight-through gradient of `flat`: `[B, c, H, W]`."""
        counts = self.pyramid.counts[layer]
        filled = mean
        if self.fill == "nearest":
            source = self._index(self.pyramid.sources[layer], mean.device)
            filled = mean[:, source]
        if flat is not None and flat.requires_grad and torch.is_grad_enabled():
            is_filled = self._column(counts > 0, flat)
            through = flat[:, source] if self.fill == "nearest" else flat * is_filled
            filled = through + (filled - through).detach()
        return filled.transpose(1, 2).unflatten(2, self.pyramid.grid)

    def _entries(self, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return self.codebook.vectors[ids.long()].to(dtype)

    def _words(self) -> LexicalCodebook:
        if not isinstance(self.codebook, LexicalCodebook):
            raise ValueError("a learned codebook has no words; build the model with a LexicalCodebook.")
        return self.codebook

    def _check_ids(self, ids: Sequence[torch.Tensor]) -> None:
        if not isinstance(ids, Sequence) or isinstance(ids, str | bytes):
            raise TypeError(
                f"ids must be a list with a tensor for each layer, got {type(ids).__name__}; encode makes them."
            )
        need_tensors(**{f"ids of layer {layer + 1}": found for layer, found in enumerate(ids)})
        if not 0 < len(ids) <= len(self.pyramid):
            raise ValueError(f"pass the ids of 1 to {len(self.pyramid)} layers, got {len(ids)}.")
        for layer, (found, shape) in enumerate(zip(ids, self.pyramid.layers, strict=False)):
            if found.ndim != 3 or found.shape[1:] != shape or len(found) != len(ids[0]):
                raise ValueError(
                    f"the ids of layer {layer + 1} must be [{len(ids[0])}, {shape[0]}, {shape[1]}], got "
                    f"{tuple(found.shape)}."
                )
            if not are_integers(found):
                raise ValueError(f"the ids of layer {layer + 1} must be integers, got {found.dtype}.")
            if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < self.codebook.size:
                raise ValueError(
                    f"the ids of layer {layer + 1} lie in {int(found.min())} to {int(found.max())}, but the codebook "
                    f"has {self.codebook.size} entries."
                )

    @staticmethod
    def _index(places: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(places).to(device)

    @staticmethod
    def _column(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(values).to(like)[:, None]


def _check_nesting(words: Any) -> None:
    """Check that words are a list of pictures, these of layers, and these of words."""
    level, name = [words], "words"
    for inner in ("each picture", "each layer", None):
        for value in level:
            if not isinstance(value, list | tuple):
                raise TypeError(f"{name} must be a list, as to_words returns it, got {type(value).__name__}.")
        level = [item for value in level for item in value]
        name = inner or ""
    for word in level:
        if not isinstance(word, str):
            raise TypeError(f"a word must be a str, got {type(word).__name__}.")


__all__ = ["LexicalQuantizer", "LexicalQuantizerOutput"]
