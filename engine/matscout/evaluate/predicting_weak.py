"""Rows of a run's own table whose prediction a small change of the inputs overturns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError
from matscout.evaluate.predicting import Member, of_pipeline
from matscout.evaluate.tabular_data import TabularData
from matscout.evaluate.tabular_folds import fold_fit
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.metrics import of_values
from matscout.models.weak_robust import EPSILON, WeakRobust, weak_robust

Array = NDArray[np.float64]


def weak_rows(
    trainer: TabularTrainer,
    members: Sequence[Member],
    data: TabularData,
    *,
    epsilon: float = EPSILON,
) -> WeakRobust:
    """Of the rows of `data`, those that the members were trained on, by the mean of the members, fitted
    on all of them: of their values, or of the probabilities of the classes (1 for the label of a
    model without any). The table's own numbers are moved, by `epsilon` of their standard deviations;
    what is made of formulas and structures, and words, stay. InputError for a table without numbers,
    and for networks.
    """
    if trainer.model == "mlp":
        raise InputError("--weak", "is not for networks (mlp)", "train another model")
    count = len(data.table.numeric)
    if not count:
        what = "the inputs have no column of numbers, and formulas and words are not moved"
        raise InputError("--weak", what, "it is for process settings and the like")
    data = replace(data, metric=of_values(data.metric))
    rows = np.arange(len(data.rows))
    fitted = [
        fold_fit(trainer, data, {**trainer.hyperparameters, **one.params}, one.seed)((0, rows))
        for one in members
    ]

    def predict(x: Array) -> Array:
        said = [of_pipeline(data, model, x) for model in fitted]
        parts = [one.seen if one.chances is None else one.chances for one in said]
        return np.asarray(np.mean(parts, axis=0))

    truth = data.table.target if trainer.task == "classification" else None
    return weak_robust(predict, data.columns.x, count, truth=truth, epsilon=epsilon)
