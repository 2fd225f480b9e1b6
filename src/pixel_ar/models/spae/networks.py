# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Encoders and decoders between pixels `[B, C, Y, X]` and latents `[B, c, H, W]`.

A dense layer over all places stands beside the convolutions: the first token of a pyramid has to tell of, and to draw,
the whole picture.
"""

import math

import torch
from torch import nn

from .configuration_spae import SpaeConfig

GROUPS = 8


class ResidualBlock(nn.Module):
    """Two convolutions over a place and its neighbours, added to what came in.

    Args:
        channels: in and out.
        kernel: (rows, columns), odd.
    """

    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.norm_in = norm(channels)
        self.conv_in = nn.Conv2d(channels, channels, kernel, padding=padding)
        self.norm_out = norm(channels)
        self.conv_out = nn.Conv2d(channels, channels, kernel, padding=padding)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[B, channels, H, W]` to the same shape."""
        hidden = self.conv_in(nn.functional.silu(self.norm_in(states)))
        return states + self.conv_out(nn.functional.silu(self.norm_out(hidden)))


class Mixing(nn.Module):
    """A dense layer on the flattened latent, added to what came in.

    Args:
        channels: in and out.
        width: channels of the flattened latent.
        places: H * W.
    """

    def __init__(self, channels: int, width: int, places: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.narrow = nn.Conv2d(channels, width, 1)
        self.dense = nn.Linear(width * places, width * places)
        self.widen = nn.Conv2d(width, channels, 1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[B, channels, H, W]` to the same shape."""
        narrow = self.narrow(self.norm(states))
        mixed = self.dense(nn.functional.silu(narrow.flatten(1))).view_as(narrow)
        return states + self.widen(nn.functional.silu(mixed))


class SpaeEncoder(nn.Sequential):
    """Pixels in [-1, 1] to a latent of `codebook_dim` channels on the grid."""

    def __init__(self, config: SpaeConfig) -> None:
        layers: list[nn.Module] = []
        channels = config.num_channels
        steps, widths = stages(config)
        for index, (step, width) in enumerate(zip(steps, widths, strict=True)):
            if index:
                layers += [norm(channels), nn.SiLU()]
            layers.append(down(channels, width, step, config.architecture))
            channels = width
        layers += [*blocks(config, channels), *mixing(config, channels)]
        layers += [norm(channels), nn.SiLU(), nn.Conv2d(channels, config.codebook_dim, 1)]
        super().__init__(*layers)


class SpaeDecoder(nn.Sequential):
    """A latent on the grid to pixels in [-1, 1] (not clamped)."""

    def __init__(self, config: SpaeConfig) -> None:
        steps, widths = stages(config)
        channels = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(config.codebook_dim, channels, 1)]
        layers += [*mixing(config, channels), *blocks(config, channels)]
        for index in reversed(range(len(steps))):
            is_last = index == 0
            out = config.num_channels if is_last else widths[index - 1]
            layers += [norm(channels), nn.SiLU(), up(channels, out, steps[index], config.architecture)]
            channels = out
        super().__init__(*layers)


def stages(config: SpaeConfig) -> tuple[list[tuple[int, int]], list[int]]:
    """Strides and channels of the stages, from pixels inwards."""
    if config.architecture == "patches":
        return [config.place_size], [config.hidden_sizes[-1]]
    height, width = config.place_size
    steps = []
    while max(height, width) > 1:
        steps.append((2 if height > 1 else 1, 2 if width > 1 else 1))
        height, width = max(1, height // 2), max(1, width // 2)
    steps = steps or [(1, 1)]
    sizes = list(config.hidden_sizes)
    return steps, (sizes + sizes[-1:] * len(steps))[: len(steps)]


def down(inside: int, outside: int, step: tuple[int, int], architecture: str) -> nn.Module:
    """A convolution from pixels towards places."""
    if architecture == "patches":
        return nn.Conv2d(inside, outside, step, stride=step)
    kernel, padding = _overlapping(step)
    return nn.Conv2d(inside, outside, kernel, stride=step, padding=padding)


def up(inside: int, outside: int, step: tuple[int, int], architecture: str) -> nn.Module:
    """The transposed convolution from places towards pixels."""
    if architecture == "patches":
        return nn.ConvTranspose2d(inside, outside, step, stride=step)
    kernel, padding = _overlapping(step)
    return nn.ConvTranspose2d(inside, outside, kernel, stride=step, padding=padding)


def _overlapping(step: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Kernel and padding of a stage: 4 pixels at stride 2, 3 at stride 1, so that sizes divide exactly."""
    return (4 if step[0] == 2 else 3, 4 if step[1] == 2 else 3), (1, 1)


def blocks(config: SpaeConfig, channels: int) -> list[nn.Module]:
    """The residual blocks on the grid of places, where they are cheap; along a strip they look sideways alone."""
    is_strip = config.architecture == "patches" and config.grid[0] == 1
    return [ResidualBlock(channels, (1 if is_strip else 3, 3)) for _ in range(config.num_residual_blocks)]


def mixing(config: SpaeConfig, channels: int) -> list[nn.Module]:
    """The dense layer, if there is one."""
    places = config.grid[0] * config.grid[1]
    return [Mixing(channels, config.mixing_channels, places)] if config.mixing_channels else []


def norm(channels: int) -> nn.GroupNorm:
    """Groups of channels, as many as divide them, up to eight."""
    return nn.GroupNorm(math.gcd(GROUPS, channels), channels)


__all__ = ["Mixing", "ResidualBlock", "SpaeDecoder", "SpaeEncoder"]
