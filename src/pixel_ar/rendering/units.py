# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Rendering strategies: which units of a text begin at a patch border (Lotz et al. 2023, arXiv 2311.00522).

- `continuous`: none; text flows over the borders, and a word is cut by patches in as many ways as it has places.
- `bigrams`: every second grapheme cluster; a patch holds two.
- `mono`: every grapheme cluster; a patch holds one. (The paper's MONO sets a monospaced font continuously, so that
  patches fall between letters: here that is `continuous` with an atlas such as fixed-5x8 and patches 5, 10 or 20 wide.)
- `words`: every word. After it stand at least the columns of its space, so that words never touch.
- `word_pieces`: every piece of a word that fits into a patch, with the space before it. What a byte-pair tokenizer
  calls a token is then a patch of its own, with the same pixels wherever it stands. `group_word_pieces` has the rule.

A unit too wide for one patch takes as many as it needs; nothing is cut or shrunk. Units stand in visual order, each at
the left of its patches, and are counted from the left end of the line in text of every direction, since pixels alone
would not tell another count. A unit still open at the end of the text (a single letter of a bigram, a word without a
space after it, a piece of a word with room for another letter) ends at its last column, so that a model goes on from
there; every other ends at a border.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..text.properties import is_decimal, is_letter_or_number
from .pieces import Piece
from .strip import PackedStrip

_NEWLINE = "\u21b5"
_APOSTROPHES = "'\u2019"
# A year is one unit, and the number of different units stays small.
_MOST_DIGITS = 4


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


def group_word_pieces(pieces: Sequence[Piece], text: str, geometry: tuple[int, int]) -> list[list[Piece]]:
    """Put pieces together to units of the strategy `word_pieces`.

    A unit is one space, if there is one, and then pieces of one kind, as many as one patch holds: letters (an
    apostrophe after a letter counts as one), decimal digits (at most four), line breaks drawn as a symbol, or anything
    else. Of several spaces all but the last are units of their own: a white patch is a space. So no unit ends with a
    space unless it is one; the blank after a unit means nothing, and patches read one after the other give the text
    back.

    Whether a unit ends is decided by what has been read up to there, so that appended text moves nothing.

    Args:
        pieces: In visual order.
        text: The normalised text.
        geometry: Rows of the strip, columns of a patch.

    Returns:
        Pieces of each unit, in visual order. A piece wider than a patch is a unit of its own, with the space before it.
    """
    height, width = geometry
    units: list[list[Piece]] = []
    # Of the newest unit: kind of its pieces, columns left in its patch, pieces of that kind.
    kind, room, count = "", 0, 0
    before = ""
    for piece in pieces:
        if not piece.cell:
            # What has no columns (a directional control) belongs to what stands before it.
            units[-1:] = [[*units[-1], piece]] if units else [[piece]]
            continue
        columns = len(piece.cell) * 8 // height
        own = _kind(piece, text[piece.start], before)
        before = text[piece.stop - 1]
        if kind == "space" and own != "space":
            joins = columns <= room or columns > width
        else:
            joins = (
                own == kind != "space" and columns <= room and not (own == "digit" and count == _MOST_DIGITS)
            )
        # Directional controls alone are no unit yet.
        if joins or (units and not kind):
            units[-1].append(piece)
        else:
            units.append([piece])
        room = (room if joins else width) - columns
        count = count + 1 if own == kind and joins else 1
        kind = own
    return units


def _kind(piece: Piece, char: str, before: str) -> str:
    """What a piece that begins with `char` is, after the character `before`."""
    if not any(piece.cell):
        return "space"
    if char == _NEWLINE:
        return "newline"
    if is_decimal(char):
        return "digit"
    is_word = is_letter_or_number(before) and not is_decimal(before) if before else False
    if is_letter_or_number(char) or (char in _APOSTROPHES and is_word):
        return "letter"
    return "other"


@lru_cache(maxsize=64)
def word_piece_pattern(num_cells: int) -> re.Pattern[str]:
    """The rule of `group_word_pieces` as an expression, for text whose characters are clusters of one width.

    Args:
        num_cells: Characters that a patch holds.
    """
    letter = rf"(?:[^\W\d_]|(?<=[^\W\d_])[{_APOSTROPHES}])"
    other = rf"(?:(?!(?<=[^\W\d_])[{_APOSTROPHES}])[^\w\s{_NEWLINE}]|_)"
    kinds = [(letter, num_cells), (r"\d", _MOST_DIGITS), (other, num_cells), (_NEWLINE, num_cells)]
    parts = []
    if num_cells > 1:
        parts += [f" {kind}{{1,{min(most, num_cells - 1)}}}" for kind, most in kinds]
    parts += [f"{kind}{{1,{min(most, num_cells)}}}" for kind, most in kinds]
    return re.compile("|".join([*parts, " "]))


def place_cells(text: str, cells: np.ndarray, geometry: tuple[int, int]) -> PackedStrip:
    """Draw text whose characters are clusters of one width, as `group_word_pieces` and `place_units` do.

    Args:
        text: The normalised text.
        cells: `[len(text)]` of a void type, the packed columns of each character.
        geometry: Rows of the strip, columns of a patch.
    """
    height, width = geometry
    columns = cells.itemsize * 8 // height
    per_patch = width // columns
    units = word_piece_pattern(per_patch).findall(text)
    lengths = np.fromiter(map(len, units), np.int32, len(units))
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(text)) - np.repeat(starts, lengths)
    unit_of = np.repeat(np.arange(len(units), dtype=np.int64), lengths)
    # Columns that no cell fills: the rest of a patch that is no whole number of cells wide.
    drawn = np.zeros((len(units), width * height // 8), np.uint8)
    by_cell = drawn[:, : per_patch * cells.itemsize].reshape(len(units), per_patch, cells.itemsize)
    by_cell[unit_of, places] = cells.view(np.uint8).reshape(-1, cells.itemsize)
    drawn[:, : per_patch * cells.itemsize] = by_cell.reshape(len(units), -1)
    num_columns = (len(units) - 1) * width + int(lengths[-1]) * columns
    first = (unit_of * width + places * columns).astype(np.int32)
    borders = np.arange(len(units), dtype=np.int32) * width
    return PackedStrip(
        drawn.tobytes()[: num_columns * height // 8],
        height,
        num_columns,
        text,
        np.append(first, np.int32(num_columns)),
        np.stack([first, first + columns], axis=1),
        False,
        np.stack([borders, borders + lengths * columns], axis=1).astype(np.int32),
    )


def place_units(
    units: Sequence[Sequence[Piece]],
    strategy: str,
    text: str,
    geometry: tuple[int, int],
    is_right_to_left: bool,
) -> PackedStrip:
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
    return PackedStrip(
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
    if strategy == "word_pieces":
        return True  # whether more would fit decides the next piece
    return strategy == "words" and bool(drawn) and any(drawn[-1].cell)


__all__ = ["group_pieces", "group_word_pieces", "place_cells", "place_units", "word_piece_pattern"]
