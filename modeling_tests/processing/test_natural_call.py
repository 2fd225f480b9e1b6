# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`model.generate(**processor(text))` continues the text, though the processor ends it with an EOS patch."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from pixel_ar.models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM
from pixel_ar.processing.processing_pixel_ar import PixelProcessor

TEXTS = ["The people of the", "ab", "of the United States"]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> PixelARForCausalLM:
    return AutoModelForCausalLM.from_pretrained(tiny_checkpoint).eval()


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("add_start", [False, True])
def test_the_natural_call_continues_the_text(
    model: PixelARForCausalLM, tiny_checkpoint: Path, side: str, add_start: bool
) -> None:
    processor = PixelProcessor.from_pretrained(tiny_checkpoint, padding_side=side)
    options = {"max_new_patches": 3, "do_sample": False, "min_new_patches": 3}
    ended = processor(TEXTS, add_start=add_start, return_tensors="pt")
    opened = processor(TEXTS, add_start=add_start, add_eos=False, return_tensors="pt")
    # Ink of these letters ends one column before their cells do.
    natural = model.generate(**ended, **options)
    assert torch.equal(natural, model.generate(**opened, **options))
    for text, found in zip(TEXTS, processor.batch_decode(natural), strict=True):
        assert found.startswith(text)
    alone = model.generate(**processor(TEXTS[1], return_tensors="pt"), **options)
    assert torch.equal(
        alone, model.generate(**processor(TEXTS[1], add_eos=False, return_tensors="pt"), **options)
    )


def test_training_rows_pairs_and_bare_pixels_keep_their_end(
    model: PixelARForCausalLM, tiny_checkpoint: Path
) -> None:
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    options = {"max_new_patches": 2, "do_sample": False}
    pair = processor(TEXTS[0], TEXTS[1], return_tensors="pt")
    width = pair["pixel_values"].shape[-1]
    assert torch.equal(model.generate(**pair, **options)[..., :width], pair["pixel_values"])
    bare = processor(TEXTS[0], return_tensors="pt")["pixel_values"]
    assert torch.equal(model.generate(pixel_values=bare, **options)[..., : bare.shape[-1]], bare)
    assert processor(TEXTS[0], return_tensors="pt")["num_columns"].item() == bare.shape[-1]


def test_a_text_that_fills_its_patches_goes_on_at_the_border(
    model: PixelARForCausalLM, tiny_checkpoint: Path
) -> None:
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    for text in ("abcd", "abc "):
        ended = model.generate(**processor(text, return_tensors="pt"), max_new_patches=2, do_sample=False)
        assert processor.decode(ended).startswith(text.rstrip())
