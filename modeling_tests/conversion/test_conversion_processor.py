# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor in a converted folder: the user's font or an atlas, the tokenizer, and the run from text to strip."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ImageFont
from tools.conversion import original_config, write_original
from tools.fixture import load_fixture
from transformers import AutoModelForCausalLM, AutoProcessor, PreTrainedTokenizerFast

from pixel_ar import cli
from pixel_ar.conversion import convert_checkpoint

TEXT = "The people of the"


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The font inside Pillow, under the name of PIXAR's."""
    path = tmp_path_factory.mktemp("font") / "PixeloidSans-mLxMm.ttf"
    path.write_bytes(ImageFont.load_default(10).path.getvalue())
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints in their original layout. Read only."""
    folder = tmp_path_factory.mktemp("sources")
    paths = {}
    for name in ("pixar_causal_A", "pixar_causal_A_rgb", "pixelgpt_text_A"):
        fixture = load_fixture(name)
        paths[name] = write_original(folder / name, fixture.weights, original_config(fixture))
    return paths


def make_tokenizer(folder: Path) -> None:
    """A tokenizer of 61 words, as many as the PixelGPT fixtures know."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["<unk>", "<s>", "</s>", *(f"w{index}" for index in range(58))]
    model = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "kind", "max_patches", "channels"),
    [
        ("pixar_causal_A", "pixar", 360, 1),
        ("pixar_causal_A_rgb", "pixar", 360, 3),
        ("pixelgpt_text_A", "pixelgpt", 1024, 3),
    ],
)
def test_from_text_to_strip(
    name: str,
    kind: str,
    max_patches: int,
    channels: int,
    font: Path,
    sources: dict[str, Path],
    tmp_path: Path,
) -> None:
    convert_checkpoint(sources[name], tmp_path / "target", kind, font=font)
    # Elsewhere and without the font: the folder has to be enough.
    folder = shutil.move(tmp_path / "target", tmp_path / "moved")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    assert (processor.model_max_patches, processor.num_channels) == (max_patches, channels)
    assert processor.patch_size == model.config.patch_size
    inputs = processor(text=[TEXT], add_eos=False, end_gap=3, return_tensors="pt")
    out = model.generate(**inputs, max_new_patches=3, stop_at_eos=False)
    height, width = model.config.patch_size
    prompt = inputs["pixel_values"]
    assert out.shape == (1, channels, height, prompt.shape[-1] + 3 * width)
    assert torch.equal(out[..., : prompt.shape[-1]].float(), prompt)
    # The shift to the patch border reads as spaces.
    assert processor.batch_decode(inputs)[0].strip() == TEXT
    processor.to_pil(out)[0].save(tmp_path / "strip.png")


def test_the_font_is_recorded(font: Path, sources: dict[str, Path], tmp_path: Path) -> None:
    report = convert_checkpoint(sources["pixar_causal_A"], tmp_path / "target", "pixar", font=font)
    sha256 = hashlib.sha256(font.read_bytes()).hexdigest()
    record = json.loads((tmp_path / "target" / "conversion.json").read_text(encoding="utf-8"))
    assert record["processor"]["font"] == {"name": font.name, "sha256": sha256}
    atlas = AutoProcessor.from_pretrained(tmp_path / "target").renderer.atlases[0]
    assert record["processor"]["atlases"] == [{"name": atlas.name, "sha256": atlas.sha256}]
    assert sha256 in (tmp_path / "target" / "README.md").read_text(encoding="utf-8")
    assert sha256 in (tmp_path / "target" / "processor_config.json").read_text(encoding="utf-8")
    assert any("1 bit" in note for note in report.notes)
    assert not any("may be another font" in note for note in report.notes)


def test_another_font_is_noted(font: Path, sources: dict[str, Path], tmp_path: Path) -> None:
    other = shutil.copyfile(font, tmp_path / "Other.ttf")
    report = convert_checkpoint(sources["pixar_causal_A"], tmp_path / "target", "pixar", font=other)
    assert any("PixeloidSans-mLxMm.ttf; Other.ttf may be another font" in note for note in report.notes)


def test_no_font_at_all(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "noise.ttf").write_bytes(b"noise")
    with pytest.raises(ValueError, match="not a readable"):
        convert_checkpoint(
            sources["pixar_causal_A"], tmp_path / "target", "pixar", font=tmp_path / "noise.ttf"
        )
    assert not (tmp_path / "target").exists()


def test_an_atlas_instead(sources: dict[str, Path], tmp_path: Path) -> None:
    report = convert_checkpoint(sources["pixar_causal_A"], tmp_path / "target", "pixar", atlas="fixed-5x8")
    assert any("not with PixeloidSans-mLxMm.ttf" in note for note in report.notes)
    processor = AutoProcessor.from_pretrained(tmp_path / "target")
    assert processor.batch_decode(processor(text=[TEXT], return_tensors="pt")) == [TEXT]
    with pytest.raises(ValueError, match="16 pixels high"):
        convert_checkpoint(sources["pixar_causal_A"], tmp_path / "other", "pixar", atlas="unifont-16")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("with_config", [True, False])
def test_the_tokenizer_goes_along(with_config: bool, sources: dict[str, Path], tmp_path: Path) -> None:
    source = Path(shutil.copytree(sources["pixelgpt_text_A"], tmp_path / "source"))
    make_tokenizer(source)
    if not with_config:
        (source / "tokenizer_config.json").unlink()
    report = convert_checkpoint(source, tmp_path / "target", "pixelgpt", atlas="unifont-16")
    assert "tokenizer.json" in report.source_files
    processor = AutoProcessor.from_pretrained(tmp_path / "target")
    inputs = processor(text=["a b"], target_text=["w0 w57"], return_tensors="pt")
    assert inputs["input_ids"].tolist()[0][-2:] == [3, 60]
    # The fixture's config.json says which tokens these are, where the tokenizer does not.
    assert (processor.tokenizer.eos_token_id, processor.tokenizer.pad_token_id) == (2, 2)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "target").eval()
    with torch.no_grad():
        assert model(**inputs).logits.shape[-1] == 61


def test_tokenizer_files_without_a_processor(sources: dict[str, Path], tmp_path: Path) -> None:
    source = Path(shutil.copytree(sources["pixelgpt_text_A"], tmp_path / "source"))
    make_tokenizer(source)
    convert_checkpoint(source, tmp_path / "target", "pixelgpt", with_processor=False)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "target" / name).read_bytes() == (source / name).read_bytes()


def test_a_tokenizer_that_cannot_be_loaded_is_carried_along(sources: dict[str, Path], tmp_path: Path) -> None:
    source = Path(shutil.copytree(sources["pixelgpt_text_A"], tmp_path / "source"))
    (source / "tokenizer.model").write_bytes(b"noise")
    report = convert_checkpoint(source, tmp_path / "target", "pixelgpt", atlas="unifont-16")
    assert any("could not be loaded" in note for note in report.notes)
    assert (tmp_path / "target" / "tokenizer.model").read_bytes() == b"noise"
    AutoProcessor.from_pretrained(tmp_path / "target")


# ---- the command ----


def run(
    capsys: pytest.CaptureFixture[str], *args: str | os.PathLike, command: str = "convert"
) -> tuple[int, str, str]:
    try:
        code = cli.main([command, *map(str, args)])
    except SystemExit as error:
        code = int(str(error.code))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command(
    capsys: pytest.CaptureFixture[str], font: Path, sources: dict[str, Path], tmp_path: Path
) -> None:
    source, target = sources["pixar_causal_A"], tmp_path / "target"
    code, out, err = run(capsys, "--from", "pixar", source, target, "--font", font)
    assert (code, err) == (0, "")
    assert out.startswith(f"{target}: PixelARForCausalLM, 98,624 parameters\n")
    assert "config.json, pytorch_model.bin" in out
    AutoProcessor.from_pretrained(target)
    assert cli.main(["info", str(target)]) == 0
    assert "PixelARForCausalLM" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--from", "pixar"], "--font PATH"),
        (["--from", "pixar", "--font", "missing.ttf"], "no font file missing.ttf"),
        (["--from", "pixar", "--font", "a", "--no-processor"], "not allowed with"),
        (["--from", "pixar", "--atlas", "gothic"], "no bundled atlas is called 'gothic'"),
        (["--from", "pixelgpt", "--no-processor"], "try pixar"),
        (["--from", "gpt2", "--no-processor"], "invalid choice: 'gpt2'"),
        (["--no-processor"], "--from"),
    ],
)
def test_bad_commands(
    options: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    sources: dict[str, Path],
    tmp_path: Path,
) -> None:
    code, out, err = run(capsys, sources["pixar_causal_A"], tmp_path / "target", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and part in err, err
    assert list(tmp_path.iterdir()) == []


def test_the_command_lists_what_does_not_fit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sources: dict[str, Path]
) -> None:
    fixture: Any = load_fixture("pixar_causal_A")
    del fixture.weights["norm.weight"]
    source = write_original(tmp_path / "source", fixture.weights, original_config(fixture))
    code, _, err = run(capsys, "--from", "pixar", source, tmp_path / "target", "--no-processor")
    assert code == 2 and "1 missing: norm.weight" in err and err.count("\n") == 1
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pixar_causal_A", "pixar"), ("pixar_causal_A_rgb", "pixar"), ("pixelgpt_text_A", "pixelgpt")],
)
def test_converted_models_on_the_command_line(
    name: str,
    kind: str,
    font: Path,
    sources: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They write, and are scored where they have a likelihood; the regression head says that it has none."""
    convert_checkpoint(sources[name], tmp_path / "target", kind, font=font)
    capsys.readouterr()  # its bar of progress
    image = tmp_path / "strip.png"
    words = ("--model", tmp_path / "target", "--output", image, "--max-new-patches", "3")
    code, out, err = run(capsys, TEXT, *words, command="generate")
    assert (code, err) == (0, "") and image.is_file() and "strip.png" in out
    code, out, err = run(capsys, TEXT, "--model", tmp_path / "target", command="score")
    if name == "pixar_causal_A":
        assert code == 0 and "bits/character" in out
    else:
        assert code == 2 and "no likelihood" in err and len(err.splitlines()) == 1
