# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Drawing and reading against each other.

- What a renderer draws of its atlases is read so that drawing the answer gives the same pixels.
- Wherever a whole strip is read with confidence 1.0, whoever drew it, drawing the answer gives the same pixels.
- A reader answers the same whatever it has read before.
- Longer alone or in a batch, padded or not: the same text.
"""

import unicodedata
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from fuzz.case import Case, Part, expect
from fuzz.chains import NUM_CHAINS, fresh_reader_of, ink_bytes, reader_of, renderer_of, style_of
from fuzz.parts.reader import check_result
from fuzz.texts import any_text, plain_text

from pixel_ar import MissingGlyphError, UnsupportedScriptError

ERRORS = (MissingGlyphError, UnsupportedScriptError, ValueError)
_SURE = 1.0

# Read with confidence by readers that had not drawn them, once.
HARD = (
    (1, "a\u0301\u0302\u0303\u0323\u0327"),
    (1, "\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd \u4e00 \ue000"),
    (3, "\u0600" * 10),
    (1, "க்ஷ\U000f0001ன்"),
    (0, "漢字 and text"),
    (5, "\U0010fffd\u0bbe"),
)


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(HARD):
        index, text = HARD[number]
        return Case(f"read {text!r} unseen, chain {index}", lambda: _check_unseen(index, text), ERRORS)
    index = rng.randrange(NUM_CHAINS)
    kind = rng.random()
    if kind < 0.15:
        text = plain_text(rng, 24)
        return Case(f"read back {text!r}, chain {index}", lambda: _check_identity(index, text))
    text = any_text(rng, 14)
    if kind < 0.8:
        return Case(f"read back {text!r:.200}, chain {index}", lambda: _check_read_back(index, text), ERRORS)
    if kind < 0.84:
        index = rng.randrange(8)
        return Case(f"read {text!r:.200} unseen, chain {index}", lambda: _check_unseen(index, text), ERRORS)
    width = rng.randint(0, 40)
    return Case(
        f"read {text!r:.200} padded by {width}, chain {index}",
        lambda: _check_padded(index, text, width),
        ERRORS,
    )


def _packed(index: int, text: str) -> bytes:
    return renderer_of(index).render_bytes(text)


def _pixels(index: int, text: str) -> np.ndarray:
    """What the chain's reader is given: levels and colours where it draws them."""
    return np.atleast_3d(renderer_of(index).render(text).to_array())


def _check_identity(index: int, text: str) -> None:
    """Printable ASCII is read as it is, but for what is drawn alike and what the unit of a strategy leaves out."""
    renderer, reader = renderer_of(index), reader_of(index)
    strip = renderer.render(text)
    result = reader.read(strip if style_of(index).is_plain else strip.to_array())
    check_result(result, strip.num_columns)
    again = ink_bytes(renderer.render_bytes(result.text), renderer.height)
    drawn = ink_bytes(renderer.render_bytes(text), renderer.height)
    expect(again == drawn, f"read as {result.text!r}, which is drawn otherwise")
    expect(result.unreadable == 0, f"{result.unreadable:.0%} unreadable in a clean strip")


def _check_read_back(index: int, text: str) -> None:
    renderer, reader = renderer_of(index), reader_of(index)
    strip = renderer.render(text)
    result = reader.read(strip if style_of(index).is_plain else strip.to_array())
    check_result(result, strip.num_columns)
    drawn = ink_bytes(renderer.render_bytes(text), renderer.height)
    _check_sure(index, result, drawn)
    if result.eos_column is None and style_of(index).strategy == "continuous" and not _is_torn(text):
        expect(
            _is_drawn_as(index, result.text, drawn),
            f"its own strip is read as {result.text!r:.100}, which differs",
        )


def _is_torn(text: str) -> bool:
    """Whether a vowel sign that runs from left to right stands on a letter from right to left.

    In boxes the two run in one direction all the same, which no order of them brings back: they are read, but said to
    be unreadable.
    """
    strong = [char for char in text if unicodedata.bidirectional(char) in ("L", "R", "AL")]
    return any(
        unicodedata.category(char) == "Mc" and unicodedata.bidirectional(before) in ("R", "AL")
        for before, char in pairwise(strong)
    )


def _check_unseen(index: int, text: str) -> None:
    """A reader that has neither drawn nor read anything before, then one that has."""
    fresh = fresh_reader_of(index)
    strip = renderer_of(index).render(text)
    pixels = strip if style_of(index).is_plain else strip.to_array()
    first, second = fresh.read(pixels), fresh.read(pixels)
    check_result(first, strip.num_columns)
    drawn = ink_bytes(renderer_of(index).render_bytes(text), renderer_of(index).height)
    _check_sure(index, first, drawn)
    expect(first.text == second.text, f"first read as {first.text!r:.100}, then as {second.text!r:.100}")


def _check_padded(index: int, text: str, width: int) -> None:
    """Blank columns at the end change nothing."""
    renderer, reader = renderer_of(index), reader_of(index)
    data = renderer.render_bytes(text)
    if not style_of(index).is_plain:
        return
    alone, padded = reader.read(data), reader.read(data + bytes(width * renderer.height // 8))
    expect(alone.text == padded.text, f"alone {alone.text!r:.100}, padded {padded.text!r:.100}")


def _check_sure(index: int, result: "object", drawn: bytes) -> None:
    confidences = result.confidences  # type: ignore[attr-defined]
    if result.eos_column is not None or not (confidences >= _SURE).all():  # type: ignore[attr-defined]
        return
    text, unreadable = result.text, result.unreadable  # type: ignore[attr-defined]
    expect(
        unreadable == 0 or not len(confidences), f"confidence 1.0 with {unreadable:.0%} of the ink unreadable"
    )
    if not unreadable:
        expect(_is_drawn_as(index, text, drawn), f"sure of {text!r:.100}, which is drawn otherwise")


def _is_drawn_as(index: int, text: str, drawn: bytes) -> bool:
    renderer = renderer_of(index)
    try:
        return ink_bytes(renderer.render_bytes(text), renderer.height) == drawn
    except ValueError:
        return False


PART = Part(
    "metamorphic",
    make,
    len(HARD),
    share=16,
    prepare=lambda: [reader_of(i) for i in range(NUM_CHAINS)],
    batch=400,
)
__all__ = ["PART"]
