# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cells taken apart into a letter and marks."""

import pytest

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.reading.cells import CellParts, script_of
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.rendering.renderer import StripRenderer


@pytest.fixture(scope="module")
def renderer() -> StripRenderer:
    return StripRenderer(["unifont-16"], unsupported="cells")


@pytest.fixture(scope="module")
def parts() -> CellParts:
    return CellParts([GlyphAtlas.load("unifont-16")])


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("שָׁ", "Hebrew"),
        ("ก้", "Thai"),
        ("ກໍ່", "Lao"),
        ("ਨੂ", "Gurmukhi"),
        ("တူ", "Myanmar"),
        ("ငြိ", "Myanmar"),
        ("ကြွ", "Myanmar"),
        ("རྒྱུ", "Tibetan"),
        ("हैं", "Devanagari"),
        ("x\u0323\u0302", ""),
        ("あ\u3099", ""),
        ("\u1112\u119e\u11ab", "Hangul conjoining Jamo"),
        ("\ub38c\u11f0", "Hangul conjoining Jamo"),
    ],
)
def test_letters_with_marks(parts: CellParts, renderer: StripRenderer, text: str, script: str) -> None:
    text = renderer.normalise(text)
    found = parts.explain(renderer.render_bytes(text), [script])
    assert found is not None and found.text == text and found.num_marks == len(text) - 1


def test_forms_of_joined_letters(parts: CellParts, renderer: StripRenderer) -> None:
    found = parts.explain(renderer.render_bytes("بَ"), ["Arabic"])
    assert found is not None and (found.text, found.shapes) == ("بَ", "\u0628\ufe8f")


def test_what_is_no_cell(parts: CellParts, renderer: StripRenderer) -> None:
    assert parts.explain(b"\xff" * 16, parts.scripts) is None
    # A letter alone has no mark; another script's marks do not count.
    assert parts.explain(renderer.render_bytes("ก"), ["Thai"]) is None
    assert parts.explain(renderer.render_bytes("ก้"), ["Lao", "Hebrew"]) is None
    assert parts.explain(renderer.render_bytes("ก้"), ["Lao", "Thai"]) is not None


def test_alphabet_and_prior_decide(renderer: StripRenderer) -> None:
    """Of `ਨੂ` and `ਠੂ`, drawn alike, the letter without breath; unless another is given or more frequent."""
    atlas = GlyphAtlas.load("unifont-16")
    cell = renderer.render_bytes("ਠੂ")
    assert cell == renderer.render_bytes("ਨੂ")
    prior = CharacterPrior.fit(["ਠੂ ਠਠ"])
    for parts in (CellParts([atlas], alphabet="ਠੂ"), CellParts([atlas], prior=prior)):
        found = parts.explain(cell, ["Gurmukhi"])
        assert found is not None and found.text == "ਠੂ"


def test_scripts() -> None:
    assert script_of("क") == "Devanagari" and script_of("a") == "" and script_of("\u0301") == "combining mark"
