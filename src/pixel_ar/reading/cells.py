# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cells taken apart: which letter and marks, laid over each other, give the pixels of a cell.

GNU Unifont draws marks as cells of their own, and the renderer lays them over their letter. A reader cannot hold all
combinations as templates, but it can find those that explain a cell exactly. Of several it takes, in this order, those
of the alphabet, those with the fewest marks, the likeliest letters, and those whose parts overlap least: letters and
marks are drawn so as to keep clear of each other. What letters are likely tells a prior fitted from text; without one,
aspirated consonants count as rarer than plain ones, as they are in all languages that have both (Greenberg 1966).
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..rendering.shaper import SURROUNDING
from ..text.characters import unsupported_script
from ..text.joining import letters_of_forms
from ..text.marks import mark_rank, normalise_marks, reading_key
from ..text.properties import CONSONANT, GRAPHEME_CLASSES, category, property_table
from .joiners import Prior

_MAX_MARKS = 6
_MAX_TRIES = 2000
# Marks of general use, laid over letters of any script.
_ANY_SCRIPT = "combining mark"
_ASPIRATES = frozenset(["KHA", "GHA", "CHA", "JHA", "TTHA", "DDHA", "THA", "DHA", "PHA", "BHA"])
_JAMO = "Hangul conjoining Jamo"


@cache
def script_of(char: str) -> str:
    """Name the shaped script of a character, `""` for one that is not shaped."""
    return unsupported_script(char) or ""


@dataclass(frozen=True)
class _Part:
    """A letter or mark as it is drawn: its text, the character of the atlas, its columns, and its bits as a number."""

    text: str
    shape: str
    width: int
    bits: int


@dataclass(frozen=True)
class Explanation:
    """What a cell shows.

    Attributes:
        text: Letter and marks, in normal form.
        shapes: The characters of the atlas that may have drawn the letter, presentation forms among them.
        num_marks: How many marks there are.
        share: Probability of this text among all that give the same pixels: 1 where only one is to be expected.
    """

    text: str
    shapes: str
    num_marks: int
    share: float = 1.0


class CellParts:
    """The letters and marks of a chain, by script and width of the cell they stand in.

    Args:
        sources: The chain; its atlases count, fonts do not.
        alphabet: Characters to prefer.
        prior: Frequencies of characters.
    """

    def __init__(self, sources: Sequence, alphabet: str = "", prior: Prior | None = None) -> None:
        self.atlases = [source for source in sources if not source.shapes_clusters]
        self.alphabet, self.prior = frozenset(alphabet), prior
        self.size = sources[0].height // 8
        self._raw: dict[tuple[str, bool], list[tuple[str, str, bytes]]] = {}
        for text, shape, cell, is_mark in self._find():
            script = _JAMO if "\uac00" <= text <= "\ud7a3" else script_of(text[0])
            self._raw.setdefault((script, is_mark), []).append((text, shape, cell))
        self._parts: dict[tuple[str, int, bool], tuple[list[_Part], np.ndarray]] = {}
        widths = {len(cell) // self.size for pairs in self._raw.values() for _, _, cell in pairs}
        self.widths = tuple(sorted(width for width in widths if width <= 16))

    @property
    def scripts(self) -> list[str]:
        """The scripts that have letters."""
        return [script for script, is_mark in self._raw if not is_mark]

    def _find(self) -> Iterator[tuple[str, str, bytes, bool]]:
        forms = letters_of_forms()
        grapheme = property_table("grapheme")
        seen: set[int] = set()
        for atlas in self.atlases:
            for index, code in enumerate(atlas.code_points.tolist()):
                if code in seen or not _takes_marks(code):
                    continue
                seen.add(code)
                char = chr(code)
                kind = category(char)
                is_end = GRAPHEME_CLASSES[grapheme[code] & 127] in ("V", "T")
                if kind[0] in "LMN" or char in "\u25cc#*":
                    is_mark = kind in ("Mn", "Me") or char in SURROUNDING or is_end
                    yield forms.get(char, char), char, atlas.glyph(index), is_mark

    def _of(self, script: str, width: int, is_mark: bool) -> tuple[list[_Part], np.ndarray]:
        """Parts for cells of a width, and their bits uint8 `[n, width * size]`."""
        key = (script, width, is_mark)
        if key not in self._parts:
            length = width * self.size
            parts, rows = [], []
            for text, shape, cell in self._raw.get((script, is_mark), []):
                if len(cell) <= length and any(cell):
                    columns = len(cell) // self.size
                    before = (width - columns) // 2 * self.size
                    rows.append((bytes(before) + cell).ljust(length, b"\0"))
                    parts.append(_Part(text, shape, columns, int.from_bytes(rows[-1], "big")))
            self._parts[key] = (parts, np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), length))
        return self._parts[key]

    def explain(self, cell: bytes, scripts: Iterable[str]) -> Explanation | None:
        """Take a cell apart.

        Args:
            cell: Packed columns.
            scripts: Scripts to try, the likeliest first: the first that explains the cell is taken.

        Returns:
            The letter with one mark or more, or None.
        """
        width = len(cell) // self.size
        data = np.frombuffer(cell, np.uint8)
        wanted = int.from_bytes(cell, "big")
        for script in scripts:
            bases = self._inside(script, width, False, data)
            own = self._inside(script, width, True, data) if bases else []
            found = self._ways(bases, own, wanted, width)
            if bases and not found and script != _ANY_SCRIPT:
                found = self._ways(bases, own + self._inside(_ANY_SCRIPT, width, True, data), wanted, width)
            if found:
                cost, base, added = min(found, key=lambda way: way[0])
                shapes = {way[1].shape for way in found if (way[1].text, way[2]) == (base.text, added)}
                ordered = "".join(sorted((mark.text for mark in added), key=reading_key))
                text = normalise_marks(base.text + ordered)
                return Explanation(text, "".join(sorted(shapes)), len(added), self._share(cost, found))
        return None

    def _share(self, best: tuple, found: "Iterable[tuple[tuple, _Part, tuple[_Part, ...]]]") -> float:
        """The probability of the best way to make a cell among all.

        Others count where the drawing speaks for them, since their parts overlap less, and the letters against them,
        but for no more than that they are aspirated: Unifont draws Burmese `bhuu` and `tuu` with the same pixels.
        """
        odds = {best[4]: 1.0}
        for cost, _, _ in found:
            if cost[:2] == best[:2] and cost[3] < best[3]:
                odds[cost[4]] = (
                    math.exp(min(best[2] - cost[2], 0.0)) if self.prior else float(cost[5] == best[5])
                )
        return 1 / sum(odds.values())

    def _inside(self, script: str, width: int, is_mark: bool, data: np.ndarray) -> list[_Part]:
        """The parts that have no ink beside that of the cell."""
        parts, bits = self._of(script, width, is_mark)
        if not parts:
            return []
        return [parts[index] for index in np.flatnonzero(~(bits & ~data).any(axis=1)).tolist()]

    def _ways(
        self, bases: list[_Part], marks: list[_Part], wanted: int, width: int
    ) -> list[tuple[tuple, _Part, tuple[_Part, ...]]]:
        """All ways to make the cell: (cost, letter, marks)."""
        together = 0
        for mark in marks:
            together |= mark.bits
        enough = [base for base in bases if base.bits | together == wanted]
        return [way for base in enough for way in self._cover(base, marks, wanted, width)]

    def _cover(
        self, base: _Part, marks: list[_Part], wanted: int, width: int
    ) -> list[tuple[tuple, _Part, tuple[_Part, ...]]]:
        """The ways that begin with one letter, with up to six marks."""
        found: list[tuple[tuple, _Part, tuple[_Part, ...]]] = []
        todo: list[tuple[int, tuple[_Part, ...]]] = [(wanted & ~base.bits, ())]
        tries = 0
        while todo and tries < _MAX_TRIES:
            tries += 1
            missing, chosen = todo.pop()
            if not missing:
                # A narrow letter stands in a wide cell only under a wide mark.
                if chosen and max(part.width for part in (base, *chosen)) == width:
                    found.append((self._cost(base, chosen, wanted), base, chosen))
                continue
            if len(chosen) == _MAX_MARKS:
                continue
            first = missing & -missing
            todo += [(missing & ~mark.bits, (*chosen, mark)) for mark in marks if mark.bits & first]
        return found

    def _cost(self, base: _Part, marks: tuple[_Part, ...], wanted: int) -> tuple:
        """What makes an explanation unlikely, the weightiest first."""
        letters = "".join([base.text, *(mark.text for mark in marks)])
        foreign = sum(char not in self.alphabet for char in letters) if self.alphabet else 0
        ink = base.bits.bit_count() + sum(mark.bits.bit_count() for mark in marks)
        odd = sum(not _suits(base.text, mark.text) for mark in marks)
        overlap = ink - wanted.bit_count()
        return (
            foreign,
            len(marks) + odd,
            self._rarity(letters),
            overlap,
            letters,
            sum(map(_is_unusual, letters)),
        )

    def _rarity(self, letters: str) -> float:
        if self.prior is None:
            return float(sum(map(_is_rare, letters)))
        return -sum(self.prior.log_probability(char, "") for char in letters)


def _takes_marks(code: int) -> bool:
    """Tell whether a character may be part of a cell: ideographs and full syllables are not."""
    if 0xAC00 <= code < 0xD7B0:
        return (code - 0xAC00) % 28 == 0  # a syllable without a final consonant, before an old one
    return code < 0x2E80 or 0x3040 <= code < 0x3100 or 0xA640 <= code < 0x11000


@cache
def _is_rare(char: str) -> bool:
    """Tell whether a letter is rarer than one drawn with nearly the same pixels."""
    is_aspirate = unicodedata.name(char, "").rpartition(" ")[2] in _ASPIRATES
    return is_aspirate or _is_unusual(char)


@cache
def _is_unusual(char: str) -> bool:
    """Tell whether the languages that most text of a script is written in do without a letter."""
    if 0x591 <= ord(char) < 0x5B0 or char == "\u05bd":  # accents, beside the points
        return True
    # Letters of Mon, Karen, Shan and others beside the Burmese ones; what was encoded late, but for Burmese medials.
    is_other = 0x1050 <= ord(char) < 0x10A0
    is_late = property_table("age")[ord(char)] > 0x32 and not 0x103A <= ord(char) <= 0x103F
    return is_other or is_late


def _suits(base: str, mark: str) -> bool:
    """Tell whether text has such a mark on such a letter: vowel signs stand on consonants."""
    kinds = property_table("indic")
    if mark_rank(mark) in (0, 1, 2) and 0x900 <= ord(mark) < 0xE00:
        return bool(kinds[ord(base[0])] == CONSONANT)
    return len(base) == 1 or script_of(base[0]) != _JAMO


__all__ = ["CellParts", "Explanation", "script_of"]
