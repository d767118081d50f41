"""A table, a model by name and a split, as an evaluator: params in, cross-validated score out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_options import TrainerOptions
from matscout.trial import Measurement, Params, Report

if TYPE_CHECKING:
    from matscout.evaluate.tabular_folds import TabularData


@dataclass(frozen=True, kw_only=True)
class TabularTrainer(TrainerOptions):
    """Learns the column `predict` of a CSV file from `inputs` (all other columns, if empty).

    Columns of numbers are numeric unless listed in `categorical`; `group` is the column that a
    grouped split keeps together, and is no input unless listed. `model` is one of ridge,
    random_forest, extra_trees, hist_gradient_boosting, svm, mlp. Its hyperparameters have
    scikit-learn's names (the word "none" stands for None); mlp's are those of MlpSettings and
    FitSettings; imputer, scaler and target_transform go with all.

    A step is a fold, and an epoch for mlp, whose folds train side by side. Checkpoints come after
    every fold; for mlp every `checkpoint_epochs` epochs, and inside an epoch after `checkpoint_s`.
    """

    table: Path
    predict: str
    model: str = "extra_trees"
    inputs: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    group: str | None = None

    costly = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "table", Path(self.table))
        for name in ("inputs", "categorical"):  # JSON and TOML have lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.split == "grouped" and self.group is None:
            raise InputError("trainer.split", "'grouped' needs a group column", "add group = …")

    def check(self, names: Iterable[str]) -> None:
        """Before a run: read the data, and see that every parameter of the space is known here."""
        from matscout.models.hyperparameters import check_names

        known = self.data.hyperparameter_names
        check_names(self.hyperparameters, known, "trainer.hyperparameters")
        check_names(names, known, "space.parameters")

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """A report after each fold (each epoch of mlp) with the running mean of the metric, then
        the measurement.
        """
        from matscout.evaluate import tabular_folds

        given: Mapping[str, Any] = {**self.hyperparameters, **params}
        if self.model == "mlp":
            return tabular_folds.by_epochs(self, self.data, given, context)
        return tabular_folds.by_folds(self, self.data, given, context)

    @cached_property
    def data(self) -> TabularData:
        """Read once in a process, and then the same for every trial."""
        from matscout.evaluate.tabular_folds import load

        return load(self)
