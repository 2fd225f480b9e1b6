# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Rendering strategies: which units of a text begin at a patch border (Lotz et al. 2023, arXiv 2311.00522).

- `continuous`: none; text flows over the borders, and a word is cut by patches in as many ways as it has places.
- `bigrams`: every second grapheme cluster; a patch holds two.
- `mono`: every grapheme cluster; a patch holds one. (The paper's MONO sets a monospaced font continuously, so that
  patches fall between letters: here that is `continuous` with an atlas such as fixed-5x8 and patches 5, 10 or 20 wide.)
- `words`: every word. After it stand at least the columns of its space, so that words never touch.

A unit too wide for one patch takes as many as it needs; nothing is cut or shrunk. Units stand in visual order, each at
the left of its patches, and are counted from the left end of the line in text of every direction, since pixels alone
would not tell another count. A unit still open at the end of the text (a single letter of a bigram, a word without a
space after it) ends at its last column, so that a model goes on from there; every other ends at a border.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .strip import UnitStrip


@dataclass(frozen=True)
class Piece:
    """What is drawn as one: a grapheme cluster, or letters that join.

    Attributes:
        start: Position of its first character in the text.
        stop: Position after its last.
        cell: Packed columns.
    """

    start: int
    stop: int
    cell: bytes


def group_pieces(pieces: Sequence[Piece], strategy: str) -> list[list[Piece]]:
    """Put pieces together to units.

    Args:
        pieces: In visual order.
        strategy: `"bigrams"`, `"mono"` or `"words"`.

    Returns:
        Pieces of each unit, in visual order. The unit of a word ends with the blank after it.
    """
    # What has no columns (a directional control) belongs to what stands before it.
    units: list[list[Piece]] = []
    if strategy == "words":
        is_open = False
        for piece in pieces:
            if not is_open:
                units.append([])
            units[-1].append(piece)
            is_open = not piece.cell or any(piece.cell)
        return units
    size = 2 if strategy == "bigrams" else 1
    count = 0
    for piece in pieces:
        if (piece.cell and count % size == 0) or not units:
            units.append([])
        count += bool(piece.cell)
        units[-1].append(piece)
    return units


def place_units(
    units: Sequence[Sequence[Piece]],
    strategy: str,
    text: str,
    geometry: tuple[int, int],
    is_right_to_left: bool,
) -> UnitStrip:
    """Draw units, each from a patch border on.

    Args:
        units: As `group_pieces` makes them.
        strategy: Likewise.
        text: The normalised text.
        geometry: Rows of the strip, columns of a patch.
        is_right_to_left: Whether the text begins at the right end.
    """
    height, width = geometry
    size = height // 8
    spans = np.zeros((len(text), 2), np.int32)
    parts: list[bytes] = []
    unit_spans: list[tuple[int, int]] = []
    position = 0
    for index, unit in enumerate(units):
        first = position
        for piece in unit:
            columns = len(piece.cell) // size
            spans[piece.start : piece.stop] = position, position + columns
            position += columns
        parts += [piece.cell for piece in unit]
        unit_spans.append((first, position))
        is_last = index == len(units) - 1
        if not is_last or is_right_to_left or not _is_open(unit, strategy):
            blank = -position % width
            parts.append(bytes(blank * size))
            position += blank
    return UnitStrip(
        b"".join(parts),
        height,
        position,
        text,
        np.append(spans[:, 0], np.int32(position)),
        spans,
        is_right_to_left,
        np.array(unit_spans, np.int32).reshape(-1, 2),
    )


def _is_open(unit: Sequence[Piece], strategy: str) -> bool:
    """Tell whether a unit at the end of a text may still grow."""
    drawn = [piece for piece in unit if piece.cell]
    if strategy == "bigrams":
        return len(drawn) < 2
    return strategy == "words" and bool(drawn) and any(drawn[-1].cell)


__all__ = ["Piece", "group_pieces", "place_units"]
