"""A tabular trainer judged out of distribution: the same rows and models, other folds."""

from __future__ import annotations

from dataclasses import replace

from matscout.data.split_names import GROUPED
from matscout.evaluate.trainer_tabular import TabularTrainer


def clusters_left_out(trainer: TabularTrainer) -> TabularTrainer:
    """`trainer` with the objective `loco`: its `folds` and `clusters` say which clusters of the inputs
    are left out, and groups stay whole where its split keeps them so. Reading its data raises
    InputError where the rows make no clusters.
    """
    kept = trainer.split if trainer.split in GROUPED else "kfold"
    return replace(
        trainer, objective="loco", split=kept, repeats=1, also=(), breakdown=False, fidelity=""
    )
