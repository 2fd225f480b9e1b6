# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics of classification and regression, from their definitions; results are those of scikit-learn and SciPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np

AVERAGES = ("binary", "micro", "macro", "weighted")


def accuracy(predictions: Any, references: Any) -> dict[str, float]:
    """Share of predictions that equal their reference.

    Args:
        predictions: n classes (numbers or strings).
        references: n classes.

    Raises:
        ValueError: for no values, or lists of different length.
    """
    ours, theirs = class_arrays(predictions, references)
    return {"accuracy": float((ours == theirs).mean())}


def f1(
    predictions: Any,
    references: Any,
    labels: Sequence[Any] | None = None,
    pos_label: Any = 1,
    average: str | None = "binary",
) -> dict[str, Any]:
    """Harmonic mean of precision and recall; 0 for a class that is neither predicted nor there.

    Args:
        predictions: n classes.
        references: n classes.
        labels: classes to average over; default: all that occur.
        pos_label: the class whose score `"binary"` gives.
        average: `"binary"`; `"macro"`, the mean over classes; `"weighted"`, by their number of references; `"micro"`,
            of all counts together; `None`, one score per class, in the order of `labels` (sorted by default).

    Raises:
        ValueError: for an unknown average, `"binary"` with more than two classes or without `pos_label` among them, or
            lists of no or different length.
    """
    ours, theirs = class_arrays(predictions, references)
    present = np.unique(np.concatenate([ours, theirs])).tolist()
    if average not in (*AVERAGES, None):
        raise ValueError(f"average must be one of {', '.join(map(repr, AVERAGES))} or None, got {average!r}.")
    if average == "binary":
        if len(present) > 2 or (len(present) == 2 and pos_label not in present):
            raise ValueError(
                f'average="binary" scores class {pos_label!r} against one other, but the classes are {present}; set '
                'pos_label, or average="macro".'
            )
        labels = [pos_label]
    classes = np.array(present if labels is None else list(labels), dtype=object)
    hits = np.array([((ours == c) & (theirs == c)).sum() for c in classes], dtype=float)
    predicted = np.array([(ours == c).sum() for c in classes], dtype=float)
    there = np.array([(theirs == c).sum() for c in classes], dtype=float)
    if average == "micro":
        hits, predicted, there = (
            hits.sum(keepdims=True),
            predicted.sum(keepdims=True),
            there.sum(keepdims=True),
        )
    scores = 2 * hits / np.maximum(predicted + there, 1)
    if average is None:
        return {"f1": scores}
    weights = there if average == "weighted" else np.ones_like(scores)
    return {"f1": float((scores * weights).sum() / max(weights.sum(), 1))}


def matthews_correlation(predictions: Any, references: Any) -> dict[str, float]:
    """Matthews' correlation of two or more classes (Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006).

    0 where it is not defined: when all predictions, or all references, are of one class.

    Args:
        predictions: n classes.
        references: n classes.

    Raises:
        ValueError: for no values, or lists of different length.
    """
    ours, theirs = class_arrays(predictions, references)
    classes = np.unique(np.concatenate([ours, theirs]))
    predicted = np.array([(ours == c).sum() for c in classes], dtype=float)
    there = np.array([(theirs == c).sum() for c in classes], dtype=float)
    total, hits = float(len(ours)), float((ours == theirs).sum())
    product = (total**2 - predicted @ predicted) * (total**2 - there @ there)
    covariance = hits * total - predicted @ there
    return {"matthews_correlation": float(covariance / np.sqrt(product)) if product > 0 else 0.0}


def pearson(predictions: Any, references: Any) -> dict[str, float]:
    """Pearson's correlation; NaN where one side is constant, for then it is not defined.

    Args:
        predictions: n >= 2 numbers.
        references: n numbers.

    Raises:
        ValueError: for NaN or infinite numbers, or lists of different length or fewer than two values.
    """
    return {"pearsonr": _correlation(*number_arrays(predictions, references))}


def spearman(predictions: Any, references: Any) -> dict[str, float]:
    """Spearman's rank correlation, ties sharing their mean rank; NaN where one side is constant.

    Args:
        predictions: n >= 2 numbers.
        references: n numbers.

    Raises:
        ValueError: as for [`pearson`].
    """
    ours, theirs = number_arrays(predictions, references)
    return {"spearmanr": _correlation(_ranks(ours), _ranks(theirs))}


def mean_squared_error(predictions: Any, references: Any) -> dict[str, float]:
    """Mean of squared differences.

    Args:
        predictions: n >= 2 numbers.
        references: n numbers.

    Raises:
        ValueError: as for [`pearson`].
    """
    ours, theirs = number_arrays(predictions, references)
    return {"mse": float(((ours - theirs) ** 2).mean())}


def _correlation(ours: np.ndarray, theirs: np.ndarray) -> float:
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return float("nan")
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    # Each is scaled by itself first: squares of very small or large numbers would leave the range of a float.
    ours, theirs = ours / np.abs(ours).max(), theirs / np.abs(theirs).max()
    return float(np.clip(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)), -1, 1))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 0; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[places]


def class_arrays(predictions: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both lists as arrays `[n]` that can be compared.

    Raises:
        ValueError: for no values, several dimensions (logits), or lists of different length.
    """
    ours, theirs = np.asarray(predictions), np.asarray(references)
    _check_lengths(ours, theirs, 1)
    if (ours.dtype.kind in "US") != (theirs.dtype.kind in "US"):
        raise ValueError(
            f"predictions are {ours.dtype}, references {theirs.dtype}: give both as numbers or both as names."
        )
    return ours, theirs


def number_arrays(predictions: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both lists as float64 `[n]`; `[n, 1]`, as regression models return, is taken too.

    Raises:
        ValueError: for NaN or infinite numbers, fewer than two, or lists of different length.
    """
    arrays = []
    for name, given in (("predictions", predictions), ("references", references)):
        values = np.asarray(given, dtype=np.float64)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise ValueError(
                f"{name} number {wrong[0]} is {values.flat[wrong[0]]} ({len(wrong)} such values)."
            )
        arrays.append(values)
    _check_lengths(arrays[0], arrays[1], 2)
    return arrays[0], arrays[1]


def _check_lengths(ours: np.ndarray, theirs: np.ndarray, least: int) -> None:
    if ours.ndim != 1 or theirs.ndim != 1:
        raise ValueError(
            f"predictions and references must be lists, got shapes {ours.shape} and {theirs.shape}; take the argmax of "
            "logits first."
        )
    if len(ours) != len(theirs):
        raise ValueError(f"there are {len(ours)} predictions, but {len(theirs)} references.")
    if len(ours) < least:
        raise ValueError(f"this metric needs at least {least} predictions, got {len(ours)}.")


__all__ = [
    "accuracy",
    "class_arrays",
    "f1",
    "matthews_correlation",
    "mean_squared_error",
    "number_arrays",
    "pearson",
    "spearman",
]
