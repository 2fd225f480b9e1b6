# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What every patch head can do: logits, loss, exact log-probability, drawing a patch.

Shapes: N patches, D hidden size, P values per patch, S decisions (bytes) per patch, L values of a decision.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from ..configuration_pixel_ar import PixelARConfig

# What changes the scores of one decision: (values of the patch written so far `[N, n]`, raw logits `[N, L]`) -> scores
# `[N, L]`. This is the call of transformers' LogitsProcessor, so processors and warpers fit as they are.
Warp = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Generators = torch.Generator | Sequence[torch.Generator]
# What `PatchHead.draw_inputs` hands to `PatchHead.draw`.
DrawInputs = tuple[torch.Tensor | None, ...]


@dataclass
class PatchSample:
    """What [`PatchHead.sample`] returns.

    Attributes:
        patches: `[N, P]` sampled patches, 0 = ink, 1 = background.
        logits: raw logits of every decision, float32: `[N, S, 256]` for S bytes, `[N, P]` for P pixel values.
        scores: same shape; the logits after temperature, top-k, top-p and other processors.
    """

    patches: torch.Tensor
    logits: torch.Tensor
    scores: torch.Tensor


class PatchHead(nn.Module):
    """Interface of a patch head. A new head subclasses it and is entered in `PATCH_HEADS`.

    Attributes:
        samplers: names of the ways in which it turns logits into pixels, for heads that write all of them at once,
            each with two values; empty for heads whose decisions top-k, top-p and the like can act on.
        generation_options: names of the options of `generate` that this kind of head alone takes.
        has_likelihood: whether `log_prob` is defined.
        can_sample: whether `do_sample` is.
        draws_from_noise: whether it draws by refining noise: temperature is the size of the noise, and there are no
            logits that processors could change.
    """

    samplers: ClassVar[tuple[str, ...]] = ()
    generation_options: ClassVar[tuple[str, ...]] = ()
    has_likelihood: ClassVar[bool] = True
    can_sample: ClassVar[bool] = True
    draws_from_noise: ClassVar[bool] = False

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.patch_size = (config.patch_size[0], config.patch_size[1])
        self.num_channels = config.num_channels

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """What is known of the next patch before any of it is drawn: `[..., D]` to `[..., L]`, raw logits."""
        raise NotImplementedError(f"{type(self).__name__} must define logits")  # abstract

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Exact log-probability of patches.

        Args:
            hidden_states: `[N, D]`.
            patches: `[N, P]` in [0, 1].
            num_columns: `[N]` integer; only the first so many pixel columns of a patch count. `None` for all.

        Returns:
            `[N]` nats, float32.
        """
        raise NotImplementedError(f"{type(self).__name__} must define log_prob")  # abstract

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Training loss per patch, `[N]`: the negative log-probability unless a head has none."""
        return -self.log_prob(hidden_states, patches)

    def read_options(self, config: Any) -> dict[str, Any]:
        """What `generate` hands to [`sample`] besides, from its `GenerationConfig`: nothing, for most heads."""
        return {}

    def is_eos(self, patches: torch.Tensor) -> torch.Tensor:
        """Bool `[N]`: which of the drawn patches `[N, P]` are the EOS patch."""
        return (patches < 0.5).all(-1)

    def is_within(self, num_columns: torch.Tensor) -> torch.Tensor:
        """Bool `[N, P]`: values of the first `num_columns` `[N]` pixel columns."""
        height, width = self.patch_size
        positions = torch.arange(height * width * self.num_channels, device=num_columns.device)
        return positions // self.num_channels % width < num_columns[:, None]

    def drawing(self) -> AbstractContextManager[None]:
        """Entered by `generate` around its loop: what a head works out from its weights may be kept within it."""
        return nullcontext()

    @property
    def draws_without_looking(self) -> bool:
        """Whether [`draw`] is there and asks no tensor what to do next, so that it compiles to one graph."""
        return False

    def draw_inputs(
        self, rows: int, device: torch.device, do_sample: bool, generator: Generators | None
    ) -> DrawInputs:
        """All that [`draw`] needs besides states: randomness, and what is worked out from the weights once a call.

        Args:
            rows: N.
            device: where the head is.
            do_sample: see [`sample`]; without it there is no randomness.
            generator: see [`sample`].
        """
        raise NotImplementedError(f"{type(self).__name__} must define draw_inputs")  # abstract

    def draw(
        self, hidden_states: torch.Tensor, warp: Warp | None, inputs: DrawInputs
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What [`sample`] gives for whole patches, as a plain function of its arguments.

        Args:
            hidden_states: `[N, D]`.
            warp: see [`sample`].
            inputs: from [`draw_inputs`].

        Returns:
            Patches, logits and scores, see [`PatchSample`].
        """
        raise NotImplementedError(f"{type(self).__name__} must define draw")  # abstract

    def finish_draw(
        self,
        hidden_states: torch.Tensor,
        sample: PatchSample,
        inputs: DrawInputs,
        warp: Warp | None,
        generator: Generators | None,
    ) -> PatchSample:
        """What is left to do where one must look: nothing, unless some patches need more work than others.

        Args:
            hidden_states: `[N, D]`, those of [`draw`].
            sample: what [`draw`] returned.
            inputs: what it was given.
            warp: likewise.
            generator: see [`sample`].
        """
        return sample

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
        """Draws one patch per row.

        Args:
            hidden_states: `[N, D]`.
            do_sample: draw from the distribution instead of taking the most likely value of each decision.
            warp: changes the logits of one decision, given the values of this patch before it: temperature, top-k,
                top-p, bans, ... See [`Warp`].
            generator: source of randomness, on any device; a sequence gives every row its own, so that a row does not
                depend on its neighbours. `None` for torch's global one.
            prefix: `[N, P]` patches of which the first `prefix_columns` columns are already written.
            prefix_columns: `[N]` integer.
            sampler: one of `samplers`; `None` for the head's own choice.
            threshold: probability of background from which a pixel is background, where a sampler has one.
            no_eos: bool `[N]`, rows that may not draw the EOS patch (all ink); `None` if all may.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample")  # abstract


def draw_rows(
    draw: Callable[..., torch.Tensor],
    shape: tuple[int, ...],
    device: torch.device,
    generator: Generators | None,
) -> torch.Tensor:
    """Random numbers, one row from each generator where a sequence of them is given.

    Args:
        draw: `torch.rand`, `torch.randn`, or another function called like these.
        shape: `[N, ...]`.
        device: where the numbers are wanted; they are drawn where the generator is.
        generator: see [`PatchHead.sample`].

    Raises:
        ValueError: for another number of generators than rows.
    """
    if generator is None or isinstance(generator, torch.Generator):
        source = device if generator is None else generator.device
        return draw(shape, generator=generator, device=source).to(device)
    if len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators for {shape[0]} rows: pass one, or one for every row.")
    rows = [draw(shape[1:], generator=each, device=each.device) for each in generator]
    return torch.stack([row.to(device) for row in rows])


__all__ = ["DrawInputs", "Generators", "PatchHead", "PatchSample", "Warp", "draw_rows"]
