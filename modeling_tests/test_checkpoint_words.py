# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The embedded checkpoint of English words: its files, what it predicts, what it writes, and damage it reads past."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoProcessor

import pixel_ar
from pixel_ar.metrics import score_texts

NAME = "pixel-ar-words"
pytestmark = pytest.mark.skipif(
    NAME not in pixel_ar.bundled_checkpoints(), reason="no such checkpoint in this tree"
)


@pytest.fixture(scope="module")
def pair() -> tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor]:
    folder = pixel_ar.bundled_checkpoint(NAME)
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


def test_files_are_the_recorded_ones_and_small() -> None:
    folder = Path(pixel_ar.bundled_checkpoint(NAME))
    digests = json.loads((folder / "sha256.json").read_text(encoding="utf-8"))
    assert {"model.safetensors", "config.json", "processor_config.json", "fixed-5x8.npz"} <= set(digests)
    for name, digest in digests.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 25_000_000


@torch.no_grad()
def test_predicts_better_than_the_tiny_checkpoint(
    pair: tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor],
) -> None:
    texts = [
        "The old woman looked at him for a moment, and then she said that she would not go.",
        "In this chapter we will see how the cells of plants make sugar from water and light.",
        "It was a dark night, and the wind was in the trees above the little house by the river.",
    ]
    tiny = pixel_ar.bundled_checkpoint("pixel-ar-tiny")
    before = score_texts(
        AutoModelForCausalLM.from_pretrained(tiny).eval(), AutoProcessor.from_pretrained(tiny), texts
    )
    assert score_texts(*pair, texts).bits_per_character < 0.85 * before.bits_per_character


@torch.no_grad()
def test_writes_known_words(pair: tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor]) -> None:
    model, processor = pair
    inputs = processor(text=["The old man looked at her and"], add_eos=False, return_tensors="pt")
    output = model.generate(
        **inputs,
        max_new_patches=40,
        min_new_patches=40,
        do_sample=True,
        temperature=0.7,
        generator=torch.Generator().manual_seed(1),
        return_dict_in_generate=True,
    )
    result = processor.read(output)[0]
    assert result.text.startswith("The old man looked at her and") and result.unreadable == 0
    assert len(re.findall(r"[a-z]{2,}", result.text)) > 25


@torch.no_grad()
def test_a_prompt_may_end_inside_a_word(
    pair: tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor],
) -> None:
    model, processor = pair
    inputs = processor(text=["He was born in the Unit"], add_eos=False, return_tensors="pt")
    text = processor.batch_decode(model.generate(**inputs, max_new_patches=1, do_sample=False))[0]
    assert text.startswith("He was born in the United")


@torch.no_grad()
def test_damage_costs_little(pair: tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor]) -> None:
    """A context with wrong pixels predicts the rest better than no context does."""
    model, processor = pair
    text = "The king and the queen of the country were in the palace, and the king said to the queen that"
    inputs = processor(text=[text], add_start=True, return_tensors="pt")
    pixels, count = inputs["pixel_values"], inputs["attention_mask"].sum()
    half = int(count) // 2 * 40
    damaged = pixels.clone()
    noise = torch.rand(pixels[..., 40:half].shape, generator=torch.Generator().manual_seed(0)) < 0.02
    damaged[..., 40:half] = torch.where(noise, 1 - pixels[..., 40:half], pixels[..., 40:half])

    def rest(strips: torch.Tensor) -> float:
        return (model.log_likelihood(strips) - model.log_likelihood(strips[..., :half])).item()

    clean, noisy = rest(pixels), rest(damaged)
    alone = model.log_likelihood(torch.cat([pixels[..., :40], pixels[..., half:]], -1)).item()
    assert clean > noisy - 3 and noisy > alone


def test_the_training_texts_are_credited() -> None:
    card = (Path(pixel_ar.bundled_checkpoint(NAME)) / "README.md").read_text(encoding="utf-8")
    for source in ("OpenStax", "African Storybook", "Pratham", "Standard Ebooks", "ELTeC"):
        assert source in card
