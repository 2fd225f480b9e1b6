# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""One line of rendered text: packed columns of bits, the places of its characters and units, levels and colours."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from .style import RenderStyle


@dataclass(frozen=True)
class StripLevels:
    """What a strip shows beyond ink and background.

    Attributes:
        coverage: uint8 `[H, W]`, 255 = the text's colour, 0 = the background's; at least 128 exactly where the 1-bit
            strip has ink.
        style: Colours.
        colored: (first column, uint8 `[H, w, 4]`: red, green, blue, opacity) of each glyph with colours of its own.
    """

    coverage: np.ndarray = field(repr=False, compare=False)
    style: RenderStyle
    colored: tuple[tuple[int, np.ndarray], ...] = field(default=(), repr=False, compare=False)

    def pixels(self) -> np.ndarray:
        """Return uint8 `[C, H, W]`: C is 3 in mode RGB, else 1."""
        pixels = self.style.pixels(self.coverage)
        for start, rgba in self.colored:
            pixels[:, :, start : start + rgba.shape[1]] = lay_over(self.style, rgba)
        return pixels

    def cut(self, first: int, stop: int) -> "StripLevels":
        """Return the columns from `first` up to `stop`."""
        colored = tuple(
            (start - first, rgba)
            for start, rgba in self.colored
            if start >= first and start + rgba.shape[1] <= stop
        )
        return StripLevels(self.coverage[:, first:stop], self.style, colored)


def lay_over(style: RenderStyle, rgba: np.ndarray) -> np.ndarray:
    """Lay a coloured glyph, uint8 `[H, w, 4]`, over the background: uint8 `[3, H, w]`."""
    opacity = rgba[..., 3:] / 255
    colors = rgba[..., :3] * opacity + np.array(style.background_color) * (1 - opacity)
    return np.rint(colors).astype(np.uint8).transpose(2, 0, 1)


@dataclass(frozen=True)
class PackedStrip:
    """One rendered line. Its columns are packed bits in every style; gray and colour stand beside them.

    Attributes:
        columns: `num_columns * height // 8` bytes; bit set = ink, most significant bit = top row.
        height: Rows.
        num_columns: Pixel columns.
        text: The normalised text that is drawn.
        char_columns: int32 `[len(text) + 1]`, the column where each character starts, then `num_columns`. In shaped
            text that of the piece a character belongs to; it ascends only where the text runs from left to right.
        char_spans: int32 `[len(text), 2]`, first column and column after the piece of each character; None for text
            that is not shaped.
        is_right_to_left: Whether the text begins at the right end.
        unit_spans: int32 `[units, 2]`, first column and column after the last of each unit, from left to right, in
            strategies that put units on patch borders; else None.
        levels: Gray levels and colours; None in mode `"1"`.
    """

    columns: bytes
    height: int
    num_columns: int
    text: str
    char_columns: np.ndarray = field(compare=False, repr=False)
    # Factories leave no attribute on the class, so that `__getattr__` is asked for what is not there yet.
    char_spans: np.ndarray | None = field(default_factory=lambda: None, compare=False, repr=False)
    is_right_to_left: bool = field(default_factory=bool)
    unit_spans: np.ndarray | None = field(default_factory=lambda: None, compare=False, repr=False)
    levels: StripLevels | None = field(default_factory=lambda: None)

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
        strip.__dict__.update(unit_spans=None, levels=None)
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

    @property
    def packed(self) -> "PackedStrip":
        """The same line in 1 bit."""
        return self if self.levels is None else replace(self, levels=None)

    def to_array(self) -> np.ndarray:
        """Return the pixels as uint8: `[H, W]` in mode `"1"` (255 = background, 0 = ink), else `[C, H, W]`."""
        if self.levels is not None:
            return self.levels.pixels()
        packed = np.frombuffer(self.columns, np.uint8).reshape(self.num_columns, self.height // 8)
        # Inverting the packed bytes touches an eighth of the data.
        return np.ascontiguousarray(np.unpackbits(~packed, axis=1).T) * np.uint8(255)

    def to_pil(self) -> Image.Image:
        """Return the strip as an image of mode `L` or `RGB`."""
        pixels = self.to_array()
        if pixels.ndim == 3:
            pixels = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        return Image.fromarray(pixels)

    def cut(self, max_columns: int) -> "PackedStrip":
        """Return as much from the beginning of the text as fits: whole units, or characters if not even one unit does.

        Args:
            max_columns: The most columns.

        Returns:
            A strip with the same text, of which the characters cut off have no columns.
        """
        units = self._fitting_units(max_columns)
        first, stop = (
            self._fitting_columns(max_columns) if units is None else self._columns_of(units, max_columns)
        )
        spans = self._spans_of_characters()
        kept = (spans[:, :1] >= first) & (spans[:, 1:] <= stop)
        spans = np.where(kept, spans - first, 0).astype(np.int32)
        size = self.height // 8
        return PackedStrip(
            self.columns[first * size : stop * size],
            self.height,
            stop - first,
            self.text,
            np.append(spans[:, 0], np.int32(stop - first)),
            spans,
            self.is_right_to_left,
            None if units is None else units - first,
            None if self.levels is None else self.levels.cut(first, stop),
        )

    def _spans_of_characters(self) -> np.ndarray:
        if self.char_spans is not None:
            return self.char_spans
        return np.stack([self.char_columns[:-1], self.char_columns[1:]], axis=1)

    def _fitting_columns(self, max_columns: int) -> tuple[int, int]:
        """First column and column after the last of the whole characters that fit."""
        borders = np.unique(np.append(self._spans_of_characters(), [0, self.num_columns]))
        if self.is_right_to_left:
            return int(borders[self.num_columns - borders <= max_columns][0]), self.num_columns
        return 0, int(borders[borders <= max_columns][-1])

    def _fitting_units(self, max_columns: int) -> np.ndarray | None:
        """The spans of the units that fit; None where there are no units, or not even one fits."""
        if self.unit_spans is None:
            return None
        if self.is_right_to_left:
            fitting = self.unit_spans[self.num_columns - self.unit_spans[:, 0] <= max_columns]
        else:
            fitting = self.unit_spans[self.unit_spans[:, 1] <= max_columns]
        return fitting if len(fitting) else None

    def _columns_of(self, units: np.ndarray, max_columns: int) -> tuple[int, int]:
        """First column and column after the last of units at one end of the strip."""
        first, stop = int(units[0, 0]), int(units[-1, 1])
        assert self.unit_spans is not None
        reaches_end = self.is_right_to_left or stop == self.unit_spans[-1, 1]
        # The blank that fills the last patch belongs to the strip where it fits.
        return first, self.num_columns if reaches_end and self.num_columns - first <= max_columns else stop


__all__ = ["PackedStrip", "StripLevels", "lay_over"]
