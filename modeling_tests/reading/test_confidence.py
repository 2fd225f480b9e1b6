# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a reader is sure of holds: drawn again it gives the same pixels, whatever was read or drawn before."""

import random
from functools import cache

import numpy as np
import pytest

from modeling_tests.tools.unicode import FOLDER, declarations, sample_font
from pixel_ar.reading.reader import ReadResult, StripReader
from pixel_ar.reading.styled_reader import build_reader
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.rendering.style import RenderStyle
from pixel_ar.rendering.styled_renderer import build_renderer

STRATEGIES = ("continuous", "mono", "bigrams", "words")


def renderer_of(strategy: str) -> StripRenderer:
    style = RenderStyle(strategy=strategy)
    return build_renderer(["unifont-16"], style, 16, unsupported="cells", missing="hexbox")


@cache
def reader_of(strategy: str) -> StripReader:
    """A reader whose renderer draws nothing."""
    return build_reader(renderer_of(strategy))


def odd_text(rng: random.Random) -> str:
    """Words of all scripts, marks on anything, characters without a glyph."""
    marks = [*range(0x300, 0x370), *range(0x591, 0x5C3), *range(0x64B, 0x65F)]
    pieces = []
    for _ in range(rng.randrange(1, 8)):
        kind = rng.randrange(3)
        if kind == 0:
            text = rng.choice(sorted(declarations().values()))[0]
            first = rng.randrange(40)
            pieces.append(text[first : first + rng.randrange(6)])
        elif kind == 1:
            pieces.append(chr(rng.choice(marks)))
        else:
            low, high = rng.choice([(0x20, 0x3000), (0x10000, 0x20000), (0xE0000, 0xE1000)])
            pieces.append(chr(rng.randrange(low, high)))
    return "".join(pieces)


def check(result: ReadResult, strip: bytes, again: bytes) -> None:
    is_same = again.strip(b"\0") == strip.strip(b"\0")
    if result.unreadable == 0:
        assert is_same, result.text
    if len(result.text) and (result.confidences == 1).all():
        assert is_same and result.unreadable == 0, result.text


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_sure_is_drawn_the_same(strategy: str) -> None:
    """By a reader whose renderer drew none of it; read twice, it reads the same."""
    renderer, reader = renderer_of(strategy), reader_of(strategy)
    rng = random.Random(4)
    for _ in range(15):
        text = odd_text(rng)
        strip = renderer.render(text)
        result = reader.read(strip)
        check(result, strip.columns, renderer.render(result.text).columns)
        again = reader.read(strip)
        assert (again.text, again.unreadable) == (result.text, result.unreadable)
        assert (again.confidences == result.confidences).all()


@pytest.mark.parametrize("text", ["x\u0300\u0302\u0323\u0327\u0306", "b\u0300\u0301\u0302\u0304\u0306a"])
def test_five_marks_on_a_letter(text: str) -> None:
    renderer = StripRenderer(["unifont-16"])
    result = reader_of("continuous").read(renderer.render_bytes(text))
    assert renderer.render_bytes(result.text) == renderer.render_bytes(text) and result.unreadable == 0


def test_a_glyph_that_is_not_known_is_not_read_with_confidence() -> None:
    """Ink in all corners of a letter: no letter of this chain."""
    renderer, reader = StripRenderer(["unifont-16"]), StripReader(["unifont-16"])
    ink = np.unpackbits(np.frombuffer(renderer.render_bytes("x"), np.uint8).reshape(-1, 2), axis=1).T
    ink[:4, :3] = ink[12:, 4:] = 1
    result = reader.read(~ink.astype(bool))
    assert result.unreadable > 0 and (result.confidences < 0.5).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_boxes_are_read_in_every_layout(strategy: str) -> None:
    renderer = renderer_of(strategy)
    text = "ab\U000e0f00c\u0378d ef"
    result = reader_of(strategy).read(renderer.render(text))
    assert result.text.replace(" ", "") == text.replace(" ", "") and result.unreadable == 0
    if strategy != "bigrams":  # which draws the same for one blank and two
        assert result.text == text


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_many_signs_without_a_glyph(strategy: str) -> None:
    """U+0600 joins what follows into one cluster, however many there are."""
    renderer = renderer_of(strategy)
    for count in (10, 60):
        strip = renderer.render("\u0600" * count)
        reader = reader_of(strategy)
        first, second = reader.read(strip), reader.read(strip)
        assert first.text == second.text == "\u0600" * count


@pytest.mark.parametrize("text", ["of \u05b8the", "\U0001f3f4 \u20dd\u1834", "\u05e9\u05b8 \u05b8"])
def test_marks_in_boxes_bring_no_space_with_them(text: str) -> None:
    """A mark laid over a space is told from one in a box beside a space."""
    for chain in (["tiny5-8"], ["unifont-16"]):
        renderer = StripRenderer(chain, missing="hexbox", unsupported="cells")
        reader = StripReader(chain, renderer=StripRenderer(chain, missing="hexbox", unsupported="cells"))
        found = reader.read(renderer.render_bytes(text))
        assert found.text == renderer.normalise(text) and found.unreadable == 0


def test_thousands_of_signs_of_one_cluster() -> None:
    """Ten thousand took more than two minutes."""
    renderer = renderer_of("mono")
    strip = renderer.render("\u0600" * 2_000)
    assert build_reader(renderer).read(strip).text == "\u0600" * 2_000


# ---- learning ----


def test_what_becomes_known_on_the_way_counts_for_the_whole_line() -> None:
    """Letters with marks before a box, and after it what a font has drawn: the first reading is as the second."""
    chain = ["unifont-16", sample_font("Khmer")]
    renderer = StripRenderer(chain, missing="hexbox", unsupported="cells")
    text = "\u05e9\u05b8\u05dc \u0e01\u0e49 \U000e1234\U000d9dfe \u1781\u17d2\u1798\u17c2\u179a"
    strip = renderer.render(text)
    reader = StripReader(chain, renderer=renderer)
    first, second = reader.read(strip), reader.read(strip)
    assert first.text == second.text and first.unreadable == second.unreadable == 0
    assert renderer.render_bytes(first.text) == strip.columns


def test_learning_never_spoils_what_was_read() -> None:
    chain = ["unifont-16", FOLDER / "colors-layers.ttf"]
    renderer = StripRenderer(chain, missing="hexbox", unsupported="cells")
    texts = ["a \u00a9 b", *(words[0][:24] for _, words in sorted(declarations().items())[::4])]
    reader = StripReader(chain, renderer=StripRenderer(chain, missing="hexbox", unsupported="cells"))
    strips = [renderer.render_bytes(text) for text in texts]
    before = [reader.read(strip).text for strip in strips]
    reader.learn(["\U0001f1e9\U0001f1ea", "\U0001f469\u200d\U0001f680", "a\u0301", *texts[::3]])
    for text, old, strip in zip(texts, before, strips, strict=True):
        assert reader.read(strip).text in (old, renderer.normalise(text).rstrip(" "))


@pytest.mark.parametrize(
    "sequence", ["\U0001f1e9\U0001f1ea", "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd"]
)
def test_learned_sequences_are_characters_of_text(sequence: str) -> None:
    chain = ["fixed-5x8", FOLDER / "colors-layers.ttf"]
    renderer = StripRenderer(chain, missing="hexbox")
    strip = renderer.render_bytes(f"a {sequence} b")
    reader = StripReader(chain, renderer=StripRenderer(chain, missing="hexbox"))
    for _ in range(2):
        text = reader.read(strip).text
        assert not any(0xE000 <= ord(char) < 0xF900 or ord(char) >= 0xF0000 for char in text)
        reader.learn([sequence])
    wanted = renderer.normalise(f"a {sequence} b")
    assert reader.read(strip).text in (
        wanted,
        wanted.replace("\u200d", ""),
    )  # boxes of a sequence show no joiner


# ---- pixels that are no numbers ----


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(value: float) -> None:
    strip = np.ones((16, 64), np.float32)
    strip[3, 5] = value
    with pytest.raises(ValueError, match="1 of 1024 values that are NaN or infinite"):
        StripReader(["unifont-16"]).read(strip)
    colored = build_renderer(["unifont-16"], RenderStyle(mode="RGB"), None)
    with pytest.raises(ValueError, match="NaN"):
        build_reader(colored).read(np.broadcast_to(strip, (3, 16, 64)))
