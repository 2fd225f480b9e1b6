# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Rows that were drawn one by one, brought to one length: `PixelProcessor.pad`.

A row has P patches and perhaps L tokens, each part padded by itself as in a call of the processor. Entries per position
(`attention_mask`, `labels`) cover the P + L positions in their order.

Shapes: B rows, C channels, H strip height, w patch width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_utils import BatchFeature

from ..modalities import PATCH, TOKEN
from .options import choose_padding
from .settings import ProcessorSettings

_IGNORED = -100


@dataclass
class _Row:
    """One row, checked: its pixels `[C, H, P * w]` or None, its tokens `[L]` or None, and its other entries."""

    pixels: np.ndarray | None
    tokens: np.ndarray | None
    mask: np.ndarray
    kinds: np.ndarray
    entries: dict[str, Any]

    def part(self, values: np.ndarray, kind: int) -> np.ndarray:
        return values[self.kinds == kind]

    def count(self, kind: int) -> int:
        return int((self.kinds == kind).sum())


@dataclass(frozen=True)
class RowPadder:
    """Pads rows.

    Attributes:
        settings: of the processor.
        pad_id: the token that fills short rows, or `None`.
    """

    settings: ProcessorSettings
    pad_id: int | None

    def pad(
        self,
        features: Any,
        padding: bool | str,
        max_length: int | None,
        pad_to_multiple_of: int | None,
        return_tensors: str | None,
    ) -> BatchFeature:
        """See `PixelProcessor.pad`."""
        given = [_unbatch(feature) for feature in list_features(features)]
        rows = [self._check(feature, index) for index, feature in enumerate(given)]
        names = set(given[0])
        for index, feature in enumerate(given):
            if set(feature) != names:
                raise ValueError(
                    f"row {index} has the columns {', '.join(sorted(feature))}, row 0 {', '.join(sorted(names))}; "
                    "rows of one batch must have the same."
                )
        lengths = self._lengths(rows, choose_padding(padding), max_length, pad_to_multiple_of)
        data = self._join(rows, lengths)
        if return_tensors is not None:
            return BatchFeature(data, tensor_type=return_tensors)
        return BatchFeature(
            {key: list(v) if key == "pixel_values" else v.tolist() for key, v in data.items()}
        )

    # ---- checks ----

    def _check(self, feature: Mapping[str, Any], index: int) -> _Row:
        entries = dict(feature)
        pixels, tokens = None, None
        if entries.get("pixel_values") is not None:
            pixels = self._pixels(entries.pop("pixel_values"), f"pixel_values of row {index}")
        if entries.get("input_ids") is not None:
            tokens = _vector(entries.pop("input_ids"), f"input_ids of row {index}")
        if pixels is None and tokens is None:
            raise ValueError(
                f"row {index} has no pixel_values (and no input_ids), only {', '.join(sorted(feature)) or 'nothing'}; "
                "pass rows that the processor returned. Trainer drops columns that the model's forward does not name."
            )
        num_patches = 0 if pixels is None else pixels.shape[2] // self.settings.geometry.patch_size[1]
        num_tokens = 0 if tokens is None else len(tokens)
        kinds = np.array([PATCH] * num_patches + [TOKEN] * num_tokens)
        if (given := entries.pop("modality_ids", None)) is not None:
            kinds = _vector(given, f"modality_ids of row {index}")
        mask = np.ones(num_patches + num_tokens, np.int64)
        if (given := entries.pop("attention_mask", None)) is not None:
            mask = _vector(given, f"attention_mask of row {index}")
        for name, values in (("modality_ids", kinds), ("attention_mask", mask)):
            if len(values) != num_patches + num_tokens:
                raise ValueError(
                    f"{name} of row {index} has {len(values)} entries for {num_patches} patches and {num_tokens} "
                    "tokens."
                )
        if int((kinds == PATCH).sum()) != num_patches:
            raise ValueError(
                f"modality_ids of row {index} name {int((kinds == PATCH).sum())} patches of {num_patches}."
            )
        if pixels is not None and "num_columns" not in entries:
            attended = int(mask[kinds == PATCH].sum())
            entries["num_columns"] = attended * self.settings.geometry.patch_size[1]
        return _Row(pixels, tokens, mask, kinds, entries)

    def _pixels(self, values: Any, name: str) -> np.ndarray:
        """`[C, H, P * w]`, uint8 or float32 in [0, 1]."""
        pixels = _array(values, name)
        geometry = self.settings.geometry
        height, width = geometry.patch_size
        wanted = (geometry.num_channels, height)
        if pixels.ndim != 3 or pixels.shape[:2] != wanted or pixels.shape[2] % width or not pixels.shape[2]:
            raise ValueError(
                f"{name} must be [{wanted[0]}, {height}, a multiple of {width}], got {list(pixels.shape)}."
            )
        if pixels.dtype.kind in "iu":
            if pixels.min() < 0 or pixels.max() > 255:
                raise ValueError(
                    f"{name} has integers from {pixels.min()} to {pixels.max()}; pixels are 0 to 255."
                )
            return pixels.astype(np.uint8)
        if pixels.dtype.kind == "b":
            return pixels.astype(np.float32)
        if pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError(f"{name} must be uint8, or floating point in [0, 1].")
        return pixels.astype(np.float32)

    def _lengths(
        self, rows: list[_Row], padding: str, max_length: int | None, multiple: int | None
    ) -> dict[int, int]:
        counts = {kind: [row.count(kind) for row in rows] for kind in (PATCH, TOKEN)}
        longest = {kind: max(numbers) for kind, numbers in counts.items()}
        if padding == "do_not_pad":
            if any(len(set(numbers)) > 1 for numbers in counts.values()):
                raise ValueError(
                    f"rows have {counts[PATCH]} patches: pass padding=True to bring them to one length."
                )
            return longest
        main = PATCH if longest[PATCH] else TOKEN
        if padding == "max_length":
            limit = max_length or self.settings.geometry.model_max_patches
            if limit is None:
                raise ValueError(
                    'padding="max_length" needs max_length, and this processor sets no model_max_patches.'
                )
            if limit < longest[main]:
                raise ValueError(
                    f"row {counts[main].index(longest[main])} has {longest[main]} patches, but max_length is {limit}; "
                    "draw it with truncation=True, or pass a larger max_length."
                )
            longest[main] = limit
        if multiple:
            longest[main] = -(-longest[main] // multiple) * multiple
        return longest

    # ---- the batch ----

    def _join(self, rows: list[_Row], lengths: dict[int, int]) -> dict[str, np.ndarray]:
        is_mixed = lengths[PATCH] > 0 and lengths[TOKEN] > 0
        order = (PATCH, TOKEN)
        if is_mixed and any(row.kinds[0] == TOKEN for row in rows):
            order = (TOKEN, PATCH)
        for index, row in enumerate(rows):
            if is_mixed and (np.diff(row.kinds) != 0).sum() > 1:
                raise ValueError(
                    f"row {index} alternates between patches and tokens; such rows cannot be padded."
                )
        data: dict[str, np.ndarray] = {}
        if lengths[PATCH]:
            data["pixel_values"] = self._join_pixels(rows, lengths[PATCH])
        if lengths[TOKEN]:
            data["input_ids"] = self._join_tokens(rows, lengths[TOKEN])

        def positions(row: _Row, values: np.ndarray, fill: int) -> np.ndarray:
            parts = [self._fill(row.part(values, kind), lengths[kind], fill) for kind in order]
            return np.concatenate(parts)

        data["attention_mask"] = np.stack([positions(row, row.mask, 0) for row in rows])
        if is_mixed:
            kinds = np.concatenate([np.full(lengths[kind], kind) for kind in order])
            data["modality_ids"] = np.repeat(kinds[None], len(rows), 0)
        for name in rows[0].entries:
            data[name] = self._join_entries(name, rows, lengths, positions)
        return data

    def _join_pixels(self, rows: list[_Row], num_patches: int) -> np.ndarray:
        geometry, style = self.settings.geometry, self.settings.style
        height, width = geometry.patch_size
        strips = [row.pixels for row in rows if row.pixels is not None]
        if len(strips) < len(rows):
            raise ValueError("some rows have pixel_values and others have none; batch them apart.")
        has_bytes = all(strip.dtype == np.uint8 for strip in strips)
        shape = (len(rows), geometry.num_channels, height, num_patches * width)
        joined = np.ones(shape, np.float32)
        if style.has_levels:
            joined *= style.background(geometry.num_channels)
        if has_bytes:
            joined = np.rint(joined * 255).astype(np.uint8)
        for target, strip in zip(joined, strips, strict=True):
            values = strip if has_bytes or strip.dtype != np.uint8 else strip.astype(np.float32) / 255
            target[..., self._place(strip.shape[2], num_patches * width)] = values
        return joined

    def _join_tokens(self, rows: list[_Row], num_tokens: int) -> np.ndarray:
        tokens = [row.tokens for row in rows if row.tokens is not None]
        if len(tokens) < len(rows):
            raise ValueError("some rows have input_ids and others have none; batch them apart.")
        if self.pad_id is None and any(len(ids) < num_tokens for ids in tokens):
            raise ValueError(
                "rows differ in their number of tokens, and there is no tokenizer with a pad or EOS token to fill "
                "them; set tokenizer.pad_token."
            )
        return np.stack([self._fill(ids, num_tokens, self.pad_id or 0) for ids in tokens])

    def _join_entries(
        self, name: str, rows: list[_Row], lengths: dict[int, int], positions: Any
    ) -> np.ndarray:
        values = [_array(row.entries[name], f"{name} of row {index}") for index, row in enumerate(rows)]
        if all(value.size == 1 and value.ndim <= 1 for value in values) and name != "labels":
            return np.array([value.item() for value in values])
        if all(value.ndim == 0 for value in values):
            return np.stack(values)
        padded = []
        for index, (row, value) in enumerate(zip(rows, values, strict=True)):
            if name == "offset_mapping" and len(value) == row.count(PATCH):
                padded.append(self._fill(value, lengths[PATCH], 0))
            elif value.ndim >= 1 and len(value) == len(row.kinds):
                padded.append(positions(row, value, _IGNORED))
            else:
                padded.append(value)
            if padded[-1].shape != padded[0].shape:
                raise ValueError(
                    f"{name} of row {index} has shape {list(value.shape)}, which is neither a number nor one entry per "
                    f"position ({len(row.kinds)}); remove the column, or pad it yourself."
                )
        return np.stack(padded)

    def _fill(self, values: np.ndarray, length: int, fill: int) -> np.ndarray:
        filled = np.full((length, *values.shape[1:]), fill, values.dtype)
        filled[self._place(len(values), length)] = values
        return filled

    def _place(self, length: int, whole: int) -> slice:
        is_left = self.settings.geometry.padding_side == "left"
        return slice(whole - length, None) if is_left else slice(length)


def list_features(features: Any) -> list[Mapping[str, Any]]:
    """Rows as a list, from a list of rows or from columns.

    Raises:
        TypeError: for anything else.
        ValueError: for no rows.
    """
    if isinstance(features, Mapping):
        columns = dict(features)
        count = len(next(iter(columns.values()), ()))
        features = [{key: values[index] for key, values in columns.items()} for index in range(count)]
    if not isinstance(features, Sequence) or not all(isinstance(row, Mapping) for row in features):
        raise TypeError(
            f"features must be a list of rows (mappings) or a mapping, got {type(features).__name__}."
        )
    if not features:
        raise ValueError("the batch is empty: give at least one row.")
    return list(features)


# What a call of the processor returns for each row; other columns came from elsewhere and have no axis of a batch.
_OWN = ("pixel_values", "attention_mask", "num_columns", "input_ids", "modality_ids", "offset_mapping")


def _unbatch(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Takes the axis of the batch off a row that was drawn as a batch of one."""
    name, axes = ("pixel_values", 4) if feature.get("pixel_values") is not None else ("input_ids", 2)
    values = feature.get(name)
    if values is None or len(values) != 1 or _num_axes(values) != axes:
        return feature
    return {key: value[0] if key in _OWN and value is not None else value for key, value in feature.items()}


def _num_axes(values: Any) -> int:
    """The axes of an array, or of lists by their first items."""
    if hasattr(values, "ndim"):
        return int(values.ndim)
    return 1 + _num_axes(values[0]) if isinstance(values, Sequence) and values else 0


def _array(values: Any, name: str) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "bfiu":
        found = (
            "ragged" if array.dtype.kind == "O" and isinstance(values, Sequence) else type(values).__name__
        )
        raise ValueError(f"{name} must be numbers of a regular shape, but is {found}; remove the column.")
    return array


def _vector(values: Any, name: str) -> np.ndarray:
    """int64 `[n]`."""
    array = _array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, got shape {list(array.shape)}.")
    return array.astype(np.int64)


__all__ = ["RowPadder", "list_features"]
