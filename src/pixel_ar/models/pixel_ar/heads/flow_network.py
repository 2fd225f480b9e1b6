# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The network of the flow head: a noisy patch, its time and its context to the patch without noise.

A residual MLP modulated by its condition, as in MAR (arXiv 2406.11838), with one modulation layer that all blocks
share and offsets of their own (PixArt-alpha, arXiv 2310.00426, section 2.3).

Shapes: N patches, D hidden size, P values per patch, W width.
"""

import torch
from torch import nn

from ....transformers_internals import init
from ..configuration_pixel_ar import PixelARConfig

# Sines and cosines of a scalar in [0, 1], from half a radian over its whole range to 200.
NUM_FREQUENCIES = 64
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 0.5, 200.0
NULL_STATE_STD = 0.02


class ScalarEmbedding(nn.Module):
    """A number in [0, 1] as a vector: sines and cosines, then an MLP.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(2 * NUM_FREQUENCIES, width)
        self.contract = nn.Linear(width, width)

    def forward(self, values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Values `[N]`, or `[1]` for all patches, to `[N, W]` of a type."""
        steps = torch.linspace(0, 1, NUM_FREQUENCIES, device=values.device)
        frequencies = LOWEST_FREQUENCY * (HIGHEST_FREQUENCY / LOWEST_FREQUENCY) ** steps
        angles = values.float()[:, None] * frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=-1).to(dtype)
        return self.contract(nn.functional.silu(self.expand(features)))


class FlowBlock(nn.Module):
    """A residual MLP whose scale, shift and gate come from the condition, plus offsets of this block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.expand = nn.Linear(width, width)
        self.contract = nn.Linear(width, width)
        self.offsets = nn.Parameter(torch.zeros(3, width))

    def forward(self, states: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        """States `[N, W]` and modulation `[N, 3 W]` to states `[N, W]`."""
        scale, shift, gate = (modulation.unflatten(-1, (3, -1)) + self.offsets).unbind(-2)
        inner = self.norm(states) * (1 + scale) + shift
        return states + (1 + gate) * self.contract(nn.functional.silu(self.expand(inner)))


class FlowNetwork(nn.Module):
    """Noisy patches to predicted ones, in standardised units.

    Args:
        config: with `head_hidden_size` (W), `head_num_layers`, `flow_guided` and `flow_scale_range`.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        width = int(config.head_hidden_size or config.hidden_size)
        self.scale_range = tuple(config.flow_scale_range)
        self.pixels = nn.Linear(config.patch_length, width)
        self.context = nn.Linear(config.hidden_size, width)
        self.time = ScalarEmbedding(width)
        self.scale = ScalarEmbedding(width) if config.flow_guided else None
        self.modulation = nn.Linear(width, 3 * width)
        self.blocks = nn.ModuleList([FlowBlock(width) for _ in range(config.head_num_layers or 0)])
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, config.patch_length)
        self.null_state = nn.Parameter(torch.empty(config.hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Values of a new network where they are not those of its layers.

        A new head predicts the mean patch whatever it sees, and a scale that nobody has trained changes nothing.
        """
        init.normal_(self.null_state, mean=0.0, std=NULL_STATE_STD)
        for layer in (self.output, None if self.scale is None else self.scale.contract):
            if layer is not None:
                init.zeros_(layer.weight)
                init.zeros_(layer.bias)

    def contexts(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """What the network keeps of its context over all steps: `[N, D]` to `[N, W]`."""
        return self.context(hidden_states)

    def null_context(self) -> torch.Tensor:
        """The same where the context is not told: `[1, W]`."""
        return self.context(self.null_state[None])

    def forward(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        contexts: torch.Tensor,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One evaluation.

        Args:
            noisy: `[N, P]`, standardised.
            times: `[N]` or `[1]`, 0 = noise, 1 = the patch.
            contexts: `[N, W]`, of [`contexts`].
            scales: guidance scales `[N]` or `[1]`, for a network that takes them.

        Returns:
            `[N, P]` float32: patches or velocities, as the head says.
        """
        condition = contexts + self.time(times, contexts.dtype)
        if self.scale is not None and scales is not None:
            low, high = self.scale_range
            condition = condition + self.scale((scales - low) / (high - low), contexts.dtype)
        modulation = self.modulation(nn.functional.silu(condition))
        states = self.pixels(noisy.to(contexts.dtype)) + condition
        for block in self.blocks:
            states = block(states, modulation)
        return self.output(self.norm(states)).float()


__all__ = ["FlowBlock", "FlowNetwork", "ScalarEmbedding"]
