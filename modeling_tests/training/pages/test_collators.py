# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Batches of pages: answers in pixels."""

import pytest
import torch
from transformers import ByT5Tokenizer

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import FormPages, PageCollator, PagePixelCollator, PagePrefixCollator

SIZES = {
    "patch_size": (8, 10),
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "page_positions": (8, 12),
    "patch_head": "autoregressive",
}


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor(patch_size=(8, 10))


def test_answers_are_drawn_after_a_blank_patch(processor: PixelProcessor) -> None:
    pages = [FormPages(processor.renderer, 4)[index] for index in range(4)]
    collate = PagePixelCollator(processor, ByT5Tokenizer(extra_ids=0), reading_slots=2)
    batch = collate(pages)
    plain = PagePrefixCollator(processor, ByT5Tokenizer(extra_ids=0), 1, reading_slots=2)(pages)
    for name in ("page_values", "reading_targets"):
        assert torch.equal(batch[name], plain[name])
    for row, page in enumerate(pages):
        count = int(batch["attention_mask"][row].sum())
        strip = batch["pixel_values"][row, :, :, : count * 10]
        assert (strip[..., :10] == 1).all() and (strip[..., -10:] == 0).all()
        assert processor.decode(strip[..., 10:]) == page.target
        assert (batch["labels"][row] != -100).sum() == count - 1 and batch["labels"][row, 0] == -100
    with pytest.raises(ValueError, match="set page_patch_size=None"):
        PagePixelCollator(PixelProcessor(page_patch_size=(8, 10)))
    with pytest.raises(ValueError, match="need a tokenizer"):
        PagePixelCollator(processor, reading_slots=1)
    with pytest.raises(ValueError, match="at their own size"):
        PageCollator(processor, ByT5Tokenizer(extra_ids=0), reading_slots=2, resize=True)


def test_a_page_is_answered_in_pixels(processor: PixelProcessor) -> None:
    """Two pages are learned by heart, and their answers written and read."""
    torch.manual_seed(0)
    pages = [
        FormPages(processor.renderer, 2, tasks=["question"], jitter=(8, 10), seed=2)[n] for n in range(2)
    ]
    assert pages[0].target != pages[1].target
    collate = PagePixelCollator(processor)
    batch = collate(pages)
    model = PixelARForCausalLM(PixelARConfig(**SIZES))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(80):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert write(model.eval(), batch["page_values"], collate) == [page.target for page in pages]
    # With the other page before it, the same model writes the other answer.
    assert write(model, batch["page_values"].flip(0), collate) == [page.target for page in pages[::-1]]


def write(model: PixelARForCausalLM, pages: torch.Tensor, collate: PagePixelCollator) -> list[str]:
    first = collate.blank_patch(len(pages))
    strips = model.generate(first, page_values=pages, output_modality="pixel", max_new_patches=6)
    return collate.processor.batch_decode(strips[..., 10:])
