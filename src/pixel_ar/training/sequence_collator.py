# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts or pairs of texts with a label each: raw text columns in, batches for the model out.

Texts are drawn here, in the data loader's worker, and leave it as uint8; a batch is as long as its longest row. Pass
`remove_unused_columns=False` to Trainer, which would otherwise drop the text columns.

Rows longer than `max_patches` are cut, counted in the collator's `truncation` and warned of once; without `max_patches`
a row that the processor's `model_max_patches` does not admit is an error.

Shapes: B rows, C channels, H strip height, w patch width, P patches, L tokens, T = P + L positions.
"""

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch

from ..models.pixel_ar.sequences import unpadded_positions
from ..processing.processing_pixel_ar import PixelProcessor
from .batches import (
    TruncationCounter,
    model_inputs,
    padded_length,
    patch_lengths,
    require_labels,
    require_tokenizer,
    warn_of_cuts,
)
from .collators import MODALITIES
from .columns import Row, check_rows, read_column, read_texts, refuse_forgotten, usual_column


class SequenceClassificationCollator:
    """Texts or pairs of texts with a label each, for `PixelARForSequenceClassification`.

    Args:
        processor: draws, and tokenises where `modality` asks for it.
        text_column: key of the text; `sentence` and `content` are taken for the default, `text`.
        text_pair_column: key of the second text, drawn after an EOS patch; `None` for single texts.
        label_column: key of the label (`labels` is taken for the default, `label`): a class (integer), a number (float;
            NaN is an error), or a list of numbers, one per label. Batches of rows without it have no `labels`.
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
        columns = self._texts(check_rows([row]))
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
            KeyError: if a column is missing, or the labels seem to be in another one.
            ValueError: for empty texts, rows that are too long, or labels that are missing, texts, NaN or all -100.
        """
        rows = check_rows(rows)
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
        data = model_inputs(batch)
        if self.modality == "pair":
            data["position_ids"] = unpadded_positions(data["attention_mask"])
        label = usual_column(rows[0], self.label_column)
        if any(label in row for row in rows):
            data["labels"] = sequence_labels(read_column(rows, label), label)
            require_labels(data["labels"], f"column {label!r}")
        else:
            refuse_forgotten(rows[0], self.label_column, r"label|class|target")
        return data

    def _texts(self, rows: Sequence[Row]) -> list[list[str]]:
        names = (
            [self.text_column] if self.text_pair_column is None else [self.text_column, self.text_pair_column]
        )
        return [read_texts(rows, usual_column(rows[0], name)) for name in names]

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


def _is_finite(number: Any) -> bool:
    """Whether a label is a number that 64 bits hold."""
    try:
        return math.isfinite(number) and (not isinstance(number, Integral) or -(2**63) <= int(number) < 2**63)
    except (TypeError, OverflowError):
        return False


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
        if not numbers:
            raise ValueError(f"{name!r} of row {index} is an empty list; give at least one number.")
        if any(isinstance(number, str) or number is None for number in numbers):
            raise ValueError(
                f"{name!r} of row {index} is {value!r}; map names to numbers first (0 to num_labels - 1)."
            )
        if not all(map(_is_finite, numbers)):
            raise ValueError(
                f"{name!r} of row {index} is {value!r:.60}; take rows without a finite target out."
            )
    widths = {len(value) if isinstance(value, list | tuple) else 0 for value in values}
    if len(widths) > 1:
        raise ValueError(
            f"{name!r} has a different number of labels from row to row: {sorted(widths)} (0 = not a list)."
        )
    is_class = widths == {0} and all(isinstance(value, Integral) for value in values)
    return torch.tensor([*values], dtype=torch.int64 if is_class else torch.float32)


__all__ = ["SequenceClassificationCollator", "sequence_labels"]
