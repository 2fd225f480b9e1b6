# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A SPAE folder with its code loads where the package is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tools.spae import small_spae
from transformers.dynamic_module_utils import get_relative_import_files

from pixel_ar import PixelProcessor, export_remote_code

OUTSIDER = """
import json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pixel_ar":
            raise ModuleNotFoundError(f"blocked: {name}")

sys.meta_path.insert(0, Block())
import torch
from transformers import AutoModel

model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
torch.manual_seed(0)
ids = model.encode(torch.rand(2, 3, 8, 8))
print(json.dumps({"class": type(model).__name__, "ids": [layer.tolist() for layer in ids], "words": model.to_words(ids),
                  "pixels": model.decode(ids[:2]).flatten().tolist()}))
"""


@pytest.mark.slow
def test_without_the_package(tmp_path: Path) -> None:
    model = small_spae().eval()
    folder = tmp_path / "exported"
    files = export_remote_code(model, None, folder)
    references = json.loads((folder / "config.json").read_text())["auto_map"]
    assert set(references) == {"AutoConfig", "AutoModel"}
    entries = {f"{reference.split('.')[0]}.py" for reference in references.values()}
    asked = {Path(file).name for entry in entries for file in get_relative_import_files(folder / entry)}
    assert asked | entries == set(files)
    command = [sys.executable, "-c", OUTSIDER, str(folder)]
    environment = {
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "HF_HUB_OFFLINE": "1",
        "PATH": "",
        "HOME": str(tmp_path),
    }
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    torch.manual_seed(0)
    ids = model.encode(torch.rand(2, 3, 8, 8))
    assert found["class"] == "SpaeModel"
    assert found["ids"] == [layer.tolist() for layer in ids]
    assert found["words"] == model.to_words(ids)
    assert torch.allclose(torch.tensor(found["pixels"]), model.decode(ids[:2]).flatten(), atol=1e-6)
    assert "AutoModel.from_pretrained" in (folder / "README.md").read_text()


def test_a_processor_must_fit() -> None:
    with pytest.raises(ValueError, match="draws 1 channels of 8 rows, the model reads 3 of 8"):
        export_remote_code(small_spae(), PixelProcessor.from_preset("fixed-8"), "nowhere")
