# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where the parts of a row stand in its strip, and the drawing of a whole batch of rows.

A row is its segments (image, text, second text) one after the other. Each begins a patch, with the white columns that
the processor's `left_padding` asks for; an EOS patch stands between segments and, if asked for, before the first and
after the last, at the next patch border that leaves `right_padding` white columns.

Shapes: B rows, C channels, H strip height, w patch width, T patches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..rendering.renderer import PackedStrip
from ..rendering.styled_renderer import ImageStrip

NESTED_KWARGS = ("text_kwargs", "images_kwargs", "common_kwargs")
_PADDING = {
    True: "longest",
    False: "do_not_pad",
    "longest": "longest",
    "max_length": "max_length",
    "do_not_pad": "do_not_pad",
}
_TRUNCATION = {
    True: "longest_first",
    False: "do_not_truncate",
    "longest_first": "longest_first",
    "only_first": "only_first",
    "only_second": "only_second",
    "do_not_truncate": "do_not_truncate",
}


@dataclass(frozen=True)
class LayoutOptions:
    """The keyword arguments of one call of the processor, checked; see `PixelProcessorKwargs`."""

    padding: str = "longest"
    truncation: str = "do_not_truncate"
    max_patches: int | None = None
    add_eos: bool = True
    add_start: bool = False
    end_gap: int | None = None
    target_first: bool = False
    add_target_bos: bool = False
    add_target_eos: bool = False
    max_target_tokens: int | None = None
    return_offsets_mapping: bool = False
    return_tensors: str | None = None

    @classmethod
    def from_kwargs(
        cls, kwargs: Mapping[str, Any], default_max_patches: int | None, patch_width: int
    ) -> "LayoutOptions":
        """Merges flat and nested keyword arguments.

        Args:
            kwargs: as the caller wrote them, `text_kwargs` and its like included.
            default_max_patches: for calls that pass none.
            patch_width: w, which `end_gap` must stay below.

        Raises:
            TypeError: for an unknown argument, naming the known ones.
            ValueError: for an argument given twice with different values, a value out of range, or `end_gap` together
                with an EOS patch after the text.
        """
        merged = _merge(kwargs)
        if unknown := sorted(set(merged) - set(cls.__dataclass_fields__)):
            known = ", ".join(sorted(cls.__dataclass_fields__))
            raise TypeError(f"unknown argument {', '.join(unknown)}; PixelProcessor knows {known}.")
        merged["padding"] = _choose("padding", merged.get("padding", True), _PADDING)
        merged["truncation"] = _choose("truncation", merged.get("truncation", False), _TRUNCATION)
        if merged.get("max_patches") is None:
            merged["max_patches"] = default_max_patches
        options = cls(**merged)
        options._check_gap(patch_width)
        limit = options.max_patches
        if options.max_target_tokens is not None and options.max_target_tokens < 1:
            raise ValueError(f"max_target_tokens must be at least 1, got {options.max_target_tokens}.")
        has_limit = limit is not None or options.max_target_tokens is not None
        if (options.padding == "max_length" or options.truncation != "do_not_truncate") and not has_limit:
            raise ValueError(
                'padding="max_length" and truncation need max_patches, and this processor sets none; pass one.'
            )
        if limit is not None and limit < 1:
            raise ValueError(f"max_patches must be at least 1, got {limit}.")
        return options

    def most_characters(self, patch_width: int) -> float:
        """The length from which a text is far too long, since nearly every character has a column."""
        if self.max_patches is None or self.truncation != "do_not_truncate":
            return float("inf")
        return self.max_patches * patch_width

    def _check_gap(self, patch_width: int) -> None:
        gap = self.end_gap
        if gap is None:
            return
        if isinstance(gap, bool) or not isinstance(gap, int) or not 0 <= gap < patch_width:
            raise ValueError(
                f"end_gap counts the white columns between the text and the next patch border: 0 to "
                f"{patch_width - 1} for patches {patch_width} columns wide, got {gap!r}."
            )
        if self.add_eos:
            raise ValueError(
                f"end_gap={gap} moves a text that is to be continued up to a patch border, and an EOS patch would end "
                "it there: pass add_eos=False as well."
            )


def _merge(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    flat = {key: value for key, value in kwargs.items() if key not in NESTED_KWARGS}
    for group in [*(kwargs.get(key) or {} for key in NESTED_KWARGS), flat]:
        twice = sorted(key for key in group if key in merged and merged[key] != group[key])
        if twice:
            raise ValueError(f"{', '.join(twice)} was passed twice, with different values.")
        merged.update(group)
    return merged


def _choose(name: str, value: Any, choices: dict[Any, str]) -> str:
    if isinstance(value, bool | str) and value in choices:
        return choices[value]
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")


def list_targets(target_text: Any) -> list[str]:
    """The texts of the token part, as a list.

    Args:
        target_text: a string or an iterable of strings.

    Raises:
        ValueError: for what is not a string, with its index, or an empty batch.
    """
    targets = [target_text] if isinstance(target_text, str) else _to_list(target_text, "target_text")
    if not targets:
        raise ValueError("the batch is empty: give at least one target_text.")
    return _check(targets, "target_text")


def list_texts(text: Any, text_pair: Any) -> tuple[list[str] | None, list[str] | None]:
    """Every way to pass texts and pairs, as two lists; `None` for what is not there.

    Args:
        text: a string, an iterable of strings, or an iterable of (string, string).
        text_pair: a string or an iterable of strings.

    Raises:
        ValueError: for what is not a string, with its index.
    """
    if text is None:
        if text_pair is not None:
            raise ValueError("text_pair needs text.")
        return None, None
    texts: list[Any] = [text] if isinstance(text, str) else _to_list(text, "text")
    if texts and all(isinstance(item, tuple | list) and len(item) == 2 for item in texts):
        if text_pair is not None:
            raise ValueError("text holds pairs already; pass either pairs or text_pair.")
        return _check([a for a, _ in texts], "text"), _check([b for _, b in texts], "text_pair")
    if text_pair is None:
        return _check(texts, "text"), None
    pairs = [text_pair] if isinstance(text_pair, str) else _to_list(text_pair, "text_pair")
    return _check(texts, "text"), _check(pairs, "text_pair")


def _to_list(values: Any, name: str) -> list[Any]:
    if isinstance(values, bytes | dict) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a string or a list of strings, got {type(values).__name__}.")
    return list(values)


def _check(texts: list[Any], name: str) -> list[str]:
    for index, item in enumerate(texts):
        if not isinstance(item, str):
            shown = repr(item)[:80]
            raise ValueError(f"{name}[{index}] must be a string, got {type(item).__name__}: {shown}.")
    return texts


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
    strip: PackedStrip | ImageStrip | None = None
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
        if not isinstance(self.strip, PackedStrip):
            raise TypeError(f"{self.name} is an image or has levels, and so no packed form.")
        step = self.strip.height // 8
        return np.frombuffer(self.strip.columns, np.uint8, self.num_columns * step).reshape(-1, step)

    def pixels(self) -> np.ndarray:
        """float32 `[C or 1, H, num_columns]`."""
        if self.image is not None:
            return self.image[:, :, : self.num_columns]
        if isinstance(self.strip, ImageStrip):
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
) -> np.ndarray:
    """Draws a batch.

    Args:
        rows: B rows.
        starts: first patch of each row, its left padding.
        num_patches: T.
        patch_size: (H, w).
        num_channels: C.
        background: float32 `[C, 1, 1]`, the colour around texts with levels; None: texts are 1-bit, on white.

    Returns:
        float32 `[B, C, H, T * w]` in [0, 1].
    """
    has_images = any(segment.image is not None for row in rows for _, segment in row.segments)
    if has_images or background is not None:
        return _draw_unpacked(rows, starts, num_patches, patch_size, num_channels, background)
    height, width = patch_size
    packed = np.zeros((len(rows), num_patches * width, height // 8), np.uint8)
    for row, start, columns in zip(rows, starts, packed, strict=True):
        for place, segment in row.segments:
            left = (start + place) * width + segment.left
            columns[left : left + segment.num_columns] = segment.packed()
        for patch in row.eos_patches:
            columns[(start + patch) * width : (start + patch + 1) * width] = 255
    return unpack_columns(packed, num_channels)


def unpack_columns(packed: np.ndarray, num_channels: int = 1) -> np.ndarray:
    """Unpacks a batch of strips.

    Args:
        packed: uint8 `[B, W, H // 8]`, a set bit is ink.
        num_channels: C.

    Returns:
        float32 `[B, C, H, W]` of 0 (ink) and 1.
    """
    batch, columns, size = packed.shape
    pixels = np.empty((batch, num_channels, size * 8, columns), np.float32)
    light = ~packed
    # Row by row: unpackbits leaves the rows innermost, and the transposition then costs eight times as much.
    for row in range(size * 8):
        pixels[:, :, row] = ((light[:, :, row // 8] >> (7 - row % 8)) & 1)[:, None]
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
    strip: PackedStrip | ImageStrip, borders: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first character in each range of columns, and the one after the last."""
    if strip.char_spans is not None:
        # Shaped text does not run from left to right: the smallest and the largest of the characters seen.
        shown = (strip.char_spans[:, 0] < stops[:, None]) & (strip.char_spans[:, 1] > borders[:, None])
        lasts = shown.shape[1] - shown[:, ::-1].argmax(axis=1)
        return shown.argmax(axis=1), np.where(shown.any(axis=1), lasts, 0)
    char_columns = np.asarray(strip.char_columns)
    # The glyph under a patch's first column, then the first of the characters that share that glyph.
    glyphs = char_columns[np.searchsorted(char_columns, borders, side="right") - 1]
    firsts = np.searchsorted(char_columns, glyphs, side="left")
    return firsts, np.searchsorted(char_columns[:-1], stops, side="left")


__all__ = [
    "LayoutOptions",
    "Row",
    "Segment",
    "attention_mask",
    "draw_rows",
    "lay_out",
    "list_targets",
    "list_texts",
    "offset_mapping",
]
