# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Font files (OpenType): checked before they are used, and asked for their characters and line height.

Engines that draw fonts are made for incomplete ones: of a file cut off in the middle they draw what is left, and leave
out or spoil the rest without a word. So each table must lie inside the file and have the checksum that the directory
records, and no glyph may refer to others in a way that takes for ever to draw.
"""

import os
import struct
import warnings
from typing import Any

import numpy as np

from ..limits import MAX_CHARACTERS, MAX_COMPONENTS, MAX_FILE_BYTES, MAX_POINTS, check_limit

try:
    import uharfbuzz
except ImportError:  # a checkpoint used where only its own files are: simple scripts need no HarfBuzz
    uharfbuzz = None  # type: ignore[assignment, unused-ignore]

_KINDS = (b"\0\1\0\0", b"OTTO", b"true")
# Tables that decide what is drawn for a text; others (names, metrics of lines) are edited by hand now and then.
_DRAWN = frozenset(
    (
        *(b"CBDT", b"CBLC", b"CFF ", b"CFF2", b"COLR", b"CPAL", b"GDEF", b"GPOS", b"GSUB", b"cmap", b"fvar"),
        *(b"glyf", b"gvar", b"hmtx", b"loca", b"maxp", b"sbix"),
    )
)
# Of a composite glyph (OpenType, table glyf): what its components carry besides their number.
_WORDS, _SCALE, _MORE, _XY_SCALE, _TWO_BY_TWO = 0x1, 0x8, 0x20, 0x40, 0x80


class ShapingNotInstalledError(ImportError):
    """A font is to be used, and HarfBuzz (package `uharfbuzz`) is not installed."""

    def __init__(self, font: str) -> None:
        self.font = font
        super().__init__(
            f"drawing with the font {font} needs HarfBuzz, which is not installed: pip install 'uharfbuzz>=0.54'. "
            "Scripts that a glyph atlas of the chain covers are drawn without it."
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.font,)


def check_font(data: bytes, index: int = 0, source: Any = None) -> None:
    """Check that a font file is whole.

    Args:
        data: Contents of a .ttf, .otf or .ttc file.
        index: Which font of a collection.
        source: The path that the contents came from, which errors name.

    Raises:
        ValueError: for data that are no font, a table beyond the end of the file, a table that decides what is drawn
            and has another checksum than the file records, or glyphs made of too many others.
    """
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    check_limit(len(data), MAX_FILE_BYTES, f"bytes of {path or 'a font'}")
    try:
        tables = _tables(data, index)
        missing = [tag for tag in (b"cmap", b"head", b"maxp") if tag not in tables]
        if missing:
            raise ValueError(f"it has no table {missing[0].decode()}")
        wrong = [tag for tag, (checksum, table) in tables.items() if _checksum(tag, table) != checksum]
        names = ", ".join(tag.decode("latin-1") for tag in wrong)
        if any(tag in _DRAWN for tag in wrong):
            raise ValueError(f"the checksums of these tables are not those that the file records: {names}")
        if wrong:
            warnings.warn(
                f"{path or 'a font'} has tables with other checksums than it records, so that it may be damaged: "
                f"{names}",
                UserWarning,
                stacklevel=3,
            )
        if b"glyf" in tables and b"loca" in tables:
            is_long = bool(struct.unpack_from(">h", tables[b"head"][1], 50)[0])
            _check_components(tables[b"glyf"][1], tables[b"loca"][1], is_long)
    except (ValueError, struct.error, IndexError) as error:
        raise ValueError(
            f"{path and f'{path} is '}not a readable .ttf or .otf font: {error}. Get the file again; fontTools can "
            "write one anew whose checksums alone are wrong."
        ) from error


def _tables(data: bytes, index: int) -> dict[bytes, tuple[int, bytes]]:
    """(checksum on record, content) of each table."""
    is_collection = data[:4] == b"ttcf"
    count = struct.unpack_from(">I", data, 8)[0] if is_collection else 1
    if not 0 <= index < count:
        raise ValueError(f"it holds {count} font(s), counted from 0, and there is no font {index}")
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if is_collection else 0
    if data[start : start + 4] not in _KINDS:
        raise ValueError("it begins like no TrueType or OpenType font")
    tables = {}
    for number in range(struct.unpack_from(">H", data, start + 4)[0]):
        tag, checksum, offset, length = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
        if offset + length > len(data):
            name = tag.decode("latin-1")
            raise ValueError(
                f"table {name!r} ends at byte {offset + length}, the file at {len(data)}: it is cut off"
            )
        tables[tag] = checksum, data[offset : offset + length]
    return tables


def _checksum(tag: bytes, table: bytes) -> int:
    """Sum of the words of a table; in `head`, of all but the sum over the whole file."""
    if tag == b"head":
        table = table[:8] + bytes(4) + table[12:]
    padded = table + bytes(-len(table) % 4)
    return int(np.frombuffer(padded, ">u4").sum(dtype=np.uint64)) & 0xFFFFFFFF


def _check_components(glyf: bytes, loca: bytes, is_long: bool) -> None:
    """Check that no glyph is made of itself or of too many others: twice the last one, thirty times over, is 2**30."""
    # The short form counts words.
    entries = np.frombuffer(loca[: len(loca) // 4 * 4], ">u4") if is_long else np.frombuffer(loca, ">u2")
    offsets = entries.astype(np.int64) * (1 if is_long else 2)
    if len(offsets) < 2:
        return
    if (offsets > len(glyf)).any() or (np.diff(offsets) < 0).any():
        raise ValueError("table 'loca' leads outside table 'glyf'")
    filled = np.flatnonzero(np.diff(offsets) >= 10)
    signs = np.frombuffer(glyf, np.int8)[offsets[filled]]
    parts = {glyph: _components(glyf, int(offsets[glyph])) for glyph in filled[signs < 0].tolist()}
    totals: dict[int, int] = {}
    points: dict[int, int] = {}
    for glyph in parts:
        stack = [(glyph, iter(parts[glyph]))]
        active = {glyph}
        while stack:
            current, rest = stack[-1]
            child = next((other for other in rest if other in parts and other not in totals), None)
            if child is None:
                totals[current] = sum(totals.get(other, 1) for other in parts[current])
                check_limit(totals[current], MAX_COMPONENTS, f"components of glyph {current}")
                points[current] = sum(
                    points[other] if other in points else _points(glyf, offsets, other)
                    for other in parts[current]
                )
                check_limit(points[current], MAX_POINTS, f"points of glyph {current}")
                active.discard(current)
                stack.pop()
            elif child in active:
                raise ValueError(f"glyph {child} is a component of itself")
            else:
                active.add(child)
                stack.append((child, iter(parts[child])))


def _points(glyf: bytes, offsets: np.ndarray, glyph: int) -> int:
    """How many points the outlines of a simple glyph have; 0 for one that is not there."""
    if not 0 <= glyph < len(offsets) - 1 or offsets[glyph + 1] - offsets[glyph] < 12:
        return 0
    place = int(offsets[glyph])
    (num_contours,) = struct.unpack_from(">h", glyf, place)
    # The last one that ends a contour.
    return 1 + int(struct.unpack_from(">H", glyf, place + 8 + 2 * num_contours)[0]) if num_contours > 0 else 0


def _components(glyf: bytes, offset: int) -> list[int]:
    """Numbers of the glyphs that a composite glyph is made of."""
    found: list[int] = []
    place, flags = offset + 10, _MORE
    while flags & _MORE:
        flags, glyph = struct.unpack_from(">HH", glyf, place)
        found.append(glyph)
        place += 4 + (4 if flags & _WORDS else 2)
        place += 2 * bool(flags & _SCALE) + 4 * bool(flags & _XY_SCALE) + 8 * bool(flags & _TWO_BY_TWO)
        check_limit(len(found), MAX_COMPONENTS, "components of a glyph")
    return found


def read_character_map(data: bytes, index: int = 0, name: str = "given") -> list[int]:
    """Return the code points that a font has a glyph for, ascending.

    Args:
        data: Contents of a .ttf, .otf or .ttc file.
        index: Which font of a collection.
        name: Of the font, for messages.

    Raises:
        ValueError: for a font without a character map of Unicode, or with too many characters.
        ShapingNotInstalledError: without HarfBuzz.
    """
    codes = face_of(data, index, name).unicodes
    check_limit(len(codes), MAX_CHARACTERS, "characters of a font")
    found = sorted(codes)
    if not found:
        raise ValueError("the font has no character map of Unicode that leads to a glyph (a symbol font?)")
    return found


def read_line_height(data: bytes, index: int = 0, name: str = "given") -> float | None:
    """Return the room above and below the baseline that a font asks for, in ems; None if it does not say.

    Raises:
        ShapingNotInstalledError: without HarfBuzz.
    """
    face = face_of(data, index, name)
    extents = uharfbuzz.Font(face).get_font_extents("ltr")
    line = extents.ascender - extents.descender
    return line / face.upem if face.glyph_count and line > 0 and face.upem else None


def face_of(data: bytes, index: int, name: str) -> Any:
    """Return HarfBuzz's face of a font.

    Raises:
        ShapingNotInstalledError: without HarfBuzz.
    """
    if uharfbuzz is None:
        raise ShapingNotInstalledError(name)
    return uharfbuzz.Face(data, index)


__all__ = ["ShapingNotInstalledError", "check_font", "face_of", "read_character_map", "read_line_height"]
