# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics of text that was read from pixels: character and word error rate, share of real words."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

WORD = re.compile(r"[^\W\d_]+")


def edit_distance(first: Sequence[object], second: Sequence[object]) -> int:
    """Insertions, deletions and substitutions between two sequences (Levenshtein).

    One row of the table at a time: O(len(first)) steps over arrays of len(second).
    """
    if len(first) < len(second):
        first, second = second, first
    numbers = {item: number for number, item in enumerate(dict.fromkeys([*first, *second]))}
    columns = np.array([numbers[item] for item in second], dtype=np.int64)
    places = np.arange(len(second) + 1)
    row = places.copy()
    for index, item in enumerate(first):
        best = np.empty_like(row)
        best[0] = index + 1
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (columns != numbers[item]))
        # Insertions run along the row: the least of (value to the left + distance), as one running minimum.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def character_error_rate(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Edits over all texts divided by characters of all references; can exceed 1.

    Args:
        predictions: texts that were read.
        references: what was written.

    Raises:
        ValueError: for lists of different length, or references without a character.
    """
    return {"cer": _error_rate(predictions, references, "characters")}


def word_error_rate(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """As [`character_error_rate`], for words between white space.

    Args:
        predictions: texts that were read.
        references: what was written.

    Raises:
        ValueError: for lists of different length, or references without a word.
    """
    ours, theirs = [text.split() for text in predictions], [text.split() for text in references]
    return {"wer": _error_rate(ours, theirs, "words")}


def word_readability(
    predictions: Sequence[str], references: Iterable[str], min_letters: int = 3, ignore_case: bool = True
) -> dict[str, float | int]:
    """Share of the words in generated texts that are words.

    PIXAR (arXiv 2401.03321, section 4.1) asks whether generated words are in a dictionary; here the dictionary is the
    words of the references, such as a word list or the training texts.

    Args:
        predictions: generated texts, as read from their strips.
        references: texts whose words are known.
        min_letters: shorter words are left out: nearly every pair of letters is a word somewhere.
        ignore_case: whether "The" is "the".

    Returns:
        `word_readability`, NaN if no word is long enough; `num_words`, how many were looked up.

    Raises:
        ValueError: for a `str` in place of a list, or references without a word.
    """
    for name, texts in (("predictions", predictions), ("references", references)):
        if isinstance(texts, str):
            raise ValueError(f"{name} must be a list of texts, got one text: {texts[:40]!r}.")
    known = {_fold(word, ignore_case) for text in references for word in WORD.findall(text)}
    if not known:
        raise ValueError("references hold no word; give a word list, or texts whose words are known.")
    words = [
        _fold(w, ignore_case) for text in predictions for w in WORD.findall(text) if len(w) >= min_letters
    ]
    share = sum(word in known for word in words) / len(words) if words else float("nan")
    return {"word_readability": share, "num_words": len(words)}


def _fold(word: str, ignore_case: bool) -> str:
    return word.casefold() if ignore_case else word


def _error_rate(
    predictions: Sequence[Sequence[object]], references: Sequence[Sequence[object]], unit: str
) -> float:
    if isinstance(predictions, str) or isinstance(references, str):
        raise ValueError("predictions and references must be lists of texts, got one text.")
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions, but {len(references)} references.")
    total = sum(map(len, references))
    if total == 0:
        raise ValueError(f"the references hold no {unit}: an error rate needs something to divide by.")
    return sum(map(edit_distance, predictions, references)) / total


__all__ = ["character_error_rate", "edit_distance", "word_error_rate", "word_readability"]
