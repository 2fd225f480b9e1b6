# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""One line of rendered text: packed columns of bits, gray or coloured pixels, units of a layout."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from .style import RenderStyle


@dataclass(frozen=True)
class PackedStrip:
    """One rendered line, packed.

    Attributes:
        columns: `num_columns * height // 8` bytes; bit set = ink, most significant bit = top row.
        height: Rows.
        num_columns: Pixel columns.
        text: The normalised text that is drawn.
        char_columns: int32 `[len(text) + 1]`, the column where each character starts, then `num_columns`. In shaped
            text that of the unit a character belongs to; it ascends only where the text runs from left to right.
        char_spans: int32 `[len(text), 2]`, first column and column after the unit of each character; None for text
            that is not shaped.
        is_right_to_left: Whether the text begins at the right end.
    """

    columns: bytes
    height: int
    num_columns: int
    text: str
    char_columns: np.ndarray = field(compare=False, repr=False)
    # Factories leave no attribute on the class, so that `__getattr__` is asked for what is not there yet.
    char_spans: np.ndarray | None = field(default_factory=lambda: None, compare=False, repr=False)
    is_right_to_left: bool = field(default_factory=bool)

    @classmethod
    def deferred(cls, columns: bytes, height: int, complete: "Callable[[], PackedStrip]") -> "PackedStrip":
        """Make a strip whose text and places of characters are worked out when somebody asks for them.

        Args:
            columns: Packed columns.
            height: Rows.
            complete: Returns the same strip with everything.
        """
        strip = object.__new__(cls)
        num_columns = len(columns) * 8 // height
        strip.__dict__.update(columns=columns, height=height, num_columns=num_columns, _complete=complete)
        return strip

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not in the instance.
        complete = self.__dict__.get("_complete")
        if complete is None or name not in self.__dataclass_fields__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = complete().__dict__
        self.__dict__.update(found)
        self.__dict__.pop("_complete", None)
        return found[name]

    def __getstate__(self) -> dict[str, Any]:
        # A renderer is no part of a strip that travels.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_array(self) -> np.ndarray:
        """Return the pixels as uint8 `[H, W]`: 255 = background, 0 = ink."""
        packed = np.frombuffer(self.columns, np.uint8).reshape(self.num_columns, self.height // 8)
        # Inverting the packed bytes touches an eighth of the data.
        return np.ascontiguousarray(np.unpackbits(~packed, axis=1).T) * np.uint8(255)

    def to_pil(self) -> Image.Image:
        """Return the strip as an image of mode `L`."""
        return Image.fromarray(self.to_array())

    def cut(self, max_columns: int) -> "PackedStrip":
        """Return as many whole characters from the beginning of the text as fit.

        Args:
            max_columns: The most columns.

        Returns:
            A strip with the same text, of which the characters cut off have no columns.
        """
        size = self.height // 8
        spans = self.char_spans
        if spans is None:
            spans = np.stack([self.char_columns[:-1], self.char_columns[1:]], axis=1)
        borders = np.unique(np.append(spans, [0, self.num_columns]))
        if self.is_right_to_left:
            first, stop = int(borders[self.num_columns - borders <= max_columns][0]), self.num_columns
        else:
            first, stop = 0, int(borders[borders <= max_columns][-1])
        kept = (spans[:, :1] >= first) & (spans[:, 1:] <= stop)
        spans = np.where(kept, spans - first, 0).astype(np.int32)
        starts = np.append(spans[:, 0], np.int32(stop - first))
        columns = self.columns[first * size : stop * size]
        return PackedStrip(
            columns, self.height, stop - first, self.text, starts, spans, self.is_right_to_left
        )


@dataclass(frozen=True)
class ImageStrip:
    """One rendered line with levels.

    Attributes:
        packed: The same line in 1 bit, with its text and the places of its characters.
        coverage: uint8 `[H, W]`, 255 = the text's colour, 0 = the background's; at least 128 exactly where `packed` has
            ink.
        style: Colours.
        colored: (first column, uint8 `[H, w, 4]`: red, green, blue, opacity) of each glyph with colours of its own.
    """

    packed: PackedStrip
    coverage: np.ndarray = field(repr=False, compare=False)
    style: RenderStyle
    colored: tuple[tuple[int, np.ndarray], ...] = field(default=(), repr=False, compare=False)

    @property
    def height(self) -> int:
        """Rows."""
        return self.packed.height

    @property
    def num_columns(self) -> int:
        """Pixel columns."""
        return self.packed.num_columns

    @property
    def text(self) -> str:
        """The normalised text that is drawn."""
        return self.packed.text

    @property
    def char_columns(self) -> np.ndarray:
        """See [`PackedStrip`]."""
        return self.packed.char_columns

    @property
    def char_spans(self) -> np.ndarray | None:
        """See [`PackedStrip`]."""
        return self.packed.char_spans

    @property
    def is_right_to_left(self) -> bool:
        """Whether the text begins at the right end."""
        return self.packed.is_right_to_left

    def to_array(self) -> np.ndarray:
        """Return the pixels as uint8 `[C, H, W]`: C is 3 in mode RGB, else 1."""
        pixels = self.style.pixels(self.coverage)
        for start, rgba in self.colored:
            pixels[:, :, start : start + rgba.shape[1]] = lay_over(self.style, rgba)
        return pixels

    def to_pil(self) -> Image.Image:
        """Return the strip as an image of mode `L` or `RGB`."""
        pixels = self.to_array()
        return Image.fromarray(
            pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        )

    def cut(self, max_columns: int) -> "ImageStrip":
        """Return as much from the beginning of the text as fits; see [`PackedStrip.cut`]."""
        packed = self.packed.cut(max_columns)
        first = self.num_columns - packed.num_columns if self.is_right_to_left else 0
        stop = first + packed.num_columns
        colored = tuple(
            (start - first, rgba)
            for start, rgba in self.colored
            if start >= first and start + rgba.shape[1] <= stop
        )
        return ImageStrip(packed, self.coverage[:, first:stop], self.style, colored)


def lay_over(style: RenderStyle, rgba: np.ndarray) -> np.ndarray:
    """Lay a coloured glyph, uint8 `[H, w, 4]`, over the background: uint8 `[3, H, w]`."""
    opacity = rgba[..., 3:] / 255
    colors = rgba[..., :3] * opacity + np.array(style.background_color) * (1 - opacity)
    return np.rint(colors).astype(np.uint8).transpose(2, 0, 1)


@dataclass(frozen=True)
class UnitStrip(PackedStrip):
    """A strip of units that begin at patch borders.

    Attributes:
        unit_spans: int32 `[units, 2]`, first column and column after the last of each unit, from left to right.
    """

    unit_spans: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 2), np.int32), compare=False, repr=False
    )

    def cut(self, max_columns: int) -> PackedStrip:
        """Return as many whole units from the beginning of the text as fit, or clusters if not even one does."""
        spans = self.unit_spans
        if self.is_right_to_left:
            fitting = np.flatnonzero(self.num_columns - spans[:, 0] <= max_columns)
            kept = slice(int(fitting[0]), None) if len(fitting) else None
        else:
            fitting = np.flatnonzero(spans[:, 1] <= max_columns)
            kept = slice(0, int(fitting[-1]) + 1) if len(fitting) else None
        if kept is None:
            return super().cut(max_columns)
        first, stop = int(spans[kept][0, 0]), int(spans[kept][-1, 1])
        if self.is_right_to_left or stop == spans[-1, 1]:
            stop = self.num_columns if self.num_columns - first <= max_columns else stop
        assert self.char_spans is not None
        is_kept = (self.char_spans[:, :1] >= first) & (self.char_spans[:, 1:] <= stop)
        chars = np.where(is_kept, self.char_spans - first, 0).astype(np.int32)
        size = self.height // 8
        return UnitStrip(
            self.columns[first * size : stop * size],
            self.height,
            stop - first,
            self.text,
            np.append(chars[:, 0], np.int32(stop - first)),
            chars,
            self.is_right_to_left,
            spans[kept] - first,
        )


__all__ = ["ImageStrip", "PackedStrip", "UnitStrip", "lay_over"]
