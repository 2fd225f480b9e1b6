# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The discriminator of PIXAR's second stage (arXiv 2401.03321, section 3.3): is this patch real, given those before it?

It is the decoder of the first stage with a two-way layer on top. Every patch is judged in the context of the REAL
patches before it, so a candidate is read as if it stood in their row, yet no other position may see it. PIXAR does that
with one forward pass per candidate over a cache cut back to its prefix. Here all candidates are read at once: their
queries see the keys of the real prefix and their own, and nothing else.

Shapes: B batch, C channels, H strip height, T patches, P values per patch, N candidates per row, D hidden size.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from transformers.cache_utils import DynamicCache
from transformers.utils import ModelOutput

from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel, PixelARPreTrainedModel
from ..models.pixel_ar.patching import patchify, unpatchify

REAL_CLASS = 1  # PIXAR's numbering
FAKE_CLASS = 0


@dataclass
class PatchDiscriminatorOutput(ModelOutput):
    """Output of [`PatchDiscriminator`].

    Attributes:
        real_logits: `[B, T, 2]`; entry t judges the real patch t in its own place.
        candidate_logits: `[B, N, 2]`; entry k judges candidate k in the place after its position. Only with candidates.
    """

    real_logits: torch.Tensor | None = None
    candidate_logits: torch.Tensor | None = None


class PatchDiscriminator(PixelARPreTrainedModel):
    """A decoder that tells real patches (class 1) from made-up ones (class 0).

    `from_pretrained` reads its own folders, and the decoder of a stage-1 folder (the two-way layer is new then).
    """

    # A stage-1 folder loads without a report of what a discriminator has no use for.
    _keys_to_ignore_on_load_unexpected = [r"^patch_head\.", r"^token_head\.", r"embed_tokens\."]

    def __init__(self, config: PixelARConfig) -> None:
        # It reads patches alone; a token table would be a weight without a gradient.
        if config.vocab_size is not None:
            config = copy.deepcopy(config)
            config.tie_word_embeddings = False
            config.vocab_size = None
        super().__init__(config)
        self.patch_size = (config.patch_size[0], config.patch_size[1])
        self.model = PixelARModel(config)
        self.head = nn.Linear(config.hidden_size, 2)
        self.post_init()

    @classmethod
    def from_generator(cls, generator: PixelARForCausalLM) -> "PatchDiscriminator":
        """A discriminator with a copy of a generator's decoder, on its device and in its type; the head is new."""
        discriminator = cls(copy.deepcopy(generator.config))
        # Flash attention has no masks of the kind candidates need.
        attention = generator.config._attn_implementation
        discriminator.set_attn_implementation(attention if attention in ("eager", "sdpa") else "sdpa")
        weights = {
            name: weight
            for name, weight in generator.model.state_dict().items()
            if not name.startswith("embed_tokens.")
        }
        discriminator.model.load_state_dict(weights)
        example = next(generator.model.parameters())
        return discriminator.to(device=example.device, dtype=example.dtype)

    def recompute_activations(self) -> None:
        """Keeps no activations of the decoder's layers in training: less memory, for a second forward pass."""
        # Transformers 5.18 knows the older name only.
        enable = getattr(self, "activation_checkpointing_enable", None) or self.gradient_checkpointing_enable
        # Reentrant checkpoints cannot give the gradient with respect to candidates alone.
        enable({"use_reentrant": False})

    def forward(
        self,
        pixel_values: torch.Tensor,
        candidates: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> PatchDiscriminatorOutput:
        """Judges every real patch, and candidates for the patches after given positions.

        Args:
            pixel_values: `[B, C, H, W]` real strips, float in [0, 1] (1 = background) or uint8 0..255.
            candidates: `[B, N, P]` patches in [0, 1], flattened as (row, column, channel); or strips like
                `pixel_values`, of whose patches those at `positions` are judged. Patch p of such a strip stands for
                patch p + 1 of the real one, as a generator predicts it.
            positions: integer `[N]` or `[B, N]` in 0..T-1; a candidate at p is judged given the real patches 0..p.
                `None` for all, 0, 1, ...
            attention_mask: `[B, T]`; 1 = patch, 0 = padding.

        Raises:
            ValueError: for candidates or positions of another shape, or positions outside the strip.
        """
        if candidates is None:
            if positions is not None:
                raise ValueError("positions say where candidates stand: pass candidates too, or neither.")
            outputs = self.model(pixel_values=pixel_values, attention_mask=attention_mask, use_cache=False)
            return PatchDiscriminatorOutput(real_logits=self.head(outputs.last_hidden_state))
        length = pixel_values.shape[-1] // self.patch_size[1]
        candidates, positions = self._check_candidates(candidates, positions, pixel_values.shape[0], length)
        embeddings = self.model.embed_patches(
            unpatchify(candidates, self.patch_size, self.config.num_channels)
        )
        if self.training and any(layer.gradient_checkpointing for layer in self.model.layers):
            real, fake = self._read_as_one(pixel_values, embeddings, positions, attention_mask)
        else:
            real, fake = self._read_in_two_streams(pixel_values, embeddings, positions, attention_mask)
        return PatchDiscriminatorOutput(real_logits=self.head(real), candidate_logits=self.head(fake))

    def _read_in_two_streams(
        self,
        pixel_values: torch.Tensor,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        attention_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """States `[B, T, D]` of the real strip and `[B, N, D]` of the candidates, which read its keys and values.

        The real patches are read with the causal kernel and know nothing of the candidates, so a gradient with respect
        to candidates costs N positions, not T + N; the mask is `[N, T + N]`, not `[T + N, T + N]`.
        """
        cache = DynamicCache(config=self.config)
        real = self.model(
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        visible = candidate_visibility(positions, real.shape[1], attention_mask)
        fake = self.model(
            inputs_embeds=embeddings,
            attention_mask=self._kernel_mask(visible, embeddings.dtype),
            position_ids=positions + 1,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return real, fake

    def _read_as_one(
        self,
        pixel_values: torch.Tensor,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        attention_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same in one sequence, for layers that are recomputed in the backward pass and so cannot keep a cache."""
        batch, length = pixel_values.shape[0], pixel_values.shape[-1] // self.patch_size[1]
        count = embeddings.shape[1]
        steps = torch.arange(length, device=embeddings.device)
        visible = candidate_visibility(positions, length, attention_mask)
        real_visible = (steps[:, None] >= steps)[None]
        if attention_mask is not None:
            # A padded patch sees itself, lest it have nothing to look at.
            attended = attention_mask[:, None].to(device=steps.device, dtype=torch.bool)
            real_visible = real_visible & (
                attended | torch.eye(length, dtype=torch.bool, device=steps.device)
            )
        real_visible = nn.functional.pad(real_visible, (0, count)).expand(visible.shape[0], -1, -1)
        states = self.model(
            inputs_embeds=torch.cat((self.model.embed_patches(pixel_values), embeddings), 1),
            attention_mask=self._kernel_mask(torch.cat((real_visible, visible), 1), embeddings.dtype),
            position_ids=torch.cat((steps.expand(batch, -1), (positions + 1).expand(batch, -1)), 1),
            use_cache=False,
        ).last_hidden_state
        return states[:, :length], states[:, length:]

    def _kernel_mask(self, visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """`[B or 1, queries, keys]` truth values as the attention kernel wants them, `[B or 1, 1, queries, keys]`."""
        if self.config._attn_implementation == "eager":
            additive = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
            return additive.masked_fill(~visible, torch.finfo(dtype).min)[:, None]
        return visible[:, None]

    def _check_candidates(
        self, candidates: torch.Tensor, positions: torch.Tensor | None, batch: int, length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Candidates `[B, N, P]` and positions `[1 or B, N]`."""
        if positions is None:
            count = length if candidates.dim() == 4 else candidates.shape[1]
            positions = torch.arange(count, device=candidates.device)
        positions = positions.to(device=candidates.device)
        if positions.is_floating_point() or positions.dim() not in (1, 2):
            raise ValueError(
                f"positions must be integers [candidates] or [batch, candidates], got {positions.dtype} "
                f"{tuple(positions.shape)}."
            )
        positions = positions if positions.dim() == 2 else positions[None]
        # Not on an accelerator, where looking at values means waiting for it.
        outside = positions.device.type == "cpu" and bool(((positions < 0) | (positions >= length)).any())
        if outside or positions.shape[0] not in (1, batch):
            raise ValueError(
                f"positions {positions.tolist()} do not fit {batch} strips of {length} patches: give one row, or one "
                f"per strip, of values in 0..{length - 1}."
            )
        if candidates.dim() == 4:
            patches = patchify(candidates, self.patch_size)
            if patches.shape[:2] != (batch, length):
                raise ValueError(
                    f"candidate strips hold {tuple(patches.shape[:2])} patches, the real ones {(batch, length)}; cut "
                    "the candidates into patches [batch, candidates, values] if they are fewer."
                )
            candidates = select_positions(patches, positions)
        expected = (batch, positions.shape[1], self.config.patch_length)
        if tuple(candidates.shape) != expected:
            raise ValueError(
                f"candidates have shape {tuple(candidates.shape)}, but {positions.shape[1]} positions in {batch} "
                f"strips need {expected}."
            )
        return candidates, positions


def candidate_visibility(
    positions: torch.Tensor, length: int, attention_mask: torch.Tensor | None
) -> torch.Tensor:
    """What candidates may look at: the real patches up to their position, and themselves.

    Args:
        positions: integer `[1 or B, N]`.
        length: T.
        attention_mask: `[B, T]` or `None`. Padding is hidden from the candidates for attended patches. Those for
            padding see it: their judgement means nothing, and they must have something to look at.

    Returns:
        bool `[1 or B, N, T + N]`.
    """
    count = positions.shape[1]
    steps = torch.arange(length, device=positions.device)
    real = steps <= positions[..., None]
    if attention_mask is not None:
        attended = attention_mask.to(device=positions.device, dtype=torch.bool)
        is_patch = candidate_weights(attended, positions).to(torch.bool)
        real = real & (attended[:, None] | ~is_patch[..., None])
    own = torch.eye(count, dtype=torch.bool, device=positions.device).expand(real.shape[0], -1, -1)
    return torch.cat((real, own), -1)


def select_positions(values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Entries of `[B, T, X]` at positions `[N]`, `[1, N]` or `[B, N]`, as `[B, N, X]`."""
    index = positions.expand(values.shape[0], -1)
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def candidate_weights(
    attention_mask: torch.Tensor, positions: torch.Tensor, reference: bool = False
) -> torch.Tensor:
    """Which candidates count: those that stand for an attended patch and follow one.

    Args:
        attention_mask: `[B, T]`; 1 = patch, 0 = padding.
        positions: integer `[N]`, `[1, N]` or `[B, N]`; a candidate at p stands for patch p + 1.
        reference: weight with entry p of the mask instead, as PIXAR's released code does. The candidate for the first
            white patch after the text counts there, although the generator was never taught that patch.

    Returns:
        `[B, N]` in the mask's type.
    """
    mask = attention_mask
    if not reference:
        # Nothing follows the last patch.
        mask = mask * nn.functional.pad(mask[:, 1:], (0, 1))
    return mask.gather(1, positions.expand(mask.shape[0], -1))


def real_weights(attention_mask: torch.Tensor, reference: bool = False) -> torch.Tensor:
    """Which real patches count: the attended ones that a candidate could stand for.

    Args:
        attention_mask: `[B, T]`; 1 = patch, 0 = padding.
        reference: all attended ones, as PIXAR's released code does. The first patch, which is never judged as a
            candidate, counts there, and teaches the discriminator nothing but to know the first position.

    Returns:
        `[B, T]` in the mask's type.
    """
    if reference:
        return attention_mask
    return attention_mask * nn.functional.pad(attention_mask[:, :-1], (1, 0))


def judgement_loss(
    logits: torch.Tensor, is_real: bool, weights: torch.Tensor, total: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of judgements with one verdict, and the share that agrees with it.

    Args:
        logits: `[B, N, 2]`.
        is_real: the verdict to compare with.
        weights: `[B, N]`; 0 leaves a judgement out.
        total: scalar the sums are divided by; `None` for the sum of the weights. Accumulated batches pass the sum over
            all of them.

    Returns:
        Two scalars: the loss, in nats, and the accuracy (without a gradient).
    """
    weights = weights.to(logits.dtype)
    total = weights.sum() if total is None else total.to(logits.dtype)
    total = total.clamp(min=1e-8)  # no judgement at all: 0, not a division by zero
    verdict = REAL_CLASS if is_real else FAKE_CLASS
    nats = -nn.functional.log_softmax(logits, -1)[..., verdict]
    agrees = (logits.detach().argmax(-1) == verdict).to(weights.dtype)
    return (nats * weights).sum() / total, (agrees * weights).sum() / total


__all__ = [
    "PatchDiscriminator",
    "PatchDiscriminatorOutput",
    "candidate_weights",
    "judgement_loss",
    "real_weights",
]
