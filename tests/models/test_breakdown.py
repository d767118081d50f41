"""Scores by class and by decile, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.models.breakdown import by_class, by_decile
from matscout.models.metrics import METRICS


def test_by_class_counts() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2.0])
    guess = np.array([0, 0, 1, 1, 0, 0.0])
    found = by_class(truth, guess, ["fcc", "bcc", "glass"])
    assert found["recall.fcc"] == pytest.approx(2 / 3) and found["precision.fcc"] == 0.5
    assert found["recall.bcc"] == found["precision.bcc"] == found["f1.bcc"] == 0.5
    assert found["recall.glass"] == found["precision.glass"] == 0
    macro = np.mean([found[f"f1.{name}"] for name in ("fcc", "bcc", "glass")])
    assert METRICS["f1_macro"].score(truth, guess) == pytest.approx(macro)
    assert by_class(truth, np.full(6, np.nan), ["a", "b", "c"]) == {}
    assert by_class(truth, guess, [str(k) for k in range(30)]) == {}


def test_by_decile_is_a_partition_of_the_error() -> None:
    rng = np.random.default_rng(1)
    truth = rng.permutation(np.arange(100.0))
    guess = truth + np.where(truth >= 90, -7.0, 1.0)
    found = by_decile(truth, guess)
    assert len(found) == 10 and found["mae.decile_10"] == 7 and found["mae.decile_1"] == 1
    mae = METRICS["mae"].score(truth, guess)
    assert np.mean(list(found.values())) == pytest.approx(mae)
    few = by_decile(np.array([1.0, 1, 1, 9]), np.zeros(4))
    assert set(few.values()) <= {1.0, 9.0} and len(few) == 2
    assert by_decile(truth, guess * np.nan) == {}


def test_probability_scores() -> None:
    truth, chance = np.array([0.0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    wanted = np.mean((truth - chance) ** 2)
    assert METRICS["brier"].score(truth, chance) == pytest.approx(wanted)
    likely = np.where(truth == 1, chance, 1 - chance)
    assert METRICS["log_loss"].score(truth, chance) == pytest.approx(-np.log(likely).mean())
    # scikit-learn's own example of average precision and of the area under the curve.
    assert METRICS["pr_auc"].score(truth, chance) == pytest.approx(0.8333, abs=1e-4)
    assert METRICS["roc_auc"].score(truth, chance) == 0.75
    assert METRICS["brier"].direction == METRICS["log_loss"].direction == "min"
