# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The flow head: distributions it learns, in-painting, guidance, and generation with it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pixel_ar import PATCH_HEADS, PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.heads.flow import FlowPatchHead, advance


def config(**fields: Any) -> PixelARConfig:
    small: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (8, 8),
        "patch_head": "flow",
        "head_hidden_size": 32,
        "head_num_layers": 2,
        "initializer_range": 0.3,
    }
    return PixelARConfig(**{**small, **fields})


def fill(head: torch.nn.Module, seed: int = 0) -> None:
    """Weights where a new head has zeros, so that everything has an effect."""
    torch.manual_seed(seed)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)


def build(seed: int = 0, **fields: Any) -> PixelARForCausalLM:
    torch.manual_seed(seed)
    model = PixelARForCausalLM(config(**fields)).eval()
    fill(model.patch_head)
    return model.to(torch.float64)


def a_head(**fields: Any) -> FlowPatchHead:
    head = FlowPatchHead(config(**fields)).eval()
    fill(head)
    return head


def strips(rows: int, patches: int, channels: int = 1, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, channels, 8, 8 * patches, generator=generator).double()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Gaussian(torch.nn.Module):
    """The network that would be learned from values drawn from N(mean, std), in standardised units."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.variance = mean, std**2
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def contexts(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, *_: Any) -> torch.Tensor:
        time = times[:, None]
        share = time * self.variance / (time**2 * self.variance + (1 - time) ** 2)
        return self.mean + share * (noisy - time * self.mean)


class TestOneGaussian:
    @pytest.mark.parametrize(("mean", "std"), [(0.6, 0.1), (0.85, 0.3), (0.2, 0.06)])
    def test_the_sampler_returns_mean_and_deviation(self, mean: float, std: float) -> None:
        head = a_head(patch_size=(8, 1))
        units = head.config.flow_pixel_mean, head.config.flow_pixel_std
        head.network = Gaussian((mean - units[0]) / units[1], std / units[1])  # type: ignore[assignment]
        drawn = head.sample(
            torch.zeros(20_000, 16), do_sample=True, generator=seeded(), sampler="raw", pixel_steps=128
        ).patches
        assert float(drawn.mean()) == pytest.approx(mean, rel=0.02)
        assert float(drawn.std()) == pytest.approx(std, rel=0.02)

    @pytest.mark.parametrize("prediction", ["x", "v"])
    def test_training_finds_it(self, prediction: str) -> None:
        torch.manual_seed(0)
        fields: dict[str, Any] = {"patch_size": (8, 1), "head_num_layers": 1, "flow_time_std": 1.5}
        head = FlowPatchHead(config(flow_prediction=prediction, flow_condition_dropout=0, **fields))
        optimizer = torch.optim.Adam(head.parameters(), 1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
        for _ in range(250):
            loss = head.loss(torch.zeros(128, 16), 0.6 + 0.15 * torch.randn(128, 8)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        options: dict[str, Any] = {"do_sample": True, "generator": seeded(), "sampler": "raw"}
        drawn = head.eval().sample(torch.zeros(4000, 16), **options).patches.detach()
        assert float(drawn.mean()) == pytest.approx(0.6, rel=0.02)
        # 16 steps of Euler end a little inside of the distribution.
        assert float(drawn.std()) == pytest.approx(0.15, rel=0.2)


class TestHead:
    def test_it_is_registered(self) -> None:
        assert PATCH_HEADS["flow"] is FlowPatchHead

    def test_generators(self) -> None:
        head, hidden = a_head(), torch.randn(3, 16)
        draw = lambda generator: head.sample(hidden, do_sample=True, generator=generator).patches  # noqa: E731
        assert torch.equal(draw(seeded(4)), draw(seeded(4)))
        assert not torch.equal(draw(seeded(4)), draw(seeded(5)))
        with pytest.raises(ValueError, match="2 generators for 3 rows"):
            draw([seeded(1), seeded(2)])

    def test_rows_are_independent_of_their_neighbours(self) -> None:
        head, hidden = a_head(), torch.randn(3, 16)
        options: dict[str, Any] = {"do_sample": True, "sampler": "raw", "guidance_scale": 2.0}
        both = head.sample(hidden, generator=[seeded(n) for n in (5, 6, 7)], **options).patches
        for row, seed in enumerate((5, 6, 7)):
            alone = head.sample(hidden[row : row + 1], generator=[seeded(seed)], **options).patches
            torch.testing.assert_close(alone[0], both[row], atol=1e-5, rtol=1e-5)

    def test_no_noise_is_greedy(self) -> None:
        head, hidden = a_head(), torch.randn(3, 16)
        greedy = head.sample(hidden).patches
        assert torch.equal(greedy, head.sample(hidden, do_sample=True, temperature=0.0).patches)
        torch.testing.assert_close(
            head.sample(hidden, sampler="raw", pixel_steps=1).patches, head.logits(hidden)
        )

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("do_sample", [False, True])
    def test_a_written_prefix_is_exact_and_seen(self, channels: int, do_sample: bool) -> None:
        head = a_head(num_channels=channels)
        hidden, prefix = torch.randn(3, 16), torch.rand(3, 64 * channels)
        columns = torch.tensor([0, 3, 8])
        options: dict[str, Any] = {"do_sample": do_sample, "sampler": "raw", "pixel_steps": 4}
        draw: Callable[..., torch.Tensor] = lambda prefix: (  # noqa: E731
            head.sample(hidden, generator=seeded(), prefix=prefix, prefix_columns=columns, **options).patches
        )
        drawn, free = draw(prefix), head.sample(hidden, generator=seeded(), **options).patches
        shown, given = drawn.view(3, 8, 8, channels), prefix.view(3, 8, 8, channels)
        assert torch.equal(drawn[0], free[0])
        assert torch.equal(shown[1, :, :3], given[1, :, :3]) and torch.equal(drawn[2], prefix[2])
        other = draw(1 - prefix).view(3, 8, 8, channels)
        assert not torch.allclose(other[1, :, 3:], shown[1, :, 3:], atol=1e-4)

    def test_the_noise_of_in_painting(self) -> None:
        """Where the network returns what it sees at the last step, the known columns are on their own line."""
        seen = []

        class Spy(Gaussian):
            def forward(self, noisy: torch.Tensor, times: torch.Tensor, *_: Any) -> torch.Tensor:
                seen.append((float(times), noisy.clone()))
                return torch.zeros_like(noisy)

        head = a_head()
        head.network = Spy(0, 1)  # type: ignore[assignment]
        prefix = torch.rand(1, 64)
        head.sample(
            torch.zeros(1, 16),
            do_sample=True,
            generator=seeded(),
            prefix=prefix,
            prefix_columns=torch.tensor([4]),
            pixel_steps=4,
        )
        noise = torch.randn(1, 64, generator=seeded())
        known = head.is_within(torch.tensor([4]))
        for time, noisy in seen:
            expected = time * head.standardise(prefix) + (1 - time) * noise
            torch.testing.assert_close(noisy[known], expected[known])

    def test_guidance(self) -> None:
        """Scale 0 knows no context, 1 is no guidance, and between and beyond the first prediction is linear."""
        head, hidden = a_head(), torch.randn(3, 16)
        first = {scale: head.sample(hidden, guidance_scale=scale).logits for scale in (0.0, 1.0, 2.0, 3.5)}
        torch.testing.assert_close(first[0.0], first[0.0][:1].expand(3, -1))
        torch.testing.assert_close(first[1.0], head.logits(hidden))
        for scale in (2.0, 3.5):
            expected = first[0.0] + scale * (first[1.0] - first[0.0])
            torch.testing.assert_close(first[scale], expected, atol=1e-4, rtol=1e-4)

    def test_a_guided_head_takes_the_scale_as_an_input(self) -> None:
        head, hidden = a_head(flow_guided=True), torch.randn(3, 16)
        one, two = (head.sample(hidden, guidance_scale=scale).patches for scale in (1.0, 2.0))
        assert not torch.allclose(one, two)
        with pytest.raises(ValueError, match=r"from 1\.0 to 4\.0"):
            head.sample(hidden, guidance_scale=5.0)

    def test_samplers(self) -> None:
        head = a_head()
        values = torch.tensor([[-0.5, 0.4, 0.6, 1.5]])
        assert head.to_pixels(values)[0].tolist() == pytest.approx([0.0, 0.4, 0.6, 1.0])
        assert head.to_pixels(values, "round").tolist() == [[0.0, 0.0, 1.0, 1.0]]
        assert head.to_pixels(values, "round", 0.3).tolist() == [[0.0, 1.0, 1.0, 1.0]]
        assert torch.equal(head.to_pixels(values, "raw"), values)
        with pytest.raises(ValueError, match="choose one of"):
            head.sample(torch.randn(1, 16), sampler="gray")

    def test_no_eos(self) -> None:
        head = a_head()
        head.network = Gaussian(-10, 1e-6)  # type: ignore[assignment]
        drawn = head.sample(torch.zeros(2, 16), no_eos=torch.tensor([True, False])).patches
        assert head.is_eos(drawn).tolist() == [False, True]

    def test_evaluation_repeats_itself_and_training_does_not(self) -> None:
        head, hidden, patches = a_head(), torch.randn(3, 16), torch.rand(3, 64)
        assert torch.equal(head.loss(hidden, patches), head.loss(hidden, patches))
        head.train()
        assert not torch.equal(head.loss(hidden, patches), head.loss(hidden, patches))

    def test_x_and_v_predictions_are_the_same_loss(self) -> None:
        """The velocity that follows from a predicted patch, and that which is predicted, are compared alike."""
        head, hidden, patches = (
            a_head(flow_draws=1, flow_time_mean=-2.0),
            torch.randn(5, 16),
            torch.rand(5, 64),
        )
        times = head.draw_times(5, patches.device, seeded())[:, None]
        noise_generator = seeded()
        head.draw_times(5, patches.device, noise_generator)
        noise, clean = torch.randn(5, 64, generator=noise_generator), head.standardise(patches)
        noisy = times * clean + (1 - times) * noise
        predicted = head.predict(noisy, times[:, 0], head.network.contexts(hidden))
        expected = ((predicted - clean) / (1 - times)).square().mean(-1)
        torch.testing.assert_close(head.loss(hidden, patches), expected, atol=1e-4, rtol=1e-4)

    def test_steps_of_euler(self) -> None:
        states, clean = torch.randn(2, 4), torch.randn(2, 4)
        times, later = torch.tensor([0.25]), torch.tensor([0.5])
        velocity = (clean - states) / 0.75
        torch.testing.assert_close(advance(states, clean, times, later), states + 0.25 * velocity)
        assert torch.equal(advance(states, clean, times, torch.tensor([1.0]), is_last=True), clean)

    def test_it_has_no_likelihood(self) -> None:
        with pytest.raises(ValueError, match="no likelihood"):
            build().log_likelihood(strips(1, 3))

    def test_padding_does_not_change_predictions(self) -> None:
        model, pixels = build(), strips(2, 5)
        mask = torch.tensor([[1] * 5, [1, 1, 1, 0, 0]])
        padded = model(pixels, mask).logits[1, :3]
        torch.testing.assert_close(padded, model(pixels[1:, ..., :24]).logits[0], atol=1e-6, rtol=1e-6)


FIELDS: list[dict[str, Any]] = [
    {},
    {"num_channels": 3},
    {"flow_guided": True, "flow_steps": 2},
    {"flow_prediction": "v"},
]


@pytest.mark.parametrize("fields", FIELDS, ids=["gray", "rgb", "guided", "velocity"])
class TestGeneration:
    def test_caches_change_nothing(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(2, 4, model.config.num_channels)
        results = [
            model.generate(
                prompt,
                max_new_patches=4,
                stop_at_eos=False,
                do_sample=True,
                guidance_scale=2.0,
                generator=[seeded(0), seeded(1)],
                **options,
            )
            for options in ({}, {"use_cache": False}, {"cache_implementation": "static"})
        ]
        for other in results[1:]:
            torch.testing.assert_close(other, results[0], atol=1e-4, rtol=0)

    def test_padded_rows_equal_single_rows(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(2, 4, model.config.num_channels)
        mask = torch.tensor([[1] * 4, [1, 1, 0, 0]])
        options: dict[str, Any] = {"max_new_patches": 3, "stop_at_eos": False, "do_sample": True}
        both = model.generate(prompt, attention_mask=mask, generator=[seeded(0), seeded(1)], **options)
        single = model.generate(prompt[1:, ..., :16], generator=[seeded(1)], **options)
        torch.testing.assert_close(both[1:, ..., :40], single, atol=1e-4, rtol=0)

    def test_half_a_patch_is_kept(self, fields: dict) -> None:
        model = build(**fields)
        prompt = strips(1, 3, model.config.num_channels)
        out = model.generate(prompt, num_columns=torch.tensor([19]), max_new_patches=1, stop_at_eos=False)
        assert torch.equal(out[..., :19].double(), prompt.float().double()[..., :19])
        assert out.shape[-1] == 32

    def test_save_and_load(self, fields: dict, tmp_path: Any) -> None:
        from transformers import AutoModelForCausalLM

        model = build(**fields).float()
        model.save_pretrained(tmp_path)
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
        assert isinstance(loaded.patch_head, FlowPatchHead)
        saved = loaded.state_dict()
        assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
        prompt = strips(2, 3, model.config.num_channels).float()
        options: dict[str, Any] = {"max_new_patches": 3, "stop_at_eos": False, "do_sample": True}
        before, after = (each.generate(prompt, generator=seeded(3), **options) for each in (model, loaded))
        torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_eos_patch_ends_a_text(channels: int) -> None:
    """It is black but for what noise is left in it."""
    model = build(num_channels=channels).float()
    standardised = (0.05 - model.config.flow_pixel_mean) / model.config.flow_pixel_std
    model.patch_head.network = Gaussian(standardised, 0.1)  # type: ignore[assignment]
    options: dict[str, Any] = {"do_sample": True, "max_new_patches": 5, "pixel_sampler": "raw"}
    prompt = strips(2, 2, channels).float()
    stopped = model.generate(prompt, generator=seeded(), **options)
    assert stopped.shape[-1] == 24 and 0 < float(stopped[..., 16:].std()) < 0.1
    assert model.generate(prompt, stop_at_eos=False, generator=seeded(), **options).shape[-1] == 56
    least = model.generate(prompt, min_new_patches=3, generator=seeded(), **options)
    assert least.shape[-1] == 48


def test_overfits_one_strip() -> None:
    torch.manual_seed(0)
    model = PixelARForCausalLM(config(hidden_size=64, intermediate_size=96, head_hidden_size=96))
    strip = strips(1, 6).float()
    labels = torch.zeros(1, 6, dtype=torch.int64)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        loss = model(strip, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    out = model.eval().generate(strip[..., :8], max_new_patches=5, stop_at_eos=False)
    assert float((out - strip).abs().mean()) < 0.05


def test_gradients_reach_every_parameter() -> None:
    model = PixelARForCausalLM(config(flow_guided=True)).train()
    fill(model.patch_head)
    model(strips(4, 6).float(), labels=torch.zeros(4, 6, dtype=torch.int64)).loss.backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not idle


class TestOptions:
    @pytest.mark.parametrize(
        "options",
        [{"top_k": 5}, {"top_k": 50}, {"top_p": 0.9}, {"min_p": 0.1}, {"typical_p": 0.5}],
        ids=lambda options: next(iter(options)),
    )
    def test_what_acts_on_logits_is_refused(self, options: dict) -> None:
        with pytest.raises(ValueError, match="refines noise"):
            build().generate(strips(1, 2), do_sample=True, max_new_patches=2, **options)

    def test_neutral_values_are_not(self) -> None:
        options = {"top_k": 0, "top_p": 1.0, "do_sample": True}
        assert build().generate(strips(1, 2), max_new_patches=2, **options).shape[-1] == 32

    @pytest.mark.parametrize(
        "options",
        [
            {"pixel_steps": 0},
            {"pixel_steps": 2.5},
            {"pixel_steps": True},
            {"guidance_scale": -1.0},
            {"guidance_scale": float("nan")},
            {"temperature": -1.0, "do_sample": True},
        ],
    )
    def test_values_out_of_range(self, options: dict) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            build().generate(strips(1, 2), max_new_patches=2, **options)

    def test_steps_of_a_checkpoint(self) -> None:
        """`flow_steps` is the default, `pixel_steps` of a generation configuration and of a call go before it."""
        model, prompt = build(flow_steps=3), strips(1, 2)
        counts = []
        model.patch_head.network.output.register_forward_hook(lambda *_: counts.append(1))

        def evaluations(**options: Any) -> int:
            counts.clear()
            model.generate(prompt, max_new_patches=1, **options)
            return len(counts)

        assert evaluations() == 3
        model.generation_config.pixel_steps = 5
        assert evaluations() == 5
        assert evaluations(pixel_steps=2, guidance_scale=3.0) == 2

    def test_temperature_is_the_size_of_the_noise(self) -> None:
        model, prompt = build(), strips(1, 2)
        options: dict[str, Any] = {"max_new_patches": 1, "pixel_sampler": "raw", "stop_at_eos": False}
        greedy = model.generate(prompt, **options)
        cold, warm = (
            model.generate(prompt, do_sample=True, temperature=std, generator=seeded(), **options)
            for std in (0.01, 1.0)
        )
        assert float((cold - greedy).abs().max()) < float((warm - greedy).abs().max()) / 10

    def test_other_heads_do_not_take_steps(self) -> None:
        model = PixelARForCausalLM(config(patch_head="regression", head_num_layers=None)).eval()
        with pytest.raises(ValueError, match="pixel_steps=4"):
            model.generate(strips(1, 2).float(), max_new_patches=1, pixel_steps=4)
        with pytest.raises(ValueError, match="guidance_scale"):
            model.generate(strips(1, 2).float(), max_new_patches=1, guidance_scale=2.0)

    def test_raw_output(self) -> None:
        found = build().generate(
            strips(2, 2),
            max_new_patches=2,
            stop_at_eos=False,
            return_dict_in_generate=True,
            output_logits=True,
            output_scores=True,
        )
        assert [tuple(each.shape) for each in (*found.logits, *found.scores)] == [(2, 64)] * 4
        torch.testing.assert_close(found.pixel_values[..., -8:].flatten(1), found.scores[1].clamp(0, 1))


class TestConfiguration:
    def test_defaults(self) -> None:
        flow = PixelARConfig(patch_head="flow")
        assert (flow.head_num_layers, flow.head_hidden_size, flow.flow_steps) == (4, 384, 16)
        assert PixelARConfig().head_num_layers == 0

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"head_num_layers": 0}, "at least one block"),
            ({"flow_draws": 0}, "flow_draws"),
            ({"flow_steps": 0}, "flow_steps"),
            ({"flow_time_std": 0.0}, "flow_time_std"),
            ({"flow_pixel_std": -1.0}, "flow_pixel_std"),
            ({"flow_pixel_mean": float("nan")}, "flow_pixel_mean"),
            ({"flow_condition_dropout": 1.0}, "flow_condition_dropout"),
            ({"flow_scale_range": (4.0, 1.0)}, "flow_scale_range"),
            ({"flow_prediction": "noise"}, "flow_prediction"),
            ({"patch_head": "bernoulli", "flow_guided": True}, "flow_guided"),
        ],
    )
    def test_wrong_values(self, fields: dict, message: str) -> None:
        with pytest.raises(Exception, match=message):
            config(**fields)


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_new_head_predicts_the_mean_patch_and_its_scale_changes_nothing(is_alone: bool) -> None:
    """Alone, as distillation makes it, and in a model, whose layers Transformers gives their first values."""
    wide = config(flow_guided=True, initializer_range=0.5)
    head = FlowPatchHead(wide) if is_alone else PixelARForCausalLM(wide).patch_head
    expected = torch.full((3, 64), wide.flow_pixel_mean)
    torch.testing.assert_close(head.logits(torch.randn(3, 16)), expected)
    embedded = head.network.scale(torch.tensor([0.0, 1.0]), torch.float32)
    assert not embedded.any() and head.network.null_state.std() > 0
