# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Chains of glyph atlases and user fonts: what may stand in one, who draws what, on which baseline, at which size."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont
from tools.unicode import declarations, sample_font

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.fitting import fit_font, ink_extents
from pixel_ar.fonts.sfnt import read_character_map, read_line_height
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.rendering.renderer import StripRenderer

LATIN = ImageFont.load_default(10).font_bytes
HINDI = sample_font("Devanagari")
KHMER = sample_font("Khmer")


def collection(*fonts: bytes) -> bytes:
    """A .ttc file: the fonts one after the other, with the places of their tables moved."""
    header = struct.pack(">4sII", b"ttcf", 0x10000, len(fonts))
    start = len(header) + 4 * len(fonts)
    places, parts = [], []
    for font in fonts:
        moved = bytearray(font)
        for number in range(struct.unpack_from(">H", font, 4)[0]):
            place = 12 + 16 * number + 8
            struct.pack_into(">I", moved, place, struct.unpack_from(">I", font, place)[0] + start)
        moved += bytes(-len(moved) % 4)
        places.append(start)
        parts.append(bytes(moved))
        start += len(moved)
    return header + struct.pack(f">{len(places)}I", *places) + b"".join(parts)


def rows_of(cell: bytes, height: int) -> np.ndarray:
    """bool `[H, W]`, True = ink."""
    return np.unpackbits(np.frombuffer(cell, np.uint8).reshape(-1, height // 8), axis=1).T.astype(bool)


# ---- what may stand in a chain ----


def test_paths_bytes_and_objects_draw_alike(tmp_path: Path) -> None:
    otf = tmp_path / "latin.OTF"
    otf.write_bytes(LATIN)
    text = "Hi सभी"
    drawn = StripRenderer([otf, HINDI]).render_bytes(text)
    for chain in (
        [str(otf), str(HINDI)],
        [LATIN, HINDI.read_bytes()],
        [ShapedFont(LATIN), ShapedFont(HINDI.read_bytes())],
    ):
        assert StripRenderer(chain).render_bytes(text) == drawn
    assert StripRenderer(otf).render_bytes("Hi") == StripRenderer(LATIN).render_bytes("Hi")


def test_each_font_of_a_collection(tmp_path: Path) -> None:
    data = collection(KHMER.read_bytes(), HINDI.read_bytes())
    path = tmp_path / "both.ttc"
    path.write_bytes(data)
    assert read_character_map(data) == read_character_map(KHMER.read_bytes())
    assert read_character_map(data, 1) == read_character_map(HINDI.read_bytes())
    first, second = ShapedFont(path), ShapedFont(path, index=1)
    assert (first.name, second.name) == ("both", "both-1") and first.sha256 != second.sha256
    assert "क" in second and "क" not in first and "ក" in first
    cluster = "ष्यों"
    assert second.draw(cluster, False) == ShapedFont(HINDI).draw(cluster, False)
    both = StripRenderer(["unifont-16", first, second])
    report = both.substitutions("a ខ្មែរ ष्यों")
    assert set(report) == {"both", "both-1"} and report["both-1"] == [cluster]
    with pytest.raises(ValueError, match=r"holds 2 font\(s\), counted from 0, and there is no font 2"):
        ShapedFont(path, index=2)
    with pytest.raises(ValueError, match=r"holds 1 font\(s\).*no font 1"):
        ShapedFont(HINDI, index=1)
    processor = PixelProcessor(("unifont-16", first, second), patch_size=(16, 16))
    processor.save_pretrained(tmp_path / "saved")
    loaded = PixelProcessor.from_pretrained(tmp_path / "saved")
    assert [getattr(font, "font_index", None) for font in loaded.renderer.atlases] == [None, 0, 1]
    assert loaded.renderer.fingerprint() == both.fingerprint()
    assert loaded.renderer.render_bytes("ខ្មែរ ष्यों") == both.render_bytes("ខ្មែរ ष्यों")


def test_members_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match=r"same height, got fixed-5x8 8, .* 16"):
        StripRenderer(["fixed-5x8", ShapedFont(HINDI)])
    # A font given as a file takes the height of the chain.
    assert {member.height for member in StripRenderer([LATIN, "fixed-5x8"]).atlases} == {8}
    with pytest.raises(ValueError, match="same name"):
        PixelProcessor(("unifont-16", ShapedFont(HINDI), ShapedFont(HINDI, size=11)), patch_size=(16, 16))


# ---- who draws what ----


def test_fallback_is_by_cluster_in_the_order_of_the_chain() -> None:
    unifont = GlyphAtlas.load("unifont-16")
    plain = unifont.index("x")
    own = GlyphAtlas("mine", 16, [ord("x")], [8], np.frombuffer(b"\xaa" * 16, np.uint8))
    renderer = StripRenderer([own, "unifont-16"])
    # The mark is not in the first member: the second draws letter and mark, not the mark alone.
    assert (
        renderer.render_bytes("x\u0323x")
        == StripRenderer(["unifont-16"]).render_bytes("x\u0323") + b"\xaa" * 16
    )
    assert renderer.substitutions("x\u0323xy") == {"unifont-16": ["x\u0323", "y"]}
    assert renderer.render_bytes("x") == b"\xaa" * 16 != unifont.glyph(plain)
    reverse = StripRenderer(["unifont-16", own])
    assert reverse.render_bytes("x") == unifont.glyph(plain) and reverse.substitutions("x\u0323xy") == {}
    # Of two fonts with a script, the first draws it.
    small, large = ShapedFont(HINDI, size=9, name="small"), ShapedFont(HINDI, name="large")
    for chain in ((small, large), (large, small)):
        assert StripRenderer(chain).render_bytes("क्ष") == chain[0].draw("क्ष", False)


def test_coverage_and_substitutions_of_a_chain() -> None:
    renderer = StripRenderer([LATIN, HINDI], missing="hexbox")
    assert renderer.coverage("Hello मनुष्यों") == []
    assert renderer.coverage("a字क\u0f40") == ["\u0f40", "字"]
    report = renderer.substitutions("Hello मनु 字")
    assert report == {"(box)": ["字"], HINDI.stem: ["नु", "म"]}
    cells = StripRenderer(["unifont-16"], unsupported="cells")
    assert cells.substitutions("क्ष a") == {"(apart)": ["क्ष"]} and cells.coverage("क्ष a") == []
    processor = PixelProcessor(("unifont-16", HINDI), patch_size=(16, 16))
    assert processor.coverage(["Hello", "मनुष्यों"]) == []
    assert processor.coverage("a\U000e1000") == ["\U000e1000"]


# ---- one baseline, sizes that fit ----


@pytest.mark.parametrize("font", [HINDI, LATIN, sample_font("Arabic")], ids=["hindi", "latin", "arabic"])
def test_fonts_of_a_chain_stand_on_one_baseline(font: "Path | bytes") -> None:
    chain = StripRenderer([LATIN, HINDI, sample_font("Arabic")]).atlases
    assert {member.provenance["baseline"] for member in chain} == {12}
    # Drawn in a strip so high that nothing could be moved, ink has the same distance from the baseline.
    low = ShapedFont(font)
    high = ShapedFont(font, height=64, size=low.size, baseline=32)
    words = sorted(
        {word for code in ("hin", "eng", "arb") for text in declarations()[code] for word in text.split()}
    )
    covered = [word for word in words if low.covers(word)]
    num_fitting = 0
    for word in covered:
        is_right = "\u0590" < word[0] < "\u0780"
        short, tall = rows_of(low.draw(word, is_right), 16), rows_of(high.draw(word, is_right), 64)
        if not tall[:20].any() and not tall[36:].any():
            num_fitting += 1
            assert np.array_equal(short, tall[20:36]), word
        # What reaches farther is moved or drawn smaller, and all there.
        assert short.any()
    assert len(covered) > 20 and num_fitting > 0.7 * len(covered), (num_fitting, len(covered))


def test_fonts_follow_the_baseline_of_an_atlas() -> None:
    atlas = GlyphAtlas.from_font(LATIN, 11, 16, characters="Hxg")
    chain = StripRenderer([HINDI, atlas]).atlases
    assert chain[0].provenance["baseline"] == atlas.provenance["baseline"]
    lifted = ShapedFont(LATIN, baseline=10)
    assert [member.provenance["baseline"] for member in StripRenderer([lifted, HINDI]).atlases] == [10, 10]


def test_fonts_of_tall_lines_are_smaller_by_default() -> None:
    data = bytearray(HINDI.read_bytes())
    line = read_line_height(bytes(data))
    assert line == pytest.approx(1.304) and ShapedFont(bytes(data)).size == 12
    place = next(
        struct.unpack_from(">I", data, 12 + 16 * number + 8)[0]
        for number in range(struct.unpack_from(">H", data, 4)[0])
        if data[12 + 16 * number : 16 + 16 * number] == b"hhea"
    )
    struct.pack_into(">hh", data, place + 4, 1466, -1349)  # as Noto Serif Tibetan
    assert read_line_height(bytes(data)) == pytest.approx(2.815) and ShapedFont(bytes(data)).size == 7.75
    assert ShapedFont(bytes(data), size=12).size == 12 and ShapedFont(bytes(data), height=32).size == 15.75
    assert read_line_height(b"nothing") is None


@pytest.mark.parametrize(("font", "codes"), [(HINDI, ("hin", "mar")), (KHMER, ("khm",))])
@pytest.mark.parametrize("baseline", [12, 13])
def test_fitted_fonts_neither_move_nor_shrink_anything(
    font: Path, codes: tuple[str, ...], baseline: int
) -> None:
    texts = [text for code in codes for text in declarations()[code]]
    fitted = fit_font(font, texts, baseline=baseline)
    above, below = ink_extents(fitted, texts)
    assert fitted.size * above <= baseline and fitted.size * below <= 16 - baseline
    # A quarter of a pixel more would not fit, unless it is as large as any font.
    grown = fitted.size + 0.25
    assert fitted.size == 12 or grown * above > baseline or grown * below > 16 - baseline
    high = ShapedFont(font, height=64, size=fitted.size, baseline=32)
    for word in {word for text in texts for word in text.split() if fitted.covers(word)}:
        short, tall = rows_of(fitted.draw(word, False), 16), rows_of(high.draw(word, False), 64)
        assert np.array_equal(short, tall[32 - baseline : 48 - baseline]) and short.sum() == tall.sum()
    with pytest.raises(ValueError, match="no ink for any word"):
        fit_font(font, ["字"])
    with pytest.raises(ValueError, match=r"ems below the baseline.*baseline=16"):
        fit_font(font, texts, baseline=16)
