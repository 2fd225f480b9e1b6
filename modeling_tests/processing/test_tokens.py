# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor with a tokenizer: tokens beside patches and alone, decoding, saving."""

import copy
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.tokenizer import byte_tokenizer
from transformers import AutoProcessor, ProcessorMixin

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.processing.processing_pixel_ar import PixelProcessor

TEXTS = ["The people of the", "ab"]
TARGETS = ["United", "cd ef gh"]
BOS, EOS, PAD = 0, 1, 2


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor(tokenizer=byte_tokenizer())


# ---- to batches ----


def test_patches_then_tokens(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXTS, target_text=TARGETS, return_tensors="pt")
    assert list(inputs) == [
        *("pixel_values", "attention_mask", "num_columns"),
        *("input_ids", "modality_ids"),
    ]
    assert sorted(inputs) == sorted(processor.model_input_names)
    drawn = processor(text=TEXTS, return_tensors="pt")
    tokens = processor.tokenizer(TARGETS, padding=True, return_tensors="pt")
    assert torch.equal(inputs["pixel_values"], drawn["pixel_values"])
    assert torch.equal(inputs["num_columns"], drawn["num_columns"])
    assert torch.equal(inputs["input_ids"], tokens["input_ids"])
    masks = [drawn["attention_mask"], tokens["attention_mask"]]
    assert torch.equal(inputs["attention_mask"], torch.cat(masks, 1))
    assert inputs["modality_ids"].tolist() == [[1] * 6 + [0] * 9] * 2
    assert inputs["attention_mask"][0].tolist() == [1] * 6 + [1] * 7 + [0] * 2
    assert {value.dtype for key, value in inputs.items() if key != "pixel_values"} == {torch.int64}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("target_first", [False, True])
def test_every_row_holds_its_patches_and_tokens_in_order(
    processor: PixelProcessor, side: str, target_first: bool
) -> None:
    sided = copy.deepcopy(processor)
    sided.padding_side = side
    inputs = sided(text=TEXTS, target_text=TARGETS, target_first=target_first, return_tensors="pt")
    assert bool((inputs["modality_ids"][:, 0] == 0).all()) == target_first
    assert bool((inputs["modality_ids"][:, -1] == 0).all()) != target_first
    for row, (text, target) in enumerate(zip(TEXTS, TARGETS, strict=True)):
        alone = sided(text=[text], target_text=[target], target_first=target_first, return_tensors="pt")
        mask, kinds = inputs["attention_mask"][row], inputs["modality_ids"][row]
        # The k-th patch position stands for the k-th patch, and so for tokens.
        assert torch.equal(inputs["input_ids"][row][mask[kinds == 0] == 1], alone["input_ids"][0])
        patches = inputs["pixel_values"][row].unflatten(-1, (-1, 20))[:, :, mask[kinds == 1] == 1]
        assert torch.equal(patches.flatten(-2), alone["pixel_values"][0])
        assert torch.equal(kinds[mask == 1], alone["modality_ids"][0])
    if side == "left":
        # Generation goes on after an attended position.
        assert (inputs["attention_mask"][:, -1] == 1).all()


def test_tokens_alone(processor: PixelProcessor) -> None:
    inputs = processor(target_text=TARGETS, return_tensors="pt")
    assert list(inputs) == ["input_ids", "attention_mask"]
    expected = processor.tokenizer(TARGETS, padding=True, return_tensors="pt")
    assert all(torch.equal(inputs[key], expected[key]) for key in inputs)
    assert processor(target_text="a", return_tensors="np")["input_ids"].shape == (1, 2)
    assert processor(target_text=np.array(TARGETS))["input_ids"] == inputs["input_ids"].tolist()


def test_text_alone_is_drawn(processor: PixelProcessor) -> None:
    assert list(processor(text="a")) == ["pixel_values", "attention_mask", "num_columns"]


def test_images_and_offsets_go_with_tokens(processor: PixelProcessor) -> None:
    inputs = processor(
        images=torch.ones(2, 1, 8, 40), target_text=TARGETS, return_offsets_mapping=True, return_tensors="pt"
    )
    assert inputs["offset_mapping"].shape == (2, 3, 2)
    assert inputs["attention_mask"].shape == inputs["modality_ids"].shape == (2, 3 + 9)


def test_lists_where_nothing_is_padded(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXTS, target_text=TARGETS, padding=False)
    assert [len(ids) for ids in inputs["input_ids"]] == [7, 9]
    assert inputs["attention_mask"] == [[1] * 13, [1] * 11]
    assert inputs["modality_ids"] == [[1] * 6 + [0] * 7, [1] * 2 + [0] * 9]
    assert processor.batch_decode(inputs) == TEXTS
    with pytest.raises(ValueError, match="padding=True"):
        processor(target_text=TARGETS, padding=False, return_tensors="pt")


def test_max_length_and_truncation(processor: PixelProcessor) -> None:
    options = {"padding": "max_length", "max_patches": 9, "max_target_tokens": 12}
    inputs = processor(text=TEXTS, target_text=TARGETS, return_tensors="pt", **options)
    assert inputs["modality_ids"].tolist() == [[1] * 9 + [0] * 12] * 2
    with pytest.raises(ValueError, match=r"target_text\[0\] has 7 tokens.*max_target_tokens is 4"):
        processor(target_text=TARGETS, max_target_tokens=4)
    full = processor(target_text=TARGETS, add_target_eos=True)["input_ids"]
    cut = processor(target_text=TARGETS, max_target_tokens=4, truncation=True)["input_ids"]
    assert cut == [row[:4] for row in full]
    ended = processor(target_text=TARGETS, max_target_tokens=4, truncation=True, add_target_eos=True)
    assert ended["input_ids"] == [[*row[:3], EOS] for row in full]
    with pytest.raises(ValueError, match="max_target_tokens must be at least 1, got 0"):
        processor(target_text=TARGETS, max_target_tokens=0)


def test_special_tokens_are_added_once(processor: PixelProcessor) -> None:
    bare = PixelProcessor(tokenizer=byte_tokenizer(with_bos=False))
    assert bare(target_text="a")["input_ids"] == [[processor.tokenizer("a")["input_ids"][1]]]
    for one in (processor, bare):
        ids = one(target_text="a", add_target_bos=True, add_target_eos=True)["input_ids"][0]
        assert (ids[0], ids[-1], len(ids)) == (BOS, EOS, 3)
    with pytest.raises(ValueError, match="add_target_eos needs a tokenizer with a eos token"):
        PixelProcessor(tokenizer=byte_tokenizer(eos_token=None))(target_text="a", add_target_eos=True)


def test_padding_without_a_pad_token() -> None:
    with_eos = PixelProcessor(tokenizer=byte_tokenizer(pad_token=None))
    inputs = with_eos(target_text=TARGETS, return_tensors="pt")
    assert inputs["input_ids"][0, -2:].tolist() == [EOS, EOS]
    assert inputs["attention_mask"][0, -2:].tolist() == [0, 0]
    neither = PixelProcessor(tokenizer=byte_tokenizer(pad_token=None, eos_token=None))
    assert neither(target_text=["ab", "cd"])["attention_mask"] == [[1] * 3] * 2
    with pytest.raises(ValueError, match=r"neither a pad token nor an EOS token.*pad_token"):
        neither(target_text=TARGETS)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"text": TEXTS, "target_text": ["a"]}, "1 target texts for 2 rows"),
        ({"target_text": []}, "batch is empty"),
        ({"target_text": ["a", 3]}, r"target_text\[1\] must be a string, got int"),
        ({"text": TEXTS, "target_text": 5}, "target_text must be a string or a list"),
        ({"text_pair": "a", "target_text": "a"}, "text_pair needs text"),
        ({}, "target_text, with a tokenizer"),
    ],
)
def test_bad_input(processor: PixelProcessor, kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor(**kwargs)


def test_empty_targets() -> None:
    bare = PixelProcessor(tokenizer=byte_tokenizer(with_bos=False))
    with pytest.raises(ValueError, match=r"target_text\[1\] is empty"):
        bare(target_text=["a", ""])
    assert bare(target_text=["a", ""], add_target_bos=True)["input_ids"][1] == [BOS, PAD]


def test_without_a_tokenizer() -> None:
    plain = PixelProcessor()
    assert plain.tokenizer.pad_token_id is plain.tokenizer.eos_token_id is None
    assert plain.model_input_names == ["pixel_values", "attention_mask", "num_columns"]
    with pytest.raises(ValueError, match=r"no tokenizer.*PixelProcessor\(\.\.\., tokenizer="):
        plain(target_text="a")
    with pytest.raises(ValueError, match=r"token ids.*no tokenizer"):
        plain.batch_decode(torch.tensor([[3, 4]]))


def test_the_model_takes_what_the_processor_gives(processor: PixelProcessor) -> None:
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, vocab_size=259
    )
    model = PixelARForCausalLM(config).eval()
    inputs = processor(text=TEXTS, target_text=TARGETS, target_first=True, return_tensors="pt")
    inputs.pop("num_columns")
    assert model(**inputs).logits.shape == (2, 15, 259)
    assert model(**processor(target_text=TARGETS, return_tensors="pt")).logits.shape == (2, 9, 259)


# ---- back to text ----


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4))
def test_decoding_tokens_inverts_tokenising(texts: list[str]) -> None:
    processor = PixelProcessor(tokenizer=byte_tokenizer())
    ids = processor(target_text=texts, add_target_eos=True, return_tensors="pt")
    assert processor.batch_decode(ids) == processor.batch_decode(ids["input_ids"]) == texts
    labels = ids["input_ids"].masked_fill(ids["attention_mask"] == 0, -100)
    assert processor.batch_decode(labels) == texts


def test_forms_of_token_ids(processor: PixelProcessor) -> None:
    ids = processor(target_text=TARGETS[0])["input_ids"][0]
    tensor = torch.tensor([ids])
    for form in (
        tensor,
        tensor[0],
        tensor.to(torch.int32),
        tensor.numpy(),
        ids,
        [ids],
        [tensor[0]],
        {"input_ids": tensor},
        SimpleNamespace(sequences=tensor),
    ):
        assert processor.batch_decode(form) == [TARGETS[0]]
        assert processor.decode(form) == TARGETS[0]
    assert processor.decode(tensor, skip_special_tokens=False) == f"<s>{TARGETS[0]}"
    with pytest.raises(ValueError, match="2; use batch_decode"):
        processor.decode([ids, ids])


def test_strips_stay_strips(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXTS, target_text=TARGETS, return_tensors="pt")
    pixels = inputs["pixel_values"]
    for form in (inputs, pixels, (pixels * 255).to(torch.uint8), list(pixels), pixels.to(torch.bfloat16)):
        assert processor.batch_decode(form) == TEXTS
    first = processor(text=TEXTS, target_text=TARGETS, target_first=True, return_tensors="pt")
    assert processor.batch_decode(first) == TEXTS


# ---- saving, loading, copying ----


def test_save_and_load(processor: PixelProcessor, tmp_path: Path) -> None:
    files = processor.save_pretrained(tmp_path / "first")
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert {"processor_config.json", "fixed-5x8.npz", "tokenizer.json", "tokenizer_config.json"} <= names
    assert {Path(file).name for file in files} == names
    assert all(Path(file).is_file() for file in files)
    config = json.loads((tmp_path / "first" / "processor_config.json").read_text())
    assert config["has_tokenizer"] is True and "tokenizer" not in config
    expected = processor(text=TEXTS, target_text=TARGETS, return_tensors="pt")
    for loaded in (
        PixelProcessor.from_pretrained(tmp_path / "first"),
        AutoProcessor.from_pretrained(tmp_path / "first"),
    ):
        assert type(loaded) is PixelProcessor and loaded.to_dict() == processor.to_dict()
        inputs = loaded(text=TEXTS, target_text=TARGETS, return_tensors="pt")
        assert list(inputs) == list(expected)
        assert all(torch.equal(inputs[key], expected[key]) for key in inputs)
    loaded.save_pretrained(tmp_path / "again")
    for name in names - {"tokenizer_config.json"}:  # transformers notes there how it was loaded
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_loading_beside_a_model(processor: PixelProcessor, tmp_path: Path) -> None:
    """config.json names a model type that transformers' own tokenizers do not know."""
    PixelARConfig(vocab_size=259).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert AutoProcessor.from_pretrained(tmp_path).tokenizer.eos_token_id == EOS


def test_another_tokenizer_at_load(processor: PixelProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    other = byte_tokenizer(with_bos=False)
    assert PixelProcessor.from_pretrained(tmp_path, tokenizer=other).tokenizer is other
    plain = PixelProcessor.from_pretrained(tmp_path, tokenizer=None)
    plain.save_pretrained(tmp_path)  # the tokenizer's files stay, and are not loaded again
    assert PixelProcessor.from_pretrained(tmp_path).model_input_names == plain.model_input_names
    plain = PixelProcessor()
    plain.save_pretrained(tmp_path / "plain")
    loaded = PixelProcessor.from_pretrained(tmp_path / "plain", tokenizer=other)
    assert loaded(target_text="a")["input_ids"] == other(["a"])["input_ids"]


def test_loading_without_the_tokenizer_files(processor: PixelProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=r"(?s)tokenizer cannot be loaded.*Copy tokenizer\.json"):
        PixelProcessor.from_pretrained(tmp_path)


def test_pickle_and_deepcopy(processor: PixelProcessor) -> None:
    expected = processor(target_text=TARGETS)["input_ids"]
    for copied in (pickle.loads(pickle.dumps(processor)), copy.deepcopy(processor), copy.copy(processor)):
        assert copied(target_text=TARGETS)["input_ids"] == expected
    assert copy.deepcopy(processor).tokenizer is not processor.tokenizer
    assert repr(copy.deepcopy(processor)) == repr(processor)


def test_transformers_sees_a_processor_without_parts() -> None:
    """What an optional tokenizer rests on: transformers takes every argument of that name for a required part."""
    assert PixelProcessor.get_attributes() == []
    assert "tokenizer" in ProcessorMixin.get_attributes.__func__(PixelProcessor)
