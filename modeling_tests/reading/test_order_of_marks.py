# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Marks are read in the order that the renderer normalises them to, whatever order they were typed in."""

from functools import cache

import pytest

from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer


@cache
def renderer() -> StripRenderer:
    return StripRenderer(["unifont-16"])


@cache
def reader() -> StripReader:
    return StripReader(["unifont-16"], renderer=renderer())


@pytest.mark.parametrize(
    "text",
    [
        # Shan: killer before the tone sign, which stands beside the letter.
        "\u1019\u1030\u101d\u103a\u1087",
        "\u1075\u103b\u1083\u1087\u1019\u107c\u103a\u1087",
        "\u1022\u1015\u103a\u1087\u1076\u1083\u1038\u1078\u102e\u1087\u101a\u1085\u107c\u103a\u1087",
        "\u1019\u102d\u1030\u1004\u103a\u1038\u1011\u1086\u1038",
        "\u101e\u103a\u103b",
        "\u1075\u1087\u103a",
        # Burmese: killer and vowel signs, both ways.
        "\u1014\u103a\u102f",
        "\u1014\u102f\u103a",
        "\u1016\u1031\u102c\u103a",
        "\u1019\u103c\u1014\u103a\u1019\u102c",
        "\u1001\u103d\u1004\u1037\u103a",
        # Khmer, Bengali, Devanagari, Thai.
        "\u1780\u17c6\u17bb",
        "\u1797\u17b6\u179f\u17b6\u1781\u17c1\u1798\u179a",
        "\u09ac\u09be\u0982\u09b2\u09be",
        "\u0915\u0902\u0941",
        "\u0939\u093f\u0902\u0926\u0940",
        "\u0e01\u0e48\u0e34",
    ],
)
def test_marks_are_read_as_they_are_normalised(text: str) -> None:
    assert reader().read(renderer().render_bytes(text)).text == renderer().normalise(text)
