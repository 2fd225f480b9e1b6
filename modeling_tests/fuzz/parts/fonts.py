# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fonts that are damaged, or made to take all time or memory."""

import functools
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.chains import COLORS, LAYERS
from fuzz.damage import png
from fuzz.fontfile import (
    composite,
    doubling,
    groups,
    outlines,
    polygon,
    read_tables,
    sbix,
    segments,
    square,
    with_tables,
    write_font,
)
from fuzz.texts import any_text, odd_number
from tools.unicode import sample_font

from pixel_ar import (
    GlyphAtlas,
    MissingGlyphError,
    ShapedFont,
    StripReader,
    StripRenderer,
    UnsupportedScriptError,
    fit_font,
    limits,
)

ERRORS = (MissingGlyphError, UnsupportedScriptError, ValueError, OSError)
_BASES = ("Arabic", "Devanagari", "Khmer")
_ALL = 0x10FFFF


def _wild(units: int) -> bytes:
    points = [(-32768, -32768), (32767, 32767), (-32768, 32767), (32767, -32768)] * 8
    return outlines([b"", polygon(points)], units)


def _scattered(count: int) -> list[tuple[int, int]]:
    return [((i * 7919) % 1000, (i * 104729) % 1000) for i in range(count)]


def _many_points(cmap: bytes | None = None) -> bytes:
    font = outlines([b"", polygon(_scattered(30_000))])
    return font if cmap is None else write_font(read_tables(font) | {b"cmap": cmap})


def _bitmap(width: int, height: int, pixels_per_em: int = 64) -> bytes:
    tables = read_tables(COLORS.read_bytes())
    count = struct.unpack_from(">H", tables[b"maxp"], 4)[0]
    return write_font(tables | {b"sbix": sbix([png(width, height, "RGBA")] * count, pixels_per_em)})


def _head(units: int) -> bytes:
    tables = read_tables(sample_font("Arabic").read_bytes())
    head = tables[b"head"]
    return write_font(tables | {b"head": head[:18] + struct.pack(">H", units) + head[20:]})


def _collection(count: int) -> bytes:
    return b"ttcf" + struct.pack(">II", 0x10000, count) + struct.pack(">I", 12) * min(count, 1000)


ATTACKS: tuple[tuple[str, Callable[[], bytes]], ...] = (
    (
        "2,000 cmap groups of all characters",
        lambda: with_tables(sample_font("Arabic"), cmap=groups([(0, _ALL, 1)] * 2000)),
    ),
    ("one cmap group of all characters", lambda: outlines_with(groups([(0, _ALL, 1)]))),
    ("one cmap group of all characters, one glyph", lambda: outlines_with(groups([(0, _ALL, 1)], 13))),
    (
        "cmap groups beyond the end",
        lambda: outlines_with(groups([(0, 10, 1)])[:20] + struct.pack(">I", 2**31)),
    ),
    ("1,000 segments of the whole plane", lambda: outlines_with(segments([(0, 0xFFFE, 1)] * 1000))),
    ("segments that go backwards", lambda: outlines_with(segments([(0xFFF0, 0x10, 1), (0x41, 0x40, 1)]))),
    *((f"{levels} doubling composites", functools.partial(doubling, levels)) for levels in (16, 24, 40, 200)),
    ("a glyph that is part of itself", lambda: outlines([b"", square(500), composite([2, 2])])),
    ("a glyph of 10,000 parts", lambda: outlines([b"", square(500), composite([1] * 10_000, 3)])),
    *(
        (f"wild points at {units} units per em", functools.partial(_wild, units))
        for units in (16, 64, 1000, 16384)
    ),
    ("a glyph of 30,000 points", _many_points),
    (
        "300,000 characters of one glyph of 30,000 points",
        lambda: _many_points(groups([(0x20, 0x49000, 1)], 13)),
    ),
    (
        "4,000 parts of 2,000 points",
        lambda: outlines([b"", polygon(_scattered(2000)), composite([1] * 4000)]),
    ),
    *((f"{units} units per em", functools.partial(_head, units)) for units in (0, 1, 15, 16384, 65535)),
    ("a PNG of 9,000 x 9,000", lambda: _bitmap(9000, 9000)),
    ("a PNG of 30,000 x 1", lambda: _bitmap(30_000, 1)),
    ("a PNG of 20,000 x 20,000", lambda: _bitmap(20_000, 20_000)),
    ("a PNG of 2,000 x 2,000 at one pixel per em", lambda: _bitmap(2000, 2000, 1)),
    ("a collection of four billion fonts", lambda: _collection(2**32 - 1)),
    ("65,535 tables", lambda: b"\0\1\0\0\xff\xff" + bytes(200)),
    ("nothing", lambda: b""),
    ("text", lambda: b"This is no font. " * 100),
)
_WAYS = ("from_font", "ShapedFont", "render", "read", "fit_font")


def outlines_with(table: bytes) -> bytes:
    """The small font with another cmap."""
    return write_font(read_tables(outlines([b"", square(500)])) | {b"cmap": table})


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(ATTACKS) * len(_WAYS):
        (title, build), way = ATTACKS[number // len(_WAYS)], _WAYS[number % len(_WAYS)]
        font = build()
        # The letters that lead to the attack, and what the font itself says it has.
        text = "A" if way in ("render", "read") else None
        run = functools.partial(_use, way, font, text or "A", None)
        return Case(f"{way}: {title}, {len(font)} bytes", run, ERRORS, seconds=10, memory=512 * MEBIBYTE)
    font, title = _damaged(rng)
    way = rng.choice(_WAYS)
    text = any_text(rng, 6) if rng.random() < 0.5 else rng.choice(("سلام", "नमस्ते", "ខ្មែរ", "abc", "😀", "A"))
    settings = None
    if rng.random() < 0.15:
        settings = {rng.choice(("size", "height", "baseline", "threshold", "index", "name")): odd_number(rng)}
    title = f"{way}({settings or ''}) of {title}, text {text!r:.60}"
    errors = (*ERRORS, TypeError) if settings else ERRORS
    if rng.random() < 0.2:
        path = folder / "font.ttf"
        path.write_bytes(font)
        return Case(
            title,
            functools.partial(_use, way, path, text, settings),
            errors,
            () if settings else ("font",),
            10,
            512 * MEBIBYTE,
        )
    return Case(
        title, functools.partial(_use, way, font, text, settings), errors, seconds=10, memory=512 * MEBIBYTE
    )


def _damaged(rng: Random) -> tuple[bytes, str]:
    name = rng.choice((*_BASES, "colors", "layers"))
    font = {"colors": COLORS, "layers": LAYERS}.get(name) or sample_font(name)
    data = font.read_bytes()
    kind = rng.random()
    if kind < 0.2:
        place = rng.randrange(len(data))
        return data[:place], f"{name} cut after {place} bytes"
    tables = read_tables(data)
    tag = rng.choice(sorted(tables))
    table = bytearray(tables[tag])
    if kind < 0.6 and table:
        for _ in range(rng.choice((1, 2, 8))):
            # The beginning of a table is where its counts and offsets are.
            place = rng.randrange(min(len(table), rng.choice((16, 64, len(table)))))
            table[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        tables[tag] = bytes(table)
        return write_font(tables), f"{name} with bytes of {tag.decode()} changed"
    if kind < 0.75:
        del tables[tag]
        return write_font(tables), f"{name} without {tag.decode()}"
    if kind < 0.85:
        tables[tag] = bytes(table[: rng.randrange(len(table) + 1)])
        return write_font(tables), f"{name} with {tag.decode()} cut"
    if kind < 0.95:
        other = rng.choice(sorted(tables))
        tables[tag], tables[other] = tables[other], tables[tag]
        return write_font(tables), f"{name} with {tag.decode()} and {other.decode()} exchanged"
    return rng.randbytes(rng.choice((1, 12, 500))), "random bytes"


def _use(way: str, font: "bytes | Path", text: str, settings: dict[str, Any] | None) -> None:
    given: dict[str, Any] = settings or {}
    limits.MAX_FONT_SECONDS = 4.0
    if way == "from_font":
        arguments: dict[str, Any] = {"size": 12, "height": 16, "overflow": "cut", **given}
        arguments.pop("index", None)
        atlas = GlyphAtlas.from_font(font, **arguments)
        expect(len(atlas) > 0, "an atlas of nothing")
        return
    if way == "fit_font":
        fit_font(
            font,
            [text],
            **{"height": 16, **{key: value for key, value in given.items() if key in ("height", "index")}},
        )
        return
    shaped = ShapedFont(font, **{"height": 16, **given})
    if way == "ShapedFont":
        for is_right_to_left in (False, True):
            cell = shaped.draw(text, is_right_to_left)
            expect(cell is None or len(cell) % (shaped.height // 8) == 0, "no whole columns")
            shaped.draw_levels(text, is_right_to_left)
        return
    renderer = StripRenderer([shaped], missing="hexbox", unsupported="cells")
    strip = renderer.render(text)
    expect(strip.to_array().shape == (shaped.height, strip.num_columns), "a strip of another shape")
    if way == "read":
        StripReader([shaped], renderer=renderer).read(strip)


PART = Part("fonts", make, len(ATTACKS) * len(_WAYS), share=6, batch=100)
__all__ = ["PART"]
