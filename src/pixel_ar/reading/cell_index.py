# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cells by their columns: what a parser of strips looks up.

An index grows at its end only, and is cut back there: what was added for one line is gone after it.
"""

import numpy as np

# Units (see `reading.unit_classes`) have codes beyond those of Unicode, so that none can be taken for a character.
FIRST_UNIT = 0x110000


class CellIndex:
    """Distinct cells in the order of their classes.

    Args:
        height: Rows, a multiple of 8.
        cells: Packed columns of each.
        codes: uint32 `[K]`, the code point that each stands for; from `FIRST_UNIT` on the number of a unit.
        priors: float32 `[K]`, nats of each before any pixel is seen.

    Attributes:
        cells: Packed columns of each class.
        prior_list: The priors as a list.
        table: Packed columns -> class.
    """

    def __init__(self, height: int, cells: list[bytes], codes: np.ndarray, priors: np.ndarray) -> None:
        self.height, self.cells = height, list(cells)
        size = height // 8
        self.table = {cell: index for index, cell in enumerate(self.cells)}
        self.prior_list: list[float] = priors.tolist()
        widths = np.array([len(cell) for cell in self.cells], np.int32) // size
        # Arrays with room to grow; the public ones are views of what is filled.
        self._room = {"codes": codes, "widths": widths, "priors": priors}
        self._num_of_length: dict[int, int] = {}
        for cell in self.cells:
            self._num_of_length[len(cell)] = self._num_of_length.get(len(cell), 0) + 1
        self._byte_lengths: tuple[int, ...] | None = None
        self._prefixes: dict[bytes, tuple[int, tuple[int, ...]]] | None = None
        self._uniform_keys: tuple[int, tuple[np.ndarray, np.ndarray] | None] | None = None
        # What stood in `prefixes` before each append.
        self._before: list[tuple[bytes, tuple[int, tuple[int, ...]] | None]] = []

    def copy(self) -> "CellIndex":
        """Return an index that grows without this one."""
        return CellIndex(self.height, self.cells, self.codes, self.priors)

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def codes(self) -> np.ndarray:
        """uint32 `[K]`, as given."""
        return self._room["codes"][: len(self.cells)]

    @property
    def widths(self) -> np.ndarray:
        """int32 `[K]`, columns of each."""
        return self._room["widths"][: len(self.cells)]

    @property
    def priors(self) -> np.ndarray:
        """float32 `[K]`, as given."""
        return self._room["priors"][: len(self.cells)]

    # ---- growing ----

    def append(self, cell: bytes, code: int, prior: float) -> int:
        """Add a cell that is not there yet; return its class."""
        index = len(self.cells)
        for name, value in (("codes", code), ("widths", len(cell) * 8 // self.height), ("priors", prior)):
            room = self._room[name]
            if index >= len(room):
                room = self._room[name] = np.concatenate([room, np.zeros(1024 + len(room) // 4, room.dtype)])
            room[index] = value
        self.cells.append(cell)
        self.prior_list.append(float(prior))
        self.table[cell] = index
        count = self._num_of_length[len(cell)] = self._num_of_length.get(len(cell), 0) + 1
        if count == 1:
            self._forget_lengths(len(cell))
        if self._prefixes is not None:
            shortest = self.byte_lengths[0]
            prefix = cell[:shortest]
            known = self._prefixes.get(prefix)
            self._before.append((prefix, known))
            exact, longer = known or (-1, ())
            if len(cell) > shortest:
                longer = tuple(sorted({*longer, len(cell)}))
            self._prefixes[prefix] = (index if len(cell) == shortest else exact, longer)
        return index

    def truncate(self, length: int) -> None:
        """Take off what was added after there were so many cells."""
        while len(self.cells) > length:
            cell = self.cells.pop()
            self.prior_list.pop()
            del self.table[cell]
            self._num_of_length[len(cell)] -= 1
            if not self._num_of_length[len(cell)]:
                del self._num_of_length[len(cell)]
                self._forget_lengths(len(cell))
            if self._prefixes is not None and self._before:
                prefix, known = self._before.pop()
                if known is None:
                    del self._prefixes[prefix]
                else:
                    self._prefixes[prefix] = known
            else:
                self._prefixes = None
        if self._uniform_keys is not None and self._uniform_keys[0] > length:
            self._uniform_keys = None

    def _forget_lengths(self, length: int) -> None:
        """Work out anew what follows from the lengths there are."""
        if self._byte_lengths is not None and length <= self._byte_lengths[0]:
            self._prefixes, self._before = None, []
        self._byte_lengths = None

    # ---- looking up ----

    @property
    def byte_lengths(self) -> tuple[int, ...]:
        """The lengths of the cells in bytes, ascending."""
        if self._byte_lengths is None:
            self._byte_lengths = tuple(sorted(self._num_of_length))
        return self._byte_lengths

    @property
    def prefixes(self) -> dict[bytes, tuple[int, tuple[int, ...]]]:
        """First bytes of a cell, as many as the shortest has -> class of that very cell or -1, longer lengths."""
        if self._prefixes is None:
            shortest = self.byte_lengths[0]
            longer: dict[bytes, set[int]] = {}
            for cell in self.cells:
                lengths = longer.setdefault(cell[:shortest], set())
                if len(cell) > shortest:
                    lengths.add(len(cell))
            self._before = []
            self._prefixes = {
                prefix: (self.table.get(prefix, -1), tuple(sorted(lengths)))
                for prefix, lengths in longer.items()
            }
        return self._prefixes

    @property
    def uniform_keys(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Sorted uint64 keys of the cells and their classes, if all cells have one length of at most 8 bytes."""
        if len(self.byte_lengths) > 1 or self.byte_lengths[0] > 8:
            return None
        if self._uniform_keys is None or self._uniform_keys[0] != len(self.cells):
            padded = b"".join(cell.ljust(8, b"\0") for cell in self.cells)
            keys = np.frombuffer(padded, np.uint64)
            order = np.argsort(keys)
            self._uniform_keys = len(self.cells), (keys[order], order.astype(np.int32))
        return self._uniform_keys[1]

    def bits(self, classes: np.ndarray) -> np.ndarray:
        """Return the packed columns of classes of one width, uint8 `[K, width, height // 8]`."""
        joined = b"".join(self.cells[index] for index in classes.tolist())
        return np.frombuffer(joined, np.uint8).reshape(len(classes), -1, self.height // 8)


__all__ = ["FIRST_UNIT", "CellIndex"]
