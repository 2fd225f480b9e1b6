# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Spans of a text and of its drawn form."""

import random

import numpy as np
import pytest

from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.training.alignment import TextAlignment


@pytest.fixture(scope="module")
def renderer() -> StripRenderer:
    return StripRenderer(["unifont-16"], missing="hexbox")


def test_spans_are_those_of_every_drawn_character_looked_at(renderer: StripRenderer) -> None:
    rng, compared = random.Random(0), 0
    for _ in range(150):
        text = "".join(
            rng.choice("ab \n\r\u0301\u200d\u200b\u00e9\u05b0\u05e9") for _ in range(rng.randint(1, 12))
        )
        try:
            alignment = TextAlignment(text, renderer)
        except ValueError:
            continue
        origins = alignment.origins
        for start in range(len(text)):
            for end in range(start + 1, len(text) + 1):
                shown = np.flatnonzero((origins[:, 0] < end) & (origins[:, 1] > start))
                if len(shown):
                    assert alignment.to_drawn(start, end) == (shown[0], shown[-1] + 1)
                    compared += 1
                else:
                    with pytest.raises(ValueError, match="draws nothing"):
                        alignment.to_drawn(start, end)
    assert compared > 1000


def test_many_words_of_one_text(renderer: StripRenderer) -> None:
    """A span is found by bisection: with a look at every character this would take an hour."""
    words = 400_000
    alignment = TextAlignment("ab " * words, renderer)
    spans = [alignment.to_drawn(3 * index, 3 * index + 2) for index in range(words)]
    assert spans[-1] == (3 * words - 3, 3 * words - 1)
