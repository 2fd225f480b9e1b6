# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Muon: near-orthogonal updates, the parameters each part takes, and the same run after a restart."""

import copy

import pytest
import torch
from tools.tiny import TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.training import MuonAdamW, muon_groups
from pixel_ar.training.muon import orthogonalise


def model_and_optimizer() -> tuple[PixelARForCausalLM, MuonAdamW]:
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**TINY, patch_size=(8, 8)))
    return model, MuonAdamW(muon_groups(model, lr=1e-2))


def train(model: PixelARForCausalLM, optimizer: MuonAdamW, steps: int) -> float:
    strips = torch.randint(0, 2, (2, 1, 8, 64), generator=torch.Generator().manual_seed(0)).float()
    labels = torch.zeros(2, 8, dtype=torch.int64)
    loss = torch.zeros(())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(strips, labels=labels).loss
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_updates_are_nearly_orthogonal() -> None:
    matrices = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.min() > 0.6 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert (orthogonalise(matrices) - left @ right).abs().max() < 0.3


def test_every_parameter_has_one_place() -> None:
    model, optimizer = model_and_optimizer()
    placed = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(placed) == sorted(id(parameter) for parameter in model.parameters())
    by_muon = {id(p) for group in optimizer.param_groups if group["use_muon"] for p in group["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in by_muon}
    assert names == {
        name for name in dict(model.named_parameters()) if name.startswith("model.layers.") and "proj" in name
    }


def test_it_learns_and_goes_on_after_a_restart() -> None:
    model, optimizer = model_and_optimizer()
    first = train(model, optimizer, 1)
    train(model, optimizer, 9)
    other, restarted = model_and_optimizer()
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    restarted.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    last = train(model, optimizer, 10)
    assert train(other, restarted, 10) == last
    assert last < first - 1


def test_muon_takes_matrices_alone() -> None:
    with pytest.raises(ValueError, match="matrices"):
        MuonAdamW([{"params": [torch.nn.Parameter(torch.zeros(3))], "use_muon": True}])
