# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Labels of words (names, parts of speech) and the patches that carry them.

A patch may show several characters, and the end of one word beside the beginning of the next. [`join_words`] spaces
words out so that none shares a patch with another: each patch then has one label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..modalities import IGNORED_LABEL
from ..processing.processing_pixel_ar import PixelProcessor
from .alignment import TextAlignment
from .spans import char_spans, row_patches

POLICIES = ("last", "first", "all")
MOST_LOOKS = 4


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
        align: put as many spaces between two words as it takes for none to share a patch with another. Without, one
            space.

    Raises:
        ValueError: for no words, or a word that draws nothing, with its index.
    """
    if not words or isinstance(words, str):
        raise ValueError(f"words must be a list with at least one word, got {words!r}.")
    for index, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(f"word {index} must be a text, got {type(word).__name__}: {word!r:.60}.")
        if not processor.renderer.normalise(word).strip():
            raise ValueError(f"word {index} is {word!r}, which draws nothing; take it and its label out.")
    spaces = [1] * (len(words) - 1)
    joined = _join(words, spaces)
    # Wider gaps move what stands right of them; a second look finds what they moved together, if anything.
    for _ in range(MOST_LOOKS if align else 0):
        more = _missing_spaces(joined, processor)
        if not any(more):
            break
        spaces = [one + other for one, other in zip(spaces, more, strict=True)]
        joined = _join(words, spaces)
    return joined


def _join(words: Sequence[str], spaces: Sequence[int]) -> JoinedWords:
    """Words with so many spaces after each but the last."""
    text, spans = "", []
    for word, count in zip(words, [*spaces, 0], strict=True):
        spans.append((len(text), len(text) + len(word)))
        text += word + " " * count
    return JoinedWords(text, tuple(spans))


def _missing_spaces(joined: JoinedWords, processor: PixelProcessor) -> list[int]:
    """How many more spaces each gap needs for no two words to share a patch.

    Walks over the line from left to right, which in a right-to-left line is from the last word to the first.
    """
    width = processor.patch_size[1]
    strip = processor.renderer.render(joined.text)
    alignment = TextAlignment(joined.text, processor.renderer)
    columns = char_spans(strip)
    # Even numbers are words, odd ones the gaps after them.
    owners = np.full(len(alignment.drawn), -1)
    for index, span in enumerate(joined.spans):
        first, stop = alignment.to_drawn(*span)
        owners[first:stop] = 2 * index
        if index:
            owners[alignment.to_drawn(*joined.spans[index - 1])[1] : first] = 2 * index - 1
    drawn = np.flatnonzero((columns[:, 1] > columns[:, 0]) & (owners >= 0))
    more = [0] * (len(joined.spans) - 1)
    space = processor.renderer.measure(" ")
    shift, word, end, gap = processor.left_padding, -1, 0, -1
    for char in drawn[np.argsort(columns[drawn, 0], kind="stable")]:
        if owners[char] % 2:
            gap = int(owners[char]) // 2
            continue
        left, right = (int(column) + shift for column in columns[char])
        if owners[char] != word and word >= 0 and gap >= 0 and left // width == (end - 1) // width:
            count = -(-(width - left % width) // space)
            more[gap] += count
            shift += count * space
            right += count * space
        # Without a gap since the last word, none can be widened.
        word, end, gap = int(owners[char]), max(right, end), -1
    return more


@dataclass(frozen=True)
class LabelledPatches:
    """Labels of words on the patches of a row.

    Attributes:
        text: what is drawn for the words.
        labels: one per patch of the row, -100 = none.
        word_patches: the leftmost and the rightmost patch of each word, both included; `None` for words that truncation
            cut off or cut into, which have no label.
        policy: which patches of a word carry its label.
        patches: all patches of each word, from left to right, or `None`. Between the first and the last there may be
            those of another word: parts of a word of both directions need not stand side by side. A patch that shows
            two words all the same is that of one of them.
    """

    text: str
    labels: tuple[int, ...]
    word_patches: tuple[tuple[int, int] | None, ...]
    policy: str
    patches: tuple[tuple[int, ...] | None, ...] = ()

    @property
    def num_cut(self) -> int:
        """Words without a label because they did not fit."""
        return sum(patches is None for patches in self.word_patches)

    def word_labels(self, patch_labels: Any) -> list[int]:
        """The label of each word from those predicted for patches; see [`word_labels_from_patches`]."""
        return _vote(patch_labels, self.patches, self.policy)


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
        policy: `"last"`: the rightmost patch of a word carries its label, where a decoder, which reads every row from
            left to right, has seen the whole word; `"first"`: the leftmost, as encoders do; `"all"`: each of them.
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
    row = row_patches(processor, joined.text, **kwargs)
    patches = [row.texts[0].patches(*span) for span in joined.spans]
    if align:
        patches = _without_shared(patches)
    labels = _spread(patches, word_labels, row.num_patches, policy, words)
    ends = tuple(None if shown is None else (shown[0], shown[-1]) for shown in patches)
    return LabelledPatches(joined.text, labels, ends, policy, tuple(patches))


def _without_shared(patches: Sequence[tuple[int, ...] | None]) -> list[tuple[int, ...] | None]:
    """Leaves a patch that shows two words to the one with fewer patches.

    No space can part them: in a line of both directions, a word of both may be split by its neighbour, and parts of the
    two then touch.
    """
    owners: dict[int, int] = {}
    for index, shown in enumerate(patches):
        for patch in shown or ():
            other = patches[owners.setdefault(patch, index)]
            if other is not None and shown is not None and len(shown) < len(other):
                owners[patch] = index
    return [
        None if shown is None else tuple(patch for patch in shown if owners[patch] == index) or shown
        for index, shown in enumerate(patches)
    ]


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
    return _spread(_between(word_patches), word_labels, num_patches, policy, words)


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
    return _vote(patch_labels, _between(word_patches), policy)


def _between(word_patches: Sequence[tuple[int, int] | None]) -> list[Sequence[int] | None]:
    """All patches from the first to the last of each word."""
    return [None if ends is None else range(ends[0], ends[1] + 1) for ends in word_patches]


def _spread(
    patches: Sequence[Sequence[int] | None],
    word_labels: Sequence[int],
    num_patches: int,
    policy: str,
    words: Sequence[str] | None,
) -> tuple[int, ...]:
    labels = [IGNORED_LABEL] * num_patches
    owners: dict[int, int] = {}
    for index, (shown, label) in enumerate(zip(patches, word_labels, strict=True)):
        if shown is None or label == IGNORED_LABEL:
            continue
        for patch in _carriers(shown, policy):
            other = owners.setdefault(patch, index)
            if word_labels[other] != label:
                names = "" if words is None else f" ({words[other]!r} and {words[index]!r})"
                raise ValueError(
                    f"words {other} and {index}{names} share patch {patch} and have labels {word_labels[other]} and "
                    f"{label}; draw them with align=True, so that each has patches of its own."
                )
            labels[patch] = label
    return tuple(labels)


def _vote(patch_labels: Any, patches: Sequence[Sequence[int] | None], policy: str) -> list[int]:
    values = np.asarray(patch_labels)
    labels: list[int] = []
    for shown in patches:
        if shown is None:
            labels.append(IGNORED_LABEL)
            continue
        votes = [int(values[patch]) for patch in _carriers(shown, policy)]
        labels.append(max(reversed(votes), key=votes.count))
    return labels


def _carriers(patches: Sequence[int], policy: str) -> Sequence[int]:
    """The patches of a word that carry its label."""
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(map(repr, POLICIES))}, got {policy!r}.")
    return {"first": patches[:1], "last": patches[-1:], "all": patches}[policy]


__all__ = [
    "POLICIES",
    "JoinedWords",
    "LabelledPatches",
    "join_words",
    "label_patches",
    "spread_labels",
    "word_labels_from_patches",
]
