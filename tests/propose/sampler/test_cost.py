"""GpSampler per unit of cost: what a study says of it, and what that changes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial

from matscout.errors import InputError
from matscout.propose.sampler.gp_sampler import WHY
from matscout.propose.sampler.spent import Spent, spent
from matscout.sampler import GpSampler, report_cost


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def valleys(trial: Trial) -> float:
    """Two equal ones, of which the right one costs more."""
    x = trial.suggest_float("x", 0, 1)
    report_cost(trial, math.exp(3 * x))
    return min(abs(x - 0.2), abs(x - 0.8))


def of_cost(study: optuna.Study) -> float:
    return sum(t.user_attrs["cost_s"] for t in study.trials)


def test_the_cheap_one_of_two_equal_valleys_is_searched() -> None:
    options = [{"cost": True}, {}]
    studies = [optuna.create_study(sampler=GpSampler(seed=0, startup=5, **o)) for o in options]  # type: ignore[arg-type]
    for study in studies:
        study.optimize(valleys, n_trials=12)
    aware, blind = studies
    assert of_cost(aware) < of_cost(blind)
    assert aware.best_params["x"] == pytest.approx(0.2, abs=0.05)
    assert aware.trials[-1].system_attrs[WHY]["rule"] == "log_ei per cost"


@pytest.mark.parametrize("objectives", [1, 2])
def test_constraints_and_several_objectives_have_costs_too(objectives: int) -> None:
    def objective(trial: Trial) -> Any:
        value = valleys(trial)
        trial.set_constraint("c", -1.0)
        return value if objectives == 1 else (value, trial.params["x"])

    sampler = GpSampler(seed=0, startup=4, cost=True, budget=1000.0)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)
    study.optimize(objective, n_trials=6)
    assert study.trials[-1].system_attrs[WHY]["cost"] > 0


def test_a_cost_is_what_was_said_else_how_long_it_took() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(valleys, n_trials=1)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    running = study.ask()
    told, silent, open_ = study.get_trials(deepcopy=False)
    assert Spent(None)(told) == told.user_attrs["cost_s"]
    assert silent.duration is not None
    assert Spent(None)(silent) == silent.duration.total_seconds()
    assert Spent(None)(open_) == 0.0
    study.tell(running, 1.0)
    wrong: list[Any] = [None, -1.0, math.nan, True, "3"]
    assert [Spent(lambda _, w=w: w)(told) for w in wrong] == [0.0] * 5  # type: ignore[misc]

    def by_hand(trial: FrozenTrial) -> float:
        return 7.0

    reader = spent(by_hand)
    assert reader is not None and reader(told) == 7.0
    assert spent(False) is None


def test_what_is_no_cost_is_refused() -> None:
    trial = optuna.create_study().ask()
    for bad in (0.0, -1.0, math.nan, math.inf, True):
        with pytest.raises(InputError, match="a cost must be"):
            report_cost(trial, bad)
    for options in ({"cost": 3}, {"budget": 5.0}, {"cost": True, "acquisition": "sd"}):
        with pytest.raises(InputError):
            GpSampler(**options)  # type: ignore[arg-type]
