# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How a strip looks beyond its glyphs: levels and colours of its pixels, spacing of its letters, units on patches.

Every mode shares one geometry, that of the 1-bit strip. A gray strip is a coverage per pixel, and a coverage of one
half and more is what the 1-bit strip has as ink: binarised at half, a strip of any mode is the 1-bit strip. So all
modes are measured, cut, mapped and read alike. Colours are an affine map of the coverage, made last.

Shapes: C channels, H rows, W columns.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import ImageColor

MODES = ("1", "L", "RGB")
# Lotz et al. 2023 (arXiv 2311.00522), section 3; see rendering.units.
STRATEGIES = ("continuous", "bigrams", "mono", "words", "word_pieces")
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# Text fainter than this against its background cannot be told from it once levels are rounded.
_LEAST_CONTRAST = 32
_MAX_SPACING = 64


@dataclass(frozen=True)
class RenderStyle:
    """The settings of a strip's looks.

    Attributes:
        mode: `"1"`: pixels are ink or background; `"L"`: gray levels, antialiased where a font has outlines; `"RGB"`:
            the same in colour, with colour emoji where a font has them.
        text_color: name, `"#rrggbb"`, gray level, or (red, green, blue), each 0 to 255; kept as the last of these.
        background_color: likewise. The EOS patch is black in every style, so a background must be light.
        letter_spacing: blank columns after every grapheme cluster; letters that join (Arabic) stay joined.
        strategy: `"continuous"`, `"bigrams"`, `"mono"`, `"words"` or `"word_pieces"`: what stands at the beginning of a
            patch; see `rendering.units`.
        unit_width: columns of what strategies other than `"continuous"` put there, where a patch holds several such
            units side by side; `None` for those of a patch.

    Raises:
        ValueError: for a setting out of range, or two that contradict each other.
    """

    mode: str = "1"
    text_color: Any = BLACK
    background_color: Any = WHITE
    letter_spacing: int = 0
    strategy: str = "continuous"
    unit_width: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("mode", MODES), ("strategy", STRATEGIES)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(self, name)!r}."
                )
        spacing = self.letter_spacing
        if isinstance(spacing, bool) or not isinstance(spacing, int) or not 0 <= spacing <= _MAX_SPACING:
            raise ValueError(
                f"letter_spacing must be a number of columns from 0 to {_MAX_SPACING}, got {spacing!r}."
            )
        width = self.unit_width
        if width is not None and (isinstance(width, bool) or not isinstance(width, int) or width < 1):
            raise ValueError(f"unit_width must be a positive number of columns, or None, got {width!r}.")
        if width is not None and self.strategy == "continuous":
            raise ValueError(
                f"unit_width={width} belongs to a strategy with units, such as 'word_pieces', not to 'continuous'."
            )
        for name in ("text_color", "background_color"):
            object.__setattr__(self, name, parse_color(getattr(self, name), name))
        self._check_colors()

    def _check_colors(self) -> None:
        text, background = self.text_color, self.background_color
        if self.mode == "1" and (text, background) != (BLACK, WHITE):
            raise ValueError(
                f"mode='1' draws black on white, not text_color={text} on background_color={background}; use "
                "mode='RGB' (or mode='L' for shades of gray)."
            )
        if self.mode == "L" and not all(len(set(color)) == 1 for color in (text, background)):
            raise ValueError(
                f"mode='L' has one channel, but text_color={text} on background_color={background} is in colour; use "
                "mode='RGB' with num_channels=3, or shades of gray."
            )
        if self.contrast < _LEAST_CONTRAST:
            raise ValueError(
                f"text_color={text} cannot be seen on background_color={background}: they must differ by at least "
                f"{_LEAST_CONTRAST} of 255 levels in some channel."
            )
        if sum(background) < 3 * 128:
            raise ValueError(
                f"background_color={background} is too dark: the patch that ends a text is black, and would look like "
                "background. Use a background of mean level 128 or more; invert the pixels afterwards if the model "
                "shall see light text on dark ground."
            )

    @property
    def contrast(self) -> int:
        """The largest difference between text and background in a channel."""
        return max(abs(a - b) for a, b in zip(self.text_color, self.background_color, strict=True))

    @property
    def is_plain(self) -> bool:
        """Whether this is black on white, 1 bit, without spacing or units: what the plain renderer draws."""
        return self == RenderStyle()

    @property
    def has_levels(self) -> bool:
        """Whether pixels may have levels between ink and background, or colours."""
        return self.mode != "1"

    def settings(self) -> dict[str, Any]:
        """The settings, ready for JSON; a width of units only where there is one."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        return {key: value for key, value in values.items() if key != "unit_width" or value is not None}

    # ---- levels ----

    def align(self, coverage: np.ndarray, ink: np.ndarray) -> np.ndarray:
        """Move coverages to the side of one half that the 1-bit glyph tells, by as little as it takes.

        A pixel differs from its coverage only where the glyph was cut at another threshold than one half (thin
        letters), or where the colours are so near that rounding could cross it.

        Args:
            coverage: uint8 `[H, W]`, 255 = all ink.
            ink: bool `[H, W]`.

        Returns:
            uint8 `[H, W]`, at least 128 exactly where there is ink.
        """
        margin = -(-255 // self.contrast) - 1
        return np.where(ink, np.maximum(coverage, 128 + margin), np.minimum(coverage, 127 - margin)).astype(
            np.uint8
        )

    def pixels(self, coverage: np.ndarray) -> np.ndarray:
        """Colour coverages.

        Args:
            coverage: uint8 `[H, W]`, 255 = all ink.

        Returns:
            uint8 `[C, H, W]`, C being 3 in mode RGB and else 1.
        """
        share = np.arange(256)[:, None] / 255
        text, background = np.array(self.text_color), np.array(self.background_color)
        table = np.rint(background + share * (text - background)).astype(np.uint8)  # [256, 3]
        channels = table.T[: 3 if self.mode == "RGB" else 1]
        return channels[:, coverage]

    def background(self, num_channels: int) -> np.ndarray:
        """The background as float32 `[C, 1, 1]` in [0, 1]."""
        return np.array(self.background_color[:num_channels], np.float32)[:, None, None] / 255

    def ink(self, pixels: np.ndarray) -> np.ndarray:
        """Find the ink of a strip: the pixels nearer to the text's colour than to the background's.

        Args:
            pixels: float `[C, H, W]` in [0, 1].

        Returns:
            bool `[H, W]`.
        """
        if self.text_color == BLACK and self.background_color == WHITE:
            return pixels.mean(axis=0) < 0.5
        count = len(pixels)
        background = np.array(self.background_color[:count], np.float32) / 255
        way = np.array(self.text_color[:count], np.float32) / 255 - background
        along = np.tensordot(way, pixels - background[:, None, None], axes=1)
        return along > 0.5 * float(way @ way)


def parse_color(color: Any, name: str = "color") -> tuple[int, int, int]:
    """Read a colour.

    Args:
        color: name or `"#rrggbb"` (as in CSS), gray level 0 to 255, or three such levels.
        name: what an error calls it.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(color, str):
        try:
            values: Sequence[Any] = ImageColor.getrgb(color)[:3]
        except ValueError:
            values = ()
    elif isinstance(color, int | np.integer) and not isinstance(color, bool):
        values = (color,) * 3
    else:
        values = tuple(color) if isinstance(color, Sequence | np.ndarray) else ()
    is_valid = len(values) == 3 and all(
        isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= value <= 255
        for value in values
    )
    if not is_valid:
        raise ValueError(
            f"{name} must be a colour's name, '#rrggbb', a gray level from 0 to 255, or three of these, got {color!r}."
        )
    return int(values[0]), int(values[1]), int(values[2])


__all__ = ["BLACK", "MODES", "STRATEGIES", "WHITE", "RenderStyle", "parse_color"]
