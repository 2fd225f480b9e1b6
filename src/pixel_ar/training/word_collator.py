# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words with a label each: raw text columns in, batches for the model out.

Texts are drawn here, in the data loader's worker, and leave it as uint8; a batch is as long as its longest row. Pass
`remove_unused_columns=False` to Trainer, which would otherwise drop the text columns.

Shapes: B rows, C channels, H strip height, w patch width, P patches.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..modalities import IGNORED_LABEL
from ..processing.processing_pixel_ar import PixelProcessor
from .batches import (
    TruncationCounter,
    model_inputs,
    padded_length,
    patch_lengths,
    require_labels,
    warn_of_cuts,
)
from .columns import Row, check_rows, read_lists, usual_column
from .words import POLICIES, join_words, label_patches


class TokenClassificationCollator:
    """Words with a label each, for `PixelARForTokenClassification` on patches.

    Words are spaced so that none shares a patch with another (`align`), and the last patch of a word carries its
    label, where a decoder has seen all of it: the labels of a row that are not -100 are those of its words, in order.

    Args:
        processor: draws the words.
        words_column: key of the list of words; `words` is taken for the default `tokens`.
        label_column: key of the list of labels (for the default, `tags`, also `ner_tags`, `pos_tags` or `labels`,
            whichever is there): integers (-100 = none), or names of `label2id`. Batches of rows without it have no
            `labels`.
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
        rows = check_rows([row])
        words = read_lists(rows, usual_column(row, self.words_column))[0]
        return patch_lengths(self.processor, [join_words(words, self.processor, self.align).text])[0]

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Collates rows.

        Args:
            rows: B dictionaries with the columns named above.

        Returns:
            `pixel_values` uint8 `[B, C, H, P * w]`, `attention_mask` int64 `[B, P]`, `labels` int64 `[B, P]`.

        Raises:
            KeyError: if a column is missing, or the labels seem to be in another one.
            ValueError: for a batch without a single label, rows without words, words that draw nothing, labels and
                words of different number, unknown labels, or rows that are too long; with the number of the row.
        """
        rows = check_rows(rows)
        if self.transform is not None:
            rows = [self.transform(dict(row)) for row in rows]
        words_column = usual_column(rows[0], self.words_column)
        columns = read_lists(rows, words_column)
        names = self._labels(rows, words_column, columns)
        has_labels = names is not None
        if names is None:
            names = [[IGNORED_LABEL] * len(words) for words in columns]
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
        data = model_inputs(
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
            require_labels(
                data["labels"],
                ", ".join(
                    f"row {i}: {row.num_cut} of {len(row.patches)} words cut"
                    for i, row in enumerate(labelled)
                ),
            )
        return data

    def _labels(
        self, rows: Sequence[Row], words_column: str, columns: Sequence[Sequence[str]]
    ) -> list[Sequence[Any]] | None:
        """The labels of each row's words, if there are any."""
        label_column = usual_column(rows[0], self.label_column)
        if any(label_column in row for row in rows):
            return read_lists(rows, label_column)
        for name, values in rows[0].items():
            if name != words_column and isinstance(values, list | tuple) and len(values) == len(columns[0]):
                raise KeyError(
                    f"no column {self.label_column!r}, but {name!r} has a value for each word: pass "
                    f"label_column={name!r}, or take the column out where nothing is learned."
                )
        return None

    def _number(self, label: Any) -> int:
        if isinstance(label, str):
            if self.label2id is None or label not in self.label2id:
                known = "none: pass label2id" if self.label2id is None else ", ".join(self.label2id)
                raise ValueError(f"unknown label {label!r}; known labels: {known}.")
            return self.label2id[label]
        if isinstance(label, bool) or not isinstance(label, int):
            raise ValueError(f"labels of words must be integers or names, got {label!r}.")
        return label


__all__ = ["TokenClassificationCollator"]
