# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Prompts of patches and tokens, for models with both: what is read before tokens or patches are written.

Rows may be padded anywhere; what counts of a row is moved together, so that a row of a batch gives what it gives alone.

Shapes: B rows, C channels, H strip height, W strip width, U patches, L tokens, T positions, D hidden size.
"""

from dataclasses import replace
from typing import Any

import torch
from transformers import Cache

from ....modalities import PATCH, TOKEN
from ..checks import are_integers
from ..pages import page_mask
from ..sequences import ranks, unpadded_positions
from .prompts import CachedRows, MixedPrompt, as_tensor, keep_rows


def ends_with_patches(prompt: MixedPrompt) -> bool:
    """Whether the rows of a prompt end with patches; patches then tokens do not.

    Raises:
        ValueError: if some rows do and some do not.
    """
    if prompt.modality_ids is None:
        return prompt.input_ids is None
    if prompt.modality_ids.dim() != 2:
        raise ValueError(
            f"modality_ids must be integers [rows, positions] (0 = token, 1 = patch), got shape "
            f"{tuple(prompt.modality_ids.shape)}."
        )
    mask = prompt.read_mask(prompt.modality_ids)
    is_patch = _last(prompt.modality_ids, mask) == PATCH
    if bool(is_patch.any()) and not bool(is_patch.all()):
        raise ValueError(
            "some rows of the prompt end with patches and some with tokens; say output_modality='pixel' or 'token'."
        )
    return bool(is_patch.all())


def read_token_prompt(
    decoder: Any, prompt: MixedPrompt, bos_token_id: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings to continue with tokens: `[B, T, D]` and their mask `[B, T]`, padded on the left.

    A row that ends with a patch gets the token that begins a text, unless `bos_token_id` is `None`.
    """
    embeddings, resolved = decoder.embed(prompt.pixel_values, prompt.input_ids, prompt.modality_ids)
    mask = prompt.read_mask(resolved)
    needs_start = _last(resolved, mask) == PATCH
    if bos_token_id is not None and bool(needs_start.any()):
        start = decoder.embed(input_ids=torch.full((len(mask), 1), bos_token_id, device=mask.device))[0]
        embeddings = torch.cat([embeddings, start.to(embeddings)], dim=1)
        mask = torch.cat([mask, needs_start[:, None]], dim=1)
    return _move_right(embeddings, mask)


def read_page(decoder: Any, prompt: MixedPrompt) -> tuple[MixedPrompt, Cache]:
    """Lets the decoder read a page, so that patches can follow it.

    Args:
        decoder: a `PixelARModel`.
        prompt: with a page, and strips or nothing.

    Returns:
        A prompt of the strips, and a cache of the page.
    """
    pages = prompt.page_values
    assert pages is not None
    mask = page_mask(pages, prompt.page_attention_mask, decoder.config.patch_size)
    cache = decoder(page_values=pages, page_attention_mask=mask, use_cache=True, return_dict=True).cache
    count = mask.sum(-1)
    keep_rows(cache, CachedRows(mask.bool(), count, count))
    rest = replace(prompt, page_values=None, page_attention_mask=None)
    if rest.pixel_values is None:
        height, width = decoder.config.patch_size
        blank = torch.ones(len(mask), decoder.config.num_channels, height, width, device=mask.device)
        return replace(rest, pixel_values=blank, attention_mask=mask.new_zeros(len(mask), 1)), cache
    return rest, cache


def read_context(decoder: Any, prompt: MixedPrompt) -> tuple[MixedPrompt, Cache]:
    """Lets the decoder read all that stands before a row's last patches, so that those can be continued.

    Args:
        decoder: a `PixelARModel`.
        prompt: with tokens, and patches or not. Its `num_columns` are of use only where no token follows a patch.

    Returns:
        A prompt of the patches that stand after the last token, and a cache of everything before them.
    """
    embeddings, resolved = decoder.embed(prompt.pixel_values, prompt.input_ids, prompt.modality_ids)
    mask = prompt.read_mask(resolved)
    position = torch.arange(mask.shape[1], device=mask.device)
    last_token = torch.where(mask & (resolved == TOKEN), position, -1).amax(-1, keepdim=True)
    before = mask & (position <= last_token)
    after = mask & (position > last_token)
    states, context_mask = _move_right(embeddings, before)
    cache = decoder(
        inputs_embeds=states,
        attention_mask=context_mask,
        position_ids=unpadded_positions(context_mask),
        use_cache=True,
        return_dict=True,
    ).cache
    count = before.sum(-1)
    keep_rows(cache, CachedRows(context_mask.bool(), count, count))
    height, width = decoder.config.patch_size
    strips = prompt.pixel_values
    if strips is None:
        strips = torch.ones(len(mask), decoder.config.num_channels, height, width, device=mask.device)
    kept = torch.zeros(len(mask), strips.shape[-1] // width, dtype=torch.int64, device=mask.device)
    row, place = torch.nonzero(after, as_tuple=True)
    kept[row, ranks(resolved, PATCH)[row, place]] = 1
    num_columns = prompt.num_columns
    if num_columns is not None:
        is_all = kept.sum(-1) == (mask & (resolved == PATCH)).sum(-1)
        num_columns = as_tensor(num_columns, "num_columns", mask.device)
        if num_columns.shape != is_all.shape or not are_integers(num_columns):
            raise ValueError(
                f"num_columns must be one integer for each of the {len(mask)} rows, got {num_columns.dtype} of shape "
                f"{tuple(num_columns.shape)}."
            )
        num_columns = torch.where(is_all, num_columns, kept.sum(-1) * width)
    return MixedPrompt(pixel_values=strips, attention_mask=kept, num_columns=num_columns), cache


def _last(modalities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Modality of the last attended position, `[B]`."""
    if mask.shape[1] == 0:
        raise ValueError("modality_ids name no position: leave them out, or name at least one.")
    position = torch.arange(mask.shape[1], device=mask.device)
    last = torch.where(mask, position, -1).amax(-1)
    if bool((last < 0).any()):
        raise ValueError(f"row {int((last < 0).nonzero()[0, 0])} of the prompt holds nothing but padding.")
    return modalities.gather(1, last[:, None])[:, 0]


def _move_right(embeddings: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Moves the masked-in positions of every row to its end, in their order, and drops columns that nobody needs."""
    order = torch.argsort(mask.to(torch.uint8), dim=1, stable=True)
    order = order[:, mask.shape[1] - int(mask.sum(-1).max()) :]
    moved = embeddings.gather(1, order[..., None].expand(*order.shape, embeddings.shape[-1]))
    return moved, mask.gather(1, order).to(torch.int64)


__all__ = ["ends_with_patches", "read_context", "read_page", "read_token_prompt"]
