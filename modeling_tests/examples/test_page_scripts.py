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

from pixel_ar.training import ScreenshotPages


def run(monkeypatch: pytest.MonkeyPatch, script: str, *words: object) -> dict:
    monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return runpy.run_path(str(EXAMPLES / script), run_name="__main__")


def train(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: object) -> dict[str, float]:
    given = {
        "output_dir": folder,
        "train_minutes": 0.01,
        "hidden_size": 24,
        "layers": 1,
        "per_device_train_batch_size": 2,
        "evaluation_pages": 6,
        "report_to": "none",
        "disable_tqdm": True,
        **options,
    }
    run(monkeypatch, "pages.py", *(word for name, value in given.items() for word in (f"--{name}", value)))
    scores: dict[str, float] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert scores["steps"] >= 1 and (folder / "pages.png").is_file()
    return scores


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"to_pixels": "blank", "dense_reading_weight": 0, "aligned": True},
        {"architecture": "prefix"},
        {"architecture": "prefix", "answer": "pixels", "question_share": 0.75},
    ],
)
def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    scores = train(monkeypatch, tmp_path, **options)
    assert 0 <= scores["field_f1"] <= 1 and 0 <= scores["question_exact"] <= 1
    is_prefix = options.get("architecture") == "prefix"
    auto_class = AutoModelForCausalLM if is_prefix else AutoModelForImageTextToText
    model = auto_class.from_pretrained(tmp_path)
    assert (model.reading_head is None) == ("dense_reading_weight" in options)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert (processor.page_patch_size or processor.patch_size) == (8, 10)
    assert processor.batch_decode([[100, 101, 1]]) == ["ab"]


def test_charts_after_a_warm_up_and_forms_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("The people of the United States\n" * 3, encoding="utf-8")
    first, second = tmp_path / "first", tmp_path / "second"
    scores = train(monkeypatch, first, task="charts", warmup_minutes=0.005, warmup_data=corpus)
    assert "field_f1" in scores and "question_exact" not in scores
    scores = train(monkeypatch, second, model=first, crossed_out=0.5, question_share=0)
    assert {"visible_recall", "crossed_out_recall"} <= set(scores)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "poems"}, "--task must be one of"),
        ({"answer": "pixels"}, "needs --architecture prefix"),
        ({"question_share": 0.3}, "--question_share must be"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        train(monkeypatch, tmp_path, **options)


HTML = """<!doctype html><html><head><style>.x {{ visibility: hidden }}</style></head><body>
<h1>Invoice &lt;{number}&gt;</h1><p>Hello <b>bold</b> world.</p><p class=x>never seen</p>
<p style="display:none">hidden</p><img src="pics/cat.png" alt="a cat" width=40 height=20>
<input value="typed"></body></html>"""


def test_screenshots_become_html(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(EXAMPLES / "data" / "screenshots.py"))
    if script["find_browser"]() is None:
        pytest.skip("no Chromium is installed")
    files = [tmp_path / f"{number}.html" for number in range(2)]
    for number, file in enumerate(files):
        file.write_text(HTML.format(number=number), encoding="utf-8")
    folder = tmp_path / "screens"
    run(monkeypatch, "data/screenshots.py", *files, "--output_dir", folder, "--size", 240, 200)
    pages = ScreenshotPages(folder, crossed_out=0)
    assert [pages[number].target for number in range(2)] == [
        f'<<Invoice &lt;{number}&gt;> <Hello <bold> world.> <img alt="a cat" src="cat.png"> <typed>>'
        for number in range(2)
    ]
    assert pages[0].pixels.shape == (240, 200, 3)
    # What is said to stand in a box is there: it has ink, and what is left without boxes has none.
    rest = (pages[0].pixels != 255).any(-1)
    for node in pages.parts[0][1][0].walk():
        left, top, width, height = map(round, node.box)
        if not node.children and node.text != "typed":
            assert rest[top : top + height, left : left + width].any()
    scores = train(
        monkeypatch,
        tmp_path / "run",
        task="screenshots",
        screenshots=folder,
        evaluation_pages=1,
        crossed_out=0.5,
    )
    assert scores["cer"] > 0 and "field_f1" not in scores


def test_without_a_browser_one_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="install chromium-headless-shell"):
        run(
            monkeypatch,
            "data/screenshots.py",
            "x.html",
            "--output_dir",
            tmp_path,
            "--browser",
            "nothing-there",
        )
