# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Page to text: the lines are read one by one, and the breaks between them undone.

With the description of the rows that [`sheet_layout`] makes, this is exact: a break at spaces gives back these spaces,
a break between two letters nothing, a line break of the text `\\n`. From the picture alone breaks are judged as
follows, since a page is always filled greedily:

- `newline="symbol"`: a line that ends in `↵` ends a paragraph, any other does not.
- A blank line, or a line before one that begins with a space, ends a paragraph.
- If the next line begins with something that would have found room, the break was one of the text.
- Else it was a wrapped line: where a line may be broken without a space (after a hyphen, between ideographs), nothing
  stood there; a line that is one word and full was a word too wide for a line; otherwise there was one space.

So the picture alone does not tell: a line break of the text where the page would have been wrapped anyway; several
spaces at a break from one; a space between two ideographs at the end of a line from none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..rendering.pages import HARD_BREAK, LINE_BREAK_SIGN, NO_LINE, PageFormat
from ..rendering.renderer import StripRenderer
from ..text.bidi import bidi_classes
from ..text.graphemes import grapheme_bounds
from ..text.line_breaking import break_opportunities
from .reader import ReadResult, StripReader

# A line may be broken after these even without a space, but usually one stands there: dandas, full stops.
_SPACE_FOLLOWS = "\u0964\u0965\u104a\u104b\u17d4\u17d5\u17da"


@dataclass(frozen=True)
class PageReadResult:
    """What a sheet says.

    Attributes:
        text: its text.
        lines: what each line was read as, from the top.
        rows: the row of patches that each line stands in.
        texts: the text of each line, with the blanks it begins with.
        breaks: what follows each line: a number of spaces, or -1 for a line break or the end.
    """

    text: str
    lines: tuple[ReadResult, ...]
    rows: tuple[int, ...]
    texts: tuple[str, ...]
    breaks: tuple[int, ...]


class PageReader:
    """Reads pages drawn with a renderer, or resembling them.

    Args:
        reader: Reads the lines.
        renderer: Drew them; tells how wide a text is.
    """

    def __init__(self, reader: StripReader, renderer: StripRenderer) -> None:
        self.reader, self.renderer = reader, renderer
        self.space = max(renderer.measure(" "), 1)

    def read_described(self, page: np.ndarray, line_layout: np.ndarray) -> PageReadResult:
        """Read a sheet whose rows are described.

        Args:
            page: bool `[R * H, W]`, False = ink.
            line_layout: int `[R, 4]`, see [`sheet_layout`].

        Raises:
            ValueError: if the description is of another number of rows.
        """
        height = self.renderer.height
        if page.shape[0] != len(line_layout) * height:
            raise ValueError(
                f"line_layout describes {len(line_layout)} rows, but the page has {page.shape[0] / height:g} of "
                f"{height} pixels"
            )
        rows = [row for row, kind in enumerate(line_layout[:, 2].tolist()) if kind != NO_LINE]
        lines, texts, breaks = [], [], []
        for row in rows:
            first, stop, kind, is_right = line_layout[row].tolist()
            strip = page[row * height : (row + 1) * height, first:stop]
            lines.append(self.reader.read(strip, base=int(is_right)))
            texts.append(self._indent(strip) * bool(is_right) + lines[-1].text)
            breaks.append(kind)
        return self._result(lines, rows, texts, breaks)

    def read_picture(
        self, page: np.ndarray, page_format: PageFormat, num_rows: int | None = None
    ) -> PageReadResult:
        """Read a sheet of which only the measures are known.

        Args:
            page: bool `[R * H, W]`, False = ink.
            page_format: its margins, spacing and padding.
            num_rows: rows in use; default: up to the last with ink.

        Raises:
            ValueError: for a page of another width or of a height that is no whole number of rows.
        """
        height = self.renderer.height
        if page.shape[0] % height or page.shape[1] != page_format.width:
            raise ValueError(
                f"a page {page_format.width} columns wide, of whole rows of {height} pixels, was expected; got "
                f"{page.shape[0]} x {page.shape[1]} pixels"
            )
        if num_rows is None:
            inked = np.flatnonzero(~page.all(axis=1))
            num_rows = int(inked[-1]) // height + 1 if len(inked) else 0
        else:
            num_rows -= page_format.margins[0]
        rows = list(range(page_format.margins[0], num_rows, 1 + page_format.line_spacing))
        first = page_format.first_column
        strips = [
            page[row * height : (row + 1) * height, first : first + page_format.line_columns] for row in rows
        ]
        lines, texts = self._read_lines(strips)
        breaks = [
            self._judge_break(text, following, page_format.line_columns)
            for text, following in zip(texts, [*texts[1:], ""], strict=False)
        ]
        return self._result(lines, rows, texts, breaks)

    def _result(
        self, lines: list[ReadResult], rows: list[int], texts: list[str], breaks: list[int]
    ) -> PageReadResult:
        text = self.join(zip(texts, breaks, strict=True))
        return PageReadResult(text, tuple(lines), tuple(rows), tuple(texts), tuple(breaks))

    def join(self, lines: Iterable[tuple[str, int]]) -> str:
        """Join lines, given as (text, what follows); what follows the last is left out, unless it is drawn."""
        text, between = "", ""
        is_drawn = self.renderer.policy.newline == "symbol"
        for line, kind in lines:
            if is_drawn and between == "\n":
                text = text.removesuffix(LINE_BREAK_SIGN)
            text += between + line
            between = "\n" if kind == HARD_BREAK else " " * kind
        if is_drawn and between == "\n" and text.endswith(LINE_BREAK_SIGN):
            text = text.removesuffix(LINE_BREAK_SIGN) + between
        return text

    # ---- lines ----

    def _read_lines(self, strips: Sequence[np.ndarray]) -> tuple[list[ReadResult], list[str]]:
        """Read lines of full width, each in the direction of its paragraph."""
        lines = [self.reader.read(strip) for strip in strips]
        classes = [bidi_classes(line.text) for line in lines]
        sides = [self._side(strip) for strip in strips]
        bases: list[int] = []
        for letters, side in zip(classes, sides, strict=True):
            num_right = letters.count("R") + letters.count("A")
            bases.append(int(num_right > 0 and (side > 0 or (side == 0 and num_right > letters.count("L")))))
        for index, (letters, side) in enumerate(zip(classes, sides, strict=True)):
            # Without a right-to-left letter of its own, a line at the right goes with the lines around it.
            if side > 0 and not {"R", "A"} & set(letters):
                bases[index] = int(any(bases[max(index - 1, 0) : index + 2]))
        texts = []
        for index, (strip, base) in enumerate(zip(strips, bases, strict=True)):
            if base or {"R", "A"} & set(classes[index]):
                lines[index] = self.reader.read(
                    strip[:, self._first_ink(strip) :] if base else strip, base=base
                )
            texts.append(self._indent(strip) * base + lines[index].text)
        return lines, texts

    def _first_ink(self, strip: np.ndarray) -> int:
        """A column before the ink, but not so far that a space would fit in between."""
        inked = np.flatnonzero(~strip.all(axis=0))
        return max(int(inked[0]) - self.space + 1, 0) if len(inked) else strip.shape[1]

    def _side(self, strip: np.ndarray) -> int:
        """1 for a line that touches the right end only, -1 the left end only, 0 both or none."""
        inked = np.flatnonzero(~strip.all(axis=0))
        if not len(inked):
            return 0
        return int(strip.shape[1] - 1 - inked[-1] < self.space) - int(inked[0] < self.space)

    def _indent(self, strip: np.ndarray) -> str:
        """The blanks that a right-to-left line begins with, at its right end."""
        inked = np.flatnonzero(~strip.all(axis=0))
        return " " * ((strip.shape[1] - 1 - int(inked[-1])) // self.space) if len(inked) else ""

    # ---- breaks ----

    def _judge_break(self, line: str, following: str, line_columns: int) -> int:
        """What stood between two lines: a number of spaces, or `HARD_BREAK`."""
        if self.renderer.policy.newline == "symbol":
            if line.endswith(LINE_BREAK_SIGN):
                return HARD_BREAK
        elif not line or not following or following.startswith(" "):
            return HARD_BREAK
        joined = line + following
        places = break_opportunities(joined)
        stop = next((place for place in places if place > len(line)), len(joined))
        free = line_columns - self._measure(line)
        piece = self._measure(joined[len(line) : stop].rstrip(" "))
        if len(line) in places and piece > free and line[-1] not in _SPACE_FOLLOWS:
            return 0
        if not any(place < len(line) for place in places) and following:
            cluster = following[: grapheme_bounds(following)[1]]
            if self._measure(cluster) > free:
                return 0
        is_wrapped = piece + self.space > free or self.renderer.policy.newline == "symbol"
        return 1 if is_wrapped else HARD_BREAK

    def _measure(self, text: str) -> int:
        try:
            return self.renderer.measure(text)
        except ValueError:  # misread from a noisy page
            return len(text) * self.space


__all__ = ["PageReadResult", "PageReader"]
