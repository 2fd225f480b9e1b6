# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pix2Struct both ways: transformers' own models, with random weights made on the spot, and what they compute."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tools.page import random_pix2struct, tiny_page_model
from tools.tokenizer import byte_tokenizer
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
    Pix2StructForConditionalGeneration,
    Pix2StructImageProcessorPil,
)

from pixel_ar import PixelPageForConditionalGeneration, PixelProcessor
from pixel_ar.cli.main import main
from pixel_ar.conversion import convert_checkpoint, export_pix2struct

LIMIT = 2e-5
# Values of a patch, tied tables, and sizes that differ from the defaults.
CASES: list[tuple[int, bool, dict[str, Any]]] = [
    (72, False, {}),
    (384, True, {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}),
    (27, True, {"num_layers": 1, "num_heads": 6, "d_kv": 6, "dense_act_fn": "relu", "eos_token_id": 5}),
]


def page_inputs(model: Any, patch_length: int, seed: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(2, 9, 2 + patch_length, generator=generator)
    patches[..., 0] = torch.arange(9) // 3 + 1
    patches[..., 1] = torch.arange(9) % 3 + 1
    patches[1, 6:] = 0
    return {"flattened_patches": patches, "attention_mask": (patches[..., 0] != 0).float()}


def long_labels(seed: int = 3) -> torch.Tensor:
    """More labels than the distances that have a class of their own, some missing at the end."""
    labels = torch.randint(2, 43, (2, 30), generator=torch.Generator().manual_seed(seed))
    labels[1, 25:] = -100
    return labels


@torch.no_grad()
def compare(theirs: Any, ours: Any, patch_length: int) -> None:
    inputs, labels = page_inputs(theirs, patch_length), long_labels()
    expected, found = theirs(**inputs, labels=labels), ours(**inputs, labels=labels)
    worst = float((found.logits - expected.logits).abs().max())
    print(f"\nlogits {worst:.1e}, loss {float(found.loss - expected.loss):.1e}")
    torch.testing.assert_close(found.logits, expected.logits, atol=LIMIT, rtol=1e-4)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)
    for options in ({}, {"num_beams": 3}):
        answers = [model.generate(**inputs, max_new_tokens=12, **options) for model in (theirs, ours)]
        assert torch.equal(*answers)


@pytest.mark.parametrize(("patch_length", "tied", "text"), CASES)
def test_both_ways(tmp_path: Path, patch_length: int, tied: bool, text: dict[str, Any]) -> None:
    theirs = random_pix2struct(1, tied, patch_length, **text)
    theirs.save_pretrained(tmp_path / "theirs")
    report = convert_checkpoint(tmp_path / "theirs", tmp_path / "ours", "pix2struct", with_processor=False)
    assert report.architecture == "PixelPageForConditionalGeneration"
    ours = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours").eval()
    assert isinstance(ours, PixelPageForConditionalGeneration)
    assert ours.config.patch_size is None and ours.config.patch_length == patch_length
    assert (ours.lm_head.weight is ours.decoder.embed_tokens.weight) == tied
    compare(theirs, ours, patch_length)
    export_pix2struct(tmp_path / "ours", tmp_path / "back")
    back, loading = Pix2StructForConditionalGeneration.from_pretrained(
        tmp_path / "back", output_loading_info=True
    )
    assert not any(loading[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    compare(back.eval(), ours, patch_length)


def test_a_model_of_ours_as_pix2struct(tmp_path: Path) -> None:
    tiny_page_model(reading_slots=2).save_pretrained(tmp_path / "ours")
    report = export_pix2struct(tmp_path / "ours", tmp_path / "theirs")
    assert report.dropped == ("reading_head.weight", "reading_head.bias")
    theirs = Pix2StructForConditionalGeneration.from_pretrained(tmp_path / "theirs").eval()
    ours = PixelPageForConditionalGeneration.from_pretrained(tmp_path / "ours").eval()
    inputs = page_inputs(ours, 24)
    labels = torch.randint(2, 31, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = theirs(**inputs, labels=labels), ours(**inputs, labels=labels)
    torch.testing.assert_close(found.logits, expected.logits, atol=LIMIT, rtol=1e-4)


def test_processor_tokenizer_and_length_of_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "theirs"
    theirs = random_pix2struct(patch_length=384)
    theirs.generation_config = GenerationConfig(
        max_new_tokens=7, use_cache=False, decoder_start_token_id=0, eos_token_id=1, pad_token_id=0
    )
    theirs.save_pretrained(source)
    images = Pix2StructImageProcessorPil(patch_size={"height": 8, "width": 16}, max_patches=20)
    images.save_pretrained(source)
    byte_tokenizer(pad_token="<s>", bos_token=None).save_pretrained(source)
    assert main(["convert", "--from", "pix2struct", str(source), str(tmp_path / "ours")]) == 0
    printed = capsys.readouterr().out
    assert "PixelPageForConditionalGeneration" in printed and "unifont-16" in printed
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours").eval()
    processor = AutoProcessor.from_pretrained(tmp_path / "ours")
    assert isinstance(processor, PixelProcessor)
    assert model.config.patch_size == (8, 16) and model.generation_config.use_cache
    page = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    inputs = processor.page_patches(page, std="population")  # as without torchvision
    expected = images(page, return_tensors="pt")
    torch.testing.assert_close(
        inputs["flattened_patches"], expected["flattened_patches"], atol=1e-5, rtol=1e-5
    )
    answer = model.generate(**inputs)
    assert answer.shape[1] <= 8
    assert torch.equal(answer, theirs.generate(**expected))
    assert isinstance(processor.batch_decode(answer)[0], str)
    record = json.loads((tmp_path / "ours" / "conversion.json").read_text(encoding="utf-8"))
    assert "preprocessor_config.json" in record["source_files"]
    card = (tmp_path / "ours" / "README.md").read_text(encoding="utf-8")
    assert "AutoModelForImageTextToText.from_pretrained" in card
    # And back, with all of it.
    assert main(["convert", "--to", "pix2struct", str(tmp_path / "ours"), str(tmp_path / "back")]) == 0
    again = Pix2StructImageProcessorPil.from_pretrained(tmp_path / "back")
    assert again.max_patches == 20 and dict(again.patch_size)["width"] == 16
    assert (tmp_path / "back" / "tokenizer_config.json").is_file()
    back = Pix2StructForConditionalGeneration.from_pretrained(tmp_path / "back").eval()
    assert torch.equal(back.generate(**expected), answer)


def change_config(folder: Path, half: str | None = None, **changes: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    (config if half is None else config[half]).update(changes)
    file.write_text(json.dumps(config), encoding="utf-8")


@torch.no_grad()
def test_decoders_of_old_files_do_not_look_ahead(tmp_path: Path) -> None:
    theirs = random_pix2struct()
    theirs.save_pretrained(tmp_path / "theirs")
    change_config(tmp_path / "theirs", "text_config", is_decoder=False)
    convert_checkpoint(tmp_path / "theirs", tmp_path / "ours", "pix2struct", with_processor=False)
    compare(theirs, AutoModelForImageTextToText.from_pretrained(tmp_path / "ours").eval(), 72)


def test_one_token_table_is_a_tied_one(tmp_path: Path) -> None:
    random_pix2struct(tied=True).save_pretrained(tmp_path / "theirs")
    change_config(tmp_path / "theirs", tie_word_embeddings=False)
    file = tmp_path / "theirs" / "model.safetensors"
    weights = load_file(file)
    weights.pop("decoder.lm_head.weight", None)
    save_file(weights, file, metadata={"format": "pt"})
    report = convert_checkpoint(tmp_path / "theirs", tmp_path / "ours", "pix2struct", with_processor=False)
    assert any("share it" in note for note in report.notes)
    ours = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours")
    assert ours.config.tie_word_embeddings


@pytest.mark.parametrize(
    ("half", "changes", "message"),
    [
        ("vision_config", {"hidden_size": 40}, "and text_config.hidden_size"),
        ("text_config", {"num_layers": "three"}, "does not describe Pix2Struct"),
        ("text_config", {"num_layers": 4}, "missing: decoder.layer.3"),
        ("vision_config", {"patch_embed_hidden_size": 73}, "of another shape"),
        (None, {"vision_config": [1]}, "vision_config is"),
        (None, {"model_type": "t5"}, "of type 't5'"),
    ],
)
def test_what_is_refused(tmp_path: Path, half: str | None, changes: dict[str, Any], message: str) -> None:
    random_pix2struct().save_pretrained(tmp_path / "theirs")
    change_config(tmp_path / "theirs", half, **changes)
    with pytest.raises(ValueError, match=message):
        convert_checkpoint(tmp_path / "theirs", tmp_path / "ours", "pix2struct", with_processor=False)
    assert not (tmp_path / "ours").exists()


def test_choices_that_pages_do_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random_pix2struct().save_pretrained(tmp_path / "theirs")
    with pytest.raises(ValueError, match="for which no font is needed"):
        convert_checkpoint(tmp_path / "theirs", tmp_path / "ours", "pix2struct", font=tmp_path / "a.ttf")
    with pytest.raises(ValueError, match="only page models"):
        export_pix2struct(tmp_path / "theirs", tmp_path / "ours")
    with pytest.raises(SystemExit):
        main(["convert", "--to", "pix2struct", "--atlas", "unifont-16", "a", "b"])
    assert "belong to --from" in capsys.readouterr().err
    model = tiny_page_model(decoder_head_dim=5)
    model.save_pretrained(tmp_path / "wide")
    with pytest.raises(ValueError, match="4 decoder heads of 5 make 20"):
        export_pix2struct(tmp_path / "wide", tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
