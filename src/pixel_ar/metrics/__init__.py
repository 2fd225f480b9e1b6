# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics: of classes, numbers, entities, answers, text read from pixels, and likelihood.

Plain functions of `predictions` and `references` that return a dictionary; `load(name)` gives them the interface of
`evaluate`. Nothing is fetched.
"""

from .classification import accuracy, f1, matthews_correlation, mean_squared_error, pearson, spearman
from .entities import entity_f1, entity_spans
from .likelihood import TextLikelihood, score_texts
from .registry import METRICS, Metric, load
from .squad import squad
from .text import character_error_rate, edit_distance, word_error_rate, word_readability

__all__ = [
    "METRICS",
    "Metric",
    "TextLikelihood",
    "accuracy",
    "character_error_rate",
    "edit_distance",
    "entity_f1",
    "entity_spans",
    "f1",
    "load",
    "matthews_correlation",
    "mean_squared_error",
    "pearson",
    "score_texts",
    "spearman",
    "squad",
    "word_error_rate",
    "word_readability",
]
