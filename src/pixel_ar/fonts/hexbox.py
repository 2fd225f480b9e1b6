# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Boxes that stand for characters without a glyph: the hexadecimal code in white on a block of ink.

Eight rows: one line of four digits (six above U+FFFF), each three columns wide with a column of ink between,
then a blank column. Sixteen rows and more: six digits in two lines on 16 columns. No column is ink from top to
bottom, so a box can never be taken for an EOS patch, and the reader recognises boxes exactly.
"""

import re
from functools import lru_cache

import numpy as np

# Each digit as five rows of three pixels, a row being an octal digit.
_DIGIT_ROWS = (
    "75557 26227 71747 71717 55711 74717 74757 71122 75757 75717 25755 65656 34443 65556 74647 74644"
)
_DIGITS = np.array(
    [[[int(row) >> shift & 1 for shift in (2, 1, 0)] for row in rows] for rows in _DIGIT_ROWS.split(" ")],
    np.uint8,
)


def _digit_corners(height: int, num_digits: int) -> list[tuple[int, int]]:
    """Return (row, column) of the top left pixel of each digit."""
    if height < 16:
        return [(1, 1 + 4 * index) for index in range(num_digits)]
    return [(2 + 6 * (index // 3), 2 + 4 * (index % 3)) for index in range(6)]


def _blank_box(height: int, num_digits: int) -> np.ndarray:
    """Return a box without digits, uint8 `[H, W]` with 1 = ink, its blank last column included."""
    width = 2 + 4 * num_digits if height < 16 else 16
    box = np.zeros((height, width), np.uint8)
    box[: 7 if height < 16 else 15, :-1] = 1
    return box


def draw_hex_box(char: str, height: int, unit: int = 1) -> bytes:
    """Draw the box of a character.

    Args:
        char: One character.
        height: Rows, a multiple of 8.
        unit: The width is filled up with blank columns to a multiple of this (the cell of a monospaced atlas).

    Returns:
        Packed columns.
    """
    num_digits = 6 if height >= 16 or ord(char) > 0xFFFF else 4
    box = _blank_box(height, num_digits)
    digits = f"{ord(char):0{num_digits}X}"
    for (top, left), digit in zip(_digit_corners(height, num_digits), digits, strict=True):
        box[top : top + 5, left : left + 3] ^= _DIGITS[int(digit, 16)]
    box = np.pad(box, ((0, 0), (0, -box.shape[1] % unit)))
    return np.packbits(box, axis=0).T.tobytes()


@lru_cache(maxsize=8)
def _patterns(height: int) -> tuple[tuple[int, "re.Pattern[bytes]"], ...]:
    """Compile what the bytes of a box look like, for each number of digits, longest first."""
    size = height // 8
    patterns = []
    for num_digits in (6,) if height >= 16 else (6, 4):
        box = np.packbits(_blank_box(height, num_digits), axis=0).T  # [W, height // 8]
        holes = {left + shift for _, left in _digit_corners(height, num_digits) for shift in range(3)}
        parts = [
            b".{%d}" % size if column in holes else re.escape(cell.tobytes())
            for column, cell in enumerate(box[:-1])
        ]
        # A lookahead, so that a false start does not hide the box that begins inside it.
        patterns.append((num_digits, re.compile(b"(?s)(?=" + b"".join(parts) + b")")))
    return tuple(patterns)


def find_hex_boxes(columns: bytes, height: int, unit: int = 1) -> list[tuple[int, int, str]]:
    """Find the boxes in a strip.

    Args:
        columns: Packed columns.
        height: Rows.
        unit: As in [`draw_hex_box`].

    Returns:
        (first column, column after the box, character) of each, from left to right. A surrogate is returned as U+FFFD.
    """
    size = height // 8
    found: dict[int, tuple[int, str]] = {}
    for num_digits, pattern in _patterns(height):
        for match in pattern.finditer(columns):
            code = _read_digits(columns, match.start(), height, num_digits)
            if match.start() % size or match.start() in found or not 0 <= code <= 0x10FFFF:
                continue
            box = draw_hex_box(chr(code), height, unit)
            # The blank columns at its end may be missing at the end of a strip.
            if columns.startswith(box[: len(columns) - match.start()], match.start()):
                stop = min(match.start() + len(box), len(columns))
                found[match.start()] = (stop, "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code))
    boxes: list[tuple[int, int, str]] = []
    for start, (stop, char) in sorted(found.items()):
        if not boxes or start // size >= boxes[-1][1]:
            boxes.append((start // size, stop // size, char))
    return boxes


def _read_digits(columns: bytes, start: int, height: int, num_digits: int) -> int:
    """Return the code in the box that begins at a byte of `columns`, or -1."""
    width = _blank_box(height, num_digits).shape[1] - 1
    packed = np.frombuffer(columns, np.uint8, width * height // 8, start).reshape(width, height // 8)
    rows = np.unpackbits(packed, axis=1).T
    code = 0
    for top, left in _digit_corners(height, num_digits):
        same = (1 - rows[top : top + 5, left : left + 3] == _DIGITS).all(axis=(1, 2))
        if not same.any():
            return -1
        code = code << 4 | int(same.argmax())
    return code
