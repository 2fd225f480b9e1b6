# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoint folders: bundled ones, and exported ones that load without the package."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from tools.full_disk import contents, full_disk
from tools.tiny import TINY
from transformers import AutoModelForCausalLM
from transformers.dynamic_module_utils import get_relative_import_files

import pixel_ar
from pixel_ar import hub
from pixel_ar.hub import (
    bundled_checkpoint,
    bundled_checkpoints,
    export_remote_code,
    flatten_sources,
)
from pixel_ar.processing.processing_pixel_ar import PixelProcessor

TEXT = "The people of the"

# Runs where every import of pixel_ar fails, as on a machine without it.
OUTSIDER = """
import json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pixel_ar":
            raise ModuleNotFoundError(f"blocked: {name}")

sys.meta_path.insert(0, Block())
folder, again, text = sys.argv[1:]
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor

try:
    AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False)
    raise SystemExit("loaded without trust_remote_code")
except ValueError:
    pass
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
base = AutoModel.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
inputs = processor(text=text, add_eos=False, return_tensors="pt")
out = model.generate(**inputs, max_new_tokens=3, do_sample=False)
scored = processor(text=text, add_start=True, return_tensors="pt")
nats = model.log_likelihood(**scored) if model.patch_head.has_likelihood else torch.zeros(0)
model.save_pretrained(again)
processor.save_pretrained(again)
reloaded = AutoModel.from_pretrained(again, trust_remote_code=True)
print(json.dumps({
    "model_type": config.model_type,
    "classes": [type(base).__name__, type(model).__name__, type(processor).__name__, type(reloaded).__name__],
    "decoded": processor.decode(inputs),
    "pixels": out.flatten().tolist(),
    "nats": nats.tolist(),
}))
"""


def test_bundled_checkpoint_names_what_there_is() -> None:
    with pytest.raises(ValueError, match="'gpt-2'"):
        bundled_checkpoint("gpt-2")
    for name in bundled_checkpoints():
        assert Path(bundled_checkpoint(name), "config.json").is_file()
        with pytest.raises(ValueError, match=name):
            bundled_checkpoint("gpt-2")


def test_a_bundled_checkpoint_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    (folder / "sha256.json").write_text(json.dumps({"config.json": digest}))
    monkeypatch.setattr(hub, "CHECKPOINTS", tmp_path)
    assert bundled_checkpoint("small") == str(folder)
    hub.check_recorded_files.cache_clear()
    (folder / "config.json").write_text("{ }")
    with pytest.raises(ValueError, match=r"config\.json is damaged.*install"):
        bundled_checkpoint("small")
    (folder / "sha256.json").write_text(json.dumps({"config.json": digest, "gone": digest}))
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks gone"):
        bundled_checkpoint("small")


@pytest.fixture(scope="module")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    files = export_remote_code(model, PixelProcessor.from_pretrained(tiny_checkpoint), folder)
    assert "modeling_pixel_ar.py" in files and all((folder / name).is_file() for name in files)
    return folder


def test_every_class_of_the_auto_map_is_in_its_file(exported: Path) -> None:
    maps = [
        json.loads((exported / name).read_text())["auto_map"]
        for name in ("config.json", "processor_config.json")
    ]
    assert set(maps[0]) >= {"AutoConfig", "AutoModel", "AutoModelForCausalLM"} and list(maps[1]) == [
        "AutoProcessor"
    ]
    for reference in [*maps[0].values(), *maps[1].values()]:
        module, name = reference.split(".")
        assert f"class {name}" in (exported / f"{module}.py").read_text()


def test_the_written_files_are_those_that_the_loader_asks_for(exported: Path) -> None:
    entries = {"configuration_pixel_ar.py", "modeling_pixel_ar.py", "processing_pixel_ar.py"}
    references = json.loads((exported / "config.json").read_text())["auto_map"].values()
    entries |= {f"{reference.split('.')[0]}.py" for reference in references}
    asked = {Path(file).name for entry in entries for file in get_relative_import_files(exported / entry)}
    assert asked | entries == {path.name for path in exported.glob("*.py")}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the package's sources."""
    monkeypatch.setattr(hub, "PACKAGE", tmp_path)
    return tmp_path


def entry(module: str) -> type:
    return type("Entry", (), {"__module__": f"pixel_ar.{module}"})


def test_sources_are_flattened_with_their_text_kept(package: Path) -> None:
    (package / "a" / "b").mkdir(parents=True)
    (package / "top_pixel_ar.py").write_text("from .a.b.deep import x  # why\n")
    (package / "a" / "b" / "deep.py").write_text(
        "def f():\n    from ..near import (\n        y,  # ü\n    )\n"
    )
    (package / "a" / "near.py").write_text("import os\n\nfrom .near import y\ntext = 'from .x import y'\n")
    assert flatten_sources([entry("top_pixel_ar")]) == {
        "a_b_deep.py": "def f():\n    from .a_near import (\n        y,  # ü\n    )\n",
        "a_near.py": "import os\n\nfrom .a_near import y\ntext = 'from .x import y'\n",
        "top_pixel_ar.py": "from .a_b_deep import x  # why\n",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from . import x\n", "top.py:1: `from . import` cannot be exported"),
        ("from .folder import x\n", "folder is no module of the package"),
        ("from ..x import y\n", "top.py:1: the import leaves the package"),
        ("from .a.b import x\nfrom .a_b import x\n", "a_b.py"),
    ],
)
def test_what_cannot_be_flattened_is_named(package: Path, text: str, message: str) -> None:
    (package / "folder").mkdir()
    (package / "folder" / "__init__.py").touch()
    (package / "a").mkdir()
    (package / "a" / "b.py").touch()
    (package / "a_b.py").touch()
    (package / "top.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        flatten_sources([entry("top")])


def test_an_export_has_a_card_and_replaces_older_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model*"))) > 2
    export_remote_code(model, processor, tmp_path)
    assert [path.name for path in tmp_path.glob("model*.safetensors*")] == ["model.safetensors"]
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "transformers" and card.data.pipeline_tag is None
    assert "AutoModelForCausalLM.from_pretrained" in card.text
    (tmp_path / "README.md").write_text("mine")
    export_remote_code(model, processor, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    with pytest.raises(ValueError, match="patches of"):
        export_remote_code(model, PixelProcessor(patch_size=(8, 4)), tmp_path)
    with pytest.raises(ValueError, match="needs the model's processor"):
        export_remote_code(model, None, tmp_path)


def test_a_full_disk_leaves_an_older_export(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    export_remote_code(model, PixelProcessor.from_pretrained(tiny_checkpoint), tmp_path)
    before = contents(tmp_path)
    other = PixelProcessor.from_pretrained(tiny_checkpoint).replace(tab=2)
    with full_disk(10**9) as written:
        export_remote_code(model, other, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    for step in range(5):
        with full_disk(written[0] * step // 5), pytest.raises(OSError, match="No space"):
            export_remote_code(model, other, tmp_path)
        assert contents(tmp_path) == before


def test_export_uploads_everything_when_asked(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, dict]] = []

    class Api:
        def __init__(self, token: str | None = None) -> None:
            calls.append(("token", {"token": token}))

        def create_repo(self, repo_id: str, **kwargs: object) -> SimpleNamespace:
            return SimpleNamespace(repo_id=f"me/{repo_id}")

        def upload_folder(self, **kwargs: object) -> None:
            calls.append(("upload", kwargs))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    export_remote_code(model, processor, tmp_path / "name", push_to_hub=True, token="t")
    assert calls[0][1] == {"token": "t"}
    assert (calls[1][1]["repo_id"], calls[1][1]["folder_path"]) == ("me/name", tmp_path / "name")


def test_export_refuses_other_models(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=8
    )
    with pytest.raises(ValueError, match="LlamaModel"):
        export_remote_code(LlamaModel(config), None, tmp_path)


def outside(exported: Path, tmp_path: Path) -> dict[str, Any]:
    """What a process that cannot import the package makes of a folder."""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "PYTHONPATH": "",
    }
    command = [sys.executable, "-c", OUTSIDER, str(exported), str(tmp_path / "again"), TEXT]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return dict(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_exported_folder_works_without_the_package(
    exported: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    seen = outside(exported, tmp_path)
    assert seen["classes"] == ["PixelARModel", "PixelARForCausalLM", "PixelProcessor", "PixelARModel"]
    assert seen["model_type"] == "pixel_ar" and seen["decoded"] == TEXT

    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint).eval()
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    inputs = processor(text=TEXT, add_eos=False, return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=3, do_sample=False).flatten().tolist() == seen["pixels"]
    nats = model.log_likelihood(**processor(text=TEXT, add_start=True, return_tensors="pt"))
    torch.testing.assert_close(nats, torch.tensor(seen["nats"]))


@pytest.mark.slow
def test_an_exported_flow_head_works_without_the_package(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = pixel_ar.PixelARConfig(**{**TINY, "patch_head": "flow", "num_channels": 3})
    model = pixel_ar.PixelARForCausalLM(config).eval()
    torch.nn.init.normal_(model.patch_head.network.output.weight, std=0.3)
    processor = PixelProcessor(mode="RGB", num_channels=3)
    files = export_remote_code(model, processor, tmp_path / "model")
    assert {"models_pixel_ar_heads_flow.py", "models_pixel_ar_heads_flow_network.py"} <= set(files)
    assert [str(check) for check in pixel_ar.selftest(tmp_path / "model") if not check.passed] == []
    seen = outside(tmp_path / "model", tmp_path)
    inputs = processor(text=TEXT, add_eos=False, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    torch.testing.assert_close(torch.tensor(seen["pixels"]), out.flatten(), atol=1e-5, rtol=0)
    assert seen["decoded"] == TEXT and not seen["nats"]


def test_the_installed_package_wins_over_the_code_in_a_folder(exported: Path) -> None:
    for trust in (None, True):
        model = AutoModelForCausalLM.from_pretrained(exported, trust_remote_code=trust)
        assert type(model) is pixel_ar.PixelARForCausalLM
