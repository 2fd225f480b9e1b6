# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration presets: the published parameter counts, exactly, and what must not leak from one use to the next."""

import copy

import pytest
import torch

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.presets import CONFIG_PRESETS

# Of the releases: a notebook prints PIXAR's, the hub's file holds PixelGPT's.
PUBLISHED = {
    "pixar-85m": 85_150_464,
    "pixar-113m": 113_462_016,
    "pixelgpt-317m": 317_509_632,
    "dualgpt-350m": 350_277_632,
}
OURS = {
    "pixel-ar-85m": "pixar-85m",
    "pixel-ar-113m": "pixar-113m",
    "pixel-ar-words-113m": "pixar-113m",
    "pixel-ar-317m": "pixelgpt-317m",
}
BACKBONE_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_parameters",
)


def build(name: str) -> PixelARForCausalLM:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return PixelARForCausalLM(PixelARConfig.from_preset(name))


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_preset_is_tested() -> None:
    assert set(CONFIG_PRESETS) == {*PUBLISHED, *OURS}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name: str) -> None:
    assert count(build(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", OURS)
def test_our_counterparts_have_the_published_decoder(name: str) -> None:
    ours, theirs = build(name), build(OURS[name])
    assert ours.config.patch_head == ("dictionary" if "words" in name else "autoregressive")
    assert count(ours.model.layers) == count(theirs.model.layers)
    for field in BACKBONE_FIELDS:
        assert getattr(ours.config, field) == getattr(theirs.config, field), field
    # The head is a small part of the model.
    assert 0.01 < count(ours.patch_head) / count(ours) < 0.08


@pytest.mark.parametrize("name", CONFIG_PRESETS)
def test_a_configuration_does_not_share_its_preset(name: str) -> None:
    before = copy.deepcopy(CONFIG_PRESETS)
    config = PixelARConfig.from_preset(name, num_hidden_layers=1)
    config.rope_parameters["rope_theta"] = 1.0
    assert config.num_hidden_layers == 1
    assert before == CONFIG_PRESETS
    assert PixelARConfig.from_preset(name).rope_parameters["rope_theta"] == 10000.0


@pytest.mark.parametrize("name", CONFIG_PRESETS)
def test_presets_survive_json(name: str) -> None:
    config = PixelARConfig.from_preset(name)
    assert PixelARConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
