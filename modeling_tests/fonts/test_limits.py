# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Small files that ask for much, and damaged ones: refused before anything is made of what they declare.

Each is opened in a process with a limit of memory and time, so that a file that gets through ends the test, not the
machine.
"""

import io
import json
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from tools.unicode import FOLDER, sample_font

from pixel_ar import limits
from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.sfnt import check_font
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

HEAD = struct.pack(">IIIIHH16x4hHHhhh", 0x10000, 0, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 9, 9, 0, 8, 2, 1, 0)
UNITS = slice(18, 20)


def build_font(tables: dict[bytes, bytes]) -> bytes:
    """A font file of tables, with their checksums."""
    directory, body, start = b"", b"", 12 + 16 * len(tables)
    for tag, table in sorted(tables.items()):
        summed = table[:8] + bytes(4) + table[12:] if tag == b"head" else table
        words = struct.unpack(f">{-(-len(summed) // 4)}I", summed + bytes(-len(summed) % 4))
        directory += struct.pack(">4sIII", tag, sum(words) & 0xFFFFFFFF, start + len(body), len(table))
        body += table + bytes(-len(table) % 4)
    return struct.pack(">4sHHHH", b"\0\1\0\0", len(tables), 0, 0, 0) + directory + body


def tables_of(data: bytes) -> dict[bytes, bytes]:
    """The tables of a font file."""
    entries = [
        struct.unpack_from(">4sIII", data, 12 + 16 * i) for i in range(int.from_bytes(data[4:6], "big"))
    ]
    return {tag: data[offset : offset + length] for tag, _, offset, length in entries}


def font_of_glyphs(glyphs: list[bytes], cmap: bytes, units: int = 1000) -> bytes:
    """A font of outlines, all 500 units wide."""
    glyphs = [glyph + bytes(-len(glyph) % 4) for glyph in glyphs]
    offsets = np.cumsum([0, *map(len, glyphs)]).astype(">u4").tobytes()
    head = bytearray(HEAD)
    head[UNITS] = units.to_bytes(2, "big")
    return build_font(
        {
            b"cmap": struct.pack(">HHHHI", 0, 1, 3, 10, 12) + cmap,
            b"glyf": b"".join(glyphs),
            b"head": bytes(head),
            b"hhea": struct.pack(">Ihhh24xH", 0x10000, 800, -200, 0, 1),
            b"hmtx": struct.pack(">Hh", 500, 0) + bytes(2 * (len(glyphs) - 1)),
            b"loca": offsets,
            b"maxp": struct.pack(">IH26x", 0x10000, len(glyphs)),
        }
    )


def groups(kind: int, *entries: tuple[int, int, int]) -> bytes:
    flat = [number for entry in entries for number in entry]
    return struct.pack(f">HHIII{len(flat)}I", kind, 0, 16 + 4 * len(flat), 0, len(entries), *flat)


def square(side: int) -> bytes:
    """A glyph with one square outline, its corner at the origin."""
    points = struct.pack(">4h", 0, 0, side, 0) + struct.pack(">4h", 0, side, 0, -side)
    flags = bytes([1, 1, 1, 1])
    return struct.pack(">5hHH", 1, 0, 0, side, side, 3, 0) + flags + points


def twice(glyph: int) -> bytes:
    """A glyph made of another one, two times."""
    return struct.pack(">5h", -1, 0, 0, 9, 9) + struct.pack(">HHbbHHbb", 0x22, glyph, 0, 0, 2, glyph, 1, 1)


def comb(count: int) -> bytes:
    """A glyph with one outline of so many points."""
    points = bytes(2) + struct.pack(">h", 9) * (count - 1) + bytes(2) + struct.pack(">h", 9) * (count - 1)
    return struct.pack(">5hHH", 1, 0, 0, 9 * count, 9 * count, count - 1, 0) + bytes([1]) * count + points


def many_times(glyph: int, count: int) -> bytes:
    """A glyph made of another one, so many times."""
    parts = [struct.pack(">HHbb", 0x22 if left else 2, glyph, 1, 1) for left in range(count)[::-1]]
    return struct.pack(">5h", -1, 0, 0, 9, 9) + b"".join(parts)


ONE_LETTER = groups(12, (0x41, 0x41, 1))
ATTACKS = {
    "doubling": font_of_glyphs([b"", square(9), *map(twice, range(1, 31))], groups(12, (0x41, 0x41, 31))),
    "of itself": font_of_glyphs([b"", twice(1)], ONE_LETTER),
    "wild points": font_of_glyphs([b"", square(32767)], ONE_LETTER, units=16),
    "many points": font_of_glyphs([b"", comb(300), many_times(1, 500)], groups(12, (0x41, 0x41, 2))),
    "cut off": sample_font("Khmer").read_bytes()[: 33080 * 6 // 10],
    "no font": b"OTTO" + bytes(300),
    "endless map": build_font(
        {
            **tables_of(font_of_glyphs([b"", square(9)], ONE_LETTER)),
            b"cmap": struct.pack(">HHHHI", 0, 1, 3, 10, 12) + groups(12, *[(0, 0x10FFFF, 1)] * 2000),
        }
    ),
}


def run_limited(code: str, seconds: int = 60, megabytes: int = 1500) -> str:
    """What a script prints that may use so much memory and time."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)\n"
    script = limit + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", ATTACKS)
def test_fonts_that_never_load(name: str, tmp_path: Path) -> None:
    """A documented error or a drawing, from an atlas and from a shaped font, in bounded time and memory."""
    path = tmp_path / "font.ttf"
    path.write_bytes(ATTACKS[name])
    printed = run_limited(
        f"""
        import sys, types
        package = types.ModuleType("pixel_ar")  # without PyTorch, which takes more memory than the limit
        package.__path__ = [{str(Path(__file__).parents[2] / "src" / "pixel_ar")!r}]
        sys.modules["pixel_ar"] = package
        from pixel_ar.fonts.atlas import GlyphAtlas
        from pixel_ar.rendering.renderer import StripRenderer
        from pixel_ar.reading.reader import StripReader
        def shaped():
            renderer = StripRenderer([{str(path)!r}], missing="hexbox")
            StripReader(renderer.atlases, renderer=renderer).read(renderer.render("A"))
        for make in (lambda: GlyphAtlas.from_font({str(path)!r}, 16, 16, overflow="cut"), shaped):
            try:
                make()
                print("drawn")
            except ValueError as error:
                print("refused:", error)
        """
    )
    first, second = printed.splitlines()
    if name != "endless map":
        assert first.startswith("refused") and second.startswith("refused")


def test_time_for_a_font_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing all characters stops when the processor time is gone, wherever they are drawn."""
    path = sample_font("Khmer")
    font = ShapedFont(path)
    renderer = StripRenderer([font], missing="hexbox")
    monkeypatch.setattr(limits, "MAX_FONT_SECONDS", 0.0)
    with pytest.raises(
        ValueError, match=r"more than 0 seconds of processor time .* give `characters` to draw fewer"
    ):
        GlyphAtlas.from_font(path, 12, 16, overflow="cut")
    with pytest.raises(ValueError, match="more than 0 seconds of processor time"):
        list(font.glyphs(font.code_points))
    with pytest.raises(ValueError, match="more than 0 seconds of processor time"):
        StripReader([font], renderer=renderer).read(renderer.render("\u1780"))
    monkeypatch.undo()
    assert len(list(font.glyphs(font.code_points))) > 10


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"height": []}, TypeError, "height must be a number, got list"),
        ({"baseline": [1]}, TypeError, "baseline must be a number, got list"),
        ({"baseline": 0.5}, ValueError, "baseline must be a whole number, got 0.5"),
        ({"height": 10**31}, ValueError, "height: over 2"),
        ({"size": ""}, TypeError, "size must be a number, got str"),
        ({"size": float("inf")}, ValueError, "size must be a finite number"),
        ({"threshold": None}, TypeError, "threshold must be a number, got NoneType"),
    ],
)
def test_settings_of_another_kind_are_named(settings: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ShapedFont(sample_font("Khmer"), **settings)
    with pytest.raises(error, match=message):
        GlyphAtlas.from_font(sample_font("Khmer"), **{"size": 12, "height": 16, **settings})
    for index, its_error in ((float("nan"), ValueError), (None, TypeError), (float("-inf"), ValueError)):
        with pytest.raises(its_error, match="index must be a "):
            ShapedFont(sample_font("Khmer"), index=index)


def test_every_way_to_cut_a_font_is_noticed() -> None:
    data = sample_font("Devanagari").read_bytes()
    check_font(data)
    for share in range(1, 100):
        with pytest.raises(ValueError, match="not a readable"):
            check_font(data[: len(data) * share // 100])
        with pytest.raises(ValueError, match="not a readable"):
            ShapedFont(data[: len(data) * share // 100])


def test_changed_tables_are_noticed() -> None:
    data = sample_font("Devanagari").read_bytes()
    for number in range(int.from_bytes(data[4:6], "big")):
        tag, _, offset, length = struct.unpack_from(">4sIII", data, 12 + 16 * number)
        place = offset + length // 2
        changed = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        if tag in (b"glyf", b"GSUB", b"cmap", b"loca"):
            with pytest.raises(ValueError, match=f"checksums.*{tag.decode()}"):
                ShapedFont(changed)
        elif tag in (b"name", b"post"):
            with pytest.warns(UserWarning, match=f"checksums.*{tag.decode()}"):
                ShapedFont(changed)


# ---- bitmaps ----


def test_a_bitmap_in_a_font_is_measured_before_it_is_inflated() -> None:
    """A PNG of 9000 by 9000 pixels in a font of some kilobytes."""
    data = (FOLDER / "colors-bitmaps.ttf").read_bytes()
    tables = tables_of(data)
    start = tables[b"sbix"].index(b"\x89PNG")
    # The header of a small picture says that it is a large one.
    header = b"IHDR" + struct.pack(">IIBBBBB", 9000, 9000, 8, 6, 0, 0, 0)
    header += zlib.crc32(header).to_bytes(4, "big")
    place = start + tables[b"sbix"][start:].index(b"IHDR")
    large = tables[b"sbix"][:place] + header + tables[b"sbix"][place + len(header) :]
    font = ShapedFont(build_font({**tables, b"sbix": large}))
    refused = 0
    for code in font.code_points.tolist():
        try:
            font.draw(chr(code), False)
        except ValueError as error:
            refused += "more than the limit" in str(error)
    assert refused == 1


# ---- atlases ----


def write_atlas(path: Path, sizes: dict[str, int], shape: tuple[int, ...] | None = None) -> None:
    """An atlas whose arrays of zeros are so large, or say that they are."""
    metadata = {"format": "pixel_ar glyph atlas 1", "name": "a", "height": 16, "license": "", "source": ""}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
        for name, count in {"metadata": len(text), **sizes}.items():
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "|u1", "fortran_order": False, "shape": shape or (count,)}
            )
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(header.getvalue())
                if name == "metadata":
                    member.write(text.tobytes())
                for _ in range(count >> 20):
                    member.write(bytes(1 << 20))


def test_arrays_are_measured_before_they_are_inflated(tmp_path: Path) -> None:
    path = tmp_path / "atlas.npz"
    write_atlas(path, {"columns": 1 << 20})
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("columns.npy").file_size
    # What is declared is all that counts: no gigabyte is written to find that out.
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (2 << 30).to_bytes(4, "little")))
    printed = run_limited(
        f"""
        import sys, types
        package = types.ModuleType("pixel_ar")
        package.__path__ = [{str(Path(__file__).parents[2] / "src" / "pixel_ar")!r}]
        sys.modules["pixel_ar"] = package
        from pixel_ar.fonts.atlas import GlyphAtlas
        try:
            GlyphAtlas.load({str(path)!r})
        except ValueError as error:
            print(error)
        """,
        megabytes=500,
    )
    assert "bytes inflated: 2,147," in printed and "more than the limit" in printed


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 20, 1 << 20), (-1,), (1 << 62, 4)])
def test_headers_that_promise_more_than_there_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "atlas.npz"
    write_atlas(path, {"columns": 1 << 20}, shape)
    with pytest.raises(ValueError, match="damaged"):
        GlyphAtlas.load(path)


def test_damaged_atlases_are_one_kind_of_error(tmp_path: Path) -> None:
    """Every byte of the directory and some of the rest, changed or cut off."""
    source, path = tmp_path / "source.npz", tmp_path / "atlas.npz"
    GlyphAtlas.load("fixed-5x8").save(source)
    data = source.read_bytes()
    rng = np.random.default_rng(0)
    places = [*range(len(data) - 500, len(data)), *range(120), *rng.integers(0, len(data), 200).tolist()]
    for place in places:
        changed = data[:place] + bytes([data[place] ^ int(rng.integers(1, 256))]) + data[place + 1 :]
        for damaged in (changed, data[:place]):
            path.write_bytes(damaged)
            try:
                atlas = GlyphAtlas.load(path)
            except ValueError as error:
                assert "atlas.npz" in str(error)
            else:
                assert atlas == GlyphAtlas.load("fixed-5x8")
