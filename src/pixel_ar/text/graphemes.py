# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where a text may be cut: user-perceived characters (UAX #29), and the clusters that are drawn as one.

A drawn cluster is one or more extended grapheme clusters: in scripts that stack or join consonants, a virama or
coeng draws the next consonant into the same shape (as rule GB9c of Unicode 15.1 says for some of them).
"""

import re
from functools import cache
from itertools import pairwise

import numpy as np

from .properties import CONSONANT, GRAPHEME_CLASSES, LINKER, SPACING_MARK, code_points, property_table

# One letter for each of GRAPHEME_CLASSES; P for pictographs, which are Other.
_LETTERS = dict(zip(GRAPHEME_CLASSES, "orncezgbsLVTWX", strict=True))
# The rules GB3 to GB13 as one expression: a core with what goes before and after it.
_CORE = "L*(?:V+|WV*|X)T*|L+|T+|gg|Pe*(?:zPe*)*|[^rnc]"
_CLUSTER = re.compile(f"rn|[rnc]|b*(?:{_CORE})[ezs]*|b+[ezs]*")


@cache
def _letter_table() -> np.ndarray:
    table = property_table("grapheme")
    letters = np.frombuffer("".join(_LETTERS.values()).encode(), np.uint8)[table & 127]
    return np.where((table >= 128) & (table & 127 == 0), np.uint8(ord("P")), letters)


def grapheme_bounds(text: str) -> list[int]:
    """Return where the extended grapheme clusters of a text begin, then its length; `[0]` for an empty text."""
    letters = _letter_table()[code_points(text)].tobytes().decode("ascii")
    return [match.start() for match in _CLUSTER.finditer(letters)] + [len(text)]


def grapheme_clusters(text: str) -> list[str]:
    """Cut a text into extended grapheme clusters; joined, they are the text."""
    bounds = grapheme_bounds(text)
    return [text[first:stop] for first, stop in pairwise(bounds)]


def drawn_bounds(text: str) -> list[int]:
    """Return where the clusters begin that are drawn as one, then the length of the text."""
    bounds = grapheme_bounds(text)
    kinds = property_table("indic")[code_points(text)].tobytes()
    if LINKER not in kinds and SPACING_MARK not in kinds:
        return bounds
    kept = [0]
    for bound in bounds[1:-1]:
        # ZWJ after a virama asks for a half form, ZWNJ for a visible virama.
        before = bound - 2 if text[bound - 1] == "\u200d" else bound - 1
        is_linked = kinds[bound] == CONSONANT and before >= 0 and _is_linked(text, kinds, before)
        # Some spacing vowels (Myanmar AA, say) are clusters of their own for a caret, but shaped with their base.
        if not is_linked and kinds[bound] != SPACING_MARK:
            kept.append(bound)
    return [*kept, len(text)]


def _is_linked(text: str, kinds: bytes, index: int) -> bool:
    """Tell whether the marks that end at `index` hold a linker that joins what follows.

    The Tamil pulli and the Sinhala al-lakuna are drawn, but for two Tamil ligatures and where a ZWJ asks for more.
    """
    if text[index] == "\u0bcd":
        return text[index - 1 : index + 2] in ("க்ஷ", "ஸ்ர")
    if text[index] == "\u0dca":
        return text[index + 1 : index + 2] == "\u200d"
    while index > 0 and kinds[index] != LINKER and kinds[index] != CONSONANT and _is_extending(text[index]):
        index -= 1
    return kinds[index] == LINKER


def _is_extending(char: str) -> bool:
    return _letter_table()[ord(char)] in b"ez" and char != "\u200c"


__all__ = ["drawn_bounds", "grapheme_bounds", "grapheme_clusters"]
