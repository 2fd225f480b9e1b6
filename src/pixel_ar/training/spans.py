# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Spans of a text and the patches that show them, both ways.

A processor's `offset_mapping` counts characters of the text as drawn, which is not the text it was given: accents join
their letters, line breaks become spaces, invisible characters are gone. [`TextAlignment`] maps one to the other, so
that labels come in, and answers go out, as spans of the ORIGINAL text.

A patch may show several characters, and the end of one word beside the beginning of the next. [`join_words`] spaces
words out so that none shares a patch with another: each patch then has one label.

Spans are (start, end) of characters, end excluded; patches of an answer are (first, last), both included, as
`start_positions` and `end_positions` of Transformers are.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..modalities import IGNORED_LABEL
from ..processing.processing_pixel_ar import PixelProcessor
from ..rendering.renderer import StripRenderer

POLICIES = ("last", "first", "all")


class TextAlignment:
    """Which characters of a text are which of the text as drawn.

    Args:
        text: the original.
        renderer: what draws it; its settings say what becomes of each character.

    Attributes:
        text: the original.
        drawn: `renderer.normalise(text)`.
        origins: `[len(drawn), 2]`, the span of the original that each drawn character stands for. Characters that are
            drawn together (a letter and its accents, CR LF) have one span; invisible ones belong to none.
    """

    def __init__(self, text: str, renderer: StripRenderer) -> None:
        self.text = text
        self.drawn = renderer.normalise(text)
        if self.drawn == text:
            starts = np.arange(len(text))
            self.origins = np.stack([starts, starts + 1], axis=1)
            return
        clusters = _clusters(text, renderer)
        if "".join(drawn for _, _, drawn in clusters) != self.drawn:
            raise ValueError(
                f"cannot align {text[:60]!r} with its drawn form {self.drawn[:60]!r}; take spans of "
                "renderer.normalise(text) instead."
            )
        origins = [(start, end) for start, end, drawn in clusters for _ in drawn]
        self.origins = np.array(origins, dtype=np.int64).reshape(-1, 2)

    def to_drawn(self, start: int, end: int) -> tuple[int, int]:
        """The drawn characters that show a span of the original; a character shown in part counts.

        Raises:
            ValueError: for a span outside the text, an empty one, or one of invisible characters alone.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(
                f"the span {start} to {end} is not a part of the text, which has {len(self.text)} characters."
            )
        shown = np.flatnonzero((self.origins[:, 0] < end) & (self.origins[:, 1] > start))
        if len(shown) == 0:
            raise ValueError(
                f"the span {start} to {end} holds {self.text[start:end]!r}, which draws nothing."
            )
        return int(shown[0]), int(shown[-1]) + 1

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that drawn characters stand for.

        Raises:
            ValueError: for an empty span, or one outside the drawn text.
        """
        if not 0 <= start < end <= len(self.drawn):
            raise ValueError(
                f"the span {start} to {end} is not a part of the drawn text, which has {len(self.drawn)} characters."
            )
        return int(self.origins[start, 0]), int(self.origins[end - 1, 1])


def _clusters(text: str, renderer: StripRenderer) -> list[tuple[int, int, str]]:
    """(start, end, drawn) of the parts of a text that are drawn one after the other.

    The ends leave out invisible characters around a part.
    """
    clusters: list[tuple[int, int, str]] = []
    for index, char in enumerate(text):
        alone = renderer.normalise(char)
        if not alone:
            continue  # invisible; a mark after it still joins the letter before it
        if clusters and (char == "\n" or not char.isascii()):
            start, _, drawn = clusters[-1]
            part = text[start : index + 1]
            whole = renderer.normalise(part)
            # Marks reorder, so one that seems to stand alone may yet let a later one join the letter. CR and LF are one
            # break only side by side.
            if unicodedata.category(char).startswith("M") or whole != drawn + alone:
                clusters[-1] = (start, index + 1, whole)
                continue
        clusters.append((index, index + 1, alone))
    return clusters


# ---- patches ----


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

    Args:
        start: first character, in the original text.
        end: the character after the last.
        text: the original text, or its alignment (build it once where a text has many spans).
        offset_mapping: `[T, 2]`, one row of `processor(..., return_offsets_mapping=True)`.
        renderer: `processor.renderer`; needed for a `str`.
        segment: which text of the row: 0, or 1 for `text_pair`.

    Returns:
        (first, last) patch of the row, both included; `None` if truncation cut any of the span off.

    Raises:
        ValueError: for a span outside the text, an empty or invisible one, or a row without that segment.
    """
    first_char, end_char = _alignment(text, renderer).to_drawn(start, end)
    patches, spans = _patches_of(offset_mapping, segment)
    shown = np.flatnonzero((spans[:, 0] < end_char) & (spans[:, 1] > first_char))
    if len(shown) == 0 or spans[shown[0], 0] > first_char or spans[shown[-1], 1] < end_char:
        return None
    return int(patches[shown[0]]), int(patches[shown[-1]])


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
        first: first patch of the row.
        last: last patch, included.
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
        ValueError: if the patches are not patches of that segment, in order.
    """
    if snap not in ("words", "patches"):
        raise ValueError(f'snap must be "words" or "patches", got {snap!r}.')
    alignment = _alignment(text, renderer)
    patches, spans = _patches_of(offset_mapping, segment)
    chosen = spans[(patches >= first) & (patches <= last)]
    if first > last or len(chosen) != last - first + 1:
        raise ValueError(
            f"patches {first} to {last} are not patches of text {segment} of the row, which has {patches[0]} to "
            f"{patches[-1]}."
        )
    start, end = int(chosen[0, 0]), int(chosen[-1, 1])
    if snap == "words":
        start, end = _snap(alignment.drawn, (start, int(chosen[0, 1])), (int(chosen[-1, 0]), end))
    while start < end - 1 and alignment.drawn[start].isspace():
        start += 1
    while start < end - 1 and alignment.drawn[end - 1].isspace():
        end -= 1
    return alignment.to_original(start, end)


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


def _alignment(text: str | TextAlignment, renderer: StripRenderer | None) -> TextAlignment:
    if isinstance(text, TextAlignment):
        return text
    if renderer is None:
        raise ValueError("give renderer=processor.renderer, or a TextAlignment in place of the text.")
    return TextAlignment(text, renderer)


def _patches_of(offset_mapping: Any, segment: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices `[n]` and character spans `[n, 2]` of the patches of one text of a row."""
    spans = np.asarray(offset_mapping).reshape(-1, 2)
    patches = np.flatnonzero(segments_of_patches(spans) == segment)
    if segment < 0 or len(patches) == 0:
        raise ValueError(f"the row has no text number {segment}: its offset_mapping shows fewer texts.")
    return patches, spans[patches]


# ---- words ----


@dataclass(frozen=True)
class JoinedWords:
    """Words as one text.

    Attributes:
        text: the words with spaces between them.
        spans: (start, end) of each word in `text`.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


def join_words(words: Sequence[str], processor: PixelProcessor, align: bool = True) -> JoinedWords:
    """Joins words to a text.

    Args:
        words: as a data set splits them.
        processor: draws them.
        align: put as many spaces between two words as it takes for the second to begin in a patch of its own. Without,
            one space.

    Raises:
        ValueError: for no words, or a word that draws nothing, with its index.
    """
    if not words or isinstance(words, str):
        raise ValueError(f"words must be a list with at least one word, got {words!r}.")
    renderer, width = processor.renderer, processor.patch_size[1]
    space = renderer.measure(" ")
    text, column = "", 0
    spans: list[tuple[int, int]] = []
    for index, word in enumerate(words):
        if not renderer.normalise(word).strip():
            raise ValueError(f"word {index} is {word!r}, which draws nothing; take it and its label out.")
        if index > 0:
            # From the last column of the word before to the first of the next patch.
            missing = -column % width if align else 0
            spaces = max(1, -(-missing // space))
            text, column = text + " " * spaces, column + spaces * space
        spans.append((len(text), len(text) + len(word)))
        text, column = text + word, column + renderer.measure(word)
    return JoinedWords(text, tuple(spans))


@dataclass(frozen=True)
class LabelledPatches:
    """Labels of words on the patches of a row.

    Attributes:
        text: what is drawn for the words.
        labels: one per patch of the row, -100 = none.
        word_patches: (first, last) patch of each word, both included; `None` for words that truncation cut off or cut
            into, which have no label.
        policy: which patches of a word carry its label.
    """

    text: str
    labels: tuple[int, ...]
    word_patches: tuple[tuple[int, int] | None, ...]
    policy: str

    @property
    def num_cut(self) -> int:
        """Words without a label because they did not fit."""
        return sum(patches is None for patches in self.word_patches)


def label_patches(
    words: Sequence[str],
    word_labels: Sequence[int],
    processor: PixelProcessor,
    policy: str = "last",
    align: bool = True,
    **kwargs: Any,
) -> LabelledPatches:
    """Labels of words to labels of patches, for one row.

    Args:
        words: the words of a sentence.
        word_labels: one label per word, -100 = none.
        processor: draws them.
        policy: `"last"`: a word's last patch carries its label, where a decoder has seen the whole word; `"first"`, as
            encoders do; `"all"`: each of its patches.
        align: see [`join_words`]; without it two words can share a patch, and then it is an error if they need two
            labels there.
        kwargs: of the processor's call (`truncation`, `max_patches`, `add_start`, `add_eos`).

    Returns:
        The labels, and which patches each word is on. Words that truncation cuts are counted in `num_cut`.

    Raises:
        ValueError: for labels and words of different number, an unknown policy, words without ink, two different labels
            on one patch, or a row that is too long where `truncation` is not asked for.
    """
    if len(words) != len(word_labels):
        raise ValueError(f"there are {len(words)} words, but {len(word_labels)} labels.")
    joined = join_words(words, processor, align)
    row = processor(
        text=[joined.text], return_offsets_mapping=True, padding=False, return_tensors=None, **kwargs
    )
    offsets = row["offset_mapping"][0]
    alignment = TextAlignment(joined.text, processor.renderer)
    patches = tuple(span_to_patches(*span, alignment, offsets) for span in joined.spans)
    return LabelledPatches(
        joined.text, spread_labels(patches, word_labels, len(offsets), policy, words), patches, policy
    )


def spread_labels(
    word_patches: Sequence[tuple[int, int] | None],
    word_labels: Sequence[int],
    num_patches: int,
    policy: str = "last",
    words: Sequence[str] | None = None,
) -> tuple[int, ...]:
    """Puts labels of words on their patches.

    Args:
        word_patches: (first, last) of each word, or `None` for no patch.
        word_labels: one per word, -100 = none.
        num_patches: T.
        policy: see [`label_patches`].
        words: for the error.

    Returns:
        T labels.

    Raises:
        ValueError: for an unknown policy, or two different labels on one patch.
    """
    labels = [IGNORED_LABEL] * num_patches
    owners: dict[int, int] = {}
    for index, (patches, label) in enumerate(zip(word_patches, word_labels, strict=True)):
        if patches is None or label == IGNORED_LABEL:
            continue
        for patch in _carriers(patches, policy):
            other = owners.setdefault(patch, index)
            if word_labels[other] != label:
                names = "" if words is None else f" ({words[other]!r} and {words[index]!r})"
                raise ValueError(
                    f"words {other} and {index}{names} share patch {patch} and have labels {word_labels[other]} and "
                    f"{label}; draw them with align=True, so that each has patches of its own."
                )
            labels[patch] = label
    return tuple(labels)


def word_labels_from_patches(
    patch_labels: Any, word_patches: Sequence[tuple[int, int] | None], policy: str = "last"
) -> list[int]:
    """The label of each word from those predicted for patches.

    Args:
        patch_labels: `[T]` integers, such as `logits[row].argmax(-1)`.
        word_patches: of [`LabelledPatches`].
        policy: the one in training. `"all"` takes the most frequent label of a word's patches, the later one at a tie.

    Returns:
        One per word; -100 for words without patches.
    """
    values = np.asarray(patch_labels)
    labels: list[int] = []
    for patches in word_patches:
        if patches is None:
            labels.append(IGNORED_LABEL)
            continue
        votes = [int(values[patch]) for patch in _carriers(patches, policy)]
        labels.append(max(reversed(votes), key=votes.count))
    return labels


def _carriers(patches: tuple[int, int], policy: str) -> range:
    """The patches of a word that carry its label."""
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(map(repr, POLICIES))}, got {policy!r}.")
    first, last = patches
    return range(last if policy == "last" else first, first + 1 if policy == "first" else last + 1)


__all__ = [
    "JoinedWords",
    "LabelledPatches",
    "TextAlignment",
    "join_words",
    "label_patches",
    "patches_to_span",
    "segments_of_patches",
    "span_to_patches",
    "spread_labels",
    "word_labels_from_patches",
]
