# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The dictionary patch head for patches of several words: one decision after another from one state of the decoder.

The decoder, which costs most, then runs once for several words. A patch is cut into M parts of equal width, each an
entry of the dictionary or spelled by the escape. The first is drawn from the decoder's state; a small gated layer
brings each part drawn into the state of the next, as the sequential modules of multi-token prediction do (DeepSeek-V3,
arXiv 2412.19437, section 2.2), so the joint distribution of a patch is exact: a product over its parts.

Shapes: N patches, D hidden size, P values per patch, M parts, V entries.
"""

from contextlib import AbstractContextManager
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ..configuration_pixel_ar import PixelARConfig
from ..layers import RMSNorm
from ..patching import join_patches, split_patches
from .autoregressive import log_not
from .base import Generators, PatchHead, PatchSample, Warp
from .dictionary import DictionaryPatchHead


class NextPart(nn.Module):
    """The state from which a part is drawn, given that of the part before it and what was drawn there.

    Args:
        config: of the model.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.gate_up = nn.Linear(2 * config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, states: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """States `[N, D]` and vectors of the parts drawn from them `[N, D]` to states `[N, D]`."""
        gate, up = self.gate_up(torch.cat([self.norm(states), vectors], dim=-1)).chunk(2, dim=-1)
        return states + self.down(F.silu(gate) * up)


class PartsPatchHead(PatchHead):
    """Distribution of a 1-bit patch whose parts are entries of a dictionary; [`DictionaryPatchHead`] draws each."""

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.num_parts = config.dictionary_parts
        self.part = DictionaryPatchHead(config)
        self.next_parts = nn.ModuleList([NextPart(config) for _ in range(self.num_parts - 1)])

    def connect(self, embedding: nn.Module) -> None:
        """See [`DictionaryPatchHead.connect`]."""
        self.part.connect(embedding)

    def drawing(self) -> AbstractContextManager[None]:
        """See [`PatchHead.drawing`]."""
        return self.part.drawing()

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of every entry and of the escape for the first part: `[..., D]` to `[..., V + 1]`."""
        return self.part.logits(hidden_states)

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See [`PatchHead.log_prob`]."""
        parts = self._split(patches)
        states = self._states(hidden_states, parts)
        columns = None if num_columns is None else self._columns_of_parts(num_columns).flatten()
        log_probs = self.part.log_prob(states.flatten(0, 1), parts.flatten(0, 1), columns)
        return log_probs.view(-1, self.num_parts).sum(-1)

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """See [`DictionaryPatchHead.loss`]: the sum over the parts of a patch, `[N]`."""
        parts = self._split(patches)
        states = self._states(hidden_states, parts)
        return self.part.loss(states.flatten(0, 1), parts.flatten(0, 1)).view(-1, self.num_parts).sum(-1)

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
        """See [`PatchHead.sample`] and [`DictionaryPatchHead.sample`]; logits and scores are `[N, M, V + 1]`."""
        begun = None if prefix is None else self._split(prefix)
        columns = None if prefix_columns is None else self._columns_of_parts(prefix_columns)
        states = hidden_states
        drawn: list[PatchSample] = []
        for place in range(self.num_parts):
            if place:
                states = self._next(place, states, drawn[-1].patches)
            drawn.append(
                self.part.sample(
                    states,
                    do_sample,
                    warp,
                    generator,
                    None if begun is None else begun[:, place],
                    None if columns is None else columns[:, place],
                    no_eos=no_eos,
                    log_ink=None if no_eos is None else self._log_not_ink_after(place, states),
                )
            )
            if no_eos is not None:  # a patch with something else than ink in it may go on as it likes
                no_eos = no_eos & (drawn[-1].patches < 0.5).all(-1).to(no_eos.device)
        return PatchSample(
            join_patches(torch.stack([each.patches for each in drawn], dim=1), self.patch_size),
            torch.stack([each.logits for each in drawn], dim=1),
            torch.stack([each.scores for each in drawn], dim=1),
        )

    def _split(self, patches: torch.Tensor) -> torch.Tensor:
        return split_patches(patches, self.patch_size, self.num_parts)

    def _columns_of_parts(self, num_columns: torch.Tensor) -> torch.Tensor:
        """How many of the first columns of a patch `[N]` lie in each part: `[N, M]`."""
        width = self.patch_size[1] // self.num_parts
        starts = width * torch.arange(self.num_parts, device=num_columns.device)
        return (num_columns[:, None] - starts).clamp(0, width)

    def _next(self, place: int, states: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        """The states `[N, D]` of part `place`, after those of the part before and its pixels `[N, P / M]`."""
        vectors = self.part.vectors(parts.to(states.device)).to(states)
        return cast(NextPart, self.next_parts[place - 1])(states, vectors)

    def _states(self, hidden_states: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        """The state of every part, `[N, M, D]`, given all parts `[N, M, P / M]`."""
        states = [hidden_states]
        for place in range(1, self.num_parts):
            states.append(self._next(place, states[-1], parts[:, place - 1]))
        return torch.stack(states, dim=1)

    def _log_not_ink_after(self, place: int, states: torch.Tensor) -> torch.Tensor:
        """Log-probability `[N]` that not all parts after an inked `place` are ink; minus infinity at the last."""
        log_ink = states.new_zeros(len(states), dtype=torch.float32)
        ink = states.new_zeros(len(states), self.patch_size[0] * self.patch_size[1] // self.num_parts)
        for later in range(place + 1, self.num_parts):
            states = self._next(later, states, ink)
            log_ink = log_ink + self.part.log_prob(states, ink)
        return log_not(log_ink.clamp(max=0))


def entry_head(head: PatchHead | nn.Module | None) -> DictionaryPatchHead | None:
    """The head that chooses among the entries of a dictionary, in a head of several parts or by itself; else `None`."""
    if isinstance(head, PartsPatchHead):
        return head.part
    return head if isinstance(head, DictionaryPatchHead) else None


__all__ = ["NextPart", "PartsPatchHead", "entry_head"]
