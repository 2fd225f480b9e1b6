# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Outline fonts whose text is shaped: conjuncts, joined letters, stacked marks, emoji sequences.

HarfBuzz (package `uharfbuzz`) shapes and rasterises one cluster or word at a time; the result is cut at a coverage
threshold to 1 bit, or keeps its levels and colours ([`ShapedFont.draw_levels`]). A cluster is as wide as its advance,
or as its ink where that is more, so that clusters are joined like the glyphs of an atlas. One that reaches above or
below the strip is moved by as many rows as it takes, one that is higher than the strip is drawn smaller: no ink is ever
lost.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import replacing
from ..limits import MAX_EMS, MAX_HEIGHT, TimeBudget, check_limit, read_limited, require_numbers
from ..text.invisible import OPTIONAL_IN_FONTS
from ..text.properties import category
from .color import has_colors, paint_glyphs
from .cutting import ShapedText
from .placing import paste, place_ink
from .sfnt import ShapingNotInstalledError, check_font, face_of, read_character_map, read_line_height
from .source import GlyphSource

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
# As of `str.isprintable`.
_NOT_PRINTABLE = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
_OPTIONAL = re.compile(f"[{OPTIONAL_IN_FONTS}]")


def shaping_engine() -> str:
    """Name HarfBuzz and its version, or say that it is missing."""
    if uharfbuzz is None:
        return "no HarfBuzz"
    return f"HarfBuzz {uharfbuzz.version_string()}"


@dataclass(frozen=True)
class _Drawing:
    """A cluster drawn at one size; rows and columns count from the baseline and the pen.

    Attributes:
        ink: bool `[rows, columns]`, without blank edges.
        top: rows of `ink` above the baseline.
        left: first column of `ink`.
        advance: columns to the next pen position.
        coverage: uint8 `[rows, columns]`, what the ink was cut from.
        origin: as `top` and `left`, of `coverage`.
        rgba: uint8 `[rows, columns, 4]` beside `coverage`; None without colour.
    """

    ink: np.ndarray
    top: int
    left: int
    advance: int
    coverage: np.ndarray
    origin: tuple[int, int]
    rgba: np.ndarray | None


class ShapedFont(GlyphSource):
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

    shapes_clusters = True

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
        require_numbers(True, height=height, threshold=threshold, index=index)
        require_numbers(True, baseline=0 if baseline is None else baseline)
        require_numbers(size=0 if size is None else size)
        if not 8 <= height <= MAX_HEIGHT or height % 8:
            raise ValueError(f"height must be a multiple of 8 from 8 to {MAX_HEIGHT}, got {height}")
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
            self.data = read_limited(font)
        else:
            raise FileNotFoundError(
                f"there is no font file {str(font)!r}; give the path of a .ttf or .otf file"
            )
        self.height, self.baseline, self.threshold = int(height), baseline, int(threshold)
        self.font_index = int(index)
        self.font_sha256 = hashlib.sha256(self.data).hexdigest()
        stem = f"font-{self.font_sha256[:12]}" if isinstance(font, bytes) else Path(font).stem
        stem += f"-{index}" if index else ""
        self.name = name or "".join(char if char.isalnum() or char in "-_." else "-" for char in stem)
        self.license, self.source = "", f"font file, sha256 {self.font_sha256}"
        check_font(self.data, self.font_index, font)
        self.size = self._usual_size() if size is None else float(size)
        self._handles: dict[float, Any] = {}
        self._is_measured: set[int] = set()
        settings = f"{self.size!r} {self.baseline} {self.threshold} {self.font_index} {self.height}"
        self.sha256 = hashlib.sha256(f"{self.font_sha256} {settings}".encode()).hexdigest()
        self.provenance = {
            "font_sha256": self.font_sha256,
            "size": self.size,
            "baseline": self.baseline,
        }
        # Nothing to list without HarfBuzz, which is asked for where the font is to draw something.
        codes = sorted(self._codes) if uharfbuzz is not None else []
        self.code_points = np.array(codes, np.uint32)

    def _usual_size(self) -> float:
        """Pixels per em at which the usual letters of the font fit, in quarters."""
        usual = self.height * _SIZE_SHARE
        line = read_line_height(self.data, self.font_index, self.name)
        if line is None or line * usual <= self.height * _LINE_SHARE:
            return usual
        return max(_SMALLEST, int(4 * self.height * _LINE_SHARE / line) / 4)

    @cached_property
    def _codes(self) -> frozenset[int]:
        # Asked for at first use: a chain whose other members draw a text needs no HarfBuzz for it.
        return frozenset(read_character_map(self.data, self.font_index, self.name))

    @property
    def has_levels(self) -> bool:
        """Whether glyphs have gray levels: always."""
        return True

    @property
    def cell_width(self) -> int | None:
        """None: clusters are as wide as they are."""
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make this font of its data, ready for JSON."""
        names = ("name", "height", "size", "baseline", "threshold")
        return {**{key: getattr(self, key) for key in names}, "index": self.font_index}

    def index(self, char: str) -> int:
        """Return the number that [`glyph`] takes for a character, or -1 if the font lacks it."""
        # Emoji fonts have digits for keycaps, which leave no ink alone.
        is_drawn = ord(char) in self._codes and not (char.isascii() and self.has_colors)
        return ord(char) if is_drawn else -1

    @cached_property
    def has_colors(self) -> bool:  # type: ignore[override]
        """Whether it has glyphs in colour; False without HarfBuzz."""
        return uharfbuzz is not None and has_colors(face_of(self.data, self.font_index, self.name))

    def glyphs(self, code_points: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Draw the printable ones of its characters; see [`GlyphSource.glyphs`]."""
        budget = TimeBudget(f"the {len(code_points)} characters of the font {self.name!r}")
        for code in code_points.tolist():
            budget.check()
            if category(chr(code)) not in _NOT_PRINTABLE or code == 0x20:
                yield code, self.glyph(code)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the font file."""
        with replacing(path) as file:
            file.write(self.data)

    def glyph(self, index: int) -> bytes:
        """Return the packed columns of a character drawn alone."""
        cell = self.draw(chr(index), False)
        return cell if cell is not None else b"\0" * (self.height // 8)

    def covers(self, cluster: str) -> bool:
        """Tell whether the font has every character of a cluster, joiners and selectors aside."""
        return all(ord(char) in self._codes for char in _OPTIONAL.sub("", cluster))

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
        drawing = self._draw(cluster, is_right_to_left)
        if drawing is None:
            return None
        cell, _, _ = self._cell(drawing)
        return np.packbits(cell, axis=0).T.tobytes()

    def draw_levels(
        self, cluster: str, is_right_to_left: bool
    ) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Draw one cluster or word with its gray levels, in the same cell as [`draw`].

        Returns:
            uint8 `[H, W]`, 255 = all ink, and uint8 `[H, W, 4]` (red, green, blue, opacity) or None for a cluster
            without colour; None if the font cannot draw it. A cluster too thin for the threshold is darkened.
        """
        drawing = self._draw(cluster, is_right_to_left)
        if drawing is None:
            return None
        cell, top, shift = self._cell(drawing)
        coverage = drawing.coverage
        strongest = int(coverage.max(initial=0))
        if 0 < strongest < self.threshold:
            coverage = (coverage * (255 / strongest)).astype(np.uint8)
        # Row of the cell where the first row of the coverage lies.
        place = top + drawing.top - drawing.origin[0], drawing.origin[1] + shift
        levels = paste(np.zeros(cell.shape, np.uint8), coverage, place)
        if drawing.rgba is None:
            return levels, None
        return levels, paste(np.zeros((*cell.shape, 4), np.uint8), drawing.rgba, place)

    def glyph_numbers(self, text: str, is_right_to_left: bool) -> tuple[int, ...]:
        """The glyphs of a text as [`shape`] tells them, and nothing else, in less time."""
        infos, _ = _shape(self._handle(self.size)[0], text, is_right_to_left)
        found = [info.codepoint for info in infos]
        return tuple(found[::-1] if is_right_to_left else found)

    def shape(self, text: str, is_right_to_left: bool) -> ShapedText:
        """Shape a text without drawing it.

        Args:
            text: In logical order.
            is_right_to_left: Its direction.

        Raises:
            ShapingNotInstalledError: without HarfBuzz.
        """
        infos, _ = _shape(self._handle(self.size)[0], text, is_right_to_left)
        order = infos[::-1] if is_right_to_left else infos
        unsafe = uharfbuzz.GlyphFlags.UNSAFE_TO_BREAK
        return ShapedText(
            tuple([info.codepoint for info in order]),
            tuple([info.cluster for info in order]),
            tuple([not info.flags & unsafe for info in order]),
        )

    def _draw(self, cluster: str, is_right_to_left: bool) -> _Drawing | None:
        """Draw a cluster at the largest size at which its ink fits into the strip."""
        if self.has_colors and (cluster.isascii() or "\ufe0e" in cluster):
            return None  # plain digits, or what asks to be drawn as text
        size = self.size
        while True:
            drawing = self._rasterise(cluster, is_right_to_left, size)
            if drawing is None or len(drawing.ink) <= self.height or size <= _SMALLEST:
                return drawing
            size = max(_SMALLEST, min(size - 0.5, size * self.height / len(drawing.ink)))

    def _cell(self, drawing: _Drawing) -> tuple[np.ndarray, int, int]:
        """Ink in its cell, uint8 `[H, W]`; the row of the ink's first row, and columns all is moved right."""
        ink = drawing.ink[: self.height]
        first = min(max(self.baseline - drawing.top, 0), self.height - len(ink))
        cell, shift = place_ink(ink, first, drawing.left, drawing.advance, self.height)
        return cell, first, shift

    def _rasterise(self, cluster: str, is_right_to_left: bool, size: float) -> _Drawing | None:
        """Shape and draw at one size; None if a glyph is missing."""
        font, raster = self._handle(size)
        infos, positions = _shape(font, cluster, is_right_to_left)
        if not infos or any(info.codepoint == 0 for info in infos):
            return None
        glyphs: list[tuple[int, float, float]] = []
        pen = 0
        self._check_reach(font, {info.codepoint for info in infos}, size)
        for info, position in zip(infos, positions, strict=True):
            glyphs.append((info.codepoint, (pen + position.x_offset) / 64, position.y_offset / 64))
            pen += position.x_advance
        advance = (pen + 32) // 64
        painting = paint_glyphs(font.face, font, glyphs) if self.has_colors else None
        if painting is not None:
            return self._cut(painting.darkness(), painting.top, painting.left, advance, painting.rgba)
        raster.reset()
        for glyph, x, y in glyphs:
            raster.transform = (1 / 64, 0, 0, 1 / 64, x, y)
            raster.draw_glyph(font, glyph)
        image = raster.render()
        extents = image.extents
        if not extents.width or not extents.height:
            return self._cut(np.zeros((0, 0), np.uint8), 0, 0, advance)
        rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)
        coverage = rows[::-1, : extents.width]
        return self._cut(coverage, extents.y_origin + extents.height, extents.x_origin, advance)

    def _check_reach(self, font: Any, glyphs: set[int], size: float) -> None:
        """Check that no glyph reaches so far that drawing it would take all memory."""
        for glyph in glyphs - self._is_measured:
            extents = font.get_glyph_extents(glyph)
            if extents is not None:
                sides = extents.x_bearing, extents.y_bearing
                ends = sides[0] + extents.width, sides[1] + extents.height
                reach = max(map(abs, (*sides, *ends))) / 64
                check_limit(
                    reach, MAX_EMS * size, f"pixels that glyph {glyph} of {self.name!r} reaches from the pen"
                )
            self._is_measured.add(glyph)

    def _cut(
        self, coverage: np.ndarray, top: int, left: int, advance: int, rgba: np.ndarray | None = None
    ) -> _Drawing:
        """Cut a coverage at the threshold."""
        # A cluster too thin for the threshold is cut at half its own strongest coverage: nothing vanishes.
        ink = coverage >= min(self.threshold, max(1, int(coverage.max(initial=0)) // 2))
        # Searching in bytes takes a fifth of the time of NumPy's functions for arrays as small as these.
        rows, columns = (np.logical_or.reduce(ink, axis=axis).tobytes() for axis in (1, 0))
        first_row, first_column = rows.find(1), columns.find(1)
        if first_row < 0:
            return _Drawing(np.zeros((0, 0), bool), 0, 0, advance, coverage, (top, left), rgba)
        box = ink[first_row : rows.rfind(1) + 1, first_column : columns.rfind(1) + 1]
        first = top - first_row, left + first_column
        return _Drawing(box, *first, advance, coverage, (top, left), rgba)

    def _handle(self, size: float) -> Any:
        if uharfbuzz is None:
            raise ShapingNotInstalledError(self.name)
        if size not in self._handles:
            if len(self._handles) > 16:
                self._handles.clear()
            font = uharfbuzz.Font(face_of(self.data, self.font_index, self.name))
            font.scale = (round(size * 64), round(size * 64))
            self._handles[size] = (font, uharfbuzz.RasterDraw())
        return self._handles[size]

    def __len__(self) -> int:
        return len(self._codes)

    def __repr__(self) -> str:
        return (
            f"ShapedFont({self.name!r}, height={self.height}, size={self.size:g}, baseline={self.baseline})"
        )

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
    above = below = 0.0
    for info, position in zip(*_shape(handle, text, is_right_to_left), strict=True):
        if info.codepoint == 0:
            return None
        extents = handle.get_glyph_extents(info.codepoint)
        if extents is not None and extents.height:
            top = (position.y_offset + extents.y_bearing) / 64
            above, below = max(above, top), max(below, -(top + extents.height / 64))
    return above, below


def _shape(handle: Any, text: str, is_right_to_left: bool) -> tuple[Any, Any]:
    """HarfBuzz's glyphs of a text from left to right, and their positions in 64ths of a pixel."""
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if is_right_to_left else "ltr"
    uharfbuzz.shape(handle, buffer)
    return buffer.glyph_infos, buffer.glyph_positions


__all__ = ["SMALLEST_SIZE", "ShapedFont", "shape_outline", "shaping_engine"]
