# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A growing cache layer behaves as the concatenating one, without copying at every step."""

import copy
import random
from collections.abc import Iterator

import pytest
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, StaticCache

from pixel_ar import PixelARConfig
from pixel_ar.growing_cache_pixel_ar import GrowingLayer, let_grow


@pytest.fixture(autouse=True)
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def states(count: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, count, 4)


def test_random_lives_equal_those_of_the_plain_layer() -> None:
    chooser = random.Random(0)
    for seed in range(20):
        torch.manual_seed(seed)
        pairs = [(GrowingLayer(), DynamicLayer())]
        for _ in range(30):
            ours, theirs = pair = chooser.choice(pairs)
            batch = ours.keys.shape[0] if ours.is_initialized else 2
            action = chooser.choice(
                ["update", "update", "update", "crop", "repeat", "pick", "copy", "branch"]
            )
            if action == "update":
                keys, values = states(chooser.randint(1, 5), batch), states(1, batch)
                values = values.expand(-1, -1, keys.shape[2], -1)
                for mine, other in zip(ours.update(keys, values), theirs.update(keys, values), strict=True):
                    assert torch.equal(mine, other)
            elif action == "crop" and ours.get_seq_length() > 2:
                for layer in pair:
                    layer.crop(-2)
            elif action == "repeat" and 0 < batch < 5:
                for layer in pair:
                    layer.batch_repeat_interleave(2)
            elif action == "pick" and ours.get_seq_length():
                for layer in pair:
                    layer.batch_select_indices(torch.tensor([0, batch - 1]))
            elif action in ("copy", "branch") and len(pairs) < 4:
                twin = copy.deepcopy if action == "copy" else copy.copy
                pairs.append((twin(ours), twin(theirs)))
            # Whatever happens to one life must not show in another.
            for mine, other in pairs:
                if mine.get_seq_length():
                    assert torch.equal(mine.keys, other.keys)
                    assert torch.equal(mine.values, other.values)


def test_most_steps_copy_nothing() -> None:
    layer = GrowingLayer()
    layer.update(states(64), states(64))
    places = set()
    for _ in range(200):
        keys, _ = layer.update(states(1), states(1))
        places.add(keys.data_ptr())
    assert len(places) <= 3


def test_gradients_are_not_written_over() -> None:
    with torch.enable_grad():
        layer, keys = GrowingLayer(), states(2).requires_grad_()
        layer.update(keys, keys)
        layer.update(keys, keys)[0].sum().backward()
    assert keys.grad is not None and float(keys.grad.sum()) == 2 * keys.numel()


def test_only_empty_plain_caches_are_changed() -> None:
    config = PixelARConfig(num_hidden_layers=2)
    cache = DynamicCache(config=config)
    let_grow(cache)
    assert [type(layer) for layer in cache.layers] == [GrowingLayer] * 2
    filled = DynamicCache(config=config)
    filled.update(states(2), states(2), 0)
    let_grow(filled)
    assert type(filled.layers[0]) is DynamicLayer
    static = StaticCache(config=config, max_cache_len=4)
    let_grow(static)
    assert not any(isinstance(layer, GrowingLayer) for layer in static.layers)
    let_grow(None)
