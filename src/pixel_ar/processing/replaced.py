# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How many characters without a glyph were drawn as boxes: for the end of a run over data."""

import re
from collections.abc import Iterable
from contextlib import suppress

import torch

from ..rendering.renderer import StripRenderer
from ..text.characters import describe

# A process of a DataLoader has a slot of its own, so that none writes where another does.
_SLOTS = 128
_TEXTS, _MARKED, _CHARACTERS, _FIRST_EXAMPLE = 0, 1, 2, 3
_EXAMPLES = 5


class ReplacedCharacters:
    """Counts the characters that a processor has drawn as boxes (`missing="hexbox"` or `"warn"`).

    The numbers are in shared memory: what the workers of a `DataLoader` count is seen by the process that made them.
    """

    def __init__(self) -> None:
        self._numbers = torch.zeros(_SLOTS, _FIRST_EXAMPLE + _EXAMPLES, dtype=torch.int64)
        with suppress(RuntimeError, OSError):  # no shared memory here: then every process counts for itself
            self._numbers.share_memory_()
        self._pattern: tuple[int, re.Pattern[str]] = (0, re.compile("[\ud800-\udfff]"))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_pattern": (0, re.compile("[\ud800-\udfff]"))}

    @property
    def num_texts(self) -> int:
        """Texts that were looked at."""
        return int(self._numbers[:, _TEXTS].sum())

    @property
    def num_replaced_texts(self) -> int:
        """Texts with at least one box."""
        return int(self._numbers[:, _MARKED].sum())

    @property
    def num_characters(self) -> int:
        """Boxes in all of them."""
        return int(self._numbers[:, _CHARACTERS].sum())

    @property
    def examples(self) -> tuple[str, ...]:
        """Some of the characters, sorted."""
        codes = self._numbers[:, _FIRST_EXAMPLE:].flatten().unique().tolist()
        return tuple(chr(code) for code in codes if code)

    def count(self, texts: Iterable[str], renderer: StripRenderer) -> None:
        """Counts in texts that a renderer has just drawn."""
        boxed = renderer.boxed
        if self._pattern[0] != len(boxed):
            letters = "".join(map(re.escape, sorted(boxed)))
            self._pattern = len(boxed), re.compile(f"[\ud800-\udfff{letters}]")
        pattern, total, marked, number = self._pattern[1], 0, 0, 0
        found: list[str] = []
        for text in texts:
            number += 1
            if not text.isascii() or not text.isprintable():
                matches = pattern.findall(text)
                total, marked = total + len(matches), marked + bool(matches)
                found += matches[:_EXAMPLES]
        worker = torch.utils.data.get_worker_info()
        slot = self._numbers[0 if worker is None else 1 + worker.id % (_SLOTS - 1)]
        slot[_TEXTS] += number
        if total:
            slot[_MARKED] += marked
            slot[_CHARACTERS] += total
            known = slot[_FIRST_EXAMPLE:].tolist()
            for char in found:
                if ord(char) not in known and 0 in known:
                    known[known.index(0)] = ord(char)
            slot[_FIRST_EXAMPLE:] = torch.tensor(known)

    def report(self) -> str | None:
        """One sentence for the end of a run; None if nothing was replaced."""
        if not self.num_characters:
            return None
        shown = ", ".join(map(describe, self.examples[:_EXAMPLES]))
        more = ", ..." if len(self.examples) > _EXAMPLES else ""
        return (
            f"{self.num_characters:,} characters in {self.num_replaced_texts:,} of {self.num_texts:,} texts have no "
            f"glyph and were drawn as boxes: {shown}{more}"
        )


__all__ = ["ReplacedCharacters"]
