# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Questions with windows of their contexts: raw text columns in, batches for the model out.

Texts are drawn here, in the data loader's worker, and leave it as uint8; a batch is as long as its longest row. Pass
`remove_unused_columns=False` to Trainer, which would otherwise drop the text columns.

Shapes: B rows, C channels, H strip height, w patch width, P patches.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch

from ..processing.processing_pixel_ar import PixelProcessor
from .answers import NO_ANSWER, answer_span
from .batches import model_inputs, padded_length, patch_lengths
from .columns import Row, check_rows, read_column, read_texts, refuse_forgotten
from .spans import row_patches


class QuestionAnsweringCollator:
    """Questions with windows of their contexts, for `PixelARForQuestionAnswering` on patches.

    A row is the question, an EOS patch, the window, an EOS patch: a decoder must have read the question before the
    context. Where the window holds no answer, both positions are the last EOS patch, the one that has seen everything.

    Args:
        processor: draws, and pads on the right: answers are counted from the start of a row.
        question_column: key of the question.
        context_column: key of the window of the context, as [`QuestionWindows`] cuts it.
        pad_to_multiple_of: batches are padded to a multiple of so many patches.
        transform: applied to each row first. It must keep the length of the context, or leave it alone.

    Raises:
        ValueError: for a processor that pads on the left.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        question_column: str = "question",
        context_column: str = "context",
        pad_to_multiple_of: int | None = None,
        transform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if processor.padding_side != "right":
            raise ValueError(
                'answers are found by their place in the row: set processor.padding_side = "right".'
            )
        padded_length([1], None, pad_to_multiple_of)
        self.processor = processor
        self.question_column = question_column
        self.context_column = context_column
        self.pad_to_multiple_of = pad_to_multiple_of
        self.transform = transform

    def length(self, row: Row) -> int:
        """Patches of a row."""
        columns = (
            read_texts(check_rows([row]), name) for name in (self.question_column, self.context_column)
        )
        return patch_lengths(self.processor, *columns)[0]

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Collates rows of [`QuestionWindows`].

        Args:
            rows: B dictionaries with question and context, and `answer_start` and `answer_end`: characters of the
                context, end excluded, -1 for both where there is no answer; or `answers` as SQuAD has them, where no
                context is longer than a row.

        Returns:
            `pixel_values` uint8 `[B, C, H, P * w]`, `attention_mask` int64 `[B, P]`; if the rows have answers,
            `start_positions` and `end_positions` int64 `[B]`, both included: the patches on which the answer begins and
            ends. In right-to-left text the first of them stands right of the second.

        Raises:
            KeyError: if a column is missing, or the answers seem to be in another one.
            ValueError: for empty texts, rows that are too long, or answers outside their context.
        """
        rows = check_rows(rows)
        if self.transform is not None:
            rows = [self.transform(dict(row)) for row in rows]
        questions = read_texts(rows, self.question_column)
        contexts = read_texts(rows, self.context_column)
        limit = self.processor.model_max_patches
        lengths = patch_lengths(self.processor, questions, contexts)
        if limit is not None and max(lengths) > limit:
            raise ValueError(
                f"row {lengths.index(max(lengths))} needs {max(lengths)} patches, but model_max_patches is {limit}: "
                f"cut contexts first, with dataset.map(QuestionWindows(processor, max_patches={limit}, stride=...), "
                "batched=True)."
            )
        batch = self.processor(
            text=questions,
            text_pair=contexts,
            max_patches=padded_length(lengths, limit, self.pad_to_multiple_of),
            padding="max_length",
            return_tensors="pt",
        )
        data = model_inputs(batch)
        spans = self._spans(rows, contexts)
        if spans is not None:
            last = (batch["attention_mask"].sum(-1) - 1).tolist()
            positions = [
                self._positions(index, question, context, span, last[index])
                for index, (question, context, span) in enumerate(
                    zip(questions, contexts, spans, strict=True)
                )
            ]
            data["start_positions"] = torch.tensor([first for first, _ in positions])
            data["end_positions"] = torch.tensor([end for _, end in positions])
        return data

    def _spans(self, rows: Sequence[Row], contexts: Sequence[str]) -> list[tuple[int, int]] | None:
        """(start, end) of the answer of each row, -1 for none; `None` if the rows have no answers."""
        if any("answer_start" in row for row in rows):
            return list(zip(read_column(rows, "answer_start"), read_column(rows, "answer_end"), strict=True))
        if not any("answers" in row for row in rows):
            refuse_forgotten(rows[0], "answers", "answer")
            return None
        spans = []
        for index, (context, answers) in enumerate(zip(contexts, read_column(rows, "answers"), strict=True)):
            try:
                spans.append(answer_span(context, answers) or (NO_ANSWER, NO_ANSWER))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"the answers of row {index}: {error}") from error
        return spans

    def _positions(
        self, index: int, question: str, context: str, span: tuple[int, int], last: int
    ) -> tuple[int, int]:
        start, end = span
        if not isinstance(start, Integral) or not isinstance(end, Integral):
            raise ValueError(
                f"the answer of row {index} must be two numbers of characters, got {start!r:.30} and {end!r:.30}."
            )
        if start == end == NO_ANSWER:
            return last, last
        try:
            patches = row_patches(self.processor, question, context).texts[1].ends(start, end)
        except ValueError as error:
            raise ValueError(f"the answer of row {index}: {error}") from error
        assert patches is not None  # nothing was cut: the processor would have raised
        return patches


__all__ = ["QuestionAnsweringCollator"]
