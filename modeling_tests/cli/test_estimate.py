# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar estimate` prints what the estimates say, and refuses what makes no sense in one line."""

import json
from pathlib import Path

import pytest

from pixel_ar import PixelARConfig, bundled_checkpoint
from pixel_ar.cli.main import main
from pixel_ar.estimation.plan import Run, memory


def test_a_published_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--config", "pixar-113m", "--gpus", "8", "--seq", "64"]) == 0
    printed = capsys.readouterr().out
    assert "pixar-113m: 113,462,016 parameters" in printed and "138,240,000,000 patches: " in printed
    assert "assumed, not measured" in printed
    # Twelve heads do not split among eight devices; the rest is still estimated.
    assert "num_attention_heads (12) does not split among 8 devices" in printed


def test_json_has_the_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "estimate",
        "--seq",
        "32",
        "--batch",
        "2",
        "--optimizer",
        "muon",
        "--precision",
        "float32",
        "--json",
    ]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    config = PixelARConfig.from_pretrained(bundled_checkpoint("pixel-ar-tiny"))
    wanted = memory(Run(config, 1, 2, 32, "float32", "muon"), "ddp")
    assert found["parameters"] == 5_907_648 and found["memory"]["ddp"]["total"] == wanted.total
    assert found["days"] is None and found["patches_per_second"] > 0


def test_a_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"patch_head": "bernoulli", "num_hidden_layers": 2}), encoding="utf-8")
    assert (
        main(["estimate", "--config", str(path), "--seq", "16", "--patches", "1e9", "--checkpointing"]) == 0
    )
    assert "1,000,000,000 patches: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"), [("[]", "a JSON object is needed"), ('{"hidden_size": -3}', "hidden_size")]
)
def test_what_is_no_configuration(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    assert main(["estimate", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert main(["estimate", "--config", "pixar-7b"]) == 2
    assert "pixar-113m" in capsys.readouterr().err
