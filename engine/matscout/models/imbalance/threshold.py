"""From which score on a row is called positive, tuned on scores of rows that the model had not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matscout.models.imbalance.costs import cost_threshold

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""True positives, false positives, false negatives and true negatives at each threshold."""


def tuned(scores: np.ndarray, labels: np.ndarray, metric: str, middle: float = 0.5) -> float:
    """The threshold with the best `metric` for scores (n,) and labels (n,) of 0 and 1; midway between
    two scores; of equals, the nearest to `middle`.
    """
    cuts, counts = every_cut(scores, labels)
    values = METRICS[metric](*counts)
    best = values >= values.max() - 1e-12
    return float(min(cuts[best], key=lambda cut: (abs(cut - middle), cut)))


def every_cut(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, Counts]:
    """Thresholds (m,) that give different labels, and what each counts, (m,): those of the PR curve,
    and the one above all scores.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, positive = scores[order], labels[order].astype(float)
    last = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # of each run of equal scores
    tp = np.concatenate([[0.0], np.cumsum(positive)[last]])
    called = np.concatenate([[0.0], last + 1.0])
    fp, fn = called - tp, positive.sum() - tp
    tn = len(labels) - called - fn
    ends = ranked[last]
    between = np.append((ends[:-1] + ends[1:]) / 2, ends[-1])
    step = max(1e-9, abs(ends[0]) * 1e-9)
    return np.concatenate([[ends[0] + step], between]), (tp, fp, fn, tn)


def _recalls(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return (_over(tp, tp + fn) + _over(tn, tn + fp)) / 2


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return _over(2 * tp, 2 * tp + fp + fn)


def _f1_macro(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    return (_f1(tp, fp, fn, tn) + _f1(tn, fn, fp, tp)) / 2


def _mcc(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return _over(tp * tn - fp * fn, below)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """0 where there is nothing to divide by, as scikit-learn has it."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


METRICS: dict[str, Callable[..., np.ndarray]] = {
    "balanced_accuracy": _recalls,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "mcc": _mcc,
}


def chosen(
    rule: str,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    metric: str,
    miss_cost: float,
    middle: float = 0.5,
) -> float:
    """The threshold by that rule: half (`middle`), tuned, halfway between these, or cost."""
    if rule == "half":
        return middle
    if rule == "cost":
        return cost_threshold(miss_cost)
    best = tuned(scores, labels, metric, middle)
    return (middle + best) / 2 if rule == "halfway" else best
