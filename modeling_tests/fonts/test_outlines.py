# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Atlases drawn from outline fonts: Aileron, which Pillow carries, and character maps made for the purpose."""

import copy
import hashlib
import json
import pickle
import struct
import unicodedata
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.sfnt import read_character_map
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

FONT = ImageFont.load_default(10).font_bytes
SIZE, HEIGHT = 40 / 3, 16
TEXT = "The quick brown fox (jumps), over 1234567890 lazy dogs? Yes!"


@pytest.fixture(scope="module")
def atlas() -> GlyphAtlas:
    return GlyphAtlas.from_font(FONT, SIZE, HEIGHT)


def pixels(atlas: GlyphAtlas, char: str) -> np.ndarray:
    packed = np.frombuffer(atlas.glyph(atlas.index(char)), np.uint8).reshape(-1, atlas.height // 8)
    return np.unpackbits(packed, axis=1).T


# ---- drawing ----


def test_covers_the_font(atlas: GlyphAtlas) -> None:
    drawn = {chr(code) for code in atlas.code_points.tolist()}
    assert set(map(chr, range(32, 127))) <= drawn
    assert drawn <= {chr(code) for code in read_character_map(FONT)}
    assert not any(unicodedata.category(char)[0] in "CM" for char in drawn)


def test_each_glyph_is_what_pillow_draws_alone(atlas: GlyphAtlas) -> None:
    font = ImageFont.truetype(BytesIO(FONT), SIZE, layout_engine=ImageFont.Layout.BASIC)
    baseline = atlas.provenance["baseline"]
    for code in atlas.code_points.tolist():
        canvas = Image.new("L", (40, HEIGHT))
        ImageDraw.Draw(canvas).text((8, baseline), chr(code), fill=255, font=font, anchor="ls")
        expected = np.asarray(canvas) > 127  # at this size no character is too thin for that
        columns = np.flatnonzero(expected.any(axis=0))
        glyph = pixels(atlas, chr(code))
        assert glyph.sum() == expected.sum(), chr(code)  # no ink is lost, none invented
        assert glyph.shape[1] >= int(font.getlength(chr(code)) + 0.5)
        if len(columns):
            inked = np.flatnonzero(glyph.any(axis=0))
            assert np.array_equal(
                glyph[:, inked[0] : inked[-1] + 1], expected[:, columns[0] : columns[-1] + 1]
            )
            # Columns before the ink are the font's own, unless the ink begins before the pen.
            assert inked[0] == max(columns[0] - 8, 0)


def test_a_strip_is_read_back(atlas: GlyphAtlas) -> None:
    strip = StripRenderer([atlas]).render(TEXT)
    assert StripReader([atlas]).read(strip).text == TEXT


def test_equal_input_gives_equal_bytes(atlas: GlyphAtlas, tmp_path: Path) -> None:
    path = tmp_path / "font.otf"
    path.write_bytes(FONT)
    atlas.save(tmp_path / "first.npz")
    GlyphAtlas.from_font(path, SIZE, HEIGHT).save(tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_provenance_is_recorded_saved_and_copied(atlas: GlyphAtlas, tmp_path: Path) -> None:
    facts = atlas.provenance
    assert facts["font"] == "Aileron Regular" and facts["font_sha256"] == hashlib.sha256(FONT).hexdigest()
    assert facts["size"] == SIZE and facts["threshold"] == 0.5 and facts["overflowing_characters"] == ""
    assert "Pillow" in facts["drawn_with"] and facts["font_sha256"] in atlas.source
    assert json.loads(json.dumps(facts)) == facts
    atlas.save(tmp_path / f"{atlas.name}.npz")
    for same in (
        GlyphAtlas.load(tmp_path / f"{atlas.name}.npz"),
        pickle.loads(pickle.dumps(atlas)),
        copy.deepcopy(atlas),
    ):
        assert same == atlas and same.provenance == facts
    assert GlyphAtlas.load("fixed-5x8").provenance == {}


def test_names(atlas: GlyphAtlas) -> None:
    assert atlas.name == "aileron-regular-13.33"
    assert GlyphAtlas.from_font(FONT, 8, 16, characters="a").name == "aileron-regular-8"
    named = GlyphAtlas.from_font(FONT, 8, 16, characters="a", name="mine", license="CC0")
    assert (named.name, named.license) == ("mine", "CC0")


def test_sizes_differ_in_fractions() -> None:
    hashes = {GlyphAtlas.from_font(FONT, size, 16).sha256 for size in (8, 80 / 72 * 8, 10)}
    assert len(hashes) == 3


def test_characters_baseline_and_threshold() -> None:
    some = GlyphAtlas.from_font(FONT, SIZE, HEIGHT, characters=["ab", "c a"])
    assert [chr(code) for code in some.code_points] == [" ", "a", "b", "c"]
    low, high = (GlyphAtlas.from_font(FONT, SIZE, HEIGHT, "x", baseline=rows) for rows in (15, 12))
    assert np.array_equal(pixels(low, "x")[3:], pixels(high, "x")[:-3])
    ink = [int(pixels(GlyphAtlas.from_font(FONT, SIZE, 16, "x", threshold=t), "x").sum()) for t in (0.1, 0.9)]
    assert ink[0] > ink[1]


# ---- ink beyond the strip ----


def test_overflow_is_an_error_that_names_the_characters() -> None:
    with pytest.raises(ValueError, match=r"6 of \d+ characters.*8 rows.*gjpqy\|.*overflow='drop'"):
        GlyphAtlas.from_font(FONT, 80 / 72 * 8, 8)


@pytest.mark.parametrize("overflow", ["cut", "drop"])
def test_overflow_can_be_cut_or_dropped(overflow: str) -> None:
    with pytest.warns(UserWarning, match=r"gjpqy\|.*(cut off|left out)"):
        atlas = GlyphAtlas.from_font(FONT, 80 / 72 * 8, 8, overflow=overflow)
    assert atlas.provenance["overflowing_characters"] == "gjpqy|"
    assert [char in atlas for char in "gjpqy|"] == [overflow == "cut"] * 6
    if overflow == "cut":
        higher = GlyphAtlas.from_font(FONT, 80 / 72 * 8, 16, baseline=atlas.provenance["baseline"])
        for char in "gjpqy|aT":
            assert np.array_equal(pixels(atlas, char), pixels(higher, char)[:8])


def test_letters_too_thin_for_the_threshold_do_not_vanish() -> None:
    atlas = GlyphAtlas.from_font(FONT, 4, 8)
    faint = atlas.provenance["faint_characters"]
    assert "-" in faint and "E" not in faint
    assert all(pixels(atlas, char).any() for char in faint)
    assert GlyphAtlas.from_font(FONT, SIZE, HEIGHT).provenance["faint_characters"] == ""


def test_ascii_decides_about_the_baseline() -> None:
    # In eight rows the strip can show the ascenders or the descenders; the ascenders hold more ink.
    with pytest.warns(UserWarning):
        assert GlyphAtlas.from_font(FONT, 80 / 72 * 8, 8, overflow="cut").provenance["baseline"] == 7


def test_ink_beyond_the_advance_widens_the_cell(atlas: GlyphAtlas) -> None:
    font = ImageFont.truetype(BytesIO(FONT), SIZE, layout_engine=ImageFont.Layout.BASIC)
    overhanging = [
        char
        for char in map(chr, atlas.code_points.tolist())
        if pixels(atlas, char).shape[1] > max(int(font.getlength(char) + 0.5), 1)
    ]
    assert overhanging, "the test needs a character that overhangs"
    for char in overhanging:
        glyph = pixels(atlas, char)
        assert glyph[:, 0].any() or glyph[:, -1].any()


# ---- bad input ----


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 0}, "size must lie between.*got 0"),
        ({"size": float("nan")}, "got nan"),
        ({"height": 12}, "multiple of 8, got 12"),
        ({"baseline": 17}, "0 to height=16.*got 17"),
        ({"threshold": 0}, "threshold must lie above 0.*got 0"),
        ({"overflow": "ignore"}, "'ignore'"),
        ({"characters": "a漢"}, r"no glyph for 1 of the characters: U\+6F22"),
        ({"characters": ""}, "no characters given"),
        ({"font": b"no font"}, "begins like no TrueType"),
        ({"font": FONT[:300]}, "not a readable"),
    ],
)
def test_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GlyphAtlas.from_font(**{"font": FONT, "size": SIZE, "height": HEIGHT, **kwargs})


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no font file.*missing\.ttf"):
        GlyphAtlas.from_font(tmp_path / "missing.ttf", SIZE, HEIGHT)


# ---- character maps ----


def build_font(tables: dict[bytes, bytes], cut: int | None = None) -> bytes:
    """A font file of tables, with their checksums."""
    directory, body, start = b"", b"", 12 + 16 * len(tables)
    for tag, table in sorted(tables.items()):
        summed = table[:8] + bytes(4) + table[12:] if tag == b"head" else table
        words = struct.unpack(f">{-(-len(summed) // 4)}I", summed + bytes(-len(summed) % 4))
        directory += struct.pack(">4sIII", tag, sum(words) & 0xFFFFFFFF, start + len(body), len(table))
        body += table + bytes(-len(table) % 4)
    return (struct.pack(">4sHHHH", b"\0\1\0\0", len(tables), 0, 0, 0) + directory + body)[:cut]


HEAD = struct.pack(">IIIIHH16x4hHHhhh", 0x10000, 0, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 9, 9, 0, 8, 2, 0, 0)


def font_with_map(table: bytes, platform: int = 3, encoding: int = 10) -> bytes:
    """A font of 65,535 empty glyphs with one character map."""
    cmap = struct.pack(">HHHHI", 0, 1, platform, encoding, 12) + table
    return build_font({b"cmap": cmap, b"head": HEAD, b"maxp": struct.pack(">IH26x", 0x10000, 0xFFFF)})


def segments(entries: list[tuple[int, int, int, int]], glyphs: list[int]) -> bytes:
    """A map of format 4 from (first, last, delta, range offset), which must end with U+FFFF."""
    firsts, lasts, deltas, skips = zip(*entries, strict=True)
    count = len(entries)
    words = [4, 0, 0, 2 * count, 0, 0, 0, *lasts, 0, *firsts, *deltas, *skips, *glyphs]
    return struct.pack(f">{len(words)}H", *words)


def groups(kind: int, entries: list[tuple[int, int, int]]) -> bytes:
    """A map of format 12 or 13 from (first, last, glyph)."""
    flat = [number for entry in entries for number in entry]
    return struct.pack(f">HHIII{len(flat)}I", kind, 0, 0, 0, len(entries), *flat)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # By difference: U+41 to U+43 are glyphs 65534, 65535 and 0, the placeholder.
        (segments([(0x41, 0x43, 65533 - 0x40, 0), (0xFFFF, 0xFFFF, 1, 0)], []), [0x41, 0x42]),
        # By list, two words after the segment's own entry; a listed 0 is the placeholder whatever the difference.
        (segments([(0x61, 0x63, 7, 4), (0xFFFF, 0xFFFF, 1, 0)], [5, 0, 6]), [0x61, 0x63]),
        (struct.pack(">HHHHHHHH", 6, 0, 0, 0x30, 3, 1, 0, 2), [0x30, 0x32]),
        (groups(12, [(0x41, 0x42, 3), (0x1F600, 0x1F601, 0)]), [0x41, 0x42, 0x1F601]),
        (groups(13, [(0x41, 0x42, 3), (0x50, 0x51, 0)]), [0x41, 0x42]),
    ],
)
def test_formats_of_character_maps(table: bytes, expected: list[int]) -> None:
    assert read_character_map(font_with_map(table)) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (font_with_map(groups(13, [(5, 0x10FFFF, 1)])), "not a readable"),
        (font_with_map(struct.pack(">HHIII", 12, 0, 0, 0, 9)), "no character map of Unicode"),
        (font_with_map(struct.pack(">H", 2)), "no character map of Unicode"),
        (font_with_map(groups(12, []), platform=1, encoding=0), "no character map of Unicode"),
        (b"wOF2" + bytes(40), "begins like no TrueType"),
        (b"", "not a readable"),
    ],
)
def test_bad_character_maps(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GlyphAtlas.from_font(data, SIZE, HEIGHT)


def test_a_font_without_simple_characters() -> None:
    table = groups(12, [(0, 31, 60), (0x5D0, 0x5EA, 1), (0xE000, 0xE010, 40)])
    with pytest.raises(ValueError, match=r"none of the font's 76 characters.*shaping"):
        GlyphAtlas.from_font(font_with_map(table), SIZE, HEIGHT)
