# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Estimates are what small models take when they are made and trained: weights, state, activations, FLOPs."""

from typing import Any

import pytest
import torch
from tools.finetuning import RECOMPUTATION
from tools.tiny import TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.estimation.plan import PUBLISHED_PATCHES, WAYS, Run, count_weights, memory, speed
from pixel_ar.estimation.trace import SavedStorages, cost_of, layer_cost, training_cost
from pixel_ar.models.pixel_ar.presets import CONFIG_PRESETS
from pixel_ar.training import MuonAdamW, muon_groups

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
HEADS: list[dict[str, Any]] = [
    {"patch_head": "bernoulli", "patch_size": (8, 16)},
    {"patch_head": "autoregressive", "patch_size": (8, 20), "head_hidden_size": 64},
    {"patch_head": "autoregressive", "head_num_layers": 2, "head_hidden_size": 32, "head_num_glyphs": 16},
    {"patch_head": "regression", "patch_size": (16, 16), "num_channels": 3, "num_key_value_heads": 2},
    {"patch_head": "flow", "patch_size": (16, 16), "head_hidden_size": 32, "head_num_layers": 2},
]


def build(config: PixelARConfig, attention: str = "sdpa") -> PixelARForCausalLM:
    torch.manual_seed(0)
    config._attn_implementation = attention
    return PixelARForCausalLM(config).train()


def loss_of(model: PixelARForCausalLM, batch: int, length: int) -> torch.Tensor:
    height, width = model.config.patch_size
    shape = (batch, model.config.num_channels, height, length * width)
    strips = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(0)).float()
    return model(pixel_values=strips, labels=torch.zeros(batch, length, dtype=torch.int64)).loss


def tensor_bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("name", sorted(CONFIG_PRESETS))
def test_weights_of_presets_are_counted_without_making_them(name: str) -> None:
    counts = count_weights(PixelARConfig.from_preset(name))
    published = {"pixar-113m": 113_462_016, "pixelgpt-317m": 317_509_632, "dualgpt-350m": 350_277_632}
    assert sum(counts.values()) == published.get(name, sum(counts.values()))
    assert "other" not in counts and counts["layers"] > 0.7 * sum(counts.values())


@pytest.mark.parametrize("options", HEADS)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_state_is_counted_to_the_byte(options: dict[str, Any], optimizer: str) -> None:
    config = PixelARConfig(**{**SMALL, **options})
    model = build(config)
    states = torch.optim.AdamW(model.parameters()) if optimizer == "adamw" else MuonAdamW(muon_groups(model))
    loss_of(model, 2, 8).backward()
    states.step()
    found = memory(Run(config, batch=2, length=8, precision="float32", optimizer=optimizer), "ddp")
    assert found.weights == tensor_bytes(model.parameters())
    assert found.gradients == tensor_bytes(parameter.grad for parameter in model.parameters())
    kept = [
        value
        for state in states.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim()  # without the count of steps
    ]
    assert found.optimizer == tensor_bytes(kept)
    assert sum(count_weights(config).values()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("options", HEADS)
def test_activations_and_flops_are_those_of_the_cpu(options: dict[str, Any]) -> None:
    config = PixelARConfig(**{**SMALL, **options})
    estimate = training_cost(config, 2, 48, torch.float32)
    # The counter knows no fused kernel of a CPU, and that computes the scores once more in the backward pass.
    eager = cost_of(model := build(config, "eager"), lambda: loss_of(model, 2, 48))
    assert estimate.forward_flops == pytest.approx(eager.forward_flops, rel=1e-3)
    scores = 2 * SMALL["num_hidden_layers"] * 2 * 48 * 48 * SMALL["hidden_size"]
    assert estimate.backward_flops - scores == pytest.approx(eager.backward_flops, rel=1e-3)
    plain = cost_of(model := build(config), lambda: loss_of(model, 2, 48))
    assert estimate.saved_bytes == plain.saved_bytes


def test_recomputing_keeps_what_it_says() -> None:
    config = PixelARConfig(**{**SMALL, "num_hidden_layers": 6, "patch_head": "bernoulli"})
    plain = memory(Run(config, batch=4, length=48, precision="float32"), "ddp").activations
    found = memory(Run(config, batch=4, length=48, precision="float32", recomputes=True), "ddp").activations
    layer = layer_cost(config, 4, 48, torch.float32).saved_bytes
    assert found == pytest.approx(plain - 5 * layer + 6 * 4 * 48 * 64 * 4, rel=1e-6)
    # All that autograd keeps until the backward pass has come to the first layer, which is then computed again.
    model = build(config)
    getattr(model, f"{RECOMPUTATION}_enable")()
    saved = SavedStorages(model)
    with torch.autograd.graph.saved_tensors_hooks(*saved.hooks):
        loss_of(model, 4, 48)
    assert found - layer == pytest.approx(saved.num_bytes, rel=0.02)


def test_a_dictionary_costs_its_scores() -> None:
    options = {**TINY, "patch_size": (8, 20), "head_num_glyphs": 8, "patch_head": "dictionary"}
    small, large = (
        PixelARConfig(**options, dictionary_size=size, dictionary_sampled_entries=None)
        for size in (100, 1100)
    )
    less, more = (training_cost(config, 2, 33, torch.float32) for config in (small, large))
    # A thousand entries: drawn once, and one product with each of the 64 states.
    products = 2 * 1000 * (160 * 32) + 2 * 64 * 32 * 1000
    assert more.forward_flops - less.forward_flops == pytest.approx(products)
    assert more.saved_bytes - less.saved_bytes == pytest.approx(4 * 64 * 1000 + 4 * 1000 * 32)
    assert sum(count_weights(large).values()) > sum(count_weights(small).values())


def test_ways_to_share_split_what_they_say() -> None:
    config = PixelARConfig.from_preset("pixar-113m")
    alone = {way: memory(Run(config, devices=1), way) for way in WAYS}
    assert len({found.total for found in alone.values()}) == 1  # of one device there is nothing to share
    ddp, fsdp, tp = (memory(Run(config, devices=4), way) for way in WAYS)
    assert ddp.weights == alone["ddp"].weights and ddp.exchange == ddp.gradients
    for name in ("weights", "gradients", "optimizer"):
        assert getattr(fsdp, name) == pytest.approx(getattr(ddp, name) / 4, rel=1e-4)
    layers = count_weights(config)["layers"]
    norms = 12 * 2 * 768
    assert tp.weights == 4 * (sum(count_weights(config).values()) - (layers - norms) * 3 // 4)
    assert ddp.activations / 4 < tp.activations < ddp.activations == fsdp.activations
    with pytest.raises(ValueError, match=r"num_attention_heads \(12\) does not split among 5 devices"):
        memory(Run(config, devices=5), "tp")


def test_speed_follows_from_flops() -> None:
    config = PixelARConfig.from_preset("pixar-113m")
    one = speed(Run(config), 1e15, 0.4, PUBLISHED_PATCHES["pixar-113m"], 4.8e6)
    four = speed(Run(config, devices=4), 1e15, 0.4, PUBLISHED_PATCHES["pixar-113m"], 4.8e6)
    # Six FLOPs per weight that is multiplied, and attention over 360 patches: 12 * layers * width * length.
    assert one.flops_per_patch == pytest.approx(6 * 113_462_016 + 12 * 12 * 768 * 360, rel=0.02)
    assert four.patches_per_second == pytest.approx(4 * one.patches_per_second)
    assert four.days == pytest.approx(one.days / 4)
    assert one.days == pytest.approx(138_240_000_000 * one.flops_per_patch / 4e14 / 86_400)
    with pytest.raises(ValueError, match="utilisation"):
        speed(Run(config), 1e15, 1.4, None, 1)


@pytest.mark.parametrize(
    "wrong", [{"devices": 0}, {"length": 1}, {"precision": "int3"}, {"optimizer": "sgd"}]
)
def test_wrong_runs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Run(PixelARConfig(), **wrong)
