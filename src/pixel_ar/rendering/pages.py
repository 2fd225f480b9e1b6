# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages: long text as lines of equal width, one below the other, a line of text being one row of patches.

- Line breaks of the text (LF, CR LF, CR, VT, FF, NEL, U+2028, U+2029) end a paragraph and stay in the text as `\\n`;
  a renderer with `newline="symbol"` also draws `↵` there, so that the picture alone tells them from wrapped lines.
- Paragraphs are wrapped greedily at the places of `text.line_breaking`. The spaces at such a place hang over the
  end of the line and have no pixels. A word wider than a line begins a line of its own and is broken between the
  clusters that are drawn as one: it takes as many lines as it needs, and is counted.
- The direction of a paragraph is that of its first strong character (UAX #9, rules P2 and P3); its levels are resolved
  as a whole, and each line is then put in order by itself (section 3.4, rules L1 and L2). Lines of right-to-left
  paragraphs are flush right. A paragraph is shaped before it is cut: a letter looks as if there were no cut.
- What does not fit onto one sheet goes to the next. Nothing is dropped: every character of the text belongs to a line,
  or is a space or line break after one.

Shapes: R rows of patches of height H, W columns, L lines. Columns are packed as in `rendering.renderer`.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from ..limits import MAX_IMAGE_PIXELS, check_limit
from ..text.bidi import embedding_levels, visual_order
from ..text.characters import MissingGlyphError
from ..text.graphemes import grapheme_bounds
from ..text.line_breaking import break_opportunities, is_space
from .renderer import StripRenderer
from .shaper import needs_shaping

_PARAGRAPH_END = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_ZERO_WIDTH_SPACE = "\u200b"
LINE_BREAK_SIGN = "\u21b5"
# What follows a line, where it is not a number of spaces.
HARD_BREAK = -1
NO_LINE = -2


class PageOverflowError(ValueError):
    """A text needs more rows, or a character more columns, than the page has."""


@dataclass(frozen=True)
class PageFormat:
    """The measures of a sheet.

    Attributes:
        width: columns, margins included.
        max_rows: most rows of patches, margins and spacing included; None: as many as the text needs.
        margins: (rows above and below, columns on either side) that stay blank.
        line_spacing: blank rows between two lines.
        padding: blank columns at the (left, right) end inside every line, as strips have them.
    """

    width: int
    max_rows: int | None = None
    margins: tuple[int, int] = (0, 0)
    line_spacing: int = 0
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for name, number in (("margins", min(self.margins)), ("line_spacing", self.line_spacing)):
            if number < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")
        if self.line_columns < 1:
            raise ValueError(
                f"a page {self.width} columns wide has no room for text beside margins of {self.margins[1]} and "
                f"padding of {sum(self.padding)} columns; make it wider"
            )
        if self.max_rows is not None and self.lines_per_sheet < 1:
            raise ValueError(
                f"max_rows={self.max_rows} leaves no row for text beside margins of {self.margins[0]} rows above and "
                f"below; give at least {2 * self.margins[0] + 1}"
            )

    @property
    def line_columns(self) -> int:
        """Columns of a line."""
        return self.width - 2 * self.margins[1] - sum(self.padding)

    @property
    def first_column(self) -> int:
        """Where lines begin."""
        return self.margins[1] + self.padding[0]

    @property
    def lines_per_sheet(self) -> int:
        """The most lines of a sheet; 0 or less if there is no room."""
        assert self.max_rows is not None
        return (self.max_rows - 2 * self.margins[0] + self.line_spacing) // (1 + self.line_spacing)

    def num_rows(self, num_lines: int) -> int:
        """Rows of a sheet with so many lines."""
        return 2 * self.margins[0] + num_lines + max(num_lines - 1, 0) * self.line_spacing

    def row(self, line: int) -> int:
        """The row that a line of a sheet stands in."""
        return self.margins[0] + line * (1 + self.line_spacing)


@dataclass(frozen=True)
class PageLine:
    """One line.

    Attributes:
        start: position of its first character in the text of the page.
        stop: position after its last character, without the spaces at the break.
        next: position where the next line begins.
        columns: packed columns.
        num_columns: how many.
        break_after: spaces that the break after it stands for (0: the break is between two letters), or -1
            (`HARD_BREAK`) for a line break of the text or its end.
        is_right_to_left: direction of its paragraph; such a line is flush right.
        char_spans: int32 `[stop - start, 2]`, first column and column after the drawing of each character.
    """

    start: int
    stop: int
    next: int
    columns: bytes
    num_columns: int
    break_after: int
    is_right_to_left: bool
    char_spans: np.ndarray = field(compare=False, repr=False)


@dataclass(frozen=True)
class PageLayout:
    """A text in lines.

    Attributes:
        text: the text as it is drawn, with `\\n` for every line break in it; see [`page_text`].
        lines: L lines.
        line_columns: the width they were wrapped to.
        num_broken_words: words wider than a line, which had to be broken.
    """

    text: str
    lines: tuple[PageLine, ...]
    line_columns: int
    num_broken_words: int

    @property
    def text_spans(self) -> np.ndarray:
        """int64 `[L, 2]`: first character of each line, and the one after its last."""
        return np.array([(line.start, line.stop) for line in self.lines], np.int64).reshape(-1, 2)

    def sheets(self, page_format: PageFormat) -> list[tuple[PageLine, ...]]:
        """Share the lines out over sheets; at least one."""
        if page_format.max_rows is None:
            return [self.lines]
        count = page_format.lines_per_sheet
        return [self.lines[first : first + count] for first in range(0, len(self.lines), count)]


@dataclass(frozen=True)
class _Paragraph:
    """A paragraph drawn as units (clusters, joined letters), in logical order.

    Attributes:
        text: its characters.
        bounds: `[U + 1]`, where units begin in the text, then its length.
        ends: `[U + 1]`, columns of all units before each, then of all.
        columns: the units' packed columns, one after the other.
        levels: `[U]`, embedding levels; empty if all of it runs from left to right.
        is_right_to_left: its direction.
    """

    text: str
    bounds: Sequence[int]
    ends: Sequence[int]
    columns: bytes
    levels: Sequence[int] = ()
    is_right_to_left: bool = False

    def trim(self, first: int, stop: int) -> int:
        """Move the end of a range of units before the spaces there."""
        while stop > first and is_space(self.text[self.bounds[stop - 1] : self.bounds[stop]]):
            stop -= 1
        return stop

    def skip(self, first: int) -> int:
        """Move the beginning of a range of units behind the spaces there."""
        while first + 1 < len(self.bounds) and is_space(
            self.text[self.bounds[first] : self.bounds[first + 1]]
        ):
            first += 1
        return first


def page_text(renderer: StripRenderer, text: str) -> str:
    """Return the text that a page shows: every paragraph normalised, joined by `\\n`."""
    return "\n".join(renderer.normalise(part) for part in _PARAGRAPH_END.split(text))


def lay_out_page(renderer: StripRenderer, text: str, line_columns: int) -> PageLayout:
    """Draw a text as lines.

    Args:
        renderer: Draws the paragraphs.
        text: Any text.
        line_columns: Most columns of a line.

    Returns:
        Its lines; at least one, which may be blank.

    Raises:
        PageOverflowError: for a character, or cluster of them drawn as one, that is wider than a line.
        MissingGlyphError: as [`StripRenderer.render_bytes`], which names the other errors too.
        TypeError: if `text` is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    space = max(renderer.measure(" "), 1)
    parts = _PARAGRAPH_END.split(text)
    lines: list[PageLine] = []
    texts: list[str] = []
    offset = num_broken = 0
    for index, part in enumerate(parts):
        is_last = index + 1 == len(parts)
        texts.append(renderer.normalise(part))
        # The sign stands where the line break stands in the text.
        mark = LINE_BREAK_SIGN if renderer.policy.newline == "symbol" and not is_last else ""
        paragraph = _draw_paragraph(renderer, texts[-1] + mark)
        places = sorted({*break_opportunities(paragraph.text), *_break_hints(renderer, part, texts[-1])})
        ranges, broken = _wrap(paragraph, places, line_columns)
        num_broken += broken
        following = offset + len(texts[-1]) + (not is_last)
        for first, stop, after in ranges:
            is_end = after + 1 == len(paragraph.bounds)
            hanging = paragraph.ends[after] - paragraph.ends[stop]
            spaces = max(round(hanging / space), 1) if after > stop else 0
            columns, char_spans = _draw_line(paragraph, first, stop, renderer.height // 8)
            lines.append(
                PageLine(
                    start=offset + paragraph.bounds[first],
                    stop=offset + paragraph.bounds[stop],
                    next=following if is_end else offset + paragraph.bounds[after],
                    columns=columns,
                    num_columns=paragraph.ends[stop] - paragraph.ends[first],
                    break_after=HARD_BREAK if is_end else spaces,
                    is_right_to_left=paragraph.is_right_to_left,
                    char_spans=char_spans,
                )
            )
        offset = following
    return PageLayout("\n".join(texts), tuple(lines), line_columns, num_broken)


def _draw_paragraph(renderer: StripRenderer, text: str) -> _Paragraph:
    shaper = renderer.shaper
    if shaper is None or not needs_shaping(text, shaper.has_fonts):
        strip = renderer.render(text)
        if text.isascii():
            return _Paragraph(text, range(len(text) + 1), strip.char_columns.tolist(), strip.columns)
        bounds = grapheme_bounds(text)
        return _Paragraph(text, bounds, strip.char_columns[bounds].tolist(), strip.columns)
    try:
        units = sorted(shaper.pieces(text), key=lambda unit: unit.start)
    except MissingGlyphError:
        renderer.render_bytes(text)  # which names all that is missing
        raise
    bounds = [*(unit.start for unit in units), len(text)]
    size = renderer.height // 8
    ends = list(accumulate((len(unit.cell) // size for unit in units), initial=0))
    of_chars, base = embedding_levels(text)
    levels = [
        next((level for level in of_chars[unit.start : unit.stop] if level >= 0), base) for unit in units
    ]
    columns = b"".join([unit.cell for unit in units])
    return _Paragraph(text, bounds, ends, columns, levels if any(levels) else (), base == 1)


def _break_hints(renderer: StripRenderer, raw: str, normal: str) -> list[int]:
    """Where the writer put zero width spaces, which are no part of the normalised text."""
    if _ZERO_WIDTH_SPACE not in raw:
        return []
    parts = [renderer.normalise(part) for part in raw.split(_ZERO_WIDTH_SPACE)]
    if "".join(parts) != normal:  # normalisation reached over one of them
        return []
    return [place for place in accumulate(map(len, parts[:-1])) if 0 < place < len(normal)]


def _wrap(
    paragraph: _Paragraph, places: Sequence[int], line_columns: int
) -> tuple[list[tuple[int, int, int]], int]:
    """Fill lines one after the other.

    Returns:
        (first unit, unit after the last that is drawn, first unit of the next line) of each line, and the number of
        words that had to be broken.
    """
    count, ends = len(paragraph.bounds) - 1, paragraph.ends
    if isinstance(paragraph.bounds, range):
        breaks = [*places, count]
    else:
        number_of = {bound: number for number, bound in enumerate(paragraph.bounds)}
        breaks = [*(number_of[place] for place in places if place in number_of), count]
    stops = [paragraph.trim(0, place) for place in breaks]
    solid = [ends[stop] for stop in stops]
    lines: list[tuple[int, int, int]] = []
    first = following = num_broken = 0
    last_broken = -1
    while not lines or first < count:
        limit = ends[first] + line_columns
        chosen = bisect_right(solid, limit, lo=following) - 1
        if chosen >= following:
            lines.append((first, max(stops[chosen], first), breaks[chosen]))
            following = chosen + 1
        else:
            cut = bisect_right(ends, limit, lo=first + 1) - 1
            if cut == first:
                raise _too_wide(paragraph, first, line_columns)
            num_broken += last_broken != following
            last_broken = following
            lines.append((first, paragraph.trim(first, cut), paragraph.skip(cut)))
        first = lines[-1][2]
    return lines, num_broken


def _too_wide(paragraph: _Paragraph, unit: int, line_columns: int) -> PageOverflowError:
    cluster = paragraph.text[paragraph.bounds[unit] : paragraph.bounds[unit + 1]]
    width = paragraph.ends[unit + 1] - paragraph.ends[unit]
    return PageOverflowError(
        f"{cluster!r} is {width} columns wide and drawn as one, but a line has {line_columns} columns; make the page "
        "wider."
    )


def _draw_line(paragraph: _Paragraph, first: int, stop: int, size: int) -> tuple[bytes, np.ndarray]:
    """Packed columns of a range of units in visual order, and the columns of each character."""
    ends = paragraph.ends
    lefts = np.array(ends[first : stop + 1], np.int32) - ends[first]
    widths = np.diff(lefts)
    levels = paragraph.levels[first:stop]
    if any(levels):
        # Spaces at the end are gone, so rule L1 has nothing left to reset.
        order = visual_order(list(levels))
        lefts[order] = np.cumsum(widths[order]) - widths[order]
        cells = [paragraph.columns[ends[first + i] * size : ends[first + i + 1] * size] for i in order]
        columns = b"".join(cells)
    else:
        columns = paragraph.columns[ends[first] * size : ends[stop] * size]
    spans = np.stack([lefts[:-1], lefts[:-1] + widths], axis=1)
    if not isinstance(paragraph.bounds, range):
        spans = np.repeat(spans, np.diff(paragraph.bounds[first : stop + 1]), axis=0)
    return columns, spans


# ---- sheets ----


def draw_sheet(lines: Sequence[PageLine], page_format: PageFormat, num_rows: int, size: int) -> np.ndarray:
    """Draw a sheet.

    Args:
        lines: Its lines.
        page_format: The measures.
        num_rows: R, at least the rows it needs.
        size: Bytes of a column, H // 8.

    Returns:
        uint8 `[R, W, H // 8]`, bit set = ink.
    """
    check_limit(num_rows * page_format.width * size * 8, MAX_IMAGE_PIXELS, "pixels of a page")
    sheet = np.zeros((num_rows, page_format.width, size), np.uint8)
    for number, line in enumerate(lines):
        left = line_left(line, page_format)
        columns = np.frombuffer(line.columns, np.uint8).reshape(-1, size)
        sheet[page_format.row(number), left : left + line.num_columns] = columns
    return sheet


def line_left(line: PageLine, page_format: PageFormat) -> int:
    """The column in which the drawing of a line begins: lines of right-to-left paragraphs are flush right."""
    free = page_format.line_columns - line.num_columns
    return page_format.first_column + (free if line.is_right_to_left else 0)


def sheet_layout(
    lines: Sequence[PageLine], page_format: PageFormat, num_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Describe a sheet row by row.

    Returns:
        `text_spans` int64 `[R, 2]`, the characters of each row, (0, 0) where it holds no line; and `line_layout` int64
        `[R, 4]`: first column and column after the drawing, what follows the line ([`PageLine.break_after`], or -2,
        `NO_LINE`, for rows that hold none), and whether its paragraph runs from right to left.
    """
    spans, layout = np.zeros((num_rows, 2), np.int64), np.zeros((num_rows, 4), np.int64)
    layout[:, 2] = NO_LINE
    for number, line in enumerate(lines):
        row, left = page_format.row(number), line_left(line, page_format)
        spans[row] = line.start, line.stop
        layout[row] = left, left + line.num_columns, line.break_after, line.is_right_to_left
    return spans, layout


def sheet_offsets(
    lines: Sequence[PageLine], page_format: PageFormat, num_rows: int, patch_width: int
) -> np.ndarray:
    """The characters that each patch of a sheet shows.

    Returns:
        int64 `[R * W // patch_width, 2]`, row after row: the smallest position of a character seen in the patch and
        the one after the largest; (0, 0) where there is none.
    """
    per_row = page_format.width // patch_width
    offsets = np.zeros((num_rows, per_row, 2), np.int64)
    borders = np.arange(per_row)[:, None] * patch_width
    for number, line in enumerate(lines):
        spans = line.char_spans + line_left(line, page_format)
        shown = (spans[:, 0] < borders + patch_width) & (spans[:, 1] > borders)
        if shown.size:
            firsts, lasts = shown.argmax(axis=1), shown.shape[1] - shown[:, ::-1].argmax(axis=1)
            both = np.stack([firsts, lasts], axis=1) + line.start
            offsets[page_format.row(number)] = np.where(shown.any(axis=1, keepdims=True), both, 0)
    return offsets.reshape(-1, 2)


# ---- pages and strips ----


def page_to_strip(pages: Any, height: int) -> Any:
    """Put the rows of pages one behind the other, as models of strips read them.

    Args:
        pages: array or tensor `[..., R * height, W]`.
        height: rows of pixels of a patch.

    Returns:
        The same kind, `[..., height, R * W]`.

    Raises:
        ValueError: for a page that is no whole number of patches high.
    """
    *leading, total, width = pages.shape
    if total % height:
        raise ValueError(f"pages are {total} pixels high, which is no whole number of rows of {height}")
    rows = total // height
    return (
        pages.reshape(*leading, rows, height, width).swapaxes(-3, -2).reshape(*leading, height, rows * width)
    )


def strip_to_page(strips: Any, width: int) -> Any:
    """Cut strips into rows and put them one below the other; the inverse of [`page_to_strip`].

    Args:
        strips: array or tensor `[..., H, R * width]`.
        width: columns of a page.

    Returns:
        The same kind, `[..., R * H, width]`.

    Raises:
        ValueError: for a strip that is no whole number of rows long.
    """
    *leading, height, total = strips.shape
    if width < 1 or total % width:
        raise ValueError(f"strips are {total} columns long, which is no whole number of rows of {width}")
    rows = total // width
    return (
        strips.reshape(*leading, height, rows, width).swapaxes(-3, -2).reshape(*leading, rows * height, width)
    )


__all__ = [
    "HARD_BREAK",
    "LINE_BREAK_SIGN",
    "NO_LINE",
    "PageFormat",
    "PageLayout",
    "PageLine",
    "PageOverflowError",
    "draw_sheet",
    "lay_out_page",
    "line_left",
    "page_text",
    "page_to_strip",
    "sheet_layout",
    "sheet_offsets",
    "strip_to_page",
]
