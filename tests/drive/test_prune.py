"""Pruners against brute force, and caches that cannot be seen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optuna
import pytest

from matscout.drive.loop import Observer
from matscout.drive.prune import Median, Pruner, SuccessiveHalving
from matscout.drive.prune_hyperband import Hyperband
from matscout.drive.prune_index import Leader, Reported
from matscout.drive.prune_note import Watchful
from matscout.drive.prune_patience import Patience
from matscout.drive.prune_percentile import Percentile, quantile_of_others
from matscout.drive.prune_wilcoxon import Wilcoxon
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import State, Trial

MAKERS: dict[str, Callable[[], Pruner]] = {
    "asha": lambda: SuccessiveHalving(min_step=1, factor=2),
    "hyperband": lambda: Hyperband(max_step=8, factor=2),
    "median": lambda: Median(min_trials=2),
    "percentile": lambda: Percentile(keep=40, min_trials=2),
    "wilcoxon": lambda: Wilcoxon(p=0.3, reports="fold"),
    "patience": lambda: Patience(steps=3),
}


class Told:
    """A history and the events that made it."""

    def __init__(self, direction: str = "min") -> None:
        self.history, self.events = History(), list[Event]()
        self.say(EventKind.CREATED, body={"targets": [{"name": "y", "direction": direction}]})

    def say(self, kind: EventKind, trial: int | None = None, body: Any = None) -> None:
        attempt = None if trial is None else 1
        event = Event(kind, trial, attempt, body or {})
        self.events.append(event)
        self.history.apply(event)

    def trial(self) -> int:
        index = len(self.history.trials)
        self.say(EventKind.ASKED, index, {"params": {"x": 0.0}})
        self.say(EventKind.DISPATCHED, index)
        return index

    def report(self, trial: int, step: int, value: float | None) -> Trial:
        values = {} if value is None else {"y": value}
        self.say(EventKind.REPORTED, trial, {"step": step, "values": values, "checkpoint": True})
        return self.history.trials[trial]

    def measure(self, trial: int, value: float) -> None:
        self.say(EventKind.MEASURED, trial, {"values": {"y": value}})

    def again(self) -> History:
        return History([Event(e.kind, e.trial, e.attempt, json.loads(json.dumps(dict(e.body)))) for e in self.events])  # fmt: skip


def at_random(seed: int, direction: str = "min") -> Iterator[tuple[Told, Trial]]:
    """A run with retries (steps again), reports without a value, ties, and trials that end; stops
    after each report."""
    rng, told = np.random.default_rng(seed), Told(direction)
    running: dict[int, int] = {}
    for _ in range(160):
        while len(running) < 6:
            running[told.trial()] = 0
        trial = int(rng.choice(list(running)))
        if running[trial] == 8:
            told.measure(trial, float(rng.integers(20)))
            del running[trial]
        elif running[trial] > 2 and rng.random() < 0.1:
            running[trial] = int(rng.integers(running[trial]))  # from an earlier checkpoint
        else:
            running[trial] += 1
            value = None if rng.random() < 0.05 else float(rng.integers(20)) / 2
            yield told, told.report(trial, running[trial], value)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("direction", ["min", "max"])
def test_the_cache_cannot_be_seen(name: str, direction: str) -> None:
    """One pruner lives through the run; another is born at each report, into a history that was
    read back. They say the same, also where the first was not asked for a while."""
    lasting, seldom, stopped = MAKERS[name](), MAKERS[name](), 0
    for number, (told, trial) in enumerate(at_random(3, direction)):
        said = lasting.verdict(told.history, trial)
        stopped += bool(said)
        if number % 3 == 0:
            again = told.again()
            assert MAKERS[name]().verdict(again, again.trials[trial.id]) == said
        if number % 7 == 0:
            assert seldom.verdict(told.history, trial) == said
    assert stopped, "a test in which nothing is stopped tests nothing"


def at_step(history: History, trial: Trial, step: int) -> tuple[float, list[float]]:
    """The signed value of `trial` and those of the others at `step`, by looking at everything."""
    sign = history.targets[0].sign
    found = {
        t.id: sign * r.values["y"]
        for t in history.trials
        for r in t.reports
        if r.step == step and "y" in r.values
    }
    return found.pop(trial.id), list(found.values())


@pytest.mark.parametrize("direction", ["min", "max"])
def test_halving_and_percentiles_are_what_their_papers_say(direction: str) -> None:
    asha, median, top = SuccessiveHalving(1, 2), Median(1, 3), Percentile(30.0, 2, 3)
    verdicts: Counter[str] = Counter()
    for told, trial in at_random(5, direction):
        step = trial.reports[-1].step
        if "y" not in trial.reports[-1].values:
            continue
        mine, others = at_step(told.history, trial, step)
        better = sum(v > mine for v in others)
        on_rung = step in (1, 2, 4, 8)
        loses = len(others) + 1 >= 2 and better >= max((len(others) + 1) // 2, 1)
        said = asha.verdict(told.history, trial)
        wanted = f"place {better + 1} of {len(others) + 1} at step {step}"
        assert said == (wanted if on_rung and loses else "")
        below = len(others) >= 3 and mine < sorted(others)[len(others) // 2]
        assert bool(median.verdict(told.history, trial)) == below
        own = max(told.history.targets[0].sign * r.values["y"] for r in trial.reports if r.values)
        left = step >= 2 and len(others) >= 3 and own < np.percentile(others, 70) - 1e-12
        assert bool(top.verdict(told.history, trial)) == left
        verdicts.update(asha=bool(said), median=below, top=left)
    assert min(verdicts.values()) > 5


def test_a_quantile_of_the_others_is_numpys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = sorted(rng.integers(0, 6, rng.integers(2, 9)).astype(float).tolist())
        share, own = float(rng.random()), int(rng.integers(len(values)))
        others = values[:own] + values[own + 1 :]
        expected = np.quantile(others, share)
        assert quantile_of_others(values, values[own], share) == pytest.approx(expected)


def test_a_rung_that_a_trial_jumps_over_still_counts() -> None:
    """A trainer that reports every fifth epoch meets rung 9 with its report of epoch 10."""
    told, asha = Told(), SuccessiveHalving(min_step=3, factor=3)
    for value in (1.0, 2.0, 3.0):
        trial = told.trial()
        told.report(trial, 5, value)
        last = told.report(trial, 10, value)
    assert asha.verdict(told.history, last) == "place 3 of 3 at step 10"
    last = told.report(last.id, 15, 3.0)
    assert asha.verdict(told.history, last) == ""


def test_only_who_had_a_value_can_lose_it() -> None:
    told, asha = Told(), SuccessiveHalving(1, 2)
    for _ in range(3):
        assert asha.verdict(told.history, told.report(told.trial(), 1, None)) == ""
    trial = told.trial()
    told.report(trial, 1, 0.5)
    assert asha.verdict(told.history, told.report(trial, 2, None)) == "not finite at step 2"


def test_a_verdict_looks_at_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    told, asha = Told(), SuccessiveHalving(1, 3)
    for _ in range(300):
        trial = told.report(told.trial(), 1, 1.0)
    asha.verdict(told.history, trial)
    looked: list[int] = []
    follow = Reported._follow

    def counted(self: Reported, trial: Trial) -> None:
        looked.append(trial.id)
        follow(self, trial)

    monkeypatch.setattr(Reported, "_follow", counted)
    asha.verdict(told.history, told.report(told.trial(), 1, 1.0))
    assert looked == [300]


# -- hyperband -------------------------------------------------------------------------------------


def test_brackets_get_the_shares_of_algorithm_1() -> None:
    """R = 81, η = 3: n_s = 81, 34, 15, 8, 5 (Li et al. 2018), at every length of the run."""
    pruner = Hyperband(max_step=81)
    assert pruner.halvings == 4
    share = np.array([81, 34, 15, 8, 5]) / 143
    for trials in (50, 143, 1000):
        counts = Counter(pruner.bracket(trial) for trial in range(trials))
        assert [counts[k] / trials for k in range(5)] == pytest.approx(
            share, abs=2.5 / trials + 0.01
        )


def test_a_bracket_halves_among_its_own_and_never_at_the_end() -> None:
    told, pruner = Told(), Hyperband(max_step=8, factor=2)
    stopped: dict[int, set[int]] = {k: set() for k in range(4)}
    for k in range(120):
        trial = told.trial()
        for step in range(1, 9):
            said = pruner.verdict(told.history, told.report(trial, step, float(k)))
            if said:  # ever worse: the first at a rung that is not alone there loses
                assert f"in bracket {pruner.bracket(trial)}" in said
                stopped[pruner.bracket(trial)].add(step)
    assert stopped == {0: {1, 2, 4}, 1: {2, 4}, 2: {4}, 3: set()}


# -- Wilcoxon --------------------------------------------------------------------------------------


def wilcoxon_of_optuna(best: list[float], mine: list[float], direction: str) -> bool:
    study = optuna.create_study(
        direction=f"{direction}imize", pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.2)
    )
    for values, state in ((best, "COMPLETE"), (mine, "RUNNING")):
        told = {k + 1: v for k, v in enumerate(values)}
        final = float(np.mean(values)) if state == "COMPLETE" else None
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[state], value=final, intermediate_values=told
            )
        )
    pruner: Any = study.pruner
    return bool(pruner.prune(study, study.get_trials()[1]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("direction", ["min", "max"])
def test_wilcoxon_is_optunas_on_folds_and_on_their_running_means(direction: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng, stopped = np.random.default_rng(1), 0
    for _ in range(25):
        best = (rng.integers(0, 8, 8) + (4 if direction == "max" else 0)) / 4.0
        mine = rng.integers(0, 12, int(rng.integers(1, 9))) / 4.0
        if np.isclose(mine.mean(), best.mean()):
            continue  # a matter of rounding
        expected = wilcoxon_of_optuna(best.tolist(), mine.tolist(), direction)
        stopped += expected
        for reports in ("fold", "mean"):
            told = Told(direction)
            for values in (best, mine):
                trial = told.trial()
                for k in range(len(values)):
                    value = values[k] if reports == "fold" else values[: k + 1].mean()
                    last = told.report(trial, k + 1, float(value))
                if values is best:
                    told.measure(trial, float(values.mean()))
            said = Wilcoxon(p=0.2, reports=reports).verdict(told.history, last)  # type: ignore[arg-type]
            assert bool(said) == expected
            assert not said or said.startswith("worse than trial 0 over ")
    assert 2 < stopped < 20


def test_the_leader_is_the_best_of_the_history() -> None:
    told, rng = Told(), np.random.default_rng(4)
    leader = Leader(told.history)
    for _ in range(60):
        trial = told.trial()
        told.measure(trial, float(rng.integers(3, 9)))
        if trial % 4 == 3:  # what was measured is measured anew: also the leader may become worse
            told.measure(int(rng.integers(trial)), float(rng.integers(2, 12)))
        assert leader.trial() == told.history.best() == Leader(told.history).trial()


# -- patience --------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["min", "max"])
def test_patience_counts_steps_since_a_real_improvement(direction: str) -> None:
    told, patience = Told(direction), Patience(steps=3, tolerance=0.1)
    trial, sign = told.trial(), told.history.targets[0].sign
    values = [1.0, 1.5, 1.55, 1.58, 1.7, 1.7, 1.7, 1.79]
    said = [
        patience.verdict(told.history, told.report(trial, step, sign * value))
        for step, value in enumerate(values, start=1)
    ]
    assert said[:7] == [""] * 7
    assert said[7] == f"no better for 3 steps than {sign * 1.7:g} at step 5"


# -- options, and pruners that see nothing -------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SuccessiveHalving(factor=1), "factor: must be at least 2"),
        (lambda: Hyperband(max_step=2), r"max_step: must be at least min_step \* factor"),
        (lambda: Hyperband(max_step=9, min_step=0), "min_step: must be at least 1"),
        (lambda: Percentile(keep=100.0), "keep: must be between 0 and 100"),
        (lambda: Patience(steps=0), "steps: must be at least 1"),
        (lambda: Patience(tolerance=float("nan")), "tolerance: must be a number"),
        (lambda: Wilcoxon(p=1.0), "p: must be between 0 and 1"),
        (lambda: Wilcoxon(min_folds=1), "min_folds: must be at least 2"),
    ],
)
def test_options_are_checked(make: Callable[[], Pruner], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


class Noted(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(
    ("reported", "note"),
    [({}, "reported nothing on the way, and no 'y'"), ({"loss": 1.0}, "reported only loss on"), ({"y": 1.0}, "")],
)  # fmt: skip
def test_a_pruner_that_sees_nothing_is_mentioned_once(
    reported: dict[str, float], note: str
) -> None:
    told, inner = Told(), Noted()
    watchful = Watchful(inner)
    for _ in range(3):
        trial = told.trial()
        if reported:
            told.say(EventKind.REPORTED, trial, {"step": 1, "values": reported})
        told.measure(trial, 1.0)
        watchful.event(told.events[-1], told.history)
    assert told.history.count(State.COMPLETE) == 3
    assert len(inner.notes) == bool(note) and all(note in said for said in inner.notes)
