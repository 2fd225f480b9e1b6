# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The patch heads of the published systems: one linear layer that predicts all values of a patch at once.

`bernoulli` is PIXAR's stage 1 (arXiv 2401.03321, section 3.2), `regression` PIXAR's RGB variant and PixelGPT (arXiv
2404.10710, section 2.2). Both treat the values of a patch as independent of each other given the past.

Shapes: N patches, D hidden size, P values per patch, flattened as (row, column, channel).
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..configuration_pixel_ar import PixelARConfig
from .base import Generators, PatchHead, PatchSample, Warp, draw_rows

# Mean and spread of a text patch of which a fifth is ink. A normalised patch is shown with them, its own being lost.
TYPICAL_MEAN, TYPICAL_STD = 0.8, 0.4
NORM_PIX_EPSILON = 1e-6


class LinearPatchHead(PatchHead):
    """What both heads share: the projection, and the drawing of all values at once."""

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.projection = nn.Linear(config.hidden_size, config.patch_length, bias=False)

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Raw outputs for the next patch: `[..., D]` to `[..., P]`."""
        return self.projection(hidden_states)

    def to_pixels(
        self, logits: torch.Tensor, sampler: str | None = None, threshold: float = 0.5
    ) -> torch.Tensor:
        """Pixel values of the given raw outputs, of the same shape, without a draw."""
        raise NotImplementedError(f"{type(self).__name__} must define to_pixels")  # abstract

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
    ) -> PatchSample:
        """See [`PatchHead.sample`]. There is one decision, of all P values: `warp` sees nothing written before it.

        Where the EOS patch may not be, the likeliest background value of one that was drawn becomes background.
        """
        logits = self.logits(hidden_states).float()
        scores = logits if warp is None else warp(logits.new_zeros(len(logits), 0, dtype=torch.int64), logits)
        patches = self._draw(scores, do_sample, generator, sampler, threshold)
        if no_eos is not None:
            is_eos = no_eos & self.is_eos(patches)
            likeliest = (
                torch.zeros_like(is_eos)[:, None]
                .expand(patches.shape)
                .scatter(1, scores.argmax(-1, keepdim=True), True)
            )
            patches = patches.masked_fill(is_eos[:, None] & likeliest, 1.0)
        if prefix is not None and prefix_columns is not None:
            patches = torch.where(self.is_within(prefix_columns), prefix.to(patches), patches)
        return PatchSample(patches, logits, scores)

    def _draw(
        self,
        scores: torch.Tensor,
        do_sample: bool,
        generator: Generators | None,
        sampler: str | None,
        threshold: float,
    ) -> torch.Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _draw")  # abstract

    def _check_sampler(self, sampler: str | None) -> None:
        if sampler is not None and sampler not in self.samplers:
            raise ValueError(
                f"pixel_sampler={sampler!r} does not fit {type(self).__name__}; choose one of {self.samplers}."
            )


class BernoulliPatchHead(LinearPatchHead):
    """One probability of background per pixel value, all independent (PIXAR, section 3.2)."""

    samplers = ("threshold", "bernoulli", "gray")

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy, mean over the P values of each patch: `[N]`, nats per pixel value."""
        logits = self.logits(hidden_states).float()
        return F.binary_cross_entropy_with_logits(logits, patches.to(logits), reduction="none").mean(-1)

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See [`PatchHead.log_prob`]; values below 0.5 are ink."""
        logits = self.logits(hidden_states).float()
        targets = (patches >= 0.5).to(logits)
        nats = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if num_columns is not None:
            nats = nats * self.is_within(num_columns)
        return -nats.sum(-1)

    def to_pixels(
        self, logits: torch.Tensor, sampler: str | None = None, threshold: float = 0.5
    ) -> torch.Tensor:
        """Pixels without a draw: `"threshold"` (default), 1 where the probability of background exceeds `threshold`;
        `"gray"`, the probabilities themselves.

        Raises:
            ValueError: for another sampler.
        """
        self._check_sampler(sampler)
        if sampler == "bernoulli":
            raise ValueError('pixel_sampler="bernoulli" draws; use sample.')
        probabilities = logits.sigmoid()
        return probabilities if sampler == "gray" else (probabilities > threshold).to(logits)

    def _draw(
        self,
        scores: torch.Tensor,
        do_sample: bool,
        generator: Generators | None,
        sampler: str | None,
        threshold: float,
    ) -> torch.Tensor:
        self._check_sampler(sampler)
        if sampler != "bernoulli" and not (sampler is None and do_sample):
            return self.to_pixels(scores, sampler, threshold)
        return (draw_rows(torch.rand, tuple(scores.shape), scores.device, generator) < scores.sigmoid()).to(
            scores
        )


class RegressionPatchHead(LinearPatchHead):
    """One value per pixel value, trained by the squared error; without probabilities it neither draws nor scores."""

    samplers = ("clamp", "round", "raw")
    has_likelihood = False
    can_sample = False

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.norm_pix_loss = config.norm_pix_loss
        self.output_range = config.regression_output_range

    def targets(self, patches: torch.Tensor) -> torch.Tensor:
        """What the outputs are fitted to: the values themselves, or normalised per patch. `[..., P]`."""
        if not self.norm_pix_loss:
            return patches
        mean = patches.mean(-1, keepdim=True)
        return (patches - mean) / (patches.var(-1, keepdim=True) + NORM_PIX_EPSILON) ** 0.5

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Squared error, mean over the P values of each patch: `[N]`."""
        logits = self.logits(hidden_states).float()
        return (logits - self.targets(patches.to(logits))).square().mean(-1)

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Not defined.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "patch_head='regression' has no likelihood; log_likelihood needs 'autoregressive' or 'bernoulli'."
        )

    def to_pixels(
        self, logits: torch.Tensor, sampler: str | None = None, threshold: float = 0.5
    ) -> torch.Tensor:
        """Pixels of raw outputs: `"clamp"` (default) to [0, 1]; `"round"` to 0 or 1 at `threshold`; `"raw"`, unchanged.

        A normalised patch (`norm_pix_loss`) has lost its mean and contrast; it is shown with those of an average text
        patch.

        Raises:
            ValueError: for another sampler.
        """
        self._check_sampler(sampler)
        pixels = (logits + 1) / 2 if self.output_range == "signed" else logits
        if self.norm_pix_loss:
            pixels = logits * TYPICAL_STD + TYPICAL_MEAN
        if sampler == "raw":
            return pixels
        return (pixels > threshold).to(pixels) if sampler == "round" else pixels.clamp(0, 1)

    def _draw(
        self,
        scores: torch.Tensor,
        do_sample: bool,
        generator: Generators | None,
        sampler: str | None,
        threshold: float,
    ) -> torch.Tensor:
        if do_sample:
            raise ValueError(
                "patch_head='regression' has no distribution to sample from; generate with do_sample=False."
            )
        return self.to_pixels(scores, sampler, threshold)


__all__ = ["BernoulliPatchHead", "LinearPatchHead", "RegressionPatchHead"]
