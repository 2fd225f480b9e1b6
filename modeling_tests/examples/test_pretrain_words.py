# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""pretrain.py with the recipe of words, very small: dictionary, Muon, the clock, held rates, seeds of the data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tools.scripts import run_script
from tools.tiny import TINY

from pixel_ar import PixelARForCausalLM, PixelProcessor

WORDS = ("the", "old", "man", "house", "river", "looked", "at", "a", "tree", "and")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    lines = (" ".join(WORDS[(number * step) % 10] for step in range(1, 9)) for number in range(40))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def pretrain(corpus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
    """Runs the recipe with a tiny decoder; options go over it."""
    monkeypatch.setenv("HF_HOME", str(corpus.parent / "cache"))
    small = {
        **TINY,
        "dictionary_frequent_entries": 4,
        "dictionary_sampled_entries": 4,
        "head_group_columns": 5,
    }
    given = {
        "train_data": corpus,
        "output_dir": folder,
        "config_overrides": json.dumps(small),
        "dictionary_size": 12,
        "dictionary_glyphs": 8,
        "block_patches": 16,
        "shuffle_buffer": 20,
        "per_device_train_batch_size": 2,
        "save_steps": 1,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
        **options,
    }
    words = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    run_script("pretrain.py", "--recipe", "pixel-ar-words", *words, monkeypatch=monkeypatch)
    return folder


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return pretrain(corpus, tmp_path_factory.mktemp("run") / "words", monkeypatch, max_steps=2)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_model_knows_patches_of_the_corpus(trained: Path) -> None:
    model, processor = PixelARForCausalLM.from_pretrained(trained), PixelProcessor.from_pretrained(trained)
    assert model.config.patch_head == "dictionary" and 0 < model.config.dictionary_size <= 12
    assert (processor.strategy, processor.newline, processor.patch_size) == ("word_pieces", "symbol", (8, 40))
    # A word of the corpus costs a good model little, but even this one less than one it has never seen.
    inputs = processor(text=["the old", "xqz jvk"], add_start=True, return_tensors="pt")
    known, unknown = model.eval().log_likelihood(**inputs).tolist()
    assert known > unknown


def test_muon_takes_the_matrices_of_the_decoder(trained: Path) -> None:
    groups = torch.load(trained / "checkpoint-2" / "optimizer.pt", weights_only=True)["param_groups"]
    model = PixelARForCausalLM.from_pretrained(trained)
    matrices = [name for name, each in model.model.layers.named_parameters() if each.dim() == 2]
    by_muon = [group for group in groups if group["use_muon"]]
    assert len(by_muon) == 1 and len(by_muon[0]["params"]) == len(matrices)
    # The rates of the recipe: matrices, the rest, what is remembered of patches.
    assert [group["initial_lr"] for group in groups] == [0.02, 0.001, 0.003, 0.001]


def test_the_seed_of_the_data_decides_the_batches(
    trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal seeds give equal weights; another seed of the data the same beginning, and other batches."""
    again = pretrain(corpus, tmp_path / "again", monkeypatch, max_steps=2)
    assert same(trained, again)
    other = pretrain(corpus, tmp_path / "other", monkeypatch, max_steps=2, data_seed=7)
    assert not same(trained, other)
    repeated = pretrain(corpus, tmp_path / "repeated", monkeypatch, max_steps=2, data_seed=7)
    assert same(other, repeated)


def rates(folder: Path) -> list[float]:
    """The learning rate of each step."""
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    return [entry["learning_rate"] for entry in state["log_history"] if "learning_rate" in entry]


@pytest.mark.parametrize("share", [0, 1])
def test_rates_are_held_or_fall(
    share: int, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the processor's clock: a share of 0 holds the rate to the end, one of 1 lets it fall from the beginning."""
    options = {"train_minutes": 0.01, "warmup_steps": 1, "decay_share": share, "save_steps": 1000}
    found = rates(pretrain(corpus, tmp_path / "run", monkeypatch, **options))
    assert len(found) > 1
    if share:
        assert found == sorted(found, reverse=True) and found[-1] < 0.5 * found[0]
    else:
        assert set(found) == {0.02}


def test_a_held_run_is_gone_on_with(
    trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--model` takes weights, dictionary and processor of the run before; the clock begins anew."""
    options = {"model": trained, "train_minutes": 0.005, "warmup_steps": 1, "decay_share": 0.5}
    more = pretrain(corpus, tmp_path / "more", monkeypatch, **options)
    before, after = PixelARForCausalLM.from_pretrained(trained), PixelARForCausalLM.from_pretrained(more)
    assert after.config.dictionary_sha256 == before.config.dictionary_sha256
    assert not same(trained, more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_minutes": 1, "decay_share": 2}, r"decay_share must lie in \[0, 1\], got 2"),
        ({"train_minutes": 1, "train_clock": "sun"}, "one of wall, processor, got 'sun'"),
        ({"max_steps": 1, "config_overrides": "[1]"}, "--config_overrides must be a JSON object"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, Any],
    message: str,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SystemExit, match=message):
        pretrain(corpus, tmp_path / "run", monkeypatch, **options)
