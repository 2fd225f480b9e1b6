# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How well pages are parsed, answered and read."""

import json
from collections.abc import Sequence
from typing import Any

from ...metrics.text import character_error_rate
from .page import TrainingPage


def score_pages(answers: Sequence[str], pages: Sequence[TrainingPage]) -> dict[str, float]:
    """How well pages were parsed and read, and questions answered.

    Args:
        answers: what was written about each page.
        pages: the pages.

    Returns:
        Of pages to parse: `field_f1` over (key, value) pairs, `key_f1` over keys alone, `parse_exact`, and `parsed`,
        the share of answers that are JSON objects; where some fields are crossed out, `visible_recall` and
        `crossed_out_recall`, the shares of the others and of those that were told. Of questions: `question_exact`. Of
        pages to read or to turn into HTML: `text_exact` and `cer`, which may exceed 1. Nothing for a task that no page
        has.

    Raises:
        ValueError: for another number of answers than pages.
    """
    if len(answers) != len(pages):
        raise ValueError(f"{len(answers)} answers for {len(pages)} pages; give one for each.")
    scores: dict[str, float] = {}
    parses = [(answer, page) for answer, page in zip(answers, pages, strict=True) if page.task == "parse"]
    if parses:
        found = [_fields(answer) for answer, _ in parses]
        wanted = [dict(page.fields) for _, page in parses]
        pairs = [({*map(repr, (ours or {}).items())}, {*map(repr, theirs.items())})
                 for ours, theirs in zip(found, wanted, strict=True)]  # fmt: skip
        scores["field_f1"] = _f1(pairs)
        scores["key_f1"] = _f1(
            [(set(ours or {}), set(theirs)) for ours, theirs in zip(found, wanted, strict=True)]
        )
        scores["parse_exact"] = sum(answer == page.target for answer, page in parses) / len(parses)
        scores["parsed"] = sum(ours is not None for ours in found) / len(found)
        scores |= _recalls(found, [page for _, page in parses])
    questions = [
        answer == page.target for answer, page in zip(answers, pages, strict=True) if page.task == "question"
    ]
    if questions:
        scores["question_exact"] = sum(questions) / len(questions)
    written = [
        (answer, page.target)
        for answer, page in zip(answers, pages, strict=True)
        if page.task not in ("parse", "question")
    ]
    if written:
        ours, theirs = zip(*written, strict=True)
        scores |= character_error_rate(ours, theirs)
        scores["text_exact"] = sum(answer == target for answer, target in written) / len(written)
    return scores


def _recalls(found: Sequence[dict[str, Any] | None], pages: Sequence[TrainingPage]) -> dict[str, float]:
    """Shares of fields that were told, of those in sight and of those crossed out; nothing if none is."""
    told: dict[bool, list[bool]] = {False: [], True: []}
    for ours, page in zip(found, pages, strict=True):
        for key, value in page.fields.items():
            told[key in page.crossed_out].append((ours or {}).get(key) == value)
    if not told[True]:
        return {}
    names = {False: "visible_recall", True: "crossed_out_recall"}
    return {names[hidden]: sum(right) / len(right) for hidden, right in told.items() if right}


def _fields(answer: str) -> dict[str, Any] | None:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _f1(pairs: Sequence[tuple[set[str], set[str]]]) -> float:
    right = sum(len(ours & theirs) for ours, theirs in pairs)
    total = sum(len(ours) + len(theirs) for ours, theirs in pairs)
    return 2 * right / total if total else 0.0


__all__ = ["score_pages"]
