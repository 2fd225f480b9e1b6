# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The parts of generation that deal with patches: drawing them, stopping at the EOS patch, joining them to strips.

Shapes: B rows, C channels, H strip height, W strip width, w patch width, T patches, P values per patch, D hidden size.
"""

from typing import Any, cast

import torch

from ..heads.base import PatchHead, PatchSample
from ..patching import unpatchify
from .compiled import Drawing, chain, lasting_warp
from .prompts import PixelPrompt
from .request import PixelRequest

# Every how many patches an accelerator is asked whether all rows have stopped. To ask is to wait for its whole queue,
# and not to ask that a few patches may be drawn that nobody gets.
LOOK_EVERY = 8


class PatchWriter:
    """Rows being written: draws patches, knows which rows have stopped, puts the strips together.

    Args:
        head: the patch head.
        request: the parsed call.
        prompt: what is continued.
        most: new patches of a row at most.
        least: new patches of a row before its EOS patch.
        is_compiled: whether the decoder's step is, so that the head may draw in it.
    """

    def __init__(
        self,
        head: PatchHead,
        request: PixelRequest,
        prompt: PixelPrompt,
        most: int,
        least: int,
        is_compiled: bool = False,
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
        self.warp = chain(request.processors)
        self.joins_step, self.lasting_warp = False, None
        if is_compiled and head.draws_without_looking:
            self.lasting_warp, self.joins_step = lasting_warp(request.processors)
        self.joined: Drawing | None = None
        # Rows of a batch may differ by one: completing the prompt's last patch does not count as a new one.
        self.completes = (prompt.prefix_columns > 0).to(torch.int64)
        self.is_finished = torch.zeros_like(self.completes, dtype=torch.bool)
        self.num_drawn = torch.zeros_like(prompt.num_patches)
        self.positions = prompt.attention_mask
        # After so many all rows have all their patches, whatever they drew.
        self.num_steps = most + (prompt.prefix is not None)
        self.look_every = _look_every(request, self.completes.device)

    def drawing(self) -> Drawing | None:
        """How the step that is compiled draws the next patch; `None` where it shall not, as the first of a prompt."""
        self.joined = None
        device = next(self.head.parameters()).device
        if self.joins_step and self.patches and device == self.completes.device and not self._options(device):
            do_sample = bool(self.request.config.do_sample)
            inputs = self.head.draw_inputs(len(self.completes), device, do_sample, self.request.generator)
            self.joined = self.head, self.lasting_warp, inputs
        return self.joined

    def draw(self, hidden_states: torch.Tensor, drawn: PatchSample | None = None) -> torch.Tensor:
        """The next patch of every row, `[B, P]`.

        Args:
            hidden_states: `[B, D]`, of the patches before.
            drawn: what the step drew as [`drawing`] said.
        """
        sample = self.propose(hidden_states) if drawn is None else self._finish(hidden_states, drawn)
        if self.request.config.output_scores:
            self.scores.append(sample.scores)
        if self.request.config.output_logits:
            self.logits.append(sample.logits)
        return self.add(sample.patches)

    def propose(self, hidden_states: torch.Tensor) -> PatchSample:
        """What [`draw`] would draw, with what the prompt has begun of it."""
        prefix = None if self.patches else self.prompt.prefix
        device = next(self.head.parameters()).device  # may differ from the decoder's in a split model
        if device.type == "meta":
            device = hidden_states.device  # offloaded weights, which arrive as each module is called
        config = self.request.config
        options = self._options(device)
        sample = self.head.sample(
            hidden_states.to(device),
            do_sample=bool(config.do_sample),
            warp=self.warp,
            generator=self.request.generator,
            prefix=None if prefix is None else prefix.to(device),
            prefix_columns=None if prefix is None else self.prompt.prefix_columns.to(device),
            **options,
        )
        patches = sample.patches.to(self.is_finished.device, torch.float32)
        if prefix is not None:
            patches = prefix.where(self._is_prefix(), patches)
        self.last_logits = sample.logits
        return PatchSample(patches, sample.logits, sample.scores)

    def add(self, patches: torch.Tensor) -> torch.Tensor:
        """Puts a patch `[B, P]` behind every row that has not stopped, white behind the others; as it was put."""
        patches = patches.masked_fill(self.is_finished[:, None], 1.0)
        self.num_drawn += ~self.is_finished
        self.patches.append(patches)
        return patches

    def _finish(self, hidden_states: torch.Tensor, drawn: PatchSample) -> PatchSample:
        """What the step drew, with what it could not draw without looking."""
        head, _, inputs = cast(Drawing, self.joined)
        sample = head.finish_draw(hidden_states, drawn, inputs, self.warp, self.request.generator)
        config = self.request.config
        # The next run of a CUDA graph overwrites what the last one returned.
        logits = sample.logits.clone() if config.output_logits else sample.logits
        scores = sample.scores.clone() if config.output_scores else sample.scores
        self.last_logits = logits
        return PatchSample(sample.patches.to(torch.float32), logits, scores)

    def stop(self) -> bool:
        """Notes which rows have stopped with the patch just drawn; whether all have, as far as one has looked."""
        patches = self.patches[-1]
        stopped = self.num_drawn - self.completes >= self.most
        if self.request.stop_at_eos:
            stopped = stopped | self.head.is_eos(patches)
        if self.request.criteria:
            self.positions = torch.cat([self.positions, self.positions.new_ones(len(patches), 1)], dim=1)
            stopped = stopped | self.request.criteria(self.positions, self.last_strip()).to(stopped.device)
        self.is_finished = self.is_finished | stopped
        if len(self.patches) >= self.num_steps:
            return True
        if not (self.request.stop_at_eos or self.request.criteria) or len(self.patches) % self.look_every:
            return False
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


def _look_every(request: PixelRequest, device: torch.device) -> int:
    """1 where looking costs nothing, or a patch too many would be seen: streamed, counted or in what is returned."""
    is_seen = request.streamer is not None or request.criteria or request.config.return_dict_in_generate
    return 1 if device.type == "cpu" or is_seen else LOOK_EVERY


__all__ = ["PatchWriter"]
