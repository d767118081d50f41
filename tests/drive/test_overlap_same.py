"""The same run however long a thought takes, and wherever it is killed (promises R1, R5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from matscout import failpoint
from matscout.clock import SystemClock, VirtualClock
from matscout.drive.asking import Asking
from matscout.drive.loop import Loop
from matscout.drive.overlap import next_queue
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.drive.thought import OnClock
from matscout.event import Event, EventKind
from matscout.fleet.simulated import Faults, SimulatedFleet
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Outcome
from matscout.parameter import Float
from matscout.propose.base import Proposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Target

MakeLoop = Callable[..., Loop]
POLICY = Policy(trials=24, slots=4, batch=2, ahead=5, overlap=True)
SPEC = RunSpec("r", "sweep", Space((Float("x", 0, 1),)), (Target("y"),), POLICY, seed=7)


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


@pytest.fixture
def in_order(scripted: Any) -> Callable[..., Any]:
    """A fleet that completes in an order of its own, whatever the driver takes its time for: of two
    neighbours the later trial first."""

    class InOrder(scripted):  # type: ignore[misc]
        history: History = History()
        trials = 24

        def poll(self, timeout_s: float) -> list[Outcome]:
            first = min((a.trial for a in self.running), key=lambda i: i ^ 1, default=None)
            if first is None:
                return []
            partner = first ^ 1
            if partner > first and len(self.history.trials) <= partner < self.trials:
                return []
            self.pick = lambda running: [a.trial for a in running].index(first)
            return super().poll(timeout_s)  # type: ignore[no-any-return]

    return InOrder


def suggested(journal: Journal) -> list[tuple[Any, ...]]:
    """What was begun, and of which history it was chosen."""
    seen, out = 0, []
    for event in journal.read():
        if event.kind is EventKind.QUEUED:
            seen = event.body["seen"]
        elif event.kind is EventKind.ASKED:
            out.append(
                (event.trial, json.dumps(event.body["params"]), event.body["candidate"], seen)
            )
    return out


# -- the same, whatever the time it takes ------------------------------------------------------------


def test_the_same_trials_however_long_a_thought_takes(
    make_loop: MakeLoop, in_order: Any, tmp_path: Path, late: Any
) -> None:
    runs = []
    for number, looks in enumerate([(0,), (1,), (7,), (60,), (0, 25, 3)]):
        folder = RunFolder(tmp_path / str(number))
        folder.root.mkdir()
        with Journal.create(folder, VirtualClock()) as journal:
            made = journal.append(Event(EventKind.CREATED, body={"targets": [{"name": "y"}]}))
            fleet, history = in_order(slots=4), History(made)
            fleet.history = history
            loop = make_loop(
                journal=journal, history=history, fleet=fleet, policy=POLICY, think=late(*looks)
            )
            assert loop.run() == "budget of 24 trials used"
            # Also each event has its place: only the time that it took is another.
            events = [(e.kind, e.trial, e.body.get("seen")) for e in journal.read()]
            runs.append((suggested(journal), events))
    assert len(runs[0][0]) == 24
    assert all(run == runs[0] for run in runs[1:])


# -- killed ----------------------------------------------------------------------------------------


def sitting(folder: RunFolder, in_order: Any, counting: Any) -> str:
    """One sitting, with thoughts in threads; OSError if it was killed."""
    journal, history, spec = reopen(folder, VirtualClock())
    fleet = in_order(slots=4)
    fleet.history = history
    try:
        return sit(
            folder, journal, history, spec,
            proposer=counting(), start_fleet=lambda: fleet, clock=VirtualClock(),
        )  # fmt: skip
    finally:
        journal.close()


def made(root: Path, spec: RunSpec = SPEC) -> RunFolder:
    folder = RunFolder.of(spec.name, root)
    create(folder, spec)
    return folder


@pytest.mark.parametrize(
    "place",
    ["loop.thinking", "loop.before_asked", "loop.after_asked", "loop.before_submit", "journal.after_commit", "loop.before_acknowledge"],
)  # fmt: skip
def test_killed_in_mid_thought(tmp_path: Path, in_order: Any, counting: Any, place: str) -> None:
    """Wherever it is killed, the thought that was under way is thought again, of the same history."""
    unbroken = made(tmp_path / "unbroken")
    sitting(unbroken, in_order, counting)
    with Journal.read_only(unbroken) as journal:
        expected = [said[:3] for said in suggested(journal)]
    assert len(expected) == 24
    for nth in [1, 2, 4, 7]:
        folder = made(tmp_path / f"killed-{nth}")
        for armed in (f"{place}:{nth}:raise", f"{place}:{nth + 1}:raise", ""):
            failpoint.arm(armed)
            try:
                reason = sitting(folder, in_order, counting)
                break
            except OSError:
                continue
        failpoint.arm("")
        assert reason == "budget of 24 trials used"
        with Journal.read_only(folder) as journal:
            assert [said[:3] for said in suggested(journal)] == expected
        assert len(load(folder)[0].completed) == 24


def proposers() -> list[tuple[Callable[[], Proposer], Space, int]]:
    from matscout.propose.cma_es import CmaEsProposer
    from matscout.propose.gp import GpProposer
    from matscout.propose.tpe import TpeProposer

    plane = Space((Float("x", 0, 1), Float("z", 0, 1)))
    return [
        (TpeProposer, plane, 60),
        (lambda: GpProposer(startup=6), plane, 18),
        (CmaEsProposer, plane, 40),
    ]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["tpe", "gp", "cma_es"])
def test_every_suggestion_can_be_computed_again(
    make_loop: MakeLoop, scripted: Any, which: int
) -> None:
    """From the journal up to the event that it names, by a proposer that has never been asked."""
    make, space, trials = proposers()[which]
    policy = Policy(trials=trials, slots=4, batch=2, ahead=6, overlap=True)
    loop = make_loop(fleet=scripted(slots=4), space=space, proposer=make(), policy=policy, seed=3)
    assert loop.run() == f"budget of {trials} trials used"
    events = list(loop.journal.read())
    asking = Asking(space, make(), policy, 3, SystemClock())
    said = [e.body for e in events if e.kind is EventKind.QUEUED]
    assert len(said) == -(-trials // 6)
    for body in said:
        known = History(islice(iter(events), body["seen"]))
        again = next_queue(asking, known, body["seen"])
        assert [b["params"] for b in again.answer.bodies] == [b["params"] for b in body["trials"]]
        assert [b["why"] for b in again.answer.bodies] == [b["why"] for b in body["trials"]]


# -- a bad laboratory ---


class Minute:
    def evaluate(self, params: Any, context: Any) -> Iterator[Measurement]:
        yield Measurement({"y": float(params["x"])})


@pytest.mark.parametrize("seed", range(4))
def test_in_a_bad_laboratory_nothing_is_lost(
    tmp_path: Path, counting: Any, make_loop: MakeLoop, seed: int
) -> None:
    """Workers crash, hang, answer late and twice; thoughts take longer than experiments; the same twice."""
    faults = Faults(crash=0.1, hang=0.05, late=0.1, duplicate=0.1)

    def duration(assignment: Assignment, rng: Any) -> float:
        return float(rng.uniform(30, 90))

    def run(name: str) -> History:
        folder, clock = RunFolder(tmp_path / name), VirtualClock()
        folder.root.mkdir()
        policy = Policy(
            30, 5, batch=2, ahead=5, overlap=True, lease_s=300.0, timeout_s=400.0, max_crashes=9
        )
        with Journal.create(folder, clock) as journal:
            made = journal.append(Event(EventKind.CREATED, body={"targets": [{"name": "y"}]}))
            loop = make_loop(
                journal=journal,
                history=History(made),
                fleet=SimulatedFleet(
                    Minute, (Target("y"),), None, 5, clock, seed, duration, faults
                ),
                policy=policy,
                clock=clock,
                think=lambda work: OnClock(work, clock, lambda said: 20.0 * (said.seen % 11)),
            )
            assert loop.run() == "budget of 30 trials used"
            assert History(journal.read()).trials == loop.history.trials
            return loop.history

    history = run("once")
    assert len(history.completed) == 30 and not history.pending
    assert len({t.params["x"] for t in history.trials}) == 30
    assert history.trials == run("twice").trials
