# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Questions about texts longer than the model: windows in, one answer per question out.

Data in the format of SQuAD (arXiv 1606.05250): `id`, `question`, `context`, and `answers` with lists `text` and
`answer_start` (characters of the context; empty lists where there is no answer, as in arXiv 1806.03822).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers.utils import logging

from ..processing.processing_pixel_ar import PixelProcessor
from .alignment import TextAlignment
from .batches import patch_lengths
from .spans import row_patches

logger = logging.get_logger(__name__)

NO_ANSWER = -1


class QuestionWindows:
    """Cuts contexts into overlapping windows that fit beside their question; for `datasets.map(..., batched=True)`.

    Windows begin and end between words. Nothing is drawn here, and nothing is lost: every word is in a window, and
    every answer of up to `stride` patches is whole in one.

    Args:
        processor: draws the rows later.
        max_patches: most patches of a row: question, window and two EOS patches.
        stride: patches that two neighbouring windows have in common, at least.
        id_column: key of the question's name; rows without it are numbered.
        question_column: key of the question.
        context_column: key of the context.
        answers_column: key of the answers; rows without it give windows without answers. The first one is learned.

    Attributes:
        num_uncovered: answers so far that are whole in no window, and so are learned as absent.

    Raises:
        ValueError: for numbers below 1, or a stride that leaves no room for progress.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        max_patches: int,
        stride: int,
        id_column: str = "id",
        question_column: str = "question",
        context_column: str = "context",
        answers_column: str = "answers",
    ) -> None:
        if not 0 < stride < max_patches:
            raise ValueError(
                f"stride must be at least 1 and below max_patches, got {stride} and {max_patches}."
            )
        self.processor = processor
        self.max_patches = max_patches
        self.stride = stride
        self.id_column = id_column
        self.question_column = question_column
        self.context_column = context_column
        self.answers_column = answers_column
        self.num_uncovered = 0

    def __call__(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Cuts a batch.

        Args:
            rows: columns, as `datasets` hands them to a batched function; pass
                `remove_columns=dataset.column_names` to `map`.

        Returns:
            Columns of one row per window: `id`, `question`, `context` (the window), `window_start` (its first character
            in the whole context), and with answers `answer_start` and `answer_end` (characters of the window, end
            excluded; -1 where it does not hold the whole answer).

        Raises:
            KeyError: for a missing column.
            ValueError: for a question that leaves no room, a word longer than a window, or an answer that is not where
                it is said to be; with the id of the question.
        """
        for name in (self.question_column, self.context_column):
            if name not in rows:
                raise KeyError(f"no column {name!r} among {sorted(rows)}: name the columns.")
        count = len(rows[self.question_column])
        ids = rows[self.id_column] if self.id_column in rows else [str(index) for index in range(count)]
        answers = rows.get(self.answers_column)
        columns = ["id", "question", "context", "window_start"]
        columns += [] if answers is None else ["answer_start", "answer_end"]
        found: dict[str, list[Any]] = {name: [] for name in columns}
        for index in range(count):
            question, context = rows[self.question_column][index], rows[self.context_column][index]
            try:
                windows = context_windows(question, context, self.processor, self.max_patches, self.stride)
                span = None if answers is None else answer_span(context, answers[index])
            except ValueError as error:
                raise ValueError(f"question {ids[index]!r}: {error}") from error
            for start, end in windows:
                values = [ids[index], question, context[start:end], start]
                if answers is not None:
                    values += _within(span, start, end)
                for name, value in zip(columns, values, strict=True):
                    found[name].append(value)
            if span is not None and not any(start <= span[0] and span[1] <= end for start, end in windows):
                self.num_uncovered += 1
                logger.warning(
                    f"the answer of question {ids[index]!r} is longer than stride={self.stride} patches and whole in "
                    "no window: it is learned as absent."
                )
        return found


def answer_span(context: str, answers: Mapping[str, Sequence[Any]]) -> tuple[int, int] | None:
    """(start, end) of the first answer in its context; `None` if there is no answer.

    Raises:
        ValueError: if the answer is not where it is said to be.
    """
    if len(answers["text"]) == 0:
        return None
    text, start = answers["text"][0], int(answers["answer_start"][0])
    if not text.strip() or start < 0 or context[start : start + len(text)] != text:
        raise ValueError(
            f"the answer {text!r:.60} is not at character {start} of the context, where "
            f"{context[max(start, 0) : max(start, 0) + len(text)]!r:.60} stands."
        )
    return start, start + len(text)


def _within(span: tuple[int, int] | None, start: int, end: int) -> list[int]:
    """A span relative to a window; (-1, -1) if it is not whole in it."""
    if span is None or span[0] < start or span[1] > end:
        return [NO_ANSWER, NO_ANSWER]
    return [span[0] - start, span[1] - start]


def context_windows(
    question: str, context: str, processor: PixelProcessor, max_patches: int, stride: int
) -> list[tuple[int, int]]:
    """Where to cut a context: (start, end) of characters of each window, without white space around it.

    Args:
        question: drawn before each window.
        context: any text.
        processor: draws the rows.
        max_patches: most patches of a row.
        stride: least patches that neighbours have in common, as far as whole words go.

    Raises:
        ValueError: if the context is empty, the question leaves no room, or a word is longer than a window.
    """
    width = processor.patch_size[1]
    room = max_patches - patch_lengths(processor, [question])[0] - 1  # one more EOS patch, after the window
    columns = room * width - processor.left_padding - processor.right_padding
    if columns < stride * width:
        raise ValueError(
            f"the question takes {max_patches - room} of max_patches={max_patches} with two EOS patches, which leaves "
            f"{room} for the context, not even stride={stride}; raise max_patches or cut the question."
        )
    words = _words(context, processor)
    if not words:
        raise ValueError(f"the context is empty: {context!r:.60}.")
    windows, first = [], 0
    while True:
        last = _last_that_fits(context, words, first, columns, processor)
        windows.append((words[first].start, words[last].end))
        if last + 1 == len(words):
            return windows
        following = last + 1
        while following > first + 1 and words[last].stop - words[following].place < stride * width:
            following -= 1
        # A window must reach a new word, or windows would never end.
        while following <= last and not _fits(context, words[following : last + 2], columns, processor):
            following += 1
        first = following


class Word(NamedTuple):
    """A word of a context.

    Attributes:
        start: first character of the original.
        end: the character after its last.
        place: columns of the words and blanks before it, each drawn by itself, in the order of the text.
        stop: the same after the word.
    """

    start: int
    end: int
    place: int
    stop: int


def _words(text: str, processor: PixelProcessor) -> list[Word]:
    """The words of a text between white space."""
    renderer = processor.renderer
    alignment = TextAlignment(text, renderer)
    words: list[Word] = []
    column = end = 0
    for match in re.finditer(r"\S+", alignment.drawn):
        column += renderer.measure(alignment.drawn[end : match.start()])
        stop = column + renderer.measure(match.group())
        words.append(Word(*alignment.to_original(*match.span()), column, stop))
        column, end = stop, match.end()
    return words


def _fits(context: str, words: Sequence[Word], columns: int, processor: PixelProcessor) -> bool:
    """Whether words fit in so many columns, measured as they will be drawn: alone, in a line of their own."""
    return processor.renderer.measure(context[words[0].start : words[-1].end]) <= columns


def _last_that_fits(
    context: str, words: Sequence[Word], first: int, columns: int, processor: PixelProcessor
) -> int:
    """The last word of the window that begins with word `first`.

    Raises:
        ValueError: for a word longer than a window.
    """
    # Widths of words add up but for a few columns (kerning, forms that depend on what stands beside them).
    last = first
    while last + 1 < len(words) and words[last + 1].stop - words[first].place <= columns:
        last += 1
    while last > first and not _fits(context, words[first : last + 1], columns, processor):
        last -= 1
    if last == first and not _fits(context, words[first : first + 1], columns, processor):
        width = processor.patch_size[1]
        start, end = words[first][:2]
        raise ValueError(
            f"the word {context[start:end]!r:.60} needs {-(-processor.renderer.measure(context[start:end]) // width)} "
            f"patches, but only {columns // width} are left beside the question; raise max_patches."
        )
    return last


def find_answers(
    rows: Sequence[Mapping[str, Any]],
    start_logits: Any,
    end_logits: Any,
    processor: PixelProcessor,
    max_answer_patches: int = 30,
    num_best: int = 20,
    null_threshold: float | None = None,
) -> list[dict[str, Any]]:
    """The best answer of each question over all its windows.

    The score of a span is the sum of the logits of the patches on which it begins and ends, in the order of the text,
    whatever its direction; that of "no answer" is the sum of both at the last EOS patch of
    the window where it is lowest, as in BERT's recipe for SQuAD 2.0 (arXiv 1810.04805, section 4.3).

    Args:
        rows: M windows of [`QuestionWindows`], in the order of the logits.
        start_logits: `[M, T]`; what stands beyond the end of a row is not looked at.
        end_logits: `[M, T]`.
        processor: drew the rows.
        max_answer_patches: longest answer.
        num_best: starts and ends considered, per window.
        null_threshold: how much more than the best answer "no answer" must score to be given; `None`: never.

    Returns:
        One `{"id", "prediction_text", "score", "window_start", "start", "end"}` per question, in order of first
        occurrence; `start` and `end` are characters of the whole context, -1 for no answer (an empty text).

    Raises:
        ValueError: for logits of other lengths than the rows.
    """
    starts, ends = np.asarray(start_logits, dtype=np.float64), np.asarray(end_logits, dtype=np.float64)
    if len(rows) != len(starts) or len(rows) != len(ends):
        raise ValueError(f"there are {len(rows)} windows, but logits for {len(starts)} and {len(ends)}.")
    best: dict[Any, dict[str, Any]] = {}
    nulls: dict[Any, float] = {}
    for row, start_scores, end_scores in zip(rows, starts, ends, strict=True):
        answer, null = _best_in_window(row, start_scores, end_scores, processor, max_answer_patches, num_best)
        nulls[row["id"]] = min(null, nulls.get(row["id"], null))
        if row["id"] not in best or answer["score"] > best[row["id"]]["score"]:
            best[row["id"]] = answer
    for name, answer in best.items():
        if null_threshold is not None and nulls[name] - answer["score"] > null_threshold:
            answer.update(prediction_text="", score=nulls[name], start=NO_ANSWER, end=NO_ANSWER)
    return list(best.values())


def _best_in_window(
    row: Mapping[str, Any],
    starts: np.ndarray,
    ends: np.ndarray,
    processor: PixelProcessor,
    max_answer_patches: int,
    num_best: int,
) -> tuple[dict[str, Any], float]:
    """The best answer of a window, and the score of none."""
    placed = row_patches(processor, row["question"], row["context"])
    shown = placed.texts[1]
    # Runs stand in the order of the text: an answer goes from one to another that is not before it.
    patches = shown.runs[:, 0]
    firsts = np.argsort(-starts[patches], kind="stable")[:num_best]
    lasts = np.argsort(-ends[patches], kind="stable")[:num_best]
    scores = _sums(starts[patches[firsts]], ends[patches[lasts]])
    lengths = lasts[None] - firsts[:, None] + 1
    scores[(lengths < 1) | (lengths > max_answer_patches)] = -np.inf
    if not np.isfinite(scores).any():  # no start before an end among the best: the likeliest patch alone
        firsts = lasts = np.array([np.argmax(starts[patches] + ends[patches])])
        scores = _sums(starts[patches[firsts]], ends[patches[lasts]])
    # Runs on one patch score the same: labels are read back in the same way.
    equals = [(int(firsts[i]), int(lasts[j])) for i, j in np.argwhere(scores == scores.max())]
    start, end = shown.span_of_runs(*min(equals, key=lambda pair: shown.way(*pair)))
    null = placed.num_patches - 1
    answer = {
        "id": row["id"],
        "prediction_text": row["context"][start:end],
        "score": float(scores.max()),
        "window_start": row["window_start"],
        "start": row["window_start"] + start,
        "end": row["window_start"] + end,
    }
    return answer, float(starts[null] + ends[null])


def _sums(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """`[S, E]`: scores of spans; what is no number scores least."""
    return np.nan_to_num(starts[:, None] + ends[None], nan=-np.inf, posinf=np.inf, neginf=-np.inf)


__all__ = ["NO_ANSWER", "QuestionWindows", "answer_span", "context_windows", "find_answers"]
