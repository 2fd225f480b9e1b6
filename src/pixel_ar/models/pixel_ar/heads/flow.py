# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A patch head for gray and coloured strips: patches are drawn from noise by a flow conditioned on the context.

Flow matching (arXiv 2210.02747) along straight lines, `z_t = t x + (1 - t) e` from noise e at t = 0 to the patch x at
t = 1. The network predicts x and is trained on the velocity that follows from it (JiT, arXiv 2511.13720): patches lie
on a thin set, noise does not. A small MLP on top of every hidden state draws the patch (MAR, arXiv 2406.11838), so the
decoder runs once per patch however many steps the flow takes. Part of the training goes without context, which gives
classifier-free guidance (arXiv 2207.12598) at the cost of head evaluations alone.

Shapes: N patches, D hidden size, P values per patch, flattened as (row, column, channel), K draws, W network width.
"""

from typing import Any

import torch

from ..configuration_pixel_ar import PixelARConfig
from .base import Generators, PatchHead, PatchSample, Warp, draw_rows
from .flow_network import FlowNetwork

# The velocity (x - z_t) / (1 - t) grows without bound towards the patch; the loss divides by no less (JiT).
LEAST_REMAINDER = 0.05
# Seed of the noise in which held-out patches are scored, the same in every evaluation.
EVALUATION_SEED = 0
# Guidance and noise beyond this are a mistake, and integers that no float holds.
MOST_SCALE = 2.0**31


class FlowPatchHead(PatchHead):
    """Flow matching with a guidance scale, in as many steps as asked for. It has no likelihood.

    `config.flow_guided` makes the guidance scale an input; [`pixel_ar.training.FlowDistillationTrainer`] makes such
    heads, and heads that need few steps.
    """

    samplers = ("clamp", "round", "raw")
    generation_options = ("pixel_steps", "guidance_scale")
    has_likelihood = False
    draws_from_noise = True

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.config = config
        self.network = FlowNetwork(config)

    # Units

    def standardise(self, patches: torch.Tensor) -> torch.Tensor:
        """Pixel values in [0, 1] to what the network reads, float32, of the same shape."""
        return (patches.float() - self.config.flow_pixel_mean) / self.config.flow_pixel_std

    def to_values(self, states: torch.Tensor) -> torch.Tensor:
        """The inverse of [`standardise`]."""
        return states * self.config.flow_pixel_std + self.config.flow_pixel_mean

    # Prediction

    def predict(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        contexts: torch.Tensor,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The patch that is expected behind a noisy one.

        Args:
            noisy: `[N, P]`, standardised.
            times: `[N]` or `[1]`, below 1.
            contexts: `[N, W]`, see [`FlowNetwork.contexts`].
            scales: `[N]` or `[1]`, of a head with `flow_guided`; `None` for 1.

        Returns:
            `[N, P]` float32, standardised.
        """
        if scales is None:
            scales = torch.ones_like(times)
        found = self.network(noisy, times, contexts, scales)
        if self.config.flow_prediction == "x":
            return found
        return noisy + (1 - times[:, None]) * found

    def guide(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        contexts: torch.Tensor,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[`predict`] with guidance: `x_u + scale (x_c - x_u)`, x_u being predicted without a context.

        A head with `flow_guided` gives it in one evaluation; so does any other without scales.
        """
        if scales is None or self.config.flow_guided:
            return self.predict(noisy, times, contexts, scales)
        both = torch.cat([contexts, self.network.null_context().expand_as(contexts)])
        twice = times if len(times) == 1 else times.repeat(2)
        informed, blind = self.predict(noisy.repeat(2, 1), twice, both).chunk(2)
        return blind + scales[:, None] * (informed - blind)

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The mean of the next patch, which is what one step from no noise at all gives: `[..., D]` to `[..., P]`."""
        flat = hidden_states.reshape(-1, hidden_states.shape[-1])
        start = torch.zeros(len(flat), self.config.patch_length, device=flat.device)
        times = torch.zeros(1, device=flat.device)
        values = self.to_values(self.predict(start, times, self.network.contexts(flat)))
        return values.to(hidden_states.dtype).view(*hidden_states.shape[:-1], -1)

    # Training

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Squared error of the velocity in standardised units, mean over the values and draws of each patch: `[N]`.

        Times and noise are drawn anew in training; in evaluation they are the same every time.
        """
        generator = None
        if not self.training:
            generator = torch.Generator(hidden_states.device).manual_seed(EVALUATION_SEED)
        draws = self.config.flow_draws
        clean = self.standardise(patches).repeat_interleave(draws, dim=0)  # [N * K, P]
        times = self.draw_times(len(clean), clean.device, generator)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        noisy = times[:, None] * clean + (1 - times[:, None]) * noise
        contexts = self._train_contexts(hidden_states, draws)
        velocity = (self.predict(noisy, times, contexts) - noisy) / (1 - times[:, None]).clamp(
            min=LEAST_REMAINDER
        )
        if self.config.flow_prediction == "v":
            # The same without dividing what was multiplied.
            velocity = self.network(noisy, times, contexts, torch.ones_like(times))
        return (velocity - (clean - noise)).square().mean(-1).view(-1, draws).mean(-1)

    def draw_times(
        self, count: int, device: torch.device, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Times of training, `[count]`, logit-normal (Stable Diffusion 3, arXiv 2403.03206, section 3.1)."""
        normal = torch.randn(count, generator=generator, device=device)
        return (normal * self.config.flow_time_std + self.config.flow_time_mean).sigmoid()

    def _train_contexts(self, hidden_states: torch.Tensor, draws: int) -> torch.Tensor:
        """Contexts of K draws of each patch, `[N * K, W]`; of some the null context."""
        contexts = self.network.contexts(hidden_states).repeat_interleave(draws, dim=0)
        share = self.config.flow_condition_dropout
        if not self.training or not share:
            return contexts
        is_dropped = torch.rand(len(contexts), 1, device=contexts.device) < share
        return torch.where(is_dropped, self.network.null_context(), contexts)

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Not defined.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "patch_head='flow' has no likelihood; log_likelihood needs 'autoregressive', 'dictionary' or 'bernoulli'."
        )

    # Drawing

    def read_options(self, config: Any) -> dict[str, Any]:
        """`pixel_steps`, `guidance_scale` and `temperature` of a generation configuration, for [`sample`].

        Raises:
            ValueError: for a value out of its range.
        """
        steps = getattr(config, "pixel_steps", None)
        scale, temperature = config.guidance_scale, config.temperature
        options = {
            "pixel_steps": self.config.flow_steps if steps is None else steps,
            "guidance_scale": 1.0 if scale is None else scale,
            "temperature": 1.0 if temperature is None else temperature,
        }
        self._check_options(**options)
        return options

    def sample(
        self,
        hidden_states: torch.Tensor,
        do_sample: bool = False,
        warp: Warp | None = None,
        generator: Generators | None = None,
        prefix: torch.Tensor | None = None,
        prefix_columns: torch.Tensor | None = None,
        sampler: str | None = None,
        threshold: float = 0.5,
        no_eos: torch.Tensor | None = None,
        pixel_steps: int | None = None,
        guidance_scale: float = 1.0,
        temperature: float = 1.0,
    ) -> PatchSample:
        """Draws one patch per row by Euler steps from noise at equal distances of time.

        See [`PatchHead.sample`]. `do_sample=False` starts from no noise, which gives a typical patch. Columns that are
        written already are put, with the noise of their time, in place of what was drawn at every step, so the others
        go on from them. Where the EOS patch may not be, the lightest value of one that was drawn becomes background.

        Args:
            pixel_steps: evaluations of the network per patch, two each with guidance unless `flow_guided`; `None` for
                `config.flow_steps`.
            guidance_scale: how much the context counts (arXiv 2207.12598); 1 for no guidance, the paper's w + 1.
            temperature: standard deviation of the noise with `do_sample`.

        Returns:
            `logits` are the patches expected at the first step and `scores` those drawn, before the sampler.

        Raises:
            ValueError: for an unknown sampler, options out of their range, or a `warp`: there are no logits to change.
        """
        if warp is not None:
            raise ValueError(
                "patch_head='flow' has no logits that a processor could change; use temperature."
            )
        if sampler is not None and sampler not in self.samplers:
            raise ValueError(
                f"pixel_sampler={sampler!r} does not fit {type(self).__name__}; choose one of {self.samplers}."
            )
        steps = self.config.flow_steps if pixel_steps is None else pixel_steps
        self._check_options(steps, guidance_scale, temperature)
        shape, device = (len(hidden_states), self.config.patch_length), hidden_states.device
        noise = torch.zeros(shape, device=device)
        if do_sample and temperature:
            noise = temperature * draw_rows(torch.randn, shape, device, generator)
        known = None
        if prefix is not None and prefix_columns is not None:
            known = (self.is_within(prefix_columns), self.standardise(prefix))
        first, drawn = self._integrate(hidden_states, noise, steps, guidance_scale, known)
        raw = self.to_values(drawn)
        patches = self.to_pixels(raw, sampler, threshold)
        if no_eos is not None:
            patches = _without_eos(patches, raw, no_eos & self.is_eos(patches))
        if known is not None and prefix is not None:
            patches = torch.where(known[0], prefix.to(patches), patches)
        return PatchSample(patches, self.to_values(first), raw)

    def _integrate(
        self,
        hidden_states: torch.Tensor,
        noise: torch.Tensor,
        steps: int,
        scale: float,
        known: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The first prediction and the patches drawn, standardised `[N, P]`, from noise `[N, P]`."""
        contexts = self.network.contexts(hidden_states)
        scales = None if scale == 1 else torch.full((1,), float(scale), device=noise.device)
        states, first = noise, noise
        for step in range(steps):
            times = torch.full((1,), step / steps, device=noise.device)
            if known is not None:
                is_known, clean = known
                states = torch.where(is_known, times * clean + (1 - times) * noise, states)
            clean_states = self.guide(states, times, contexts, scales)
            states = advance(states, clean_states, times, times + 1 / steps, is_last=step == steps - 1)
            first = clean_states if step == 0 else first
        return first, states

    def to_pixels(
        self, values: torch.Tensor, sampler: str | None = None, threshold: float = 0.5
    ) -> torch.Tensor:
        """Pixels of drawn values: `"clamp"` (default) to [0, 1]; `"round"` to 0 or 1 at `threshold`; `"raw"`."""
        if sampler == "raw":
            return values
        return (values > threshold).to(values) if sampler == "round" else values.clamp(0, 1)

    def _check_options(self, pixel_steps: Any, guidance_scale: Any, temperature: Any) -> None:
        if type(pixel_steps) is not int or pixel_steps < 1:
            raise ValueError(f"pixel_steps must be a positive integer, got {pixel_steps!r}.")
        for name, value in (("guidance_scale", guidance_scale), ("temperature", temperature)):
            # Written so that NaN fails, and integers beyond every float.
            if not isinstance(value, int | float) or not 0 <= value < MOST_SCALE:
                raise ValueError(f"{name} must be a finite number that is not negative, got {value!r:.60}.")
        low, high = self.config.flow_scale_range
        # 1 is what an option that nobody has set means.
        if self.config.flow_guided and guidance_scale != 1 and not low <= guidance_scale <= high:
            raise ValueError(
                f"guidance_scale={guidance_scale}: this head was distilled for scales from {low} to {high} "
                "(config.flow_scale_range)."
            )


def advance(
    states: torch.Tensor,
    clean: torch.Tensor,
    times: torch.Tensor,
    later: torch.Tensor,
    is_last: bool = False,
) -> torch.Tensor:
    """One Euler step: noisy patches `[N, P]` whose clean ones are predicted, from their times to later ones `[N]`."""
    if is_last:
        return clean
    kept = ((1 - later) / (1 - times))[:, None]
    return kept * states + (1 - kept) * clean


def _without_eos(patches: torch.Tensor, values: torch.Tensor, is_banned: torch.Tensor) -> torch.Tensor:
    """Patches `[N, P]` with the lightest value at 1 in the rows `[N]` that are an EOS patch and may not be."""
    lightest = torch.zeros_like(patches, dtype=torch.bool).scatter(1, values.argmax(-1, keepdim=True), True)
    return patches.masked_fill(is_banned[:, None] & lightest, 1.0)


__all__ = ["FlowPatchHead", "advance"]
