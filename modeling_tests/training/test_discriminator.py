# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The discriminator: the reference's numbers, and one pass for all candidates against one pass for each.

The fixture test prints its largest deviation; `pytest -s` shows it.
"""

from pathlib import Path

import pytest
import torch
from tools.fixture import deviation, load_fixture, pixar_config, pixar_weights, relative_deviation
from tools.tiny import GROUPED
from transformers import DynamicCache

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.patching import patchify, unpatchify
from pixel_ar.training import PatchDiscriminator
from pixel_ar.training.discriminator import (
    candidate_visibility,
    candidate_weights,
    judgement_loss,
    real_weights,
    select_positions,
)

LOGITS, LOSS, GRADIENT = 2e-5, 1e-5, 1e-4


def build(**overrides: object) -> PatchDiscriminator:
    """A discriminator of random weights, whose head says something, in float64 but for Llama's norms and rotations."""
    torch.manual_seed(0)
    options = {
        **GROUPED,
        "patch_size": (8, 4),
        "patch_head": "bernoulli",
        "initializer_range": 0.2,
    }
    return PatchDiscriminator(PixelARConfig(**{**options, **overrides})).double()


def strips(rows: int, patches: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, 1, 8, 4 * patches, generator=generator, dtype=torch.float64)


def judge_one_by_one(
    discriminator: PatchDiscriminator, real: torch.Tensor, candidates: torch.Tensor, positions: list[int]
) -> torch.Tensor:
    """PIXAR's way: for every candidate the prefix cut to its position, and a forward pass of one patch."""
    width = discriminator.config.patch_width
    logits = []
    for number, position in enumerate(positions):
        cache = DynamicCache(config=discriminator.config)
        discriminator.model(pixel_values=real[..., : (position + 1) * width], past_key_values=cache)
        strip = unpatchify(candidates[:, number : number + 1], discriminator.config.patch_size, 1)
        states = discriminator.model(pixel_values=strip, past_key_values=cache).last_hidden_state
        logits.append(discriminator.head(states))
    return torch.cat(logits, 1)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["pixar_discriminator_A", "pixar_discriminator_A_rgb"])
def test_fixtures(name: str, attention: str) -> None:
    fixture = load_fixture(name)
    config = pixar_config(fixture.about)
    config._attn_implementation = attention
    discriminator = PatchDiscriminator(config)
    discriminator.load_state_dict(pixar_weights(fixture.weights, config), strict=True)
    pixels, mask = fixture.inputs["pixel_values"], fixture.inputs["attention_mask"]
    largest = {"logits": 0.0, "loss": 0.0, "gradient": 0.0}
    checked_gradients = 0
    for case in ("real", "fake_d", "fake_g", "fake_all"):
        expected = {
            key.removeprefix(f"{case}."): value
            for key, value in fixture.outputs.items()
            if key.startswith(f"{case}.")
        }
        discriminator.zero_grad()
        fake = fixture.inputs["fake_values"].clone().requires_grad_()
        if case == "real":
            logits = discriminator(pixels).real_logits
            weights = real_weights(mask, reference=True)
        else:
            ids = fixture.inputs[f"{case}.ids"]
            logits = discriminator(pixels, fake, ids, mask).candidate_logits
            weights = candidate_weights(mask, ids, reference=True)
        loss, accuracy = judgement_loss(logits, case in ("real", "fake_g"), weights)
        loss.backward()
        assert accuracy == expected["acc"]
        largest["logits"] = max(largest["logits"], deviation(logits.detach(), expected["logits"]))
        largest["loss"] = max(largest["loss"], deviation(loss.detach(), expected["loss"]))
        norms = {
            key.removeprefix("grad_norm."): value
            for key, value in expected.items()
            if key.startswith("grad_norm.")
        }
        parameters = dict(discriminator.named_parameters())
        for key, norm in norms.items():
            ours = key.removeprefix("llama.").replace("in_proj", "embed_patches.projection")
            ours = ours if ours.startswith("head.") else f"model.{ours}"
            gap = float((parameters[ours].grad.norm() - norm).abs() / norm)
            largest["gradient"] = max(largest["gradient"], gap)
            checked_gradients += 1
        if "grad_fake" in expected:
            gap = relative_deviation(fake.grad, expected["grad_fake"])
            largest["gradient"] = max(largest["gradient"], gap)
            checked_gradients += 1
    print(f"\n{name}, {attention}: " + ", ".join(f"{key} {value:.1e}" for key, value in largest.items()))
    assert checked_gradients == 14
    assert largest["logits"] <= LOGITS
    assert largest["loss"] <= LOSS
    assert largest["gradient"] <= GRADIENT


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("is_recomputed", [False, True])
def test_one_pass_equals_a_loop(attention: str, is_recomputed: bool) -> None:
    discriminator = build()
    discriminator.set_attn_implementation(attention)
    real, positions = strips(2, 9), [7, 0, 3, 3, 8]
    candidates = patchify(strips(2, 5, seed=1), (8, 4)).requires_grad_()
    one_by_one = judge_one_by_one(discriminator, real, candidates, positions)
    expected = torch.autograd.grad(one_by_one.square().sum(), [candidates, *discriminator.parameters()])
    if is_recomputed:
        discriminator.recompute_activations()
    out = discriminator.train()(real, candidates, torch.tensor(positions))
    found = torch.autograd.grad(
        out.candidate_logits.square().sum(), [candidates, *discriminator.parameters()]
    )
    assert deviation(out.candidate_logits.detach(), one_by_one.detach()) < 1e-12
    for ours, theirs in zip(found, expected, strict=True):
        assert relative_deviation(ours, theirs) < 1e-6
    assert deviation(out.real_logits.detach(), discriminator(real).real_logits.detach()) < 1e-12


@pytest.mark.parametrize("is_recomputed", [False, True])
def test_rows_may_have_their_own_positions_and_padding(is_recomputed: bool) -> None:
    discriminator = build()
    real = strips(3, 8)
    mask = torch.ones(3, 8, dtype=torch.int64)
    mask[1, 5:] = 0  # right padding
    mask[2, :3] = 0  # left padding
    positions = torch.tensor([[1, 6, 2], [0, 3, 3], [3, 5, 6]])
    candidates = patchify(strips(3, 3, seed=1), (8, 4))
    if is_recomputed:
        discriminator.recompute_activations()
    out = discriminator.train()(real, candidates, positions, mask)
    discriminator.eval()
    alone = [
        judge_one_by_one(discriminator, real[0:1], candidates[0:1], positions[0].tolist()),
        judge_one_by_one(discriminator, real[1:2, ..., :20], candidates[1:2], positions[1].tolist()),
        # Rotary positions are relative: the row reads the same without its padding.
        judge_one_by_one(discriminator, real[2:3, ..., 12:], candidates[2:3], (positions[2] - 3).tolist()),
    ]
    found = out.candidate_logits.detach()
    assert deviation(found[:2], torch.cat(alone[:2]).detach()) < 1e-12
    assert deviation(found[2:], alone[2].detach()) < 1e-6  # sines of other angles, in float32
    assert torch.isfinite(out.real_logits).all()


def test_candidates_are_invisible_to_each_other_and_to_real_patches() -> None:
    discriminator = build().eval()
    real, positions = strips(1, 6), torch.tensor([1, 4])
    candidates = patchify(strips(1, 2, seed=1), (8, 4))
    changed = candidates.clone()
    changed[:, 0] = 0
    first = discriminator(real, candidates, positions)
    second = discriminator(real, changed, positions)
    assert torch.equal(first.real_logits, second.real_logits)
    assert torch.equal(first.candidate_logits[:, 1], second.candidate_logits[:, 1])
    assert not torch.equal(first.candidate_logits[:, 0], second.candidate_logits[:, 0])
    # A strip of candidates, of which the positions choose, says the same as the chosen patches.
    strip = strips(1, 6, seed=2)
    chosen = select_positions(patchify(strip, (8, 4)), positions)
    assert torch.equal(
        discriminator(real, strip, positions).candidate_logits,
        discriminator(real, chosen, positions).candidate_logits,
    )


def test_visibility() -> None:
    seen = candidate_visibility(torch.tensor([[0, 2]]), 3, None)
    assert seen.int().tolist() == [[[1, 0, 0, 1, 0], [1, 1, 1, 0, 1]]]
    left_padded = candidate_visibility(torch.tensor([[1]]), 3, torch.tensor([[0, 1, 1]]))
    assert left_padded.int().tolist() == [[[0, 1, 0, 1]]]


def test_a_candidate_counts_with_the_patch_it_stands_for() -> None:
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1]])
    positions = torch.arange(4)
    assert candidate_weights(mask, positions).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0]]
    assert candidate_weights(mask, positions, reference=True).tolist() == mask.tolist()
    assert real_weights(mask).tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert real_weights(mask, reference=True).tolist() == mask.tolist()


def test_judgement_loss_of_nothing_is_zero() -> None:
    logits = torch.tensor([[[0.0, 2.0], [3.0, 1.0]]])
    loss, accuracy = judgement_loss(logits, True, torch.ones(1, 2))
    expected = torch.nn.functional.cross_entropy(logits[0], torch.tensor([1, 1]))
    assert loss == pytest.approx(expected.item())
    assert accuracy == 0.5
    loss, accuracy = judgement_loss(logits, False, torch.zeros(1, 2))
    assert (loss, accuracy) == (0, 0)


def test_from_generator_copies_the_decoder_and_nothing_else(tmp_path: Path) -> None:
    config = PixelARConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, vocab_size=11
    )
    generator = PixelARForCausalLM(config)
    discriminator = PatchDiscriminator.from_generator(generator)
    names = set(discriminator.state_dict())
    assert names - set(generator.state_dict()) == {"head.weight", "head.bias"}
    assert not any("embed_tokens" in name for name in names)
    assert generator.config.vocab_size == 11
    for name, weight in discriminator.model.state_dict().items():
        assert torch.equal(weight, generator.model.state_dict()[name])
        assert weight.data_ptr() != generator.model.state_dict()[name].data_ptr()
    discriminator.save_pretrained(tmp_path / "own")
    again = PatchDiscriminator.from_pretrained(tmp_path / "own")
    assert all(
        torch.equal(again.state_dict()[name], weight) for name, weight in discriminator.state_dict().items()
    )
    generator.save_pretrained(tmp_path / "stage 1")
    from_stage_1 = PatchDiscriminator.from_pretrained(tmp_path / "stage 1")
    assert torch.equal(from_stage_1.model.norm.weight, generator.model.norm.weight)


@pytest.mark.parametrize(
    ("candidates", "positions", "words"),
    [
        (None, torch.tensor([0]), "pass candidates too"),
        (torch.zeros(2, 1, 32), torch.tensor([0.0]), "must be integers"),
        (torch.zeros(2, 1, 32), torch.tensor([5]), r"in 0\.\.4"),
        (torch.zeros(2, 1, 32), torch.tensor([[0], [1], [2]]), "do not fit 2 strips"),
        (torch.zeros(2, 1, 31), torch.tensor([0]), r"need \(2, 1, 32\)"),
        (torch.zeros(2, 1, 8, 12), torch.tensor([0]), "candidate strips hold"),
    ],
)
def test_errors(candidates: torch.Tensor | None, positions: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()(strips(2, 5), None if candidates is None else candidates.double(), positions)
