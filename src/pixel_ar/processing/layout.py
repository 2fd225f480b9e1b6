# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where the parts of a row stand in its strip, and the drawing of a whole batch of rows.

A row is its segments (image, text, second text) one after the other. Each begins a patch, with the white columns that
the processor's `left_padding` asks for; an EOS patch stands between segments and, if asked for, before the first and
after the last, at the next patch border that leaves `right_padding` white columns.

Shapes: B rows, C channels, H strip height, w patch width, T patches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers.feature_extraction_utils import BatchFeature

from ..limits import MAX_IMAGE_PIXELS, check_limit
from ..reading.reader import check_finite
from ..rendering.strip import PackedStrip
from ..rendering.style import RenderStyle
from .options import LayoutOptions


@dataclass
class Segment:
    """A drawn text or an image that has no place in a row yet.

    Attributes:
        name: what errors call it.
        num_columns: pixel columns in use.
        strip: the drawn text, or
        image: float32 `[C, H, W]` in [0, 1].
        left: white columns before it.
        right: white columns that must follow it before the next patch border.
    """

    name: str
    num_columns: int
    strip: PackedStrip | None = None
    image: np.ndarray | None = None
    left: int = 0
    right: int = 0

    def num_patches(self, patch_width: int) -> int:
        """Patches it takes, white columns included."""
        return -(-(self.left + self.num_columns + self.right) // patch_width)

    def cut(self, max_columns: int) -> None:
        """Shortens to whole characters (text) or columns (image) within `max_columns`."""
        if self.strip is None:
            self.num_columns = min(self.num_columns, max_columns)
            return
        if self.strip.char_spans is not None:
            # The beginning of a right-to-left text is the right end of its strip.
            self.strip = self.strip.cut(max_columns)
            self.num_columns = self.strip.num_columns
            return
        borders = np.asarray(self.strip.char_columns)
        self.num_columns = int(borders[np.searchsorted(borders, max_columns, side="right") - 1])

    def packed(self) -> np.ndarray:
        """The columns of a text, uint8 `[num_columns, H // 8]`."""
        if self.strip is None or self.strip.levels is not None:
            raise TypeError(f"{self.name} is an image or has levels, and so no packed form.")
        step = self.strip.height // 8
        return np.frombuffer(self.strip.columns, np.uint8, self.num_columns * step).reshape(-1, step)

    def pixels(self) -> np.ndarray:
        """float32 `[C or 1, H, num_columns]`."""
        if self.image is not None:
            return self.image[:, :, : self.num_columns]
        if self.strip is not None and self.strip.levels is not None:
            return self.strip.to_array()[:, :, : self.num_columns].astype(np.float32) / 255
        return 1 - np.unpackbits(self.packed(), axis=1).T[None].astype(np.float32)


@dataclass
class Row:
    """Where segments and special patches stand, in patches from the first of the row.

    Attributes:
        segments: (first patch, segment).
        eos_patches: places of the EOS patches.
        num_patches: patches of the row, padding not counted.
        num_columns: pixel columns up to the end of what the row holds.
    """

    segments: list[tuple[int, Segment]]
    eos_patches: list[int]
    num_patches: int
    num_columns: int


def lay_out(
    segments: list[Segment], options: LayoutOptions, patch_width: int, margins: tuple[int, int] = (0, 0)
) -> Row:
    """Gives every segment and special patch of a row its place, after cutting segments where that is asked for.

    Args:
        segments: what the row holds, in order; their `left` and `right` are set here.
        options: of the call.
        patch_width: w.
        margins: white columns before every text, and between a text and an EOS patch after it.

    Raises:
        ValueError: for a row longer than `max_patches` without truncation, or without room for its segments.
    """
    for segment in segments:
        if segment.strip is not None and segment.num_columns > 0:
            segment.left = margins[0]
            segment.right = margins[1] if options.add_eos or segment is not segments[-1] else 0
    last = segments[-1]
    if options.end_gap is not None and last.num_columns > 0:
        last.right = options.end_gap
    if options.max_patches is not None:
        num_special = int(options.add_start) + int(options.add_eos) + len(segments) - 1
        _fit(segments, options, options.max_patches - num_special, patch_width)
    if options.end_gap is not None:
        # What is left of the last patch goes before the text, so that the gap after it is exactly `end_gap`.
        last.left += -(last.left + last.num_columns + last.right) % patch_width
    eos_patches = [0] if options.add_start else []
    places = []
    position = len(eos_patches)
    for index, segment in enumerate(segments):
        if index > 0:
            eos_patches.append(position)
            position += 1
        places.append((position, segment))
        position += segment.num_patches(patch_width)
    num_columns = places[-1][0] * patch_width + last.left + last.num_columns + last.right
    if options.add_eos:
        eos_patches.append(position)
        position += 1
        num_columns = position * patch_width
    return Row(places, eos_patches, position, num_columns)


def too_long(name: str, num_patches: int, max_patches: int | None, size: str = "") -> ValueError:
    """The error for a row that does not fit."""
    return ValueError(
        f"{name} needs {num_patches} patches{size}, but max_patches is {max_patches}; pass truncation=True to cut it, "
        "a larger max_patches, or split it."
    )


def _fit(segments: list[Segment], options: LayoutOptions, budget: int, patch_width: int) -> None:
    """Cuts segments until together they take at most `budget` patches."""
    needed = [segment.num_patches(patch_width) for segment in segments]
    if sum(needed) <= budget:
        return
    names = " + ".join(segment.name for segment in segments)
    num_special = (options.max_patches or 0) - budget
    if options.truncation == "do_not_truncate":
        raise too_long(names, sum(needed) + num_special, options.max_patches)
    allowed = list(needed)
    if options.truncation == "longest_first":
        while sum(allowed) > max(budget, 0):
            allowed[allowed.index(max(allowed))] -= 1
    else:
        allowed[0 if options.truncation == "only_first" else -1] -= sum(needed) - budget
    for segment, before, now in zip(segments, needed, allowed, strict=True):
        if now < before:
            segment.cut(max(now * patch_width - segment.left - segment.right, 0))
            if segment.num_columns == 0:
                raise ValueError(
                    f"max_patches={options.max_patches} leaves no room for {segment.name} beside {num_special} special "
                    f"patches and the other segments (truncation={options.truncation!r}); raise max_patches."
                )


def draw_rows(
    rows: list[Row],
    starts: list[int],
    num_patches: int,
    patch_size: tuple[int, int],
    num_channels: int,
    background: np.ndarray | None = None,
    dtype: str = "float32",
) -> np.ndarray:
    """Draws a batch.

    Args:
        rows: B rows.
        starts: first patch of each row, its left padding.
        num_patches: T.
        patch_size: (H, w).
        num_channels: C.
        background: float32 `[C, 1, 1]`, the colour around texts with levels; None: texts are 1-bit, on white.
        dtype: `"float32"`, in [0, 1], or `"uint8"`.

    Returns:
        `[B, C, H, T * w]`, 1 or 255 = white.
    """
    has_images = any(segment.image is not None for row in rows for _, segment in row.segments)
    if has_images or background is not None:
        pixels = _draw_unpacked(rows, starts, num_patches, patch_size, num_channels, background)
        return np.rint(pixels * 255).astype(np.uint8) if dtype == "uint8" else pixels
    height, width = patch_size
    check_limit(num_patches * width * height, MAX_IMAGE_PIXELS, "pixels of a row")
    packed = np.zeros((len(rows), num_patches * width, height // 8), np.uint8)
    for row, start, columns in zip(rows, starts, packed, strict=True):
        for place, segment in row.segments:
            left = (start + place) * width + segment.left
            columns[left : left + segment.num_columns] = segment.packed()
        for patch in row.eos_patches:
            columns[(start + patch) * width : (start + patch + 1) * width] = 255
    return unpack_columns(packed, num_channels, dtype)


def unpack_columns(packed: np.ndarray, num_channels: int = 1, dtype: str = "float32") -> np.ndarray:
    """Unpacks a batch of strips.

    Args:
        packed: uint8 `[B, W, H // 8]`, a set bit is ink.
        num_channels: C.
        dtype: `"float32"` or `"uint8"`.

    Returns:
        `[B, C, H, W]` of 0 (ink) and 1, or 255 where they are uint8.
    """
    batch, columns, size = packed.shape
    pixels = np.empty((batch, num_channels, size * 8, columns), dtype)
    light = ~packed
    # Row by row: unpackbits leaves the rows innermost, and the transposition then costs eight times as much.
    for row in range(size * 8):
        bits = (light[:, :, row // 8] >> (7 - row % 8)) & 1
        pixels[:, :, row] = (np.negative(bits) if dtype == "uint8" else bits)[:, None]
    return pixels


def _draw_unpacked(
    rows: list[Row],
    starts: list[int],
    num_patches: int,
    patch_size: tuple[int, int],
    num_channels: int,
    background: np.ndarray | None,
) -> np.ndarray:
    """As `draw_rows`, for rows whose pixels may be gray or coloured."""
    height, width = patch_size
    check_limit(num_patches * width * height, MAX_IMAGE_PIXELS, "pixels of a row")
    pixels = np.ones((len(rows), num_channels, height, num_patches * width), np.float32)
    if background is not None:
        pixels *= background
    for row, start, strip in zip(rows, starts, pixels, strict=True):
        for place, segment in row.segments:
            left = (start + place) * width + segment.left
            strip[:, :, left : left + segment.num_columns] = segment.pixels()
        for patch in row.eos_patches:
            strip[:, :, (start + patch) * width : (start + patch + 1) * width] = 0
    return pixels


def attention_mask(rows: list[Row], starts: list[int], num_patches: int) -> np.ndarray:
    """int64 `[B, T]`, 0 on padding."""
    mask = np.zeros((len(rows), num_patches), np.int64)
    for row, start, values in zip(rows, starts, mask, strict=True):
        values[start : start + row.num_patches] = 1
    return mask


def offset_mapping(rows: list[Row], starts: list[int], num_patches: int, patch_width: int) -> np.ndarray:
    """int64 `[B, T, 2]`: (start, end) of the characters a patch shows, (0, 0) where it shows none."""
    mapping = np.zeros((len(rows), num_patches, 2), np.int64)
    for row, start, spans in zip(rows, starts, mapping, strict=True):
        for place, segment in row.segments:
            if segment.strip is None:
                continue
            # In columns of the text, of which the first stands `left` columns after the patch border.
            starts_at = np.arange(0, segment.left + segment.num_columns, patch_width) - segment.left
            stops = np.minimum(starts_at + patch_width, segment.num_columns)
            borders = np.maximum(starts_at, 0)
            firsts, lasts = _characters_between(segment.strip, borders, stops)
            shown = stops > 0
            place_of_first = start + place
            spans[place_of_first : place_of_first + len(borders), 0] = np.where(shown, firsts, 0)
            spans[place_of_first : place_of_first + len(borders), 1] = np.where(shown, lasts, 0)
    return mapping


def _characters_between(
    strip: PackedStrip, borders: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first character in each range of columns, and the one after the last."""
    if strip.char_spans is not None:
        # Shaped text does not run from left to right: the smallest and the largest of the characters seen.
        spans = np.asarray(strip.char_spans, np.int64)
        seen = np.flatnonzero((spans[:, 1] > spans[:, 0]) & (spans[:, 0] < stops[-1]))
        begin = np.searchsorted(borders, spans[seen, 0], side="right") - 1
        end = np.searchsorted(borders, np.minimum(spans[seen, 1], stops[-1]) - 1, side="right") - 1
        counts = end - begin + 1
        chars = np.repeat(seen, counts)
        patches = (
            np.repeat(begin, counts) + np.arange(len(chars)) - np.repeat(np.cumsum(counts) - counts, counts)
        )
        starts, ends = np.full(len(borders), len(spans)), np.zeros(len(borders), np.int64)
        np.minimum.at(starts, patches, chars)
        np.maximum.at(ends, patches, chars + 1)
        return np.where(ends > 0, starts, 0), ends
    char_columns = np.asarray(strip.char_columns)
    # The glyph under a patch's first column, then the first of the characters that share that glyph.
    glyphs = char_columns[np.searchsorted(char_columns, borders, side="right") - 1]
    firsts = np.searchsorted(char_columns, glyphs, side="left")
    return firsts, np.searchsorted(char_columns[:-1], stops, side="left")


def text_part(
    strip: np.ndarray,
    style: RenderStyle,
    geometry: tuple[int, int, int],
    is_left: bool,
    mask: Any,
    count: Any,
    index: int,
    find_eos: Callable[[np.ndarray, int], np.ndarray],
) -> np.ndarray:
    """The part of a row that holds text.

    Args:
        strip: float `[C, H, W]` in [0, 1].
        style: how it was drawn.
        geometry: height and width of a patch, columns of background before a text.
        is_left: whether blank patches at the start are padding where no mask tells.
        mask: over the patches, or None.
        count: pixel columns from the first attended patch on, or None.
        index: what an error calls the strip.
        find_eos: tells which patches of ink end a text; see [`StripReader.eos_patches`].

    Returns:
        bool `[H, columns]`, False = ink; of a style with levels the pixels, float `[C, H, columns]`.

    Raises:
        ValueError: for another height, a mask of another length, or values that are NaN or infinite.
    """
    check_finite(strip)
    height, width, left_padding = geometry
    if strip.shape[1] != height:
        raise ValueError(
            f"strip {index} is {strip.shape[1]} pixels high, but this processor reads strips of {height}."
        )
    ink = np.asarray(style.ink(strip))  # [H, W]
    num_patches = -(-ink.shape[1] // width)
    begin, end = 0, ink.shape[1]
    if mask is not None:
        if len(mask) != num_patches:
            raise ValueError(
                f"attention_mask has {len(mask)} entries for strip {index} of {num_patches} patches."
            )
        attended = np.flatnonzero(mask)
        if len(attended):
            begin, end = int(attended[0]) * width, min(end, (int(attended[-1]) + 1) * width)
        else:
            end = 0
    elif is_left:
        inked = np.flatnonzero(ink.any(axis=0))
        begin = (int(inked[0]) // width if len(inked) else 0) * width
    if count is not None:
        if not isinstance(count, int | float | np.number) or count != count:
            raise ValueError(f"num_columns of strip {index} must be a number, got {count!r:.60}.")
        end = min(end, begin + int(count))
    ink = ink[:, begin:end]
    # The EOS patch is black, whatever the colour of the text.
    black = ink if not style.has_levels else strip[:, :, begin:end].mean(axis=0) < 0.5
    whole = find_eos(black, width)
    start = int(len(whole) > 0 and whole[0])
    after = np.flatnonzero(whole[start:])
    stop = (start + int(after[0])) * width if len(after) else ink.shape[1]
    first = start * width
    if not ink[:, first : first + left_padding].any():
        first += left_padding
    stop = max(stop, first)
    if style.has_levels:
        return strip[:, :, begin + first : begin + stop]
    return ~ink[:, first:stop]


def to_feature(data: dict[str, list[np.ndarray]], return_tensors: str | None) -> BatchFeature:
    """Joins the groups of a batch; lists of rows where no tensors are asked for."""
    if return_tensors is not None:
        # One group is the usual case, and pixels are megabytes: no copy.
        arrays = {
            key: groups[0] if len(groups) == 1 else np.concatenate(groups) for key, groups in data.items()
        }
        return BatchFeature(arrays, tensor_type=return_tensors)
    lists: dict[str, Any] = {}
    for key, groups in data.items():
        rows = [row for group in groups for row in group]
        lists[key] = rows if key == "pixel_values" else [row.tolist() for row in rows]
    return BatchFeature(lists)


__all__ = [
    "Row",
    "Segment",
    "attention_mask",
    "draw_rows",
    "lay_out",
    "offset_mapping",
    "text_part",
    "to_feature",
    "too_long",
    "unpack_columns",
]
