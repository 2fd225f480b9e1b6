# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Inputs that are no tensors or do not fit, configurations of no model, and damaged checkpoints."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from tools.tiny import TINY

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForSequenceClassification,
    PixelProcessor,
    export_remote_code,
)


@pytest.fixture(scope="module")
def model() -> PixelARForCausalLM:
    torch.manual_seed(0)
    return PixelARForCausalLM(PixelARConfig(patch_size=(8, 8), vocab_size=20, **TINY)).eval()


STRIPS = torch.ones(2, 1, 8, 24)


@pytest.mark.parametrize("value", [np.ones((2, 3)), [[1, 1, 1]] * 2, "mask", 3])
@pytest.mark.parametrize("name", ["attention_mask", "position_ids", "labels", "modality_ids", "input_ids"])
def test_no_tensors(model: PixelARForCausalLM, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a torch.Tensor, got {type(value).__name__}"):
        model(**{"pixel_values": STRIPS, name: value})


def test_log_likelihood_takes_tensors(model: PixelARForCausalLM) -> None:
    with pytest.raises(TypeError, match=r"attention_mask must be a torch\.Tensor, got int"):
        model.log_likelihood(STRIPS, attention_mask=10**39)


@pytest.mark.parametrize(
    "name", ["head_dim", "num_key_value_heads", "max_position_embeddings", "head_group_columns"]
)
def test_sizes_below_one(name: str) -> None:
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"{name} must be positive, got {size}"):
            PixelARConfig(**{**TINY, name: size})


def test_batches_without_rows_or_positions(model: PixelARForCausalLM) -> None:
    with pytest.raises(ValueError, match="pixel_values hold no rows"):
        model(pixel_values=STRIPS[:0])
    ids = torch.ones(1, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="modality_ids name no position"):
        model.generate(input_ids=ids, modality_ids=ids[:, :0], max_new_patches=3)


def test_sizes_beyond_every_float() -> None:
    for name in ("head_group_columns", "hidden_size"):
        with pytest.raises(ValueError, match=rf"{name}: over 2 \*\* 1328, more than the limit of 16,777,216"):
            PixelARConfig(**{**TINY, name: 10**400})


def test_strips_that_are_no_tensors(model: PixelARForCausalLM) -> None:
    for value in (STRIPS.numpy(), STRIPS.tolist(), "strip", 10**30):
        with pytest.raises(TypeError, match="pixel_values must be"):
            model(pixel_values=value)
        with pytest.raises(TypeError, match="pixel_values must be"):
            model.log_likelihood(pixel_values=value)


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 0), (3,), (1, 1, 3), (2, 4)])
def test_positions_that_do_not_fit(model: PixelARForCausalLM, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="position_ids must be integers"):
        model(pixel_values=STRIPS, position_ids=torch.zeros(shape, dtype=torch.long))


def test_columns_and_masks_of_other_rows(model: PixelARForCausalLM) -> None:
    with pytest.raises(TypeError, match="num_columns must be"):
        model.log_likelihood(pixel_values=STRIPS, num_columns=24)
    with pytest.raises(ValueError, match=r"num_columns has shape \(1,\), but there are 2 rows"):
        model.log_likelihood(pixel_values=STRIPS, num_columns=torch.tensor([24]))
    with pytest.raises(ValueError, match="attention_mask must be"):
        model.log_likelihood(pixel_values=STRIPS, attention_mask=torch.ones(1, 2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="input_ids must be integers"):
        model(input_ids=torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", 0),
        ("head_num_layers", 10**5),
        ("hidden_size", 2**40),
        ("vocab_size", 2**40),
        ("max_position_embeddings", 2**62),
        ("num_labels", 10**9),
        ("patch_size", (8, 10**9)),
        ("patch_size", (8,)),
        ("head_group_columns", 10**9),
    ],
)
def test_sizes_of_no_model(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        PixelARConfig(**{**TINY, "patch_size": (8, 8), field: value})


def test_layers_larger_than_any_machine() -> None:
    with pytest.raises(ValueError, match="weights of the layers"):
        PixelARConfig(hidden_size=2**20, intermediate_size=2**22, num_attention_heads=8, num_hidden_layers=2)


@pytest.mark.parametrize("cls", [PixelARForCausalLM, PixelARForSequenceClassification])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"[" * 100_000),
        ("config.json", b"\xff\xfe"),
        ("config.json", b"[1]"),
        ("config.json", b"{"),
        ("model.safetensors", b"short"),
        ("model.safetensors", (10**6).to_bytes(8, "little") + b"[" * 100),
    ],
)
def test_damaged_checkpoints(
    cls: Any, file: str, content: bytes, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copied")
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match="copied"):
        cls.from_pretrained(folder)


def test_configurations_of_no_model_name_their_folder(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copied")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**9}), encoding="utf-8")
    with pytest.raises(ValueError, match="copied: num_hidden_layers"):
        PixelARForCausalLM.from_pretrained(folder)


def test_weights_that_cannot_be_written_are_an_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors has a class of its own for them; whoever saves waits for `OSError`."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    model = PixelARForCausalLM(PixelARConfig(**TINY, patch_size=(8, 8)))
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", fail)
    with pytest.raises(OSError, match=r"weights cannot be written.*No space left"):
        model.save_pretrained(tmp_path)
    with pytest.raises(OSError, match="weights cannot be written"):
        export_remote_code(model, PixelProcessor(patch_size=(8, 8), atlases=["tiny5-8"]), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("model_type", {"a": 1}), ("model_type", 7), ("dtype", []), ("torch_dtype", 16), ("dtype", "x\0y")],
)
def test_names_in_a_configuration_that_are_none(
    model: PixelARForCausalLM, tmp_path: Path, field: str, value: Any
) -> None:
    """Transformers reads these before any class checks them."""
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, field: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"config.json: {field} is .*, (not a name|which is no type)"):
        PixelARForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("value", [[1], "many", True, -1, 10**40])
def test_what_no_batch_counts(model: PixelARForCausalLM, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="num_items_in_batch must be a number of labels"):
        model(pixel_values=STRIPS, labels=torch.ones(2, 3, dtype=torch.long), num_items_in_batch=value)


def test_tokens_in_a_generation_configuration_that_are_none(
    model: PixelARForCausalLM, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"pad_token_id": [0.5, []]}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"generation_config.json: pad_token_id is \[0.5, \[\]\], neither"):
        PixelARForCausalLM.from_pretrained(tmp_path)
