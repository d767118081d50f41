"""The exam of every fleet. One fleet of each kind serves all tests of this file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.evaluate.bad_lab import ByOrder, ByParts
from matscout.evaluate.function import FunctionEvaluator
from matscout.fleet.base import EvaluatorFactory, Fleet, Queueing
from matscout.fleet.divided import Divided
from matscout.fleet.inline import Inline
from matscout.fleet.outbox import Outbox
from matscout.fleet.part import DONE, one_part
from matscout.fleet.process import ProcessFleet
from matscout.fleet.simulated import SimulatedFleet
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

TARGETS = (Target("y"),)
PATIENCE_S = 60.0
GRACE_S = 1.0


def second(assignment: Assignment, rng: object) -> float:
    return 1.0


DIVIDED = "divided-"
KINDS = ["inline", "simulated", "process", "ray"]
# A part has one thing to say, so one that waits to be stopped would stop the virtual clock.
ALL_KINDS = [*KINDS, DIVIDED + "inline", DIVIDED + "process"]


def make_fleet(
    kind: str,
    folder: RunFolder,
    factory: EvaluatorFactory | None = None,
    slots: int = 2,
    targets: tuple[Target, ...] = TARGETS,
) -> Fleet:
    if kind.startswith(DIVIDED):
        whole = factory or ByParts
        inner = kind.removeprefix(DIVIDED)
        jobs = make_fleet(inner, folder.parts, partial(one_part, whole), slots, (DONE,))
        return Divided(jobs, whole, targets, folder, slots)
    return make_whole(kind, folder, factory or ByOrder, slots, targets)


def make_whole(
    kind: str,
    folder: RunFolder,
    factory: EvaluatorFactory,
    slots: int,
    targets: tuple[Target, ...],
) -> Fleet:
    if kind == "inline":
        return Inline(factory, targets, folder, slots=slots)
    if kind == "simulated":
        return SimulatedFleet(
            factory, targets, folder, slots, VirtualClock(), duration=second, grace_s=GRACE_S
        )
    if kind == "process":
        return ProcessFleet(factory, targets, folder, slots=slots, grace_s=GRACE_S)
    from matscout.fleet.ray_actors import RayFleet

    # A share that leaves room for a second fleet on the same two-core cluster.
    return RayFleet(factory, targets, folder, slots=slots, cpus=0.25, grace_s=GRACE_S)


@dataclass
class Rig:
    """A fleet at work, and the trials given to it so far."""

    kind: str
    fleet: Fleet
    folder: RunFolder
    trials: int = 0

    def submit(self, do: str, timeout_s: float | None = None, **params: Any) -> int:
        trial = self.trials
        self.trials += 1
        self.fleet.submit(Assignment(trial, 1, {"do": do, **params}, None, 7, timeout_s))
        return trial

    def hear(self, trial: int) -> list[Outcome]:
        """Everything up to the ending outcome of the only attempt there is, acknowledged."""
        heard: list[Outcome] = []
        until_s = time.monotonic() + PATIENCE_S
        while not heard or not heard[-1].ends_attempt:
            assert time.monotonic() < until_s, f"trial {trial} never ended: {heard}"
            heard += self.fleet.poll(1.0)
        assert {o.trial for o in heard} == {trial}
        self.fleet.acknowledge(heard[-1])
        return heard

    def ending(self, do: str, timeout_s: float | None = None, **params: Any) -> Outcome:
        return self.hear(self.submit(do, timeout_s, **params))[-1]

    def all_up(self) -> None:
        """Return once every slot has a worker at work: whoever is ready first takes what there is."""
        trials = {self.submit("until-stopped") for _ in range(self.fleet.slots)}
        reporting: set[int] = set()
        until_s = time.monotonic() + PATIENCE_S
        while trials:
            assert time.monotonic() < until_s, f"never at work: {trials - reporting}"
            for outcome in self.fleet.poll(1.0):
                reporting.add(outcome.trial)
                if outcome.ends_attempt:
                    trials.remove(outcome.trial)
                    self.fleet.acknowledge(outcome)
            if reporting >= trials:
                for trial in trials:
                    self.fleet.cancel(trial)

    def works(self) -> bool:
        """All slots do their duty."""
        trials = [self.submit("measure", x=2.0) for _ in range(self.fleet.slots)]
        heard: list[Outcome] = []
        until_s = time.monotonic() + PATIENCE_S
        while len(heard) < len(trials) and time.monotonic() < until_s:
            heard += self.fleet.poll(1.0)
        for outcome in heard:
            self.fleet.acknowledge(outcome)
        return sorted(o.trial for o in heard) == trials and all(
            o.values == {"y": 2.0} for o in heard
        )


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Rig]]:
    made: dict[str, Rig] = {}

    class Rigs(dict[str, Rig]):
        def __missing__(self, kind: str) -> Rig:
            folder = RunFolder(tmp_path_factory.mktemp(kind) / "run")
            folder.outbox.mkdir(parents=True)
            made[kind] = self[kind] = Rig(kind, make_fleet(kind, folder), folder)
            return made[kind]

    yield Rigs()
    pids = [pid for rig in made.values() for pid in getattr(rig.fleet, "pids", list)()]
    for rig in made.values():
        rig.fleet.close()
        rig.fleet.close()
    assert not [pid for pid in pids if is_alive(pid)], "close left workers behind"


@pytest.fixture(params=ALL_KINDS)
def rig(request: pytest.FixtureRequest, rigs: dict[str, Rig]) -> Rig:
    return rigs[request.param]


@pytest.fixture(
    params=["process", "ray", pytest.param(DIVIDED + "process", marks=pytest.mark.slow)]
)
def walled(request: pytest.FixtureRequest, rigs: dict[str, Rig]) -> Rig:
    """A fleet whose workers are processes of their own, which may die."""
    return rigs[request.param]


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# -- how an attempt may end ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "kind", "reason"),
    [
        ("measure", Kind.MEASURED, ""),
        ("say-number", Kind.MEASURED, ""),
        ("fail", Kind.FAILED, "the sample broke"),
        ("raise", Kind.CRASHED, "RuntimeError: the instrument's driver broke (bad_lab.py:"),
        ("memory", Kind.CRASHED, "out of memory: MemoryError: no room for the spectrum"),
        ("nothing", Kind.INVALID, "the evaluator returned nothing"),
        ("say-nan", Kind.INVALID, "y must be finite, got nan"),
        ("say-inf", Kind.INVALID, "y must be finite, got inf"),
        ("say-none", Kind.INVALID, "y must be a number, got nothing"),
        ("say-text", Kind.INVALID, "y must be a number, got str"),
        ("say-complex", Kind.INVALID, "y must be a number, got complex"),
        ("say-another", Kind.INVALID, "no value for y (got z)"),
    ],
)
def test_every_kind_of_ending(rig: Rig, do: str, kind: Kind, reason: str) -> None:
    outcome = rig.ending(do, x=1.5)
    assert outcome.kind is kind
    assert outcome.reason.startswith(reason)
    assert bool(outcome.values) == (kind is Kind.MEASURED)
    assert outcome.worker and outcome.cost_s >= 0
    assert rig.fleet.poll(0) == [], "an attempt ends once"


def test_what_is_said_after_a_measurement_counts_for_nothing(rig: Rig) -> None:
    ending = rig.ending("twice", x=4.0)
    assert ending.kind is Kind.MEASURED and ending.values == {"y": 4.0}
    assert rig.fleet.poll(0) == [] and Outbox(rig.folder.outbox).sweep() == []


def test_reports_come_first_and_in_order(rig: Rig) -> None:
    heard = rig.hear(rig.submit("report", n=30))
    assert [o.kind for o in heard] == [Kind.REPORTED] * 30 + [Kind.MEASURED]
    assert [o.step for o in heard[:-1]] == list(range(1, 31))
    assert all(o.values == {"y": o.step} for o in heard[:-1])


def test_an_attempt_that_is_asked_to_stop_stops(rig: Rig) -> None:
    trial = rig.submit("until-stopped")
    heard: list[Outcome] = []
    until_s = time.monotonic() + PATIENCE_S
    while not heard and time.monotonic() < until_s:
        heard = rig.fleet.poll(1.0)
    assert heard[0].kind is Kind.REPORTED, "reports are told while the attempt runs"
    rig.fleet.cancel(trial)
    ending = rig.hear(trial)[-1]
    assert (ending.kind, ending.reason) == (Kind.STOPPED, "stopped as asked")
    assert rig.works()


def test_a_timeout_asks_first(rig: Rig) -> None:
    ending = rig.ending("until-stopped", timeout_s=0.2)
    assert ending.kind is Kind.CRASHED
    assert ending.reason == "timeout after 0.2 s: stopped as asked"


def test_cancelling_what_is_unknown_does_nothing(rig: Rig) -> None:
    rig.fleet.cancel(10**6)
    assert rig.works()


# -- the outbox ---------------------------------------------------------------------------------


def test_the_outbox_holds_an_ending_until_it_is_acknowledged(rig: Rig) -> None:
    trial = rig.submit("measure", x=4.0)
    heard: list[Outcome] = []
    while not heard:
        heard = rig.fleet.poll(5.0)
    outbox = Outbox(rig.folder.outbox)
    assert [o for o in outbox.sweep() if o.trial == trial] == heard
    rig.fleet.acknowledge(heard[0])
    assert outbox.sweep() == []
    assert outbox.alive() == []


def test_nothing_is_left_in_the_folder_by_trials_that_keep_nothing(rig: Rig) -> None:
    rig.ending("measure")
    assert list(rig.folder.outbox.iterdir()) == []
    assert not (rig.folder.root / "work").exists()


# -- slots --------------------------------------------------------------------------------------


def test_more_than_the_slots_is_refused(rig: Rig) -> None:
    trials = {rig.submit("measure"), rig.submit("measure")}
    with pytest.raises(RuntimeError, match="no free slot"):
        rig.fleet.submit(Assignment(10**6, 1, {}))
    while trials:
        for outcome in rig.fleet.poll(5.0):
            rig.fleet.acknowledge(outcome)
            trials.remove(outcome.trial)


def test_twenty_trials_over_two_slots(rig: Rig) -> None:
    if rig.kind == "ray":
        rig.all_up()
    started, ended = [], []
    free = rig.fleet.slots
    while len(ended) < 20:
        while free and len(started) < 20:
            started.append(rig.submit("measure", x=float(len(started))))
            free -= 1
        for outcome in rig.fleet.poll(5.0):
            rig.fleet.acknowledge(outcome)
            ended.append(outcome)
            free += 1
    assert sorted(o.trial for o in ended) == started
    assert {o.trial - started[0]: o.values["y"] for o in ended} == {i: float(i) for i in range(20)}
    assert len({o.worker for o in ended}) == (1 if rig.kind.endswith("inline") else 2)


@pytest.mark.parametrize("kind", [*KINDS, DIVIDED + "process"])
def test_an_attempt_waits_for_its_worker_and_is_not_taken_for_silent(
    kind: str, rigs: dict[str, Rig], folder: RunFolder
) -> None:
    """Its lease begins when the work does, which `queued` tells."""
    if kind == "ray":
        assert rigs[kind].works()  # so that the cluster is there, and is not this fleet's to end
    fleet = make_fleet(kind, folder, slots=1)
    fleet.submit(Assignment(0, 1, {"do": "until-stopped"}))
    if kind != "simulated":  # there the worker begins at once
        assert isinstance(fleet, Queueing)
        assert list(fleet.queued) == [0]
    heard: list[Outcome] = []
    while not heard:
        heard = fleet.poll(5.0)
    assert heard[0].kind is Kind.REPORTED or kind.startswith(DIVIDED)
    if isinstance(fleet, Queueing):
        assert list(fleet.queued) == [] and fleet.notes() == []
    fleet.close()


@pytest.mark.slow
def test_a_cluster_with_fewer_places_than_slots_works_through_them(
    rigs: dict[str, Rig], folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no worker waits for one that has a place; none of it counts as crashed."""
    from matscout.fleet import ray_slot, running
    from matscout.fleet.ray_actors import RayFleet

    assert rigs["ray"].works()  # two workers with a quarter of a core each, of two cores
    monkeypatch.setattr(ray_slot, "TELL_AFTER_S", 0.0)
    monkeypatch.setattr(running, "START_S", 0.0)
    fleet = RayFleet(ByOrder, TARGETS, folder, slots=3, cpus=1.5, address="127.0.0.1:1")
    fleet.submit(Assignment(9, 1, {"do": "hang"}))
    fleet.cancel(9)
    (never,) = fleet.poll(5.0)
    assert (never.kind, never.reason) == (Kind.STOPPED, NEVER_BEGAN)
    for trial in range(3):
        fleet.submit(Assignment(trial, 1, {"x": float(trial)}))
    heard: list[Outcome] = []
    until_s = time.monotonic() + PATIENCE_S
    while len(heard) < 3 and time.monotonic() < until_s:
        heard += fleet.poll(1.0)
    told = fleet.notes()
    while "1 of 3 workers" not in told[-1] and time.monotonic() < until_s:
        assert fleet.poll(0.2) == []
        told += fleet.notes()
    fleet.close()
    assert [o.values for o in heard] == [{"y": 0.0}, {"y": 1.0}, {"y": 2.0}], heard
    assert len({o.worker for o in heard}) == 1
    assert told[-1].startswith("1 of 3 workers have a place in the Ray cluster; it has room for 1")


def test_big_params_arrive_whole(rig: Rig) -> None:
    assert rig.ending("measure", x=3.0, blob="ä" * 3_000_000).values == {"y": 3.0}


# -- workers that die ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "causes", [{"kill": "SIGKILL", "abort": "SIGABRT"}, {"segfault": "SIGSEGV", "exit": "exit"}]
)
def test_dead_workers_are_told_with_their_causes(walled: Rig, causes: dict[str, str]) -> None:
    expected = {walled.submit(do): cause for do, cause in causes.items()}
    until_s = time.monotonic() + PATIENCE_S
    while expected:
        assert time.monotonic() < until_s, f"never told: {expected}"
        for outcome in walled.fleet.poll(1.0):
            walled.fleet.acknowledge(outcome)
            assert outcome.kind is Kind.CRASHED
            assert outcome.reason.startswith("the worker died: ")
            assert expected.pop(outcome.trial) in outcome.reason
    assert Outbox(walled.folder.outbox).alive() == []
    assert walled.works()


def test_a_death_is_told_even_if_ray_never_fails_the_call(rigs: dict[str, Rig]) -> None:
    rig = rigs["ray"]
    assert rig.works()
    fleet: Any = rig.fleet
    trial = rig.submit("hang")
    (run,) = (ref for ref, (_, kind) in fleet._refs.items() if kind == "run")
    slot, _ = fleet._refs.pop(run)
    other = next(s for s in fleet._slots if s is not slot)
    # A second watch waits for the first, for as long as its actor lives.
    never = other.actor.watch.options(concurrency_group="watch").remote()
    fleet._refs[never] = slot, "run"
    os.kill(slot.pid, signal.SIGKILL)
    ending = rig.hear(trial)[-1]
    assert (ending.kind, ending.reason[:16]) == (Kind.CRASHED, "the worker died:")
    assert rig.works()


def test_a_worker_that_dies_idle_is_replaced(walled: Rig) -> None:
    assert walled.works()
    pid = walled.fleet.pids()[0]  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGKILL)
    until_s = time.monotonic() + PATIENCE_S
    while pid in walled.fleet.pids():  # type: ignore[attr-defined]
        assert walled.fleet.poll(0.05) == [], "there is no attempt to tell about"
        assert time.monotonic() < until_s
    assert walled.works()


def test_a_hanging_attempt_ends_with_all_its_children(walled: Rig, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    start_s = time.monotonic()
    ending = walled.ending("children", timeout_s=0.5, pids=str(pids))
    assert ending.kind is Kind.CRASHED
    assert ending.reason == "timeout after 0.5 s: killed"
    assert time.monotonic() - start_s < 10.5  # promise R11
    children = [int(line) for line in pids.read_text().split()]
    assert len(children) == 2
    assert not [pid for pid in children if is_alive(pid)]


def test_an_attempt_that_will_not_stop_is_killed(walled: Rig) -> None:
    assert walled.works()  # its workers are up: only an attempt that has begun must be killed
    trial = walled.submit("hang")
    assert walled.fleet.poll(0.1) == []
    walled.fleet.cancel(trial)
    ending = walled.hear(trial)[-1]
    assert ending.kind is Kind.STOPPED
    assert ending.reason.startswith("killed: it did not stop within")


# -- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_close_ends_busy_workers_and_may_be_called_twice(
    kind: str, rigs: dict[str, Rig], folder: RunFolder
) -> None:
    if kind == "ray":
        assert rigs[kind].works()  # so that the cluster is there, and is not this fleet's to end
    fleet = make_fleet(kind, folder, slots=1)
    rig = Rig(kind, fleet, folder)
    assert rig.works()
    rig.submit("until-stopped")
    assert fleet.poll(5.0)[0].kind is Kind.REPORTED
    pids = getattr(fleet, "pids", list)()
    fleet.close()
    fleet.close()
    assert not [pid for pid in pids if is_alive(pid)]
    assert fleet.poll(0) == []
    with pytest.raises(RuntimeError):
        fleet.submit(Assignment(99, 1, {}))
    assert Outbox(folder.outbox).alive() == []
    if kind == "ray":
        assert rigs[kind].works()


@pytest.mark.parametrize("kind", ["process", "ray"])
def test_workers_have_their_threads_pinned_and_find_the_users_module(
    kind: str, rigs: dict[str, Rig], folder: RunFolder, tmp_path: Path
) -> None:
    if kind == "ray":
        assert rigs[kind].works()
    (tmp_path / "looking.py").write_text(
        "import os, sys\n"
        "def look(params):\n"
        "    assert 'torch' not in sys.modules\n"
        "    return float(os.environ['OMP_NUM_THREADS'] + os.environ['MKL_NUM_THREADS'])\n"
    )
    factory = partial(FunctionEvaluator, "looking:look", folder=tmp_path)
    fleet = make_fleet(kind, folder, factory, slots=1)
    fleet.submit(Assignment(0, 1, {}))
    heard: list[Outcome] = []
    while not heard:
        heard = fleet.poll(5.0)
    fleet.close()
    assert heard[0].values == {"y": 11.0}, heard
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_factory_that_fails_is_a_crash_of_the_attempt(
    kind: str, rigs: dict[str, Rig], folder: RunFolder
) -> None:
    if kind == "ray":
        assert rigs[kind].works()
    factory = partial(FunctionEvaluator, "no_such_module_anywhere:f")
    fleet = make_fleet(kind, folder, factory, slots=1)
    fleet.submit(Assignment(0, 1, {}))
    heard: list[Outcome] = []
    while not heard:
        heard = fleet.poll(5.0)
    fleet.close()
    assert heard[0].kind is Kind.CRASHED
    assert "no module 'no_such_module_anywhere'" in heard[0].reason
