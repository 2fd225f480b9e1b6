# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The token model beside the pixel model: equal size, exact figures, resuming; what damage to a context costs."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.paths import EXAMPLES
from tools.scripts import run_script
from transformers import LlamaForCausalLM

import pixel_ar

BENCHMARKS = EXAMPLES / "benchmarks"
LINES = [f"The old man number {n} looked at the river and went home to the house by it." for n in range(30)]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    rows = (
        {"text": line * 2, "source": f"{'prose' if n % 2 else 'web'}/{n}"} for n, line in enumerate(LINES)
    )
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def train(corpus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
    monkeypatch.setenv("HF_HOME", str(corpus.parent / "cache"))
    given = {
        "train": corpus,
        "validation": corpus,
        "vocabulary": 300,
        "parameters": 70_000,
        "width": 64,
        "context": 60,
        "minutes": 0.002,
        "validation-documents": 3,
        "output-dir": folder,
        **options,
    }
    words = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    run_script("benchmarks/token_baseline.py", *words, monkeypatch=monkeypatch)
    return folder


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        return train(corpus, tmp_path_factory.mktemp("run") / "tokens", monkeypatch)


@pytest.mark.parametrize("vocabulary", [16384, 4096, 257])
def test_sizes_are_equal(vocabulary: int) -> None:
    from token_baseline import build_model, parse_arguments

    options = parse_arguments(["--train", "a", "--validation", "b", "--vocabulary", str(vocabulary)])
    with torch.device("meta"):
        model = build_model(options)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == pytest.approx(9_400_000, rel=0.01)
    assert 2 < model.config.intermediate_size / model.config.hidden_size < 4


def test_a_table_may_be_too_large() -> None:
    from token_baseline import decoder_shape

    with pytest.raises(SystemExit, match="70,000 parameters hold no layer beside a table of 16384"):
        decoder_shape(70_000, 16384, 64)


def test_the_figure_is_that_of_the_saved_model(
    trained: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finished run is left as it is, and its figure is the likelihood of tokens one by one."""
    from token_baseline import BOUNDARY, TOKENIZER
    from tokenizers import Tokenizer

    before = (trained / "model.safetensors").read_bytes()
    capsys.readouterr()
    train(corpus, trained, monkeypatch)
    printed = capsys.readouterr().out
    assert (trained / "model.safetensors").read_bytes() == before
    figure = float(re.findall(r"([\d.]+) bits/character on 3 held-out texts", printed)[0])
    assert "| prose | 1 |" in printed and "| web | 2 |" in printed
    model = LlamaForCausalLM.from_pretrained(trained).eval()
    tokenizer = Tokenizer.from_file(str(trained / TOKENIZER))
    nats = 0.0
    for line in LINES[:3]:
        ids = torch.tensor([[BOUNDARY, *tokenizer.encode(line * 2).ids, BOUNDARY]])
        with torch.no_grad():
            logs = model(ids).logits[0].log_softmax(-1)
        nats -= sum(float(logs[place, token]) for place, token in enumerate(ids[0, 1:].tolist()))
    assert figure == pytest.approx(nats / math.log(2) / sum(2 * len(line) for line in LINES[:3]), abs=1e-3)


def test_batches_grow_and_hold_every_token() -> None:
    from token_baseline import BOUNDARY, TokenBatches

    documents = [[10 + n] * 5 for n in range(4)]
    sizes = iter([1, 2, 1, 2, 2])
    batches = iter(TokenBatches(documents, 3, lambda: next(sizes), seed=0))
    rows = [row for _ in range(5) for row in next(batches)["input_ids"].tolist()]
    assert len(rows) == 8
    tokens = [token for row in rows for token in row]
    assert sorted(tokens) == sorted([token for each in documents for token in [*each, BOUNDARY]])


def test_what_damage_costs(
    trained: Path,
    tiny_checkpoint: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HOME", str(corpus.parent / "cache"))
    words = tmp_path / "words"
    pixel_ar.PixelARForCausalLM.from_pretrained(tiny_checkpoint).save_pretrained(words)
    pixel_ar.PixelProcessor.from_preset("fixed-8", strategy="word_pieces").save_pretrained(words)
    run_script(
        "benchmarks/robustness.py",
        *(str(words), "--tokens", str(trained), "--data", str(corpus)),
        *("--documents", "2", "--context", "30", "--rest", "20"),
        monkeypatch=monkeypatch,
    )
    printed = capsys.readouterr().out
    assert printed.startswith("2 pieces of 2 documents")
    rows = [line for line in printed.splitlines() if line.startswith(("| /", "| \\"))]
    assert len(rows) == 12 and sum("| clean |" in row and "| 0.0 |" in row for row in rows) == 2


def test_a_continuation_is_scored_alone(tiny_checkpoint: Path) -> None:
    """Context and continuation drawn apart are the strip of the whole text, and their nats add up."""
    from robustness import halves, pixel_scorer

    model = pixel_ar.PixelARForCausalLM.from_pretrained(tiny_checkpoint).eval()
    processor = pixel_ar.PixelProcessor.from_preset("fixed-8", strategy="word_pieces")
    context, rest = halves("the old man looked at it", 9)
    assert (context, rest) == ("the old man", "looked at it") and halves("word", 2) == ("word", "")
    score = pixel_scorer(model, processor)
    whole = processor(text=["the old man looked at it"], add_start=True, add_eos=False, return_tensors="pt")
    first = processor(text=["the old man"], add_start=True, add_eos=False, return_tensors="pt")
    width = first["attention_mask"].shape[1] * processor.patch_size[1]
    with torch.no_grad():
        strips = whole["pixel_values"]
        expected = model.log_likelihood(strips[..., :width]) - model.log_likelihood(strips)
    assert score(context, rest, 0.0) == pytest.approx(float(expected[0]), rel=1e-4)
    with pytest.raises(SystemExit, match="word_pieces"):
        pixel_scorer(model, pixel_ar.PixelProcessor.from_preset("fixed-8"))
