# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor draws pages and reads them back: exactly with its own description, by the picture alone as far as the
picture tells.
"""

import functools
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tools.tiny import TINY
from tools.unicode import declarations, sample_font

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.patching import patchify, unpatchify
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.rendering.pages import NO_LINE, PageOverflowError, page_text
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.characters import MissingGlyphError

TEXT = (
    "Four score and seven years ago our fathers brought forth, on this continent, a new nation.\n\n"
    "   Conceived in Liberty,  and well-known antidisestablishmentarianism."
)


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor.from_preset("fixed-8")


@functools.cache
def chain(*members: str) -> PixelProcessor:
    """A processor with Unifont and sample fonts, whose reader is built only once."""
    atlases = [member if member.startswith("unifont") else sample_font(member) for member in members]
    return PixelProcessor(atlases, patch_size=(16, 16), missing="hexbox")


# ---- drawing ----


def test_a_batch_of_pages(processor: PixelProcessor) -> None:
    batch = processor.render_pages([TEXT, "short"], 6, return_offsets_mapping=True, return_tensors="pt")
    rows = int(batch["num_rows"][0])
    assert (
        batch["pixel_values"].shape == (2, 1, rows * 8, 120) and batch["pixel_values"].dtype == torch.float32
    )
    assert batch["num_rows"].tolist() == [rows, 1] and batch["next_positions"].tolist() == [-1, -1]
    assert batch["attention_mask"].tolist() == [[1] * (6 * rows), [1] * 6 + [0] * (6 * rows - 6)]
    assert batch["overflow_to_sample_mapping"].tolist() == [0, 1]
    assert batch["text_spans"].shape == (2, rows, 2) and batch["line_layout"].shape == (2, rows, 4)
    assert (batch["line_layout"][1, 1:, 2] == NO_LINE).all()
    normal = page_text(processor.renderer, TEXT)
    for row, (start, stop) in enumerate(batch["text_spans"][0].tolist()):
        line = batch["pixel_values"][0, 0, 8 * row : 8 * row + 8]
        drawn = 1 - torch.from_numpy(processor.renderer.render(normal[start:stop]).to_array()) / 255
        assert torch.equal(1 - line[:, : drawn.shape[1]], drawn) and (line[:, drawn.shape[1] :] == 1).all()
        # Four characters of five columns a patch.
        offsets = batch["offset_mapping"][0, 6 * row : 6 * row + 6].tolist()
        expected = [[at, min(at + 4, stop)] if at < stop else [0, 0] for at in range(start, start + 24, 4)]
        assert offsets == expected


def test_patches_run_row_by_row(processor: PixelProcessor) -> None:
    batch = processor.render_pages(TEXT, 6, return_tensors="pt")
    pixels = batch["pixel_values"]
    patches = patchify(pixels, processor.patch_size)
    rows = pixels.shape[2] // 8
    assert torch.equal(unpatchify(patches, processor.patch_size, 1, rows), pixels)
    strips = processor.pages_to_strips(batch)
    assert torch.equal(patchify(strips["pixel_values"], processor.patch_size), patches)
    assert torch.equal(processor.strips_to_pages(strips, 6), pixels)
    # A patch at (row, place) is what stands there in the picture.
    assert torch.equal(patches[0, 6 + 2].reshape(8, 20), pixels[0, 0, 8:16, 40:60])


def test_colour_and_lists(processor: PixelProcessor) -> None:
    rgb = PixelProcessor.from_preset("fixed-8", num_channels=3)
    gray, colour = (
        each.render_pages(TEXT, 6, return_tensors="np")["pixel_values"] for each in (processor, rgb)
    )
    assert colour.shape[1] == 3 and (colour == gray).all()
    assert rgb.to_pil(colour)[0].size == (120, gray.shape[2]) and rgb.decode_pages(
        colour
    ) == processor.decode_pages(gray)
    lists = processor.render_pages([TEXT, "short"], 6, padding=False)
    assert [page.shape[1] for page in lists["pixel_values"]] == [gray.shape[2], 8]
    assert processor.decode_pages(lists) == [page_text(processor.renderer, TEXT), "short"]
    assert isinstance(processor.to_pil(lists, scale=2)[1], Image.Image)


def test_margins_and_spacing() -> None:
    processor = PixelProcessor.from_preset("fixed-8", left_padding=2, right_padding=3)
    settings: dict[str, Any] = {"margins": (1, 2), "line_spacing": 1}
    batch = processor.render_pages(TEXT, 12, **settings, return_tensors="np")
    ink = batch["pixel_values"][0, 0] == 0
    rows = np.flatnonzero(ink.reshape(-1, 8 * 240).any(axis=1))
    assert rows[0] == 1 and (rows % 2 == 1).all() and not ink[-8:].any()
    assert not ink[:, :42].any() and not ink[:, 240 - 43 :].any()
    text = page_text(processor.renderer, TEXT)
    assert processor.decode_pages(batch) == [text]
    assert processor.decode_pages(batch["pixel_values"], **settings) == [text]


# ---- sheets ----


def test_sheets_go_on_where_the_last_ended(processor: PixelProcessor) -> None:
    whole = processor.render_pages(TEXT, 6, return_tensors="np")
    sheets = processor.render_pages([TEXT, "short"], 6, max_rows=3, max_sheets=None, return_tensors="np")
    count = -(-int(whole["num_rows"][0]) // 3)
    assert sheets["overflow_to_sample_mapping"].tolist() == [0] * count + [1]
    joined = np.concatenate(list(sheets["pixel_values"][:count]), axis=1)
    assert np.array_equal(joined[:, : whole["pixel_values"].shape[2]], whole["pixel_values"][0])
    assert processor.decode_pages(sheets) == [page_text(processor.renderer, TEXT), "short"]
    first = processor.render_pages(TEXT, 6, max_rows=3, truncation=True, return_tensors="np")
    assert np.array_equal(first["pixel_values"][0], sheets["pixel_values"][0])
    position = int(first["next_positions"][0])
    assert position == sheets["next_positions"][0] == sheets["text_spans"][1, 0, 0]
    rest = processor.render_pages(page_text(processor.renderer, TEXT)[position:], 6, return_tensors="np")
    assert np.array_equal(rest["pixel_values"][0], whole["pixel_values"][0][:, 24:])
    padded = processor.render_pages("short", 6, max_rows=3, padding="max_length", return_tensors="np")
    assert padded["pixel_values"].shape == (1, 1, 24, 120) and padded["num_rows"].tolist() == [1]


def test_too_long_texts_are_errors_that_count(processor: PixelProcessor) -> None:
    with pytest.raises(
        PageOverflowError,
        match=r"text\[1\] fills 9 lines of 120 columns, 3 sheets of 3 rows.*max_sheets is 1",
    ):
        processor.render_pages(["short", TEXT], 6, max_rows=3)
    with pytest.raises(PageOverflowError, match="max_sheets is 2"):
        processor.render_pages(TEXT, 6, max_rows=3, max_sheets=2)


# ---- reading ----


@pytest.mark.parametrize("width", [5, 9, 40])
def test_text_to_page_to_text(processor: PixelProcessor, width: int) -> None:
    batch = processor.render_pages(TEXT, width, return_tensors="np")
    assert processor.decode_pages(batch) == [page_text(processor.renderer, TEXT)]
    # The picture alone does not tell that there were two spaces, if the line was broken there.
    picture = processor.decode_pages(batch["pixel_values"])[0]
    assert picture.replace("  and", " and") == TEXT.replace("  and", " and")


LANGUAGES = {
    "eng": ["unifont-16"],
    "heb": ["unifont-16"],
    "cmn_hans": ["unifont-16"],
    "jpn": ["unifont-16"],
    "kor": ["unifont-16"],
    "tha": ["unifont-16"],
    "hin": ["unifont-16", "Devanagari"],
    "arb": ["Arabic", "unifont-16"],
    "khm": ["unifont-16", "Khmer"],
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_languages_are_read_back(code: str) -> None:
    processor = chain(*LANGUAGES[code])
    text = "\n".join(declarations()[code])
    expected = page_text(processor.renderer, text)
    for width in (10, 18):
        batch = processor.render_pages(text, width, max_rows=4, max_sheets=None, return_tensors="np")
        assert batch["pixel_values"].shape[2:] == (64, 16 * width) and len(batch["num_rows"]) > 1
        assert processor.decode_pages(batch) == [expected]
    # By the picture alone the letters are the same; only breaks are guessed.
    whole = processor.render_pages(text, width, return_tensors="np")
    picture = processor.decode_pages(whole["pixel_values"])[0]
    assert "".join(picture.split()) == "".join(expected.split())


def test_breaks_are_exact_if_they_are_drawn() -> None:
    processor = PixelProcessor.from_preset("fixed-8", newline="symbol")
    for width in (5, 6, 7, 9, 12):
        batch = processor.render_pages("one two\nthree\n\nfour five six seven\n", width, return_tensors="np")
        assert processor.decode_pages(batch) == ["one two\nthree\n\nfour five six seven\n"]
        pixels = batch["pixel_values"]
        assert processor.decode_pages(pixels) == ["one two\nthree\n\nfour five six seven\n"]
    # Without the sign, a line break where the page would be wrapped anyway looks like a space.
    plain = PixelProcessor.from_preset("fixed-8")
    pixels = plain.render_pages("one two three four\nseven", 5, return_tensors="np")["pixel_values"]
    assert plain.decode_pages(pixels) == ["one two three four seven"]
    pixels = plain.render_pages("one\ntwo three", 5, return_tensors="np")["pixel_values"]
    assert plain.decode_pages(pixels) == ["one\ntwo three"]


def test_right_to_left_lines_by_the_picture_alone() -> None:
    unifont = chain("unifont-16")
    text = "שלום עולם, abc def והספר הגדול\n  שורה עם רווחים\nEnglish with עברית in it"
    for width in (9, 12, 30):
        batch = unifont.render_pages(text, width, return_tensors="np")
        assert unifont.decode_pages(batch) == [text]
    assert unifont.decode_pages(batch["pixel_values"]) == [text]


def test_lines_tell_where_and_how_sure(processor: PixelProcessor) -> None:
    page = processor.render_pages(TEXT, 6, margins=(1, 0), return_tensors="np")
    result = processor.read_pages(page)[0]
    assert (
        result.rows == tuple(range(1, 10))
        and len(result.lines) == len(result.texts) == len(result.breaks) == 9
    )
    assert all(line.unreadable == 0 for line in result.lines)
    noisy = page["pixel_values"].copy()
    noisy[0, 0, 20:24, 30:50] = 1
    found = processor.read_pages({**page, "pixel_values": noisy})[0]
    assert [line.unreadable > 0 for line in found.lines] == [False, True] + [False] * 7
    assert processor.read_pages(np.ones((1, 1, 16, 40)))[0].text == ""


# ---- models of strips ----


def test_a_model_of_strips_reads_a_page(processor: PixelProcessor) -> None:
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(max_position_embeddings=128, **TINY)).eval()
    pages = processor.render_pages([TEXT, "short page"], 6, return_tensors="pt")
    strips = processor.pages_to_strips(pages, add_eos=True)
    rows = pages["num_rows"].tolist()
    assert strips["attention_mask"].sum(dim=1).tolist() == [6 * count + 1 for count in rows]
    assert strips["num_columns"].tolist() == [120 * count + 20 for count in rows]
    assert (strips["pixel_values"][1, :, :, 120:140] == 0).all() and (
        strips["pixel_values"][1, :, :, 140:] == 1
    ).all()
    with torch.inference_mode():
        assert torch.isfinite(model.log_likelihood(**strips)).all()
        prompt = processor.pages_to_strips(processor.render_pages("short", 6, return_tensors="pt"))
        out = model.generate(**prompt, max_new_patches=7)
    page = processor.strips_to_pages(out, 6)
    assert page.shape == (1, 1, 24, 120) and torch.equal(page[0, 0, :8, :25], out[0, 0, :, :25])
    with pytest.raises(ValueError, match="page 0 makes a strip of 55 patches, but max_patches is 20"):
        processor.pages_to_strips(pages, add_eos=True, max_patches=20)


# ---- errors ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, r"text\[0\] is empty"),
        ({"text": []}, "batch is empty"),
        ({"text": ["a", 3]}, r"text\[1\] must be a string"),
        ({"width_patches": 0}, "width_patches must be a positive integer, got 0"),
        ({"width_patches": 2.5}, "got 2.5"),
        ({"width_patches": None}, "width_patches must be a positive integer, got None"),
        ({"max_rows": 0}, "max_rows must be a positive integer"),
        ({"max_sheets": 0}, "max_sheets must be at least 1"),
        ({"margins": (1, 2, 3)}, "margins must be"),
        ({"margins": float("inf")}, "margins must be"),
        ({"margins": (1, "2")}, "margins must be"),
        ({"margins": 3}, "no room for text"),
        ({"line_spacing": 0.5}, "line_spacing a number of rows"),
        ({"padding": "longer"}, "padding must be one of"),
        ({"padding": "max_length"}, "needs max_rows"),
        ({"text": ["a", TEXT], "padding": False, "return_tensors": "np"}, "sheets differ in height"),
        ({"text": "字"}, r"text\[0\]: no glyph for U\+5B57"),
    ],
)
def test_bad_pages(processor: PixelProcessor, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor.render_pages(**{"text": TEXT, "width_patches": 6, **arguments})


def test_only_plain_strips_make_pages(processor: PixelProcessor, monkeypatch: pytest.MonkeyPatch) -> None:
    style = types.SimpleNamespace(is_plain=False)
    monkeypatch.setattr(StripRenderer, "style", style, raising=False)
    with pytest.raises(ValueError, match='use one with mode="1"'):
        processor.render_pages(TEXT, 6)
    style.is_plain = True
    assert processor.render_pages(TEXT, 6)["num_rows"] == [9]


def test_errors_keep_their_class(processor: PixelProcessor) -> None:
    with pytest.raises(MissingGlyphError) as caught:
        processor.render_pages(["a", "字"], 6)
    assert caught.value.characters == ("字",)


def test_pages_that_cannot_be_read(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match="page 0 has 12 x 40 pixels"):
        processor.read_pages(np.ones((1, 1, 12, 40)))
    batch = processor.render_pages(TEXT, 6, return_tensors="np")
    with pytest.raises(ValueError, match=r"describes 9 rows, but the page has 2"):
        processor.read_pages({**batch, "pixel_values": batch["pixel_values"][:, :, :16]})


def test_a_loaded_processor_draws_the_same_page(processor: PixelProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    pages = [
        each.render_pages(TEXT, 6, return_tensors="np")
        for each in (processor, PixelProcessor.from_pretrained(tmp_path))
    ]
    assert all(np.array_equal(pages[0][key], pages[1][key]) for key in pages[0])
