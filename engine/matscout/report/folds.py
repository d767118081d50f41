"""The scores of a trial's folds, read back from what it reported on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matscout.drive.fold_means import folds_behind
from matscout.trial import Target, Trial

Array = NDArray[np.float64]

Reports = Literal["mean", "fold"]


def reports_are(config: Mapping[str, Any]) -> Reports | None:
    """What a report of this run is: the running mean of its folds, a fold's own value, or something
    else (an epoch, or nobody said what), for which None stands."""
    stopping = config.get("early_stopping") or {}
    if stopping.get("type") == "wilcoxon":
        return "fold" if stopping.get("reports") == "fold" else "mean"
    evaluator = config.get("evaluator") or {}
    by_fold = evaluator.get("type") == "tabular" and evaluator.get("model") != "mlp"
    # What 'robert' reports is no mean of folds, and a share of the rows no fold.
    by_fold &= evaluator.get("objective") != "robert" and evaluator.get("fidelity") != "rows"
    return "mean" if by_fold else None


def fold_scores(trial: Trial, target: Target, reports: Reports = "mean") -> Array | None:
    """The scores of the folds of a complete trial, (folds,); None where there are not two, where one
    is missing, where the trial was measured again, or where the mean is not the trial's value."""
    known = [r for r in trial.reports if target.name in r.values]
    if len(known) < 2 or trial.replicates or target.name not in trial.values:
        return None
    if [r.step for r in known] != list(range(1, len(known) + 1)):
        return None
    told = np.array([r.values[target.name] for r in known], dtype=float)
    value = trial.values[target.name]
    mean = told[-1] if reports == "mean" else told.mean()
    if not np.isfinite(told).all() or not math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-12):
        return None
    return folds_behind(told) if reports == "mean" else told
