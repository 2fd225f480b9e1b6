# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speculative decoding: a small model drafts patches, the large one reads all of them at once and corrects an error.

Speculative sampling (Leviathan et al., arXiv 2211.17192; Chen et al., arXiv 2302.01318) keeps the large model's
distribution exactly, whatever the draft. Here its decisions are the bytes of a patch: a drafted byte stays with
probability min(1, p / q); the first that does not stay is drawn from what the large model has more of,
max(p - q, 0), and the rest of that patch from the large model. So a draft that errs late in a patch is not lost.

Temperature, top-k and the like change p and q alike, so that what is drawn is what the large model alone would draw
with them. One row, as in Transformers' assisted generation.

Shapes: K drafted patches, P values per patch, S bytes per patch, D hidden size.
"""

from typing import Any, cast

import torch

from ..heads.autoregressive import AutoregressivePatchHead
from ..patching import patches_to_bytes
from .decoding import Decoding
from .prompts import PixelPrompt
from .request import PixelRequest
from .writer import PatchWriter

# Patches drafted at once, unless `num_assistant_tokens` says otherwise.
NUM_DRAFTED = 4


def check_draft(model: Any, request: PixelRequest, prompt: PixelPrompt, has_cache: bool) -> None:
    """Raises ValueError where a draft cannot be checked byte by byte, or more is asked for than strips."""
    draft = request.draft
    for name, each in (("the model", model), ("assistant_model", draft)):
        head = getattr(each, "patch_head", None)
        kind = getattr(getattr(each, "config", None), "patch_head", type(each).__name__)
        if not isinstance(head, AutoregressivePatchHead) or not head.draws_without_looking:
            raise ValueError(
                f"assistant_model: {name} must have patch_head='autoregressive' without head_num_glyphs, whose bytes "
                f"are drawn one by one; got {kind!r}."
            )
    if tuple(draft.config.patch_size) != tuple(model.config.patch_size):
        raise ValueError(
            f"assistant_model has patches of {tuple(draft.config.patch_size)}, but the model of "
            f"{tuple(model.config.patch_size)}: they must write alike."
        )
    if len(prompt.fed) != 1:
        raise ValueError(
            f"assistant_model: one row at a time, got {len(prompt.fed)}; a draft is right for another number of "
            "patches in each row. Call generate for each, or leave assistant_model out."
        )
    if draft.device != model.device:
        raise ValueError(
            f"assistant_model is on {draft.device}, the model on {model.device}: put both on one."
        )
    config = request.config
    if config.num_assistant_tokens is not None and config.num_assistant_tokens < 1:
        raise ValueError(f"num_assistant_tokens must be at least 1, got {config.num_assistant_tokens}.")
    asked = ["past_key_values"] if has_cache else []
    asked += ["cache_implementation"] if config.cache_implementation not in (None, "dynamic") else []
    asked += ["use_cache=False"] if config.use_cache is False else []
    asked += ["stopping_criteria"] if request.criteria else []
    asked += ["a list of generators"] if isinstance(request.generator, list | tuple) else []
    names = ("output_scores", "output_logits", "output_attentions", "output_hidden_states")
    asked += [name for name in names if getattr(config, name, None)]
    if asked:
        raise ValueError(f"{', '.join(asked)} cannot be had with assistant_model; leave one of the two out.")


class Speculation:
    """The two models while they write one row.

    Args:
        model: the large one.
        request: of the call, with the draft.
        prompt: one row.
        decoding: of the large model.
        writer: takes the patches that stand.
    """

    def __init__(
        self, model: Any, request: PixelRequest, prompt: PixelPrompt, decoding: Decoding, writer: PatchWriter
    ) -> None:
        draft = cast(Any, request.draft)
        self.request, self.decoding, self.writer = request, decoding, writer
        self.head: AutoregressivePatchHead = model.patch_head
        self.draft_head: AutoregressivePatchHead = draft.patch_head
        self.draft = Decoding(draft, request.config, prompt, None, writer.num_steps)
        self.num_drafted = int(request.config.num_assistant_tokens or NUM_DRAFTED)
        self.unread = prompt.fed  # by the large model
        self.unread_by_draft = prompt.fed
        self.states = prompt.fed.new_zeros(1, 1)  # the last ones of the large model
        self.num_accepted = self.num_rounds = 0

    def next_patches(self) -> torch.Tensor:
        """Some more patches `[n, P]`, drawn as the large model draws; at least one."""
        writer = self.writer
        room = writer.num_steps - len(writer.patches)
        count = min(self.num_drafted, room - 1)
        # A patch that the prompt has begun, and one that must not end the text, are drawn by the large model alone.
        is_begun = not writer.patches and writer.prompt.prefix is not None
        if count < 1 or is_begun or 0 < writer.least >= len(writer.patches):
            self.states = self.decoding.read(self.unread).last_hidden_state[:, -1]
            patch = writer.propose(self.states).patches
            self.unread = patch[None].to(self.unread)
            self.unread_by_draft = torch.cat([self.unread_by_draft, self.unread], dim=1)
            return self.unread[0]
        drafted, chances = self._draft(count)
        outputs = self.decoding.read(torch.cat([self.unread, drafted[None]], dim=1))
        self.states = outputs.last_hidden_state[0, -count - 1 :]
        accepted, last = self._judge(self.states, drafted, chances)
        self.num_rounds += 1
        self.num_accepted += accepted
        self.decoding.drop(count - accepted)
        # The draft has not read the last of its own patches.
        self.draft.drop(max(count - 1 - accepted, 0))
        self.unread = last[None]
        missed = drafted[count - 1 :] if accepted == count else drafted[:0]
        self.unread_by_draft = torch.cat([missed, last])[None]
        return torch.cat([drafted[:accepted], last])

    def _draft(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches `[K, P]` and the scores `[K, S, 256]` they were drawn from."""
        patches, scores = [], []
        unread = self.unread_by_draft
        for _ in range(count):
            states = self.draft.read(unread).last_hidden_state[:, -1]
            sample = self.draft_head.sample(
                states,
                do_sample=bool(self.request.config.do_sample),
                warp=self.writer.warp,
                generator=self.request.generator,
            )
            patches.append(sample.patches.to(self.unread.dtype))
            scores.append(sample.scores)
            unread = patches[-1][None]
        self.unread_by_draft = self.unread_by_draft[:, :0]
        return torch.cat(patches), torch.cat(scores)

    def _judge(
        self, states: torch.Tensor, drafted: torch.Tensor, drawn_from: torch.Tensor
    ) -> tuple[int, torch.Tensor]:
        """How many drafted patches stand, and the patch `[1, P]` after them.

        Args:
            states: `[K + 1, D]` of the large model, before each drafted patch and after the last.
            drafted: `[K, P]`.
            drawn_from: `[K, S, 256]` scores.
        """
        written = patches_to_bytes(drafted, self.head.patch_size)
        logits = self.head.byte_logits(states[:-1], written).float()
        self.writer.last_logits = logits
        scores = self._warped(written, logits)
        chances = scores.softmax(-1)
        if self.request.config.do_sample:
            theirs = drawn_from.softmax(-1)
            own, other = (each.gather(-1, written[..., None])[..., 0] for each in (chances, theirs))
            draw = torch.rand(own.shape, generator=self._generator, device=self._source(own.device))
            stays = draw.to(own.device) * other < own
        else:
            theirs = torch.zeros_like(chances)
            stays = scores.argmax(-1) == written
        wrong = (~stays).flatten().nonzero()
        if not len(wrong):
            return len(drafted), self._complete(states[-1:], None, 0)
        patch, byte = divmod(int(wrong[0, 0]), written.shape[1])
        rest = (chances[patch, byte] - theirs[patch, byte]).clamp(min=0)
        known = written[patch : patch + 1].clone()
        if self.request.config.do_sample:
            known[0, byte] = torch.multinomial(
                rest.to(self._source(rest.device)), 1, generator=self._generator
            ).to(known.device)
        else:
            known[0, byte] = scores[patch, byte].argmax()
        return patch, self._complete(states[patch : patch + 1], known, byte + 1)

    def _warped(self, written: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if self.writer.warp is None:
            return logits
        parts = [self.writer.warp(written[:, :byte], logits[:, byte]) for byte in range(logits.shape[1])]
        return torch.stack(parts, dim=1)

    def _complete(self, states: torch.Tensor, known: torch.Tensor | None, count: int) -> torch.Tensor:
        """A patch `[1, P]` of the large model, of which the first `count` bytes are known."""
        do_sample = bool(self.request.config.do_sample)
        inputs = self.head.draw_inputs(1, states.device, do_sample, self.request.generator)
        return self.head.complete(states, self.writer.warp, inputs, known, count).to(self.unread.dtype)

    @property
    def _generator(self) -> torch.Generator | None:
        """The one of the call; a list of them is refused with a draft."""
        return cast(torch.Generator | None, self.request.generator)

    def _source(self, device: torch.device) -> torch.device:
        """Where randomness is drawn."""
        return device if self._generator is None else self._generator.device


__all__ = ["NUM_DRAFTED", "Speculation", "check_draft"]
