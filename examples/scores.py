# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Scores of classes and numbers by the names that the `evaluate` library gives them; scikit-learn and SciPy compute."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_squared_error


def f1(labels: np.ndarray, found: np.ndarray) -> float:
    """Of class 1 among two, the mean over the classes among more."""
    average = "binary" if max(labels.max(), found.max()) < 2 else "macro"
    return float(f1_score(labels, found, average=average, zero_division=0.0))


# Name to a function of references and predictions, `[N]` each.
SCORES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy_score,
    "f1": f1,
    "matthews_correlation": matthews_corrcoef,
    "mse": mean_squared_error,
    "pearsonr": lambda labels, found: pearsonr(labels, found).statistic,
    "spearmanr": lambda labels, found: spearmanr(labels, found).statistic,
}

__all__ = ["SCORES"]
