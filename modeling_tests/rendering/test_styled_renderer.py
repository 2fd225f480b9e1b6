# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Strips of every mode and height, with colours, spacing and units: drawn, read back, cut and pickled."""

import copy
import functools
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont
from tools.unicode import FOLDER

from pixel_ar import PixelProcessor
from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.fonts.spacing import SpacedAtlas, space_members
from pixel_ar.reading.styled_reader import StyledReader, build_reader
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.rendering.strip import PackedStrip
from pixel_ar.rendering.style import STRATEGIES, RenderStyle, parse_color
from pixel_ar.rendering.styled_renderer import StyledRenderer, build_renderer

OUTLINES = ImageFont.load_default(10).font_bytes
TEXTS = ["The quick brown fox.", "a  b", " x (1) I'll", "Cut it: {y}"]
UNITS = STRATEGIES[1:]


@functools.cache
def cut_atlas(name: str, characters: str) -> GlyphAtlas:
    """A small part of an atlas."""
    whole = GlyphAtlas.load(name)
    codes = sorted({ord(char) for char in characters})
    indices = [whole.index(chr(code)) for code in codes]
    columns = b"".join(whole.glyph(index) for index in indices)
    return GlyphAtlas("cut", whole.height, codes, whole.widths[indices], np.frombuffer(columns, np.uint8))


@functools.cache
def scripts_atlas() -> GlyphAtlas:
    """Unifont's ASCII, Hebrew, Arabic with its presentation forms, and some Chinese."""
    spans = [(0x20, 0x7F), (0x5D0, 0x5EB), (0x621, 0x64B), (0xFE80, 0xFEFD)]
    characters = "".join(chr(code) for first, stop in spans for code in range(first, stop))
    return cut_atlas("unifont-16", characters + "你好世界。（）")


@functools.cache
def gray_atlas(height: int = 16, size: float = 13.0) -> GlyphAtlas:
    """A proportional font with its levels."""
    characters = map(chr, range(32, 127))
    return GlyphAtlas.from_font(OUTLINES, size, height, characters, overflow="cut", mode="L", name="gray")


# ---- settings ----


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "RGBA"}, "mode must be one of '1', 'L', 'RGB'"),
        ({"strategy": "trigrams"}, "strategy must be one of 'continuous'"),
        ({"letter_spacing": -1}, "letter_spacing must be a number of columns"),
        ({"letter_spacing": True}, "letter_spacing must be a number of columns"),
        ({"text_color": "red"}, "mode='1' draws black on white.*use mode='RGB'"),
        ({"mode": "L", "text_color": "red"}, "mode='L' has one channel.*use mode='RGB' with num_channels=3"),
        ({"mode": "RGB", "text_color": "#fefefe"}, "cannot be seen"),
        ({"mode": "RGB", "text_color": "white", "background_color": "black"}, "too dark.*invert the pixels"),
        ({"mode": "RGB", "text_color": "reddish"}, "text_color must be a colour's name"),
        ({"mode": "RGB", "text_color": (0, 0, 256)}, "text_color must be"),
        ({"mode": "RGB", "text_color": None}, "text_color must be"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RenderStyle(**settings)


def test_colors_in_any_form() -> None:
    for color in ("#0a141e", (10, 20, 30), [10, 20, 30], np.array([10, 20, 30])):
        assert parse_color(color) == (10, 20, 30)
    assert parse_color("navy") == (0, 0, 128) and parse_color(7) == (7, 7, 7)
    style = RenderStyle("RGB", "navy", "ivory")
    assert RenderStyle(**style.settings()) == style


def test_units_need_a_patch_width() -> None:
    with pytest.raises(ValueError, match="needs patch_width"):
        build_renderer(("fixed-5x8",), RenderStyle(strategy="mono"), None)


def test_the_plain_style_is_the_plain_renderer() -> None:
    assert type(build_renderer(("fixed-5x8",), RenderStyle(), 20)) is StripRenderer


# ---- one geometry for all modes ----


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("spacing", [0, 2])
@pytest.mark.parametrize(("text_color", "background"), [("black", "white"), ("navy", "#ffeecc"), (180, 214)])
def test_binarised_strips_are_the_one_bit_strip(strategy: str, spacing: int, text_color, background) -> None:
    chain = (gray_atlas(),)
    plain = build_renderer(chain, RenderStyle(letter_spacing=spacing, strategy=strategy), 16)
    mode = "L" if isinstance(text_color, int) else "RGB"
    style = RenderStyle(mode, text_color, background, spacing, strategy)
    renderer = build_renderer(chain, style, 16)
    for text in TEXTS:
        packed, strip = plain.render(text), renderer.render(text)
        assert strip.levels is not None and strip.packed == packed != strip
        assert renderer.render_bytes(text) == packed.columns
        assert renderer.measure(text) == strip.num_columns == strip.to_array().shape[2]
        assert strip.to_array().shape[:2] == (3 if mode == "RGB" else 1, 16)
        ink = style.ink(strip.to_array().astype(np.float32) / 255)
        assert np.array_equal(ink, packed.to_array() == 0)
        # There are levels between ink and background, or the test would say nothing of them.
        assert len(np.unique(strip.levels.coverage)) > 10
        assert np.array_equal(strip.char_columns, packed.char_columns)


def test_levels_are_those_of_the_outlines() -> None:
    atlas = gray_atlas()
    levels = build_renderer((atlas,), RenderStyle("L"), None).render("g").levels.coverage
    drawn = atlas.coverage(atlas.index("g"))
    assert np.array_equal(levels, drawn) and 0 < (drawn > 0).mean() < 0.9
    # Cut at one half they are the glyph that the font gives in 1 bit.
    bits = GlyphAtlas.from_font(
        OUTLINES, 13.0, 16, ["g"], baseline=atlas.provenance["baseline"], overflow="cut"
    )
    assert np.array_equal(bits.coverage(0) > 0, drawn >= 128)


def test_atlases_are_black_and_white_in_gray_mode() -> None:
    strip = build_renderer(("fixed-5x8",), RenderStyle("L"), None).render("Hello")
    assert np.array_equal(strip.to_array()[0], StripRenderer().render("Hello").to_array())
    assert set(np.unique(strip.to_array())) == {0, 255}


def test_colors_are_an_affine_map() -> None:
    strip = build_renderer(("fixed-5x8",), RenderStyle("RGB", "navy", "ivory"), None).render("Hello")
    ink = StripRenderer().render("Hello").to_array() == 0
    pixels = strip.to_array().transpose(1, 2, 0)
    assert (pixels[ink] == (0, 0, 128)).all() and (pixels[~ink] == (255, 255, 240)).all()
    assert strip.to_pil().mode == "RGB" and strip.to_pil().size == (25, 8)


def test_an_atlas_with_levels_survives_a_file(tmp_path: Path) -> None:
    atlas = gray_atlas()
    atlas.save(tmp_path / "gray.npz")
    loaded = GlyphAtlas.load(tmp_path / "gray.npz")
    assert loaded == atlas and np.array_equal(loaded.levels, atlas.levels)
    assert pickle.loads(pickle.dumps(atlas)) == atlas
    bits = GlyphAtlas("gray", 16, atlas.code_points, atlas.widths, atlas.columns)
    assert bits != atlas and bits.levels is None
    with pytest.raises(ValueError, match="levels, one for each of"):
        GlyphAtlas("gray", 16, atlas.code_points, atlas.widths, atlas.columns, levels=atlas.levels[:-1])
    with pytest.raises(ValueError, match="mode must be '1' or 'L'"):
        GlyphAtlas.from_font(OUTLINES, 13, 16, mode="RGB")


# ---- reading back ----


@pytest.mark.parametrize(
    ("name", "patch_width"),
    [
        ("fixed-5x8", 20),
        ("fixed-5x8", 8),
        ("tiny5-8", 16),
        ("fixed-5x8-x2", 20),
        ("fixed-5x8-x3", 16),
        ("fixed-5x8-x4", 32),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bundled_atlases_are_read_back(name: str, patch_width: int, strategy: str) -> None:
    for spacing in (0, 3):
        style = RenderStyle(letter_spacing=spacing, strategy=strategy)
        if (name, spacing, strategy) == ("fixed-5x8-x3", 3, "word_pieces"):
            with pytest.raises(ValueError, match="letters of 18 pixels, wider than a patch of 16"):
                build_renderer((name,), style, patch_width)
            continue
        renderer = build_renderer((name,), style, patch_width)
        reader = build_reader(renderer)
        for text in TEXTS:
            result = reader.read(renderer.render(text))
            assert reader.canonical(result.text) == reader.canonical(text), (spacing, text)
            assert result.unreadable == 0


@pytest.mark.parametrize("height", [16, 24, 32])
@pytest.mark.parametrize("strategy", ["continuous", "bigrams"])
def test_gray_fonts_of_every_height_are_read_back(height: int, strategy: str) -> None:
    atlas = gray_atlas(height, 0.8 * height)
    renderer = build_renderer((atlas,), RenderStyle("L", strategy=strategy), height)
    reader = build_reader(renderer)
    for text in TEXTS:
        assert reader.canonical(reader.read(renderer.render(text)).text) == reader.canonical(text)
    assert atlas.provenance["overflowing_characters"] == ""  # nothing was cut off


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("spacing", [0, 3])
def test_scripts_are_read_back(strategy: str, spacing: int) -> None:
    style = RenderStyle("RGB", "maroon", "ivory", spacing, strategy)
    renderer = build_renderer((scripts_atlas(),), style, 16)
    reader = build_reader(renderer)
    for text in ("Hello, world", "你好。世界 ok（好）", "שלום עולם", "السلام عليكم 12"):
        assert reader.read(renderer.render(text)).text == text


def test_places_are_those_of_the_strip() -> None:
    renderer = build_renderer(("fixed-5x8",), RenderStyle(strategy="words"), 20)
    result = build_reader(renderer).read(renderer.render("ab cdefg h"))
    assert result.text == "ab cdefg h"
    assert [int(result.char_columns[place]) for place in (0, 1, 3, 9)] == [0, 5, 20, 60]
    drawn = renderer.render("ab cdefg h").char_columns
    assert np.array_equal(result.char_columns[:-1], drawn[:-1])


def test_damaged_units_are_still_read() -> None:
    text = "People of the United States"
    rng = np.random.default_rng(0)
    for strategy in UNITS:
        renderer = build_renderer(("fixed-5x8",), RenderStyle(strategy=strategy), 20)
        pixels = renderer.render(text).to_array()
        flipped = np.where(rng.random(pixels.shape) < 0.004, 255 - pixels, pixels)
        assert (flipped != pixels).any()
        read = build_reader(renderer).read(flipped).text
        assert sum(a != b for a, b in zip(read, text, strict=False)) + abs(len(read) - len(text)) <= 3


def test_reading_stops_at_the_eos_patch() -> None:
    for strategy in STRATEGIES:
        renderer = build_renderer(("fixed-5x8",), RenderStyle("L", strategy=strategy), 20)
        pixels = renderer.render("one two").to_array()
        pixels = np.pad(pixels, ((0, 0), (0, 0), (0, -pixels.shape[2] % 20)), constant_values=255)
        ended = np.concatenate([pixels, np.zeros((1, 8, 20), np.uint8), pixels], axis=2)
        result = build_reader(renderer, eos_width=20).read(ended)
        assert (result.text, result.eos_column) == ("one two", pixels.shape[2])


def test_candidates_are_scored_in_their_style() -> None:
    renderer = build_renderer((gray_atlas(),), RenderStyle("L", letter_spacing=1, strategy="bigrams"), 16)
    reader = build_reader(renderer)
    scores = reader.score(renderer.render("hello"), ["hallo", "hello", "hell"])
    assert scores[1] == 0 and scores.argmax() == 1


def test_strips_of_another_shape_are_refused() -> None:
    reader = build_reader(build_renderer(("fixed-5x8",), RenderStyle("L"), None))
    with pytest.raises(ValueError, match=r"has shape \[C, 8, W\] with 1 or 3 channels, got \[2, 8, 10\]"):
        reader.read(np.ones((2, 8, 10), np.float32))


# ---- units ----


# What a unit of `word_pieces` is: test_word_pieces.py.
@pytest.mark.parametrize("strategy", [strategy for strategy in UNITS if strategy != "word_pieces"])
@pytest.mark.parametrize("patch_width", [4, 8, 16, 20])
def test_units_begin_at_patch_borders(strategy: str, patch_width: int) -> None:
    renderer = build_renderer(("tiny5-8",), RenderStyle(strategy=strategy), patch_width)
    for text in TEXTS:
        strip = renderer.render(text)
        assert strip.unit_spans is not None
        assert (strip.unit_spans[:, 0] % patch_width == 0).all()
        starts = set(strip.unit_spans[:, 0].tolist())
        firsts = {
            "mono": range(len(text)),
            "bigrams": range(0, len(text), 2),
            "words": [i for i in range(len(text)) if i == 0 or text[i - 1] == " "],
        }[strategy]
        assert {int(strip.char_columns[place]) for place in firsts} == starts
        # Every glyph stands there whole.
        pixels = strip.to_array()
        for place, char in enumerate(text):
            first, stop = strip.char_spans[place]
            assert np.array_equal(pixels[:, first:stop], StripRenderer(("tiny5-8",)).render(char).to_array())
        assert (pixels == 0).sum() == (StripRenderer(("tiny5-8",)).render(text).to_array() == 0).sum()


def test_open_units_end_where_they_go_on() -> None:
    def columns(text: str, strategy: str) -> int:
        return build_renderer(("fixed-5x8",), RenderStyle(strategy=strategy), 20).measure(text)

    assert [columns(text, "mono") for text in ("", "a", "ab")] == [0, 20, 40]
    assert [columns(text, "bigrams") for text in ("a", "ab", "abc")] == [5, 20, 25]
    # A word of four letters fills a patch, and its space begins another.
    assert [columns(text, "words") for text in ("abc", "abc ", "abcd ", "abcd e")] == [15, 20, 40, 45]


def test_clusters_stay_together() -> None:
    renderer = build_renderer(
        (cut_atlas("unifont-16", "q\u0308\u0327 xy"),), RenderStyle(strategy="mono"), 16
    )
    strip = renderer.render("xq\u0308\u0327y")
    assert strip.num_columns == 3 * 16
    assert [span.tolist() for span in strip.char_spans[1:4]] == [[16, 24]] * 3


@pytest.mark.parametrize("others", ["", " q\u0323"])
def test_letter_spacing_keeps_flags_together(others: str) -> None:
    text = "a\U0001f1e9\U0001f1eab" + others
    atlas = cut_atlas("unifont-16", "ab q\u0323\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7")
    processor = PixelProcessor((atlas,), (16, 16), letter_spacing=3)
    strip = processor.renderer.render(text)
    assert strip.char_columns[:5].tolist() == [0, 11, 11, 46, 57]
    flags = text + " \U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea"
    assert processor.decode(processor(text=flags, return_tensors="pt")) == flags


@pytest.mark.parametrize("mode", ["1", "RGB"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", ["The people of the", "שלום עולם אב"])
def test_a_cut_strip_is_the_beginning(mode: str, strategy: str, text: str) -> None:
    renderer = build_renderer((scripts_atlas(),), RenderStyle(mode, strategy=strategy), 16)
    strip = renderer.render(text)
    whole = strip.to_array()
    seen = set()
    for room in range(0, strip.num_columns + 1, 4):
        part = strip.cut(room)
        assert part.num_columns <= room
        seen.add(part.num_columns)
        place = strip.num_columns - part.num_columns if strip.is_right_to_left else 0
        assert np.array_equal(part.to_array(), whole[..., place : place + part.num_columns])
        # Unless not even one unit fits.
        if strategy != "continuous" and part.unit_spans is not None:
            assert place % 16 == 0
        # As many characters as have columns.
        shown = part.char_spans[:, 1] > part.char_spans[:, 0] if part.char_spans is not None else ()
        assert not any(shown[int(np.sum(shown)) :])
    assert strip.cut(strip.num_columns).num_columns == strip.num_columns and len(seen) > 3


# ---- spacing ----


def test_spacing_puts_blanks_after_every_letter() -> None:
    plain, spaced = (build_renderer(("tiny5-8",), RenderStyle(letter_spacing=n), None) for n in (0, 3))
    for text in TEXTS:
        tight, wide = plain.render(text), spaced.render(text)
        assert wide.num_columns == tight.num_columns + 3 * len(text)
        kept = np.ones(wide.num_columns, bool)
        for stop in wide.char_columns[1:]:
            kept[stop - 3 : stop] = False
        assert np.array_equal(wide.to_array()[:, kept], tight.to_array())
        assert (wide.to_array()[:, ~kept] == 255).all()


def test_joined_letters_stay_joined() -> None:
    plain, spaced = (build_renderer((scripts_atlas(),), RenderStyle(letter_spacing=n), None) for n in (0, 4))
    # Alef, seen and lam, alef, meem: two gaps and one at the end.
    assert spaced.measure("السلام") == plain.measure("السلام") + 4 * 3
    assert spaced.measure("اب اب") == plain.measure("اب اب") + 4 * 5


def test_the_chain_as_given_is_what_is_saved() -> None:
    atlas, font = GlyphAtlas.load("fixed-5x8-x2"), ShapedFont(FOLDER / "NotoSansDevanagari-sample.ttf")
    renderer = StyledRenderer((atlas, font), RenderStyle(letter_spacing=2))
    assert renderer.atlases == (atlas, font)
    spaced = renderer.spaced_atlases[0]
    assert isinstance(spaced, SpacedAtlas) and (spaced.widths == atlas.widths + 2).all()
    assert space_members((atlas, font), 0) == (atlas, font)
    assert renderer.measure("कि") == build_renderer((atlas, font), RenderStyle(), None).measure("कि") + 2
    wide = GlyphAtlas("wide", 8, [65], [250], np.zeros(250, np.uint8))
    with pytest.raises(ValueError, match=r"letter_spacing=9 .* 259 columns wide"):
        space_members((wide,), 9)


# ---- scaled atlases ----


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_scaled_atlases_draw_squares(factor: int) -> None:
    atlas = GlyphAtlas.load("fixed-5x8")
    scaled = atlas.scaled(factor)
    assert (scaled.height, scaled.name) == (8 * factor, f"fixed-5x8-x{factor}")
    assert GlyphAtlas.load(scaled.name) == scaled
    small, large = (StripRenderer((member,)).render("Zoë ok").to_array() for member in (atlas, scaled))
    assert np.array_equal(large, small.repeat(factor, 0).repeat(factor, 1))


def test_scaled_levels() -> None:
    atlas = gray_atlas()
    index = atlas.index("g")
    expected = atlas.coverage(index).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(atlas.scaled(2).coverage(index), expected)


@pytest.mark.parametrize("factor", [0, 17, 1.5, True])
def test_bad_factors(factor: int) -> None:
    with pytest.raises(ValueError, match="factor must be an integer from 1 to 16"):
        GlyphAtlas.load("fixed-5x8").scaled(factor)
    with pytest.raises(ValueError, match="too wide at 16 times"):
        cut_atlas("unifont-16", "世").scaled(16)


# ---- colour fonts ----


@pytest.fixture(scope="module", params=["layers", "bitmaps"])
def emoji(request: pytest.FixtureRequest) -> StyledRenderer:
    chain = ("fixed-5x8-x2", FOLDER / f"colors-{request.param}.ttf")
    return StyledRenderer(chain, RenderStyle("RGB", "navy", "#ffeecc"))


def test_emoji_have_their_own_colors(emoji: StyledRenderer) -> None:
    strip = emoji.render("a🟥b")
    assert len(strip.levels.colored) == 1
    start, rgba = strip.levels.colored[0]
    middle = strip.to_array()[:, 8, start + rgba.shape[1] // 2]
    assert np.abs(middle - np.array([230, 26, 26])).max() <= 1
    # Letters are not touched.
    plain = emoji.render("ab").to_array()
    assert np.array_equal(strip.to_array()[:, :, :10], plain[:, :, :10])


def test_emoji_are_read_by_their_colors(emoji: StyledRenderer) -> None:
    reader = StyledReader(emoji)
    # Red and blue squares are alike in 1 bit.
    assert reader.read(emoji.render("a 😀 b🟥🟦.")).text == "a 😀 b🟥🟦."
    reader.learn(["😀\u200d🟦"])
    assert reader.read(emoji.render("x😀\u200d🟦y 🟦")).text == "x😀\u200d🟦y 🟦"
    pixels = emoji.render("a🟦b").to_array() / 255
    noisy = pixels + np.random.default_rng(0).normal(0, 0.02, pixels.shape)
    assert reader.read(noisy).text == "a🟦b"


def test_emoji_in_gray_and_in_one_bit(emoji: StyledRenderer) -> None:
    gray = build_renderer(emoji.atlases, RenderStyle("L"), None).render("😀")
    packed = StripRenderer(emoji.atlases).render("😀")
    assert isinstance(packed, PackedStrip) and packed.levels is None and gray.packed == packed
    assert len(np.unique(gray.levels.coverage)) > 2
    # Eyes and mouth are darker than the face.
    assert 0.05 < (packed.to_array() == 0).mean() < 0.6


def test_characters_that_ask_for_text_have_no_color() -> None:
    font = ShapedFont(FOLDER / "colors-layers.ttf")
    assert font.has_colors and not ShapedFont(FOLDER / "NotoSansKhmer-sample.ttf").has_colors
    assert font.draw("🟥", False) is not None and font.draw("🟥\ufe0e", False) is None


def test_layers_and_bitmaps_agree() -> None:
    fonts = [ShapedFont(FOLDER / f"colors-{kind}.ttf", 32) for kind in ("layers", "bitmaps")]
    for cluster in ("🟥", "😀", "😀\u200d🟦"):
        drawn = [font.draw_levels(cluster, False) for font in fonts]
        assert drawn[0][1].shape == drawn[1][1].shape
        difference = drawn[0][1].astype(int) - drawn[1][1]
        assert np.abs(difference).mean() < 20 and drawn[0][1].any()


# ---- shaped fonts ----


def test_shaped_clusters_have_levels() -> None:
    chain = ("fixed-5x8-x2", FOLDER / "NotoSansDevanagari-sample.ttf")
    renderer = build_renderer(chain, RenderStyle("L", letter_spacing=1), None)
    strip = renderer.render("ok मनुष्य 1")
    hindi = strip.levels.coverage[:, 36:-24]
    assert len(np.unique(hindi)) > 10 and set(np.unique(strip.levels.coverage[:, :30])) == {0, 255}
    assert np.array_equal(strip.levels.coverage >= 128, strip.packed.to_array() == 0)
    reader = build_reader(renderer)
    reader.learn(["मनुष्य"])
    assert reader.read(strip).text == "ok मनुष्य 1"


# ---- the same everywhere ----


def test_pickles_and_copies_draw_alike() -> None:
    style = RenderStyle("RGB", "navy", "ivory", 2, "bigrams")
    renderer = build_renderer((gray_atlas(), FOLDER / "colors-layers.ttf"), style, 16)
    drawn = renderer.render("Hi 😀?")
    for other in (pickle.loads(pickle.dumps(renderer)), copy.deepcopy(renderer)):
        strip = other.render("Hi 😀?")
        assert np.array_equal(strip.to_array(), drawn.to_array()) and strip == drawn
        assert other.fingerprint() == renderer.fingerprint()
    reader = pickle.loads(pickle.dumps(build_reader(renderer)))
    assert reader.read(drawn).text == "Hi 😀?"


def test_fingerprints_tell_styles_apart() -> None:
    styles = [
        RenderStyle(),
        RenderStyle("L"),
        RenderStyle("RGB"),
        RenderStyle("RGB", "navy"),
        RenderStyle("RGB", "black", "ivory"),
        RenderStyle(letter_spacing=1),
        *(RenderStyle(strategy=strategy) for strategy in UNITS),
    ]
    prints = {build_renderer(("fixed-5x8",), style, 20).fingerprint() for style in styles}
    prints.add(build_renderer(("fixed-5x8",), RenderStyle(strategy="mono"), 16).fingerprint())
    assert len(prints) == len(styles) + 1
