# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training on pages from the command line, on a very small scale."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from tools.paths import EXAMPLES
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor


@pytest.mark.parametrize(
    "options",
    [{}, {"to_pixels": "blank", "dense_reading_weight": 0, "aligned": True}, {"architecture": "prefix"}],
)
def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    given = {
        "output_dir": tmp_path,
        "train_minutes": 0.01,
        "hidden_size": 24,
        "layers": 1,
        "per_device_train_batch_size": 2,
        "evaluation_pages": 6,
        "report_to": "none",
        "disable_tqdm": True,
        **options,
    }
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["pages.py", *words])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    runpy.run_path(str(EXAMPLES / "pages.py"), run_name="__main__")
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores["steps"] >= 1 and 0 <= scores["field_f1"] <= 1 and 0 <= scores["question_exact"] <= 1
    assert (tmp_path / "pages.png").is_file()
    is_prefix = options.get("architecture") == "prefix"
    auto_class = AutoModelForCausalLM if is_prefix else AutoModelForImageTextToText
    model = auto_class.from_pretrained(tmp_path)
    assert (model.reading_head is None) == ("dense_reading_weight" in options)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert processor.page_patch_size == (8, 10)
    assert processor.batch_decode([[100, 101, 1]]) == ["ab"]
