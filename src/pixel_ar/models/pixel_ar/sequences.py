# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Sequences of patches and tokens: which position is which, and what is learned at which position.

A sequence is patches then tokens (PixelGPT's pairs, arXiv 2404.10710, section 2.3), or in any order that `modality_ids`
give. Shapes: B batch, T positions, U patches, L tokens, D hidden size.
"""

import torch

from ...modalities import IGNORED_LABEL, PATCH, TOKEN
from .checks import check_item_count


def resolve_modalities(
    num_patches: int,
    num_tokens: int,
    modality_ids: torch.Tensor | None,
    batch_size: int,
    device: torch.device,
) -> torch.Tensor:
    """The modality of every position.

    Args:
        num_patches: U, 0 without strips.
        num_tokens: L, 0 without tokens.
        modality_ids: `[B, T]` (0 = token, 1 = patch), or `None` for patches then tokens.
        batch_size: B.
        device: of the result.

    Returns:
        int64 `[B, T]`.

    Raises:
        ValueError: for modality ids of another batch size or kind, or that ask for more patches or tokens than given.
    """
    if modality_ids is None:
        ids = torch.zeros(batch_size, num_patches + num_tokens, dtype=torch.int64, device=device)
        ids[:, :num_patches] = PATCH
        return ids
    if modality_ids.dim() != 2 or modality_ids.shape[0] != batch_size or modality_ids.is_floating_point():
        raise ValueError(
            f"modality_ids must be integers [{batch_size}, positions] (0 = token, 1 = patch), got "
            f"{modality_ids.dtype} of shape {tuple(modality_ids.shape)}."
        )
    if modality_ids.shape[1] == 0:
        raise ValueError("modality_ids name no position: leave them out, or name at least one.")
    modality_ids = modality_ids.to(device=device, dtype=torch.int64)
    if bool(((modality_ids != TOKEN) & (modality_ids != PATCH)).any()):
        raise ValueError("modality_ids must be 0 (token) or 1 (patch) everywhere; mark padding as either.")
    for name, value, given in (("patches", PATCH, num_patches), ("tokens", TOKEN, num_tokens)):
        most = int((modality_ids == value).sum(-1).max())
        if most > given:
            raise ValueError(
                f"modality_ids ask for {most} {name} in one row, but {given} are given; count the padding too."
            )
    return modality_ids


def merge_embeddings(
    patches: torch.Tensor, tokens: torch.Tensor, modality_ids: torch.Tensor | None, resolved: torch.Tensor
) -> torch.Tensor:
    """Puts patch embeddings `[B, U, D]` and token embeddings `[B, L, D]` into one sequence `[B, T, D]`.

    Args:
        patches: patch embeddings in the order of the strip.
        tokens: token embeddings in the order of the ids.
        modality_ids: as the caller gave them; `None` for patches then tokens.
        resolved: `[B, T]`, from [`resolve_modalities`].
    """
    tokens = tokens.to(patches.device, patches.dtype)
    if modality_ids is None:
        return torch.cat([patches, tokens], dim=1)
    both = torch.cat([patches, tokens], dim=1)
    index = torch.where(resolved == PATCH, ranks(resolved, PATCH), patches.shape[1] + ranks(resolved, TOKEN))
    return both.gather(1, index[..., None].expand(*index.shape, both.shape[-1]))


def ranks(modality_ids: torch.Tensor, modality: int) -> torch.Tensor:
    """`[B, T]`: how many positions of a modality stand before or at each position, less one, and at least 0."""
    return ((modality_ids == modality).cumsum(-1) - 1).clamp(min=0)


def unpadded_positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Positions `[B, T]` that skip the padding of a mask `[B, T]`: a row has them alone as in any batch."""
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


def target_mask(
    labels: torch.Tensor,
    attention_mask: torch.Tensor | None,
    modality_ids: torch.Tensor | None,
    across: bool,
) -> torch.Tensor:
    """Which positions 1..T-1 are targets of the position before them.

    Args:
        labels: integer `[B, T]`, -100 = no target.
        attention_mask: `[B, T]`; other ranks are not looked at. `None` if all positions count.
        modality_ids: `[B, T]`, or `None` if there is one modality.
        across: whether a position may be predicted from one of the other modality.

    Returns:
        bool `[B, T - 1]`.
    """
    is_target = labels[:, 1:] != IGNORED_LABEL
    if attention_mask is not None and attention_mask.dim() == 2:
        is_target = is_target & (attention_mask[:, 1:] != 0).to(is_target.device)
    if modality_ids is not None and not across:
        is_target = is_target & (modality_ids[:, 1:] == modality_ids[:, :-1])
    return is_target


def reduce_loss(
    values: torch.Tensor,
    is_target: torch.Tensor,
    reduction: str,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """One number from the losses of all targets.

    Args:
        values: `[B, T - 1]`.
        is_target: bool `[B, T - 1]`.
        reduction: `"patch"`, the mean over the targets; `"sample"`, over those of each row, then over the rows that
            have any.
        num_items_in_batch: divisor in place of the number of targets (accumulated batches).
    """
    is_target = is_target.to(values.device)  # a split model may have put them elsewhere
    values = torch.where(is_target, values, torch.zeros_like(values))
    if reduction == "sample":
        counts = is_target.sum(-1)
        return (values.sum(-1) / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
    check_item_count(num_items_in_batch)
    if num_items_in_batch is None:
        return values.sum() / is_target.sum().clamp(min=1)
    if isinstance(num_items_in_batch, torch.Tensor):
        num_items_in_batch = num_items_in_batch.to(values.device)
    return values.sum() / num_items_in_batch


def check_mask_length(attention_mask: torch.Tensor | None, shape: torch.Size, has_cache: bool) -> None:
    """Checks a 2D mask against rows and positions `(B, T, ...)`.

    Raises:
        ValueError: naming both shapes.
    """
    if not isinstance(attention_mask, torch.Tensor) or attention_mask.dim() == 4:
        return  # made for one attention function already
    if attention_mask.dim() != 2 or len(attention_mask) != shape[0]:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, but must be [batch, patches] for {shape[0]} rows."
        )
    length, num_patches = attention_mask.shape[1], shape[1]
    # With a cache the mask covers earlier patches too (and a static cache's free places).
    if length < num_patches or (length > num_patches and not has_cache):
        raise ValueError(
            f"attention_mask covers {length} patches, but the strips hold {num_patches}; pass one value per patch "
            "(PixelProcessor returns a fitting mask)."
        )


__all__ = [
    "check_mask_length",
    "merge_embeddings",
    "ranks",
    "reduce_loss",
    "resolve_modalities",
    "target_mask",
    "unpadded_positions",
]
