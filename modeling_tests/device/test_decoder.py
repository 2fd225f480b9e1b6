# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a device computes is what the CPU computes in float64: heads, attention, caches, types, compiled code."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tools.device import PATCH, build_model, build_strips
from transformers import StaticCache
from transformers.generation import CompileConfig
from transformers.utils import is_flash_attn_2_available

from pixel_ar import PixelARForCausalLM
from pixel_ar.models.pixel_ar.heads.registry import PATCH_HEADS

pytestmark = pytest.mark.cuda

LENGTH = 12
# Of float32 against float64, relative to the largest value.
TOLERANCE = 2e-4


def difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    wanted = wanted.double()
    return float((found.detach().cpu().double() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-9))


def inputs(model: PixelARForCausalLM, rows: int = 3, length: int = LENGTH) -> dict[str, torch.Tensor]:
    """Strips of which one is padded on the left, on the device of the model."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[1, : length // 3] = 0
    values = {
        "pixel_values": build_strips(rows, length, model.config.num_channels),
        "attention_mask": mask,
        "labels": torch.where(mask == 1, 0, -100),
    }
    return {name: value.to(model.device) for name, value in values.items()}


def reference(head: str, device: torch.device, **options: Any) -> PixelARForCausalLM:
    """The same weights on the CPU in float64."""
    model = build_model(head, device, **options)
    return model.cpu().double()


@pytest.mark.parametrize("head", sorted(PATCH_HEADS))
def test_loss_and_gradients_are_those_of_the_cpu(head: str, device: torch.device) -> None:
    exact, model = reference(head, device), build_model(head, device)
    wanted = exact(**inputs(exact))
    if not torch.equal(wanted.loss, exact(**inputs(exact)).loss):
        pytest.skip(f"the loss of {head!r} is drawn at random")
    found = model(**inputs(model))
    assert difference(found.loss, wanted.loss.detach()) < TOLERANCE
    assert difference(found.logits, wanted.logits.detach()) < TOLERANCE
    wanted.loss.backward()
    found.loss.backward()
    for (name, parameter), twin in zip(model.named_parameters(), exact.parameters(), strict=True):
        if twin.grad is not None and twin.grad.abs().max() > 1e-7:
            assert parameter.grad is not None and difference(parameter.grad, twin.grad) < 20 * TOLERANCE, name


@pytest.mark.parametrize("head", sorted(PATCH_HEADS))
def test_every_head_draws_patches(head: str, device: torch.device) -> None:
    model = build_model(head, device)
    prompt = inputs(model)
    del prompt["labels"]
    samples = head != "regression"  # which has no distribution
    strips = model.generate(**prompt, max_new_patches=3, stop_at_eos=False, do_sample=samples)
    assert strips.shape == (3, model.config.num_channels, PATCH[0], (LENGTH + 3) * PATCH[1])
    assert strips.device.type == device.type
    assert bool(((strips >= 0) & (strips <= 1)).all())


@torch.no_grad()
def test_likelihoods_are_those_of_the_cpu(device: torch.device) -> None:
    for head in ("autoregressive", "bernoulli", "dictionary"):
        exact, model = reference(head, device), build_model(head, device)
        wanted, found = ({k: v for k, v in inputs(m).items() if k != "labels"} for m in (exact, model))
        assert difference(model.log_likelihood(**found), exact.log_likelihood(**wanted)) < TOLERANCE


def attention_functions(device: torch.device) -> list[str]:
    """Those that can run here."""
    names = ["eager", "sdpa"]
    if device.type == "cuda":
        names.append("flex_attention")  # on a CPU its kernel compiles for half a minute
        names += ["flash_attention_2"] if is_flash_attn_2_available() else []
    return names


@torch.no_grad()
def test_attention_functions_agree(device: torch.device) -> None:
    wide = {"head_dim": 32} if device.type == "cuda" else {}  # the least that all kernels take
    exact = reference("autoregressive", device, **wide)
    wanted = exact(**inputs(exact)).loss
    for name in attention_functions(device):
        model = build_model("autoregressive", device, **wide)
        is_flash = "flash" in name
        if is_flash:
            model = model.to(torch.bfloat16)
        model.set_attn_implementation(name)
        found = model(**inputs(model)).loss
        assert difference(found, wanted) < (2e-2 if is_flash else TOLERANCE), name


@torch.no_grad()
@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_cached_is_uncached(kind: str, device: torch.device) -> None:
    model = build_model("autoregressive", device)
    strips = build_strips(2, LENGTH).to(device)
    whole = model.model(pixel_values=strips, use_cache=False).last_hidden_state
    cache = StaticCache(config=model.config, max_cache_len=LENGTH) if kind == "static" else None
    states = []
    for start, stop in ((0, 5), (5, 6), (6, LENGTH)):
        part = strips[..., start * PATCH[1] : stop * PATCH[1]]
        mask = torch.ones(2, stop, dtype=torch.int64, device=device)
        out = model.model(pixel_values=part, attention_mask=mask, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        states.append(out.last_hidden_state)
    assert difference(torch.cat(states, 1), whole.cpu()) < TOLERANCE


@torch.no_grad()
def test_all_ways_to_generate_write_the_same(device: torch.device) -> None:
    """Greedy, in float64: without a cache, with either, and with the step compiled."""
    model = build_model("autoregressive", device).double()
    prompt = {name: value for name, value in inputs(model).items() if name != "labels"}
    compiled = CompileConfig(backend="inductor" if device.type == "cuda" else "eager", mode=None)
    ways: list[dict[str, Any]] = [
        {"use_cache": False},
        {},
        {"cache_implementation": "static", "disable_compile": True},
        {"cache_implementation": "static", "compile_config": compiled},
    ]
    length = {"max_new_patches": 6, "min_new_patches": 6}
    written = [model.generate(**prompt, **length, **way) for way in ways]
    for way, strips in zip(ways[1:], written[1:], strict=True):
        assert torch.equal(strips, written[0]), way


@torch.no_grad()
def test_rows_draw_from_their_own_generators(device: torch.device) -> None:
    model = build_model("autoregressive", device)
    strips = build_strips(2, LENGTH).to(device)

    def generators(seeds: list[int]) -> list[torch.Generator]:
        return [torch.Generator(device).manual_seed(seed) for seed in seeds]

    options = {"max_new_patches": 3, "min_new_patches": 3, "do_sample": True}
    both = model.generate(strips, **options, generator=generators([3, 4]))
    alone = model.generate(strips[1:], **options, generator=generators([4]))
    assert float((both[1:] != alone).float().mean()) < 0.02  # a tie within rounding at most


@torch.no_grad()
@pytest.mark.parametrize("head", sorted(PATCH_HEADS))
def test_bf16_is_near(head: str, device: torch.device) -> None:
    exact, model = reference(head, device), build_model(head, device).to(torch.bfloat16)
    wanted = exact.model(pixel_values=inputs(exact)["pixel_values"]).last_hidden_state
    found = model.model(pixel_values=inputs(model)["pixel_values"]).last_hidden_state
    assert found.dtype == torch.bfloat16
    assert difference(found, wanted) < 0.1
    assert model(**inputs(model)).loss.isfinite()
    strips = model.generate(inputs(model)["pixel_values"], max_new_patches=2)
    assert strips.isfinite().all()


def test_compiled_training_step_is_the_same(device: torch.device) -> None:
    # Inductor needs minutes of a CPU; the graph, which is what can break, is the same with any backend.
    backend = "inductor" if device.type == "cuda" else "aot_eager"
    model = build_model("autoregressive", device).train()
    batch = inputs(model)
    wanted = model(**batch).loss
    wanted.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    found = torch.compile(model, backend=backend)(**batch).loss
    found.backward()
    assert difference(found, wanted.detach().cpu()) < TOLERANCE
    for name, parameter in model.named_parameters():
        if gradients[name].abs().max() > 1e-7:
            assert difference(parameter.grad, gradients[name].cpu()) < 20 * TOLERANCE, name


@torch.no_grad()
def test_checkpoints_travel(device: torch.device, tmp_path: Path) -> None:
    model = build_model("dictionary", device)
    model.save_pretrained(tmp_path)
    on_cpu = PixelARForCausalLM.from_pretrained(tmp_path)
    back = PixelARForCausalLM.from_pretrained(tmp_path).to(device)
    states = model.state_dict()
    for other in (on_cpu, back):
        assert {*other.state_dict()} == {*states}
        for name, value in other.state_dict().items():
            assert torch.equal(value.cpu(), states[name].cpu()), name
    assert torch.equal(back(**inputs(back)).loss, model(**inputs(model)).loss)
