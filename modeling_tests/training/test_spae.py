# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Batches for SPAE: pictures in any form, captions to words, texts that are drawn, relevance of words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tools.spae import WORDS, small_codebook, small_spae, word_tokenizer
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from pixel_ar import PixelProcessor, SpaeModel
from pixel_ar.training import ClipRelevance, SpaeCollator, count_words


def collator(model: SpaeModel, **options: object) -> SpaeCollator:
    return SpaeCollator(model.config, model.codebook, **options)


def test_pictures_in_any_form_are_the_same() -> None:
    pixels = np.arange(192, dtype=np.uint8).reshape(3, 8, 8)
    forms = [
        pixels, pixels.transpose(1, 2, 0), torch.from_numpy(pixels), pixels.astype(np.float32) / 255,
        Image.fromarray(pixels.transpose(1, 2, 0)),
    ]  # fmt: skip
    batch = collator(small_spae())([{"image": form} for form in forms])
    assert batch["pixel_values"].dtype == torch.uint8 and set(batch) == {"pixel_values"}
    assert all(torch.equal(row, torch.from_numpy(pixels)) for row in batch["pixel_values"])


def test_the_rarest_words_of_a_caption_come_first() -> None:
    captions = ["a small red circle", "a small blue circle, small!", "a large red square"]
    counts = count_words(captions)
    assert counts["small"] == 2 and counts["red"] == 2 and counts["blue"] == 1
    model = small_spae()
    ids = collator(model, word_counts=counts).word_ids([captions[1], "nothing known", captions[0]])
    names = [[WORDS[index] for index in row if index >= 0] for row in ids.tolist()]
    assert names[0][0] == "blue" and set(names[0]) == {"blue", "small", "circle"}
    assert names[1] == [] and len(names[2]) == 3
    kept = collator(model).word_ids(["circle red"])
    assert [WORDS[index] for index in kept[0].tolist()] == ["circle", "red"]


def test_texts_are_drawn_and_are_their_own_captions() -> None:
    model = small_spae(
        architecture="patches", image_size=(8, 80), grid=(1, 4), num_channels=1, pyramid=((1, 1), (1, 4))
    )
    processor = PixelProcessor.from_preset("fixed-8")
    batch = collator(model, processor=processor)([{"text": "red circle"}, {"text": "small blue cross"}])
    assert batch["pixel_values"].shape == (2, 1, 8, 80)
    drawn = processor(text=["red circle"], add_eos=False, return_tensors="pt")["pixel_values"][0]
    width = drawn.shape[2]
    assert torch.equal(batch["pixel_values"][0, :, :, :width].float() / 255, drawn.float())
    assert (batch["pixel_values"][0, :, :, width:] == 255).all()
    assert [WORDS[index] for index in batch["word_ids"][0].tolist() if index >= 0] == ["red", "circle"]
    assert torch.isfinite(model(**batch).loss)
    with pytest.raises(ValueError, match="pixels wide, but the model's strips have 80"):
        collator(model, processor=processor)([{"text": "far too many letters for one strip"}])


def test_pools_get_scores_and_a_learned_codebook_nothing() -> None:
    model = small_spae(pool_assignment="pools")
    rows = [{"image": np.zeros((3, 8, 8), np.uint8), "caption": "red circle"}]
    batch = collator(model)(rows)
    assert batch["word_scores"].shape == (1, len(WORDS)) and torch.isfinite(model(**batch).semantic_loss)
    learned = small_spae(codebook="learned")
    assert set(SpaeCollator(learned.config)(rows)) == {"pixel_values"}


def test_errors_name_the_row() -> None:
    make = collator(small_spae())
    with pytest.raises(ValueError, match=r"row 0 has neither 'image' nor 'text', but \['picture'\]"):
        make([{"picture": 1}])
    with pytest.raises(ValueError, match="image 1 is 9 pixels wide, but the model's pictures have 8"):
        make([{"image": np.zeros((3, 8, 8), np.uint8)}, {"image": np.zeros((3, 8, 9), np.uint8)}])
    with pytest.raises(ValueError, match="need a processor that draws them"):
        make([{"text": "red"}])


def test_relevance_by_a_clip_model(tmp_path: Path) -> None:
    """Any CLIP folder: scores in [0, 1], the same for a picture alone as in a batch, other words for other pictures."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer((*WORDS, "photo", "of", "picture"))
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(vocab_size=len(tokenizer), eos_token_id=2, bos_token_id=1, **sizes)
    vision = CLIPVisionConfig(image_size=8, patch_size=4, **sizes)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "</s>"})
    tokenizer.save_pretrained(tmp_path)
    CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}).save_pretrained(
        tmp_path
    )
    relevance = ClipRelevance(tmp_path, small_codebook())
    pixels = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    scores = relevance(None, pixels)
    assert scores.shape == (3, len(WORDS)) and scores.min() == 0 and scores.max() == 1
    assert torch.allclose(relevance(None, pixels[1:2]), scores[1:2], atol=1e-5)
    assert not torch.allclose(scores[0], scores[1])
