# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Stage 2's script and benchmark do what their docstrings say, on a very small scale."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from tools.paths import EXAMPLES
from tools.tiny import BACKBONE

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import PatchDiscriminator


@pytest.fixture(scope="module")
def stage_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a very small bernoulli model and its processor, and a corpus beside it."""
    folder = tmp_path_factory.mktemp("stage_1")
    torch.manual_seed(0)
    config = PixelARConfig(patch_head="bernoulli", **BACKBONE)
    PixelARForCausalLM(config).save_pretrained(folder)
    PixelProcessor.from_preset("fixed-8", missing="hexbox").save_pretrained(folder)
    lines = "\n".join(f"Line {number} of a small corpus." for number in range(30))
    (folder / "corpus.txt").write_text(lines, encoding="utf-8")
    return folder


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EXAMPLES / "adversarial.py"
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    monkeypatch.syspath_prepend(EXAMPLES)  # where Python finds it when it is started as a script
    runpy.run_path(str(path), run_name="__main__")


def test_stage_2_from_a_stage_1_folder(
    stage_1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    corpus = str(stage_1 / "corpus.txt")
    run(
        *("--model", str(stage_1), "--train_data", corpus, "--validation_data", corpus),
        *("--output_dir", str(tmp_path / "run"), "--block_patches", "8", "--max_steps", "4"),
        *("--num_samples", "3", "--ratio_warmup_steps", "1", "--warmup_steps", "1", "--save_steps", "2"),
        *("--sample_prompts", "Line 1|Line 22", "--max_validation_texts", "4", "--logging_steps", "1"),
        *("--disable_tqdm", "True", "--report_to", "none"),
        monkeypatch=monkeypatch,
    )
    folder = tmp_path / "run"
    sharpened = PixelARForCausalLM.from_pretrained(folder)
    original = PixelARForCausalLM.from_pretrained(stage_1)
    assert not torch.equal(sharpened.patch_head.projection.weight, original.patch_head.projection.weight)
    assert PixelProcessor.from_pretrained(folder).patch_size == (8, 20)
    assert PatchDiscriminator.from_pretrained(folder / "discriminator").config.hidden_size == 32
    assert {path.name for path in (folder / "samples").iterdir()} == {"step-0000000.png", "step-0000004.png"}
    assert json.loads((folder / "before_results.json").read_text())["before_loss"] > 0
    assert json.loads((folder / "eval_results.json").read_text())["eval_bits_per_character"] > 0
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    # The published settings hold where the command line says nothing.
    last = [entry for entry in history if "discriminator_loss" in entry][-1]
    assert [last["learning_rate"], last["discriminator_learning_rate"]] == pytest.approx([3e-5, 3e-5])


def test_stage_2_needs_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="--model"):
        run("--output_dir", str(tmp_path), "--train_data", "corpus.txt", monkeypatch=monkeypatch)


def test_the_benchmark_compares_equal_computations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # the other tests keep theirs
    path = EXAMPLES / "benchmarks" / "adversarial.py"
    main = runpy.run_path(str(path), run_name="benchmark")["main"]
    words = "--layers 2 --hidden-size 32 --heads 2 --patches 12 --samples 4 --steps 1 --require 1e9"
    assert main(words.split()) == 1
    printed = capsys.readouterr()
    assert "ratio: " in printed.out
    assert printed.err.count("below 1e+09x") == 1
    assert "do not compute the same" not in printed.err
