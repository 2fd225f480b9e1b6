# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Snippets of texts: the target is what stands on the page."""

import numpy as np
import pytest

from pixel_ar import PixelProcessor
from pixel_ar.training import SnippetPages, score_pages

TEXTS = ["The people of the United States of America.", "  ", "Four score and seven years ago"]


def test_the_text_can_be_read_off_the_page() -> None:
    processor = PixelProcessor()
    pages = SnippetPages(processor.renderer, TEXTS, 30, lines=(1, 3))
    levels = set()
    for page in (pages[index] for index in range(len(pages))):
        assert page.target == " ".join(text.text for text in page.texts) and 1 <= len(page.texts) <= 3
        assert set(page.target.split()) <= {word for text in TEXTS for word in text.split()}
        paper, ink = page.pixels.max(), page.pixels.min()
        levels |= {int(paper), int(ink)}
        for text in page.texts:
            width = int(text.spans[-1, 1])
            drawn = page.pixels[text.top : text.top + 8, text.left : text.left + width]
            bits = np.where(drawn == ink, 0, 1).astype(np.float32)
            assert processor.decode(bits[None]) == text.text
    assert len(levels) > 30
    again = SnippetPages(processor.renderer, TEXTS, 1, lines=(1, 3), first=7)[0]
    assert np.array_equal(pages[7].pixels, again.pixels)
    perfect = score_pages([page.target for page in pages], list(pages))
    assert perfect == {"cer": 0.0, "text_exact": 1.0}


def test_what_does_not_fit_is_refused_and_too_long_words_are_left_out() -> None:
    renderer = PixelProcessor().renderer
    with pytest.raises(ValueError, match="no word"):
        SnippetPages(renderer, [" "])
    with pytest.raises(ValueError, match="fit on 64 rows"):
        SnippetPages(renderer, TEXTS, lines=(1, 9))
    page = SnippetPages(renderer, ["short " + "long" * 20], 1, lines=(3, 3))[0]
    assert page.target == "short"
