# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Options outside of their range, and models whose numbers are none: refused by name."""

import copy
import math
from typing import Any

import pytest
import torch
from tools.tiny import TINY
from transformers import GenerationConfig

from pixel_ar.models.pixel_ar.configuration_pixel_ar import PixelARConfig
from pixel_ar.models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM

STRIPS = (torch.rand(2, 1, 8, 24, generator=torch.Generator().manual_seed(0)) > 0.5).float()


@pytest.fixture(scope="module")
def model() -> PixelARForCausalLM:
    torch.manual_seed(0)
    return PixelARForCausalLM(PixelARConfig(**TINY, patch_size=(8, 8))).eval()


@pytest.mark.parametrize("do_sample", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_p": 1.5}, "top_p must be a number from 0 to 1, got 1.5"),
        ({"top_p": -0.1}, "top_p must be a number from 0 to 1, got -0.1"),
        ({"min_p": 2}, "min_p must be a number from 0 to 1, got 2"),
        ({"top_h": 3}, "top_h must be"),
        ({"typical_p": "a"}, "typical_p must be a number from 0 to 1, got 'a'"),
        ({"epsilon_cutoff": math.nan}, "epsilon_cutoff must be a number from 0 to 1, got nan"),
        ({"eta_cutoff": True}, "eta_cutoff must be"),
        ({"top_k": -1}, "top_k must be an integer from 0"),
        ({"temperature": -1}, "temperature must be a number above 0, got -1"),
        ({"temperature": "x"}, "temperature must be a number above 0, got 'x'"),
        ({"num_return_sequences": 0}, "num_return_sequences must be an integer from 1"),
        ({"max_new_patches": 10**30}, r"max_new_patches \(max_new_tokens\) must be an integer from 1"),
        ({"max_new_patches": 1.5}, r"max_new_patches \(max_new_tokens\) must be"),
        ({"min_new_patches": -1}, r"min_new_patches \(min_new_tokens\) must be an integer from 0"),
        ({"max_time": -1}, "max_time must be a number of seconds, at least 0, got -1"),
        ({"pixel_threshold": []}, r"pixel_threshold=\[\]"),
        ({"pixel_sampler": []}, r"pixel_sampler=\[\]"),
        ({"num_columns": [1, "a"]}, r"num_columns must be a tensor of integers, got \[1, 'a'\]"),
        ({"num_columns": [10**30, 1]}, "num_columns must be a tensor of integers"),
        ({"attention_mask": object()}, "attention_mask must be a tensor of integers"),
        ({"generation_config": GenerationConfig(top_p=0.9, max_new_tokens=1)}, None),
    ],
)
def test_options_of_patches(
    model: PixelARForCausalLM, options: dict[str, Any], message: str | None, do_sample: bool
) -> None:
    options = {"max_new_patches": 1, "do_sample": do_sample, **options}
    if message is None:
        model.generate(STRIPS, **options)
        return
    with pytest.raises(ValueError, match=message):
        model.generate(STRIPS, **options)


def test_a_temperature_of_zero_is_greedy_alone(model: PixelARForCausalLM) -> None:
    greedy = model.generate(STRIPS, max_new_patches=2)
    assert torch.equal(model.generate(STRIPS, max_new_patches=2, temperature=0.0), greedy)
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        model.generate(STRIPS, max_new_patches=2, temperature=0.0, do_sample=True)


def test_options_of_tokens() -> None:
    model = PixelARForCausalLM(PixelARConfig(**TINY, patch_size=(8, 8), vocab_size=16)).eval()
    ids = torch.ones(1, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"top_p must be a number from 0 to 1, got 1\.5"):
        model.generate(input_ids=ids, top_p=1.5, do_sample=True, max_new_tokens=1)
    with pytest.raises(ValueError, match="top_p must be"):
        model.generate(input_ids=ids, generation_config=GenerationConfig(top_p=1.5, max_new_tokens=1))
    assert model.generate(input_ids=ids, top_p=0.5, do_sample=True, max_new_tokens=1).shape == (1, 3)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("name", ["model.layers.0.mlp.up_proj.weight", "patch_head.condition.weight"])
def test_weights_that_are_no_numbers(model: PixelARForCausalLM, name: str, value: float) -> None:
    broken = copy.deepcopy(model)
    broken.get_parameter(name).data.view(-1)[3] = value
    for options in ({}, {"do_sample": True}):
        with pytest.raises(ValueError, match=f"The weights {name} are NaN or infinite"):
            broken.generate(STRIPS, max_new_patches=3, **options)
    with pytest.raises(ValueError, match=f"score of row 0 is NaN. The weights {name}"):
        broken.log_likelihood(STRIPS)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_pixels_that_are_no_numbers(model: PixelARForCausalLM, value: float) -> None:
    strips = STRIPS.clone()
    strips[1, 0, 0, 0] = value
    for call in (model, model.log_likelihood):
        with pytest.raises(ValueError, match="NaN or infinite pixels in row 1"):
            call(pixel_values=strips)
    with pytest.raises(ValueError, match="pixel_values lie between"):
        model.generate(strips, max_new_patches=1)


def test_pixels_under_function_transforms(model: PixelARForCausalLM) -> None:
    """Where values cannot be looked at, they are not."""
    losses = torch.vmap(lambda strip: model(pixel_values=strip[None]).logits.sum())(STRIPS)
    torch.testing.assert_close(losses, model(pixel_values=STRIPS).logits.sum((1, 2)), rtol=1e-4, atol=1e-3)


def test_batches_without_a_target(model: PixelARForCausalLM) -> None:
    """0, and gradients of 0: a batch may happen to hold none. Collators and Trainer's mixin name such rows."""
    model = copy.deepcopy(model)
    loss = model(pixel_values=STRIPS, labels=torch.full((2, 3), -100)).loss
    loss.backward()
    assert loss == 0
    assert all(not weight.grad.any() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize("scores", [None, (), "output"])
def test_transition_scores_of_patches(model: PixelARForCausalLM, scores: Any) -> None:
    out = model.generate(STRIPS, max_new_patches=1, return_dict_in_generate=True, output_scores=True)
    with pytest.raises(ValueError, match=r"needs token ids and their scores.*call log_likelihood"):
        model.compute_transition_scores(out.sequences, out.scores if scores == "output" else scores)
