# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What holds for every text that Unicode can write, drawn with each atlas and with a chain of atlas and fonts."""

import concurrent.futures
import copy
import functools
import hashlib
import multiprocessing
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.unicode import declarations, sample_font

from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.text.bidi import base_level, bidi_classes, embedding_levels, plain_levels
from pixel_ar.text.characters import MissingGlyphError, UnsupportedScriptError

CHAINS = {
    "fixed-5x8": ("fixed-5x8",),
    "unifont-16": ("unifont-16",),
    "fonts": ("unifont-16", sample_font("Devanagari"), sample_font("Khmer")),
    "fonts first": (sample_font("Arabic"), "unifont-16"),
}
# Lone surrogates, NUL and unassigned code points among them.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=24)
# Characters that act on their neighbours: order, joining, marks, conjuncts, jamo, emoji, prefixes, blanks.
ACTIVE = (
    "ab1 2(]٣-+%,.  שםמرَلاحبًك٣هनिर््षकभ्ष1ด้ำ\u1112\u1161\u11abé\u0323\u0301\u200c\u200d\u200e\u200f\u061c\u0600"
    "\U0001f469\U0001f3fdक्षக்ஷ\u0c55\u0308ܫܠܡᠮᠣ\U00011013\U00011046ߞߊ\ufe0f\u20e3©🇩🇪<>«»ـ\u2067\u2069\u202a\u202b\u202c\u202e\0\u00ad"
)
WORDS = sorted({word for texts in declarations().values() for text in texts for word in text.split()})
MIXED_TEXT = st.one_of(
    st.text(st.sampled_from(ACTIVE), max_size=14),
    st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(st.sampled_from(ACTIVE), max_size=5)), max_size=6).map(
        " ".join
    ),
)
TEXT = st.one_of(ANY_TEXT, MIXED_TEXT)


@functools.cache
def renderer_of(chain: str) -> StripRenderer:
    return StripRenderer(CHAINS[chain], missing="hexbox", unsupported="cells")


def drawn_in_units(renderer: StripRenderer, text: str) -> bytes:
    """The general way, which remembers nothing of words and lines."""
    normal = renderer.normalise(text)
    if renderer.shaper is not None and renderer._is_shaped(normal):
        return b"".join(unit.cell for unit in renderer.shaper.pieces(normal))
    return renderer._draw(normal)


@pytest.mark.parametrize("chain", CHAINS)
@given(text=TEXT)
@settings(max_examples=120)
def test_every_text_is_drawn(chain: str, text: str) -> None:
    """No crash; the same bytes by every way, remembered or not; nothing outside the strip; every place inside it."""
    renderer = renderer_of(chain)
    columns = renderer.render_bytes(text)
    assert columns == renderer.render_bytes(text) == drawn_in_units(renderer, text)
    strip = renderer.render(text)
    assert strip.columns == columns and strip.text == renderer.normalise(text)
    assert strip.num_columns * strip.height // 8 == len(columns) == renderer.measure(text) * strip.height // 8
    assert strip.to_array().shape == (renderer.height, strip.num_columns)
    assert len(strip.char_columns) == len(strip.text) + 1 and strip.char_columns[-1] == strip.num_columns
    assert strip.char_columns.min() >= 0 and strip.char_columns.max() <= strip.num_columns
    if strip.char_spans is not None:
        first, stop = strip.char_spans.T
        assert (first >= 0).all() and (stop <= strip.num_columns).all() and (first <= stop).all()
        # Every column belongs to some character.
        covered = np.zeros(strip.num_columns + 1, int)
        np.add.at(covered, first, 1)
        np.add.at(covered, stop, -1)
        assert (covered.cumsum()[:-1] > 0).all()


@pytest.mark.parametrize("chain", CHAINS)
@given(text=TEXT)
@settings(max_examples=60)
def test_only_documented_errors(chain: str, text: str) -> None:
    """A strict renderer draws what the lenient one draws, or says what it lacks."""
    strict = StripRenderer(CHAINS[chain])
    try:
        columns = strict.render_bytes(text)
    except MissingGlyphError as error:
        assert set(error.characters) <= set(strict.normalise(text)) and error.characters
        assert list(error.characters) == strict.coverage(text)
    except UnsupportedScriptError as error:
        assert error.script and error.character in strict.normalise(text)
    else:
        assert columns == renderer_of(chain).render_bytes(text) and strict.coverage(text) == []


@given(text=MIXED_TEXT)
@settings(max_examples=300)
def test_plain_levels_are_those_of_the_whole_algorithm(text: str) -> None:
    classes = bidi_classes(text)
    if any(letter in "defghijkm" for letter in classes):
        return
    for base in (0, 1, base_level(classes)):
        levels = embedding_levels(text, base)[0]
        plain = plain_levels(text, classes, base)
        assert len(plain) == len(text)
        assert [int(a) for a, b in zip(plain, levels, strict=True) if b >= 0] == [b for b in levels if b >= 0]


@pytest.mark.parametrize("chain", CHAINS)
@given(words=st.lists(st.sampled_from(WORDS), max_size=6))
@settings(max_examples=60)
def test_a_line_is_as_wide_as_its_words(chain: str, words: list[str]) -> None:
    """Words joined by spaces, in whatever order they are seen, are drawn as each by itself."""
    renderer = renderer_of(chain)
    parts = sum(renderer.measure(word) for word in words)
    assert renderer.measure(" ".join(words)) == parts + max(len(words) - 1, 0) * renderer.measure(" ")


@pytest.mark.parametrize("chain", CHAINS)
@given(text=TEXT)
@settings(max_examples=60)
def test_a_line_is_as_wide_as_its_units(chain: str, text: str) -> None:
    """Units are drawn side by side, each of the characters no other one holds."""
    renderer = renderer_of(chain)
    assert renderer.shaper is not None
    normal = renderer.normalise(text)
    units = renderer.shaper.pieces(normal)
    bounds = sorted((unit.start, unit.stop) for unit in units)
    assert "".join(normal[first:stop] for first, stop in bounds) == normal
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    if renderer._is_shaped(normal):
        assert sum(len(unit.cell) for unit in units) == len(renderer.render_bytes(text))


@pytest.mark.parametrize("chain", ["fixed-5x8", "unifont-16"])
@given(first=ANY_TEXT, second=ANY_TEXT)
@settings(max_examples=100)
def test_appended_text_changes_nothing_before_it(chain: str, first: str, second: str) -> None:
    """Where nothing is shaped, a strip begins with the strip of each beginning of its text, and widths add up."""
    renderer = renderer_of(chain)
    whole, begin = renderer.normalise(first + second), renderer.normalise(first)
    if renderer._is_shaped(whole) or not whole.startswith(begin):
        return  # a mark may have joined the last letter
    drawn, before = renderer.render_bytes(first + second), renderer.render_bytes(first)
    assert drawn.startswith(before)
    assert drawn == before + renderer.render_bytes(whole[len(begin) :])


@pytest.mark.parametrize("chain", CHAINS)
@given(text=st.text(st.sampled_from("abc déf, नमस्ते क्षत्रिय ด้วย ខ្មែរ 12. "), max_size=20))
@settings(max_examples=60)
def test_words_after_a_space_change_nothing_before_it(chain: str, text: str) -> None:
    """Nor do they in shaped text that runs from left to right."""
    renderer = renderer_of(chain)
    assert renderer.render_bytes(text + " नमस्ते").startswith(renderer.render_bytes(text + " "))


@pytest.mark.parametrize("chain", ["fixed-5x8", "unifont-16"])
@given(words=st.lists(st.text(st.sampled_from("abcdefgABC0123,.;!?éüñ"), min_size=1, max_size=9), max_size=6))
@settings(max_examples=40)
def test_reading_gives_the_text_back(chain: str, words: list[str]) -> None:
    renderer = renderer_of(chain)
    text = " ".join(words)
    reader = reader_of(chain)
    assert reader.read(renderer.render_bytes(text)).text == renderer.normalise(text)


@functools.cache
def reader_of(chain: str) -> StripReader:
    return StripReader(renderer_of(chain).atlases, renderer=renderer_of(chain))


@given(texts=st.lists(TEXT, max_size=4))
@settings(max_examples=60)
def test_a_batch_is_its_texts(texts: list[str]) -> None:
    renderer = renderer_of("fonts")
    strips = renderer.render_batch(texts)
    assert strips == [renderer.render(text) for text in texts]
    for strip, text in zip(strips, texts, strict=True):
        whole = renderer._render_whole(text)
        for copied in (strip, pickle.loads(pickle.dumps(strip)), copy.deepcopy(strip)):
            assert copied == whole and copied.is_right_to_left == whole.is_right_to_left
            assert np.array_equal(copied.char_columns, whole.char_columns)
            assert (copied.char_spans is None) == (whole.char_spans is None)
            assert whole.char_spans is None or np.array_equal(copied.char_spans, whole.char_spans)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_remembered_changes_nothing(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lines in any order, with caches that hold nearly nothing."""
    lines = [" ".join(WORDS[i::97]) for i in range(40)]
    expected = [renderer_of(chain).render_bytes(line) for line in lines]
    monkeypatch.setattr("pixel_ar.rendering.cache.CACHE_BYTES", 3000)
    small = StripRenderer(CHAINS[chain], missing="hexbox", unsupported="cells")
    assert [small.render_bytes(line) for line in lines[::-1]] == expected[::-1]


RIGHT_WORDS = [word for word in WORDS if "\u0590" <= word[0] <= "\u08ff"]
RIGHT_LETTERS = "لاآأبتهجدمـשָגܫܠ،؟٣ي\u0651\u064b\u0653\u064e\u0670\u200c(.«5a"


@pytest.mark.parametrize("chain", CHAINS)
@given(
    words=st.lists(
        st.one_of(
            st.sampled_from(RIGHT_WORDS), st.text(st.sampled_from(RIGHT_LETTERS), max_size=8), ANY_TEXT
        ),
        min_size=14,
        max_size=24,
    ),
    normalize=st.sampled_from(["NFC", None]),
)
@settings(max_examples=40)
def test_words_drawn_together_are_those_drawn_alone(
    chain: str, words: list[str], normalize: str | None
) -> None:
    """Whatever is remembered of many new words is what each would have given, whole lines included."""
    settings_of = {"missing": "hexbox", "unsupported": "cells", "normalize": normalize}
    together, alone = (StripRenderer(CHAINS[chain], **settings_of) for _ in range(2))
    texts = [*words, " ".join(words)]
    together.remember(texts)
    assert [strip.columns for strip in together.render_batch(texts)] == [
        drawn_in_units(alone, text) for text in texts
    ]


def test_many_new_words_are_drawn_together() -> None:
    renderer = StripRenderer(["unifont-16"], missing="hexbox")
    new = RIGHT_WORDS[:400]
    renderer.remember([" ".join(new), "plain", "кириллица"])
    assert renderer.shaper is not None
    remembered = renderer.shaper.lines.right_words
    drawn = [word for word in set(new) if word in remembered]
    assert len(drawn) > 0.9 * len(set(new)), len(drawn)
    fresh = StripRenderer(["unifont-16"], missing="hexbox")
    assert all(remembered[word] == drawn_in_units(fresh, word) for word in drawn)


def strips_hash(renderer: StripRenderer) -> str:
    texts = [texts[-1] for texts in list(declarations().values())[::3]] + ["\ud800\0é", ACTIVE]
    return hashlib.sha256(b"|".join(map(renderer.render_bytes, texts))).hexdigest()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_draw_the_same(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    renderers = [renderer_of(chain) for chain in CHAINS]
    expected = list(map(strips_hash, renderers))
    assert len(set(expected)) == len(CHAINS)
    for copied in (pickle.loads(pickle.dumps(renderers)), copy.deepcopy(renderers)):
        assert list(map(strips_hash, copied)) == expected
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert list(pool.map(strips_hash, renderers)) == expected
