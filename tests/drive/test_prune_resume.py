"""Early stopping survives the driver: same rungs, same prunes, same suggestions (promise R5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from matscout import failpoint
from matscout.checkpoint import Checkpoint
from matscout.clock import VirtualClock
from matscout.drive.absorb import events_for
from matscout.drive.policy import Policy
from matscout.drive.prune import Median, Pruner, SuccessiveHalving
from matscout.drive.prune_hyperband import Hyperband
from matscout.drive.prune_patience import Patience
from matscout.drive.prune_percentile import Percentile
from matscout.drive.prune_resume import retold
from matscout.drive.prune_wilcoxon import Wilcoxon
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.drive.thaw import Thaw
from matscout.evaluate.base import Context
from matscout.event import Event, EventKind
from matscout.fleet.base import Fleet
from matscout.fleet.simulated import SimulatedFleet
from matscout.fleet.worker import run_attempt
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Kind, Outcome
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, Proposal, Report, State, Target

STEPS = 8
SPEC = RunSpec(
    name="r",
    kind="sweep",
    space=Space((Float("x", 0, 1),)),
    targets=(Target("y"),),
    policy=Policy(trials=30, slots=4),
    seed=7,
)
PRUNERS: dict[str, Callable[[], Pruner]] = {
    "asha": lambda: SuccessiveHalving(min_step=1, factor=2),
    "hyperband": lambda: Hyperband(max_step=STEPS, factor=2),
    "median": lambda: Median(min_step=2, min_trials=3),
    "percentile": lambda: Percentile(keep=40, min_step=2, min_trials=3),
    "wilcoxon": lambda: Wilcoxon(p=0.2, reports="fold"),
    "patience": lambda: Patience(steps=3),
}


def value(trial: int, x: float, step: int) -> float:
    return 0.3 * x + 0.3 / step + ((trial * 7919 + step * 104729) % 97) / 97


@dataclass
class Trainers:
    """Workers that save after each step, in `disk`, which outlives them. One outcome a poll, of an
    attempt that follows from who runs and how far each has come. Taken up again, a trainer says
    first what it had said last, as ours do: it cannot know whether that was heard.
    """

    disk: dict[int, int]
    slots: int = 4
    running: dict[int, Assignment] = field(default_factory=dict)
    ready: list[Outcome] = field(default_factory=list)

    def submit(self, assignment: Assignment) -> None:
        self.running[assignment.trial] = assignment
        if self.disk.get(assignment.trial):
            self.ready.append(self.said(assignment))

    def said(self, a: Assignment) -> Outcome:
        step = self.disk[a.trial]
        y = value(a.trial, float(a.params["x"]), step)
        return Outcome(a.trial, a.attempt, Kind.REPORTED, step, {"y": y}, checkpoint=True)

    def poll(self, timeout_s: float) -> list[Outcome]:
        if self.ready:
            return [self.ready.pop(0)]
        state = sorted((t, self.disk.get(t, 0)) for t in self.running)
        if not state:
            return []
        trial, step = state[sum(7 * t + 3 * s for t, s in state) % len(state)]
        a = self.running[trial]
        if step == STEPS:
            del self.running[trial]
            y = value(trial, float(a.params["x"]), STEPS)
            return [Outcome(trial, a.attempt, Kind.MEASURED, values={"y": y}, cost_s=1.0)]
        self.disk[trial] = step + 1
        return [self.said(a)]

    def cancel(self, trial: int) -> None:
        a = self.running.pop(trial)
        self.ready.insert(0, Outcome(trial, a.attempt, Kind.STOPPED, reason="as asked"))

    def acknowledge(self, outcome: Outcome) -> None:
        pass

    def close(self) -> None:
        pass


class Watching:
    """Proposes from everything that is known: values, reports of what was pruned, what is pending."""

    name = "watching"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        known = sum((i + 1) * t.reports[-1].values["y"] for i, t in enumerate(history.finished))
        pruned = sum(t.id for t in history.finished if t.state is State.PRUNED)
        pending = sum(t.id for t in history.pending)
        start = seed / 2**33 + (known * 1e-3 + pruned * 1e-4 + pending * 1e-5) % 0.4
        return [Proposal({"x": min(start, 1.0)}) for _ in range(n)]


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


def sitting(
    folder: RunFolder,
    pruner: Pruner,
    disk: dict[int, int],
    fleet: Fleet | None = None,
    clock: VirtualClock | None = None,
    thaw: bool = False,
) -> bool:
    """Whether it came to its end; False if it was killed."""
    clock = clock or VirtualClock()
    journal, history, spec = reopen(folder, clock)
    try:
        sit(
            folder,
            journal,
            history,
            spec,
            proposer=Watching(),
            start_fleet=lambda: fleet or Trainers(disk),
            pruner=pruner,
            clock=clock,
            thaw=Thaw(pruner) if thaw else None,
        )
        return True
    except OSError:
        return False
    finally:
        journal.close()


def made(root: Path) -> RunFolder:
    folder = RunFolder.of(SPEC.name, root)
    create(folder, SPEC)
    return folder


def story(folder: RunFolder) -> list[Any]:
    """Of each trial: what was suggested, how it ended and why, and everything it reported."""
    history, _ = load(folder)
    return [
        (dict(t.params), t.state, t.reason, dict(t.values), [(r.step, dict(r.values)) for r in t.reports])
        for t in history.trials
    ]  # fmt: skip


def thaws(folder: RunFolder) -> list[tuple[int | None, str, int]]:
    """What was gone on with, in that order."""
    with Journal.read_only(folder) as journal:
        thawed = [e for e in journal.read() if e.kind is EventKind.THAWED]
    return [(e.trial, e.body["reason"], e.body["step"]) for e in thawed]


PLACES = (
    "loop.before_acknowledge",
    "journal.after_commit",
    "loop.before_submit",
    "loop.before_asked",
)


@pytest.mark.parametrize(
    ("name", "thaw"),
    [
        pytest.param(
            name,
            thaw,
            id=f"{name}-{'thaw' if thaw else ''}",
            marks=[pytest.mark.slow] if thaw and name == "wilcoxon" else [],
        )
        for name in PRUNERS
        for thaw in (False, True)
    ],
)
def test_killed_twenty_times_it_is_the_unbroken_sweep(
    tmp_path: Path, name: str, thaw: bool
) -> None:
    unbroken = made(tmp_path / "unbroken")
    assert sitting(unbroken, PRUNERS[name](), {}, thaw=thaw)
    expected = story(unbroken)
    states = [state for _, state, *_ in expected]
    assert states.count(State.PRUNED) >= 4 and State.COMPLETE in states
    assert bool(thaws(unbroken)) == (thaw and name != "patience")  # which sees no other

    folder, disk, kills = made(tmp_path / "killed"), dict[int, int](), 0
    while True:
        place = PLACES[kills % len(PLACES)]
        failpoint.arm(f"{place}:{2 + kills % 5 if kills % 4 > 1 else 4 + kills % 6}:raise")
        over = sitting(folder, PRUNERS[name](), disk, thaw=thaw)
        failpoint.arm("")
        if over:
            break
        kills += 1
    assert kills >= 20
    assert story(folder) == expected and thaws(folder) == thaws(unbroken)


def test_killed_at_every_moment_around_a_prune(tmp_path: Path) -> None:
    """Between the report and the word `pruned` lies a kill that must not be an amnesty."""
    unbroken = made(tmp_path / "unbroken")
    assert sitting(unbroken, PRUNERS["asha"](), {})
    expected = story(unbroken)
    for moment in range(2, 60, 5):
        folder, disk = made(tmp_path / str(moment)), dict[int, int]()
        failpoint.arm(f"loop.before_acknowledge:{moment}:raise")
        assert not sitting(folder, PRUNERS["asha"](), disk)
        failpoint.arm("")
        assert sitting(folder, PRUNERS["asha"](), disk)
        assert story(folder) == expected, moment


class Saving:
    """An evaluator that saves after every step and goes on from there, saying the last one again."""

    costly = False

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        assert context.checkpoints is not None
        found = context.checkpoints.load([])
        step, x = found.step if found else 0, float(params["x"])
        if step:
            yield Report(step, {"y": value(context.trial, x, step)}, checkpoint=True)
        while step < STEPS:
            if context.should_stop():
                return
            step += 1
            context.checkpoints.save(Checkpoint(step=step, arrays={}, state={}))
            yield Report(step, {"y": value(context.trial, x, step)}, checkpoint=True)
        yield Measurement({"y": value(context.trial, x, STEPS)})


def test_the_simulated_fleet_with_real_checkpoints_forgets_nothing(tmp_path: Path) -> None:
    """One worker, since the order of completion of several changes with what a kill delays."""
    spec = replace(SPEC, policy=Policy(trials=22, slots=1))

    def sweep(root: Path, kill: bool) -> tuple[RunFolder, int]:
        folder, kills = RunFolder.of(spec.name, root), 0
        create(folder, spec)
        while True:
            clock = VirtualClock()
            fleet = SimulatedFleet(Saving, spec.targets, folder, 1, clock)
            failpoint.arm(
                f"{PLACES[kills % 4]}:{1 + kills % 3 + 3 * (kills % 4 < 2)}:raise" if kill else ""
            )
            over = sitting(folder, PRUNERS["asha"](), {}, fleet, clock)
            failpoint.arm("")
            if over:
                return folder, kills
            kills += 1

    unbroken, _ = sweep(tmp_path / "unbroken", kill=False)
    killed, kills = sweep(tmp_path / "killed", kill=True)
    assert kills >= 20 and story(killed) == story(unbroken)
    assert {state for _, state, *_ in story(killed)} == {State.PRUNED, State.COMPLETE}


def test_what_was_decided_is_told_again_as_it_was_then() -> None:
    """Trial 0 was first at step 1 and went on; by now it would be last. Trial 3 had to end."""
    history, events = History(), list[Event]()

    def say(kind: EventKind, trial: int | None = None, body: Any = None) -> None:
        events.append(Event(kind, trial, None if trial is None else 1, body or {}))
        history.apply(events[-1])

    say(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "min"}]})
    for trial in range(4):
        say(EventKind.ASKED, trial, {"params": {"x": 0.0}})
        say(EventKind.DISPATCHED, trial)
    for trial, y in enumerate((4.0, 3.0, 2.0, 5.0)):
        say(EventKind.REPORTED, trial, {"step": 1, "values": {"y": y}})
    say(EventKind.MEASURED, 2, {"values": {"y": 2.0}})
    judged = retold(events, history, SuccessiveHalving(1, 2))
    assert judged.heard == {0: 1, 1: 1, 3: 1}
    assert judged.sentenced == {3: "place 4 of 4 at step 1"}
    (ending,) = judged.endings(history, [])
    assert (ending.kind, ending.trial, ending.body["step"]) == (EventKind.PRUNED, 3, 1)
    late = Outcome(3, 1, Kind.MEASURED, values={"y": 1.0})
    assert judged.endings(history, [late]) == []
    with_nobody = retold(events, history, None)
    assert (with_nobody.heard, with_nobody.sentenced) == ({}, {})


def test_what_a_finished_worker_reported_unheard_is_in_its_outbox(tmp_path: Path) -> None:
    """A worker ran to its end while its driver was dead: its reports are on every rung all the same."""
    spec = replace(SPEC, policy=Policy(trials=6, slots=1))
    unbroken, killed = (RunFolder.of(spec.name, tmp_path / k) for k in ("unbroken", "killed"))
    for folder in (unbroken, killed):
        create(folder, spec)
    clock = VirtualClock()
    fleet = SimulatedFleet(Saving, spec.targets, unbroken, 1, clock)
    assert sitting(unbroken, Patience(steps=STEPS), {}, fleet, clock)

    clock = VirtualClock()
    fleet = SimulatedFleet(Saving, spec.targets, killed, 1, clock)
    failpoint.arm("journal.after_commit:5:raise")
    assert not sitting(killed, Patience(steps=STEPS), {}, fleet, clock)
    failpoint.arm("")
    ((trial, attempt),) = load(killed)[0].in_flight.items()
    heard = len(load(killed)[0].trials[trial].reports)
    x = load(killed)[0].trials[trial].params
    run_attempt(Saving(), Assignment(trial, attempt, x), spec.targets, killed, lambda outcome: None)
    assert 0 < heard < STEPS
    clock = VirtualClock()
    assert sitting(killed, Patience(steps=STEPS), {}, SimulatedFleet(Saving, spec.targets, killed, 1, clock), clock)  # fmt: skip
    assert story(killed) == story(unbroken)
    assert load(killed)[0].trials[trial].attempts == 1


def test_what_is_said_after_the_sentence_counts_for_nothing(tmp_path: Path) -> None:
    """Nor is anything recorded twice: others are compared with what was known, whoever was slow."""
    history, seen = History(), list[EventKind]()

    def apply(kind: EventKind, trial: int | None = None, body: Any = None) -> None:
        history.apply(Event(kind, trial, None if trial is None else 1, body or {}))

    apply(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "min"}]})
    apply(EventKind.ASKED, 0, {"params": {"x": 0.0}})
    apply(EventKind.DISPATCHED, 0)
    policy = Policy(trials=1)
    for step, y, stopping in (
        (1, 1.0, ""),
        (2, 2.0, ""),
        (1, 1.0, ""),
        (2, 2.0, ""),
        (3, 3.0, "r"),
    ):
        said = Outcome(0, 1, Kind.REPORTED, step, {"y": y})
        events = events_for(history, said, policy, stopping)
        seen += [event.kind for event in events]
        for event in events:
            history.apply(event)
    assert seen == [EventKind.REPORTED] * 2
    other = events_for(history, Outcome(0, 1, Kind.REPORTED, 2, {"y": 2.5}), policy)
    assert [event.body for event in other] == [{"step": 2, "values": {"y": 2.5}}]
