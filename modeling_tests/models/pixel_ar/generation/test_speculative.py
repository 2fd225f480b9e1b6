# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A draft changes how fast a strip is written, never which: greedily the same bytes, sampled the same distribution."""

from typing import Any

import pytest
import torch
from tools.generation import Recorder, build_model, counted, random_strips
from transformers import TemperatureLogitsWarper, TopKLogitsWarper

from pixel_ar import PixelARForCausalLM
from pixel_ar.models.pixel_ar.generation.compiled import chain
from pixel_ar.models.pixel_ar.generation.speculative import Speculation
from pixel_ar.models.pixel_ar.patching import bytes_to_patches, patches_to_bytes

NEW = 9


def near(model: PixelARForCausalLM, size: float) -> PixelARForCausalLM:
    """The same model with other weights in its last layer: right now and then."""
    draft = build_model(tuple(model.config.patch_size))
    torch.manual_seed(5)
    with torch.no_grad():
        weight = draft.model.layers[-1].mlp.down_proj.weight
        weight += size * torch.randn_like(weight)
    return draft


@pytest.mark.parametrize("patch_size", [(8, 8), (16, 16)])
@pytest.mark.parametrize("count", [1, 3, 20])
@torch.no_grad()
def test_greedily_the_same_strip(patch_size: tuple[int, int], count: int) -> None:
    model, strips = build_model(patch_size), random_strips(1, 4, patch_size)
    wanted = model.generate(strips, max_new_patches=NEW)
    for draft in (model, near(model, 0.02), build_model(patch_size, seed=9)):
        recorder = Recorder()
        found = model.generate(
            strips, max_new_patches=NEW, assistant_model=draft, num_assistant_tokens=count, streamer=recorder
        )
        assert torch.equal(found, wanted)
        assert len(recorder.patches) == NEW and recorder.ends == 1


@torch.no_grad()
def test_a_good_draft_saves_passes() -> None:
    model, strips = build_model(), random_strips(1, 4)
    reads, stop_counting = counted(model)
    for draft, most in ((build_model(), 2), (build_model(seed=9), NEW)):
        reads.clear()
        model.generate(strips, max_new_patches=NEW, assistant_model=draft, num_assistant_tokens=5)
        assert len(reads) <= most
    stop_counting()


@torch.no_grad()
def test_unfinished_patches_least_lengths_and_ends() -> None:
    model, strips = build_model(), random_strips(1, 4)
    draft = near(model, 0.02)
    ways: list[dict[str, Any]] = [
        {"num_columns": torch.tensor([27])},
        {"min_new_patches": 4},
        {"num_columns": torch.tensor([27]), "min_new_patches": 2},
        {"pixel_values": None},
    ]
    for way in ways:
        prompt = {"pixel_values": strips, **way}
        wanted = model.generate(**prompt, max_new_patches=NEW)
        assert torch.equal(model.generate(**prompt, max_new_patches=NEW, assistant_model=draft), wanted), way
    with torch.no_grad():
        for each in (model, draft):
            each.patch_head.group_decoder.output.bias[:, 255] = 100.0
    ended = model.generate(strips, max_new_patches=NEW, assistant_model=draft)
    assert ended.shape[-1] == 5 * 8 and bool((ended[..., -8:] == 0).all())


@torch.no_grad()
def test_sampled_bytes_follow_the_large_model() -> None:
    """Of a patch of two bytes, each one of three values, as often as the large model has it; the draft is another."""
    model, draft = build_model((8, 2)), build_model((8, 2), seed=9)
    warp = chain([TemperatureLogitsWarper(2.0), TopKLogitsWarper(3)])  # type: ignore[arg-type]
    states = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)).double()
    theirs = torch.randn(1, 32, generator=torch.Generator().manual_seed(1)).double()
    assert warp is not None

    def distribution(head: Any, state: torch.Tensor) -> dict[tuple[int, int], float]:
        first = warp(torch.zeros(1, 0), head.logits(state).float()).softmax(-1)[0]
        found = {}
        for one in first.nonzero()[:, 0].tolist():
            known = torch.tensor([[one, 0]])
            second = warp(known[:, :1], head.byte_logits(state, known)[:, 1].float()).softmax(-1)[0]
            found |= {(one, two): float(first[one] * second[two]) for two in second.nonzero()[:, 0].tolist()}
        return found

    wanted = distribution(model.patch_head, states[:1])
    other = distribution(draft.patch_head, theirs)
    assert set(wanted) != set(other) or max(abs(wanted[key] - other[key]) for key in wanted) > 0.1

    speculation = Speculation.__new__(Speculation)
    generator = torch.Generator().manual_seed(2)
    config = type("Config", (), {"do_sample": True})()
    speculation.request = type("Request", (), {"config": config, "generator": generator})()  # type: ignore[assignment]
    speculation.writer = type("Writer", (), {"warp": staticmethod(warp)})()  # type: ignore[assignment]
    speculation.head, speculation.unread = model.patch_head, torch.zeros(1, 1, 16)
    times, counts = 1200, dict.fromkeys(wanted, 0)
    drafts = draft.patch_head.sample(theirs.expand(times, -1), do_sample=True, warp=warp, generator=generator)
    for patch, scores in zip(drafts.patches, drafts.scores, strict=True):
        accepted, last = speculation._judge(states, patch[None], scores[None])
        drawn = patches_to_bytes(patch[None] if accepted else last, (8, 2))[0]
        counts[(int(drawn[0]), int(drawn[1]))] += 1
    # Chi-squared with at most eight degrees of freedom: above 26 once in a thousand.
    squares = [
        (counts[key] - times * share) ** 2 / (times * share) for key, share in wanted.items() if share > 1e-9
    ]
    assert sum(counts.values()) == times and sum(squares) < 26
    # What the draft alone writes is far from it.
    wrong = [
        (times * other.get(key, 0) - times * share) ** 2 / (times * share) for key, share in wanted.items()
    ]
    assert sum(wrong) > 100


@torch.no_grad()
def test_a_draft_that_is_the_model_is_always_right() -> None:
    model, strips = build_model(), random_strips(1, 4)
    reads, stop_counting = counted(model)
    options = {"do_sample": True, "temperature": 0.8, "top_p": 0.9}
    generator = torch.Generator().manual_seed(0)
    out = model.generate(
        strips,
        max_new_patches=NEW,
        stop_at_eos=False,
        assistant_model=build_model(),
        num_assistant_tokens=4,
        generator=generator,
        return_dict_in_generate=True,
        **options,
    )
    stop_counting()
    assert len(reads) == 2 and out.pixel_values.shape[-1] == (4 + NEW) * 8 and out.cache is None
    assert bytes_to_patches(torch.zeros(1, 8, dtype=torch.int64), (8, 8)).shape[-1] == 64


def test_what_cannot_be_drafted_is_refused() -> None:
    model, strips = build_model(), random_strips(1, 4)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"assistant_model": build_model((16, 16))}, "patches of \\(16, 16\\)"),
        ({"pixel_values": random_strips(2, 4)}, "one row at a time, got 2"),
        ({"num_return_sequences": 2, "do_sample": True}, "one row at a time, got 2"),
        ({"cache_implementation": "static"}, "cache_implementation"),
        ({"output_logits": True, "return_dict_in_generate": True}, "output_logits"),
        ({"stopping_criteria": [lambda ids, patch: False]}, "stopping_criteria"),
        ({"assistant_model": torch.nn.Linear(1, 1)}, "must have patch_head='autoregressive'"),
        ({"num_assistant_tokens": 0}, "num_assistant_tokens"),
    ]
    for options, message in wrong:
        given = {"pixel_values": strips, "assistant_model": build_model(seed=9), **options}
        with pytest.raises(ValueError, match=message):
            model.generate(max_new_patches=2, **given)
