# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words of joined letters, many drawn at once from an atlas.

Where a letter has one cell of the same width in each of its four forms, the form follows from one bit of each
neighbour, and words are drawn by a few array operations for all of them together instead of letter by letter.
"""

import re
from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np

from ..text.joining import joining_types

# An entry of the table of letters: three flags, and above these bits the place of the first of four cells.
_JOINS_AFTER, _JOINS_BEFORE, _REFUSED, _PLACE = 1, 2, 4, 3
# Stands between words, none of which holds it.
_SEPARATOR = " "
# Codes of lone surrogates, which no word holds, stand for the clusters met so far. The last one stands for all more.
_FIRST_STAND_IN, _LAST_STAND_IN = 0xD800, 0xDFFF
_FIRST_CELLS = 512


class _StandIns(dict[str, str]):
    """Cluster -> the character that stands for it."""

    def __init__(self) -> None:
        super().__init__()
        self.clusters: dict[str, str] = {}

    def __missing__(self, cluster: str) -> str:
        code = _FIRST_STAND_IN + len(self)
        if code >= _LAST_STAND_IN:
            return chr(_LAST_STAND_IN)
        self[cluster] = chr(code)
        self.clusters[chr(code)] = cluster
        return chr(code)


class JoinedLetters:
    """Draws words from right to left whose letters have one cell for each form.

    Args:
        clusters: Matches what has the form of one letter and more than one character: lam and alef, and letters with
            their marks. Never a space.
        is_plain: Tells whether a letter, or such a cluster, is drawn without regard to anything but joining.
        draw_letter: Returns the packed columns of one in a form: 0 alone, 1 joined to what is before it, 2 joined to
            what is after it, 3 to both. None for what cannot be drawn.
        cell_bytes: Bytes of a cell; letters of another width are drawn in another way.
    """

    def __init__(
        self,
        clusters: re.Pattern[str],
        is_plain: Callable[[str], bool],
        draw_letter: Callable[[str, int], bytes | None],
        cell_bytes: int,
    ) -> None:
        self._clusters, self._is_plain = clusters, is_plain
        self._draw_letter, self._cell_bytes = draw_letter, cell_bytes
        self._stand_ins = _StandIns()
        self._letters: list[str] = []
        self._entries = np.zeros(0x10000, np.uint32)
        self._entries[_LAST_STAND_IN] = _REFUSED
        self._cells = np.zeros((_FIRST_CELLS, cell_bytes), np.uint8)
        self._is_drawn = np.zeros(_FIRST_CELLS, bool)
        # What separates words is cut away again: any cell will do. No letter has the first place, for an entry of 0
        # is a character not known yet.
        self._letters.append(_SEPARATOR)
        self._entries[ord(_SEPARATOR)] = 4 << _PLACE
        self._is_drawn[4] = True

    def draw(self, words: Sequence[str]) -> dict[int, bytes]:
        """Draw words.

        Args:
            words: Normalised, in logical order, without spaces.

        Returns:
            Position -> packed columns of those that can be drawn in this way.
        """
        stand_ins = self._stand_ins
        text = self._clusters.sub(lambda match: stand_ins[match[0]], _SEPARATOR.join(words))
        letters = text.split(_SEPARATOR) if words else []
        places: Sequence[int] = range(len(letters))
        while letters:
            codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
            if len(codes) == len(text):
                entries = self._entries_of(codes)
                is_kept = np.ones(len(letters), bool)
                is_kept[np.cumsum(codes == ord(_SEPARATOR))[entries & _REFUSED != 0]] = False
            else:  # characters above the BMP, which have no entries
                is_kept = np.array([max(word, default="") <= "\uffff" for word in letters])
            if is_kept.all():
                cells = self._places(entries)
                if self._draw_cells(cells):
                    return self._cut(places, letters, cells)
                continue
            places, letters = list(compress(places, is_kept)), list(compress(letters, is_kept))
            text = _SEPARATOR.join(letters)
        return {}

    def _entries_of(self, codes: np.ndarray) -> np.ndarray:
        entries = self._entries.take(codes)
        if not entries.all():
            self._take_up(np.unique(codes[entries == 0]).tolist())
            entries = self._entries.take(codes)
        return entries

    def _places(self, entries: np.ndarray) -> np.ndarray:
        """The place of the cell of each character, in the form that its neighbours give it."""
        joined = (entries[:-1] & (entries[1:] >> 1)) & 1
        places = entries >> _PLACE
        places[1:] += joined
        places[:-1] += joined << 1
        return places

    def _cut(self, places: Sequence[int], letters: Sequence[str], cells: np.ndarray) -> dict[int, bytes]:
        """The columns of each word, the last letter first."""
        size = self._cell_bytes
        columns = self._cells.view(f"V{size}").ravel().take(cells[::-1]).tobytes()
        lengths = np.fromiter(map(len, letters), np.int64, len(letters))
        stops = len(columns) - size * (np.cumsum(lengths + 1) - lengths - 1)
        starts = stops - size * lengths
        drawn = [columns[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        return dict(zip(places, drawn, strict=True))

    def _take_up(self, codes: Sequence[int]) -> None:
        """Give new characters an entry."""
        for code in codes:
            letters = self._stand_ins.clusters.get(chr(code), chr(code))
            kind = joining_types(letters).replace("T", "")[-1:] or "U"
            flags = _JOINS_AFTER * (kind in "DC") | _JOINS_BEFORE * (kind in "DRC")
            flags |= _REFUSED * (not self._is_plain(letters))
            self._letters.append(letters)
            self._entries[code] = 4 * len(self._letters) << _PLACE | flags
        while len(self._is_drawn) < 4 * len(self._letters) + 4:
            self._is_drawn = np.concatenate([self._is_drawn, np.zeros_like(self._is_drawn)])
            self._cells = np.concatenate([self._cells, np.zeros_like(self._cells)])

    def _draw_cells(self, places: np.ndarray) -> bool:
        """Draw the cells that a text needs; whether all could be drawn."""
        is_drawn = self._is_drawn.take(places)
        can_all = True
        for place in np.unique(places[~is_drawn]).tolist():
            letters = self._letters[place // 4 - 1]
            cell = self._draw_letter(letters, place % 4)
            if cell is None or len(cell) != self._cell_bytes:
                self._entries[ord(self._stand_ins.get(letters, letters))] |= _REFUSED
                can_all = False
            else:
                self._cells[place] = np.frombuffer(cell, np.uint8)
                self._is_drawn[place] = True
        return can_all


__all__ = ["JoinedLetters"]
