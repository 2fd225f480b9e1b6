# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The parts of generation that deal with patches: drawing them, stopping at the EOS patch, joining them to strips.

Shapes: B rows, C channels, H strip height, W strip width, w patch width, T patches, P values per patch, D hidden size.
"""

from typing import Any

import torch
from transformers import LogitsProcessorList

from ..heads.base import PatchHead, Warp
from ..patching import unpatchify
from .prompts import PixelPrompt
from .request import PixelRequest


class PatchWriter:
    """Rows being written: draws patches, knows which rows have stopped, puts the strips together.

    Args:
        head: the patch head.
        request: the parsed call.
        prompt: what is continued.
        most: new patches of a row at most.
        least: new patches of a row before its EOS patch.
    """

    def __init__(
        self, head: PatchHead, request: PixelRequest, prompt: PixelPrompt, most: int, least: int
    ) -> None:
        self.head = head
        self.request = request
        self.prompt = prompt
        self.most, self.least = most, least
        self.num_channels = prompt.patches.shape[-1] // (head.patch_size[0] * head.patch_size[1])
        self.patches: list[torch.Tensor] = []
        self.scores: list[torch.Tensor] = []
        self.logits: list[torch.Tensor] = []
        self.last_logits = torch.zeros(0)
        self.warp = _chain(request.processors)
        # Rows of a batch may differ by one: completing the prompt's last patch does not count as a new one.
        self.completes = (prompt.prefix_columns > 0).to(torch.int64)
        self.is_finished = torch.zeros_like(self.completes, dtype=torch.bool)
        self.num_drawn = torch.zeros_like(prompt.num_patches)
        self.positions = prompt.attention_mask

    def draw(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The next patch of every row, `[B, P]`, from the states `[B, D]` of the patches before."""
        prefix = None if self.patches else self.prompt.prefix
        device = next(self.head.parameters()).device  # may differ from the decoder's in a split model
        if device.type == "meta":
            device = hidden_states.device  # offloaded weights, which arrive as each module is called
        config = self.request.config
        sample = self.head.sample(
            hidden_states.to(device),
            do_sample=bool(config.do_sample),
            warp=self.warp,
            generator=self.request.generator,
            prefix=None if prefix is None else prefix.to(device),
            prefix_columns=None if prefix is None else self.prompt.prefix_columns.to(device),
            **self._options(device),
        )
        patches = sample.patches.to(self.is_finished.device, torch.float32)
        if prefix is not None:
            patches = prefix.where(self._is_prefix(), patches)
        patches = patches.masked_fill(self.is_finished[:, None], 1.0)
        self.num_drawn += ~self.is_finished
        self.patches.append(patches)
        self.last_logits = sample.logits
        if config.output_scores:
            self.scores.append(sample.scores)
        if config.output_logits:
            self.logits.append(sample.logits)
        return patches

    def stop(self) -> bool:
        """Notes which rows have stopped with the patch just drawn; whether all have."""
        patches = self.patches[-1]
        stopped = self.num_drawn - self.completes >= self.most
        if self.request.stop_at_eos:
            stopped = stopped | self.head.is_eos(patches)
        if self.request.criteria:
            self.positions = torch.cat([self.positions, self.positions.new_ones(len(patches), 1)], dim=1)
            stopped = stopped | self.request.criteria(self.positions, self.last_strip()).to(stopped.device)
        self.is_finished = self.is_finished | stopped
        return bool(self.is_finished.all())

    def last_strip(self) -> torch.Tensor:
        """The patches just drawn, `[B, C, H, w]`."""
        return unpatchify(self.patches[-1][:, None], self.head.patch_size, self.num_channels)

    def strips(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All strips `[B, C, H, W]` and their mask `[B, T]`: each row's prompt, its patches, then white."""
        before, drawn = self.prompt.patches, torch.stack(self.patches, dim=1)
        white = torch.ones_like(drawn[:, :1])
        starts, ends = self.prompt.num_patches[:, None], (self.prompt.num_patches + self.num_drawn)[:, None]
        position = torch.arange(int(ends.max()), device=ends.device)
        index = torch.where(position < starts, position, before.shape[1] + position - starts)
        index = torch.where(position < ends, index, before.shape[1] + drawn.shape[1])
        source = torch.cat([before, drawn, white], dim=1)
        patches = source.gather(1, index[..., None].expand(*index.shape, source.shape[-1]))
        strips = unpatchify(patches, self.head.patch_size, self.num_channels)
        return strips, (position < ends).to(torch.int64)

    def _options(self, device: torch.device) -> dict[str, Any]:
        """What heads take besides: a ban of the EOS patch, how pixels are drawn, and what is one head's own."""
        options: dict[str, Any] = dict(self.request.head_options)
        if 0 < self.least >= len(self.patches):
            options["no_eos"] = (len(self.patches) - self.completes < self.least).to(device)
        if self.head.samplers:
            options |= {"sampler": self.request.pixel_sampler, "threshold": self.request.pixel_threshold}
        return options

    def _is_prefix(self) -> torch.Tensor:
        """Bool `[B, P]`: values of the patch that the prompt has written."""
        length = self.prompt.patches.shape[-1]
        columns = torch.arange(length, device=self.completes.device) // self.num_channels
        return columns % self.head.patch_size[1] < self.prompt.prefix_columns[:, None]


def _chain(processors: LogitsProcessorList) -> Warp | None:
    """Processors as one function; not the list itself, which inspects every signature at every call."""
    if not processors:
        return None

    def warp(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for processor in processors:
            scores = processor(written, scores)
        return scores

    return warp


__all__ = ["PatchWriter"]
