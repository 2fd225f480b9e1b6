# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The scripts in examples/ do what their docstrings say, on a very small scale."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tools.paths import EXAMPLES
from tools.scripts import run_script as run
from tools.tiny import TINY

from pixel_ar import PixelARForCausalLM, PixelProcessor, selftest


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


def test_pretrain_says_what_came_of_it(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the clock: loss and progress on the way, at the end bits per character, a sample, what was drawn as boxes."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    corpus = str(pretrained.parent / "corpus.txt")
    run(
        *("pretrain.py", "--model", str(pretrained), "--train_data", corpus, "--validation_data", corpus),
        *("--output_dir", str(tmp_path / "run"), "--block_patches", "16", "--train_minutes", "0.02"),
        *("--logging_steps", "1", "--max_validation_texts", "2", "--report_to", "none"),
        monkeypatch=monkeypatch,
    )
    printed = capsys.readouterr()
    assert "step 1: loss " in printed.out + printed.err and "/1 s" in printed.err
    assert "10000000" not in printed.err
    assert "bits/character on held-out texts" in printed.out and "patches read) in 0." in printed.out
    assert "texts have no glyph and were drawn as boxes: U+0007" in printed.out
    samples = list((tmp_path / "run" / "samples").glob("*.png"))
    assert len(samples) == 1 and str(samples[0]) in printed.out
    assert all(check.passed for check in selftest(tmp_path / "run"))


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
def test_two_processes_go_on_where_one_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same batches in the same order from files shared by a pattern, so the same weights; one process speaks."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    for file in range(3):
        rows = [json.dumps({"text": f"Row {row} of file {file}, " * 9}) + "\n" for row in range(8)]
        (tmp_path / f"part-{file}.jsonl").write_text("".join(rows), encoding="utf-8")
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text(json.dumps({"text": "A row."}) + "\n", encoding="utf-8")
    options = [
        *("--train_data", str(tmp_path / "part-*.jsonl"), "--validation_data", str(held_out)),
        *("--config_overrides", json.dumps(TINY), "--block_patches", "16", "--max_steps", "4"),
        *("--save_steps", "2", "--report_to", "none", "--use_cpu", "True", "--disable_tqdm", "True"),
    ]
    alone, both = tmp_path / "alone", tmp_path / "both"
    batch = "--per_device_train_batch_size"
    run("pretrain.py", *options, batch, "4", "--output_dir", str(alone), monkeypatch=monkeypatch)
    shutil.copytree(alone / "checkpoint-2", both / "checkpoint-2")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words = [batch, "2", "--output_dir", str(both), "--resume_from_checkpoint", "True"]
    result = subprocess.run(
        [*launcher, str(EXAMPLES / "pretrain.py"), *options, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    said = result.stdout + result.stderr
    assert said.count("bits/character on 1 held-out texts") == 1
    wanted, found = (load_file(folder / "model.safetensors") for folder in (alone, both))
    start = load_file(alone / "checkpoint-2" / "model.safetensors")
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=1e-5)
    assert any(not torch.allclose(start[name], tensor, atol=1e-5) for name, tensor in wanted.items())


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


def test_recipes_say_what_they_are() -> None:
    for path in (EXAMPLES / "recipes").glob("*.json"):
        recipe = json.loads(path.read_text(encoding="utf-8"))
        assert recipe["description"].endswith(".")
        if "tasks" in recipe:  # of fine-tuning; test_finetuning_scripts.py reads them
            continue
        source = recipe["arguments"].get("train_data")
        if source is None:  # a corpus of one's own
            assert path.stem == "pixel-ar-words"
            continue
        assert (EXAMPLES.parent / source).is_file() or source == "wikimedia/wikipedia"


def test_pretrain_for_a_time_of_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("Line of a small corpus.\n" * 30, encoding="utf-8")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    arguments = {
        "train_data": corpus,
        "output_dir": tmp_path / "run",
        "config_overrides": json.dumps(TINY),
        "block_patches": 16,
        "train_minutes": 0.01,
        "disable_tqdm": True,
        "report_to": "none",
    }
    given = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
    run("pretrain.py", *given, "--train_clock", "processor", monkeypatch=monkeypatch)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    with pytest.raises(SystemExit, match="processor, got 'sun'"):
        again = ("--overwrite_output_dir", "True")
        run("pretrain.py", *given, "--train_clock", "sun", *again, monkeypatch=monkeypatch)


def test_pretrain_without_a_length_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("text", encoding="utf-8")
    with pytest.raises(SystemExit, match="--max_steps or --train_minutes"):
        run(
            "pretrain.py", "--train_data", str(corpus), "--output_dir", str(tmp_path), monkeypatch=monkeypatch
        )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps on strips, tokens and pairs, with a tokenizer fitted to the text."""
    folder = tmp_path_factory.mktemp("mixed")
    lines = "\n".join(
        f"Line {number} of a small corpus, with a longer tail to split." for number in range(30)
    )
    (folder / "corpus.txt").write_text(lines, encoding="utf-8")
    words = {
        "--train_data": str(folder / "corpus.txt"),
        "--validation_data": str(folder / "corpus.txt"),
        "--output_dir": str(folder / "run"),
        "--config_overrides": json.dumps({**TINY, "patch_size": (8, 10)}),
        "--mix": "pixel=1,token=1,pair=2",
        "--new_tokenizer_size": "270",
        "--piece_characters": "20",
        "--max_steps": "6",
        "--per_device_train_batch_size": "2",
        "--max_validation_texts": "4",
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HF_HOME", str(folder / "cache"))
        run("pretrain.py", *(word for pair in words.items() for word in pair), monkeypatch=monkeypatch)
    return folder / "run"


class TestMixedModalities:
    def test_the_saved_pair_writes_both_kinds(self, mixed: Path) -> None:
        model = PixelARForCausalLM.from_pretrained(mixed).eval()
        processor = PixelProcessor.from_pretrained(mixed)
        assert model.config.vocab_size == len(processor.tokenizer) <= 270
        assert model.config.bos_token_id == processor.tokenizer.bos_token_id
        tokens = processor(target_text=["small corpus"], return_tensors="pt")
        strips = model.generate(**tokens, output_modality="pixel", max_new_patches=3)
        assert strips.shape[1:3] == (1, 8) and strips.shape[3] <= 30
        inputs = processor(text=["small corpus"], return_tensors="pt")
        ids = model.generate(**inputs, output_modality="token", max_new_tokens=3)
        assert isinstance(processor.batch_decode(ids)[0], str) and ids.shape[1] <= 3

    def test_pieces_hold_every_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        from pretrain import parse_mix, split_texts

        text = "to be or not to be, extraordinarily long"
        pieces = split_texts([text, "", "end"], 10)
        assert "".join("".join(pieces).split()) == "".join(f"{text}end".split())
        assert max(map(len, pieces)) <= 10
        assert parse_mix("pixel=4,pair=0.5") == {"pixel": 4.0, "pair": 0.5}
        with pytest.raises(SystemExit, match="pixel:4"):
            parse_mix("pixel:4")

    def test_both_directions_are_measured(
        self, mixed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(
            "benchmarks/dual_generation.py",
            *("--model", str(mixed), "--count", "2", "--piece-characters", "6", "--show", "1"),
            monkeypatch=monkeypatch,
        )
        printed = capsys.readouterr().out
        assert "pixels after tokens: " in printed and "tokens after pixels: " in printed

    @pytest.mark.parametrize(
        "name",
        sorted(
            path.stem for path in (EXAMPLES / "recipes").glob("*.json") if not path.stem.startswith("glue-")
        ),
    )
    def test_recipes_are_complete(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every option of a recipe is one the script knows, and its configuration can be built."""
        own = ["--train_data", "corpus.txt", "--train_minutes", "1"] if name == "pixel-ar-words" else []
        monkeypatch.setattr(sys, "argv", ["pretrain.py", "--recipe", name, "--output_dir", "nowhere", *own])
        monkeypatch.syspath_prepend(str(EXAMPLES))
        from pretrain import parse_arguments

        from pixel_ar import PixelARConfig

        if name == "pixel-ar-tiny":  # one measure of length, the one that was named last
            monkeypatch.setattr(sys, "argv", [*sys.argv, "--max_steps", "7"])
            budget, training = parse_arguments()[2::2]
            assert (training.max_steps, budget.train_minutes) == (7, 0)
            monkeypatch.setattr(sys, "argv", sys.argv[:-2])
        model, data, budget, _, training = parse_arguments()
        assert data.train_data and (training.max_steps > 0 or budget.train_minutes > 0)
        overrides = json.loads(model.config_overrides)
        if model.config_preset is not None:
            PixelARConfig.from_preset(model.config_preset, **overrides)
        else:
            PixelARConfig(**overrides)
