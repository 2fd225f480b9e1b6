# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The parts of generation that deal with patches: drawing them, stopping at the EOS patch, streaming them.

Shapes: B rows, C channels, H strip height, W strip width, w patch width, T patches, P values per patch, D hidden size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from typing import Any

import torch
from transformers.generation import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from ..heads.base import Generators, PatchHead, Warp
from ..patching import unpatchify
from .prompts import PixelPrompt


class EosPatchCriteria(StoppingCriteria):
    """Stops a row at its EOS patch (all ink). Expects the patches just drawn, `[B, C, H, w]`, as `scores`."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Bool `[B]`: rows that have just drawn an EOS patch."""
        return (scores < 0.5).flatten(1).all(dim=1)


class NoEosPatchLogitsProcessor(LogitsProcessor):
    """Makes the EOS patch impossible: forbids the byte that would complete a patch of ink alone.

    Args:
        rows: bool `[B]`, the rows to which this applies.
        num_bytes: bytes of a patch.
    """

    def __init__(self, rows: torch.Tensor, num_bytes: int) -> None:
        self.rows = rows
        self.num_bytes = num_bytes

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores `[B, 256]` of the next byte, given the bytes `[B, n]` of the patch before it."""
        if input_ids.shape[1] != self.num_bytes - 1:
            return scores
        all_ink = scores.shape[-1] - 1
        banned = torch.zeros_like(scores, dtype=torch.bool)
        banned[:, all_ink] = self.rows.to(scores.device) & (input_ids == all_ink).all(dim=1)
        return scores.masked_fill(banned, float("-inf"))


class PatchIteratorStreamer(BaseStreamer):
    """Iterator over patches as they are drawn, for `generate(..., streamer=...)` in another thread.

    Each item is a float32 `[B, C, H, w]` tensor on the CPU; rows that have stopped are white. The prompt is not
    among them. A prompt that ends inside a patch has that whole patch as its first item. An error in `generate`
    is raised from the iterator too, so that the reader does not wait for ever.

    Args:
        timeout: longest wait for a patch in seconds; after it, `queue.Empty` is raised. `None` waits for ever.

    Example:
        ```python
        streamer = PatchIteratorStreamer()
        Thread(target=model.generate, kwargs={**inputs, "streamer": streamer, "max_new_patches": 48}).start()
        for patch in streamer:
            ...
        ```
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._items: Queue[torch.Tensor | BaseException | None] = Queue()

    def put(self, value: torch.Tensor) -> None:
        """Called by `generate` with every patch."""
        self._items.put(value)

    def end(self) -> None:
        """Called by `generate` after the last patch."""
        self._items.put(None)

    def fail(self, error: BaseException) -> None:
        """Called by `generate` when it raises."""
        self._items.put(error)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self

    def __next__(self) -> torch.Tensor:
        item = self._items.get(timeout=self.timeout)
        if item is None:
            raise StopIteration
        if isinstance(item, BaseException):
            raise item
        return item


@dataclass
class PixelRequest:
    """What one `generate` call hands to its own hooks, on the generation config."""

    prompt: PixelPrompt
    streamer: BaseStreamer | None = None
    generator: Generators | None = None
    max_new_patches: int = 0
    min_new_patches: int = 0
    has_context: bool = False
    pixel_sampler: str | None = None
    pixel_threshold: float | None = None
    stop_at_eos: bool | None = None


class PatchWriter:
    """Rows being written: draws patches, knows which rows have stopped, puts the strips together."""

    def __init__(
        self,
        head: PatchHead,
        request: PixelRequest,
        prompt: PixelPrompt,
        processors: LogitsProcessorList,
        generation_config: GenerationConfig,
    ) -> None:
        self.head = head
        self.request = request
        self.prompt = prompt
        self.processors = list(processors)
        self.config = generation_config
        self.num_channels = prompt.patches.shape[-1] // (head.patch_size[0] * head.patch_size[1])
        self.patches: list[torch.Tensor] = []
        self.scores: list[torch.Tensor] = []
        self.logits: list[torch.Tensor] = []
        self.completes = prompt.prefix_columns > 0
        self.is_finished = torch.zeros_like(self.completes)
        self.num_drawn = torch.zeros_like(prompt.num_patches)

    def draw(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The next patch of every row, `[B, C, H, w]`, from the states `[B, D]` of the patches before."""
        prefix = None if self.patches else self.prompt.prefix
        device = next(self.head.parameters()).device  # may differ from the decoder's in a split model
        if device.type == "meta":
            device = hidden_states.device  # offloaded weights, which arrive as each module is called
        sample = self.head.sample(
            hidden_states.to(device),
            do_sample=bool(self.config.do_sample),
            warp=self._warp(),
            generator=self.request.generator,
            prefix=None if prefix is None else prefix.to(device),
            prefix_columns=None if prefix is None else self.prompt.prefix_columns.to(device),
            **self._sampler_options(),
        )
        patches = sample.patches.to(self.is_finished.device, torch.float32)
        if not self.head.draws_bytes and self._needs_ban():
            patches = _break_eos(patches, sample.scores.to(patches.device), self._banned_rows())
        if prefix is not None:
            patches = prefix.where(self._is_prefix(), patches)
        patches = patches.masked_fill(self.is_finished[:, None], 1.0)
        self.num_drawn += ~self.is_finished
        self.patches.append(patches)
        if self.config.output_scores:
            self.scores.append(sample.scores)
        if self.config.output_logits:
            self.logits.append(sample.logits)
        return unpatchify(patches[:, None], self.head.patch_size, self.num_channels)

    def stop(self, stopped: torch.Tensor) -> bool:
        """Notes which rows have stopped, bool `[B]`; whether all have."""
        # Rows of a batch may differ by one: completing the prompt's last patch does not count as a new one.
        is_full = self.num_drawn - self.completes.to(torch.int64) >= self.request.max_new_patches
        self.is_finished = self.is_finished | stopped.to(is_full.device) | is_full
        return bool(self.is_finished.all())

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

    def _warp(self) -> Warp | None:
        processors = self.processors
        if self.head.draws_bytes and self._needs_ban():
            height, width = self.head.patch_size
            processors = [NoEosPatchLogitsProcessor(self._banned_rows(), width * height // 8), *processors]
        if not processors:
            return None

        # Not LogitsProcessorList itself: it inspects every signature at every call, which costs more than the math.
        def warp(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            for processor in processors:
                scores = processor(written, scores)
            return scores

        return warp

    def _needs_ban(self) -> bool:
        return 0 < self.request.min_new_patches >= len(self.patches)

    def _banned_rows(self) -> torch.Tensor:
        """Bool `[B]`: rows that have too few new patches to end."""
        return len(self.patches) - self.completes.to(torch.int64) < self.request.min_new_patches

    def _sampler_options(self) -> dict[str, Any]:
        if not self.head.samplers:
            return {}
        threshold = self.request.pixel_threshold
        return {
            "sampler": self.request.pixel_sampler,
            "threshold": 0.5 if threshold is None else threshold,
        }

    def _is_prefix(self) -> torch.Tensor:
        """Bool `[B, P]`: values of the patch that the prompt has written."""
        length = self.prompt.patches.shape[-1]
        columns = torch.arange(length, device=self.completes.device) // self.num_channels
        return columns % self.head.patch_size[1] < self.prompt.prefix_columns[:, None]


def _break_eos(patches: torch.Tensor, scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Patches `[B, P]` in which no banned row is all ink: its likeliest background value becomes background."""
    is_eos = rows & (patches < 0.5).all(-1)
    likeliest = torch.zeros_like(patches, dtype=torch.bool).scatter(1, scores.argmax(-1, keepdim=True), True)
    return patches.masked_fill(is_eos[:, None] & likeliest, 1.0)


__all__ = [
    "EosPatchCriteria",
    "NoEosPatchLogitsProcessor",
    "PatchIteratorStreamer",
    "PatchWriter",
    "PixelRequest",
]
