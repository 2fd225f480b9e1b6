# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The command line, on a very small random model: what it prints and writes, and how it refuses."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tools.paths import ROOT

from pixel_ar import cli
from pixel_ar.cli.parser import DEFAULT_MODEL
from pixel_ar.hub import bundled_checkpoints
from pixel_ar.processing.pictures import INK, PAPER, PROMPT, strip_page
from pixel_ar.processing.processing_pixel_ar import PixelProcessor

TEXT = "The people of the"


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def copied(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copied"))


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> str:
    assert cli.main([str(arg) for arg in args]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def run_loudly(capsys: pytest.CaptureFixture[str], *args: str | Path) -> str:
    """Runs a command that has something to say on stderr, and returns that."""
    assert cli.main([str(arg) for arg in args]) == 0
    return capsys.readouterr().err


def refuse(capsys: pytest.CaptureFixture[str], *args: str | Path) -> str:
    """Runs a command that must fail, and returns its one line."""
    try:
        code = cli.main([str(arg) for arg in args])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("pixel-ar"), captured.err
    return captured.err


# ---- what it does ----


def test_render_and_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", TEXT) == "strip.png: 85 x 8 pixels of text in 5 patches\n"
    assert Image.open("strip.png").size == (100, 8)
    assert run(capsys, "read", "strip.png") == TEXT + "\n"
    run(capsys, "render", TEXT, "-o", "large.png", "--scale", "4")
    assert Image.open("large.png").size == (400, 32)
    assert run(capsys, "read", "large.png") == TEXT + "\n"


def test_render_a_file_and_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("text.txt").write_text("many words " * 2000, encoding="utf-8")
    run(capsys, "render", "--file", "text.txt")
    assert run(capsys, "read", "strip.png").strip() == ("many words " * 2000).strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin"))
    run(capsys, "render", "--file", "-", "--force")
    assert run(capsys, "read", "strip.png") == "from stdin\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("the same"))
    run(capsys, "render", "-", "-o", "other.png")
    assert run(capsys, "read", "other.png") == "the same\n"


def test_render_and_read_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = "The people of the United States.\n\nA second paragraph."
    printed = run(capsys, "render", text, "--width", "4", "-o", "page.png")
    assert printed == "page.png: 80 x 48 pixels, 6 lines of 4 patches\n"
    assert Image.open("page.png").size == (80, 48)
    assert run(capsys, "read", "page.png", "--page") == text + "\n"
    run(capsys, "render", text, "--width", "4", "--scale", "5", "-o", "large.png")
    assert run(capsys, "read", "large.png", "--page") == text + "\n"
    assert cli.main(["read", "page.png", "--page", "--confidence"]) == 0
    assert "at most 0.0% of a line unreadable" in capsys.readouterr().err
    run(capsys, "render", TEXT)
    assert run(capsys, "read", "strip.png", "--page") == TEXT + "\n"
    Image.new("L", (80, 41)).save("odd.png")
    assert "no whole number of patches" in refuse(capsys, "read", "odd.png", "--page")
    assert "at least 1" in refuse(capsys, "render", text, "--width", "0")


def test_render_as_a_checkpoint_does(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    run(capsys, "render", TEXT, "--model", tiny_checkpoint)
    assert run(capsys, "read", "strip.png", "--model", tiny_checkpoint) == TEXT + "\n"
    run(capsys, "render", "漢字", "--preset", "unifont-16", "--force")
    assert run(capsys, "read", "strip.png", "--preset", "unifont-16") == "漢字\n"
    assert "drawn as boxes: U+5B57" in run_loudly(capsys, "render", "漢字", "--missing", "hexbox", "--force")


def test_read_confidence(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "render", TEXT)
    assert cli.main(["read", "strip.png", "--confidence"]) == 0
    captured = capsys.readouterr()
    assert captured.out == TEXT + "\n" and "0.0% of the ink unreadable" in captured.err


def test_generate(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    args = ("generate", TEXT, "--model", tiny_checkpoint, "--max-new-patches", "6", "--seed", "3")
    printed = run(capsys, *args, "--output", "picture.png")
    first, second, third = printed.splitlines()[0], *printed.splitlines()[-2:]
    assert first.startswith(TEXT)
    assert "bits/character" in second or "nothing written" in second
    assert third.startswith("picture.png: ")
    page = np.asarray(Image.open("picture.png"))
    colours = {tuple(colour) for colour in page.reshape(-1, 3)}
    assert colours == {PAPER, PROMPT, INK}
    assert run(capsys, *args, "--output", "again.png").splitlines()[:-1] == printed.splitlines()[:-1]
    assert Path("picture.png").read_bytes() == Path("again.png").read_bytes()


def test_generate_several_and_greedy(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    args = ("generate", TEXT, "--model", tiny_checkpoint, "--max-new-patches", "3")
    options = ("--num-return-sequences", "3", "--top-p", "0.9", "--top-k", "9", "--temperature", "1.5")
    args = (*args, "--force")
    printed = run(capsys, *args, *options)
    assert [line[:2] for line in printed.splitlines()[::2][:3]] == ["1:", "2:", "3:"]
    assert run(capsys, *args, "--greedy").splitlines()[0] == run(capsys, *args, "--greedy").splitlines()[0]


def test_score(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    one = run(capsys, "score", TEXT, "--model", tiny_checkpoint)
    nats, bits = float(one.split()[0]), float(one.split()[2])
    assert "17 characters" in one and bits == pytest.approx(nats / math.log(2) / 17, abs=1e-3)
    Path("texts.txt").write_text(f"{TEXT}\n\nof the United States\n", encoding="utf-8")
    lines = run(capsys, "score", "--file", "texts.txt", "--model", tiny_checkpoint).splitlines()
    assert len(lines) == 3 and lines[0] == one.splitlines()[0] and "in 2 texts" in lines[2]
    assert float(lines[2].split()[0]) == pytest.approx(
        sum(float(line.split()[0]) for line in lines[:2]), abs=0.02
    )


def test_info(capsys: pytest.CaptureFixture[str], copied: Path) -> None:
    (copied / "README.md").write_text(
        "---\nlicense: mit\n---\n# Title\n\nA model of nothing.\n", encoding="utf-8"
    )
    printed = run(capsys, "info", copied)
    sha256 = PixelProcessor.from_pretrained(copied).renderer.atlases[0].sha256
    for part in (
        "PixelARForCausalLM",
        "2 layers x 32",
        "8 x 20 pixels",
        "autoregressive",
        sha256,
        "A model of nothing.",
    ):
        assert part in printed
    assert "F32" in printed


@pytest.mark.skipif(not bundled_checkpoints(), reason="no bundled checkpoint in this tree")
def test_the_bundled_checkpoint_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert DEFAULT_MODEL in run(capsys, "info")
    assert "bits/character" in run(capsys, "score", TEXT)


def test_page_wraps_long_strips() -> None:
    strip = np.ones((1, 8, 130), np.float32)
    strip[:, :, 129] = 0
    page = np.asarray(strip_page([strip, strip], [10, 0], line_columns=100, scale=2))
    assert page.shape == ((4 + 2 * 12 + 4 + 2 * 12) * 2, 108 * 2, 3)
    assert tuple(page[8, 8]) == PROMPT and tuple(page[8, 8 + 2 * 10]) == PAPER
    assert tuple(page[8 + 2 * 12, 8 + 2 * 29]) == INK


# ---- how it refuses ----


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["render"], "either TEXT or --file"),
        (["render", ""], "is empty"),
        (["render", "漢"], "U+6F22"),
        (["render", "a", "--preset", "arial"], "fixed-8, unifont-16"),
        (["render", "a", "--scale", "0"], "at least 1"),
        (["render", "a", "-o", "no/such/folder/x.png"], "no/such/folder"),
        (["render", "a", "-o", "strip.xyz"], ".png"),
        (["render", "--file", "missing.txt"], "missing.txt"),
        (["read", "missing.png"], "missing.png"),
        (["generate", ""], "empty"),
        (["generate", "a", "--temperature", "0"], "above 0"),
        (["generate", "a", "--temperature", "warm"], "not a number"),
        (["generate", "a", "--top-p", "1.5"], "at most 1"),
        (["generate", "a", "--max-new-patches", "0"], "at least 1"),
        (["generate", "a", "--model", "missing"], "no checkpoint 'missing'"),
        (["score"], "nothing to score"),
        (["score", "a", ""], "text 2 is empty"),
        (["info", "missing"], "neither a folder nor a bundled checkpoint"),
    ],
)
def test_bad_arguments(capsys: pytest.CaptureFixture[str], args: list[str], message: str) -> None:
    assert message in refuse(capsys, *args)


def test_unreadable_images(capsys: pytest.CaptureFixture[str]) -> None:
    Path("not.png").write_bytes(b"\x89PNG\r\n\x1a\n but not really")
    assert "cannot read not.png" in refuse(capsys, "read", "not.png")
    run(capsys, "render", TEXT)
    Path("cut.png").write_bytes(Path("strip.png").read_bytes()[:-40])
    assert "cannot read cut.png" in refuse(capsys, "read", "cut.png")
    Image.new("L", (40, 9)).save("nine.png")
    assert "9 pixels high" in refuse(capsys, "read", "nine.png")
    Image.new("RGB", (40, 8), "red").save("red.png")
    assert "in colour" in refuse(capsys, "read", "red.png")
    Path("bytes.txt").write_bytes(b"\xff\xfe\xfa")
    assert "not UTF-8" in refuse(capsys, "render", "--file", "bytes.txt", "--force")


def test_texts_that_do_not_fit_the_model(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    assert "the text needs 250 patches, but the model reads 64" in refuse(
        capsys, "generate", "word " * 200, "--model", tiny_checkpoint
    )
    assert "the text needs 252 patches, but the model reads 64" in refuse(
        capsys, "score", "word " * 200, "--model", tiny_checkpoint
    )
    message = refuse(capsys, "generate", TEXT, "--model", tiny_checkpoint, "--max-new-patches", "60")
    assert "5 patches" in message and "64" in message


def edit_config(folder: Path, name: str, **changes: object) -> None:
    settings = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps({**settings, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
        (lambda folder: edit_config(folder, "config.json", model_type="llama"), "'llama' model"),
        (lambda folder: edit_config(folder, "config.json", hidden_size=48), "hidden_size|weights"),
        (lambda folder: edit_config(folder, "config.json", num_hidden_layers=3), "3 layers|missing"),
        (lambda folder: edit_config(folder, "config.json", num_hidden_layers=1), "unexpected"),
        (lambda folder: (folder / "model.safetensors").unlink(), "weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"noise"), "weights"),
        (lambda folder: (folder / "fixed-5x8.npz").unlink(), "fixed-5x8.npz"),
        (lambda folder: (folder / "processor_config.json").unlink(), "processor_config.json"),
        (
            lambda folder: edit_config(folder, "processor_config.json", patch_size=[8, 16]),
            r"patches of \(8, 16\)",
        ),
    ],
)
def test_damaged_and_foreign_checkpoints(
    capsys: pytest.CaptureFixture[str], copied: Path, damage: object, message: str
) -> None:
    import re

    damage(copied)  # type: ignore[operator]
    assert re.search(message, refuse(capsys, "score", TEXT, "--model", copied))


def test_as_a_process() -> None:
    """As the installed command would be started."""
    command = [sys.executable, "-m", "pixel_ar.cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    failed = subprocess.run(
        [*command, "read", "missing.png"], capture_output=True, text=True, env=environment
    )
    assert failed.returncode == 2 and failed.stderr.count("\n") == 1 and "missing.png" in failed.stderr
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, env=environment)
    assert shown.returncode == 0 and shown.stdout.startswith("pixel-ar 0.")
