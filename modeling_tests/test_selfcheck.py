# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A checkpoint tests itself: good ones pass, and each kind of damage fails its own line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tools.page import tiny_page_model
from tools.spae import small_spae
from tools.tiny import TINY

import pixel_ar
from pixel_ar.cli.main import main
from pixel_ar.models.pixel_ar.layers import Attention

NAMES = ["reading back", "bits/character", "continuation", "cache"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("selftest") / "model"
    model = pixel_ar.PixelARForCausalLM(pixel_ar.PixelARConfig(**TINY, initializer_range=0.2)).train()
    pixel_ar.export_remote_code(model, pixel_ar.PixelProcessor.from_preset("fixed-8"), folder)
    assert model.training
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def failed(folder: Path) -> list[str]:
    checks = pixel_ar.selftest(folder)
    assert [check.name for check in checks] == NAMES
    return [check.name for check in checks if not check.passed]


def test_an_exported_checkpoint_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(folder) == []
    assert main(["selftest", str(folder)]) == 0
    assert capsys.readouterr().out.count("ok    ") == 4


def test_other_weights_fail_with_the_versions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] *= -1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert failed(folder) == ["bits/character", "continuation"]
    assert main(["selftest", str(folder)]) == 1
    assert "FAILED bits/character" in (out := capsys.readouterr().out) and "transformers 5." in out


def test_a_lost_context_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Attention.forward
    monkeypatch.setattr(
        Attention, "forward", lambda self, *args, **kwargs: forward(self, *args[:3], **kwargs)
    )
    assert failed(folder) == ["continuation", "cache"]


def test_a_processor_that_draws_otherwise_fails(folder: Path) -> None:
    figures = json.loads((folder / "selftest.json").read_text())
    (folder / "selftest.json").write_text(json.dumps({**figures, "line": "a\tb"}))
    assert "reading back" in failed(folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_head_without_likelihood(channels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    fields = {**TINY, "patch_head": "flow", "head_hidden_size": 32, "num_channels": channels}
    model = pixel_ar.PixelARForCausalLM(pixel_ar.PixelARConfig(**fields))
    torch.nn.init.normal_(model.patch_head.network.output.weight, std=0.5)
    processor = pixel_ar.PixelProcessor(mode="L" if channels == 1 else "RGB", num_channels=channels)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    figures = pixel_ar.write_selftest(model, processor, tmp_path)
    assert "bits_per_character" not in figures
    checks = pixel_ar.selftest(tmp_path)
    assert [check.name for check in checks] == ["reading back", "continuation", "cache"]
    assert all(check.passed for check in checks)
    weights = load_file(tmp_path / "model.safetensors")
    weights["patch_head.network.output.bias"] -= 1
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert [check.name for check in pixel_ar.selftest(tmp_path) if not check.passed] == ["continuation"]


def test_a_folder_without_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "selftest.json").unlink()
    with pytest.raises(ValueError, match=r"write_selftest\(model, processor, folder\)"):
        pixel_ar.selftest(folder)
    assert main(["selftest", str(folder)]) == 2


def test_a_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = pixel_ar.PixelARForSequenceClassification(pixel_ar.PixelARConfig(**TINY, num_labels=3))
    processor = pixel_ar.PixelProcessor.from_preset("fixed-8")
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert len(pixel_ar.write_selftest(model, processor, tmp_path)["class_logits"]) == 3
    checks = pixel_ar.selftest(tmp_path)
    assert [(check.name, check.passed) for check in checks] == [("reading back", True), ("classes", True)]
    weights = load_file(tmp_path / "model.safetensors")
    weights["score.weight"] *= -1
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert [check.name for check in pixel_ar.selftest(tmp_path) if not check.passed] == ["classes"]


def test_bundled_checkpoints_pass() -> None:
    for name in pixel_ar.bundled_checkpoints():
        checks = pixel_ar.selftest(pixel_ar.bundled_checkpoint(name))
        assert len(checks) > 1 and all(check.passed for check in checks), name


def test_models_of_pages_and_pictures_test_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a processor and, for pictures, without; other weights fail what they change."""
    reader = tiny_page_model()
    processor = pixel_ar.PixelProcessor.from_preset("fixed-8", page_patch_size=reader.config.patch_size)
    folders = {"page": tmp_path / "page", "pictures": tmp_path / "pictures"}
    pixel_ar.export_remote_code(reader, processor, folders["page"])
    pixel_ar.export_remote_code(small_spae().eval(), None, folders["pictures"])
    names = {"page": ["reading back", "answer", "cache"], "pictures": ["words", "prefixes"]}
    for kind, folder in folders.items():
        checks = pixel_ar.selftest(folder)
        assert [check.name for check in checks] == names[kind]
        assert all(check.passed for check in checks), list(map(str, checks))
    assert main(["selftest", *map(str, folders.values())]) == 0
    assert capsys.readouterr().out.count("ok    ") == 5
    for kind, part, fails in (("page", "decoder.norm", "answer"), ("pictures", "encoder.", "words")):
        weights = load_file(folders[kind] / "model.safetensors")
        changed = {name: -3 * weight.roll(1, 0) for name, weight in weights.items() if name.startswith(part)}
        save_file({**weights, **changed}, folders[kind] / "model.safetensors", metadata={"format": "pt"})
        failing = [check.name for check in pixel_ar.selftest(folders[kind]) if not check.passed]
        assert failing == [fails]
