# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar classify`: what it prints, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch
from tools.tiny import BACKBONE

import pixel_ar
from pixel_ar import cli


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier") / "model"
    names = {0: "de", 1: "en", 2: "fr"}
    config = pixel_ar.PixelARConfig(
        **BACKBONE, max_position_embeddings=16, id2label=names, label2id={v: k for k, v in names.items()}
    )
    pixel_ar.PixelARForSequenceClassification(config).save_pretrained(folder)
    pixel_ar.PixelProcessor.from_preset("fixed-8", model_max_patches=16).save_pretrained(folder)
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: str | Path, code: int = 0) -> tuple[str, str]:
    assert cli.main(["classify", *map(str, args)]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_classes_are_those_of_the_pipeline(classifier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import pipeline

    texts = ["the old man", "der alte Mann"]
    out, err = run(capsys, *texts, "--model", classifier, "--top", "3", "--json")
    assert err == ""
    found = json.loads(out)
    expected = pipeline("pixel-text-classification", str(classifier), device="cpu")(texts, top_k=None)
    for text, one, other in zip(texts, found, expected, strict=True):
        assert one["text"] == text
        assert [each["label"] for each in one["classes"]] == [each["label"] for each in other]
        assert sum(each["score"] for each in one["classes"]) == pytest.approx(1)


def test_lines_of_a_file(classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that cannot be drawn is reported, and the rest goes on."""
    (tmp_path / "lines.txt").write_text("one\n\n漢\ntwo\n", encoding="utf-8")
    out, err = run(capsys, "--file", tmp_path / "lines.txt", "--model", classifier, code=2)
    assert [line.split()[-1] for line in out.splitlines()] == ["one", "two"]
    assert err.count("\n") == 1 and "line 3" in err and "U+6F22" in err


def test_a_long_text_is_cut_and_said_to_be(classifier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "word " * 100, "--model", classifier)
    assert out and "its first 16 patches were looked at" in err
    out, err = run(capsys, "a" * 60, "--model", classifier)  # with the EOS patch exactly as many
    assert out and err == ""


def test_each_command_wants_its_kind_of_model(
    classifier: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = run(capsys, "a", "--model", tiny_checkpoint, code=2)
    assert "PixelARForCausalLM and knows no classes" in err
    assert cli.main(["score", "a", "--model", str(classifier)]) == 2
    assert "see `pixel-ar classify`" in capsys.readouterr().err
    _, err = run(capsys, "--model", classifier, code=2)
    assert "nothing to classify" in err
