# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Streams of documents that are read without end, by one worker or shared among several."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch.utils.data import get_worker_info


class Documents(Protocol):
    """What packing needs of a data set; `datasets.IterableDataset` has it."""

    def set_epoch(self, epoch: int) -> None:
        """Chooses the shuffle of the next pass."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One dictionary per document."""


def endless(documents: Documents) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Documents of this worker, pass after pass; each document belongs to one worker.

    A `datasets.IterableDataset` shares its files (`num_shards`) among the workers of a data loader by itself. Where it
    has fewer files than there are workers, those left over get nothing, and `datasets` says so. Of any other stream,
    worker w of n takes every n-th document.

    Args:
        documents: the stream.

    Yields:
        The number of the pass, that of the document in what this worker reads of it, and the document.

    Raises:
        ValueError: if a pass has no document for this worker, though there should be one.
    """
    worker = get_worker_info()
    index, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
    num_shards = getattr(documents, "num_shards", None)
    if num_shards is not None:
        if index >= num_shards:
            return
        index, count = 0, 1
    epoch = 0
    while True:
        documents.set_epoch(epoch)
        number = -1
        for number, document in enumerate(documents):
            if number % count == index:
                yield epoch, number, document
        if number < index:
            found = f"{number + 1} documents, too few for {count} workers" if number >= 0 else "no documents"
            raise ValueError(f"the data set has {found}; check the path and the split.")
        epoch += 1


__all__ = ["Documents", "endless"]
