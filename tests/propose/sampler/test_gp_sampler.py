"""GpSampler on studies: what it learns from, what it promises, and what it survives."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from matscout.errors import InputError
from matscout.propose.sampler.gp_sampler import WHY
from matscout.propose.sampler.told import Reads, Told, told
from matscout.sampler import GpSampler, report_sem
from matscout.surrogate.base import FitFailed
from matscout.trial import State


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def bowl(trial: Trial) -> float:
    x, n = trial.suggest_float("x", -5, 5), trial.suggest_int("n", 1, 9, step=2)
    return (x - 1) ** 2 + (n - 5) ** 2 + (trial.suggest_categorical("k", [None, True]) is None)


def study_of(
    objective: Callable[[Trial], object],
    n: int,
    sampler: GpSampler | None = None,
    **options: object,
) -> Study:
    study = optuna.create_study(sampler=sampler or GpSampler(seed=0, startup=4), **options)  # type: ignore[arg-type]
    study.optimize(objective, n_trials=n, catch=(ArithmeticError,))  # type: ignore[arg-type]
    return study


def seen(study: Study) -> Told:
    """What the sampler would learn for the next trial."""
    next_one = create_trial(state=TrialState.RUNNING)
    next_one.number = len(study.trials)
    space = study.sampler.infer_relative_search_space(study, next_one)
    found = told(study, next_one, space, 0, Reads())
    assert found is not None
    return found


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_finds_the_optimum_either_way(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    study = study_of(lambda t: sign * bowl(t), 18, direction=direction)
    assert sign * study.best_value < 0.1
    assert study.trials[-1].system_attrs[WHY]["rule"] in ("log_ei", "lcb")


def test_the_same_study_and_seed_give_the_same_trial() -> None:
    first, second = study_of(bowl, 8), study_of(bowl, 5)
    second.sampler = GpSampler(seed=0, startup=4)  # as after a restart
    second.sampler.reseed_rng()
    second.optimize(bowl, n_trials=3)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    other = study_of(bowl, 8, GpSampler(seed=1, startup=4))
    assert [t.params for t in first.trials] != [t.params for t in other.trials]


@pytest.mark.parametrize("done", [0, 6])
def test_nothing_twice_with_eight_running_and_the_space_ends_in_repeats(done: int) -> None:
    def grid(trial: Trial) -> float:
        return trial.suggest_int("a", 1, 4) + trial.suggest_categorical("b", [1, 2, 4, 8])

    space = {"a": IntDistribution(1, 4), "b": CategoricalDistribution([1, 2, 4, 8])}
    study = study_of(grid, done)
    running = [study.ask(space) for _ in range(8)]
    points = {tuple(sorted(t.params.items())) for t in study.trials}
    assert len(points) == done + 8
    for trial in running:
        study.tell(trial, sum(trial.params.values()))
    study.optimize(grid, n_trials=10)
    points = {tuple(sorted(t.params.items())) for t in study.trials[: 4 * 4]}
    assert len(points) == 16
    assert len(study.trials) == done + 18


def test_numbers_that_increase_are_levels_and_names_may_be_anything() -> None:
    def objective(trial: Trial) -> float:
        size = trial.suggest_categorical("batch\nsize", [8, 16, 32])
        return size + trial.suggest_categorical("", ["a", "b"]).count("a")

    parameters = seen(study_of(objective, 5)).space.parameters
    assert {p.type for p in parameters} == {"ordinal", "categorical"}


def test_a_standard_error_reaches_the_model() -> None:
    def objective(trial: Trial) -> float:
        report_sem(trial, 0.25)
        return trial.suggest_float("x", 0, 1)

    known = seen(study_of(objective, 6))
    assert all(t.sem == {"0": 0.25} for t in known.history.completed)
    trial = optuna.create_study().ask()
    for bad in (0.0, -1.0, math.nan, math.inf, [0.1, 0.0], []):
        with pytest.raises(InputError, match="standard error"):
            report_sem(trial, bad)
    trial.set_user_attr("sem", "rubbish")  # by other hands


def test_pruned_failed_and_infinite_trials_count_as_bad() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(math.nan, 0)
        trial.report(5 + x, 1)
        if trial.number == 2:
            raise optuna.TrialPruned
        return {3: math.nan, 4: math.inf}.get(trial.number, x)

    study = study_of(objective, 10)
    known = seen(study).history
    states = [State.PRUNED, State.FAILED, State.INVALID]
    assert [t.state for t in known.trials[2:5]] == states
    assert [r.values["0"] for r in known.trials[2].reports] == [5 + study.trials[2].params["x"]]
    assert study.best_value < 0.1


def test_running_trials_are_believed_before_their_objective_has_asked() -> None:
    study = study_of(bowl, 6)
    running = study.ask()
    planned = running.relative_params
    assert not study.trials[-1].params
    pending = seen(study).history.pending
    assert len(pending) == 1
    assert seen(study).decoded(dict(pending[0].params)) == planned
    assert study.ask().relative_params != planned


def test_branches_are_learned_and_nothing_in_them_is_random() -> None:
    def objective(trial: Trial) -> float:
        if trial.suggest_categorical("model", ["svm", "net"]) == "svm":
            return (trial.suggest_float("C", 1e-3, 1e3, log=True) - 1) ** 2 + 0.2
        layers = trial.suggest_int("layers", 1, 3)
        widths = [trial.suggest_float(f"width{i}", 0, 1) for i in range(layers)]
        return sum((w - 0.3) ** 2 for w in widths) + 0.1 * layers

    asked: list[str] = []

    class Watched(GpSampler):
        def sample_independent(
            self, study: Study, trial: FrozenTrial, name: str, distribution: FloatDistribution
        ) -> object:
            if trial.number >= 10:
                asked.append(name)
            return super().sample_independent(study, trial, name, distribution)

    study = study_of(objective, 24, Watched(seed=0, startup=8))
    assert not asked
    parents = {p.name: set(p.when) for p in seen(study).space.parameters}
    assert parents['"C"'] == parents['"layers"'] == {'"model"'}
    assert parents['"width1"'] == {'"layers"'}
    assert study.best_value < 0.12


def test_a_range_that_changed_leaves_out_what_lies_outside() -> None:
    study = study_of(lambda t: t.suggest_float("x", 0, 10), 5)
    study.optimize(lambda t: t.suggest_float("x", 20, 30), n_trials=3)
    assert len(seen(study).history.trials) == 3


def test_constraints_are_learned_even_before_anything_is_feasible() -> None:
    def objective(trial: Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("far", 1e6 * (1.7 - x - y))
        trial.set_constraint("always", -1.0)
        return x + y

    study = study_of(objective, 16)
    rules = [t.system_attrs.get(WHY, {}).get("rule") for t in study.trials]
    assert "feasible" in rules and "log_ei" in rules
    assert study.best_value == pytest.approx(1.7, abs=0.05)


def test_several_objectives_with_constraints_and_failures() -> None:
    def objective(trial: Trial) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("c", 0.2 - x)
        report_sem(trial, (0.01, 0.02))
        return x**2 + y, math.nan if x > 0.9 else -((1 - x) ** 2) - y

    study = study_of(objective, 10, directions=["minimize", "maximize"])
    last = study.trials[-1].system_attrs[WHY]
    assert last["rule"] == "pareto" and 0.0 <= last["feasible"] <= 1.0
    assert seen(study).history.completed[0].sem == {"0": 0.01, "1": 0.02}
    assert all(t.params["x"] >= 0.2 for t in study.best_trials)
    assert sum(t.params["y"] < 0.05 for t in study.trials[4:]) >= 3


@pytest.mark.parametrize("rule", ["tpe", "sobol"])
def test_a_model_that_fails_is_said_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, rule: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise FitFailed("no jitter\nhelps")

    monkeypatch.setattr("matscout.propose.gp.SpaceModel", broken)
    monkeypatch.setattr("matscout.propose.sampler.choice.joint_model", broken)
    if rule == "sobol":
        monkeypatch.setattr("matscout.propose.tpe.suggest", broken)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            study = study_of(bowl, 6, storage=f"sqlite:///{tmp_path / 'study.db'}")
            study_of(lambda t: (bowl(t), 1.0), 6, directions=["minimize"] * 2)
    finally:
        optuna.logging.disable_propagation()
    said = [r.getMessage() for r in caplog.records if "no jitter helps" in r.getMessage()]
    assert len(said) == 4 and all(rule in line for line in said)
    held = [t.system_attrs[WHY] for t in study.trials if "fallback" in t.system_attrs.get(WHY, {})]
    assert len(held) == 2 and all(why["rule"] == rule for why in held)
    assert all("no jitter helps" in why["fallback"] for why in held)


def test_a_storage_of_short_attributes_is_enough(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def wide(trial: Trial) -> float:
        return sum(trial.suggest_float(f"a rather long name {i}", 0, 1) for i in range(80))

    study = study_of(wide, 3, GpSampler(seed=0), storage=f"sqlite:///{tmp_path / 'study.db'}")
    study.ask().relative_params  # noqa: B018
    assert len(seen(study).history.pending) == 1


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"startup": -1}, {"start": "sobl"}, {"acquisition": "ie"}]
)
def test_an_option_that_is_wrong_is_refused_at_once(options: dict) -> None:
    with pytest.raises(InputError):
        GpSampler(**options)


def test_threads_and_brackets_share_what_was_suggested() -> None:
    def objective(trial: Trial) -> float:
        x, k = trial.suggest_int("x", 1, 6), trial.suggest_categorical("k", ["a", "b"])
        for step in range(3):
            trial.report(x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x + (k == "a")

    pruner = optuna.pruners.HyperbandPruner(max_resource=3, reduction_factor=2)
    study = study_of(objective, 1, pruner=pruner)
    study.optimize(objective, n_trials=11, n_jobs=2)
    assert len({tuple(sorted(t.params.items())) for t in study.trials}) == 12


def test_no_repeats_on_a_small_grid_with_eight_pending() -> None:
    """60 suggestions, 625 points, 8 pending: promise R6. Optuna's GPSampler repeats 11 or 12."""
    study = optuna.create_study(sampler=GpSampler(seed=0, startup=4))
    pending: list[tuple[Trial, float]] = []
    for _ in range(60):
        trial = study.ask()
        values = [
            trial.suggest_int("a", 0, 4),
            [1, 2, 4, 8, 16].index(trial.suggest_categorical("b", [1, 2, 4, 8, 16])),
            "vwxyz".index(trial.suggest_categorical("c", list("vwxyz"))),
            round(4 * trial.suggest_float("d", 0, 1, step=0.25)),
        ]
        pending.append((trial, float(sum((v - 1) ** 2 for v in values))))
        if len(pending) > 8:
            study.tell(*pending.pop(0))
    assert len({tuple(sorted(t.params.items())) for t in study.trials}) == 60
