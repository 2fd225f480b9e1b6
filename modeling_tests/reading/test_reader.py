# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The strip reader: exact on clean strips, sensible on damaged ones."""

import functools
import gzip
import json
import math
import pickle
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.paths import DATA

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.fonts.hexbox import draw_hex_box
from pixel_ar.reading.reader import ReadResult, StripReader
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.characters import drawable_mask

ATLASES = ("fixed-5x8", "tiny5-8", "unifont-16")
VALIDATION = DATA / "sotu_validation.jsonl.gz"
SENTENCE = "We the People of the United States, in Order to form a more perfect Union, establish Justice."
RENDERERS = {name: StripRenderer([name], missing="hexbox", unsupported="missing") for name in ATLASES}
READERS = {name: StripReader([name]) for name in ATLASES}


@functools.cache
def simple_characters(name: str) -> str:
    """The characters an atlas draws as they are."""
    codes = GlyphAtlas.load(name).code_points
    chars = map(chr, codes[drawable_mask(codes)].tolist())
    return "".join(char for char in chars if unicodedata.is_normalized("NFC", char))


def drawn_alike(name: str, first: str, second: str) -> bool:
    """Whether two texts give the same pixels, blanks at the end aside."""
    draw = RENDERERS[name].render_bytes
    return draw(first).rstrip(b"\0") == draw(second).rstrip(b"\0")


def errors(first: str, second: str) -> int:
    """Edit distance."""
    row = list(range(len(second) + 1))
    for number, char in enumerate(first, 1):
        previous, row = row, [number]
        for index, other in enumerate(second):
            row.append(min(previous[index + 1] + 1, row[-1] + 1, previous[index] + (char != other)))
    return row[-1]


def damaged(name: str, text: str, flips: float = 0.0, drift: float = 0.0, seed: int = 0) -> np.ndarray:
    """A strip as bool `[H, W]`, True = background, with wrong pixels and doubled or lost columns."""
    rng = np.random.default_rng(seed)
    background = RENDERERS[name].render(text).to_array() == 255
    background = background ^ (rng.random(background.shape) < flips)
    dice = rng.random(background.shape[1])
    times = np.where(dice < drift / 2, 0, np.where(dice > 1 - drift / 2, 2, 1))
    return np.repeat(background, times, axis=1)


def check_result(result: ReadResult) -> None:
    """What holds for every result."""
    assert result.confidences.shape == (len(result.text),) and result.confidences.dtype == np.float32
    assert ((result.confidences > 0) & (result.confidences <= 1)).all()
    assert result.char_columns.shape == (len(result.text) + 1,) and result.char_columns.dtype == np.int32
    assert (np.diff(result.char_columns) > 0).all()
    assert 0 <= result.unreadable <= 1


# ---- clean strips ----


@pytest.mark.skipif(not VALIDATION.is_file(), reason="examples/data is not here")
@pytest.mark.parametrize("name", ATLASES)
def test_no_error_on_the_validation_set(name: str) -> None:
    with gzip.open(VALIDATION, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) == 377
    renderer, reader = StripRenderer([name]), READERS[name]
    results = reader.read_batch([renderer.render_bytes(text) for text in texts])
    for text, result in zip(texts, results, strict=True):
        check_result(result)
        assert result.unreadable == 0
        if name == "tiny5-8":  # draws I, l and | alike
            assert drawn_alike(name, result.text, text)
        else:
            assert result.text == renderer.normalise(text).rstrip(" ")


@pytest.mark.parametrize("name", ATLASES)
def test_every_glyph_of_an_atlas_is_read(name: str) -> None:
    chars = simple_characters(name)
    result = READERS[name].read(RENDERERS[name].render_bytes(chars))
    assert result.unreadable == 0 and drawn_alike(name, result.text, chars)
    if name == "fixed-5x8":
        canonical = READERS[name].canonical
        assert canonical(result.text) == canonical(chars).rstrip(" ")


@pytest.mark.parametrize("name", ATLASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reading_inverts_rendering(name: str, data: st.DataObject) -> None:
    chars = simple_characters(name)
    pool = data.draw(st.sampled_from([chars[:95], chars[:600], chars]))
    text = data.draw(st.text(st.sampled_from(pool), max_size=40))
    strip = RENDERERS[name].render(text)
    result = READERS[name].read(strip)
    check_result(result)
    assert result.unreadable == 0 and drawn_alike(name, result.text, text)
    if name == "fixed-5x8":
        canonical = READERS[name].canonical
        assert canonical(result.text) == canonical(strip.text).rstrip(" ")
        assert (result.char_columns == strip.char_columns[: len(result.text) + 1]).all()


@pytest.mark.parametrize("name", ["fixed-5x8", "unifont-16"])
@settings(max_examples=80, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_text_is_read_through_its_boxes(name: str, text: str) -> None:
    strip = RENDERERS[name].render(text)
    result = READERS[name].read(strip)
    assert result.unreadable == 0 and drawn_alike(name, result.text, strip.text)


def test_boxes_never_parse_as_glyphs() -> None:
    for name in ATLASES:
        table = READERS[name]._known.index.table
        size = GlyphAtlas.load(name).height // 8
        for code in (*range(0, 0x10000, 251), 0x1F600, 0x10FFFF):
            box = draw_hex_box(chr(code), 8 * size)
            assert not any(box[: width * size] in table for width in range(1, 17)), f"{name} U+{code:04X}"


@pytest.mark.parametrize("name", ATLASES)
@pytest.mark.parametrize("offset", [1, 2, 3, 5, 7, 20])
def test_text_may_begin_at_any_column(name: str, offset: int) -> None:
    size = GlyphAtlas.load(name).height // 8
    result = READERS[name].read(
        bytes(offset * size) + RENDERERS[name].render_bytes("Homage to Pixels") + bytes(size)
    )
    assert result.text.lstrip(" ") == "Homage to Pixels" and result.unreadable == 0
    first = len(result.text) - len("Homage to Pixels")
    assert result.char_columns[first] == offset
    cut = READERS[name].read(RENDERERS[name].render_bytes("Homage to Pixel.").rstrip(b"\0"))
    assert cut.text == "Homage to Pixel." and cut.unreadable == 0, "blank columns at the end may be missing"


def test_blank_and_empty_strips() -> None:
    for name in ATLASES:
        for data in (b"", bytes(320), RENDERERS[name].render_bytes("   ")):
            result = READERS[name].read(data)
            check_result(result)
            assert result.text == "" and result.unreadable == 0 and result.char_columns.tolist() == [0]


def test_forms_of_a_strip() -> None:
    reader, strip = READERS["fixed-5x8"], RENDERERS["fixed-5x8"].render(SENTENCE)
    pixels = strip.to_array()
    forms = [
        strip,
        strip.columns,
        bytearray(strip.columns),
        pixels,
        pixels == 255,
        pixels // 255,
        (pixels // 255).astype(np.int64),
        pixels / np.float32(255),
        0.2 + 0.5 * (pixels / 255),
        pixels[None],
        pixels[None, None],
    ]
    for result in reader.read_batch(forms):
        assert result.text == SENTENCE
    assert [result.text for result in reader.read_batch(np.stack([pixels, pixels])[:, None])] == [
        SENTENCE
    ] * 2
    assert reader.read(strip.columns, height=8).text == SENTENCE


def test_wrong_strips_say_what_is_wrong() -> None:
    reader = READERS["unifont-16"]
    for strip, message in (
        (np.zeros((8, 20)), "shape \\[16, W\\] .*got \\[8, 20\\]"),
        (np.zeros((3, 16, 20)), "got \\[3, 16, 20\\]"),
        (np.zeros(16), "got \\[16\\]"),
        (bytes(3), "3 bytes are no whole number of columns of 2 bytes"),
        (RENDERERS["fixed-5x8"].render("a"), "8 rows, but unifont-16 is read at 16"),
    ):
        with pytest.raises(ValueError, match=message):
            reader.read(strip)
    for settings_, message in (
        ({"noise": 0.5}, "noise must lie"),
        ({"slack_cost": -1.0}, "slack_cost must be"),
        ({"eos_width": 0}, "eos_width must be"),
        ({"atlases": ()}, "at least one"),
    ):
        with pytest.raises(ValueError, match=message):
            StripReader(**settings_)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("alphabet", 1), ("alphabet", None), ("slack_cost", "NaN"), ("noise", True), ("noise", [0.1])),
        *(("eos_width", math.inf), ("eos_width", {}), ("renderer", 8), ("prior", [1])),
    ],
)
def test_settings_of_another_kind_are_named(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be"):
        StripReader(**{name: value})


# ---- EOS ----


@pytest.mark.parametrize(("name", "width"), [("fixed-5x8", 20), ("tiny5-8", 16), ("unifont-16", 16)])
def test_reading_stops_at_an_eos_patch(name: str, width: int) -> None:
    reader = StripReader([name], eos_width=width)
    size = reader.height // 8
    text = (
        RENDERERS[name].render_bytes("before")
        if name == "tiny5-8"
        else RENDERERS[name].render_bytes("before █▌▐█")
    )
    text += bytes(-len(text) % (width * size))
    eos = b"\xff" * (width * size)
    result = reader.read(text + eos + RENDERERS[name].render_bytes("after"))
    assert result.text == ("before" if name == "tiny5-8" else reader.canonical("before █▌▐█"))
    assert result.eos_column == len(text) // size and result.unreadable == 0
    assert reader.read(eos).text == "" and reader.read(eos).eos_column == 0
    assert reader.read(text).eos_column is None
    if name != "tiny5-8":
        blocks = RENDERERS[name].render_bytes("█" * 40)
        assert reader.read(blocks).text == "█" * 40 and reader.read(blocks).eos_column is None
        # Ink of the last glyph runs into the patch, which begins at a multiple of its width.
        joined = RENDERERS[name].render_bytes("██▐")[: 2 * width * size]
        joined += b"\xff" * (-len(joined) % (width * size)) + eos
        assert reader.read(joined).eos_column == (len(joined) - len(eos)) // size


# ---- characters drawn alike ----


@pytest.mark.parametrize(
    "text",
    [
        "Мы, народы Объединённых Наций, преисполнены решимости",
        "в 1945 году в Сан-Франциско",
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι",
        "A mixed text: слово and λόγος, as one says",
        "CO2, H2O; MAP ON A TABLE",
    ],
)
def test_words_keep_their_script(text: str) -> None:
    for name in ("fixed-5x8", "unifont-16"):
        assert READERS[name].read(RENDERERS[name].render_bytes(text)).text == text


def test_alphabet_decides_between_characters_drawn_alike() -> None:
    strip = RENDERERS["fixed-5x8"].render_bytes("АВС")
    assert READERS["fixed-5x8"].read(strip).text == "ABC"
    russian = StripReader(["fixed-5x8"], alphabet="АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ")
    assert russian.read(strip).text == "АВС"
    assert READERS["fixed-5x8"].canonical("АВС\u00a0Ω") == "ABC Ω"
    assert READERS["unifont-16"].canonical("a\u3000b") == "a  b", "a wide blank is two spaces"


# ---- damaged strips ----


@pytest.mark.parametrize(
    ("name", "flips", "drift", "limit"),
    [
        ("fixed-5x8", 0.01, 0.0, 0.01),
        ("fixed-5x8", 0.05, 0.0, 0.06),
        ("fixed-5x8", 0.0, 0.01, 0.02),
        ("fixed-5x8", 0.01, 0.02, 0.05),
        ("tiny5-8", 0.01, 0.0, 0.06),
        ("tiny5-8", 0.0, 0.01, 0.06),
        ("unifont-16", 0.02, 0.0, 0.01),
        ("unifont-16", 0.0, 0.01, 0.02),
    ],
)
def test_damaged_strips(name: str, flips: float, drift: float, limit: float) -> None:
    wrong, number = 0, 0
    for seed in range(3 if name == "unifont-16" else 6):
        result = READERS[name].read(damaged(name, SENTENCE, flips, drift, seed))
        check_result(result)
        wrong += errors(READERS[name].canonical(result.text), READERS[name].canonical(SENTENCE))
        number += len(SENTENCE)
        again = READERS[name].read(damaged(name, SENTENCE, flips, drift, seed))
        assert again.text == result.text and (again.confidences == result.confidences).all()
    assert wrong / number <= limit, f"{wrong} errors in {number} characters"


def test_one_wrong_pixel_is_noticed() -> None:
    pixels = RENDERERS["fixed-5x8"].render(SENTENCE).to_array()
    pixels[3, 5 * 10 + 2] ^= 255
    result = READERS["fixed-5x8"].read(pixels)
    assert result.text == SENTENCE
    inked = (RENDERERS["fixed-5x8"].render(SENTENCE).to_array() == 0).any(axis=0)
    assert 0 < result.unreadable <= 6 / inked.sum()


def test_a_lost_column_costs_at_most_its_character() -> None:
    pixels = RENDERERS["fixed-5x8"].render(SENTENCE).to_array()
    for column in range(0, 200, 7):
        without = READERS["fixed-5x8"].read(np.delete(pixels, column, axis=1)).text
        doubled = READERS["fixed-5x8"].read(np.insert(pixels, column, pixels[:, column], axis=1)).text
        assert errors(without, SENTENCE) <= 1 and errors(doubled, SENTENCE) <= 1


def test_doubt_shows_in_the_confidence() -> None:
    """Half-way between two letters: about as likely as each other."""
    pixels = RENDERERS["fixed-5x8"].render("of a pale horse").to_array()
    other = RENDERERS["fixed-5x8"].render("of o pale horse").to_array()
    differing = np.argwhere(pixels != other)
    pixels[tuple(differing[0])] ^= 255
    result = READERS["fixed-5x8"].read(pixels)
    assert len(result.text) == 15 and result.confidences[3] < 0.9
    assert result.confidences.argmin() == 3 and np.delete(result.confidences, 3).min() > 0.9


def test_noise_and_ink_everywhere_give_a_result() -> None:
    rng = np.random.default_rng(0)
    for name in ATLASES:
        height = GlyphAtlas.load(name).height
        for strip in (
            rng.random((height, 60)) < 0.5,
            np.zeros((height, 60), bool),
            np.eye(height, 40, dtype=bool),
        ):
            result = READERS[name].read(strip)
            check_result(result)
            assert result.unreadable > 0.5


def test_rare_glyphs_are_believed_in_clean_surroundings_only() -> None:
    text = SENTENCE + " (naïve café…) " + SENTENCE
    pixels = RENDERERS["fixed-5x8"].render(text).to_array()
    pixels[4, 7] ^= 255
    assert READERS["fixed-5x8"].read(pixels).text == text
    noisy = READERS["fixed-5x8"].read(damaged("fixed-5x8", SENTENCE * 3, 0.03))
    assert not [char for char in noisy.text if "\u2800" <= char <= "\u28ff"], (
        "a wrong pixel is no Braille dot"
    )


# ---- copies and batches ----


def test_batches_and_copies_read_the_same() -> None:
    reader = StripReader(["fixed-5x8"], slack_cost=5.0, noise=0.02, eos_width=20)
    strips = [damaged("fixed-5x8", SENTENCE, 0.02, 0.01, seed) for seed in range(3)]
    expected = [reader.read(strip) for strip in strips]
    for other in (reader, pickle.loads(pickle.dumps(reader))):
        for result, wanted in zip(other.read_batch(strips), expected, strict=True):
            assert result.text == wanted.text and (result.confidences == wanted.confidences).all()
            assert result.unreadable == wanted.unreadable
    assert repr(reader) == "StripReader([fixed-5x8], alphabet='', slack_cost=5.0, noise=0.02, eos_width=20)"
