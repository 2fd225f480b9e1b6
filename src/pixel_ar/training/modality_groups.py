# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Bringing rows of one modality together, so that a batch holds one kind."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset

from .documents import Documents, endless


class ModalityGroups(IterableDataset):
    """Rows in runs of one modality, each run as long as a batch.

    Rows wait until as many of their kind have come as a batch takes. They come without end, pass after pass over the
    documents, so bound training with `max_steps`; the order depends on the documents alone.

    Args:
        documents: shuffled stream of dictionaries.
        group_size: rows of a batch over all processes: `per_device_train_batch_size` times their number.
        modality_column: key of a row's modality.

    Yields:
        The rows, unchanged.

    Raises:
        ValueError: for a group size below 1, or if there are no rows.
    """

    def __init__(self, documents: Documents, group_size: int, modality_column: str = "modality") -> None:
        if group_size < 1:
            raise ValueError(f"group_size must be at least 1, got {group_size}.")
        self.documents = documents
        self.group_size = group_size
        self.modality_column = modality_column

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Groups the rows of this worker, see [`endless`]."""
        waiting: dict[str, list[dict[str, Any]]] = {}
        for _, _, row in endless(self.documents):
            rows = waiting.setdefault(row[self.modality_column], [])
            rows.append(row)
            if len(rows) == self.group_size:
                yield from rows
                rows.clear()


__all__ = ["ModalityGroups"]
