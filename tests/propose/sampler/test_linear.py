"""No suggestion of GpSampler breaks a linear constraint, however it came about."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from matscout.errors import InputError
from matscout.propose.sampler.linear import drawn_within
from matscout.sampler import GpSampler, Linear

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-1, 1),
    "lr": FloatDistribution(1e-3, 1.0, log=True),
    "step": FloatDistribution(0, 1, step=0.125),
    "n": IntDistribution(1, 9, step=2),
    "units": IntDistribution(1, 64, log=True),
    "size": CategoricalDistribution([8, 16, 32]),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def asked(trial: Trial, space: Mapping[str, BaseDistribution] = SPACE) -> dict[str, Any]:
    return {name: trial._suggest(name, distribution) for name, distribution in space.items()}


def kept(linear: list[Linear], params: Mapping[str, Any]) -> bool:
    return not any(c.violation(params) for c in linear)


@st.composite
def constraints(draw: st.DrawFn) -> list[Linear]:
    """One or two inequalities, and often an equality, that a point of SPACE keeps."""
    point = {"x": 0.3, "lr": 0.1, "step": 0.5, "n": 5.0, "units": 20.0, "size": 16.0}
    scale = {"x": 1.0, "lr": 1.0, "step": 1.0, "n": 0.1, "units": 0.02, "size": 0.05}
    out = []
    for op in ("<=", ">=")[: draw(st.integers(1, 2))]:
        names = draw(st.lists(st.sampled_from(sorted(SPACE)), min_size=1, max_size=3, unique=True))
        factors = {n: scale[n] * draw(st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0])) for n in names}
        slack = draw(st.sampled_from([0.0, 0.1, 0.5]))
        total = sum(k * point[n] for n, k in factors.items())
        out.append(Linear(factors, op, total + (slack if op == "<=" else -slack)))  # type: ignore[arg-type]
    if draw(st.booleans()):
        out.append(Linear({"x": 1.0, "lr": 2.0}, "==", 0.5))
    return out


@settings(max_examples=4, deadline=None, derandomize=True)
@given(constraints(), st.integers(0, 9))
def test_no_suggestion_breaks_one(linear: list[Linear], seed: int) -> None:
    sampler = GpSampler(seed=seed, startup=2, linear=linear, search_space=SPACE)
    study = optuna.create_study(sampler=sampler)
    waiting: list[tuple[Trial, float]] = []
    for _ in range(4):
        trial = study.ask()
        params = asked(trial)
        assert kept(linear, params), (params, linear)
        waiting.append((trial, params["x"] ** 2 + params["n"]))
        if len(waiting) > 1:
            study.tell(*waiting.pop(0))


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_best_point_on_a_wall_is_found(objectives: int) -> None:
    linear = [Linear({"x": 1, "y": 2}, "<=", 1.2)]

    def bowl(trial: Trial) -> Any:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("free", -1.0)
        value = (x - 0.8) ** 2 + (y - 0.8) ** 2
        return value if objectives == 1 else (value, x)

    study = optuna.create_study(
        sampler=GpSampler(seed=0, startup=5, linear=linear), directions=["minimize"] * objectives
    )
    study.optimize(bowl, n_trials=11 if objectives == 1 else 6)
    assert all(kept(linear, t.params) for t in study.trials)
    if objectives == 1:  # the foot of the perpendicular from (.8, .8), 1.2 / 5 away along (1, 2)
        assert study.best_value == pytest.approx(0.288, abs=0.02)


def test_one_counts_where_a_trial_has_all_of_its_parameters() -> None:
    linear = [Linear({"batch": 1, "width": 1}, "<=", 100), Linear({"alpha": 50}, ">=", 10)]

    def branched(trial: Trial) -> float:
        batch = trial.suggest_int("batch", 8, 128)
        if trial.suggest_categorical("model", ["net", "ridge"]) == "net":
            return 1 - batch / 128 - trial.suggest_float("width", 4, 128) / 512
        return 1 - batch / 128 + trial.suggest_float("alpha", 0, 1)

    study = optuna.create_study(sampler=GpSampler(seed=1, startup=6, linear=linear))
    study.optimize(branched, n_trials=11)
    for trial in study.trials:
        met = [c for c in linear if set(c.parameters) <= set(trial.params)]
        assert kept(met, trial.params)
    ridges = [t.params["batch"] for t in study.trials if t.params["model"] == "ridge"]
    assert max(ridges) > 120, "what does not exist there takes no room"


def test_what_is_enqueued_leaves_the_rest_its_room() -> None:
    linear = [Linear({"x": 1, "y": 1}, "<=", 1)]
    space = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    study = optuna.create_study(sampler=GpSampler(seed=0, startup=2, linear=linear))
    for _ in range(3):
        study.tell(study.ask(space), 1.0)
    for x in (0.99, 0.97, 0.95):
        study.enqueue_trial({"x": x})
        for order in (["x", "y"], ["y", "x"]):
            params = asked(study.ask(), {name: space[name] for name in order})
            assert kept(linear, params)


def test_a_parameter_of_one_value_counts_as_that() -> None:
    linear = [Linear({"x": 1, "fixed": 1}, "<=", 1)]
    space = {"fixed": IntDistribution(1, 1), "x": FloatDistribution(-1, 1)}
    sampler = GpSampler(seed=0, startup=2, linear=linear, search_space=space)
    study = optuna.create_study(sampler=sampler)
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, -asked(trial, space)["x"])
    assert study.best_value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("linear", "space", "message"),
    [
        ([Linear({"x": 1}, ">=", 2)], SPACE, "no point satisfies all"),
        ([Linear({"x": 1}, ">=", 0.5), Linear({"x": 1}, "<=", 0.4)], SPACE, "no point satisfies"),
        ([Linear({"k": 1}, "<=", 2)], {"k": CategoricalDistribution([1, None])}, "no number"),
        ([Linear({"k": 1}, "<=", 2)], {"k": CategoricalDistribution([3, 1, 2])}, "increasing"),
        ([Linear({"y": 1}, "<=", 2)], SPACE, "'y' is not in search_space"),
        (["x <= 2"], None, "must hold values of"),
        (Linear({"x": 1}, "<=", 1), SPACE, "must be a list"),
        ([Linear({"n": 1}, ">=", 1), Linear({"n": 1}, "<=", -1)], SPACE, "no point"),
    ],
)
def test_what_is_impossible_is_said_at_once(linear: Any, space: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        GpSampler(linear=linear, search_space=space)


def test_what_only_shows_in_the_study_is_said_there(caplog: pytest.LogCaptureFixture) -> None:
    nothing = GpSampler(seed=0, startup=1, linear=[Linear({"n": 2, "m": 2}, "==", 3)])
    study = optuna.create_study(sampler=nothing)
    with pytest.raises(InputError, match="no value that keeps them"):
        study.optimize(lambda t: t.suggest_int("n", 1, 3) + t.suggest_int("m", 1, 3), n_trials=3)
    odd = {"n": IntDistribution(0, 2), "m": IntDistribution(0, 2)}  # 2 n + 2 m is never 3
    sampler = GpSampler(linear=[Linear({"n": 2, "m": 2}, "==", 3)], search_space=odd)
    with pytest.raises(InputError, match="no point satisfies"):
        asked(optuna.create_study(sampler=sampler).ask(), odd)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            slip = GpSampler(seed=0, startup=2, linear=[Linear({"xx": 1}, "<=", 1)])
            optuna.create_study(sampler=slip).optimize(lambda t: t.suggest_float("x", 0, 1), 4)
    finally:
        optuna.logging.disable_propagation()
    assert [r.getMessage() for r in caplog.records if "'xx'" in r.getMessage()] != []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SPACE)), st.floats(0.05, 0.95), st.integers(0, 99))
def test_one_drawn_alone_keeps_to_what_is_left(name: str, place: float, seed: int) -> None:
    distribution, rng = SPACE[name], np.random.default_rng(seed)
    other = FloatDistribution(0, 1)
    low, high = {"lr": (1e-3, 1.0), "size": (8, 32)}.get(name, (None, None))
    low = getattr(distribution, "low", low)
    high = getattr(distribution, "high", high)
    bound = low + place * (high - low)
    up = [Linear({name: 1.0, "other": 1.0}, "<=", bound + 0.5)]
    value = drawn_within(up, name, distribution, {"other": 0.5}, {}, rng)
    assert value <= bound + 1e-9
    assert distribution._contains(distribution.to_internal_repr(value))
    roomy = drawn_within(up, name, distribution, {}, {"other": other}, rng)
    assert roomy <= bound + 0.5 + 1e-9
    down = [Linear({name: -2.0}, "<=", -2 * bound)]
    assert drawn_within(down, name, distribution, {}, {}, rng) >= bound - 1e-9
