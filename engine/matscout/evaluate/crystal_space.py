"""Whether the values of a space can be trained with at all, told before the first trial.

A trial that is refused counts as crashed, and is tried again: one wrong choice of a space would cost a
share of the whole sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError
from matscout.models import hyperparameters as hyper
from matscout.parameter import Categorical, Ordinal, Parameter
from matscout.space import Space
from matscout.trial import Value

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

_TOGETHER = ("transfer", "uncertainty", "dropout", "weights", "batches")
"""Hyperparameters that do not all go with each other."""


def check_space(trainer: CrystalGraphTrainer, space: Space) -> None:
    """InputError for fixed hyperparameters, or for values or pairs of values of `space`, that every
    trial with them would be refused for. Ranges are looked at where they end."""
    fixed, ends = trainer.hyperparameters, {p.name: _ends(p) for p in space.parameters}
    _check_bounds(trainer, fixed, "trainer.hyperparameters")
    for name, values in ends.items():
        for value in values:
            _check_bounds(trainer, {name: value}, "space.parameters")
            trainer.data.shaped({name: value})
    if trainer.source_run is not None:
        for name in ("source_epochs", "source_lr"):
            if name in ends and name not in fixed:
                what = "has no effect: the network of source_run has learned already"
                raise InputError(f"space.parameters.{name}", what, "leave it out")
    names = [name for name in _TOGETHER if name in ends]
    for point in product(*(ends[name] for name in names)):
        _check_together(trainer, {**fixed, **dict(zip(names, point, strict=True))})


def _ends(parameter: Parameter) -> tuple[Value, ...]:
    if isinstance(parameter, Categorical | Ordinal):
        return tuple(parameter.values())
    return parameter.from_unit(0.0), parameter.from_unit(1.0)


def _check_bounds(trainer: CrystalGraphTrainer, given: Mapping[str, Any], where: str) -> None:
    for kind in trainer.kinds:
        hyper.settings(kind, given, where)


def _check_together(trainer: CrystalGraphTrainer, given: Mapping[str, Any]) -> None:
    fit = hyper.settings(hyper.FitSettings, given)
    if trainer.begins:
        hyper.settings(hyper.GraphTransferSettings, given).frozen(trainer.epochs)
    if trainer.uncertain:
        dropout = hyper.settings(hyper.CgcnnSettings, given).dropout
        hyper.settings(hyper.GraphUncertaintySettings, given).check(fit, dropout)
    if trainer.also_predict:
        hyper.settings(hyper.GraphTaskSettings, given).check(fit)
