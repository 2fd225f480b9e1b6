# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics of classes and numbers against values worked out by hand."""

import math

import numpy as np
import pytest

from pixel_ar.metrics import accuracy, f1, matthews_correlation, mean_squared_error, pearson, spearman

# Class 0: 2 hits, 3 predicted, 3 there. Class 1: 1, 3, 2. Class 2: 1, 1, 2.
OURS, THEIRS = [0, 0, 1, 1, 2, 0, 1], [0, 0, 0, 1, 2, 1, 2]


def test_accuracy() -> None:
    assert accuracy(predictions=OURS, references=THEIRS) == {"accuracy": 4 / 7}
    assert accuracy(["a", "b"], np.array(["a", "c"])) == {"accuracy": 0.5}


def test_f1() -> None:
    scores = [4 / 6, 2 / 5, 2 / 3]
    np.testing.assert_allclose(f1(OURS, THEIRS, average=None)["f1"], scores)
    assert f1(OURS, THEIRS, average="macro")["f1"] == pytest.approx(np.mean(scores))
    assert f1(OURS, THEIRS, average="weighted")["f1"] == pytest.approx(np.dot(scores, [3, 2, 2]) / 7)
    assert f1(OURS, THEIRS, average="micro")["f1"] == pytest.approx(4 / 7)
    assert f1(OURS, THEIRS, labels=[1, 2], average="macro")["f1"] == pytest.approx(np.mean(scores[1:]))
    assert f1([1, 1, 0, 0], [1, 0, 1, 0]) == {"f1": 0.5}
    assert f1([0, 0, 1], [1, 0, 1], pos_label=0)["f1"] == pytest.approx(2 / 3)
    assert f1([0, 0], [0, 0]) == {"f1": 0.0}
    assert f1(["no", "yes"], ["yes", "yes"], pos_label="yes")["f1"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match=r"\[0, 1, 2\]"):
        f1(OURS, THEIRS)
    with pytest.raises(ValueError, match="'samples'"):
        f1(OURS, THEIRS, average="samples")


def test_matthews_correlation() -> None:
    # Two classes: (TP TN - FP FN) / sqrt of the product of the four margins.
    ours, theirs = [1, 1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 1, 1]
    expected = (3 * 2 - 1 * 1) / math.sqrt(4 * 4 * 3 * 3)
    assert matthews_correlation(ours, theirs)["matthews_correlation"] == pytest.approx(expected)
    # (hits times all, less predicted times there) over the same of each side; scikit-learn 1.9.1 gives 0.35502, too.
    several = (4 * 7 - (3 * 3 + 3 * 2 + 1 * 2)) / math.sqrt((49 - (9 + 9 + 1)) * (49 - (9 + 4 + 4)))
    assert matthews_correlation(OURS, THEIRS)["matthews_correlation"] == pytest.approx(several)
    assert matthews_correlation(OURS, OURS)["matthews_correlation"] == pytest.approx(1)
    assert matthews_correlation([1, 1], [0, 1]) == {"matthews_correlation": 0.0}


def test_correlations() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    straight = {"predictions": [2 * v + 1 for v in values], "references": values}
    assert pearson(**straight)["pearsonr"] == pytest.approx(1)
    assert spearman(**straight)["spearmanr"] == pytest.approx(1)
    assert pearson([-v for v in values], values)["pearsonr"] == pytest.approx(-1)
    curved = [math.exp(v) for v in values]
    assert (
        spearman(curved, values)["spearmanr"] == pytest.approx(1)
        and pearson(curved, values)["pearsonr"] < 0.95
    )
    # Ranks with ties: 0.5, 0.5, 2 and 0, 1, 2.
    assert spearman([1, 1, 2], [1, 2, 3])["spearmanr"] == pytest.approx(math.sqrt(3) / 2)
    assert math.isnan(pearson([1, 1, 1], [1, 2, 3])["pearsonr"])
    assert pearson(np.array([[1e-200], [2e-200]]), [1, 2])["pearsonr"] == pytest.approx(1)
    assert mean_squared_error([1, 2], [1, 4]) == {"mse": 2.0}


def test_values_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="2 predictions, but 3 references"):
        accuracy([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="argmax"):
        accuracy(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="at least 1"):
        accuracy([], [])
    with pytest.raises(ValueError, match="numbers or both as names"):
        accuracy(["0"], [0])
    with pytest.raises(ValueError, match="references number 1 is nan"):
        pearson([1, 2], [1, float("nan")])
    with pytest.raises(ValueError, match="at least 2"):
        spearman([1], [1])
