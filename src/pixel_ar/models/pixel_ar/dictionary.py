# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A dictionary of frequent patches, learned from a corpus, and the memory a model keeps of each.

Words drawn from a patch border on (the rendering strategy `word_pieces`) repeat to the pixel, so that a few thousand
patches make up most of a text. A model may then know a patch as a whole, beside what its pixels tell.

Shapes: N entries, K glyphs, S bytes per patch (one byte = eight rows of one pixel column), D hidden size.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ...arrays import read_arrays
from ...atomic import replacing
from .configuration_pixel_ar import PixelARConfig
from .patching import patches_to_bytes

ALL_INK = 255


@dataclass(frozen=True)
class PatchDictionary:
    """The patches that a model knows as a whole, the most frequent first.

    Attributes:
        entries: uint8 `[N, S]`, no two alike.
        counts: int64 `[N + 1]`, how often each entry was seen, then all other patches together.
        glyphs: uint8 `[K, bytes per group]`, no two alike: the most frequent groups of columns, with which the head's
            escape draws other patches. K may be 0.
        patch_size: (height, width) of an entry in pixels.
    """

    entries: np.ndarray
    counts: np.ndarray
    glyphs: np.ndarray
    patch_size: tuple[int, int]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        size = self.patch_size[0] // 8 * self.patch_size[1]
        if self.entries.ndim != 2 or self.entries.shape[1] != size or not len(self.entries):
            raise ValueError(
                f"entries must be [entries, {size}] for patches of {self.patch_size}, got {self.entries.shape}."
            )
        if len(np.unique(self.entries, axis=0)) != len(self.entries):
            raise ValueError("the entries of a dictionary must differ from each other.")
        if self.counts.shape != (len(self.entries) + 1,):
            raise ValueError(
                f"counts must be [entries + 1] = [{len(self.entries) + 1}], got {self.counts.shape}."
            )
        object.__setattr__(self, "sha256", hash_entries(self.entries, self.glyphs))

    @classmethod
    def fit(
        cls,
        strips: Iterable[bytes | np.ndarray],
        patch_size: tuple[int, int],
        size: int = 16384,
        num_glyphs: int = 0,
        group_columns: int = 5,
    ) -> "PatchDictionary":
        """Learn the most frequent patches of a corpus.

        Args:
            strips: packed columns of texts, each drawn from a patch border on, `height // 8` bytes a column (what
                `StripRenderer.render_bytes` returns, or uint8 arrays). The last patch is filled with background.
            patch_size: (height, width) in pixels.
            size: N. Fewer if the corpus has fewer; the EOS patch is always the first.
            num_glyphs: K, or fewer if there are fewer.
            group_columns: columns of a glyph, `head_group_columns` of the model.

        Raises:
            ValueError: for a height that is no multiple of 8, a `size` below 1, or strips without a patch.
        """
        height, width = patch_size
        if height % 8 or width % group_columns or size < 1 or num_glyphs < 0:
            raise ValueError(
                f"patch_size={patch_size}, group_columns={group_columns}, size={size}, num_glyphs={num_glyphs}: the "
                "height must be a multiple of 8, the width one of group_columns, size at least 1."
            )
        length = height // 8 * width
        counter = _PatchCounter(length)
        num_strips = 0
        for strip in strips:
            counter.add(bytes(strip))
            num_strips += 1
        patches, counts = counter.result()
        if not len(patches):
            raise ValueError("the corpus has no patch; give strips with text.")
        eos = np.full((1, length), ALL_INK, np.uint8)
        is_text = (patches != ALL_INK).any(1)
        # Every text ends with an EOS patch, whether the strips show it or not.
        patches = np.concatenate([eos, patches[is_text]])
        counts = np.concatenate([[max(num_strips, int(counts[~is_text].sum()))], counts[is_text]])
        size = min(size, len(patches))
        kept = np.append(counts[:size], counts[size:].sum())
        glyphs = _frequent_groups(patches, counts, height // 8 * group_columns, num_glyphs)
        return cls(patches[:size], kept, glyphs, (height, width))

    def config_fields(self, num_parts: int = 1) -> dict[str, Any]:
        """Fields of a [`PixelARConfig`] for a model with this dictionary.

        Args:
            num_parts: how many entries stand side by side in a patch of the model (`dictionary_parts`).
        """
        height, width = self.patch_size
        return {
            "patch_head": "dictionary",
            "patch_size": (height, num_parts * width),
            "dictionary_parts": num_parts,
            "dictionary_size": len(self.entries),
            "dictionary_sha256": self.sha256,
            "head_num_glyphs": len(self.glyphs),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a .npz file; what was under this name stays until the new file is whole.

        Args:
            path: the suffix .npz is added where it is missing, as numpy does.
        """
        name = os.fspath(path)
        with replacing(name if name.endswith(".npz") else f"{name}.npz") as file:
            np.savez_compressed(
                file,
                entries=self.entries,
                counts=self.counts,
                glyphs=self.glyphs,
                patch_size=np.array(self.patch_size),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PatchDictionary":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: for a file that is damaged, too large or no dictionary, naming it.
        """
        arrays = read_arrays(path)
        try:
            height, width = arrays["patch_size"].tolist()
            return cls(arrays["entries"], arrays["counts"], arrays["glyphs"], (height, width))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)} is damaged or no patch dictionary: {error}") from error


class _PatchCounter:
    """Counts patches, with at most a few million waiting to be merged."""

    _MOST_WAITING = 1 << 26  # bytes

    def __init__(self, length: int) -> None:
        self.length = length
        self.waiting: list[bytes] = []
        self.num_waiting = 0
        self.counts: dict[bytes, int] = {}

    def add(self, strip: bytes) -> None:
        """Counts the patches of a strip."""
        strip += bytes(-len(strip) % self.length)
        self.waiting.append(strip)
        self.num_waiting += len(strip)
        if self.num_waiting > self._MOST_WAITING:
            self._merge()

    def _merge(self) -> None:
        items = np.frombuffer(b"".join(self.waiting), f"V{self.length}")
        found, counts = np.unique(items, return_counts=True)
        for patch, count in zip(found, counts.tolist(), strict=True):
            key = patch.tobytes()
            self.counts[key] = self.counts.get(key, 0) + count
        self.waiting, self.num_waiting = [], 0

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Patches uint8 `[V, S]` and counts int64 `[V]`, the most frequent first; equal counts by their bytes."""
        self._merge()
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        patches = np.frombuffer(b"".join(patch for patch, _ in ranked), np.uint8).reshape(-1, self.length)
        return patches, np.array([count for _, count in ranked], np.int64)


def _frequent_groups(patches: np.ndarray, counts: np.ndarray, size: int, number: int) -> np.ndarray:
    """The `number` most frequent groups of `size` bytes in patches `[V, S]`, uint8 `[K, size]`."""
    groups = np.ascontiguousarray(patches).reshape(-1, size)
    if not number:
        return groups[:0]
    found, places = np.unique(groups, axis=0, return_inverse=True)
    weights = np.bincount(
        places.ravel(), weights=np.repeat(counts, patches.shape[1] // size), minlength=len(found)
    )
    return found[np.argsort(-weights, kind="stable")[:number]]


def hash_entries(entries: np.ndarray, glyphs: np.ndarray) -> str:
    """sha256 over the entries and glyphs of a dictionary."""
    digest = hashlib.sha256(np.ascontiguousarray(entries, np.uint8).tobytes())
    digest.update(b"glyphs")
    digest.update(np.ascontiguousarray(glyphs, np.uint8).tobytes())
    return digest.hexdigest()


class PatchMemory(nn.Module):
    """An embedding for each patch of a dictionary, found by the patch's bytes.

    Args:
        config: its `dictionary_size` is N. The entries are placeholders until [`fill`] or a checkpoint brings them.
    """

    entries: torch.Tensor
    keys: torch.Tensor
    order: torch.Tensor

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.patch_size = config.part_size
        number, length = int(config.dictionary_size or 0), config.patch_length // config.dictionary_parts // 8
        self.dropout = float(config.memory_dropout)
        self.embedding = nn.Embedding(number, config.hidden_size)
        # Kept with the weights: a checkpoint stays whole without a file beside it.
        self.register_buffer("entries", torch.zeros(number, length, dtype=torch.uint8))
        self.register_buffer("keys", torch.zeros(number, dtype=torch.int64))
        self.register_buffer("order", torch.zeros(number, dtype=torch.int64))

    @property
    def num_entries(self) -> int:
        """N."""
        return self.embedding.num_embeddings

    @torch.no_grad()
    def fill(self, entries: np.ndarray) -> None:
        """Puts entries, uint8 `[N, S]`, in place of those there."""
        self.entries.copy_(torch.from_numpy(np.array(entries, np.uint8)))
        keys, order = _keys(self.entries.to(torch.int64)).sort()
        if len(keys.unique()) != len(keys):
            raise ValueError("two entries of the dictionary share a key; leave one of them out.")
        self.keys.copy_(keys)
        self.order.copy_(order)

    def index(self, column_bytes: torch.Tensor) -> torch.Tensor:
        """Which entry a patch is, N for none: int64 `[..., S]` to `[...]`."""
        keys = _keys(column_bytes)
        place = torch.searchsorted(self.keys, keys).clamp(max=self.num_entries - 1)
        entry = self.order[place]
        # The key finds the only candidate; its bytes decide.
        is_same = (self.entries[entry] == column_bytes).all(-1)
        return torch.where(is_same, entry, self.num_entries)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """What is remembered of patches (or parts), `[..., P]` in [0, 1] to `[..., D]`: zero for one that is no entry.

        In training a share `memory_dropout` of the patches is taken for unknown, so that the pixels alone must do, as
        they must for a damaged patch.
        """
        entry = self.index(patches_to_bytes(patches, self.patch_size))
        is_known = entry < self.num_entries
        if self.training and self.dropout:
            is_known = is_known & (torch.rand(entry.shape, device=entry.device) >= self.dropout)
        remembered = self.embedding(entry.clamp(max=self.num_entries - 1))
        return remembered.masked_fill(~is_known[..., None], 0.0)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"entries={self.num_entries}, dropout={self.dropout}"


def _keys(column_bytes: torch.Tensor) -> torch.Tensor:
    """A number for each patch, int64 `[..., S]` to `[...]`: a polynomial in an odd number, modulo 2 ** 64."""
    length = column_bytes.shape[-1]
    # Knuth's multiplier of linear congruential generators (The Art of Computer Programming, 3.3.4).
    powers = [pow(6364136223846793005, power + 1, 1 << 64) for power in range(length)]
    signed = [power - (1 << 64) if power >= 1 << 63 else power for power in powers]
    multipliers = torch.tensor(signed, dtype=torch.int64, device=column_bytes.device)
    return ((column_bytes + 1) * multipliers).sum(-1)


__all__ = ["ALL_INK", "PatchDictionary", "PatchMemory", "hash_entries"]
