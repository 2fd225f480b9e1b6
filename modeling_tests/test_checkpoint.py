# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The embedded checkpoint is the one its card describes, and it writes words."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from tools.paths import DATA
from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor

import pixel_ar
from pixel_ar.metrics import score_texts

pytestmark = pytest.mark.skipif(
    "pixel-ar-tiny" not in pixel_ar.bundled_checkpoints(), reason="no bundled checkpoint in this tree"
)


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(pixel_ar.bundled_checkpoint("pixel-ar-tiny"))


def test_files_are_the_recorded_ones_and_small(folder: Path) -> None:
    digests = json.loads((folder / "sha256.json").read_text(encoding="utf-8"))
    assert {"model.safetensors", "config.json", "processor_config.json", "fixed-5x8.npz"} <= set(digests)
    for name, digest in digests.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert (folder / "model.safetensors").stat().st_size <= 12_000_000
    assert (folder / "README.md").is_file()


def test_loads_through_the_auto_classes(folder: Path) -> None:
    assert isinstance(AutoModelForCausalLM.from_pretrained(folder), pixel_ar.PixelARForCausalLM)
    assert isinstance(AutoModel.from_pretrained(folder), pixel_ar.PixelARModel)
    assert isinstance(AutoProcessor.from_pretrained(folder), pixel_ar.PixelProcessor)


def test_predicts_held_out_text(folder: Path) -> None:
    """Far below what letter frequencies give (about 4.2 bits); the exact figure is in the model card."""
    import gzip

    with gzip.open(DATA / "sotu_validation.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][::40]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert score_texts(model, AutoProcessor.from_pretrained(folder), texts).bits_per_character < 1.8


def test_writes_readable_words(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(text=["The people of the United States"], add_eos=False, return_tensors="pt")
    output = model.generate(
        **inputs,
        max_new_patches=32,
        do_sample=True,
        temperature=0.7,
        generator=torch.Generator().manual_seed(1),
        return_dict_in_generate=True,
    )
    result = processor.read(output)[0]
    assert result.text.startswith("The people of the United States")
    assert result.unreadable < 0.05
    assert len(re.findall(r"[a-z]{3,}", result.text)) > 10


def test_prefers_real_english(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    pairs = ["the government of the United States", "the gevornment fo teh Untied Staets"]
    with torch.no_grad():
        good, bad = model.log_likelihood(**processor(text=pairs, add_start=True, return_tensors="pt"))
    assert good > bad + 10
