# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Collators of the tasks: raw text columns in, batches for the task models out.

Texts are drawn here, in the data loader's worker, and leave it as uint8; a batch is as long as its longest row. Pass
`remove_unused_columns=False` to Trainer, which would otherwise drop the text columns.

Rows longer than `max_patches` are cut, counted in the collator's `truncation` and warned of once; without `max_patches`
a row that the processor's `model_max_patches` does not admit is an error.

Shapes: B rows, C channels, H strip height, w patch width, P patches, L tokens, T = P + L positions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import torch

from ..modalities import IGNORED_LABEL
from ..models.pixel_ar.sequences import unpadded_positions
from ..processing.processing_pixel_ar import PixelProcessor
from .answers import NO_ANSWER
from .batches import (
    TruncationCounter,
    padded_length,
    patch_lengths,
    read_column,
    read_texts,
    require_tokenizer,
    to_bytes,
    warn_of_cuts,
)
from .collators import MODALITIES
from .spans import row_patches
from .words import POLICIES, join_words, label_patches

Row = Mapping[str, Any]


class SequenceClassificationCollator:
    """Texts or pairs of texts with a label each, for `PixelARForSequenceClassification`.

    Args:
        processor: draws, and tokenises where `modality` asks for it.
        text_column: key of the text.
        text_pair_column: key of the second text, drawn after an EOS patch; `None` for single texts.
        label_column: key of the label: a class (integer), a number (float; NaN is an error), or a list of numbers, one
            per label. Batches of rows without it have no `labels`.
        max_patches: rows longer than this are cut, the longer text first; `None`: rows that are too long are errors.
        max_tokens: likewise for tokens; `None` for no limit.
        pad_to_multiple_of: batches are padded to a multiple of so many patches, and of so many tokens; never beyond
            `max_patches`.
        modality: `"pixel"`: patches; `"token"`: tokens; `"pair"`: patches, then the tokens of the same text.
        pair_separator: stands between two texts in their tokens.
        transform: applied to each row first, such as `NoiseTransform` of `pixel_ar.noise`.

    Attributes:
        truncation: [`TruncationCounter`] of rows.

    Raises:
        ValueError: for an unknown modality, or tokens without a tokenizer.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        text_column: str = "text",
        text_pair_column: str | None = None,
        label_column: str = "label",
        max_patches: int | None = None,
        max_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        modality: str = "pixel",
        pair_separator: str = "\n",
        transform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if modality not in MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(map(repr, MODALITIES))}, got {modality!r}.")
        if modality != "pixel":
            require_tokenizer(processor)
        padded_length([1], None, pad_to_multiple_of)
        self.processor = processor
        self.text_column = text_column
        self.text_pair_column = text_pair_column
        self.label_column = label_column
        self.max_patches = max_patches
        self.max_tokens = max_tokens
        self.pad_to_multiple_of = pad_to_multiple_of
        self.modality = modality
        self.pair_separator = pair_separator
        self.transform = transform
        self.truncation = TruncationCounter()

    def length(self, row: Row) -> int:
        """Patches of a row before it is cut (tokens, for `modality="token"`): what length grouping sorts by."""
        columns = self._texts([row])
        if self.modality == "token":
            return self._token_lengths(columns)[0]
        return patch_lengths(self.processor, *columns)[0]

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Collates rows.

        Args:
            rows: B dictionaries with the columns named above.

        Returns:
            - `attention_mask` int64 `[B, T]`;
            - `pixel_values` uint8 `[B, C, H, P * w]`, unless `modality="token"`;
            - `input_ids` int64 `[B, L]`, unless `modality="pixel"`;
            - `modality_ids` and `position_ids` int64 `[B, T]` for `modality="pair"`; positions skip the padding
              between the parts;
            - `labels` int64 `[B]`, or float32 `[B]` or `[B, N]`.

        Raises:
            KeyError: if a column is missing.
            ValueError: for empty texts, rows that are too long, or labels that are missing, texts or NaN.
        """
        if self.transform is not None:
            rows = [self.transform(dict(row)) for row in rows]
        columns = self._texts(rows)
        options: dict[str, Any] = {"padding": "max_length", "return_tensors": "pt"}
        cut = [0]
        if self.modality != "token":
            lengths = patch_lengths(self.processor, *columns)
            cut.append(warn_of_cuts(lengths, self.max_patches))
            options.update(text=columns[0], text_pair=columns[1] if len(columns) == 2 else None)
            options["max_patches"] = self._limit(lengths, self.max_patches, self.processor.model_max_patches)
        if self.modality != "pixel":
            token_lengths = self._token_lengths(columns)
            cut.append(warn_of_cuts(token_lengths, self.max_tokens))
            options.update(self._token_options(columns))
            options["max_target_tokens"] = self._limit(token_lengths, self.max_tokens)
        # A row of a pair that is cut on both sides counts once, if only one side is, at least once.
        self.truncation.add(len(rows), max(cut))
        batch = self.processor(truncation=max(cut) > 0, **options)
        data = _keep(batch)
        if self.modality == "pair":
            data["position_ids"] = unpadded_positions(data["attention_mask"])
        if any(self.label_column in row for row in rows):
            data["labels"] = sequence_labels(read_column(rows, self.label_column), self.label_column)
        return data

    def _texts(self, rows: Sequence[Row]) -> list[list[str]]:
        names = (
            [self.text_column] if self.text_pair_column is None else [self.text_column, self.text_pair_column]
        )
        return [read_texts(rows, name) for name in names]

    def _token_options(self, columns: list[list[str]]) -> dict[str, Any]:
        tokenizer = self.processor.tokenizer
        return {
            "target_text": [self.pair_separator.join(texts) for texts in zip(*columns, strict=True)],
            "add_target_bos": tokenizer.bos_token_id is not None,
            "add_target_eos": tokenizer.eos_token_id is not None,
        }

    def _token_lengths(self, columns: list[list[str]]) -> list[int]:
        batch = self.processor(return_tensors="pt", **self._token_options(columns))
        return batch["attention_mask"].sum(-1).tolist()

    def _limit(self, lengths: list[int], own: int | None, of_model: int | None = None) -> int:
        """Length of the batch."""
        if own is None and of_model is not None and max(lengths) > of_model:
            raise ValueError(
                f"row {lengths.index(max(lengths))} of the batch needs {max(lengths)} patches, but the processor's "
                f"model_max_patches is {of_model}; pass max_patches={of_model} to cut such rows and count them."
            )
        return padded_length(lengths, of_model if own is None else own, self.pad_to_multiple_of)


class TokenClassificationCollator:
    """Words with a label each, for `PixelARForTokenClassification` on patches.

    Words are spaced so that none shares a patch with another (`align`), and the last patch of a word carries its
    label, where a decoder has seen all of it: the labels of a row that are not -100 are those of its words, in order.

    Args:
        processor: draws the words.
        words_column: key of the list of words.
        label_column: key of the list of labels: integers (-100 = none), or names of `label2id`. Batches of rows without
            it have no `labels`.
        label2id: number of each name; `None` if labels are numbers.
        policy: which patches of a word carry its label: `"last"`, `"first"` or `"all"`.
        align: see [`join_words`].
        max_patches: rows longer than this are cut; words that are cut, or cut off, have no label.
        pad_to_multiple_of: batches are padded to a multiple of so many patches.
        transform: applied to each row first.

    Attributes:
        truncation: [`TruncationCounter`] of rows.
        words: [`TruncationCounter`] of words; those cut have no label and enter no metric.

    Raises:
        ValueError: for an unknown policy.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        words_column: str = "tokens",
        label_column: str = "tags",
        label2id: Mapping[str, int] | None = None,
        policy: str = "last",
        align: bool = True,
        max_patches: int | None = None,
        pad_to_multiple_of: int | None = None,
        transform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(map(repr, POLICIES))}, got {policy!r}.")
        padded_length([1], None, pad_to_multiple_of)
        self.processor = processor
        self.words_column = words_column
        self.label_column = label_column
        self.label2id = label2id
        self.policy = policy
        self.align = align
        self.max_patches = max_patches
        self.pad_to_multiple_of = pad_to_multiple_of
        self.transform = transform
        self.truncation = TruncationCounter()
        self.words = TruncationCounter("words")

    def length(self, row: Row) -> int:
        """Patches of a row before it is cut."""
        words = read_column([row], self.words_column)[0]
        return patch_lengths(self.processor, [join_words(words, self.processor, self.align).text])[0]

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Collates rows.

        Args:
            rows: B dictionaries with the columns named above.

        Returns:
            `pixel_values` uint8 `[B, C, H, P * w]`, `attention_mask` int64 `[B, P]`, `labels` int64 `[B, P]`.

        Raises:
            KeyError: if a column is missing.
            ValueError: for rows without words, words that draw nothing, labels and words of different number, unknown
                labels, or rows that are too long; with the number of the row.
        """
        if self.transform is not None:
            rows = [self.transform(dict(row)) for row in rows]
        columns = read_column(rows, self.words_column)
        has_labels = any(self.label_column in row for row in rows)
        names = (
            read_column(rows, self.label_column)
            if has_labels
            else [[IGNORED_LABEL] * len(w) for w in columns]
        )
        cutting = {"truncation": self.max_patches is not None, "max_patches": self.max_patches}
        labelled = []
        for index, (words, labels) in enumerate(zip(columns, names, strict=True)):
            try:
                numbers = [self._number(label) for label in labels]
                labelled.append(
                    label_patches(words, numbers, self.processor, self.policy, self.align, **cutting)
                )
            except ValueError as error:
                raise ValueError(f"row {index} of the batch: {error}") from error
        texts = [row.text for row in labelled]
        lengths = patch_lengths(self.processor, texts)
        self.truncation.add(len(rows), warn_of_cuts(lengths, self.max_patches))
        self.words.add(sum(len(row.word_patches) for row in labelled), sum(row.num_cut for row in labelled))
        limit = self.processor.model_max_patches if self.max_patches is None else self.max_patches
        length = padded_length(lengths, limit, self.pad_to_multiple_of)
        data = _keep(
            self.processor(
                text=texts,
                truncation=self.max_patches is not None,
                max_patches=length,
                padding="max_length",
                return_tensors="pt",
            )
        )
        if has_labels:
            data["labels"] = torch.full_like(data["attention_mask"], IGNORED_LABEL)
            data["labels"][data["attention_mask"] == 1] = torch.tensor(
                [x for row in labelled for x in row.labels]
            )
        return data

    def _number(self, label: Any) -> int:
        if isinstance(label, str):
            if self.label2id is None or label not in self.label2id:
                known = "none: pass label2id" if self.label2id is None else ", ".join(self.label2id)
                raise ValueError(f"unknown label {label!r}; known labels: {known}.")
            return self.label2id[label]
        if isinstance(label, bool) or not isinstance(label, int):
            raise ValueError(f"labels of words must be integers or names, got {label!r}.")
        return label


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
        columns = (read_texts([row], name) for name in (self.question_column, self.context_column))
        return patch_lengths(self.processor, *columns)[0]

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Collates rows of [`QuestionWindows`].

        Args:
            rows: B dictionaries with question and context, and `answer_start` and `answer_end`: characters of the
                context, end excluded, -1 for both where there is no answer.

        Returns:
            `pixel_values` uint8 `[B, C, H, P * w]`, `attention_mask` int64 `[B, P]`; if the rows have answers,
            `start_positions` and `end_positions` int64 `[B]`, both included: the patches on which the answer begins and
            ends. In right-to-left text the first of them stands right of the second.

        Raises:
            KeyError: if a column is missing.
            ValueError: for empty texts, rows that are too long, or answers outside their context.
        """
        if self.transform is not None:
            rows = [self.transform(dict(row)) for row in rows]
        questions = read_texts(rows, self.question_column)
        contexts = read_texts(rows, self.context_column)
        limit = self.processor.model_max_patches
        lengths = patch_lengths(self.processor, questions, contexts)
        batch = self.processor(
            text=questions,
            text_pair=contexts,
            max_patches=padded_length(lengths, limit, self.pad_to_multiple_of),
            padding="max_length",
            return_tensors="pt",
        )
        data = _keep(batch)
        if any("answer_start" in row for row in rows):
            starts, ends = read_column(rows, "answer_start"), read_column(rows, "answer_end")
            last = (batch["attention_mask"].sum(-1) - 1).tolist()
            positions = [
                self._positions(index, question, context, span, last[index])
                for index, (question, context, *span) in enumerate(
                    zip(questions, contexts, starts, ends, strict=True)
                )
            ]
            data["start_positions"] = torch.tensor([first for first, _ in positions])
            data["end_positions"] = torch.tensor([end for _, end in positions])
        return data

    def _positions(
        self, index: int, question: str, context: str, span: list[int], last: int
    ) -> tuple[int, int]:
        start, end = span
        if start == end == NO_ANSWER:
            return last, last
        try:
            patches = row_patches(self.processor, question, context).texts[1].ends(start, end)
        except ValueError as error:
            raise ValueError(f"the answer of row {index}: {error}") from error
        assert patches is not None  # nothing was cut: the processor would have raised
        return patches


def sequence_labels(values: Sequence[Any], name: str = "label") -> torch.Tensor:
    """Labels of rows as a tensor.

    Args:
        values: B integers, B numbers, or B lists of N numbers.
        name: of the column, for errors.

    Returns:
        int64 `[B]`, float32 `[B]`, or float32 `[B, N]`.

    Raises:
        ValueError: for labels that are texts, not finite, or of different kinds or lengths.
    """
    for index, value in enumerate(values):
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        if any(isinstance(number, str) or number is None for number in numbers):
            raise ValueError(
                f"{name!r} of row {index} is {value!r}; map names to numbers first (0 to num_labels - 1)."
            )
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"{name!r} of row {index} is {value!r}; take rows without a finite target out.")
    widths = {len(value) if isinstance(value, list | tuple) else 0 for value in values}
    if len(widths) > 1:
        raise ValueError(
            f"{name!r} has a different number of labels from row to row: {sorted(widths)} (0 = not a list)."
        )
    is_class = widths == {0} and all(isinstance(value, Integral) for value in values)
    return torch.tensor([*values], dtype=torch.int64 if is_class else torch.float32)


def _keep(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the models read, pixels as bytes."""
    names = ("attention_mask", "input_ids", "modality_ids")
    data = {name: batch[name] for name in names if name in batch}
    if "pixel_values" in batch:
        data["pixel_values"] = to_bytes(batch["pixel_values"])
    return data


__all__ = [
    "QuestionAnsweringCollator",
    "SequenceClassificationCollator",
    "TokenClassificationCollator",
    "sequence_labels",
]
