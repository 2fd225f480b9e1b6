# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The autoregressive patch head: a proper distribution, causal, and the same one when sampling as when scoring."""

from typing import Any

import pytest
import torch

from pixel_ar import PixelARConfig
from pixel_ar.models.pixel_ar.heads.autoregressive import AutoregressivePatchHead
from pixel_ar.models.pixel_ar.heads.base import PatchHead
from pixel_ar.models.pixel_ar.heads.registry import PATCH_HEADS, build_patch_head
from pixel_ar.models.pixel_ar.patching import bytes_to_patches, patches_to_bytes

# The inner forms: groups of columns, single columns, a whole patch at once (masked MLP), two bytes per column.
FORMS: list[tuple[tuple[int, int], dict[str, int]]] = [
    ((8, 20), {}),
    ((8, 6), {"head_group_columns": 1}),
    ((8, 8), {"head_num_layers": 0}),
    ((16, 16), {}),
    ((16, 4), {"head_group_columns": 2, "head_num_layers": 1}),
]


def build_head(patch_size: tuple[int, int], std: float = 0.4, **options: Any) -> AutoregressivePatchHead:
    """A small head whose weights are large enough for every byte to matter."""
    settings: dict[str, Any] = {
        "head_hidden_size": 16,
        "head_num_layers": 2,
        "head_num_attention_heads": 2,
        "head_byte_embedding_size": 4,
        "head_byte_hidden_size": 8,
        **options,
    }
    config = PixelARConfig(hidden_size=16, num_attention_heads=2, patch_size=patch_size, **settings)
    torch.manual_seed(0)
    head = build_patch_head(config)
    assert isinstance(head, AutoregressivePatchHead)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=std)
    return head.eval()


def random_case(patch_size: tuple[int, int], rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states and patches."""
    generator = torch.Generator().manual_seed(1)
    hidden_states = torch.randn(rows, 16, generator=generator)
    shape = (rows, patch_size[0] * patch_size[1])
    return hidden_states, torch.randint(0, 2, shape, generator=generator).float()


@torch.no_grad()
def test_probabilities_of_all_patches_sum_to_one() -> None:
    head = build_head((8, 1))
    patches = bytes_to_patches(torch.arange(256)[:, None], (8, 1))
    for hidden_states in random_case((8, 1))[0]:
        log_probs = head.log_prob(hidden_states.expand(256, -1), patches)
        assert log_probs.logsumexp(0).item() == pytest.approx(0, abs=1e-5)
        assert log_probs.std() > 0.1


@pytest.mark.parametrize(
    "options", [{"head_group_columns": 1}, {"head_group_columns": 2}, {"head_num_layers": 0}]
)
@torch.no_grad()
def test_partial_columns_are_the_marginal(options: dict[str, int]) -> None:
    head = build_head((8, 2), **options)
    first, second = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    patches = bytes_to_patches(torch.stack([first, second], -1).flatten(0, 1), (8, 2))
    hidden_states = random_case((8, 2))[0][:1].expand(len(patches), -1)
    log_probs = head.log_prob(hidden_states, patches).view(256, 256)
    assert log_probs.logsumexp((0, 1)).item() == pytest.approx(0, abs=1e-4)
    columns = torch.ones(256, dtype=torch.int64)
    alone = head.log_prob(hidden_states[:256], patches[::256], columns)
    assert torch.allclose(log_probs.logsumexp(1), alone, atol=1e-4)
    assert torch.equal(head.log_prob(hidden_states[:256], patches[::256], columns * 0), torch.zeros(256))


@pytest.mark.parametrize(("patch_size", "options"), FORMS)
@torch.no_grad()
def test_log_prob_is_the_sum_over_bytes(patch_size: tuple[int, int], options: dict[str, int]) -> None:
    head = build_head(patch_size, **options)
    hidden_states, patches = random_case(patch_size)
    column_bytes = patches_to_bytes(patches, patch_size)
    nats = (
        head.byte_logits(hidden_states, column_bytes)
        .log_softmax(-1)
        .gather(-1, column_bytes[..., None])[..., 0]
    )
    assert torch.allclose(head.log_prob(hidden_states, patches), nats.sum(-1), atol=1e-4)
    assert torch.allclose(head.loss(hidden_states, patches), -nats.sum(-1), atol=1e-4)
    columns = torch.tensor([0, 1, patch_size[1] - 1])
    per_column = nats.unflatten(-1, (patch_size[1], -1)).sum(-1)
    expected = torch.stack([row[:count].sum() for row, count in zip(per_column, columns, strict=True)])
    assert torch.allclose(head.log_prob(hidden_states, patches, columns), expected, atol=1e-4)


@pytest.mark.parametrize(("patch_size", "options"), FORMS)
@torch.no_grad()
def test_bytes_depend_on_earlier_bytes_only(patch_size: tuple[int, int], options: dict[str, int]) -> None:
    head = build_head(patch_size, **options)
    hidden_states, patches = random_case(patch_size, rows=1)
    column_bytes = patches_to_bytes(patches, patch_size)
    logits = head.byte_logits(hidden_states, column_bytes)
    for index in range(column_bytes.shape[1]):
        changed = column_bytes.clone()
        changed[:, index] = 255 - changed[:, index]
        difference = (head.byte_logits(hidden_states, changed) - logits).abs().amax(-1)[0]
        assert difference[: index + 1].max() == 0
        assert index + 1 == len(difference) or difference[index + 1 :].min() > 0


@pytest.mark.parametrize(("patch_size", "options"), FORMS)
@pytest.mark.parametrize("do_sample", [False, True])
@torch.no_grad()
def test_sampling_uses_the_scored_distribution(
    patch_size: tuple[int, int], options: dict[str, int], do_sample: bool
) -> None:
    head = build_head(patch_size, **options)
    hidden_states, _ = random_case(patch_size)
    sample = head.sample(hidden_states, do_sample=do_sample, generator=torch.Generator().manual_seed(0))
    column_bytes = patches_to_bytes(sample.patches, patch_size)
    assert set(sample.patches.unique().tolist()) <= {0.0, 1.0}
    assert torch.allclose(sample.logits, head.byte_logits(hidden_states, column_bytes), atol=1e-4)
    assert torch.equal(sample.logits, sample.scores)
    assert torch.allclose(sample.logits[:, 0], head.logits(hidden_states), atol=1e-5)
    if not do_sample:
        assert torch.equal(column_bytes, sample.logits.argmax(-1))


@pytest.mark.parametrize(("patch_size", "options"), FORMS)
@torch.no_grad()
def test_prefix_is_kept_and_conditioned_on(patch_size: tuple[int, int], options: dict[str, int]) -> None:
    head = build_head(patch_size, **options)
    hidden_states, patches = random_case(patch_size)
    columns = torch.tensor([0, 1, patch_size[1]])
    sample = head.sample(hidden_states, prefix=patches, prefix_columns=columns)
    written = torch.arange(patch_size[1]).expand(patch_size[0], -1).flatten() < columns[:, None]
    assert torch.equal(sample.patches[written], patches[written])
    assert torch.equal(sample.patches[0], head.sample(hidden_states).patches[0])
    column_bytes = patches_to_bytes(sample.patches, patch_size)
    assert torch.allclose(sample.logits, head.byte_logits(hidden_states, column_bytes), atol=1e-4)
    drawn = ~written.unflatten(-1, patch_size)[:, 0].repeat_interleave(patch_size[0] // 8, 1)
    assert torch.equal(column_bytes[drawn], sample.logits.argmax(-1)[drawn])


@torch.no_grad()
def test_warp_sees_the_bytes_before() -> None:
    head = build_head((16, 2))
    hidden_states, _ = random_case((16, 2))
    seen: list[torch.Tensor] = []

    def only_next(written: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        seen.append(written.clone())
        scores = torch.full_like(logits, float("-inf"))
        scores[:, 10 + written.shape[1]] = 0
        return scores

    sample = head.sample(hidden_states, do_sample=True, warp=only_next)
    assert patches_to_bytes(sample.patches, (16, 2)).tolist() == [[10, 11, 12, 13]] * 3
    assert seen[3].tolist() == [[10, 11, 12]] * 3
    assert torch.isinf(sample.scores[:, 0]).sum(-1).tolist() == [255] * 3
    assert torch.isfinite(sample.logits).all()


@pytest.mark.parametrize("index", [0, 1])
@torch.no_grad()
def test_sample_frequencies(index: int) -> None:
    head = build_head((8, 2))
    count = 20_000
    hidden_states, patches = (case[:1].expand(count, -1) for case in random_case((8, 2)))
    columns = torch.full((count,), index)
    generator = torch.Generator().manual_seed(0)
    sample = head.sample(hidden_states, True, generator=generator, prefix=patches, prefix_columns=columns)
    drawn = patches_to_bytes(sample.patches, (8, 2))[:, index]
    observed = torch.bincount(drawn, minlength=256)
    expected = sample.logits[0, index].softmax(-1) * count
    kept = expected > 5
    chi_square = ((observed - expected) ** 2 / expected)[kept].sum()
    freedom = int(kept.sum()) - 1
    assert freedom > 20
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


@torch.no_grad()
def test_generators() -> None:
    head = build_head((8, 4))
    hidden_states, _ = random_case((8, 4))

    def draw(generator: Any, rows: slice = slice(None)) -> torch.Tensor:
        return head.sample(hidden_states[rows], do_sample=True, generator=generator).patches

    def seeded(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    assert torch.equal(draw(seeded(3)), draw(seeded(3)))
    assert not torch.equal(draw(seeded(3)), draw(seeded(4)))
    rows = draw([seeded(0), seeded(1), seeded(2)])
    assert torch.equal(rows[1:2], draw([seeded(1)], slice(1, 2)))
    torch.manual_seed(0)
    first = draw(None)
    torch.manual_seed(0)
    assert torch.equal(draw(None), first)
    with pytest.raises(ValueError, match="2 generators for 3 rows"):
        draw([seeded(0), seeded(1)])


@pytest.mark.parametrize(("patch_size", "options"), FORMS)
def test_every_parameter_gets_a_gradient(patch_size: tuple[int, int], options: dict[str, int]) -> None:
    head = build_head(patch_size, **options).train()
    hidden_states, patches = random_case(patch_size, rows=8)
    hidden_states.requires_grad_()
    head.loss(hidden_states, patches).mean().backward()
    assert hidden_states.grad is not None and hidden_states.grad.abs().sum() > 0
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_bfloat16_scores_in_float32() -> None:
    head = build_head((8, 8)).to(torch.bfloat16)
    hidden_states, patches = random_case((8, 8))
    hidden_states = hidden_states.to(torch.bfloat16)
    assert head.log_prob(hidden_states, patches).dtype == torch.float32
    assert head.sample(hidden_states, do_sample=True).logits.dtype == torch.float32


def test_logits_keep_leading_dimensions() -> None:
    head = build_head((8, 8))
    assert head.logits(torch.randn(2, 5, 16)).shape == (2, 5, 256)
    assert head.logits(torch.randn(16)).shape == (256,)


def test_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(PatchHead):
        pass

    with pytest.raises(ValueError, match=r"patch_head='other' is not registered.*autoregressive"):
        PixelARConfig(patch_head="other", hidden_size=16, num_attention_heads=2)
    monkeypatch.setitem(PATCH_HEADS, "other", Other)
    config = PixelARConfig(patch_head="other", hidden_size=16, num_attention_heads=2)
    head = build_patch_head(config)
    monkeypatch.delitem(PATCH_HEADS, "other")
    with pytest.raises(ValueError, match="is not registered"):
        build_patch_head(config)
    assert isinstance(head, Other)
    hidden_states, patches = torch.zeros(1, 16), torch.zeros(1, 160)
    for call in (
        lambda: head.logits(hidden_states),
        lambda: head.log_prob(hidden_states, patches),
        lambda: head.sample(hidden_states),
    ):
        with pytest.raises(NotImplementedError, match="Other must define"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_channels": 3}, "num_channels=1, got 3"),
        ({"patch_size": (12, 20)}, "multiple of 8, got 12"),
        ({"patch_size": (8, 0)}, "positive"),
        ({"head_group_columns": 3}, r"head_group_columns \(3\)"),
        ({"head_num_layers": 0, "head_group_columns": 5}, "head_num_layers=0"),
        ({"head_hidden_size": 30, "head_num_attention_heads": 4}, r"head_hidden_size \(30\)"),
    ],
)
def test_settings_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        PixelARConfig(**options)
    assert isinstance(caught.value, ValueError) or isinstance(caught.value.__cause__, ValueError)
