# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Drawn words, clusters and lines, remembered in bounded memory."""

from collections.abc import Callable
from typing import Any

# Bytes that a cache may hold in each of its two generations, and the longest word it keeps. A word of an unspaced
# script is a whole phrase, which hardly comes again.
CACHE_BYTES = 8 << 20
LONGEST_WORD = 40
# What an entry takes beside its text and its columns: two object headers and a place in a dictionary.
_ENTRY_BYTES = 200


class BoundedCache(dict[Any, Any]):
    """Remembers what a function returned, in at most twice `CACHE_BYTES` bytes.

    When one generation is full it becomes the old one, and the one before is forgotten; what is asked for again moves
    to the new one. A hit costs no more than that of a dictionary.

    Args:
        make: Returns the value of a key: bytes, a tuple that begins with bytes, or None, which is not kept.
        longest: Longer keys are not kept.
    """

    def __init__(self, make: Callable[[Any], Any], longest: int = LONGEST_WORD) -> None:
        super().__init__()
        self.make, self.longest = make, longest
        self.old: dict[Any, Any] = {}
        self.num_bytes = 0

    def __missing__(self, key: Any) -> Any:
        value = self.old.get(key)
        if value is None:
            value = self.make(key)
        if value is not None and len(key) <= self.longest:
            self.keep(key, value)
        return value

    def keep(self, key: Any, value: Any) -> None:
        """Remember a value, made elsewhere or found among the old ones."""
        columns = value if isinstance(value, bytes) else value[0]
        # Characters above the BMP take four bytes.
        self.num_bytes += _ENTRY_BYTES + len(columns) + 4 * len(key)
        if self.num_bytes > CACHE_BYTES:
            self.old = dict(self)
            self.clear()
            self.num_bytes = _ENTRY_BYTES + len(columns)
        self[key] = value

    def keep_all(self, values: dict[str, bytes]) -> None:
        """Remember many values."""
        num_bytes = _ENTRY_BYTES * len(values) + sum(map(len, values.values())) + 4 * sum(map(len, values))
        if self.num_bytes + num_bytes > CACHE_BYTES:
            for key, value in values.items():
                self.keep(key, value)
        else:
            self.num_bytes += num_bytes
            self.update(values)


__all__ = ["LONGEST_WORD", "BoundedCache"]
