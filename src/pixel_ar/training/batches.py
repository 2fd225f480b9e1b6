# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the collators share: lengths before drawing, a count of what was cut, labels that are there.

Shapes: B rows, C channels, H strip height, W strip width, P patches, L tokens, T = P + L positions.
"""

from collections.abc import Mapping, Sequence

import torch
from torch.utils.data import get_worker_info
from transformers.utils import logging

from ..modalities import IGNORED_LABEL
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


def require_labels(labels: torch.Tensor, rows: str, shifted: bool = False) -> None:
    """Raises for a batch that teaches nothing: its loss would be NaN, and one step with it spoils the weights.

    Args:
        labels: integers `[B]` or `[B, T]`; numbers of a regression are all labels.
        rows: what the error says of the rows.
        shifted: whether a position is learned at the one before it, so that the first of a row is not.

    Raises:
        ValueError: if all labels are -100.
    """
    learned = labels[:, 1:] if shifted else labels
    if not labels.is_floating_point() and bool((learned == IGNORED_LABEL).all()):
        raise ValueError(
            f"no label in any of the {len(labels)} rows of the batch ({rows}), and so no loss: all are -100. Take such "
            "rows out, or raise max_patches where they are cut."
        )


def model_inputs(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the models read, pixels as bytes."""
    names = ("attention_mask", "input_ids", "modality_ids")
    data = {name: batch[name] for name in names if name in batch}
    if "pixel_values" in batch:
        data["pixel_values"] = to_bytes(batch["pixel_values"])
    return data


def to_bytes(pixel_values: torch.Tensor) -> torch.Tensor:
    """Strips in [0, 1] as uint8 0..255: a quarter of the memory on the way from the worker."""
    return (pixel_values * 255).to(torch.uint8)


__all__ = [
    "TruncationCounter",
    "model_inputs",
    "padded_length",
    "patch_lengths",
    "require_labels",
    "require_tokenizer",
    "to_bytes",
    "warn_of_cuts",
]
