# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Tiny models, strips and recorders for the tests of generation."""

from collections.abc import Callable
from typing import Any

import torch
from tools.tiny import TINY
from transformers.generation.streamers import BaseStreamer

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.generation.generation_pixel_ar import PixelGenerateOutput
from pixel_ar.models.pixel_ar.heads.base import PatchSample

SIZES = [(8, 8), (8, 20), (16, 16)]


def build_model(patch_size: tuple[int, int] = (8, 8), seed: int = 0, **options: Any) -> PixelARForCausalLM:
    """A tiny model whose weights are large enough for its patches to depend on what came before.

    In float64, because these tests compare thousands of decisions made by different kernels: in float32, one in
    some ten thousand is a tie within rounding. `test_float32` looks at float32 with the distance to the next tie.
    """
    torch.manual_seed(seed)
    config = PixelARConfig(patch_size=patch_size, initializer_range=0.3, **TINY, **options)
    return PixelARForCausalLM(config).eval().to(torch.float64)


def random_strips(
    rows: int, patches: int, patch_size: tuple[int, int] = (8, 8), seed: int = 1
) -> torch.Tensor:
    """`[rows, 1, H, patches * width]` of random 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, 1, patch_size[0], patches * patch_size[1])
    return torch.randint(0, 2, shape, generator=generator).float()


def pad(
    rows: list[torch.Tensor], side: str, width: int = 8, extra: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Joins strips `[1, 1, H, W]` of different lengths; returns strips and mask."""
    longest = max(row.shape[-1] for row in rows) // width + extra
    strips = torch.ones(len(rows), 1, rows[0].shape[2], longest * width)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for index, row in enumerate(rows):
        count = row.shape[-1] // width
        start = {"left": longest - count, "right": 0, "middle": (longest - count) // 2}[side]
        strips[index, ..., start * width : (start + count) * width] = row[0]
        mask[index, start : start + count] = 1
    return strips, mask


def force_eos(model: PixelARForCausalLM, steps: list[int | None]) -> None:
    """Makes row `i` draw an EOS patch as its patch number `steps[i]` (0 = the first drawn)."""
    sample, count = model.patch_head.sample, [0]

    def forced(hidden_states: torch.Tensor, **kwargs: Any) -> PatchSample:
        result = sample(hidden_states, **kwargs)
        for row, step in enumerate(steps):
            if step == count[0]:
                result.patches[row] = 0
        count[0] += 1
        return result

    model.patch_head.sample = forced


def always_eos(patch_size: tuple[int, int] = (8, 8)) -> PixelARForCausalLM:
    """A model that draws EOS patches whenever it may."""
    model = build_model(patch_size)
    with torch.no_grad():
        model.patch_head.group_decoder.output.bias[:, 255] = 100.0
    return model


def is_eos(patch: torch.Tensor) -> bool:
    return bool((patch == 0).all())


class Recorder(BaseStreamer):
    """Keeps what a streamer is given."""

    def __init__(self) -> None:
        self.patches: list[torch.Tensor] = []
        self.ends = 0

    def put(self, value: torch.Tensor) -> None:
        self.patches.append(value)

    def end(self) -> None:
        self.ends += 1


def continue_from(model: PixelARForCausalLM, out: PixelGenerateOutput, **options: Any) -> torch.Tensor:
    """Continues a returned output with its cache."""
    return model.generate(
        pixel_values=out.pixel_values,
        attention_mask=out.attention_mask,
        past_key_values=out.past_key_values,
        **options,
    )


def counted(model: PixelARForCausalLM) -> tuple[list[int], Callable[[], None]]:
    """Counts how many positions each forward pass of the decoder reads."""
    reads: list[int] = []
    handle = model.model.layers[0].register_forward_hook(
        lambda module, args, output: reads.append(args[0].shape[1])
    )
    return reads, handle.remove
