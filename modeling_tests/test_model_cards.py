# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Model cards: valid metadata, figures that the package agrees with, code that runs, links that lead somewhere."""

import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from tools.paths import ROOT

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.presets import CONFIG_PRESETS

FOLDER = ROOT / "model_cards"
CARDS = sorted(FOLDER.glob("*.md"))


def named(text: str, pattern: str) -> list[str]:
    return re.findall(pattern, text)


def test_each_family_has_a_card() -> None:
    assert {"pixar", "pixelgpt", "page", "pixel-ar", "pixel-ar-tiny"} <= {path.stem for path in CARDS}


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_metadata(path: Path) -> None:
    card = ModelCard.load(path)
    assert card.data.library_name == "transformers"
    assert card.data.license
    assert "pixel_ar" in card.data.tags
    # Another round through YAML changes nothing.
    assert ModelCard(str(card)).data.to_dict() == card.data.to_dict()
    assert card.text.strip().startswith("# ")


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_links(path: Path) -> None:
    for link in named(path.read_text(encoding="utf-8"), r"\]\(([^)#]+)\)"):
        assert link.startswith("https://") or (path.parent / link).exists(), link


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_presets_and_their_sizes(path: Path) -> None:
    """Where a card has a row per preset, the parameters in it are the preset's."""
    rows = named(path.read_text(encoding="utf-8"), r"\| `([a-z0-9-]+)` \|.*?\| ([\d,]{9,}) \|")
    if path.stem in ("pixar", "pixelgpt", "pixel-ar"):
        assert rows
    for name, figure in rows:
        assert name in CONFIG_PRESETS
        with torch.device("meta"):
            model = PixelARForCausalLM(PixelARConfig.from_preset(name))
        assert sum(p.numel() for p in model.parameters()) == int(figure.replace(",", "")), name


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_python_blocks_compile(path: Path) -> None:
    for block in named(path.read_text(encoding="utf-8"), r"(?s)```python\n(.+?)```"):
        compile(block, str(path), "exec")
