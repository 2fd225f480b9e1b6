# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Outline fonts to 1-bit or gray glyphs: the drawing behind `GlyphAtlas.from_font`.

Each character is drawn alone by Pillow with basic layout (never the engine Pillow picks, which depends on the machine's
libraries) and cut at a coverage threshold; gray glyphs keep the coverage as well. All characters stand on one baseline
and keep their own, whole advance.
Published pixel models were trained on strips that Pango and cairo drew antialiased, with kerning and shaping, from the
same fonts: near these glyphs, not equal to them.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features
from PIL import __version__ as pillow_version

from ..limits import (
    MAX_EMS,
    MAX_FILE_BYTES,
    MAX_GLYPH_PIXELS,
    MAX_HEIGHT,
    TimeBudget,
    check_limit,
    read_limited,
    require_numbers,
)
from ..text.characters import describe, drawable_mask
from ..text.properties import category
from .placing import paste, place_ink
from .sfnt import check_font, read_character_map

_NOT_DRAWN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_MAX_WIDTH = 255
_MARGIN = 2


@dataclass(frozen=True)
class FontDrawing:
    """The glyphs of a font at one size.

    Attributes:
        name: of the font and the size, fit for a file name.
        code_points: ascending, `[G]`.
        widths: `[G]`, columns of each glyph.
        columns: packed columns of all glyphs in turn, as an atlas holds them.
        provenance: what was drawn and how, ready for JSON.
        levels: coverage of every pixel, a byte each, column after column; empty where it was not asked for.
    """

    name: str
    code_points: list[int]
    widths: list[int]
    columns: bytes
    provenance: dict[str, Any]
    levels: bytes = b""


@dataclass(frozen=True)
class _Glyph:
    """A drawn character.

    Attributes:
        code: code point.
        ink: bool `[rows, columns]`, the smallest box around the ink.
        top: row of the box's first row, 0 being the first row below the baseline.
        left: column of the box's first column from the pen position.
        advance: columns to the next pen position.
        is_faint: whether it is too thin for the threshold, and cut at half its own strongest coverage instead.
        coverage: uint8 `[rows, columns]`, the canvas it was drawn on.
        origin: row and column of the canvas' first pixel, counted as `top` and `left`.
    """

    code: int
    ink: np.ndarray
    top: int
    left: int
    advance: int
    is_faint: bool = False
    coverage: np.ndarray | None = None
    origin: tuple[int, int] = (0, 0)


def draw_font(
    font: "str | os.PathLike[str] | bytes",
    size: float,
    height: int,
    characters: Iterable[str] | None,
    baseline: int | None,
    threshold: float,
    overflow: str,
    has_levels: bool = False,
) -> FontDrawing:
    """Draws the characters of a font; for the arguments see `GlyphAtlas.from_font`.

    Raises:
        ValueError: for a font that cannot be read, an argument out of range, a character the font lacks, or ink beyond
            the strip under `overflow="error"`.
        FileNotFoundError: for a path that leads to no file.
    """
    _check_arguments(size, height, baseline, threshold, overflow)
    data = font if isinstance(font, bytes) else _read_file(font)
    check_font(data, source=font)
    codes = _choose_codes(read_character_map(data), characters)
    try:
        face = ImageFont.truetype(BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ValueError(f"not a readable .ttf or .otf font: {error}") from error
    drawn = []
    budget = TimeBudget(f"the {len(codes)} characters of the font; give `characters` to draw fewer")
    for code in codes:
        drawn.append(_draw(face, code, threshold))
        budget.check()
    # A glyph without ink that is no kind of space is a placeholder.
    glyphs = [g for g in drawn if g.ink.size or category(chr(g.code)) == "Zs"]
    if not any(glyph.ink.size for glyph in glyphs):
        raise ValueError(
            f"none of the {len(codes)} characters leaves ink at size {size:g}; use a larger size."
        )
    if baseline is None:
        baseline = _best_baseline(glyphs, height, face.getmetrics())
    glyphs, lost = _treat_overflow(glyphs, height, baseline, overflow, size)
    cells = [_place(glyph, height, baseline) for glyph in glyphs]
    family, style = face.getname()
    provenance = {
        "font": " ".join(part for part in (family, style) if part),
        "font_sha256": hashlib.sha256(data).hexdigest(),
        "size": float(size),
        "baseline": baseline,
        "threshold": float(threshold),
        "overflow": overflow,
        "overflowing_characters": lost,
        "faint_characters": "".join(chr(glyph.code) for glyph in glyphs if glyph.is_faint),
        "drawn_with": f"Pillow {pillow_version}, FreeType {features.version('freetype2')}, basic layout",
    }
    return FontDrawing(
        _atlas_name(family, style, size),
        [glyph.code for glyph in glyphs],
        [cell.shape[1] for cell in cells],
        b"".join(np.packbits(cell, axis=0).T.tobytes() for cell in cells),
        provenance,
        b"".join(_place_levels(*pair, baseline) for pair in zip(glyphs, cells, strict=True))
        if has_levels
        else b"",
    )


def _check_arguments(size: float, height: int, baseline: int | None, threshold: float, overflow: str) -> None:
    require_numbers(True, height=height, baseline=0 if baseline is None else baseline)
    require_numbers(size=size, threshold=threshold)
    if not 1 <= size <= 512:
        raise ValueError(f"size must lie between 1 and 512 pixels per em, got {size}.")
    if height < 8 or height % 8:
        raise ValueError(f"height must be a positive multiple of 8, got {height}.")
    check_limit(height, MAX_HEIGHT, "height")
    if baseline is not None and not 0 <= baseline <= height:
        raise ValueError(
            f"baseline counts the rows above the baseline, 0 to height={height}, or is None; got {baseline}."
        )
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie above 0 and be at most 1, got {threshold}.")
    if overflow not in ("error", "cut", "drop"):
        raise ValueError(f"overflow must be 'error', 'cut' or 'drop', got {overflow!r}.")


def _read_file(path: "str | os.PathLike[str]") -> bytes:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no font file {str(path)!r}; give the path of a .ttf or .otf file.")
    return read_limited(path, MAX_FILE_BYTES)


def _choose_codes(available: list[int], characters: Iterable[str] | None) -> list[int]:
    """The code points to draw: all that stand alone, or those asked for."""
    if characters is not None:
        wanted = sorted({ord(char) for text in characters for char in text})
        missing = sorted(set(wanted) - set(available))
        if missing or not wanted:
            shown = ", ".join(describe(chr(code)) for code in missing[:5]) or "no characters given"
            raise ValueError(f"the font has no glyph for {len(missing)} of the characters: {shown}.")
        return wanted
    codes = np.array([c for c in available if category(chr(c)) not in _NOT_DRAWN], np.int64)
    simple = codes[drawable_mask(codes)].tolist() if len(codes) else []
    if not simple:
        raise ValueError(
            f"none of the font's {len(available)} characters can be drawn one glyph after another; all need shaping, "
            "or lie in private use."
        )
    return simple


def _draw(face: ImageFont.FreeTypeFont, code: int, threshold: float) -> _Glyph:
    char = chr(code)
    left, top, right, bottom = (int(value) for value in face.getbbox(char, anchor="ls"))
    reach = max(-left, right, -top, bottom)
    check_limit(reach, max(MAX_EMS * face.size, 64), f"pixels that {describe(char)} reaches from the pen")
    check_limit((right - left) * (bottom - top), MAX_GLYPH_PIXELS, f"pixels of {describe(char)}")
    canvas = Image.new("L", (right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN))
    ImageDraw.Draw(canvas).text((_MARGIN - left, _MARGIN - top), char, fill=255, font=face, anchor="ls")
    coverage = np.asarray(canvas)
    strongest = int(coverage.max(initial=0))
    is_faint = 0 < strongest < threshold * 255
    # A letter that is there but does not show would leave text that nobody can read back.
    ink = coverage >= (strongest / 2 if is_faint else threshold * 255)
    advance = int(face.getlength(char) + 0.5)
    if not ink.any():
        return _Glyph(code, np.zeros((0, 0), bool), 0, 0, advance)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if is_faint:
        # Darkened likewise, so that the levels show what the 1-bit glyph shows.
        coverage = (coverage * (255 / strongest)).astype(np.uint8)
    origin = top - _MARGIN, left - _MARGIN
    first = int(rows[0]) + origin[0], int(columns[0]) + origin[1]
    return _Glyph(code, box, *first, advance, is_faint, coverage, origin)


def _best_baseline(glyphs: list[_Glyph], height: int, metrics: tuple[int, int]) -> int:
    """The rows above the baseline that lose the least ink: first of ASCII, then of all characters.

    Between equals decides the place where the PIXEL family's renderer puts the line: in the middle, 1 row up in strips
    of fewer than 10 rows and 2 in higher ones.
    """
    inked = [glyph for glyph in glyphs if glyph.ink.size]
    above = np.array([-glyph.top for glyph in inked])
    below = np.array([glyph.top + len(glyph.ink) for glyph in inked])
    is_ascii = np.array([glyph.code < 128 for glyph in inked])
    ascent, descent = metrics
    usual = (height + ascent - descent) / 2 - (1 if height < 10 else 2)

    def loss(baseline: int) -> tuple[int, int, float]:
        lost = np.maximum(above - baseline, 0) + np.maximum(below - (height - baseline), 0)
        return int(lost[is_ascii].sum()), int(lost.sum()), abs(baseline - usual)

    return min(range(height + 1), key=loss)


def _treat_overflow(
    glyphs: list[_Glyph], height: int, baseline: int, overflow: str, size: float
) -> tuple[list[_Glyph], str]:
    """The glyphs to keep, and the characters whose ink leaves the strip, or that are wider than an atlas can hold."""

    def fits(glyph: _Glyph) -> bool:
        top = baseline + glyph.top
        return not glyph.ink.size or (top >= 0 and top + len(glyph.ink) <= height)

    lost = "".join(chr(glyph.code) for glyph in glyphs if not fits(glyph))
    if lost:
        rows = max(-glyph.top for glyph in glyphs), max(glyph.top + len(glyph.ink) for glyph in glyphs)
        problem = (
            f"{len(lost)} of {len(glyphs)} characters do not fit into {height} rows at size {size:g}, {baseline} of "
            f"them above the baseline (all would take {rows[0]} above and {rows[1]} below): {lost[:40]}"
            f"{' and more' if len(lost) > 40 else ''}. "
        )
        if overflow == "error":
            raise ValueError(
                f"{problem}Use a smaller size or more rows, or give `characters` that fit; or pass overflow='drop' to "
                "leave these out, or overflow='cut' to cut them off."
            )
        warnings.warn(
            f"{problem}They are {'cut off' if overflow == 'cut' else 'left out'}.", UserWarning, stacklevel=4
        )
    if overflow == "drop":
        glyphs = [glyph for glyph in glyphs if fits(glyph)]
        if not glyphs:
            raise ValueError(f"no character fits into {height} rows at size {size:g}; use a smaller size.")
    wide = "".join(chr(g.code) for g in glyphs if max(g.advance, g.left + g.ink.shape[1]) > _MAX_WIDTH)
    if wide:
        raise ValueError(
            f"these characters are wider than {_MAX_WIDTH} columns at size {size:g}: {wide[:40]}"
        )
    return glyphs, lost


def _place(glyph: _Glyph, height: int, baseline: int) -> np.ndarray:
    """The cell of a glyph, uint8 `[height, width]` with 1 = ink; ink beyond the advance on either side widens it."""
    cell, _ = place_ink(glyph.ink, baseline + glyph.top, glyph.left, max(glyph.advance, 1), height)
    if cell.all():
        # As in the bundled atlases: no text can look like an EOS patch.
        cell[0, 0] = 0
    return cell


def _place_levels(glyph: _Glyph, cell: np.ndarray, baseline: int) -> bytes:
    """The coverage of a glyph as bytes, in the cell that `_place` made; what lies beyond the cell is cut off."""
    levels = np.zeros(cell.shape, np.uint8)
    if glyph.coverage is not None:
        shift = max(-glyph.left, 0)
        paste(levels, glyph.coverage, (baseline + glyph.origin[0], glyph.origin[1] + shift))
    return levels.T.tobytes()


def _atlas_name(family: str | None, style: str | None, size: float) -> str:
    """Such as `pixeloid-sans-regular-8.89`, which is fit for a file name."""
    words = "".join(
        char if char.isascii() and char.isalnum() else " " for char in f"{family or ''} {style or ''}"
    )
    stem = "-".join(words.lower().split()) or "font"
    return f"{stem}-{round(size, 2):g}"


__all__ = ["FontDrawing", "draw_font"]
