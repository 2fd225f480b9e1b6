# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics by name."""

import pytest

from pixel_ar.metrics import METRICS, load

EXAMPLES = {
    "cer": (["ab"], ["ac"]),
    "pearsonr": ([1, 2, 3], [1, 2, 4]),
    "seqeval": ([["O", "B-X"]], [["O", "B-X"]]),
    "squad": (["a b"], [["b"]]),
    "wer": (["a b"], ["a c"]),
    "word_readability": (["abc"], ["abc def"]),
}


@pytest.mark.parametrize("name", METRICS)
def test_batches_count_as_one_list(name: str) -> None:
    predictions, references = EXAMPLES.get(
        name, EXAMPLES["pearsonr"] if name in ("mse", "spearmanr") else ([1, 0, 1], [1, 1, 1])
    )
    metric = load(name)
    at_once = metric.compute(predictions=predictions, references=references)
    assert at_once and at_once == METRICS[name](predictions, references)
    for prediction, reference in zip(predictions, references, strict=False):
        metric.add(prediction=prediction, reference=reference)
    metric.add_batch(predictions=predictions[len(references) :], references=references[len(predictions) :])
    assert metric.compute() == at_once
    metric.add_batch(predictions=predictions, references=references)
    doubled = metric.compute(predictions=predictions, references=references)
    assert doubled == METRICS[name]([*predictions, *predictions], [*references, *references])


def test_arguments() -> None:
    metric = load("f1", average="macro")
    assert metric.compute(predictions=[0, 1, 2], references=[0, 1, 1])["f1"] == pytest.approx((1 + 2 / 3) / 3)
    assert metric.compute(predictions=[0, 1], references=[0, 1], average="micro") == {"f1": 1.0}
    with pytest.raises(ValueError, match=r"'bleu'.*accuracy"):
        load("bleu")
    with pytest.raises(ValueError, match="together"):
        metric.compute(predictions=[0])
