"""Freeze–thaw: a trial that was stopped early goes on once it would not be stopped any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.checkpoint import Checkpoint
from matscout.cli import registry
from matscout.clock import VirtualClock
from matscout.drive.config import Part
from matscout.drive.policy import Policy
from matscout.drive.prune import Median, Pruner, SuccessiveHalving
from matscout.drive.prune_hyperband import Hyperband
from matscout.drive.prune_percentile import Percentile
from matscout.drive.prune_wilcoxon import Wilcoxon
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.drive.thaw import Thaw, thawed
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.event import Event, EventKind
from matscout.fleet.simulated import SimulatedFleet
from matscout.history import PERSON, History
from matscout.parameter import Float
from matscout.propose.random import RandomProposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, Report, State, Target

SPACE = Space((Float("x", 0.0, 1.0), Float("z", 0.0, 1.0)))


class Told:
    """A history of trials that reported, ended, and were thawed; smaller y is better."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.history = History()
        target = {"name": "y", "direction": "min"}
        self.say(EventKind.CREATED, None, {"targets": [target], "seed": 1})

    def say(self, kind: EventKind, trial: int | None, body: Any = None) -> None:
        self.events.append(Event(kind, trial, None if trial is None else 1, body or {}))
        self.history.apply(self.events[-1])

    def trial(self, *ys: float, end: EventKind | None = None, why: Any = None) -> int:
        number = len(self.history.trials)
        params = {"x": (number * 0.37) % 1, "z": (number * 0.61) % 1}
        self.say(EventKind.ASKED, number, {"params": params, "why": why or {}})
        self.say(EventKind.DISPATCHED, number)
        for step, y in enumerate(ys, start=1):
            self.say(EventKind.REPORTED, number, {"step": step, "values": {"y": y}})
        if end is EventKind.MEASURED:
            self.say(end, number, {"values": {"y": ys[-1]}, "cost_s": 3.0})
        elif end is not None:
            self.say(end, number, {"reason": "r", "cost_s": 2.0})
        return number


def test_it_goes_on_once_others_turned_out_worse() -> None:
    told, thaw = Told(), Thaw(SuccessiveHalving(min_step=1, factor=2))
    told.trial(1.0)
    told.trial(2.0, end=EventKind.PRUNED)
    assert thaw(told.history) is None
    told.trial(3.0)
    assert thaw(told.history) is None, "place 2 of 3 is below the best half, rounded down"
    told.trial(4.0)
    due = thaw(told.history)
    assert due is not None and (due.kind, due.trial, due.attempt) == (EventKind.THAWED, 1, None)
    assert due.body == {"reason": "not to be stopped at step 1 any more", "step": 1}
    told.history.apply(due)
    assert thaw(told.history) is None and told.history.trials[1].state is State.PENDING


def test_those_that_came_furthest_first_then_the_best_then_the_earliest() -> None:
    told, thaw = Told(), Thaw(SuccessiveHalving(min_step=1, factor=2))
    for y in (5.0, 4.0, 4.0):
        told.trial(y, end=EventKind.PRUNED)
    far = told.trial(6.0, 6.0, end=EventKind.PRUNED)
    for _ in range(8):
        told.trial(9.0, 9.0)
    order = []
    while (due := thaw(told.history)) is not None:
        order.append(due.trial)
        told.history.apply(due)
    assert order == [far, 1, 2, 0]


def test_what_has_diverged_stays_where_it_is() -> None:
    told, thaw = Told(), Thaw(SuccessiveHalving(min_step=1, factor=2))
    number = told.trial(1.0)
    told.say(EventKind.REPORTED, number, {"step": 2, "values": {}, "checkpoint": True})
    told.say(EventKind.PRUNED, number, {"reason": "not finite at step 2"})
    for _ in range(4):
        told.trial(9.0, 9.0)
    assert thaw(told.history) is None


def test_the_history_of_a_thawed_trial() -> None:
    told = Told()
    told.trial(1.0, end=EventKind.PRUNED)
    told.trial(2.0, end=EventKind.MEASURED)
    history = told.history
    told.events.append(thawed(history.trials[0], "a person's wish", by=PERSON))
    history.apply(told.events[-1])
    trial = history.trials[0]
    assert trial.open and trial.finished is None and trial.reason == ""
    assert [t.id for t in history.finished] == [1] and [t.id for t in history.pending] == [0]
    assert history.spared == {0} and history.count(State.PRUNED) == 0
    told.say(EventKind.DISPATCHED, 0)
    told.say(EventKind.REPORTED, 0, {"step": 2, "values": {"y": 0.5}})
    told.say(EventKind.MEASURED, 0, {"values": {"y": 0.5}, "cost_s": 4.0})
    trial = history.trials[0]
    assert trial.cost_s == 6.0, "before it was stopped and after"
    assert [t.id for t in history.finished] == [1, 0] and trial.values == {"y": 0.5}
    assert [r.step for r in trial.reports] == [1, 2]
    history.apply(thawed(trial, "too late"))
    assert history.trials[0].state is State.COMPLETE, "there is nothing left to go on with"
    again = History(told.events)
    assert list(again.trials) == list(history.trials) and again.spared == history.spared


RANKED: list[Callable[[], Pruner]] = [
    lambda: SuccessiveHalving(1, 2),
    lambda: Hyperband(max_step=4, factor=2),
    lambda: Median(min_trials=2),
    lambda: Percentile(min_trials=2),
    lambda: Wilcoxon(p=0.4),
]
curves = st.lists(st.integers(0, 9), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(curves, st.booleans()), min_size=3, max_size=12), st.sampled_from(RANKED))
def test_one_is_due_where_any_would_not_be_stopped(
    trials: list[tuple[list[int], bool]], make: Callable[[], Pruner]
) -> None:
    """Whoever is not asked about would be stopped, too; and it is followed, not recomputed."""
    told, thaw, pruner = Told(), Thaw(make()), make()
    for ys, pruned in trials:
        told.trial(*map(float, ys), end=EventKind.PRUNED if pruned else None)
        history = told.history
        frozen = [t for t in history.trials if t.state is State.PRUNED]
        free = {t.id for t in frozen if not pruner.verdict(history, t)}
        due = thaw(history)
        assert (due is None) == (not free) and (due is None or due.trial in free)
        fresh = Thaw(make())(History(told.events))
        assert fresh == due
        if due is not None and len(ys) % 2:
            told.say(EventKind.THAWED, due.trial, due.body)


@pytest.mark.parametrize("name", ["random", "sobol", "tpe", "cmaes", "nsga2", "qmc", "gp"])
def test_proposers_see_the_history_and_not_what_it_was(name: str) -> None:
    """Also one that was thawed: whoever was asked before says what is said by one who was not."""
    told = Told()
    options = {"tpe": {"startup": 2}, "gp": {"startup": 2}, "cmaes": {"population": 4}}.get(
        name, {}
    )
    warm = registry.proposer(Part(type=name, **options))
    for k in range(9):
        end = EventKind.PRUNED if k % 3 == 2 else EventKind.MEASURED
        told.trial(1.0 + (k * 7 % 5), end=end, why={"generation": k // 4})
    warm.propose(SPACE, told.history, 1, seed=3)
    for step in range(3):
        if step == 0:
            told.events.append(thawed(told.history.trials[2], "r"))
            told.history.apply(told.events[-1])
        elif step == 1:
            told.say(EventKind.REPORTED, 2, {"step": 2, "values": {"y": 0.1}})
        else:
            told.say(EventKind.MEASURED, 2, {"values": {"y": 0.1}, "cost_s": 1.0})
        fresh = registry.proposer(Part(type=name, **options))
        said = warm.propose(SPACE, told.history, 1, seed=step)
        assert said == fresh.propose(SPACE, History(told.events), 1, seed=step)


STEPS = 9
SPEC = RunSpec(
    name="r",
    kind="sweep",
    space=SPACE,
    targets=(Target("y"),),
    policy=Policy(trials=40, slots=4),
    seed=7,
)


class Saving:
    """Saves after every step and says all again when it is taken up; `done` counts the real work."""

    costly = False

    def __init__(self, done: Counter[tuple[int, int]]) -> None:
        self.done = done

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        assert context.checkpoints is not None
        found = context.checkpoints.load([])
        for step in range(1, STEPS + 1):
            if found is None or step > found.step:
                if context.should_stop():
                    return
                self.done[context.trial, step] += 1
                context.checkpoints.save(Checkpoint(step=step, arrays={}, state={}))
            y = float(params["x"]) / step + (context.trial * 7 + step * 3) % 5 / 9
            yield Report(step, {"y": y}, checkpoint=True)
        yield Measurement({"y": y})


def swept(root: Path, policy: Policy, thaw: bool) -> tuple[RunFolder, Counter[tuple[int, int]]]:
    folder, clock, pruner = RunFolder.of("r", root), VirtualClock(), SuccessiveHalving(1, 3)
    done = Counter[tuple[int, int]]()
    create(folder, RunSpec(**{**vars(SPEC), "policy": policy}))
    journal, history, spec = reopen(folder, clock)
    with journal:
        sit(
            folder, journal, history, spec, proposer=RandomProposer(), clock=clock, pruner=pruner,
            start_fleet=lambda: SimulatedFleet(
                lambda: Saving(done), spec.targets, folder, policy.slots, clock
            ),
            thaw=Thaw(pruner) if thaw else None,
        )  # fmt: skip
    return folder, done


@pytest.mark.parametrize(
    "policy",
    [
        Policy(trials=40, slots=4),
        Policy(trials=37, slots=1),
        Policy(trials=40, slots=4, ahead=3),
        Policy(trials=40, slots=4, batch=2),
    ],
    ids=["four", "one", "ahead", "batch"],
)
def test_a_sweep_goes_on_from_checkpoints_until_none_is_worth_it(
    tmp_path: Path, policy: Policy
) -> None:
    folder, done = swept(tmp_path, policy, thaw=True)
    history, _ = load(folder)
    again = [t for t in history.trials if t.attempts > 1]
    assert again and max(done.values()) == 1, "no step is worked through twice"
    assert len(history.trials) == policy.trials and not history.pending
    assert {t.state for t in history.trials} == {State.PRUNED, State.COMPLETE}
    for trial in history.trials:
        assert [r.step for r in trial.reports] == list(range(1, len(trial.reports) + 1))
        assert (len(trial.reports) == STEPS) >= (trial.state is State.COMPLETE), "full fidelity"
    assert Thaw(SuccessiveHalving(1, 3))(history) is None
    # At the end each rung is as successive halving would leave it: its best third has gone on.
    for rung, above in ((1, 2), (3, 4)):
        there = [t for t in history.trials if len(t.reports) >= rung]
        best = sorted(there, key=lambda t: t.reports[rung - 1].values["y"])[: len(there) // 3]
        assert all(len(t.reports) >= above for t in best)
    without, _ = swept(tmp_path / "without", policy, thaw=False)
    assert all(t.attempts == 1 for t in load(without)[0].trials)


def test_nothing_is_thawed_when_time_is_up(tmp_path: Path) -> None:
    folder, _ = swept(tmp_path, Policy(trials=40, slots=4, budget_s=1e-6), thaw=True)
    assert load(folder)[0].stopped == "budget of time used"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part(type="asha", thaw=1), "early_stopping.thaw: must be true or false, got 1"),
        (Part(type="patience", thaw=True), "early_stopping.thaw: 'patience' looks at no other"),
    ],
)
def test_mistakes_by_name(part: Part, message: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.thaw(part, registry.pruner(part))
    assert message in str(caught.value)
    assert registry.thaw(Part(type="asha", thaw=False), SuccessiveHalving()) is None
    assert registry.thaw(None, None) is None
