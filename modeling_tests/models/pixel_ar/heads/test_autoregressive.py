# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Linear maps in which a slot sees earlier slots only, and the bytes of many patches in turns."""

from typing import Any

import pytest
import torch
from tools.tiny import TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.estimation.trace import SavedStorages
from pixel_ar.models.pixel_ar.heads import autoregressive
from pixel_ar.models.pixel_ar.heads.autoregressive import CausalSlotLinear


@pytest.mark.parametrize("rows", [1, 64, 65])
def test_slots_are_alike_together_and_one_by_one(rows: int) -> None:
    torch.manual_seed(0)
    layer = CausalSlotLinear(num_slots=4, in_features=3, out_features=5)
    inputs = torch.randn(rows, 12)
    masked = layer(inputs)
    assert masked.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(layer(inputs), masked.detach())
        for slot in range(4):
            alone = layer(inputs[:, : slot * 3], slot)
            torch.testing.assert_close(alone, masked.detach()[:, slot * 5 : slot * 5 + 5])


def test_a_slot_does_not_see_itself_or_later_ones() -> None:
    layer = CausalSlotLinear(num_slots=4, in_features=3, out_features=5)
    inputs = torch.randn(2, 12)
    changed = inputs.clone()
    changed[:, 6:9] += 1  # the third slot
    differs = (layer(inputs) != layer(changed)).any(0).view(4, 5).any(1)
    assert differs.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "options", [{}, {"head_num_layers": 1, "head_group_columns": 2, "head_num_glyphs": 9}]
)
def test_turns_cost_memory_not_exactness(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss, gradients and likelihoods are those of all patches at once; what is kept for the gradient is less."""
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(**{**TINY, "patch_size": (8, 8), **options})).train()
    strips = torch.randint(0, 2, (2, 1, 8, 8 * 40)).float()
    labels = torch.zeros(2, 40, dtype=torch.int64)
    found = []
    for most in (10**6, 8 * 13):  # the last turn is shorter
        monkeypatch.setattr(autoregressive, "_BYTES_AT_ONCE", most)
        model.zero_grad()
        saved = SavedStorages(model)
        with torch.autograd.graph.saved_tensors_hooks(*saved.hooks):
            loss = model(pixel_values=strips, labels=labels).loss
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        with torch.no_grad():
            found.append((loss.detach(), gradients, model.log_likelihood(strips), saved.num_bytes))
    (loss, gradients, likelihood, kept), (other_loss, others, other_likelihood, other_kept) = found
    torch.testing.assert_close(other_loss, loss)
    torch.testing.assert_close(other_likelihood, likelihood)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, msg=name)
    assert other_kept < 0.7 * kept
