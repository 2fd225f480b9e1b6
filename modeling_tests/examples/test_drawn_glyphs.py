# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The figures of drawn strips: what is legible is read, what is not is said to be so; and the script in colour."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from tools.paths import EXAMPLES

from pixel_ar import PixelProcessor

# A strip ends in whole patches, maybe within a space.
REST = " \ufffd"
TEXT = "The people (1789), in Congress assembled: 'we'."
FONTS = {
    "font": Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    "emoji": Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
}


@pytest.fixture(scope="module")
def drawn() -> dict:
    return runpy.run_path(str(EXAMPLES / "benchmarks" / "drawn_glyphs.py"))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_glyphs_of_any_width_are_read_where_they_are_legible(drawn: dict, mode: str) -> None:
    processor = PixelProcessor(
        atlases=["tiny5-8"], patch_size=(8, 20), mode=mode, num_channels=3 if mode == "RGB" else 1
    )
    strips = processor(text=[TEXT], add_eos=False, return_tensors="pt")["pixel_values"].float()
    reader = drawn["Runs"](processor)
    texts, is_read = reader.read(strips)
    assert texts[0].rstrip(REST) == TEXT and is_read.shape == (1, strips.shape[-1])
    noisy = (strips + 0.05 * torch.randn(strips.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    assert reader.read(noisy)[0][0].rstrip(REST) == TEXT
    # Gray in place of a word: a gap that nothing explains, and the rest as before.
    first, last = (processor.renderer.measure(text) for text in ("The ", "The people"))
    broken = strips.clone()
    broken[..., first:last] = 0.5
    texts, is_read = reader.read(broken)
    assert texts[0].rstrip(REST) == TEXT.replace("people", "\ufffd")
    assert not is_read[0, first:last].any() and is_read[0, :first].all()
    # What begins before the column asked for is not told, but its columns count.
    texts, is_read = reader.read(strips, first + 1)
    assert texts[0].startswith("eople (1789)") and is_read.shape == (1, strips.shape[-1] - first - 1)
    assert is_read[0, 0]


def test_words_and_cells(drawn: dict) -> None:
    assert drawn["words_of"]("cut The people of 1789 end") == ["the", "people"]
    processor = PixelProcessor(mode="L")
    strips = processor(text=["We hold"], add_eos=False, return_tensors="pt")["pixel_values"].float()
    texts, is_legible = drawn["Cells"](processor, 5).read(strips)
    assert texts[0].rstrip(REST) == "We hold" and is_legible.all()
    strips[..., 5:10] = 0.5
    assert drawn["Cells"](processor, 5).read(strips)[1].tolist()[0][:3] == [True, False, True]
    with pytest.raises(SystemExit, match="not all characters are 5 columns wide"):
        drawn["Cells"](PixelProcessor(atlases=["tiny5-8"], mode="L"), 5)


def test_both_heads_are_trained_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not all(path.is_file() for path in FONTS.values()):
        pytest.skip("DejaVu Sans and Noto Color Emoji are not installed")
    data = tmp_path / "texts.jsonl"
    text = "The people of the United States of America, at war with nobody and in peace with the world. "
    data.write_text("".join(json.dumps({"text": 2 * text}) + "\n" for _ in range(3)), encoding="utf-8")
    options = {
        **FONTS,
        "output_dir": tmp_path / "runs",
        "minutes": 0.005,
        "train_data": data,
        "validation_data": data,
        "batch_size": 2,
        "patches": 8,
        "rows": 2,
        "prompt": 4,
        "new": 2,
        "steps": 2,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["flow_colours.py", "--cpu", *words])
    monkeypatch.syspath_prepend(str(EXAMPLES / "benchmarks"))
    script = runpy.run_path(str(EXAMPLES / "benchmarks" / "flow_colours.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[:4] in ("regr", "flow")] == ["regression", "flow"]
    for head in ("regression", "flow"):
        scores = json.loads((tmp_path / "runs" / head / "scores.json").read_text(encoding="utf-8"))
        assert scores["steps"] >= 1 and 0 <= scores["columns"] <= 1
    assert (tmp_path / "runs" / "strips.png").is_file()

    # What the figures count: words that have an emoji, those followed by theirs, and emoji.
    processor = PixelProcessor.from_pretrained(tmp_path / "runs" / "flow")
    true = script["with_emoji"](text)
    assert true.count("👥") == 1 and "peace 🕊\ufe0f with" in true and "world 🌍." in true
    strips = processor(text=[true], add_eos=False, return_tensors="pt")["pixel_values"].float()
    reader = script["Runs"](processor, list(script["EMOJI"].values()))
    assert reader.read(strips)[0][0].rstrip(REST) == true.rstrip()
    assert script["emoji_of"]([true]) == (5, 5, 5)
    assert script["emoji_of"](["at war, in peace 🌍 now"]) == (2, 0, 1)
