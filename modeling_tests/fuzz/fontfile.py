# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Small fonts made by hand: the tables of a good one with some replaced by what no editor writes (OpenType 1.9)."""

import struct
from collections.abc import Sequence
from pathlib import Path


def read_tables(font: bytes) -> dict[bytes, bytes]:
    """The tables of a font file by their tags."""
    count = struct.unpack_from(">H", font, 4)[0]
    entries = [struct.unpack_from(">4sIII", font, 12 + 16 * number) for number in range(count)]
    return {tag: font[offset : offset + length] for tag, _, offset, length in entries}


def write_font(tables: dict[bytes, bytes]) -> bytes:
    """A font file of tables, with the checksums that belong to them: these are no protection from anyone."""
    place = 12 + 16 * len(tables)
    head = struct.pack(">IHHHH", 0x10000, len(tables), 0, 0, 0)
    body = b""
    for tag, data in sorted(tables.items()):
        head += struct.pack(">4sIII", tag, checksum(tag, data), place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    return head + body


def checksum(tag: bytes, table: bytes) -> int:
    """Sum of the words of a table; in `head`, without the sum over the whole file."""
    table = table[:8] + bytes(4) + table[12:] if tag == b"head" and len(table) >= 12 else table
    padded = table + bytes(-len(table) % 4)
    return sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF


def with_tables(font: Path, **tables: bytes) -> bytes:
    """A font with some of its tables replaced."""
    return write_font(
        read_tables(font.read_bytes()) | {tag.encode().ljust(4): data for tag, data in tables.items()}
    )


# ---- cmap ----


def cmap(kind: int, data: bytes) -> bytes:
    """A table of one Unicode character map."""
    return struct.pack(">HHHHI", 0, 1, 3, 1 if kind in (4, 6) else 10, 12) + data


def groups(ranges: Sequence[tuple[int, int, int]], kind: int = 12) -> bytes:
    """A cmap of (first, last, glyph) groups, format 12 (glyphs count up) or 13 (one glyph for all)."""
    body = b"".join(struct.pack(">III", *entry) for entry in ranges)
    return cmap(kind, struct.pack(">HHIII", kind, 0, 16 + len(body), 0, len(ranges)) + body)


def segments(ranges: Sequence[tuple[int, int, int]]) -> bytes:
    """A cmap of (first, last, delta) segments, format 4."""
    ends, starts, deltas = (
        struct.pack(f">{len(ranges)}H", *(entry[i] & 0xFFFF for entry in ranges)) for i in (1, 0, 2)
    )
    body = (
        struct.pack(">HHHHHHH", 4, 0, 0, 2 * len(ranges) & 0xFFFF, 0, 0, 0) + ends + b"\0\0" + starts + deltas
    )
    return cmap(4, body + bytes(2 * len(ranges)))


# ---- glyf ----


def outlines(glyphs: Sequence[bytes], units: int = 1000, font: Path | None = None) -> bytes:
    """A font of these glyphs, all as wide as an em; the letters from A on lead to glyph 1 and so on."""
    offsets, body = [0], b""
    for glyph in glyphs:
        body += glyph + bytes(-len(glyph) % 4)
        offsets.append(len(body))
    count = len(glyphs)
    head = struct.pack(
        ">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, units, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0
    )
    tables = {
        b"head": head,
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, units * 3 // 4, -units // 4, *[0] * 13, count),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, count, *[0xFFFF] * 13),
        b"hmtx": struct.pack(">Hh", units, 0) * count,
        b"loca": struct.pack(f">{count + 1}I", *offsets),
        b"glyf": body,
        b"cmap": groups([(0x41, 0x41 + count - 2, 1)]),
    }
    return write_font(tables)


def square(side: int) -> bytes:
    """A glyph of four points."""
    return polygon([(0, 0), (0, side), (side, side), (side, 0)])


def polygon(points: Sequence[tuple[int, int]]) -> bytes:
    """A glyph of one contour with straight sides; coordinates are 16-bit."""
    steps = [(x - a, y - b) for (x, y), (a, b) in zip(points, [(0, 0), *points[:-1]], strict=True)]
    head = struct.pack(">hhhhhHH", 1, *_bounds(points), len(points) - 1, 0)
    flags = bytes([1]) * len(points)
    xs = b"".join(struct.pack(">h", _wrapped(step[0])) for step in steps)
    ys = b"".join(struct.pack(">h", _wrapped(step[1])) for step in steps)
    return head + flags + xs + ys


def _wrapped(value: int) -> int:
    return (value + 0x8000) % 0x10000 - 0x8000


def _bounds(points: Sequence[tuple[int, int]]) -> tuple[int, int, int, int]:
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def composite(parts: Sequence[int], shift: int = 0) -> bytes:
    """A glyph put together of others."""
    head = struct.pack(">hhhhh", -1, 0, 0, 1000, 1000)
    body = b""
    for number, glyph in enumerate(parts):
        more = 0x20 if number + 1 < len(parts) else 0
        body += struct.pack(">HHhh", 0x3 | more, glyph, shift, shift)
    return head + body


def doubling(levels: int) -> bytes:
    """A font whose glyphs are two of the one before each: the last has two to the power of `levels` squares."""
    return outlines([b"", square(500), *(composite([level, level], 7) for level in range(1, levels + 1))])


# ---- sbix ----


def sbix(pngs: Sequence[bytes], pixels_per_em: int = 64) -> bytes:
    """A table of one bitmap for each glyph (Apple's `sbix`)."""
    offsets, body = [], b""
    start = 4 + 4 * (len(pngs) + 1)
    for data in pngs:
        offsets.append(start + len(body))
        body += struct.pack(">hh4s", 0, 0, b"png ") + data if data else b""
    offsets.append(start + len(body))
    strike = struct.pack(">HH", pixels_per_em, 72) + struct.pack(f">{len(offsets)}I", *offsets) + body
    return struct.pack(">HHII", 1, 1, 1, 12) + strike


__all__ = [
    "checksum",
    "composite",
    "doubling",
    "groups",
    "outlines",
    "polygon",
    "read_tables",
    "sbix",
    "segments",
    "square",
    "with_tables",
    "write_font",
]
