# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A page model with its code in the folder: it answers the same where the package is not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tools.page import tiny_page_model
from tools.tokenizer import byte_tokenizer

from pixel_ar import PixelProcessor, export_remote_code

# Without site-packages' editable install of the package on the path, `import pixel_ar` fails: checked first.
OUTSIDER = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pixel_ar":
            raise ImportError("not installed here")

sys.meta_path.insert(0, Refuse())
import numpy as np
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = sys.argv[1]
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
page = (np.arange(24 * 36).reshape(24, 36) * 7 % 256).astype(np.uint8)
inputs = processor.page_patches(page, max_patches=30, num_channels=1, header="ab")
ids = model.generate(**inputs, max_new_tokens=5)
print(json.dumps({"ids": ids.tolist(), "sum": float(inputs["flattened_patches"].double().abs().sum())}))
"""


@pytest.mark.slow
def test_an_exported_page_model_works_without_the_package(tmp_path: Path) -> None:
    model = tiny_page_model(max_grid_size=40)
    processor = PixelProcessor(page_patch_size=(4, 6), tokenizer=byte_tokenizer())
    files = export_remote_code(model, processor, tmp_path / "model")
    assert "models_page_modeling_page.py" in files and not any("spae" in name for name in files)
    assert "page_patches" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "PYTHONPATH": "",
    }
    command = [sys.executable, "-c", OUTSIDER, str(tmp_path / "model")]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    seen = json.loads(run.stdout.splitlines()[-1])
    page = (np.arange(24 * 36).reshape(24, 36) * 7 % 256).astype(np.uint8)
    inputs = processor.page_patches(page, max_patches=30, num_channels=1, header="ab")
    assert seen["sum"] == pytest.approx(float(inputs["flattened_patches"].double().abs().sum()), rel=1e-6)
    assert torch.equal(torch.tensor(seen["ids"]), model.generate(**inputs, max_new_tokens=5))


def test_a_processor_that_cuts_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page_patch_size=\(4, 6\)"):
        export_remote_code(tiny_page_model(), PixelProcessor(), tmp_path / "model")
    assert not (tmp_path / "model").exists()
