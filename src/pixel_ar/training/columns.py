# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Columns of the rows that collators get, under the names that data sets give them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

# Names taken in place of a collator's default where it is not there.
USUAL_NAMES = {
    "text": ("sentence", "content"),
    "label": ("labels",),
    "tokens": ("words",),
    "tags": ("ner_tags", "pos_tags", "labels"),
}


def check_rows(rows: Any) -> Sequence[Row]:
    """A batch as a collator takes it.

    Args:
        rows: what the collator was called with.

    Raises:
        TypeError: for what is no list, or a row that is no dictionary.
        ValueError: for a batch of no rows.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise TypeError(f"a batch is a list of rows (dictionaries), got {type(rows).__name__}: {rows!r:.60}.")
    if not rows:
        raise ValueError("the batch is empty: give at least one row.")
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"row {index} of the batch must be a dictionary of columns, got {type(row).__name__}: {row!r:.60}."
            )
    return rows


def usual_column(row: Row, name: str) -> str:
    """The name under which a row has a column.

    Args:
        row: the first of a batch.
        name: the one asked for; only the collators' defaults have others.

    Raises:
        ValueError: if the column is not there and several of its usual names are.
    """
    found = [other for other in USUAL_NAMES.get(name, ()) if other in row]
    if name in row or not found:
        return name
    if len(found) > 1:
        raise ValueError(
            f"no column {name!r}, but {' and '.join(map(repr, found))}: name the one to take when you make the "
            "collator."
        )
    return found[0]


def refuse_forgotten(row: Row, name: str, pattern: str) -> None:
    """Raises KeyError if a row without labels has a column whose name says that it holds them.

    Args:
        row: the first of a batch.
        name: of the column that is missing.
        pattern: what such names contain.
    """
    if found := [other for other in row if re.search(pattern, other)]:
        raise KeyError(
            f"no column {name!r} among {sorted(row)}: name the column of the labels when you make the collator (is it "
            f"{found[0]!r}?), or take that column out where nothing is learned."
        )


def read_column(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """One column of a batch.

    Raises:
        KeyError: if a row lacks it, naming the columns there are.
        ValueError: for a missing value.
    """
    for index, row in enumerate(rows):
        if name not in row:
            raise KeyError(
                f"no column {name!r} among {sorted(row)}: name the column, and set remove_unused_columns=False in "
                "TrainingArguments."
            )
        if row[name] is None:
            raise ValueError(f"row {index} of the batch has no {name!r} (None); take such rows out.")
    return [row[name] for row in rows]


def read_lists(rows: Sequence[Mapping[str, Any]], name: str) -> list[Sequence[Any]]:
    """As [`read_column`], for lists of values.

    Raises:
        ValueError: for values that are no lists.
    """
    lists = read_column(rows, name)
    for index, values in enumerate(lists):
        if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray):
            raise ValueError(
                f"{name!r} of row {index} must be a list, got {type(values).__name__}: {values!r:.60}."
            )
    return lists


def read_texts(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """As [`read_column`], for texts.

    Raises:
        ValueError: for values that are not texts, or hold nothing but white space.
    """
    texts = read_column(rows, name)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"{name!r} of row {index} must be a text, got {type(text).__name__}: {text!r:.60}."
            )
        if not text.strip():
            raise ValueError(f"{name!r} of row {index} is empty: {text!r:.60}; take such rows out.")
    return texts


__all__ = [
    "USUAL_NAMES",
    "Row",
    "check_rows",
    "read_column",
    "read_lists",
    "read_texts",
    "refuse_forgotten",
    "usual_column",
]
