# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics of what is peculiar to text as pixels: text read from strips, likelihood per character, entities, answers.

Plain functions of `predictions` and `references` that return a dictionary; nothing is fetched. Accuracy, F1 and the
correlations are scikit-learn's and SciPy's (`pip install 'pixel-ar[train]'`), as `examples/scores.py` uses them.
"""

from .entities import entity_f1, entity_spans
from .likelihood import TextLikelihood, score_texts
from .squad import squad
from .text import character_error_rate, edit_distance, word_error_rate, word_readability

__all__ = [
    "TextLikelihood",
    "character_error_rate",
    "edit_distance",
    "entity_f1",
    "entity_spans",
    "score_texts",
    "squad",
    "word_error_rate",
    "word_readability",
]
