# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Patches of several words: a proper distribution over all of them, whole or begun, drawn as it is scored."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tools.dictionary import build_dictionary_model
from tools.tiny import TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.heads.parts import PartsPatchHead
from pixel_ar.models.pixel_ar.patching import (
    bytes_to_patches,
    bytes_to_pixels,
    join_patches,
    patches_to_bytes,
    split_patches,
)

INK = 255


def build_model(num_glyphs: int = 5, std: float = 0.4, width: int = 1, **options: Any) -> PixelARForCausalLM:
    """Patches of two parts, each of a column unless a width is given."""
    return build_dictionary_model((8, width), num_glyphs, std=std, num_parts=2, **options)


def head_of(model: PixelARForCausalLM) -> PartsPatchHead:
    assert isinstance(model.patch_head, PartsPatchHead)
    return model.patch_head


def states(rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_patches() -> torch.Tensor:
    """All 65,536 of two columns."""
    values = torch.cartesian_prod(torch.arange(256), torch.arange(256))
    return bytes_to_patches(values, (8, 2)).double()


def test_parts_stand_side_by_side() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 2, (3, 5, 16 * 6), generator=generator).float()
    parts = split_patches(patches, (16, 6), 3)
    assert parts.shape == (3, 5, 3, 32)
    assert torch.equal(join_patches(parts, (16, 6)), patches)
    together = patches_to_bytes(parts, (16, 2)).flatten(-2)
    assert torch.equal(together, patches_to_bytes(patches, (16, 6)))


@torch.no_grad()
@pytest.mark.parametrize("num_glyphs", [0, 5])
def test_probabilities_of_all_patches_sum_to_one(num_glyphs: int) -> None:
    head, patches = head_of(build_model(num_glyphs)), all_patches()
    log_probs = head.log_prob(states(1).expand(len(patches), -1), patches)
    assert log_probs.logsumexp(0).item() == pytest.approx(0, abs=1e-5)
    # The first column alone, and none, are as likely as all patches that begin so.
    begun = log_probs.view(256, 256).logsumexp(1)
    firsts = patches[::256]
    ones = torch.ones(256, dtype=torch.int64)
    state = states(1).expand(256, -1)
    torch.testing.assert_close(head.log_prob(state, firsts, ones), begun, atol=1e-5, rtol=0)
    assert head.log_prob(state, firsts, 0 * ones).abs().max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("way", ["free", "begun", "not ink"])
def test_patches_are_drawn_as_often_as_they_are_likely(way: str) -> None:
    model = build_model(std=0.15)
    head, rows, patches = head_of(model), 20_000, all_patches()
    options: dict[str, Any] = {}
    ink = head.part.memory.index(torch.tensor([[INK]]))
    head.part.scores.bias[ink] = 3.5 if way == "not ink" else head.part.scores.bias[ink]
    likely = head.log_prob(states(1).expand(len(patches), -1), patches).exp().view(256, 256)
    if way == "begun":
        prefix = bytes_to_patches(torch.tensor([[7, 0]]), (8, 2)).double()
        options = {
            "prefix": prefix.expand(rows, -1),
            "prefix_columns": torch.ones(rows, dtype=torch.int64),
        }
        likely[:7], likely[8:] = 0, 0
    if way == "not ink":
        assert likely[INK, INK] > 0.5
        options = {"no_eos": torch.ones(rows, dtype=torch.bool)}
        likely[INK, INK] = 0
    likely = likely / likely.sum()
    drawn = head.sample(
        states(1).expand(rows, -1), True, generator=torch.Generator().manual_seed(0), **options
    )
    assert drawn.scores.shape == drawn.logits.shape == (rows, 2, head.part.num_entries + 1)
    found = torch.zeros(256, 256, dtype=torch.float64)
    column_bytes = patches_to_bytes(drawn.patches, (8, 2))
    found.index_put_(
        (column_bytes[:, 0], column_bytes[:, 1]), torch.tensor(1.0 / rows).double(), accumulate=True
    )
    assert found[likely == 0].sum() == 0
    for axis in (0, 1):
        by_chance = (2 / torch.pi * (p := likely.sum(axis)) * (1 - p).clamp(min=0) / rows).sqrt().sum()
        assert (found.sum(axis) - p).abs().sum() < 1.4 * by_chance + 1e-6
    frequent = likely > 0.003
    deviation = (found - likely)[frequent] / (likely[frequent] * (1 - likely[frequent]) / rows).sqrt()
    assert frequent.sum() > 5 and deviation.abs().max() < 4.5


@torch.no_grad()
def test_the_second_part_depends_on_the_first() -> None:
    head = head_of(build_model())
    log_probs = head.log_prob(states(1).expand(65536, -1), all_patches()).view(256, 256)
    conditional = log_probs.log_softmax(-1)
    assert (conditional[3] - conditional[200]).abs().max() > 0.1


def test_cached_padded_and_saved_models_agree(tmp_path: Path) -> None:
    model = build_model()
    strips = torch.randint(0, 2, (2, 1, 8, 12), generator=torch.Generator().manual_seed(4)).double()
    mask = torch.ones(2, 6, dtype=torch.int64)
    mask[1, :2] = 0
    with torch.no_grad():
        whole = model.log_likelihood(strips, attention_mask=mask)
        alone = model.log_likelihood(strips[1:, ..., 4:])
    torch.testing.assert_close(whole[1:], alone)
    options: dict[str, Any] = {"max_new_patches": 5, "stop_at_eos": False}
    written = model.generate(strips, **options)
    assert torch.equal(model.generate(strips, use_cache=False, **options), written)
    static = model.generate(strips, cache_implementation="static", **options)
    assert torch.equal(static, written)
    model.save_pretrained(tmp_path)
    loaded = PixelARForCausalLM.from_pretrained(tmp_path, dtype=torch.float64)
    assert torch.equal(loaded.generate(strips, **options), written)


def test_training_reaches_every_weight_and_its_loss_bounds_the_exact_one() -> None:
    model = build_model(num_glyphs=0, std=0.1, width=2, memory_dropout=0.0)
    column_bytes = torch.randint(0, 20, (2, 6, 4), generator=torch.Generator().manual_seed(4))
    strips = bytes_to_pixels(column_bytes, (8, 4)).double()
    model.model.embed_patches.memory.fill(column_bytes.view(-1, 2)[:12].numpy())
    labels = torch.zeros(2, 6, dtype=torch.int64)
    exact = model(pixel_values=strips, labels=labels).loss
    bound = model.train()(pixel_values=strips, labels=labels).loss
    assert bound > exact
    bound.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize(
    "options",
    [
        {"dictionary_parts": 3},
        {"dictionary_parts": 0},
        {"patch_head": "autoregressive", "dictionary_size": None},
    ],
)
def test_parts_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    fields = {"patch_size": (8, 40), "patch_head": "dictionary", "dictionary_size": 9, "dictionary_parts": 2}
    with pytest.raises((ValueError, StrictDataclassClassValidationError), match="dictionary_parts"):
        PixelARConfig(**{**TINY, **fields, **options})
