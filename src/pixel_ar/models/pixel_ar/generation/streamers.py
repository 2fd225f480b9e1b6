# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Patches handed out while they are drawn."""

from collections.abc import Iterator
from queue import Queue
from typing import Any, Protocol

import torch


class PatchStreamer(Protocol):
    """What `generate(..., streamer=...)` calls, as of any streamer in Transformers."""

    def put(self, value: torch.Tensor) -> None:
        """Gets the next patch of every row, float32 `[B, C, H, w]` on the CPU."""

    def end(self) -> None:
        """Called after the last patch."""


class PatchIteratorStreamer:
    """Iterator over patches as they are drawn, for `generate(..., streamer=...)` in another thread.

    Each item is a float32 `[B, C, H, w]` tensor on the CPU; rows that have stopped are white. The prompt is not
    among them. A prompt that ends inside a patch has that whole patch as its first item. An error in `generate`
    is raised from the iterator too, so that the reader does not wait for ever.

    Args:
        timeout: longest wait for a patch in seconds; after it, `queue.Empty` is raised. `None` waits for ever.

    Example:
        ```python
        streamer = PatchIteratorStreamer()
        Thread(target=model.generate, kwargs={**inputs, "streamer": streamer, "max_new_patches": 48}).start()
        for patch in streamer:
            ...
        ```
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._items: Queue[torch.Tensor | BaseException | None] = Queue()

    def put(self, value: torch.Tensor) -> None:
        """Called by `generate` with every patch."""
        self._items.put(value)

    def end(self) -> None:
        """Called by `generate` after the last patch."""
        self._items.put(None)

    def fail(self, error: BaseException) -> None:
        """Called by `generate` when it raises."""
        self._items.put(error)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self

    def __next__(self) -> torch.Tensor:
        item = self._items.get(timeout=self.timeout)
        if item is None:
            raise StopIteration
        if isinstance(item, BaseException):
            raise item
        return item


def check_streamer(streamer: Any) -> None:
    """Refuses streamers of texts: they would take pixels for token ids.

    Raises:
        ValueError: naming the class that fits.
    """
    if hasattr(streamer, "tokenizer"):
        raise ValueError(
            f"{type(streamer).__name__} decodes token ids, but this call writes patches: use "
            "PixelTextStreamer(processor) for text, PatchIteratorStreamer() for patches."
        )


__all__ = ["PatchIteratorStreamer", "PatchStreamer", "check_streamer"]
