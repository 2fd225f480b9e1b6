# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Layout of pages: wrapping, paragraphs, directions, sheets; every character is somewhere."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.unicode import declarations, sample_font

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.models.pixel_ar.patching import patchify, unpatchify
from pixel_ar.rendering.pages import (
    HARD_BREAK,
    NO_LINE,
    PageFormat,
    PageLayout,
    PageOverflowError,
    draw_sheet,
    lay_out_page,
    page_text,
    page_to_strip,
    sheet_layout,
    sheet_offsets,
    strip_to_page,
)
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.bidi import embedding_levels
from pixel_ar.text.characters import MissingGlyphError
from pixel_ar.text.graphemes import grapheme_clusters
from pixel_ar.text.line_breaking import break_opportunities, is_space
from pixel_ar.text.properties import mirror_map

FIXED = StripRenderer()
UNIFONT = StripRenderer(["unifont-16"])
BOXES = StripRenderer(["unifont-16"], missing="hexbox", unsupported="cells")
TEXT = "Four score and seven years ago our fathers brought forth, on this continent, a new nation."


def texts(layout: PageLayout) -> list[str]:
    return [layout.text[line.start : line.stop] for line in layout.lines]


def check(renderer: StripRenderer, text: str, layout: PageLayout) -> None:
    """Lines no wider than allowed, in order, and between them nothing but spaces and line breaks."""
    assert layout.text == page_text(renderer, text)
    assert layout.text_spans.tolist() == [[line.start, line.stop] for line in layout.lines]
    size = renderer.height // 8
    for line in layout.lines:
        assert len(line.columns) == line.num_columns * size <= layout.line_columns * size
        between = layout.text[line.stop : line.next]
        rest = between.removesuffix("\n") if line.break_after == HARD_BREAK else between
        assert all(map(is_space, rest)) and (line.break_after > 0) <= (between != "")
        assert line.char_spans.shape == (line.stop - line.start, 2)
        assert line.char_spans.max(initial=0) <= line.num_columns
    assert layout.lines[0].start == 0 and layout.lines[-1].next == len(layout.text)
    assert all(line.next == following.start for line, following in pairwise(layout.lines))


# ---- wrapping ----


def test_lines_are_filled_greedily() -> None:
    layout = lay_out_page(FIXED, TEXT, 20 * 5)
    check(FIXED, TEXT, layout)
    assert texts(layout) == [
        "Four score and seven",
        "years ago our",
        "fathers brought",
        "forth, on this",
        "continent, a new",
        "nation.",
    ]
    assert [line.break_after for line in layout.lines] == [1] * 5 + [HARD_BREAK]
    assert b"".join(line.columns for line in layout.lines) == FIXED.render_bytes("".join(texts(layout)))
    assert layout.num_broken_words == 0


@given(st.text(st.sampled_from("ab -\n\u3000字。"), max_size=60), st.integers(16, 90))
@settings(max_examples=150, deadline=None)
def test_no_character_is_lost(text: str, width: int) -> None:
    layout = lay_out_page(UNIFONT, text, width)
    check(UNIFONT, text, layout)
    offset, places = 0, set()
    for paragraph in layout.text.split("\n"):
        places |= {offset + place for place in break_opportunities(paragraph)}
        offset += len(paragraph) + 1
    # What the next line begins with, up to a place to break or in a broken word one cluster, found no more room.
    for line, following in pairwise(layout.lines):
        if line.break_after != HARD_BREAK:
            stop = following.start + 1
            if following.start in places:
                stop = min([place for place in places if place > following.start], default=len(layout.text))
            piece = layout.text[line.stop : stop].split("\n")[0].rstrip(" \u3000")
            assert line.num_columns + UNIFONT.measure(piece) > width


@given(st.text(st.characters(exclude_categories=()), max_size=30), st.integers(48, 120))
@settings(max_examples=100, deadline=None)
def test_any_text(text: str, width: int) -> None:
    try:
        check(BOXES, text, lay_out_page(BOXES, text, width))
    except PageOverflowError:
        # Many boxes, or marks with a place of their own, can make a cluster wide.
        widest = max(map(BOXES.measure, grapheme_clusters(page_text(BOXES, text))))
        assert widest > width or not BOXES.normalise(text).isascii()


def test_words_wider_than_a_line_are_broken_and_counted() -> None:
    text = "a pneumonoultramicroscopicsilicovolcanoconiosis and antidisestablishmentarianism"
    layout = lay_out_page(FIXED, text, 16 * 5)
    check(FIXED, text, layout)
    assert texts(layout) == [
        "a",
        "pneumonoultramic",
        "roscopicsilicovo",
        "lcanoconiosis",
        "and",
        "antidisestablish",
        "mentarianism",
    ]
    assert layout.num_broken_words == 2 and [line.break_after for line in layout.lines[1:3]] == [0, 0]


def test_a_cluster_wider_than_a_line_is_an_error() -> None:
    with pytest.raises(PageOverflowError, match=r"'F' is 5 columns wide.*4 columns"):
        lay_out_page(FIXED, TEXT, 4)
    font = StripRenderer([sample_font("Arabic"), "unifont-16"])
    with pytest.raises(PageOverflowError, match="wider"):
        lay_out_page(font, "لنا", 8)


def test_spaces_at_a_break_hang_and_are_counted() -> None:
    layout = lay_out_page(FIXED, "one   two    ", 5 * 5)
    assert texts(layout) == ["one", "two"]
    assert [line.break_after for line in layout.lines] == [3, HARD_BREAK]
    assert texts(lay_out_page(FIXED, "   one two", 6 * 5)) == ["   one", "two"]
    assert texts(lay_out_page(FIXED, "     ", 2 * 5)) == [""]
    wide = lay_out_page(UNIFONT, "字\u3000字", 24)
    assert texts(wide) == ["字", "字"] and wide.lines[0].break_after == 2


def test_zero_width_spaces_are_places_to_break() -> None:
    text = "ខ្ញុំ\u200bស្រឡាញ់\u200bភាសា"
    layout = lay_out_page(BOXES, text, BOXES.measure("ខ្ញុំស្រឡាញ់"))
    check(BOXES, text, layout)
    assert texts(layout) == ["ខ្ញុំស្រឡាញ់", "ភាសា"] and layout.num_broken_words == 0


# ---- paragraphs ----


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_line_breaks_end_paragraphs(end: str) -> None:
    layout = lay_out_page(FIXED, f"one{end}{end}two{end}", 100)
    assert layout.text == "one\n\ntwo\n" and texts(layout) == ["one", "", "two", ""]
    assert all(line.break_after == HARD_BREAK for line in layout.lines)
    signs = StripRenderer(newline="symbol")
    layout = lay_out_page(signs, f"one{end}{end}two", 100)
    assert layout.text == "one\n\ntwo" and texts(layout) == ["one\n", "\n", "two"]
    drawn = [line.columns for line in layout.lines]
    assert drawn == [StripRenderer().render_bytes(text) for text in ("one\u21b5", "\u21b5", "two")]


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(MissingGlyphError, match="IDEOGRAPH-5B57"):
        lay_out_page(FIXED, "ab 字", 100)
    with pytest.raises(MissingGlyphError, match="ARABIC LETTER BEH"):
        lay_out_page(FIXED, "ab\nب", 100)
    with pytest.raises(TypeError, match="bytes"):
        lay_out_page(FIXED, b"ab", 100)  # type: ignore[arg-type]


# ---- right to left ----


def reorder(text: str, levels: list[int]) -> str:
    """Rule L2, word for word: from the highest level down, reverse every stretch at that level or above."""
    chars = [
        (mirror_map().get(c, c) if level % 2 else c, level) for c, level in zip(text, levels, strict=True)
    ]
    for level in range(max(levels, default=0), 0, -1):
        index = 0
        while index < len(chars):
            stop = index
            while stop < len(chars) and chars[stop][1] >= level:
                stop += 1
            chars[index:stop] = chars[index:stop][::-1]
            index = max(stop, index + 1)
    return "".join(char for char, _ in chars)


@pytest.mark.parametrize(
    "text",
    [
        "אבגד הוזח טיכל מנסע פצקר",
        "אבג (דהו, abc def ghi) זחט 12 34.5 יכל",
        "abc אבג דהו (זחט) יכל def ghi 12",
        "אבג abc 12, 34% def (ghi) יכל! 1990",
    ],
)
@pytest.mark.parametrize("width", [64, 80, 104])
def test_each_line_is_put_in_order_with_the_levels_of_its_paragraph(text: str, width: int) -> None:
    atlas = GlyphAtlas.load("unifont-16")
    layout = lay_out_page(UNIFONT, text, width)
    check(UNIFONT, text, layout)
    levels, base = embedding_levels(text)
    assert len(layout.lines) > 2
    for line in layout.lines:
        shown = reorder(text[line.start : line.stop], levels[line.start : line.stop])
        assert line.columns == b"".join(atlas.glyph(atlas.index(char)) for char in shown)
        assert line.is_right_to_left == (base == 1)
        for char, (first, stop) in zip(text[line.start : line.stop], line.char_spans.tolist(), strict=True):
            mirrored = mirror_map().get(char, char)
            assert line.columns[2 * first : 2 * stop] in (
                atlas.glyph(atlas.index(c)) for c in (char, mirrored)
            )


def test_right_to_left_paragraphs_are_flush_right() -> None:
    layout = lay_out_page(UNIFONT, "שלום עולם\nabc", 64)
    page_format = PageFormat(64)
    sheet = draw_sheet(layout.lines, page_format, 3, 2)
    assert [line.num_columns for line in layout.lines] == [32, 32, 24]
    assert sheet[:, :32].any(axis=(1, 2)).tolist() == [False, False, True]
    assert sheet_layout(layout.lines, page_format, 3)[1].tolist() == [
        [32, 64, 1, 1],
        [32, 64, -1, 1],
        [0, 24, -1, 0],
    ]


def test_a_paragraph_is_shaped_before_it_is_cut() -> None:
    layout = lay_out_page(UNIFONT, "بيتبيت", 24)
    assert layout.num_broken_words == 1 and len(layout.lines) == 2
    first, second = (line.columns for line in layout.lines)
    assert second + first == UNIFONT.render_bytes("بيتبيت")


# ---- sheets ----


def test_sheets_and_rows() -> None:
    page_format = PageFormat(140, max_rows=7, margins=(1, 20), line_spacing=1)
    assert page_format.line_columns == 100 and page_format.lines_per_sheet == 3
    assert [page_format.row(line) for line in range(3)] == [1, 3, 5]
    assert [page_format.num_rows(lines) for lines in (0, 1, 3)] == [2, 3, 7]
    layout = lay_out_page(FIXED, TEXT, page_format.line_columns)
    sheets = layout.sheets(page_format)
    assert [len(sheet) for sheet in sheets] == [3, 3] and sum(sheets, ()) == layout.lines
    sheet = draw_sheet(sheets[0], page_format, 8, 1)
    assert sheet.shape == (8, 140, 1) and not sheet[:, :20].any() and not sheet[:, 120:].any()
    assert sheet.any(axis=(1, 2)).tolist() == [False, True, False, True, False, True, False, False]
    spans, rows = sheet_layout(sheets[0], page_format, 8)
    assert spans[1].tolist() == [0, 20] and (rows[[0, 2, 4, 6, 7], 2] == NO_LINE).all()
    assert layout.sheets(PageFormat(140)) == [layout.lines]
    offsets = sheet_offsets(sheets[0], page_format, 8, 20)
    assert offsets.shape == (56, 2) and offsets[7:14].tolist() == [
        [0, 0],
        [0, 4],
        [4, 8],
        [8, 12],
        [12, 16],
        [16, 20],
        [0, 0],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 40, "margins": (0, 20)}, "no room"),
        ({"width": 10, "padding": (5, 5)}, "no room"),
        ({"width": 40, "margins": (-1, 0)}, "margins must not be negative"),
        ({"width": 40, "line_spacing": -1}, "line_spacing must not be negative"),
        ({"width": 40, "max_rows": 2, "margins": (1, 0)}, "give at least 3"),
    ],
)
def test_formats_without_room(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PageFormat(**arguments)


def test_every_language_is_laid_out() -> None:
    for articles in declarations().values():
        text = "\n".join(articles)
        check(BOXES, text, lay_out_page(BOXES, text, 200))


# ---- rows, patches, strips ----


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_come_one_after_the_other(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    page = torch.rand((2, channels, 3 * 8, 4 * 5), generator=generator)
    patches = patchify(page, (8, 5))
    assert patches.shape == (2, 12, 8 * 5 * channels)
    assert torch.equal(unpatchify(patches, (8, 5), channels, num_rows=3), page)
    strip = page_to_strip(page, 8)
    assert strip.shape == (2, channels, 8, 60) and torch.equal(patchify(strip, (8, 5)), patches)
    assert torch.equal(strip_to_page(strip, 20), page)
    assert np.array_equal(page_to_strip(page.numpy(), 8), strip.numpy())
    for row in range(3):
        assert torch.equal(strip[..., 20 * row : 20 * row + 20], page[:, :, 8 * row : 8 * row + 8])


def test_uneven_pages_are_errors() -> None:
    with pytest.raises(ValueError, match="20 x 20 pixels are no whole number of patches of 8 x 5"):
        patchify(torch.ones(1, 1, 20, 20), (8, 5))
    with pytest.raises(ValueError, match="5 patches do not fill 2 rows"):
        unpatchify(torch.ones(1, 5, 40), (8, 5), 1, num_rows=2)
    with pytest.raises(ValueError, match="20 pixels high"):
        page_to_strip(np.ones((20, 20)), 8)
    with pytest.raises(ValueError, match="20 columns long"):
        strip_to_page(np.ones((8, 20)), 15)
