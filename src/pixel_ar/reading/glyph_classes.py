# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The glyphs a reader can tell apart, and which character it names for each.

Characters drawn alike (Latin `A`, Greek `Α`, Cyrillic `А`) form one class. The class stands for its canonical
member: one of `alphabet` if given, else lower-case ASCII, other ASCII, then by code point, with phonetic letters,
ideographic radicals and characters that NFC replaces last. Which member a text holds is decided by the language that it
fits (see `reading.letters`).
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from ..fonts.source import GlyphSource
from ..text.characters import drawable_mask
from ..text.normalization import is_nfc
from ..text.properties import category, property_table
from .cell_index import CellIndex

# Classes with at most this prior are frequent: a reader looks for them more closely.
FREQUENT = 3.0
_KNOWN_TO_PYTHON = 0xE0  # Unicode 14, of Python 3.11


class GlyphClasses:
    """Distinct drawable glyphs of a chain of atlases. Immutable; get one from [`glyph_classes`].

    Args:
        atlases: As the renderer's: the first atlas that has a character draws it.
        alphabet: Characters to prefer.

    Attributes:
        height: Rows.
        index: The cells; their codes are the canonical code points, their priors 0 for common characters.
        members: Code point of every drawable character -> class.
    """

    def __init__(self, atlases: Sequence[GlyphSource], alphabet: str = "") -> None:
        self.height = atlases[0].height
        self.alphabet = alphabet
        glyphs: dict[int, bytes] = {}
        for atlas in reversed(atlases):
            glyphs.update(atlas.glyphs(atlas.code_points[drawable_mask(atlas.code_points)]))
        if not glyphs:
            names = ", ".join(atlas.name for atlas in atlases)
            raise ValueError(
                f"no character of {names} shows when it is drawn alone: there is nothing to read by."
            )
        self.space = glyphs.get(0x20, b"")
        order = _preference_order(np.array(list(glyphs), np.uint32), alphabet)
        table: dict[bytes, int] = {}
        self.members: dict[int, int] = {}
        self._space_runs: dict[int, int] = {}
        codes: list[int] = []
        for code in order:
            cell = glyphs[code]
            if self._is_run_of_spaces(cell):
                self._space_runs[code] = len(cell) // len(self.space)
                continue
            if cell not in table:
                table[cell] = len(codes)
                codes.append(code)
            self.members[code] = table[cell]
        self.chars = [chr(code) for code in codes]
        each = np.array(codes, np.uint32)
        self.index = CellIndex(self.height, list(table), each, _priors(each, alphabet))

    def _is_run_of_spaces(self, cell: bytes) -> bool:
        """Wide blanks are read as spaces, so they get no class of their own."""
        size = len(self.space)
        return size > 0 and not any(cell) and len(cell) > size and len(cell) % size == 0

    @property
    def space_width(self) -> int:
        """Columns of a space, at least 1."""
        return max(1, len(self.space) * 8 // self.height)

    @cached_property
    def common(self) -> np.ndarray:
        """int32: the classes a noisy glyph is compared with; all of them, unless there are thousands."""
        codes = self.index.codes
        if len(codes) <= 4096:
            return np.arange(len(codes), dtype=np.int32)
        is_common = (
            (codes < 0x530) | ((codes >= 0x2010) & (codes < 0x2060)) | ((codes >= 0x20A0) & (codes < 0x20D0))
        )
        is_common |= np.isin(codes, [ord(char) for char in self.alphabet])
        return np.flatnonzero(is_common).astype(np.int32)

    def canonical(self, text: str) -> str:
        """Replace every character by the canonical member of its class; wide blanks by spaces."""
        return "".join(
            self.chars[self.members[code]]
            if code in self.members
            else " " * self._space_runs.get(code, 0) or chr(code)
            for code in map(ord, text)
        )

    @cached_property
    def alike(self) -> dict[str, str]:
        """Canonical character -> all characters drawn like it, itself first; only where there are several."""
        found: dict[int, list[int]] = {}
        for code, index in self.members.items():
            found.setdefault(index, []).append(code)
        return {
            self.chars[index]: self.chars[index]
            + "".join(chr(code) for code in sorted(codes) if chr(code) != self.chars[index])
            for index, codes in found.items()
            if len(codes) > 1
        }


def _preference_order(codes: np.ndarray, alphabet: str) -> list[int]:
    """Sort code points so that the canonical member of a class comes first."""
    tier = np.full(len(codes), 3)
    tier[codes < 0x80] = 2
    is_lower = (codes >= ord("a")) & (codes <= ord("z"))
    is_upper = (codes >= ord("A")) & (codes <= ord("Z"))
    is_digit = (codes >= ord("0")) & (codes <= ord("9"))
    tier[is_upper | is_digit | (codes == ord(" "))] = 1
    tier[is_lower] = 0
    is_phonetic = ((codes >= 0x250) & (codes < 0x2B0)) | ((codes >= 0x1D00) & (codes < 0x1DC0))
    tier[is_phonetic | ((codes >= 0x2E80) & (codes < 0x2FE0)) | ((codes >= 0x31C0) & (codes < 0x31F0))] = 4
    tier[[not is_nfc(chr(code)) for code in codes.tolist()]] = 5
    is_preferred = np.isin(codes, [ord(char) for char in alphabet])
    # Where a font draws both cases alike (`Θθ` in 5x8), text mostly means the small letter.
    # Letters of Unicode 15, which not every Python knows: by the tables of the package.
    is_new = property_table("age")[codes] > _KNOWN_TO_PYTHON
    is_large = np.array(
        [
            category(chr(code)) != "Ll" if new else not chr(code).islower()
            for code, new in zip(codes.tolist(), is_new, strict=True)
        ],
        dtype=bool,
    )
    return codes[np.lexsort((codes, is_large, tier, ~is_preferred))].tolist()


def _priors(codes: np.ndarray, alphabet: str) -> np.ndarray:
    """Return nats by kind of character, tuned on English strips with wrong pixels and columns."""
    priors = np.full(len(codes), 18.0, np.float32)
    priors[(codes < 0x180) | ((codes >= 0x2010) & (codes < 0x2030))] = 12.0
    priors[codes < 0x80] = FREQUENT
    is_letter = [chr(code).isalpha() for code in codes.tolist()]
    priors[(codes < 0x80) & (np.array(is_letter, dtype=bool) | (codes == 0x20))] = 0.0
    if alphabet:
        priors[:] = np.where(np.isin(codes, [ord(char) for char in alphabet]), 0.0, 18.0)
    return priors


@lru_cache(maxsize=16)
def glyph_classes(atlases: tuple[GlyphSource, ...], alphabet: str = "") -> GlyphClasses:
    """Return the classes of a chain of atlases, kept for the next reader of the same atlases."""
    return GlyphClasses(atlases, alphabet)
