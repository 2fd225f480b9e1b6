# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pix2Struct, numerically: the same weights and inputs give what transformers' own classes gave.

Every test prints its largest deviation; `pytest -s` shows them.
"""

import pytest
import torch
from tools.fixture import Fixture, deviation, load_fixture

from pixel_ar import PixelPageConfig, PixelPageForConditionalGeneration
from pixel_ar.conversion.pix2struct import map_pix2struct_config, pix2struct_name

LOGITS, LOSS, GRADIENT = 2e-5, 1e-5, 1e-4
NEW_TOKENS = 10


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return load_fixture("pix2struct_A")


def load(fixture: Fixture, attention: str) -> PixelPageForConditionalGeneration:
    config = map_pix2struct_config(fixture.about["config"], fixture.weights).config
    assert isinstance(config, PixelPageConfig)
    model = PixelPageForConditionalGeneration(config).eval()
    model.set_attn_implementation(attention)
    model.load_state_dict({name: fixture.weights[pix2struct_name(name)] for name in model.state_dict()})
    return model


def page(fixture: Fixture) -> dict[str, torch.Tensor]:
    outputs = fixture.outputs
    return {"flattened_patches": outputs["flattened_patches"], "attention_mask": outputs["patch_mask"]}


def check(name: str, figures: dict[str, tuple[float, float]]) -> None:
    print(f"\n{name}: " + ", ".join(f"{key} {value:.1e}" for key, (value, _) in figures.items()))
    for key, (value, limit) in figures.items():
        assert value <= limit, f"{name}: {key} deviates by {value:.2e}, more than {limit:.0e}"


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_labelled_call(fixture: Fixture, attention: str) -> None:
    model, expected = load(fixture, attention), fixture.outputs
    out = model(**page(fixture), labels=fixture.inputs["labels"])
    out.loss.backward()
    is_patch = expected["patch_mask"] != 0
    states = out.encoder_last_hidden_state
    gradients = {pix2struct_name(name): weight.grad for name, weight in model.named_parameters()}
    norms = fixture.about["grad_norms"]
    assert set(norms) == set(gradients)
    check(
        f"pix2struct_A, {attention}",
        {
            "encoder": (
                deviation(states[is_patch], expected["encoder_last_hidden_state"][is_patch]),
                LOGITS,
            ),
            "logits": (deviation(out.logits, expected["logits"]), LOGITS),
            "loss": (deviation(out.loss.view(1), expected["loss"]), LOSS),
            "gradients": (
                max(
                    deviation(gradients[key.removeprefix("grad.")], value)
                    for key, value in expected.items()
                    if key.startswith("grad.")
                ),
                GRADIENT,
            ),
            "norms of gradients": (
                max(abs(float(gradients[key].norm()) - norm) / norm for key, norm in norms.items()),
                GRADIENT,
            ),
        },
    )


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@torch.no_grad()
def test_masked_decoder_positions(fixture: Fixture, attention: str) -> None:
    given = {name: fixture.inputs[name] for name in ("decoder_input_ids", "decoder_attention_mask")}
    out = load(fixture, attention)(**page(fixture), **given)
    check(
        f"decoder, {attention}",
        {"logits": (deviation(out.logits, fixture.outputs["decoder_logits"]), LOGITS)},
    )


@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy(fixture: Fixture, use_cache: bool) -> None:
    out = load(fixture, "sdpa").generate(
        **page(fixture),
        max_new_tokens=NEW_TOKENS,
        use_cache=use_cache,
        return_dict_in_generate=True,
        output_logits=True,
    )
    assert torch.equal(out.sequences, fixture.outputs["generated_ids"])
    logits = torch.stack(out.logits, 1)
    check("greedy", {"logits": (deviation(logits, fixture.outputs["generation_logits"]), LOGITS)})


@pytest.mark.parametrize("use_cache", [True, False])
def test_beams(fixture: Fixture, use_cache: bool) -> None:
    out = load(fixture, "eager").generate(
        **page(fixture), max_new_tokens=NEW_TOKENS, num_beams=3, use_cache=use_cache
    )
    assert torch.equal(out, fixture.outputs["beam3_ids"])
