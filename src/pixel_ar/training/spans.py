# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Spans of a text and the patches that show them, both ways, whatever the direction of the text.

Patches are counted along the row, from left to right; text is not: in a right-to-left line the first character stands
on the last patch, and in a line of both directions a patch may show the end of one phrase beside the end of another.
[`TextPatches`] knows which characters each patch of a text shows, as runs in the order of the text, and everything
here goes through these runs.

Spans are (start, end) of characters, end excluded. Patches of a span are (first, last) in the order of the TEXT: the
one on which its first character begins and the one on which its last character ends, as `start_positions` and
`end_positions` of Transformers. In right-to-left text the first is the greater number.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..processing.layout import Segment, lay_out
from ..processing.options import LayoutOptions
from ..processing.processing_pixel_ar import PixelProcessor
from ..rendering.renderer import StripRenderer
from ..rendering.strip import PackedStrip
from .alignment import TextAlignment

SNAPS = ("words", "patches")


class TextPatches:
    """Which patches of a row show which characters of one of its texts.

    Args:
        alignment: of the text.
        runs: int64 `[R, 3]`: (patch, start, end) of characters of the drawn text that stand together on a patch. A
            patch of a line of both directions may have several runs.
        is_drawn: bool `[len(drawn)]`, which characters would have columns if nothing were cut; `None`: all.

    Attributes:
        alignment: see above.
        runs: see above, in the order of the text; without runs of blanks on patches that show something else too, for
            no span begins or ends with those.
    """

    def __init__(
        self, alignment: TextAlignment, runs: np.ndarray, is_drawn: np.ndarray | None = None
    ) -> None:
        self.alignment = alignment
        self._all_runs = runs[np.lexsort((runs[:, 2], runs[:, 1]))]
        self.runs = self._all_runs[_says_something(self._all_runs, alignment.drawn)]
        count = len(alignment.drawn)
        self._is_drawn = np.ones(count, dtype=bool) if is_drawn is None else is_drawn
        changes = np.zeros(count + 1, dtype=np.int64)
        np.add.at(changes, self._all_runs[:, 1], 1)
        np.add.at(changes, self._all_runs[:, 2], -1)
        self._is_shown = np.cumsum(changes[:-1]) > 0

    def patches(self, start: int, end: int) -> tuple[int, ...] | None:
        """All patches that show any of a span of the original text, from left to right.

        Returns:
            Patches of the row; `None` if any of the span was cut off.

        Raises:
            ValueError: for a span outside the text, an empty or invisible one.
        """
        runs = self._runs_of(start, end)
        return None if runs is None else tuple(sorted(set(runs[:, 0].tolist())))

    def ends(self, start: int, end: int) -> tuple[int, int] | None:
        """The patch on which a span of the original begins, and the one on which it ends.

        In a line of both directions a patch may show the ends of two words that stand far apart in the text. Where
        [`span`] would take it for the other one, the next patch of the word is given, if it has one.

        Returns:
            (first, last) in the order of the text; `None` if any of the span was cut off.

        Raises:
            ValueError: for a span outside the text, an empty or invisible one.
        """
        runs = self._runs_of(start, end)
        if runs is None:
            return None
        ends = int(runs[0, 0]), int(runs[-1, 0])
        return self._unmistakable(ends, start, end) if self._has_shared_patches else ends

    @cached_property
    def _has_shared_patches(self) -> bool:
        """Whether a patch shows text of several places: only in lines of both directions."""
        return len(np.unique(self.runs[:, 0])) < len(self.runs)

    def _unmistakable(self, ends: tuple[int, int], start: int, end: int) -> tuple[int, int]:
        """Patches of a span that [`span`] takes for that span and not for another one that begins or ends there.

        A patch on which two words meet that stand far apart in the text is left to one of them if the other has
        patches of its own.

        Args:
            ends: Where it begins and ends.
            start: First character of the original.
            end: The character after the last.
        """
        gold = _without_blanks(self.alignment.drawn, *self.alignment.to_drawn(start, end))
        words = _outwards(self.alignment.drawn, gold[0], -1), _outwards(self.alignment.drawn, gold[1], 1)
        if _holds(self._drawn_span(*ends), gold):
            return ends
        # From the outside in, and no further than the first and the last word of the span.
        runs = self.runs[(self.runs[:, 1] < words[1]) & (self.runs[:, 2] > words[0])]
        breaks = [place for place in range(*gold) if self.alignment.drawn[place].isspace()]
        firsts = dict.fromkeys(runs[runs[:, 1] < min(breaks, default=words[1]), 0].tolist())
        lasts = dict.fromkeys(runs[runs[:, 2] > max(breaks, default=words[0] - 1) + 1, 0].tolist()[::-1])
        pairs = sorted(
            ((i, j, first, last) for i, first in enumerate(firsts) for j, last in enumerate(lasts)),
            key=lambda pair: pair[0] + pair[1],
        )
        found = [((first, last), self._drawn_span(first, last)) for _, _, first, last in pairs]
        exact = [pair for pair, span in found if span == words]
        return next(iter(exact + [pair for pair, span in found if _holds(span, gold)]), ends)

    def _drawn_span(self, first: int, last: int) -> tuple[int, int] | None:
        """The span of the drawn text that patches show; None if they are not in the order of the text."""
        pair = self._nearest(first, last)
        return None if pair is None else self._span_of_runs(*pair, "words")

    def _nearest(self, first: int, last: int) -> tuple[int, int] | None:
        """The runs, by their indices, that two patches stand for: the shortest way from one to the other."""
        places = [np.flatnonzero(self.runs[:, 0] == patch) for patch in (first, last)]
        pairs = [(int(i), int(j)) for i in places[0] for j in places[1] if i <= j]
        return min(pairs, key=lambda pair: self.way(*pair), default=None)

    def way(self, first: int, last: int) -> tuple[int, int]:
        """Sort key of spans that begin and end on the same patches, the likeliest first.

        Args:
            first: Index of a run in `runs`.
            last: Index of another, or the same.

        Returns:
            Runs from one to the other, and characters of the first one with a minus before.
        """
        return last - first, int(self.runs[first, 1] - self.runs[first, 2])

    def span(self, first: int, last: int, snap: str = "words") -> tuple[int, int]:
        """The span of the original that patches show; see [`patches_to_span`]."""
        pair = self._nearest(first, last)
        if pair is None:
            known = np.unique(self.runs[:, 0])
            where = f"the row has {known[0]} to {known[-1]} of it" if len(known) else "nothing of it is shown"
            raise ValueError(
                f"patches {first} to {last} are not patches of this text, in its order: {where}. In right-to-left text "
                "the first patch is the greater number."
            )
        return self.span_of_runs(*pair, snap=snap)

    def span_of_runs(self, first: int, last: int, snap: str = "words") -> tuple[int, int]:
        """As [`span`], from one run to another, by their indices in `runs`."""
        if snap not in SNAPS:
            raise ValueError(f'snap must be "words" or "patches", got {snap!r}.')
        return self.alignment.to_original(*self._span_of_runs(first, last, snap))

    def _span_of_runs(self, first: int, last: int, snap: str) -> tuple[int, int]:
        """The characters of the drawn text from one run to another."""
        drawn = self.alignment.drawn
        start, end = int(self.runs[first, 1]), int(self.runs[last, 2])
        if snap == "words":
            start, end = _snap(drawn, (start, int(self.runs[first, 2])), (int(self.runs[last, 1]), end))
        return _without_blanks(drawn, start, end)

    def _runs_of(self, start: int, end: int) -> np.ndarray | None:
        """The runs that show any of a span of the original; `None` if some of it is on none."""
        first, stop = self.alignment.to_drawn(start, end)
        is_missing = self._is_drawn[first:stop] & ~self._is_shown[first:stop]
        touching = self._all_runs[(self._all_runs[:, 1] < stop) & (self._all_runs[:, 2] > first)]
        return None if is_missing.any() or len(touching) == 0 else touching


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without white space at its ends, and at least one character long."""
    while start < end - 1 and text[start].isspace():
        start += 1
    while start < end - 1 and text[end - 1].isspace():
        end -= 1
    return start, end


def _holds(span: tuple[int, int] | None, part: tuple[int, int]) -> bool:
    return span is not None and span[0] <= part[0] and part[1] <= span[1]


def _says_something(runs: np.ndarray, text: str) -> np.ndarray:
    """bool `[R]`: whether a run has more than blanks, or is all that its patch shows."""
    has_ink = np.array([not text[start:end].isspace() for _, start, end in runs], dtype=bool)
    return has_ink | ~np.isin(runs[:, 0], runs[has_ink, 0])


def _snap(text: str, first: tuple[int, int], last: tuple[int, int]) -> tuple[int, int]:
    """Word borders for the character spans of the first and the last patch."""
    start, end = first[0], last[1]
    begins = [i for i in range(*first) if not text[i].isspace() and (i == 0 or text[i - 1].isspace())]
    ends = [
        i + 1 for i in range(*last) if not text[i].isspace() and (i + 1 == len(text) or text[i + 1].isspace())
    ]
    # Within one patch the last end must not stand before the first begin.
    start = begins[0] if begins else _outwards(text, start, -1)
    end = ends[-1] if ends and ends[-1] > start else _outwards(text, max(end, start + 1), 1)
    return start, end


def _outwards(text: str, place: int, step: int) -> int:
    """Moves a border out of the word it stands in."""
    while 0 < place < len(text) and not text[place - 1].isspace() and not text[place].isspace():
        place += step
    return place


# ---- rows ----


@dataclass(frozen=True)
class RowPatches:
    """The texts of a row and its length.

    Attributes:
        texts: of the first text, and of the second where there is one.
        num_patches: of the row, EOS patches included.
    """

    texts: tuple[TextPatches, ...]
    num_patches: int


def row_patches(
    processor: PixelProcessor, text: str, text_pair: str | None = None, **kwargs: Any
) -> RowPatches:
    """Which patches show which characters, for one row, without drawing its pixels.

    Patches are counted from the first of the row; where the processor pads on the left, add the padding.

    Args:
        processor: of the row.
        text: its first text.
        text_pair: its second.
        kwargs: of the processor's call (`truncation`, `max_patches`, `add_start`, `add_eos`, `end_gap`).

    Raises:
        ValueError: as the processor's call does.
    """
    width = processor.patch_size[1]
    options = LayoutOptions.from_kwargs(kwargs, processor.model_max_patches, width)
    texts = [text] if text_pair is None else [text, text_pair]
    whole = [processor.renderer.render(one) for one in texts]
    segments = [
        Segment(name, strip.num_columns, strip=strip)
        for name, strip in zip(("text", "text_pair"), whole, strict=False)
    ]
    row = lay_out(segments, options, width, (processor.left_padding, processor.right_padding))
    found = []
    for one, strip, (place, segment) in zip(texts, whole, row.segments, strict=True):
        runs = _runs(segment, place, width)
        spans = char_spans(strip)
        alignment = TextAlignment(one, processor.renderer)
        found.append(TextPatches(alignment, runs, spans[:, 1] > spans[:, 0]))
    return RowPatches(tuple(found), row.num_patches)


def char_spans(strip: PackedStrip) -> np.ndarray:
    """int64 `[len(text), 2]`: first column and column after the last of what each character is drawn as."""
    if strip.char_spans is not None:
        return np.asarray(strip.char_spans, dtype=np.int64)
    borders = np.asarray(strip.char_columns, dtype=np.int64)
    # Characters drawn together begin at one column.
    following = np.searchsorted(borders, borders[:-1], side="right")
    ends = borders[np.minimum(following, len(borders) - 1)]
    return np.stack([borders[:-1], ends], axis=1)


def _runs(segment: Segment, place: int, width: int) -> np.ndarray:
    """Runs of a text that has its place in a row."""
    assert segment.strip is not None
    spans = char_spans(segment.strip)
    # What was cut off has no columns in shaped text, and else stands beyond the end.
    shown = np.flatnonzero((spans[:, 1] > spans[:, 0]) & (spans[:, 1] <= segment.num_columns))
    firsts = (spans[shown, 0] + segment.left) // width
    lasts = (spans[shown, 1] - 1 + segment.left) // width
    counts = lasts - firsts + 1
    chars = np.repeat(shown, counts)
    steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return _join_runs(
        place + np.repeat(firsts, counts) + steps, chars, np.repeat(np.arange(len(shown)), counts)
    )


def _join_runs(patches: np.ndarray, chars: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """(patch, start, end) from pairs of patch and character; `ranks` counts characters that have columns."""
    order = np.lexsort((ranks, patches))
    patches, chars, ranks = patches[order], chars[order], ranks[order]
    begins = np.flatnonzero(np.r_[True, (np.diff(patches) != 0) | (np.diff(ranks) != 1)][: len(patches)])
    stops = np.r_[begins[1:], len(patches)] - 1
    return np.stack([patches[begins], chars[begins], chars[stops] + 1], axis=1).reshape(-1, 3)


# ---- rows of which only an offset mapping is known ----


def segments_of_patches(offset_mapping: Any) -> np.ndarray:
    """Which text of a row each patch shows.

    Args:
        offset_mapping: `[T, 2]`, one row of a processor's.

    Returns:
        int64 `[T]`: 0 for the first text of the row, 1 for the second, -1 on EOS patches, images and padding.
    """
    shows = np.asarray(offset_mapping).reshape(-1, 2)[:, 1] > 0
    begins = shows & ~np.concatenate([[False], shows[:-1]])
    return np.where(shows, np.cumsum(begins) - 1, -1)


def span_to_patches(
    start: int,
    end: int,
    text: str | TextAlignment,
    offset_mapping: Any,
    renderer: StripRenderer | None = None,
    segment: int = 0,
) -> tuple[int, int] | None:
    """The patches that show a span of a text.

    An offset mapping has one span per patch, which in a line of both directions covers more than the patch shows;
    [`row_patches`] is exact there too.

    Args:
        start: first character, in the original text.
        end: the character after the last.
        text: the original text, or its alignment (build it once where a text has many spans).
        offset_mapping: `[T, 2]`, one row of `processor(..., return_offsets_mapping=True)`.
        renderer: `processor.renderer`; needed for a `str`.
        segment: which text of the row: 0, or 1 for `text_pair`.

    Returns:
        (first, last) patch, both included, in the order of the text: in right-to-left text the first is the greater
        number. `None` if truncation cut any of the span off.

    Raises:
        ValueError: for a span outside the text, an empty or invisible one, or a row without that segment.
    """
    alignment = _alignment(text, renderer)
    alignment.to_drawn(start, end)
    return _from_offsets(alignment, offset_mapping, segment).ends(start, end)


def patches_to_span(
    first: int,
    last: int,
    text: str | TextAlignment,
    offset_mapping: Any,
    renderer: StripRenderer | None = None,
    segment: int = 0,
    snap: str = "words",
) -> tuple[int, int]:
    """The span of the original text that patches show.

    Args:
        first: patch on which the span begins.
        last: patch on which it ends, included; in right-to-left text it stands left of the first.
        text: the original text, or its alignment.
        offset_mapping: `[T, 2]`, one row of `processor(..., return_offsets_mapping=True)`.
        renderer: `processor.renderer`; needed for a `str`.
        segment: which text of the row: 0, or 1 for `text_pair`.
        snap: `"words"`: from the first word that begins in the first patch (or else the word it lies in) to the last
            word that ends in the last patch (or else the word it lies in): a patch is wider than a character, and
            answers are words. `"patches"`: all characters of the patches, without white space around them.

    Returns:
        (start, end) of characters of the original.

    Raises:
        ValueError: if the patches are not patches of that segment, in the order of its text.
    """
    return _from_offsets(_alignment(text, renderer), offset_mapping, segment).span(first, last, snap)


def _alignment(text: str | TextAlignment, renderer: StripRenderer | None) -> TextAlignment:
    if isinstance(text, TextAlignment):
        return text
    if renderer is None:
        raise ValueError("give renderer=processor.renderer, or a TextAlignment in place of the text.")
    return TextAlignment(text, renderer)


def _from_offsets(alignment: TextAlignment, offset_mapping: Any, segment: int) -> TextPatches:
    """Runs of one text of a row, from the span of each patch.

    The span of a patch with several runs covers them all, and so characters that stand elsewhere. A patch surely shows
    the ends of its span; what lies between belongs to the patches with the shortest spans.
    """
    offsets = np.asarray(offset_mapping).reshape(-1, 2)
    patches = np.flatnonzero(segments_of_patches(offsets) == segment)
    if segment < 0 or len(patches) == 0:
        raise ValueError(f"the row has no text number {segment}: its offset_mapping shows fewer texts.")
    spans = offsets[patches]
    if _is_in_order(spans) or _is_in_order(spans[::-1]):
        return TextPatches(alignment, np.column_stack([patches, spans]))
    lengths = spans[:, 1] - spans[:, 0]
    shortest = np.full(len(alignment.drawn), np.iinfo(np.int64).max)
    for (start, end), length in zip(spans, lengths, strict=True):
        shortest[start:end] = np.minimum(shortest[start:end], length)
    is_end = np.zeros(len(shortest), dtype=bool)
    is_end[spans.ravel() - np.tile([0, 1], len(spans))] = True
    pairs = [
        (patch, char)
        for patch, (start, end), length in zip(patches, spans, lengths, strict=True)
        for char in range(start, end)
        if (char in (start, end - 1) if is_end[char] else shortest[char] == length)
    ]
    found = np.array(pairs, dtype=np.int64)
    return TextPatches(alignment, _join_runs(found[:, 0], found[:, 1], found[:, 1]))


def _is_in_order(spans: np.ndarray) -> bool:
    """Whether the spans of patches ascend."""
    return bool((np.diff(spans[:, 0]) >= 0).all() and (np.diff(spans[:, 1]) >= 0).all())


__all__ = [
    "RowPatches",
    "TextPatches",
    "char_spans",
    "patches_to_span",
    "row_patches",
    "segments_of_patches",
    "span_to_patches",
]
