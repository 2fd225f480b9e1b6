# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Characters without a glyph: a call can say what becomes of them, and a run counts them."""

import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from torch.utils.data import DataLoader

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.processing.replaced import ReplacedCharacters
from pixel_ar.text.characters import MissingGlyphError


def test_a_call_decides_about_missing_glyphs() -> None:
    processor = PixelProcessor()
    with pytest.raises(MissingGlyphError, match=r"text\[1\].*missing='hexbox'") as error:
        processor(["a", "漢"], return_tensors="np")
    assert "unifont" not in str(error.value)
    boxed = processor(["a", "漢"], missing="hexbox", return_tensors="np")
    expected = PixelProcessor(missing="hexbox")(["a", "漢"], return_tensors="np")
    assert np.array_equal(boxed["pixel_values"], expected["pixel_values"])
    assert processor.missing == "error"
    strict = PixelProcessor(missing="hexbox")
    with pytest.raises(MissingGlyphError):
        strict("漢", missing="error")
    with pytest.warns(UserWarning, match="no glyph for U\\+6F22"):
        processor("漢", missing="warn")
    with pytest.raises(ValueError, match="missing must be one of"):
        processor("a", missing="ignore")


def test_what_was_replaced_is_counted() -> None:
    processor = PixelProcessor(missing="hexbox")
    processor(["plain", "漢字 and 漢"], text_pair=["b", "é"])
    processor("plain")
    assert processor.replaced.report() == (
        "3 characters in 1 of 5 texts have no glyph and were drawn as boxes: "
        "U+5B57 CJK UNIFIED IDEOGRAPH-5B57, U+6F22 CJK UNIFIED IDEOGRAPH-6F22"
    )
    processor.renderer.render_bytes("😀")
    processor.count_replaced(["😀", "x"])
    assert (processor.replaced.num_characters, processor.replaced.num_texts) == (4, 7)
    assert "😀" in processor.replaced.examples
    assert PixelProcessor().replaced.report() is None


class _Collate:
    def __init__(self, processor: PixelProcessor) -> None:
        self.processor = processor

    def __call__(self, texts: list[str]) -> int:
        return len(self.processor(texts)["num_columns"])


def test_workers_count_for_the_process_that_made_them() -> None:
    processor = PixelProcessor(missing="hexbox")
    texts = ["漢字", "plain", "漢"] * 4
    loader = DataLoader(texts, batch_size=3, num_workers=2, collate_fn=_Collate(processor))  # type: ignore[arg-type]
    assert sum(loader) == 12
    assert (processor.replaced.num_texts, processor.replaced.num_characters) == (12, 12)
    assert processor.replaced.num_replaced_texts == 8 and processor.replaced.examples == ("字", "漢")


def test_workers_that_are_spawned_share_the_numbers() -> None:
    processor = PixelProcessor(missing="hexbox")
    elsewhere = pickle.loads(ForkingPickler.dumps(processor))  # as a process that is spawned gets it
    elsewhere("漢字")
    assert processor.replaced.num_characters == 2


def test_counts_travel_by_pickle() -> None:
    processor = PixelProcessor(missing="hexbox")
    processor("漢")
    again = pickle.loads(pickle.dumps(processor))
    assert (
        isinstance(again.replaced, ReplacedCharacters)
        and again.replaced.report() == processor.replaced.report()
    )
