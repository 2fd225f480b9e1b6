# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Linear layers of single rows on several threads give what they give on one."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from pixel_ar.models.pixel_ar.generation.single_row import (
    SMALLEST_MATRIX,
    SplitSingleRows,
    split_single_rows,
)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(300,), (1, 300), (1, 1, 300)])
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_same_product(bias: bool, shape: tuple[int, ...], threads: int) -> None:
    layer, inputs = nn.Linear(300, 420, bias=bias), torch.randn(shape)
    expected = layer(inputs)
    with SplitSingleRows(threads):
        split = layer(inputs)
    assert split.shape == expected.shape
    torch.testing.assert_close(split, expected, atol=1e-5, rtol=1e-5)


def test_gradients_are_the_same() -> None:
    layer, inputs = nn.Linear(300, 420), torch.randn(1, 300, requires_grad=True)
    layer(inputs).square().sum().backward()
    expected = inputs.grad, layer.weight.grad
    inputs.grad = layer.weight.grad = None
    with SplitSingleRows(2):
        layer(inputs).square().sum().backward()
    torch.testing.assert_close((inputs.grad, layer.weight.grad), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(300, 420), torch.randn(2, 300)),
        (nn.Linear(8, 8), torch.randn(1, 8)),
        (nn.Linear(300, 421), torch.randn(1, 300)),
        (nn.Linear(300, 420, dtype=torch.bfloat16), torch.randn(1, 300, dtype=torch.bfloat16)),
    ],
    ids=["rows", "small", "odd", "bf16"],
)
def test_everything_else_is_left_alone(
    layer: nn.Linear, inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_batches(*_: object) -> None:
        raise AssertionError("split")

    monkeypatch.setattr(torch, "bmm", no_batches)
    with SplitSingleRows(2):
        assert torch.equal(layer(inputs), layer(inputs))
    assert layer.weight.numel() > SMALLEST_MATRIX or layer.in_features == 8


def test_where_it_is_used(two_threads: None) -> None:
    cpu = torch.device("cpu")
    assert isinstance(split_single_rows(1, cpu), SplitSingleRows)
    assert isinstance(split_single_rows(2, cpu), nullcontext)
    assert isinstance(split_single_rows(1, torch.device("cuda")), nullcontext)
    torch.set_num_threads(1)
    assert isinstance(split_single_rows(1, cpu), nullcontext)
