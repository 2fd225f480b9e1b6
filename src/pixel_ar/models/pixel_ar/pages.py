# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A page before a sequence: its patches, row after row, are what the decoder reads first.

The page counts in the cache and for positions, but is no part of the sequence: labels, masks and logits are of what
follows it. Its patches are causal, or see each other (`prefix_attention`, as in prefix language models, arXiv
1910.10683, section 3.2.1); what follows is causal and sees all of them.

Shapes: B rows, C channels, R, K rows and columns of patches, S = R * K patches of a page, T positions after it, D
hidden size.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import Cache

from .checks import require_tensors
from .configuration_pixel_ar import PixelARConfig
from .sequences import unpadded_positions


class PageInputs(NamedTuple):
    """What a decoder reads where a page stands before a sequence.

    Attributes:
        inputs_embeds: `[B, S + T, D]`, or `[B, T, D]` where the cache holds the page.
        attention_mask: `[B, cached + S + T]`.
        position_ids: as the embeddings.
        is_page: bool `[B, S + T]`, or `None` where the cache holds the page.
    """

    inputs_embeds: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    is_page: torch.Tensor | None


class PagePositions(nn.Module):
    """A learnt vector for each row and one for each column of a page, from 0."""

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        rows, columns = config.page_positions or (1, 1)
        self.rows = nn.Embedding(rows, config.hidden_size)
        self.columns = nn.Embedding(columns, config.hidden_size)

    def forward(self, num_rows: int, num_columns: int) -> torch.Tensor:
        """`[R * K, D]`, row after row.

        Raises:
            ValueError: for a page larger than the tables.
        """
        most = (self.rows.num_embeddings, self.columns.num_embeddings)
        if num_rows > most[0] or num_columns > most[1]:
            raise ValueError(
                f"the page has {num_rows} x {num_columns} patches, but config.page_positions is {most}; cut the "
                "page, or make a model for larger ones."
            )
        places = self.rows.weight[:num_rows, None] + self.columns.weight[None, :num_columns]
        return places.flatten(0, 1)


def page_rows(page_values: torch.Tensor, patch_height: int) -> torch.Tensor:
    """Pages `[B, C, R * H, W]` as strips, row behind row: `[B, C, H, R * W]`.

    Raises:
        ValueError: for pages that are no whole number of patches high.
    """
    if page_values.dim() != 4 or not page_values.shape[2] or page_values.shape[2] % patch_height:
        raise ValueError(
            f"page_values must be [batch, channels, rows * {patch_height}, width], got {tuple(page_values.shape)}; "
            "processor.render_pages makes them."
        )
    lines = page_values.unflatten(2, (-1, patch_height))
    return lines.permute(0, 1, 3, 2, 4).flatten(3)


def page_mask(
    page_values: torch.Tensor, given: torch.Tensor | None, patch_size: tuple[int, int]
) -> torch.Tensor:
    """Which patches of pages count, int64 `[B, S]`.

    Raises:
        TypeError: for what is no tensor.
        ValueError: for pages or a mask of another shape.
    """
    require_tensors(page_values=page_values, page_attention_mask=given)
    if page_values.dim() != 4:
        raise ValueError(
            f"page_values must be [batch, channels, rows * {patch_size[0]}, width], got {tuple(page_values.shape)}."
        )
    batch, _, height, width = page_values.shape
    shape = (batch, (height // patch_size[0]) * (width // patch_size[1]))
    if given is None:
        return torch.ones(shape, dtype=torch.int64, device=page_values.device)
    if tuple(given.shape) != shape:
        raise ValueError(
            f"page_attention_mask has shape {tuple(given.shape)}, but the pages hold {list(shape)} patches."
        )
    return given.to(page_values.device, torch.int64)


def put_page_before(
    page: torch.Tensor,
    mask: torch.Tensor,
    rest: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    cache: Cache | None,
) -> PageInputs:
    """Joins a page and a sequence.

    Positions skip padding, of the page too: a row has them alone as in any batch.

    Args:
        page: embeddings `[B, S, D]`.
        mask: `[B, S]`.
        rest: embeddings `[B, T, D]` of new positions after it.
        attention_mask: `[B, cached + T]` without the page.
        position_ids: `[B, T]`, counted from the end of the page.
        cache: empty, or holding the page and what follows it.

    Raises:
        ValueError: for another number of rows, or a cache that does not hold the page.
    """
    if len(rest) != len(page):
        raise ValueError(f"{len(page)} pages, but {len(rest)} rows after them; pass as many of both.")
    cached = 0 if cache is None else int(cache.get_seq_length())
    size = page.shape[1]
    if 0 < cached < size:
        raise ValueError(
            f"the cache holds {cached} positions, fewer than the page ({size}); begin with an empty one."
        )
    before = cached - size if cached else 0
    if attention_mask is None:
        attention_mask = mask.new_ones(len(rest), before + rest.shape[1])
    attention_mask = attention_mask.to(mask)
    # A cache of fixed size has a mask of its size.
    whole = torch.cat([mask, attention_mask], dim=1)
    if position_ids is None:
        position_ids = unpadded_positions(whole)[:, size + before : size + before + rest.shape[1]]
    else:
        position_ids = position_ids + mask.sum(-1, keepdim=True)
    if cached:
        return PageInputs(rest, whole, position_ids, None)
    embeds = torch.cat([page, rest.to(page)], dim=1)
    positions = torch.cat([unpadded_positions(mask), position_ids], dim=1)
    is_page = torch.cat([mask != 0, mask.new_zeros(len(rest), rest.shape[1], dtype=torch.bool)], dim=1)
    return PageInputs(embeds, whole, positions, is_page)


def sees_whole_page(is_page: torch.Tensor) -> Any:
    """A rule for masks: whether a position and another both belong to the page of a row, bool `[B, S + T]`."""

    def rule(row: Any, head: Any, query: Any, key: Any) -> Any:
        return is_page[row, query] & is_page[row, key]

    return rule


__all__ = ["PageInputs", "PagePositions", "page_mask", "page_rows", "put_page_before", "sees_whole_page"]
