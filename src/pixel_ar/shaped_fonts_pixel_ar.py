# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Outline fonts whose text is shaped: conjuncts, joined letters, stacked marks, emoji sequences.

HarfBuzz (package `uharfbuzz`) shapes and rasterises one cluster or word at a time; the result is cut at a coverage
threshold to 1 bit. A cluster is as wide as its advance, or as its ink where that is more, so that clusters are joined
like the glyphs of an atlas. One that reaches above or below the strip is moved by as many rows as it takes, one that is
higher than the strip is drawn smaller: no ink is ever lost.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from .fonts_pixel_ar import read_character_map, read_line_height

try:
    import uharfbuzz
except ImportError:  # a checkpoint used where only its own files are: simple scripts need no HarfBuzz
    uharfbuzz = None  # type: ignore[assignment, unused-ignore]

# Sizes that fit the letters of most scripts, in pixels per em, by rows of the strip.
_SIZE_SHARE = 0.75
# The room that a font asks for, by rows of the strip. Fonts of scripts that stack letters (Burmese, Tibetan, Nastaliq)
# ask for much more than others, and most of their clusters leave about so much of it blank.
_LINE_SHARE = 1.4
_THRESHOLD = 112
_SMALLEST = SMALLEST_SIZE = 4.0


class ShapingNotInstalledError(ImportError):
    """A font of the chain needs HarfBuzz, and `uharfbuzz` is not installed."""

    def __init__(self, font: str) -> None:
        self.font = font
        super().__init__(
            f"drawing with the font {font} needs HarfBuzz, which is not installed: pip install 'uharfbuzz>=0.54'. "
            "Scripts that a glyph atlas of the chain covers are drawn without it."
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.font,)


def shaping_engine() -> str:
    """Name HarfBuzz and its version, or say that it is missing."""
    if uharfbuzz is None:
        return "no HarfBuzz"
    return f"HarfBuzz {uharfbuzz.version_string()}"


class ShapedFont:
    """One outline font at one size. Immutable, picklable; its clusters are shaped by HarfBuzz.

    Args:
        font: Path or contents of a .ttf, .otf or .ttc file.
        height: Rows of the strip, a multiple of 8.
        size: Pixels per em; by default three quarters of the height, less for a font that asks for tall lines. See
            also [`fit_font`].
        baseline: Rows above the baseline; by default three quarters of the height.
        threshold: Coverage of a pixel from which it is ink, 1 to 255.
        index: Which font of a .ttc file.
        name: A file name without suffix; by default that of the path, or one made from the contents.

    Raises:
        ValueError: for a file that is no font, or a setting out of range.
        FileNotFoundError: for a path that leads to no file.
    """

    def __init__(
        self,
        font: "str | os.PathLike[str] | bytes",
        height: int = 16,
        size: float | None = None,
        baseline: int | None = None,
        threshold: int = _THRESHOLD,
        index: int = 0,
        name: str | None = None,
    ) -> None:
        if height < 8 or height % 8:
            raise ValueError(f"height must be a positive multiple of 8, got {height}")
        baseline = round(height * _SIZE_SHARE) if baseline is None else int(baseline)
        if size is not None and not _SMALLEST <= size <= 512:
            raise ValueError(f"size must lie between {_SMALLEST:g} and 512 pixels per em, got {size:g}")
        if not 0 < baseline <= height:
            raise ValueError(f"baseline must lie between 1 and height={height} rows, got {baseline}")
        if not 1 <= threshold <= 255:
            raise ValueError(f"threshold must lie between 1 and 255, got {threshold}")
        if isinstance(font, bytes):
            self.data = font
        elif Path(font).is_file():
            self.data = Path(font).read_bytes()
        else:
            raise FileNotFoundError(
                f"there is no font file {str(font)!r}; give the path of a .ttf or .otf file"
            )
        self.height, self.baseline, self.threshold = int(height), baseline, int(threshold)
        self.font_index = int(index)
        self.font_sha256 = hashlib.sha256(self.data).hexdigest()
        self._codes = frozenset(read_character_map(self.data, self.font_index))
        self.size = self._usual_size() if size is None else float(size)
        stem = f"font-{self.font_sha256[:12]}" if isinstance(font, bytes) else Path(font).stem
        stem += f"-{index}" if index else ""
        self.name = name or "".join(char if char.isalnum() or char in "-_." else "-" for char in stem)
        self.license, self.source = "", f"font file, sha256 {self.font_sha256}"
        if not self._codes:
            raise ValueError(f"font {self.name!r} covers no character")
        self._handles: dict[float, Any] = {}

    def _usual_size(self) -> float:
        """Pixels per em at which the usual letters of the font fit, in quarters."""
        usual = self.height * _SIZE_SHARE
        line = read_line_height(self.data, self.font_index)
        if line is None or line * usual <= self.height * _LINE_SHARE:
            return usual
        return max(_SMALLEST, int(4 * self.height * _LINE_SHARE / line) / 4)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make this font of its data, ready for JSON."""
        names = ("name", "height", "size", "baseline", "threshold")
        return {**{key: getattr(self, key) for key in names}, "index": self.font_index}

    @property
    def sha256(self) -> str:
        """Hash of the font and its settings, but not of the engine."""
        text = f"{self.font_sha256} {self.size!r} {self.baseline} {self.threshold} {self.font_index} {self.height}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def provenance(self) -> dict[str, Any]:
        """What is drawn and how, as an atlas has it."""
        return {"font_sha256": self.font_sha256, "size": self.size, "baseline": self.baseline}

    @property
    def code_points(self) -> np.ndarray:
        """uint32, ascending: what the font covers."""
        return np.array(sorted(self._codes), np.uint32)

    def index(self, char: str) -> int:
        """Return the number that [`glyph`] takes for a character, or -1 if the font lacks it."""
        return ord(char) if ord(char) in self._codes else -1

    def glyph(self, index: int) -> bytes:
        """Return the packed columns of a character drawn alone."""
        cell = self.draw(chr(index), False)
        return cell if cell is not None else b"\0" * (self.height // 8)

    def covers(self, cluster: str) -> bool:
        """Tell whether the font has every character of a cluster, joiners and selectors aside."""
        return all(ord(char) in self._codes or _is_ignorable(char) for char in cluster)

    def draw(self, cluster: str, is_right_to_left: bool) -> bytes | None:
        """Shape and draw one cluster or word.

        Args:
            cluster: In logical order.
            is_right_to_left: The direction of its run.

        Returns:
            Packed columns, as wide as the advance or the ink; None if the font cannot draw it.

        Raises:
            ShapingNotInstalledError: without HarfBuzz.
        """
        size = self.size
        while True:
            drawn = self._rasterise(cluster, is_right_to_left, size)
            if drawn is None:
                return None
            ink, top, left, advance = drawn
            if len(ink) <= self.height or size <= _SMALLEST:
                return self._place(ink, top, left, advance)
            size = max(_SMALLEST, min(size - 0.5, size * self.height / len(ink)))

    def _place(self, ink: np.ndarray, top: int, left: int, advance: int) -> bytes:
        """Put ink (`top` rows above the baseline, `left` columns from the pen) into a cell."""
        shift = max(-left, 0) if ink.size else 0
        stop = left + ink.shape[1] if ink.size else 0
        cell = np.zeros((self.height, max(shift + max(advance, stop), 1)), np.uint8)
        ink = ink[: self.height]
        first = min(max(self.baseline - top, 0), self.height - len(ink))
        if ink.size:
            cell[first : first + len(ink), left + shift : left + shift + ink.shape[1]] = ink
        return np.packbits(cell, axis=0).T.tobytes()

    def _rasterise(
        self, cluster: str, is_right_to_left: bool, size: float
    ) -> tuple[np.ndarray, int, int, int] | None:
        """(ink without blank edges bool `[rows, columns]`, rows above the baseline, first column, advance)."""
        font, raster = self._handle(size)
        buffer = uharfbuzz.Buffer()
        buffer.add_str(cluster)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if is_right_to_left else "ltr"
        uharfbuzz.shape(font, buffer)
        infos, positions = buffer.glyph_infos, buffer.glyph_positions
        if not infos or any(info.codepoint == 0 for info in infos):
            return None
        raster.reset()
        pen = 0
        for info, position in zip(infos, positions, strict=True):
            dx = (pen + position.x_offset) / 64
            raster.transform = (1 / 64, 0, 0, 1 / 64, dx, position.y_offset / 64)
            raster.draw_glyph(font, info.codepoint)
            pen += position.x_advance
        image = raster.render()
        extents = image.extents
        advance = (pen + 32) // 64
        if not extents.width or not extents.height:
            return np.zeros((0, 0), bool), 0, 0, advance
        rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)
        coverage = rows[::-1, : extents.width]
        # A cluster too thin for the threshold is cut at half its own strongest coverage: nothing vanishes.
        ink = coverage >= min(self.threshold, max(1, int(coverage.max()) // 2))
        inked_rows, inked_columns = ink.any(axis=1).nonzero()[0], ink.any(axis=0).nonzero()[0]
        if not len(inked_rows):
            return np.zeros((0, 0), bool), 0, 0, advance
        box = ink[inked_rows[0] : inked_rows[-1] + 1, inked_columns[0] : inked_columns[-1] + 1]
        top = extents.y_origin + extents.height - int(inked_rows[0])
        return box, top, extents.x_origin + int(inked_columns[0]), advance

    def _handle(self, size: float) -> Any:
        if uharfbuzz is None:
            raise ShapingNotInstalledError(self.name)
        if size not in self._handles:
            if len(self._handles) > 16:
                self._handles.clear()
            font = uharfbuzz.Font(uharfbuzz.Face(self.data, self.font_index))
            font.scale = (round(size * 64), round(size * 64))
            self._handles[size] = (font, uharfbuzz.RasterDraw())
        return self._handles[size]

    def __len__(self) -> int:
        return len(self._codes)

    def __contains__(self, char: object) -> bool:
        return isinstance(char, str) and len(char) == 1 and ord(char) in self._codes

    def __repr__(self) -> str:
        return (
            f"ShapedFont({self.name!r}, height={self.height}, size={self.size:g}, baseline={self.baseline})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapedFont) and (self.name, self.sha256) == (other.name, other.sha256)

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def __copy__(self) -> "ShapedFont":
        return self

    def __deepcopy__(self, memo: dict) -> "ShapedFont":
        return self

    def __reduce__(self) -> tuple:
        arguments = (
            self.data,
            self.height,
            self.size,
            self.baseline,
            self.threshold,
            self.font_index,
            self.name,
        )
        return type(self), arguments


def shape_outline(
    font: ShapedFont, text: str, is_right_to_left: bool, size: float
) -> tuple[float, float] | None:
    """Measure a word without drawing it.

    Args:
        font: The font.
        text: In logical order.
        is_right_to_left: Its direction.
        size: Pixels per em.

    Returns:
        Pixels from the baseline to the highest and to the lowest point of its outlines; None if a glyph is missing.

    Raises:
        ShapingNotInstalledError: without HarfBuzz.
    """
    handle, _ = font._handle(size)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if is_right_to_left else "ltr"
    uharfbuzz.shape(handle, buffer)
    above = below = 0.0
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        if info.codepoint == 0:
            return None
        extents = handle.get_glyph_extents(info.codepoint)
        if extents is not None and extents.height:
            top = (position.y_offset + extents.y_bearing) / 64
            above, below = max(above, top), max(below, -(top + extents.height / 64))
    return above, below


def _is_ignorable(char: str) -> bool:
    return (
        char in "\u200c\u200d\u034f\u2060"
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
    )


__all__ = ["SMALLEST_SIZE", "ShapedFont", "ShapingNotInstalledError", "shape_outline", "shaping_engine"]
