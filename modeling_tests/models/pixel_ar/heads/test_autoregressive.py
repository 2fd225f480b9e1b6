# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Linear maps in which a slot sees earlier slots only: the masked weight and one slot after another agree."""

import pytest
import torch

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
