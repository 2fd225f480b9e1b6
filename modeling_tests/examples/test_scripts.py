# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The scripts in examples/ do what their docstrings say, on a very small scale."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pixel_ar import PixelARForCausalLM, PixelProcessor

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "head_hidden_size": 32,
    "head_num_layers": 1,
    "head_num_attention_heads": 2,
    "head_byte_embedding_size": 8,
    "head_byte_hidden_size": 16,
}


def run(script: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EXAMPLES / script
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    runpy.run_path(str(path), run_name="__main__")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps on lines of text, with evaluation and sample strips."""
    folder = tmp_path_factory.mktemp("pretrained")
    lines = "\n".join(f"Line {number} of a small corpus, with a bell \x07 in it." for number in range(30))
    (folder / "corpus.txt").write_text(lines, encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HF_HOME", str(folder / "cache"))
        run(
            "pretrain.py",
            *("--train_data", str(folder / "corpus.txt"), "--validation_data", str(folder / "corpus.txt")),
            *(
                "--output_dir",
                str(folder / "run"),
                "--config_overrides",
                json.dumps(TINY),
                "--block_patches",
                "16",
            ),
            *(
                "--max_steps",
                "3",
                "--eval_strategy",
                "steps",
                "--eval_steps",
                "3",
                "--max_validation_texts",
                "4",
            ),
            *("--sample_prompts", "Line 1|Line 22", "--disable_tqdm", "True", "--report_to", "none"),
            monkeypatch=monkeypatch,
        )
    return folder / "run"


def test_pretrain_saves_what_loads(pretrained: Path) -> None:
    model = PixelARForCausalLM.from_pretrained(pretrained)
    assert model.config.hidden_size == 32
    assert PixelProcessor.from_pretrained(pretrained).missing == "hexbox"
    assert (pretrained / "samples" / "step-0000003.png").is_file()
    metrics = json.loads((pretrained / "eval_results.json").read_text(encoding="utf-8"))
    assert metrics["eval_bits_per_character"] > 0


def test_export_halves_the_file_and_keeps_float32_behaviour(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("export_checkpoint.py", str(pretrained), str(tmp_path / "out"), monkeypatch=monkeypatch)
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    model = PixelARForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.float32
    assert model.config.use_cache
    assert PixelProcessor.from_pretrained(tmp_path / "out").missing == "error"
    assert set(json.loads((tmp_path / "out" / "sha256.json").read_text())) >= {
        "model.safetensors",
        "config.json",
    }


def test_a_recipe_is_a_command_line() -> None:
    for path in (EXAMPLES / "recipes").glob("*.json"):
        recipe = json.loads(path.read_text(encoding="utf-8"))
        assert recipe["description"]
        assert json.loads(recipe["arguments"]["config_overrides"])
        assert (EXAMPLES.parent / recipe["arguments"]["train_data"]).is_file()


def test_pretrain_without_a_length_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("text", encoding="utf-8")
    with pytest.raises(SystemExit, match="--max_steps or --train_minutes"):
        run(
            "pretrain.py", "--train_data", str(corpus), "--output_dir", str(tmp_path), monkeypatch=monkeypatch
        )
