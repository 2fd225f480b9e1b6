# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The command line as a tool among others: pipes, files that exist, several inputs, errors in its own words."""

import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
import torch
from PIL import Image
from tools.paths import ROOT

from pixel_ar import cli
from pixel_ar.models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM

TEXT = "The people of the"


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    try:
        code = cli.main([str(arg) for arg in args])
    except SystemExit as error:
        code = int(error.code or 0)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


# ---- files ----


def test_nothing_is_overwritten_unasked(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    assert call(capsys, "render", TEXT)[0] == 0
    before = Path("strip.png").read_bytes()
    for args in (("render", "b"), ("generate", "b", "--model", tiny_checkpoint)):
        code, out, err = call(capsys, *args)
        assert (code, out) == (2, "") and "strip.png exists; pass --force" in err
        assert Path("strip.png").read_bytes() == before
    assert call(capsys, "render", "b", "--force")[0] == 0
    assert Path("strip.png").read_bytes() != before
    Path("out.txt").write_text("mine")
    for args in (("read", "strip.png"), ("score", "a"), ("info",)):
        assert "out.txt exists" in call(capsys, *args, "-o", "out.txt")[2]
    assert Path("out.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/x.png", "no folder no/such"),
        ("x.xyz", "ends in .png"),
        ("folder.png", "is a folder"),
        ("plain", ".png"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    Path("folder.png").mkdir()
    code, _, err = call(capsys, "generate", "a", "--model", "not-looked-at", "-o", name)
    assert code == 2 and message in err


def test_output_files(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    call(capsys, "render", TEXT)
    assert call(capsys, "read", "strip.png", "-o", "text.txt") == (0, "", "")
    assert Path("text.txt").read_text() == TEXT + "\n"
    assert call(capsys, "score", TEXT, "--model", tiny_checkpoint, "-o", "nats.txt")[1] == ""
    assert "17 characters" in Path("nats.txt").read_text()
    assert call(capsys, "info", tiny_checkpoint, "-o", "info.json", "--json")[1] == ""
    assert json.loads(Path("info.json").read_text())["patch head"] == "autoregressive"


def test_pictures_through_pipes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = TextIOWrapper(BytesIO())
    monkeypatch.setattr("sys.stdout", out)
    assert cli.main(["render", TEXT, "-o", "-"]) == 0
    out.flush()
    picture = out.buffer.getvalue()  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert picture.startswith(b"\x89PNG")
    stdin = TextIOWrapper(BytesIO(picture))
    monkeypatch.setattr("sys.stdin", stdin)
    assert call(capsys, "read", "-") == (0, TEXT + "\n", "")


# ---- pictures that say how they were drawn ----


def test_a_picture_says_how_it_was_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "render", "漢字 text", "--preset", "unifont-16", "--scale", "3")
    assert call(capsys, "read", "strip.png")[1] == "漢字 text\n"
    note = json.loads(Image.open("strip.png").info["pixel_ar"])
    assert note["atlases"] == ["unifont-16"] and note["settings"]["patch_size"] == [16, 16]
    call(capsys, "render", TEXT + "\nagain", "--width", "4", "-o", "page.png")
    assert call(capsys, "read", "page.png")[1] == TEXT + "\nagain\n"


def test_what_was_generated_is_read(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    args = ("generate", TEXT, "--model", tiny_checkpoint, "--max-new-patches", "40", "--seed", "1", "--json")
    code, out, _ = call(capsys, *args)
    assert code == 0
    written = json.loads(out)["text"]
    assert Image.open("strip.png").height > 8 * 3 * 2  # several lines, tinted and enlarged
    assert json.loads(call(capsys, "read", "strip.png", "--json")[1])["text"] == written
    call(capsys, *args, "--num-return-sequences", "2", "--force")
    assert call(capsys, "read", "strip.png")[1].count("\n") >= 2


@pytest.mark.parametrize(
    "note", ["[]", "{", '{"settings": 1}', '{"atlases": ["../x"], "settings": {}}', "[" * 9000]
)
def test_damaged_notes_are_passed_over(capsys: pytest.CaptureFixture[str], note: str) -> None:
    from PIL.PngImagePlugin import PngInfo

    call(capsys, "render", TEXT)
    info = PngInfo()
    info.add_itxt("pixel_ar", note)
    Image.open("strip.png").save("noted.png", pnginfo=info)
    assert call(capsys, "read", "noted.png") == (0, TEXT + "\n", "")


def test_the_language_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    cyrillic = "\u0410\u0412\u0421 \u0421\u041e\u0422"  # drawn like "ABC COT"
    assert call(capsys, "render", cyrillic, "--preset", "unifont-16")[0] == 0
    assert call(capsys, "read", "strip.png") == (0, "ABC COT\n", "")
    assert call(capsys, "read", "strip.png", "--language", "uk") == (0, cyrillic + "\n", "")
    code, out, err = call(capsys, "read", "strip.png", "--language", "klingon")
    assert (code, out) == (2, "") and "no letters of a language 'klingon' are known" in err


def test_what_cannot_be_read_has_a_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    noise = np.random.default_rng(0).random((8, 200)) > 0.5
    Image.fromarray((noise * 255).astype(np.uint8)).save("noise.png")
    code, _, err = call(capsys, "read", "noise.png")
    assert code == 3 and "noise.png" in err and "--atlas" in err


@pytest.mark.parametrize(
    "args",
    [
        ("read", "bad.png"),
        ("read", "bad.png", "--prior", "bad.json"),
        ("render", "a", "--font", "bad.ttf"),
        ("render", "a", "--atlas", "bad.npz"),
        ("render", "--file", "bad.txt"),
        ("score", "--file", "bad.txt"),
        ("render", "a", "--font", "gone.ttf"),
        ("render", "a", "-o", "gone/strip.png"),
    ],
)
def test_errors_name_the_file(capsys: pytest.CaptureFixture[str], args: tuple[str, ...]) -> None:
    for name in ("bad.png", "bad.json", "bad.ttf", "bad.npz", "bad.txt"):
        Path(name).write_bytes(b"\xff\xfe nothing of the kind")
    code, out, err = call(capsys, *args)
    assert (code, out) == (2, "") and args[-1] in err and err.count("\n") == 1


# ---- several inputs, JSON ----


def test_several_images(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "render", "one", "-o", "1.png")
    call(capsys, "render", "two", "-o", "2.png")
    assert call(capsys, "read", "1.png", "2.png") == (0, "1.png: one\n2.png: two\n", "")
    code, out, err = call(capsys, "read", "1.png", "gone.png", "2.png", "--json")
    assert code == 2 and err.count("gone.png") == 1
    assert [each["text"] for each in json.loads(out)] == ["one", "two"]
    assert json.loads(call(capsys, "read", "1.png", "--json")[1])["unreadable"] == 0


def test_json_of_every_command(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    model = ("--model", tiny_checkpoint, "--json")
    assert json.loads(call(capsys, "render", TEXT, "--json")[1])["num_columns"] == 85
    found = json.loads(call(capsys, "score", TEXT, *model)[1])
    assert found["characters"] == 17 and found["nats"] > 0
    assert len(json.loads(call(capsys, "score", "a", "b", *model)[1])) == 2
    assert json.loads(call(capsys, "info", tiny_checkpoint, "--json")[1])["class"] == "PixelARForCausalLM"
    args = ("generate", "a", *model, "--max-new-patches", "2", "--num-return-sequences", "2", "--force")
    assert len(json.loads(call(capsys, *args)[1])) == 2


def test_score_goes_on_after_a_line_it_cannot_score(
    capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    Path("texts.txt").write_text(f"{TEXT}\n漢字\n{'long ' * 200}\nend\n", encoding="utf-8")
    code, out, err = call(capsys, "score", "--file", "texts.txt", "--model", tiny_checkpoint)
    assert code == 2 and len(out.splitlines()) == 3 and "in 2 texts" in out
    assert (
        "line 2: no glyph for U+5B57" in err
        and "line 3: the text needs" in err
        and "the model reads 64" in err
    )
    code, out, err = call(
        capsys, "score", "--file", "texts.txt", "--model", tiny_checkpoint, "--missing", "hexbox"
    )
    assert "in 3 texts" in out and "2 characters in 1 of" in err


# ---- glyphs ----


def test_glyphs_of_the_user(capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path) -> None:
    assert call(capsys, "render", "漢", "--atlas", "unifont-16")[0] == 0
    assert Image.open("strip.png").height == 16
    assert call(capsys, "read", "strip.png", "--atlas", "unifont-16")[1] == "漢\n"
    code, _, err = call(capsys, "render", "é", "--model", tiny_checkpoint, "--atlas", "unifont-16", "--force")
    assert code == 2 and "height" in err
    code, _, err = call(capsys, "render", "漢", "--force")
    assert code == 2 and "--missing hexbox" in err and "--font FILE" in err and "missing='" not in err
    assert (
        call(
            capsys,
            "generate",
            "漢",
            "--model",
            tiny_checkpoint,
            "--max-new-patches",
            "1",
            "--missing",
            "hexbox",
            "--force",
        )[0]
        == 0
    )


# ---- contradictions and limits ----


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["render", "a", "--file", "b"], "either TEXT or --file"),
        (["render", "a", "--preset", "fixed-8", "--model", "x"], "not allowed with"),
        (["render", "a", "--width", "100000000"], "at most 65536"),
        (["render", "a", "-o", "-", "--json"], "both want standard output"),
        (
            ["generate", "a", "--greedy", "--temperature", "0.5"],
            "--greedy takes no chances, so that --temperature",
        ),
        (["generate", "a", "--greedy", "--num-return-sequences", "2"], "writes one strip"),
        (["generate", "a", "--num-return-sequences", "500000"], "at most 256"),
        (["generate", "a", "--temperature", "inf"], "above 0"),
        (["generate", "a", "--seed", "99999999999999999999"], "at most"),
        (["read", "-", "-"], "can be read once"),
        (["read", "a.png", "--json", "--confidence"], "leave out --confidence"),
        (["read", "."], "is a folder"),
    ],
)
def test_contradictions(capsys: pytest.CaptureFixture[str], args: list[str], message: str) -> None:
    code, out, err = call(capsys, *args)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_picture_too_large_to_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("long.txt").write_text("many words " * 20_000)
    code, _, err = call(capsys, "render", "--file", "long.txt", "--scale", "64")
    assert code == 2 and "smaller --scale" in err and not Path("strip.png").exists()


# ---- interruption, streams ----


def test_an_interrupted_strip_is_saved(
    capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    likelihood = PixelARForCausalLM.log_likelihood

    def interrupt(self: PixelARForCausalLM, *args: object, **kwargs: object) -> torch.Tensor:
        raise KeyboardInterrupt

    monkeypatch.setattr(PixelARForCausalLM, "log_likelihood", interrupt)
    code, _, err = call(
        capsys, "generate", TEXT, "--model", tiny_checkpoint, "--max-new-patches", "5", "--seed", "1"
    )
    assert code == 130 and "patches are saved in strip.png" in err
    monkeypatch.setattr(PixelARForCausalLM, "log_likelihood", likelihood)
    again = (
        "generate",
        TEXT,
        "--model",
        tiny_checkpoint,
        "--max-new-patches",
        "5",
        "--seed",
        "1",
        "-o",
        "whole.png",
    )
    call(capsys, *again)
    assert Image.open("strip.png").tobytes() == Image.open("whole.png").tobytes()


def test_text_that_the_terminal_lacks_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(capsys, "render", "漢字 café", "--preset", "unifont-16")
    out = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    assert cli.main(["read", "strip.png"]) == 0
    out.flush()
    assert out.buffer.getvalue() == b"\\u6f22\\u5b57 caf\\xe9\n"  # type: ignore[attr-defined]


def test_closed_streams(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input is closed" in call(capsys, "render", "-")[2]
    monkeypatch.setattr("sys.stdin", StringIO(""))
    assert "is empty" in call(capsys, "render", "-")[2]
    monkeypatch.setattr("sys.stdout", None)
    assert cli.main(["read", "gone.png"]) == 2
    monkeypatch.setattr("sys.stderr", None)
    assert cli.main(["read", "gone.png"]) == 2


def _command(*args: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "pixel_ar_command", *args], {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.slow
def test_a_full_output_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "render", "a")
    command, environment = _command("read", "strip.png")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space" in done.stderr


def test_arguments_do_not_wait_for_the_package() -> None:
    command, environment = _command("render", "--scale", "x", "y")
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "'x' is not a number" in done.stderr
    assert not any(name in done.stderr for name in ("| torch", "| transformers", "| numpy"))


def test_an_early_interrupt_is_quiet() -> None:
    command, environment = _command("info")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    time.sleep(0.7)  # while PyTorch is being imported
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130) and "Traceback" not in err


def test_code_in_a_folder_is_not_run(
    capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """An auto_map in every file where one can stand, and a custom generation loop beside them."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    for path in tiny_checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Trap: pass\ndef generate(*a, **k): pass\n"
    (folder / "trap.py").write_text(code)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(code)
    names = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoProcessor", "AutoTokenizer")
    for name in ("config.json", "processor_config.json", "generation_config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
        settings["auto_map"] = dict.fromkeys(names, "trap.Trap")
        (folder / name).write_text(json.dumps(settings))
    model = ("--model", folder)
    for args in (
        ("info", folder),
        ("render", "a", *model),
        ("read", "strip.png", *model),
        ("score", "a", *model),
        ("generate", "a", *model, "--max-new-patches", "1", "--force"),
    ):
        code, _, err = call(capsys, *args)
        assert code == 0, err
    assert not (tmp_path / "ran").exists()
