# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Exact match and F1 of answers, as SQuAD defines them (arXiv 1606.05250, section 6.1; 1806.03822 for no answer)."""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad(predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
    """Exact match and word F1, in percent, each with the best of a question's answers.

    Args:
        predictions: answers: texts, or `{"id", "prediction_text"}`. An empty text says that there is no answer.
        references: accepted answers of each question: lists of texts, or `{"id", "answers": {"text": [...]}}`. An empty
            list: the question has no answer.

    Returns:
        `exact_match` and `f1`, 0 to 100, means over the references.

    Raises:
        ValueError: for lists of different length, a repeated id, or a reference without a prediction.
    """
    if len(references) == 0:
        raise ValueError("there are no references.")
    pairs = _pair_up(predictions, references)
    exact = [_best(lambda ours, theirs: float(ours == theirs), *pair) for pair in pairs]
    overlap = [_best(_word_f1, *pair) for pair in pairs]
    return {"exact_match": 100 * sum(exact) / len(exact), "f1": 100 * sum(overlap) / len(overlap)}


def normalize_answer(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _best(score: Callable[[str, str], float], prediction: str, answers: Sequence[str]) -> float:
    ours = normalize_answer(prediction)
    # Answers that are nothing but articles count as none at all, as in the official script.
    accepted = [answer for answer in map(normalize_answer, answers) if answer] or [""]
    return max(score(ours, theirs) for theirs in accepted)


def _word_f1(ours: str, theirs: str) -> float:
    first, second = ours.split(), theirs.split()
    if not first or not second:
        return float(first == second)
    common = sum((Counter(first) & Counter(second)).values())
    return 2 * common / (len(first) + len(second))


def _pair_up(predictions: Sequence[Any], references: Sequence[Any]) -> list[tuple[str, Sequence[str]]]:
    """The prediction and the accepted answers of each reference."""
    if not isinstance(references[0], Mapping):
        if len(predictions) != len(references):
            raise ValueError(f"there are {len(predictions)} predictions, but {len(references)} references.")
        for index, answers in enumerate(references):
            if isinstance(answers, str):
                raise ValueError(f"reference {index} must be a list of accepted answers, got {answers!r}.")
        return list(zip(predictions, references, strict=True))
    texts: dict[Any, str] = {}
    for prediction in predictions:
        if prediction["id"] in texts:
            raise ValueError(f"there are two predictions for id {prediction['id']!r}.")
        texts[prediction["id"]] = prediction["prediction_text"]
    missing = [reference["id"] for reference in references if reference["id"] not in texts]
    if missing:
        raise ValueError(f"{len(missing)} questions have no prediction, such as id {missing[0]!r}.")
    return [(texts[reference["id"]], reference["answers"]["text"]) for reference in references]


__all__ = ["normalize_answer", "squad"]
