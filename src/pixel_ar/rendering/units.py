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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .renderer import PackedStrip

# Ends that it tries for a word that cannot be read exactly.
_MOST_TRIES = 3


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


@dataclass(frozen=True)
class UnitStrip(PackedStrip):
    """A strip of units that begin at patch borders.

    Attributes:
        unit_spans: int32 `[units, 2]`, first column and column after the last of each unit, from left to right.
    """

    unit_spans: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 2), np.int32), compare=False, repr=False
    )

    def cut(self, max_columns: int) -> PackedStrip:
        """Return as many whole units from the beginning of the text as fit, or clusters if not even one does."""
        spans = self.unit_spans
        if self.is_right_to_left:
            fitting = np.flatnonzero(self.num_columns - spans[:, 0] <= max_columns)
            kept = slice(int(fitting[0]), None) if len(fitting) else None
        else:
            fitting = np.flatnonzero(spans[:, 1] <= max_columns)
            kept = slice(0, int(fitting[-1]) + 1) if len(fitting) else None
        if kept is None:
            return super().cut(max_columns)
        first, stop = int(spans[kept][0, 0]), int(spans[kept][-1, 1])
        if self.is_right_to_left or stop == spans[-1, 1]:
            stop = self.num_columns if self.num_columns - first <= max_columns else stop
        assert self.char_spans is not None
        is_kept = (self.char_spans[:, :1] >= first) & (self.char_spans[:, 1:] <= stop)
        chars = np.where(is_kept, self.char_spans - first, 0).astype(np.int32)
        size = self.height // 8
        return UnitStrip(
            self.columns[first * size : stop * size],
            self.height,
            stop - first,
            self.text,
            np.append(chars[:, 0], np.int32(stop - first)),
            chars,
            self.is_right_to_left,
            spans[kept] - first,
        )


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


@dataclass(frozen=True)
class UnitReading:
    """What a reader makes of the columns from a patch border on.

    Attributes:
        num_clusters: Clusters or joined letters, blanks at the end not counted.
        num_columns: Columns up to where the last of them ends.
        unreadable: Share of the ink that is no exact glyph.
        stops: Column where each ends, from left to right.
        gap: Column where a blank between them begins, or None.
    """

    num_clusters: int
    num_columns: int
    unreadable: float
    stops: tuple[int, ...] = ()
    gap: int | None = None


def join_units(
    data: bytes,
    strategy: str,
    geometry: tuple[int, int],
    space: bytes,
    read: Callable[[bytes, bool], UnitReading | None],
    widest: int,
) -> tuple[bytes, np.ndarray]:
    """Take the blanks between units out of a strip: the inverse of `place_units`.

    Args:
        data: Packed columns.
        strategy: As they were placed.
        geometry: Rows of the strip, columns of a patch.
        space: Packed columns of a space.
        read: Reads the columns of what may be one unit: (columns, whether None shall tell that it is not exact).
        widest: Columns of the widest cluster.

    Returns:
        Packed columns of the continuous strip; int32 `[its columns + 1]`, the column of `data` each was taken from.
    """
    height, width = geometry
    size = height // 8
    end = -(-len(data.rstrip(b"\0")) // size)
    finder = _UnitFinder(data.ljust(-(-end // width) * width * size, b"\0"), width, size, space, read)
    parts: list[bytes] = []
    places: list[np.ndarray] = []
    position = 0
    while position < end:
        if strategy == "words":
            columns, blank, taken = finder.word(position, end)
        else:
            columns, blank, taken = finder.clusters(position, end, 2 if strategy == "bigrams" else 1, widest)
        parts += [data[position * size : (position + columns) * size].ljust(columns * size, b"\0"), blank]
        places.append(position + np.arange(columns + len(blank) // size))
        position += taken
    places.append(np.array([end]))
    return b"".join(parts), np.concatenate(places).astype(np.int32)


@dataclass(frozen=True)
class _UnitFinder:
    """Finds where the unit that begins at a border ends; see `join_units`."""

    data: bytes
    width: int
    size: int
    space: bytes
    read: Callable[[bytes, bool], UnitReading | None]

    def clusters(self, first: int, end: int, count: int, widest: int) -> tuple[int, bytes, int]:
        """(columns of the unit, blanks that belong to it, columns to the next unit), for units of `count` clusters."""
        blank = len(self.space) // self.size
        left = -(-(end - first) // self.width)
        # From wide to narrow: the left part of a wide glyph may look like a glyph.
        for patches in range(min(left, -(-(count * widest) // self.width)), 0, -1):
            found = self.read(self._columns(first, first + patches * self.width), True)
            if found is None or found.num_clusters > count:
                continue
            missing = count - found.num_clusters
            fits = -(-(found.num_columns + missing * blank) // self.width) == patches
            # At the end of a text there may be fewer, and blanks do not count.
            if fits or (patches == left and -(-found.num_columns // self.width) >= patches):
                return found.num_columns, self.space * missing, patches * self.width
        # Damaged, or drawn by nobody: what is too much in this patch is noise.
        stops = self._guess(self._columns(first, first + self.width)).stops[:count]
        return (stops[-1] if stops else 0), self.space * (count - len(stops)), self.width

    def word(self, first: int, end: int) -> tuple[int, bytes, int]:
        """(columns of the word, the blank after it, columns to the next word)."""
        blank = len(self.space) // self.size
        guess: tuple[int, bytes, int] | None = None
        num_tried = 0
        for stop in range(first + self.width, end, self.width):
            chunk = self._columns(first, stop)
            if not any(chunk):
                return 0, self.space, -(-blank // self.width) * self.width
            if any(chunk[-blank * self.size :]):
                continue
            found = self.read(chunk, True) or self._guess(chunk)
            taken = -(-(found.num_columns + blank) // self.width) * self.width
            if found.unreadable == 0 and first + taken == stop:
                return found.num_columns, self.space, taken
            if found.unreadable > 0 and found.gap:
                # Words hold no blanks: this one ends at it, and a wrong pixel hides that.
                return found.gap, self.space, -(-(found.gap + blank) // self.width) * self.width
            if guess is None and found.unreadable > 0:
                # A damaged word, or a gap inside a letter: what looks like the end of the word may be it.
                inked = -(-len(chunk.rstrip(b"\0")) // self.size)
                guess = min(max(found.num_columns, inked), stop - first), self.space, stop - first
            num_tried += guess is not None
            if num_tried == _MOST_TRIES:
                break
        if guess is None:
            found = self._guess(self._columns(first, end))
            if found.unreadable > 0 and found.gap:
                return found.gap, self.space, -(-(found.gap + blank) // self.width) * self.width
        return guess or (end - first, b"", end - first)

    def _guess(self, chunk: bytes) -> UnitReading:
        return self.read(chunk, False) or UnitReading(0, 0, 1.0)

    def _columns(self, first: int, stop: int) -> bytes:
        return self.data[first * self.size : stop * self.size]


__all__ = ["Piece", "UnitReading", "UnitStrip", "group_pieces", "join_units", "place_units"]
