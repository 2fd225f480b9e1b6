# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text from the units of a layout: pieces of fixed width, each read alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Ends that it tries for a word that cannot be read exactly.
_MOST_TRIES = 3
# Columns of the widest clusters that are put together from several glyphs.
_USUAL_WIDTH = 128


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
    widths: Sequence[int],
) -> tuple[bytes, np.ndarray]:
    """Take the blanks between units out of a strip: the inverse of `place_units`.

    Args:
        data: Packed columns.
        strategy: As they were placed.
        geometry: Rows of the strip, columns of a patch.
        space: Packed columns of a space.
        read: Reads the columns of what may be one unit: (columns, whether None shall tell that it is not exact).
        widths: Columns that a cluster may have, ascending.

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
        elif strategy == "word_pieces":
            columns, blank, taken = finder.word_piece(position, widths[-1])
        else:
            columns, blank, taken = finder.clusters(position, end, 2 if strategy == "bigrams" else 1, widths)
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

    def clusters(self, first: int, end: int, count: int, widths: Sequence[int]) -> tuple[int, bytes, int]:
        """(columns of the unit, blanks that belong to it, columns to the next unit), for units of `count` clusters."""
        blank = len(self.space) // self.size
        left = -(-(end - first) // self.width)
        # From wide to narrow: the left part of a wide glyph may look like a glyph.
        for patches in self._sizes(count, widths, left):
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

    def _sizes(self, count: int, widths: Sequence[int], left: int) -> list[int]:
        """Patches that a unit may take, the most first.

        Clusters up to some width may be put together from narrower glyphs; a wider one is drawn as a whole.
        """
        usual = max((width for width in widths if width <= _USUAL_WIDTH), default=_USUAL_WIDTH)
        most = -(-(count * usual) // self.width)
        sizes = set(range(1, most + 1))
        for width in widths:
            if width > _USUAL_WIDTH:
                for others in range(count):
                    room = range(
                        -(-(width * (others + 1)) // self.width),
                        -(-(width * (others + 1) + usual) // self.width) + 1,
                    )
                    sizes.update(room)
        return sorted((size for size in sizes if size <= left), reverse=True)

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

    def word_piece(self, first: int, widest: int) -> tuple[int, bytes, int]:
        """(columns of the piece of a word, the blank in place of a white patch, columns to the next piece)."""
        chunk = self._columns(first, first + self.width)
        if not any(chunk):
            return 0, self.space, self.width
        most = -(-(widest + len(self.space) // self.size) // self.width)
        for patches in range(1, most + 1):
            wide = self._columns(first, first + patches * self.width)
            found = self.read(wide, True)
            # A glyph wider than a patch goes on in the next one.
            if found is not None and -(-found.num_columns // self.width) == patches:
                return found.num_columns, b"", patches * self.width
        return self._guess(chunk).num_columns, b"", self.width

    def _guess(self, chunk: bytes) -> UnitReading:
        return self.read(chunk, False) or UnitReading(0, 0, 1.0)

    def _columns(self, first: int, stop: int) -> bytes:
        return self.data[first * self.size : stop * self.size]


__all__ = ["UnitReading", "join_units"]
