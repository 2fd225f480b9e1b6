# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the collators of tasks share: columns of rows, lengths before drawing, a count of what was cut.

Shapes: B rows, C channels, H strip height, W strip width, P patches, L tokens, T = P + L positions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import get_worker_info
from transformers.utils import logging

from ..processing.processing_pixel_ar import PixelProcessor
from ..processing.tokens import NoTokenizer

logger = logging.get_logger(__name__)

# One counter each for the main process and the workers of a data loader: none waits for another, none is lost.
WORKER_SLOTS = 128


class TruncationCounter:
    """How many rows were collated and how many of them were cut, workers of data loaders included.

    Each process of a distributed run counts its own rows.

    Args:
        unit: what is counted, for the report.
    """

    def __init__(self, unit: str = "rows") -> None:
        self.unit = unit
        self._counts = torch.zeros(WORKER_SLOTS, 2, dtype=torch.int64).share_memory_()

    def add(self, total: int, cut: int) -> None:
        """Counts `total` units, of which `cut` were cut or left out."""
        worker = get_worker_info()
        slot = 0 if worker is None else 1 + worker.id % (WORKER_SLOTS - 1)
        self._counts[slot] += torch.tensor([total, cut])

    @property
    def total(self) -> int:
        """Units so far."""
        return int(self._counts[:, 0].sum())

    @property
    def cut(self) -> int:
        """Units that were cut."""
        return int(self._counts[:, 1].sum())

    def reset(self) -> None:
        """Starts again at zero, such as before an evaluation."""
        self._counts.zero_()

    def __repr__(self) -> str:
        return f"{self.cut} of {self.total} {self.unit} cut"


def read_column(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """One column of a batch.

    Raises:
        KeyError: if a row lacks it, naming the columns there are.
        ValueError: for a missing value.
    """
    for index, row in enumerate(rows):
        if name not in row:
            raise KeyError(
                f"no column {name!r} among {sorted(row)}: name the column, and set remove_unused_columns=False in "
                "TrainingArguments."
            )
        if row[name] is None:
            raise ValueError(f"row {index} of the batch has no {name!r} (None); take such rows out.")
    return [row[name] for row in rows]


def read_texts(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """As [`read_column`], for texts.

    Raises:
        ValueError: for values that are not texts, or hold nothing but white space.
    """
    texts = read_column(rows, name)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"{name!r} of row {index} must be a text, got {type(text).__name__}: {text!r:.60}."
            )
        if not text.strip():
            raise ValueError(f"{name!r} of row {index} is empty: {text!r:.60}; take such rows out.")
    return texts


def patch_lengths(
    processor: PixelProcessor,
    *columns: Sequence[str],
    add_start: bool = False,
    add_eos: bool = True,
) -> list[int]:
    """Patches that rows of texts take, without drawing them.

    Args:
        processor: whose patches and margins count.
        columns: the first text of each row, the second, and so on.
        add_start: as in the processor's call.
        add_eos: likewise.
    """
    width = processor.patch_size[1]
    special = int(add_start) + int(add_eos) + len(columns) - 1
    lengths = []
    for texts in zip(*columns, strict=True):
        length = special
        for number, text in enumerate(texts):
            ink = processor.renderer.measure(text)
            right = processor.right_padding if add_eos or number + 1 < len(texts) else 0
            length += -(-(processor.left_padding + ink + right) // width) if ink else 0
        lengths.append(length)
    return lengths


def padded_length(lengths: Sequence[int], limit: int | None, multiple: int | None) -> int:
    """The length to which a batch is padded: a multiple, but never beyond the limit of a row.

    Args:
        lengths: of the rows, before they are cut.
        limit: the most a row may have; `None` for no limit.
        multiple: `pad_to_multiple_of`; `None` for any length.

    Raises:
        ValueError: for a multiple below 1.
    """
    if multiple is not None and multiple < 1:
        raise ValueError(f"pad_to_multiple_of must be at least 1, got {multiple}.")
    longest = max(lengths) if limit is None else min(max(lengths), limit)
    longest = -(-longest // (multiple or 1)) * (multiple or 1)
    return longest if limit is None else min(longest, limit)


def warn_of_cuts(lengths: Sequence[int], limit: int | None) -> int:
    """How many rows exceed a limit; says so once per limit."""
    cut = 0 if limit is None else sum(length > limit for length in lengths)
    if cut:
        logger.warning_once(
            f"rows are cut to {limit} patches or tokens (one has {max(lengths)}); the collator's `truncation` counts "
            "them."
        )
    return cut


def require_tokenizer(processor: PixelProcessor) -> None:
    """Raises ValueError for a processor without a tokenizer."""
    if isinstance(processor.tokenizer, NoTokenizer):
        raise ValueError(
            "tokens need a tokenizer: build the processor with PixelProcessor(..., tokenizer=...), or use "
            'modality="pixel".'
        )


def to_bytes(pixel_values: torch.Tensor) -> torch.Tensor:
    """Strips in [0, 1] as uint8 0..255: a quarter of the memory on the way from the worker."""
    return (pixel_values * 255).to(torch.uint8)


__all__ = [
    "TruncationCounter",
    "padded_length",
    "patch_lengths",
    "read_column",
    "read_texts",
    "require_tokenizer",
    "to_bytes",
    "warn_of_cuts",
]
