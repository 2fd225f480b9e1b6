# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text that needs shaping: right-to-left lines, joined letters, marks, conjuncts, chains with fonts."""

import concurrent.futures
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.unicode import declarations, sample_font

import pixel_ar.fonts.shaped_font as shaped_fonts
from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.sfnt import ShapingNotInstalledError
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.rendering.shaper import NeedsFontError, needs_shaping
from pixel_ar.text.characters import MissingGlyphError
from pixel_ar.text.joining import join_letters, letters_of_forms

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
SHAPED_TEXT = st.text(
    st.sampled_from(
        "abé (1) שָׁלו,םمرَلاحبًك٣ हिन्दी क्षด้วยน้ำ\u1112\u1161\u11abxe\u0323\u0302\u200c\u200d\u200f\u202b\u202c👍🏽"
    ),
    max_size=24,
)


@pytest.fixture(scope="module")
def unifont() -> StripRenderer:
    return StripRenderer(["unifont-16"], missing="hexbox", unsupported="cells")


def cell(char: str) -> bytes:
    atlas = GlyphAtlas.load("unifont-16")
    return atlas.glyph(atlas.index(char))


def test_hebrew_runs_from_right_to_left(unifont: StripRenderer) -> None:
    assert unifont.render_bytes("אבג") == cell("ג") + cell("ב") + cell("א")
    assert unifont.render_bytes("a אב c") == b"".join(map(cell, "a בא c"))
    assert unifont.render_bytes("(אב) 12") == b"".join(map(cell, "12 (בא)"))
    strip = unifont.render("אב 12")
    assert strip.is_right_to_left and strip.char_columns.tolist() == [32, 24, 16, 0, 8, 40]


def test_arabic_letters_join(unifont: StripRenderer) -> None:
    drawn, unjoined = join_letters("بيت")
    assert drawn == ["\ufe91", "\ufef4", "\ufe96"] and not unjoined
    assert unifont.render_bytes("بيت") == cell("\ufe96") + cell("\ufef4") + cell("\ufe91")
    # Lam and alef are one glyph; a mark does not part what it stands on; alef joins nothing after it.
    assert unifont.render_bytes("سلام") == cell("ﻡ") + cell("\ufefc") + cell("\ufeb3")
    assert join_letters("بَت")[0] == ["\ufe91", "\u064e", "\ufe96"]
    assert join_letters("اب")[0] == ["\ufe8d", "\ufe8f"]
    assert join_letters("ب\u200cت")[0] == ["\ufe8f", "\u200c", "\ufe95"]
    assert letters_of_forms()["\ufefc"] == "لا"


def test_marks_lie_over_their_letter(unifont: StripRenderer) -> None:
    for text in ("שָ", "ก้", "x\u0323\u0302", "\u1112\u1161\u11ae\u11af"):
        strip = unifont.render(text)
        parts = [cell(char) for char in strip.text]
        assert strip.num_columns == max(map(len, parts)) // 2
        together = np.frombuffer(strip.columns, np.uint8)
        for part in parts:
            if len(part) == len(strip.columns):
                layer = np.frombuffer(part, np.uint8)
                assert (together & layer == layer).all()


def test_left_vowels_go_before_their_consonant(unifont: StripRenderer) -> None:
    assert unifont.render_bytes("कि").endswith(cell("क")) and unifont.render_bytes("का").startswith(cell("क"))
    two_parts = unifont.render("கொ")
    assert cell("க") in two_parts.columns and not two_parts.columns.startswith(cell("க"))


def test_conjuncts_need_a_font() -> None:
    renderer = StripRenderer(["unifont-16"])
    assert renderer.measure("भीम का") > 0
    for text in ("क्ष", "ខ្មែរ", "ܫܠܡ"):
        with pytest.raises(NeedsFontError, match="unsupported='cells'") as caught:
            renderer.render_bytes(text)
        assert pickle.loads(pickle.dumps(caught.value)).cluster == caught.value.cluster
    assert StripRenderer(["unifont-16"], unsupported="cells").substitutions("क्ष") == {"(apart)": ["क्ष"]}
    with pytest.raises(MissingGlyphError, match="ARABIC LETTER BEH"):
        StripRenderer(["fixed-5x8"]).render("ab ب")


def test_a_chain_falls_back_cluster_by_cluster() -> None:
    font = sample_font("Devanagari")
    renderer = StripRenderer(["unifont-16", font])
    text = "Hindi: सभी मनुष्यों"
    assert renderer.coverage(text) == []
    used = renderer.substitutions(text)
    assert set(used) == {font.stem} and {"ष्यों", "नु"} <= set(used[font.stem])
    assert renderer.render_bytes("Hindi") == StripRenderer(["unifont-16"]).render_bytes("Hindi")
    # The same clusters as by itself, whatever they stand beside.
    alone = ShapedFont(font)
    assert alone.draw("ष्यों", False) in renderer.render_bytes(text)
    for chain in (["unifont-16", font.read_bytes()], [GlyphAtlas.load("unifont-16"), alone]):
        assert StripRenderer(chain).render_bytes(text) == renderer.render_bytes(text)
    assert StripRenderer([font, "unifont-16"]).coverage("字क") == []


def test_joined_letters_of_a_font_are_one_unit() -> None:
    font = sample_font("Arabic")
    shaper = StripRenderer([font, "unifont-16"]).shaper
    assert shaper is not None
    text = "الناس"
    assert [text[unit.start : unit.stop] for unit in shaper.pieces(text)] == ["س", "لنا", "ا"]


@pytest.mark.parametrize(
    ("name", "codes"), [("Devanagari", ("hin", "mar", "nep")), ("Arabic", ("arb",)), ("Khmer", ("khm",))]
)
def test_no_ink_is_lost(name: str, codes: tuple[str, ...]) -> None:
    """In 16 rows as in strips so high that nothing could be cut off, each unit has ink, and its highest fits."""
    font = ShapedFont(sample_font(name))
    high = ShapedFont(sample_font(name), height=64, size=font.size, baseline=32)
    count = 0
    for text in (text for code in codes for text in declarations()[code]):
        shaper = StripRenderer(["unifont-16", font], missing="hexbox").shaper
        assert shaper is not None
        for unit in shaper.pieces(text):
            cluster = text[unit.start : unit.stop]
            if unit.source == font.name:
                count += 1
                low, full = (
                    np.frombuffer(each.draw(cluster, name == "Arabic"), np.uint8) for each in (font, high)
                )
                full_rows = np.unpackbits(full.reshape(-1, 8), axis=1).any(axis=0)
                low_ink, full_ink = (int(np.unpackbits(each).sum()) for each in (low, full))
                height = np.flatnonzero(full_rows)[-1] - np.flatnonzero(full_rows)[0] + 1
                # Higher than the strip: drawn smaller, so that it has less ink, but is all there.
                assert low_ink == full_ink if height <= 16 else 0 < low_ink < full_ink, cluster
    assert count > 50 or name == "Arabic"


def test_shaping_without_harfbuzz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaped_fonts, "uharfbuzz", None)
    renderer = StripRenderer(["unifont-16", sample_font("Devanagari")])
    assert renderer.measure("שלום, سلام, plain") > 0
    with pytest.raises(ShapingNotInstalledError, match="pip install 'uharfbuzz"):
        renderer.render("क्ष")
    assert "no HarfBuzz" in renderer.engine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 12}, "multiple of 8"),
        ({"size": 1}, "between 4 and 512"),
        ({"baseline": 17}, "baseline"),
        ({"threshold": 0}, "threshold"),
    ],
)
def test_font_settings_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShapedFont(sample_font("Khmer"), **arguments)


def test_no_font() -> None:
    with pytest.raises(FileNotFoundError, match="no font file"):
        StripRenderer(["unifont-16", "nowhere.ttf"])
    with pytest.raises(ValueError, match="not a readable"):
        StripRenderer(["unifont-16", b"no font at all"])


@given(ANY_TEXT)
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    check_text(StripRenderer(["unifont-16"], missing="hexbox", unsupported="cells"), text)


@given(SHAPED_TEXT)
@settings(max_examples=150, deadline=None)
def test_shaped_text(text: str) -> None:
    check_text(
        StripRenderer(["unifont-16", sample_font("Devanagari")], missing="hexbox", unsupported="cells"), text
    )


def check_text(renderer: StripRenderer, text: str) -> None:
    """A defined result, the same by every way; as wide as its units; every character in one of them."""
    strip = renderer.render(text)
    assert renderer.render_bytes(text) == strip.columns == renderer.render_bytes(strip.text)
    assert renderer.normalise(strip.text) == strip.text
    assert len(strip.columns) == strip.num_columns * 2 and strip.char_columns[-1] == strip.num_columns
    if needs_shaping(strip.text, True) and renderer.shaper is not None and strip.char_spans is not None:
        units = renderer.shaper.pieces(strip.text)
        assert sum(len(unit.cell) for unit in units) == len(strip.columns)
        widths = strip.char_spans[:, 1] - strip.char_spans[:, 0]
        assert (widths >= 0).all() and strip.char_spans.max(initial=0) <= strip.num_columns
        for limit in (0, strip.num_columns // 2, strip.num_columns):
            assert strip.cut(limit).num_columns <= limit
        assert strip.cut(strip.num_columns).columns == strip.columns


def _draw(arguments: tuple[StripRenderer, str]) -> bytes:
    return arguments[0].render_bytes(arguments[1])


def test_pickled_and_spawned_renderers_draw_the_same() -> None:
    renderer = StripRenderer(["unifont-16", sample_font("Devanagari")])
    text = " ".join(declarations()[code][0] for code in ("arb", "hin", "heb", "tha"))
    drawn = renderer.render_bytes(text)
    assert pickle.loads(pickle.dumps(renderer)).render_bytes(text) == drawn
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert list(pool.map(_draw, [(renderer, text)])) == [drawn]


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixel_ar.rendering.cache.CACHE_BYTES", 6000)
    renderer = StripRenderer(["unifont-16"], unsupported="cells")
    words = [chr(0x5D0 + i % 27) + chr(0x5D0 + i // 27) for i in range(200)]
    expected = [StripRenderer(["unifont-16"]).render_bytes(word) for word in words[:3]]
    drawn = [renderer.render_bytes(word) for word in words]
    assert drawn[:3] == expected and renderer.shaper is not None
    remembered = renderer.shaper.lines.right_words
    assert 0 < len(remembered) <= 30 and 0 < len(remembered.old) <= 30
    # What was forgotten is drawn as before, and a word as long as a line is not kept.
    assert [renderer.render_bytes(word) for word in words] == drawn
    long_word = "".join(words)
    assert renderer.measure(long_word) > 0 and long_word not in remembered


def test_fingerprints() -> None:
    font = sample_font("Khmer")
    renderer = StripRenderer(["unifont-16", font])
    assert renderer.fingerprint() == StripRenderer(["unifont-16", font.read_bytes()]).fingerprint()
    other = StripRenderer(["unifont-16", ShapedFont(font, size=11)])
    assert renderer.fingerprint() != other.fingerprint() and "HarfBuzz" in renderer.engine
    # Settings that shape nothing do not depend on any engine.
    plain = StripRenderer(["unifont-16"], unsupported="error")
    assert plain.fingerprint() != StripRenderer(["unifont-16"]).fingerprint()


def test_simple_text_is_drawn_as_ever() -> None:
    for name in ("fixed-5x8", "unifont-16"):
        text = "The quick brown fox, naïve café — Привет! Ωμέγα 中文"[: 46 if name == "fixed-5x8" else None]
        shaped, plain = StripRenderer([name]), StripRenderer([name], unsupported="error")
        assert shaped.render_bytes(text) == plain.render_bytes(text)
        assert shaped.render(text).char_columns.tolist() == plain.render(text).char_columns.tolist()
