# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cells taken apart into a letter and marks."""

import pytest

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.reading.cells import CellParts, script_of
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
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


def test_ways_that_are_as_likely_share_the_confidence(parts: CellParts, renderer: StripRenderer) -> None:
    """`tuu` and `bhuu` are one drawing: the letter that is more frequent in general, or the one that overlaps less."""
    cell = renderer.render_bytes("\u1010\u1030")
    assert cell == renderer.render_bytes("\u1018\u1030")
    found = parts.explain(cell, ["Myanmar"])
    assert found is not None and (found.text, found.share) == ("\u1010\u1030", 0.5)
    only = CellParts(parts.atlases, "\u1018\u1030").explain(cell, ["Myanmar"])
    assert only is not None and (only.text, only.share) == ("\u1018\u1030", 1.0)
    prior = CharacterPrior.fit(["\u1018\u1030" * 40 + "\u1010"], order=2)
    likelier = CellParts(parts.atlases, "", prior).explain(cell, ["Myanmar"])
    assert likelier is not None and likelier.text == "\u1018\u1030"
    for text in ("\u101d\u1030", "\u0932\u0948\u0902", "\u05e9\u05c1\u05b8"):
        sure = parts.explain(renderer.render_bytes(text), [script_of(text[0])])
        assert sure is not None and sure.share == 1


def test_a_reader_is_not_sure_of_what_is_drawn_alike(renderer: StripRenderer) -> None:
    reader = StripReader(["unifont-16"], renderer=StripRenderer(["unifont-16"], unsupported="cells"))
    found = reader.read(renderer.render_bytes("\u1010\u1030\u1014\u102e\u1038"))
    assert found.text == "\u1010\u1030\u1014\u102e\u1038" and found.unreadable == 0
    assert found.confidences[:2].tolist() == [0.5, 0.5] and found.confidences[2:].min() > 0.99
    # Between nga and shad stands the tsheg that does not let them part.
    for text in ("\u0f51\u0f44\u0f0c\u0f0d", "\u0f51\u0f44\u0f0b\u0f51", "\u0f51\u0f0b\u0f0d"):
        assert reader.read(renderer.render_bytes(text)).text == text
