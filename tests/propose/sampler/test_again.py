"""Repeats on purpose: where the lead is within the noise, never where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import Trial, TrialState, create_trial

from matscout.propose.observations import best_of, sem_of, value_of, variance_of
from matscout.propose.replicates import pooled
from matscout.propose.sampler.gp_sampler import WHY
from matscout.propose.sampler.told import Reads, Told, told
from matscout.sampler import GpSampler

SPACE = {"x": FloatDistribution(0, 1)}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def study_of(points: Sequence[tuple[float, float, float | None]], replicates: bool = True) -> Study:
    """Of complete trials (x, value, standard error); the next suggestion may be a repeat."""
    study = optuna.create_study(sampler=GpSampler(seed=0, startup=3, replicates=replicates))
    for x, value, sem in points:
        attrs = {} if sem is None else {"sem": sem}
        study.add_trial(
            create_trial(params={"x": x}, distributions=SPACE, value=value, user_attrs=attrs)
        )
    return study


def why_of_last(study: Study) -> dict[str, Any]:
    why: dict[str, Any] = study.trials[-1].system_attrs[WHY]
    return why


def seen(study: Study) -> Told:
    asking = create_trial(state=TrialState.RUNNING)
    asking.number = len(study.trials)
    found = told(study, asking, SPACE, 0, Reads())
    assert found is not None
    return found


BOWL = [(x, (x - 0.45) ** 2) for x in (0.0, 0.2, 0.4, 0.5, 0.8, 1.0)]
TILTED = [(x, y - x / 10) for x, y in BOWL]


def test_a_lead_within_the_noise_is_measured_again_up_to_three_times() -> None:
    study = study_of([(x, y, 0.1) for x, y in BOWL])
    trial = study.ask(SPACE)
    why = why_of_last(study)
    assert why["rule"] == "replicate" and why["replicate"] == 2
    assert trial.params["x"] == 0.4 and study.trials[why["repeats"]].params["x"] == 0.4
    study.tell(trial, 0.5)  # it was lucky
    study.ask(SPACE)
    assert why_of_last(study)["rule"] != "replicate", "two of three are new"


def test_the_model_sees_one_point_with_the_mean_and_its_standard_error() -> None:
    known = seen(study_of([*((x, y, 0.1) for x, y in BOWL), (0.4, 0.2, 0.3)])).history
    assert len(known.completed) == 7 and len(pooled(known.completed)) == 6
    (twice,) = [p for p in pooled(known.completed) if p.replicates]
    target = known.targets[0]
    assert value_of(twice, target) == pytest.approx((0.0025 + 0.2) / 2)
    assert variance_of(twice, target) == pytest.approx((0.1**2 + 0.3**2) / 4)
    best = best_of(known)
    assert best is not None and best.params['"x"'] == 0.5
    # Without standard errors their spread says it to a person: s / √n.
    silent = seen(study_of([(0.4, 1.0, None), (0.4, 2.0, None)])).history
    (alone,) = pooled(silent.completed)
    assert sem_of(alone, target) == pytest.approx(math.sqrt(0.5) / math.sqrt(2))


@pytest.mark.parametrize(
    ("points", "replicates"),
    [
        ([(x, y, 1e-4) for x, y in TILTED], True),  # it leads by a hundred standard errors
        ([(x, y, 0.1) for x, y in BOWL], False),
        ([*((x, y, None) for x, y in BOWL[:5]), (*BOWL[0], None)], True),  # two values agreed
    ],
)
def test_else_points_are_new(
    points: list[tuple[float, float, float | None]], replicates: bool
) -> None:
    study = study_of(points, replicates)
    study.ask(SPACE)
    assert why_of_last(study)["rule"] in ("lcb", "log_ei")


def test_a_deterministic_objective_is_repeated_once_at_most() -> None:
    study = optuna.create_study(sampler=GpSampler(seed=0, startup=3, replicates=True))

    def exact(trial: Trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.45) ** 2

    study.optimize(exact, n_trials=13)
    points = [t.params["x"] for t in study.trials]
    assert len(points) - len(set(points)) <= 1
