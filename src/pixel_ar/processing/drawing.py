# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts and images of one call, drawn and laid out to rows, and rows padded and joined to a batch.

Shapes: B rows, C channels, H strip height, w patch width, P patches, L tokens.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase
from transformers.feature_extraction_utils import BatchFeature

from ..rendering.renderer import StripRenderer
from ..rendering.strip import PackedStrip
from .images import image_to_strip, list_images
from .inputs import list_texts
from .layout import (
    Row,
    Segment,
    attention_mask,
    draw_rows,
    lay_out,
    offset_mapping,
    to_feature,
    too_long,
)
from .options import LayoutOptions
from .settings import ProcessorSettings
from .tokens import join_parts, pad_token_id, pad_tokens


@dataclass(frozen=True)
class RowDrawer:
    """Draws what one call of the processor was given.

    Attributes:
        settings: of the processor.
        renderer: of the call.
        options: of the call.
        tokenizer: of the processor.
    """

    settings: ProcessorSettings
    renderer: StripRenderer
    options: LayoutOptions
    tokenizer: PreTrainedTokenizerBase | None = None

    @property
    def _width(self) -> int:
        return self.settings.geometry.patch_size[1]

    # ---- rows ----

    def rows(self, text: Any, text_pair: Any, images: Any) -> list[Row]:
        """Draws or takes every segment, and gives each its place in its row.

        Raises:
            TypeError, ValueError: as `PixelProcessor.__call__`.
        """
        geometry = self.settings.geometry
        margins = (geometry.left_padding, geometry.right_padding)
        segments = self._segments(text, text_pair, images)
        rows = []
        for index, row in enumerate(segments):
            try:
                rows.append(lay_out(row, self.options, self._width, margins))
            except ValueError as error:
                if f"[{index}]" not in str(error):
                    error.args = (f"row {index}: {error}", *error.args[1:])
                raise
        return rows

    def _segments(self, text: Any, text_pair: Any, images: Any) -> list[list[Segment]]:
        texts, pairs = list_texts(text, text_pair)
        columns: list[list[Segment]] = []
        if images is not None:
            columns.append([self._take(f"images[{i}]", image) for i, image in enumerate(list_images(images))])
        may_be_empty = self.options.add_start and pairs is None and images is None
        for name, values in (("text", texts), ("text_pair", pairs)):
            if values is not None:
                columns.append(self._draw_column(name, values, may_be_empty))
        if not columns:
            raise ValueError("give at least one of text and images (or target_text, with a tokenizer).")
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"images, text and text_pair must be of one length where they are given, got {lengths}."
            )
        if lengths[0] == 0:
            raise ValueError("the batch is empty: give at least one text or image.")
        return [list(row) for row in zip(*columns, strict=True)]

    def _take(self, name: str, image: Any) -> Segment:
        geometry = self.settings.geometry
        strip = image_to_strip(image, geometry.patch_size[0], geometry.num_channels, name)
        return Segment(name, strip.shape[2], image=strip)

    def _draw_column(self, name: str, texts: list[str], may_be_empty: bool) -> list[Segment]:
        strips = self._draw_together(texts)
        return [
            self._draw(f"{name}[{index}]", text, strip, may_be_empty)
            for index, (text, strip) in enumerate(zip(texts, strips, strict=True))
        ]

    @property
    def _most_columns(self) -> float:
        limit = self.options.max_patches
        return float("inf") if limit is None else limit * self._width

    def _draw_together(self, texts: list[str]) -> list[PackedStrip | None]:
        """Draws a batch; None for every text if one must be looked at by itself."""
        if max(map(len, texts), default=0) > self._most_columns:
            return [None] * len(texts)
        try:
            return list(self.renderer.render_batch(texts))
        except ValueError:
            return [None] * len(texts)

    def _draw(self, name: str, text: str, strip: PackedStrip | None, may_be_empty: bool) -> Segment:
        try:
            if strip is None:
                is_long = len(text) > self._most_columns
                strip = self._draw_long(name, text) if is_long else self.renderer.render(text)
        except ValueError as error:
            # The same error, of the same class, with the place in the batch.
            if not str(error).startswith(name):
                error.args = (f"{name}: {error}", *error.args[1:])
            raise
        if strip.num_columns == 0 and not may_be_empty:
            raise ValueError(
                f"{name} is empty: {text[:80]!r} draws no pixels; leave it out, or pass add_start=True to begin with "
                "an EOS patch."
            )
        return Segment(name, strip.num_columns, strip=strip)

    def _draw_long(self, name: str, text: str) -> PackedStrip:
        """Draws the beginning of a text that has more characters than its row has columns.

        Nearly every character has a column, so time and memory follow the limit and not the text. What has none (marks,
        ligatures) makes the beginning longer until it fills the row or nothing is left.

        Raises:
            ValueError: without truncation, if the beginning alone is too long.
        """
        length = 2 * int(self._most_columns)
        while length < len(text):
            beginning = _begin(text, length)
            num_columns = self.renderer.measure(beginning)
            if num_columns > self._most_columns:
                if self.options.truncation == "do_not_truncate":
                    # An estimate, since the rest is not drawn.
                    about = round(num_columns / len(beginning) * len(text) / self._width)
                    size = f" for its {len(text)} characters"
                    raise too_long(name, about, self.options.max_patches, size)
                return self.renderer.render(beginning)
            length *= 2
        return self.renderer.render(text)

    # ---- batches ----

    def batch(self, rows: list[Row], tokens: list[list[int]] | None) -> BatchFeature:
        """Pads and joins B rows of patches (or none), B rows of tokens (or `None`)."""
        options = self.options
        lengths = [row.num_patches for row in rows], [len(ids) for ids in tokens or []]
        count = max(map(len, lengths))
        longest = [max(numbers, default=0) for numbers in lengths]
        groups = [list(range(count))]
        if options.padding == "do_not_pad":
            if options.return_tensors is not None and any(len(set(numbers)) > 1 for numbers in lengths):
                raise ValueError(
                    "rows differ in length: pass padding=True, or return_tensors=None to get lists that "
                    "processor.pad brings to one length later."
                )
            groups = [[index] for index in range(count)]
        elif options.padding == "max_length":
            longest = [options.max_patches or longest[0], options.max_target_tokens or longest[1]]
        if options.padding != "do_not_pad" and (multiple := options.pad_to_multiple_of):
            main = 0 if longest[0] else 1  # tokens where there are no patches, as `pad` does
            longest[main] = -(-longest[main] // multiple) * multiple
        data: dict[str, list[np.ndarray]] = {}
        for group in groups:
            if len(groups) > 1:
                longest = [numbers[group[0]] if numbers else 0 for numbers in lengths]
            parts = self._draw_batch([rows[i] for i in group], longest[0]) if rows else {}
            if tokens is not None:
                self._add_tokens(parts, [tokens[i] for i in group], longest[1])
            for key, values in parts.items():
                data.setdefault(key, []).append(values)
        return to_feature(data, options.return_tensors)

    def _draw_batch(self, rows: list[Row], num_patches: int) -> dict[str, np.ndarray]:
        geometry, style = self.settings.geometry, self.settings.style
        is_left = geometry.padding_side == "left"
        starts = [num_patches - row.num_patches if is_left else 0 for row in rows]
        background = style.background(geometry.num_channels) if style.has_levels else None
        parts = {
            "pixel_values": draw_rows(
                rows,
                starts,
                num_patches,
                geometry.patch_size,
                geometry.num_channels,
                background,
                self.options.dtype,
            ),
            "attention_mask": attention_mask(rows, starts, num_patches),
            "num_columns": np.array([row.num_columns for row in rows], np.int64),
        }
        if self.options.return_offsets_mapping:
            parts["offset_mapping"] = offset_mapping(rows, starts, num_patches, self._width)
        return parts

    def _add_tokens(self, parts: dict[str, np.ndarray], tokens: list[list[int]], num_tokens: int) -> None:
        """Puts the token part beside the patches of a batch, or in place of them."""
        pad_id = None if self.tokenizer is None else pad_token_id(self.tokenizer)
        side = self.settings.geometry.padding_side
        parts["input_ids"], mask = pad_tokens(tokens, num_tokens, pad_id, side)
        if "pixel_values" in parts:
            parts.update(join_parts(parts["attention_mask"], mask, self.options.target_first))
        else:
            parts["attention_mask"] = mask


def _begin(text: str, length: int) -> str:
    """The first `length` characters, or a little more, up to a blank: letters that join across the cut would change."""
    for stop in range(length, min(length + 256, len(text))):
        if text[stop].isspace():
            return text[:stop]
    return text[:length]


__all__ = ["RowDrawer"]
