# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics by name, with the interface of `evaluate`; nothing is fetched."""

from collections.abc import Callable, Iterable
from typing import Any

from .classification import accuracy, f1, matthews_correlation, mean_squared_error, pearson, spearman
from .entities import entity_f1
from .squad import squad
from .text import character_error_rate, word_error_rate, word_readability

# Names that the `evaluate` library has too are those names.
METRICS: dict[str, Callable[..., dict[str, Any]]] = {
    "accuracy": accuracy,
    "cer": character_error_rate,
    "f1": f1,
    "matthews_correlation": matthews_correlation,
    "mse": mean_squared_error,
    "pearsonr": pearson,
    "seqeval": entity_f1,
    "spearmanr": spearman,
    "squad": squad,
    "wer": word_error_rate,
    "word_readability": word_readability,
}


class Metric:
    """A metric as `evaluate.load` returns one: collects batches, then computes.

    Args:
        name: a key of `METRICS`.
        kwargs: arguments for every `compute`, such as `average="macro"`.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        if name not in METRICS:
            raise ValueError(f"no metric is called {name!r}; there are: {', '.join(METRICS)}.")
        self.name = name
        self._kwargs = kwargs
        self._predictions: list[Any] = []
        self._references: list[Any] = []

    def add(self, *, prediction: Any, reference: Any) -> None:
        """Adds one pair."""
        self.add_batch(predictions=[prediction], references=[reference])

    def add_batch(self, *, predictions: Iterable[Any], references: Iterable[Any]) -> None:
        """Adds pairs."""
        self._predictions += list(predictions)
        self._references += list(references)

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        """The scores of all pairs that were added, and of these; then forgets them.

        Args:
            predictions: see the metric's function.
            references: likewise.
            kwargs: further arguments of that function.

        Raises:
            ValueError: as the metric's function does, and if only one of both is given.
        """
        if (predictions is None) != (references is None):
            raise ValueError("give predictions and references together, or neither after add_batch.")
        if predictions is not None and references is not None:
            if not self._predictions:
                return METRICS[self.name](predictions, references, **{**self._kwargs, **kwargs})
            self.add_batch(predictions=predictions, references=references)
        collected = self._predictions, self._references
        self._predictions, self._references = [], []
        return METRICS[self.name](*collected, **{**self._kwargs, **kwargs})


def load(name: str, **kwargs: Any) -> Metric:
    """The metric of that name; stands in for `evaluate.load` where there is no network.

    Args:
        name: a key of `METRICS`.
        kwargs: arguments for every `compute`.
    """
    return Metric(name, **kwargs)


__all__ = ["METRICS", "Metric", "load"]
