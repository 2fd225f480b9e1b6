# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The heads of the published systems: losses, likelihood, samplers, and generation with them."""

import math
from typing import Any

import pytest
import torch

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.models.pixel_ar.heads.linear import BernoulliPatchHead, RegressionPatchHead
from pixel_ar.models.pixel_ar.patching import unpatchify


def config(**fields: Any) -> PixelARConfig:
    small: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (8, 8),
        "patch_head": "bernoulli",
        "initializer_range": 0.3,
    }
    return PixelARConfig(**{**small, **fields})


def build(seed: int = 0, **fields: Any) -> PixelARForCausalLM:
    torch.manual_seed(seed)
    return PixelARForCausalLM(config(**fields)).eval().to(torch.float64)


def strips(rows: int, patches: int, channels: int = 1, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (rows, channels, 8, 8 * patches), generator=generator).double()


class TestBernoulli:
    def test_probabilities_of_all_patches_sum_to_one(self) -> None:
        head = BernoulliPatchHead(config(patch_size=(2, 4))).double()
        hidden = torch.randn(1, 16, dtype=torch.float64)
        every = torch.tensor([[(n >> bit) & 1 for bit in range(8)] for n in range(256)]).double()
        total = head.log_prob(hidden.expand(256, -1), every).exp().sum()
        assert abs(float(total.detach()) - 1) < 1e-5

    def test_columns_that_do_not_count(self) -> None:
        """The first columns alone have the probability summed over all ways to go on."""
        head = BernoulliPatchHead(config(patch_size=(2, 4))).double()
        hidden = torch.randn(1, 16, dtype=torch.float64)
        every = torch.tensor([[(n >> bit) & 1 for bit in range(8)] for n in range(256)]).double()
        shown = every.view(256, 2, 4)[:, :, :1].flatten(1)
        first = every[5:6]
        same = (shown == first.view(1, 2, 4)[:, :, :1].flatten(1)).all(-1)
        summed = head.log_prob(hidden.expand(256, -1), every).exp()[same].sum()
        partial = head.log_prob(hidden, first, torch.tensor([1])).exp()
        torch.testing.assert_close(partial[0], summed, atol=1e-6, rtol=1e-5)

    def test_sample_frequencies(self) -> None:
        head = BernoulliPatchHead(config()).double()
        hidden = torch.randn(1, 16, dtype=torch.float64)
        generator = torch.Generator().manual_seed(0)
        drawn = head.sample(hidden.expand(20_000, -1), do_sample=True, generator=generator).patches
        expected = head.logits(hidden).sigmoid()[0]
        assert float((drawn.mean(0) - expected).abs().max()) < 5 * 0.5 / math.sqrt(20_000)

    def test_the_threshold_is_strict(self) -> None:
        head = BernoulliPatchHead(config())
        logits = torch.tensor([-1.0, 0.0, 1e-3])
        assert head.to_pixels(logits).tolist() == [0.0, 0.0, 1.0]
        assert head.to_pixels(logits, threshold=0.2).tolist() == [1.0, 1.0, 1.0]

    def test_one_generator_per_row(self) -> None:
        head, hidden = BernoulliPatchHead(config()), torch.randn(3, 16)
        seeds = [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]
        together = head.sample(hidden, do_sample=True, generator=seeds).patches
        for row, seed in enumerate((5, 6, 7)):
            alone = head.sample(
                hidden[row : row + 1], do_sample=True, generator=[torch.Generator().manual_seed(seed)]
            ).patches
            assert torch.equal(alone[0], together[row])
        with pytest.raises(ValueError, match="2 generators for 3 rows"):
            head.sample(hidden, do_sample=True, generator=seeds[:2])

    def test_loss_is_a_mean_of_rows(self) -> None:
        """PIXAR averages each row's pixels first, so a short row weighs as much as a long one."""
        model, pixels = build(), strips(2, 6)
        mask = torch.tensor([[1] * 6, [1, 1, 1, 0, 0, 0]])
        labels = torch.where(mask == 1, 0, -100)
        rows = [model(pixels[i : i + 1], mask[i : i + 1], labels=labels[i : i + 1]).loss for i in range(2)]
        both = model(pixels, mask, labels=labels).loss
        torch.testing.assert_close(both, (rows[0] + rows[1]) / 2)
        patchwise = build(patch_loss_reduction="patch")
        torch.testing.assert_close(
            patchwise(pixels, mask, labels=labels).loss, (5 * rows[0] + 2 * rows[1]) / 7
        )

    def test_a_row_without_targets_does_not_count(self) -> None:
        model, pixels = build(), strips(2, 4)
        labels = torch.tensor([[0] * 4, [-100] * 4])
        alone = model(pixels[:1], labels=labels[:1]).loss
        torch.testing.assert_close(model(pixels, labels=labels).loss, alone)

    def test_likelihood_agrees_with_the_loss(self) -> None:
        model, pixels = build(), strips(2, 5)
        labels = torch.zeros(2, 5, dtype=torch.int64)
        nats = -model.log_likelihood(pixels) / (4 * 64)
        torch.testing.assert_close(nats.mean(), model(pixels, labels=labels).loss.float(), atol=1e-5, rtol=0)


class TestRegression:
    def test_normalised_targets(self) -> None:
        head = RegressionPatchHead(config(patch_head="regression", norm_pix_loss=True)).double()
        patches = torch.rand(4, 64, dtype=torch.float64)
        targets = head.targets(patches)
        torch.testing.assert_close(targets.mean(-1), torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)
        torch.testing.assert_close(targets.var(-1), torch.ones(4, dtype=torch.float64), atol=1e-4, rtol=0)
        for value in (0.0, 1.0):
            assert torch.equal(head.targets(torch.full((1, 64), value)), torch.zeros(1, 64))

    def test_output_ranges(self) -> None:
        logits = torch.tensor([-2.0, 0.0, 0.25, 1.0, 3.0])
        unit = RegressionPatchHead(config(patch_head="regression"))
        signed = RegressionPatchHead(config(patch_head="regression", regression_output_range="signed"))
        assert unit.to_pixels(logits).tolist() == [0, 0, 0.25, 1, 1]
        assert unit.to_pixels(logits, "round").tolist() == [0, 0, 0, 1, 1]
        assert unit.to_pixels(logits, "raw").tolist() == logits.tolist()
        assert signed.to_pixels(logits).tolist() == [0, 0.5, 0.625, 1, 1]

    def test_it_neither_draws_nor_scores(self) -> None:
        model = build(patch_head="regression")
        with pytest.raises(ValueError, match="no likelihood"):
            model.log_likelihood(strips(1, 3))
        with pytest.raises(ValueError, match="do_sample=False"):
            model.generate(strips(1, 3), do_sample=True, max_new_patches=2)

    def test_colours_keep_their_channels(self) -> None:
        """A model that repeats its input exactly must write the colours of the patch before."""
        model = build(patch_head="regression", num_channels=3, hidden_size=192, num_attention_heads=4)
        with torch.no_grad():
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()
            model.model.embed_patches.projection.weight.copy_(torch.eye(192))
            model.model.embed_patches.projection.bias.zero_()
            model.patch_head.projection.weight.copy_(torch.eye(192))
        strip = torch.rand(1, 3, 8, 8, dtype=torch.float64)
        out = model.generate(strip, max_new_patches=1, stop_at_eos=False, pixel_sampler="raw")
        before, after = (strip - 0.5).flatten(), out[..., 8:].double().flatten()
        ratio = after / before
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-4, rtol=1e-4)


HEADS: list[dict[str, Any]] = [
    {},
    {"patch_head": "regression", "num_channels": 3},
    {"patch_head": "regression", "norm_pix_loss": True},
]


@pytest.mark.parametrize("fields", HEADS, ids=["bernoulli", "rgb", "normalised"])
class TestGeneration:
    def test_caches_change_nothing(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(2, 4, model.config.num_channels)
        results = [
            model.generate(prompt, max_new_patches=4, stop_at_eos=False, **options)
            for options in ({}, {"use_cache": False}, {"cache_implementation": "static"})
        ]
        for other in results[1:]:
            torch.testing.assert_close(other, results[0], atol=1e-6, rtol=0)

    def test_rows_equal_single_rows(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(2, 4, model.config.num_channels)
        mask = torch.tensor([[1] * 4, [1, 1, 0, 0]])
        both = model.generate(prompt, attention_mask=mask, max_new_patches=3, stop_at_eos=False)
        single = model.generate(prompt[1:, ..., :16], max_new_patches=3, stop_at_eos=False)
        torch.testing.assert_close(both[1:, ..., :40], single, atol=1e-6, rtol=0)

    def test_half_a_patch_is_kept(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(1, 3, model.config.num_channels)
        out = model.generate(prompt, num_columns=torch.tensor([19]), max_new_patches=1, stop_at_eos=False)
        assert torch.equal(out[..., :19].double(), prompt[..., :19])
        assert out.shape[-1] == 32

    def test_overfits_one_strip(self, fields: dict) -> None:
        torch.manual_seed(0)
        model = PixelARForCausalLM(config(**{**fields, "hidden_size": 64, "intermediate_size": 96}))
        strip = strips(1, 6, model.config.num_channels).float()
        labels = torch.zeros(1, 6, dtype=torch.int64)
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(120):
            loss = model(strip, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        out = model.eval().generate(
            strip[..., :8],
            max_new_patches=5,
            stop_at_eos=False,
            pixel_sampler="threshold" if not fields else "round",
        )
        assert float((out == strip).float().mean()) > 0.99


def test_the_published_procedure_is_one_call() -> None:
    """PIXAR: three white columns before the border, no EOS patch, four new patches at threshold 0.5, no early stop."""
    processor = PixelProcessor.from_preset("fixed-8", patch_size=(8, 16), left_padding=2)
    model = build(patch_size=(8, 16), patch_embedding_bias=False).float()
    text = ["The people", "Of the United States of"]
    inputs = processor(text=text, add_eos=False, end_gap=3, return_tensors="pt")
    out = model.generate(**inputs, max_new_patches=4, stop_at_eos=False)
    for row, count in enumerate(inputs["attention_mask"].sum(-1).tolist()):
        canvas = inputs["pixel_values"][row : row + 1, ..., : count * 16]
        assert bool((canvas[..., -3:] == 1).all()) and bool((canvas[..., -16:-3] == 0).any())
        for _ in range(4):  # the whole canvas again for every patch, as the reference does
            state = model.model(canvas).last_hidden_state[:, -1]
            patch = (model.patch_head.logits(state).sigmoid() > 0.5).float()
            canvas = torch.cat([canvas, unpatchify(patch[:, None], (8, 16), 1)], dim=-1)
        assert torch.equal(out[row : row + 1, ..., : (count + 4) * 16], canvas)


class TestOptions:
    def test_eos_stops_unless_told_otherwise(self) -> None:
        model = build()
        torch.nn.init.zeros_(model.patch_head.projection.weight)  # every pixel at 0.5: ink
        assert model.generate(strips(1, 2), max_new_patches=5).shape[-1] == 24
        assert model.generate(strips(1, 2), max_new_patches=5, stop_at_eos=False).shape[-1] == 56
        least = model.generate(strips(1, 2), max_new_patches=5, min_new_patches=3)
        assert least.shape[-1] == 48
        assert not bool((least[..., 16:40] < 0.5).unflatten(-1, (3, 8)).all(-1).all(-2).any())

    def test_gray_feeds_probabilities_back(self) -> None:
        model = build()
        out = model.generate(strips(1, 2), max_new_patches=2, pixel_sampler="gray", stop_at_eos=False)
        states = model.model(out[..., :24].double()).last_hidden_state[:, -1]
        expected = unpatchify(model.patch_head.logits(states).sigmoid()[:, None], (8, 8), 1)
        torch.testing.assert_close(out[..., 24:].double(), expected, atol=1e-6, rtol=0)

    def test_options_in_a_generation_configuration(self) -> None:
        model = build()
        model.generation_config.stop_at_eos = False
        model.generation_config.pixel_threshold = 1 - 1e-9
        out = model.generate(strips(1, 2), max_new_patches=3)
        assert out.shape[-1] == 40 and float(out[..., 16:].sum()) == 0

    def test_temperature_sharpens(self) -> None:
        model = build()
        cold = model.generate(strips(1, 3), do_sample=True, temperature=1e-4, max_new_patches=3)
        assert torch.equal(cold, model.generate(strips(1, 3), max_new_patches=3))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"pixel_sampler": "dither"}, "pixel_sampler='dither'"),
            ({"pixel_sampler": "clamp"}, "pixel_sampler='clamp'"),
            ({"pixel_threshold": 1.5}, "pixel_threshold=1.5"),
            ({"top_p": 0.9, "do_sample": True}, "top_p=0.9"),
        ],
    )
    def test_bad_options(self, options: dict, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            build().generate(strips(1, 2), max_new_patches=2, **options)
