# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Distillation from the command line, and the figures of what comes out of it, on a very small scale."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from tools.paths import EXAMPLES
from tools.tiny import TINY
from transformers import AutoModelForCausalLM

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor, selftest

TEXT = "The people of the United States of America and their representatives in Congress assembled. "


def run(monkeypatch: pytest.MonkeyPatch, script: str, **options: object) -> None:
    words = [word for name, value in options.items() for word in (f"--{name}", *str(value).split("|"))]
    monkeypatch.setattr(sys, "argv", [script, *words])
    monkeypatch.syspath_prepend(str((EXAMPLES / script).parent))
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


def test_guidance_then_halving_then_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"{TEXT * 2}\n" * 20, encoding="utf-8")
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**{**TINY, "patch_head": "flow"}))
    for saved in (model, PixelProcessor(mode="L")):
        saved.save_pretrained(tmp_path / "model")
    common = {
        "train_data": corpus,
        "iterations": 2,
        "cache_states": 40,
        "per_device_train_batch_size": 8,
        "report_to": "none",
        "disable_tqdm": True,
    }
    guided, few = tmp_path / "guided", tmp_path / "few"
    run(monkeypatch, "flow.py", model=tmp_path / "model", output_dir=guided, **common)
    assert AutoModelForCausalLM.from_pretrained(guided).config.flow_guided
    run(monkeypatch, "flow.py", model=guided, output_dir=few, stage="halving", start_steps=4, **common)
    assert [AutoModelForCausalLM.from_pretrained(few / f"steps-{n}").config.flow_steps for n in (2, 1)] == [
        2,
        1,
    ]
    assert all(check.passed for check in selftest(few))

    data = tmp_path / "texts.jsonl"
    data.write_text("".join(json.dumps({"text": TEXT}) + "\n" for _ in range(3)), encoding="utf-8")
    run(
        monkeypatch,
        "benchmarks/flow_quality.py",
        models=f"{guided}|{few / 'steps-2'}",
        train_data=data,
        validation_data=data,
        prompt=3,
        new=2,
        cell=5,
        scales="1|2",
        temperatures="0|1",
        picture=tmp_path / "strips.png",
    )
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 8 and "| few/steps-2 | 2 | 2 | 0 |" in rows[-2]
    assert (tmp_path / "strips.png").is_file()
