# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The smallest part of a line that is drawn as one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A grapheme cluster, or letters that a font joins.

    Attributes:
        start: Position of its first character in the text.
        stop: Position after its last.
        cell: Packed columns.
        source: Name of the atlas or font that drew it; "" for a box; None where each of its characters is drawn by the
            first member of the chain that has it.
        is_right_to_left: Whether it was drawn as text that runs to the left.
        is_unjoined: Whether letters that should be joined stand side by side.
    """

    start: int
    stop: int
    cell: bytes
    source: str | None = None
    is_right_to_left: bool = False
    is_unjoined: bool = False


__all__ = ["Piece"]
