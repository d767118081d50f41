"""What happens to worker processes when their driver dies, and what cannot be sent to them."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from matscout.errors import InputError
from matscout.evaluate import process_tree
from matscout.evaluate.bad_lab import ByOrder
from matscout.fleet import running
from matscout.fleet.outbox import Outbox
from matscout.fleet.process import ProcessFleet
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

TARGETS = (Target("y"),)
PATIENCE_S = 30.0

DRIVER = """
import sys, time
from functools import partial
from pathlib import Path
from matscout.evaluate.bad_lab import ByOrder
from matscout.fleet.process import ProcessFleet
from matscout.outcome import Assignment
from matscout.runfolder import RunFolder
from matscout.trial import Target

root, order, costly = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "costly"
fleet = ProcessFleet(partial(ByOrder, costly), (Target("y"),), RunFolder(root), slots=1)
params = {"do": order, "seconds": 0.7, "pids": str(root / "pids"), "x": 5.0}
fleet.submit(Assignment(0, 1, params))
while not (root / "outbox" / "trial-000000-01.running").exists():
    fleet.poll(0.01)
if order == "children":
    while len((root / "pids").read_text().split()) < 2 if (root / "pids").exists() else True:
        fleet.poll(0.01)
print(*fleet.pids(), flush=True)
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(true: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > until_s:
            return False
        os.sched_yield()
    return True


def killed_driver(folder: RunFolder, order: str, costly: str) -> list[int]:
    """Start a driver, kill it while its worker is at work; the worker's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(folder.root), order, costly],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        pids = [int(word) for word in driver.stdout.readline().split()]
        driver.kill()
    assert pids
    return pids


def test_workers_die_with_their_driver_and_take_their_children_along(folder: RunFolder) -> None:
    (worker,) = killed_driver(folder, "children", "cheap")
    children = [int(line) for line in (folder.root / "pids").read_text().split()]
    assert eventually(lambda: not any(is_alive(pid) for pid in (worker, *children)))
    assert Outbox(folder.outbox).locks.void(0, 1), "a new driver may dispatch it again"
    assert Outbox(folder.outbox).sweep() == []


def test_a_costly_experiment_outlives_its_driver_and_its_result_waits(folder: RunFolder) -> None:
    (worker,) = killed_driver(folder, "wait", "costly")
    outbox = Outbox(folder.outbox)
    assert outbox.alive() == [(0, 1)]
    assert not outbox.locks.void(0, 1), "it must not be dispatched again"
    assert eventually(lambda: not is_alive(worker))
    assert outbox.alive() == []
    (result,) = outbox.sweep()
    assert (result.kind, result.values) == (Kind.MEASURED, {"y": 5.0})


@pytest.mark.parametrize("place", ["outbox.after_rename", "worker.before_report"])
def test_a_worker_that_dies_before_it_reports_has_had_its_say(
    folder: RunFolder, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise R2: the result is found in the outbox, and the experiment is not done again."""
    monkeypatch.setenv("MATSCOUT_FAILPOINT", f"{place}:2:kill")
    fleet = ProcessFleet(ByOrder, TARGETS, folder, slots=1)
    for trial in range(3):
        fleet.submit(Assignment(trial, 1, {"x": float(trial)}))
        heard: list[Outcome] = []
        while not heard:
            heard = fleet.poll(5.0)
        assert [(o.kind, o.values) for o in heard] == [(Kind.MEASURED, {"y": float(trial)})]
        fleet.acknowledge(heard[0])
    fleet.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_driver_without_a_descriptor_waits_and_forgets_no_last_word(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise R8: neither a death nor a start of a worker in such a moment ends the driver."""
    monkeypatch.setattr(process_tree, "_SURELY_S", 0.05)
    monkeypatch.setenv("MATSCOUT_FAILPOINT", "outbox.after_rename:2:kill")
    fleet = ProcessFleet(ByOrder, TARGETS, folder, slots=1)
    for trial in (0, 1):
        fleet.submit(Assignment(trial, 1, {"x": trial + 3.0}))
        if trial == 0:
            (outcome,) = fleet.poll(PATIENCE_S)
            fleet.acknowledge(outcome)
    assert eventually(lambda: not is_alive(fleet.pids()[0]))
    with no_descriptors():
        for _ in range(3):
            assert fleet.poll(0.02) == [], "it cannot know yet what became of it"
    (outcome,) = fleet.poll(PATIENCE_S)
    assert (outcome.kind, outcome.values) == (Kind.MEASURED, {"y": 4.0})
    fleet.acknowledge(outcome)
    monkeypatch.delenv("MATSCOUT_FAILPOINT")
    with no_descriptors():
        fleet.submit(Assignment(2, 1, {"x": 5.0}))
        assert fleet.poll(0.02) == fleet.poll(0.02) == []
        assert fleet.notes() == ["paused: no worker can be started (Too many open files)"]
        waiting = fleet._slots[0].running
        assert waiting is not None
        waiting.submitted_s -= 1000.0  # so long it has waited, which is no time of its worker's
        assert fleet.poll(0.02) == []
    (outcome,) = fleet.poll(PATIENCE_S)
    assert (outcome.kind, outcome.values) == (Kind.MEASURED, {"y": 5.0})
    assert fleet.notes() == []
    fleet.close()


def test_workers_do_not_hear_ctrl_c(folder: RunFolder) -> None:
    fleet = ProcessFleet(ByOrder, TARGETS, folder, slots=1)
    fleet.submit(Assignment(0, 1, {"do": "wait", "seconds": 0.3, "x": 1.0}))
    while not Outbox(folder.outbox).alive():
        assert fleet.poll(0.01) == []
    os.kill(fleet.pids()[0], signal.SIGINT)
    (outcome,) = fleet.poll(PATIENCE_S)
    assert outcome.kind is Kind.MEASURED
    fleet.close()


def test_what_workers_print_is_in_their_log(folder: RunFolder) -> None:
    fleet = ProcessFleet(ByOrder, TARGETS, folder, slots=1)
    fleet.submit(Assignment(0, 1, {"do": "exit"}))
    (outcome,) = fleet.poll(PATIENCE_S)
    fleet.close()
    assert outcome.reason == "the worker died: exit code 3: the instrument's driver gave up"
    log = (folder.root / "logs" / "process-0.log").read_text()
    assert "the instrument's driver gave up" in log


def test_cancelling_before_the_worker_is_up_starts_nothing(folder: RunFolder) -> None:
    fleet = ProcessFleet(ByOrder, TARGETS, folder, slots=1)
    fleet.submit(Assignment(0, 1, {"do": "hang"}))
    fleet.cancel(0)
    (outcome,) = fleet.poll(PATIENCE_S)
    assert (outcome.kind, outcome.reason) == (Kind.STOPPED, "cancelled before it began")
    fleet.close()


def test_a_driver_that_stood_still_hears_its_workers_before_it_judges_them(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that slept: by the clock the worker is late, and its word has long been there."""
    fleet = ProcessFleet(partial(ByOrder, False), TARGETS, folder, slots=1)
    try:
        fleet.submit(Assignment(0, 1, {"do": "measure", "x": 5.0}))
        (slot,) = fleet._slots
        assert slot.child is not None and select.select(slot.child.handles, [], [], PATIENCE_S)[0]
        monkeypatch.setattr(running, "START_S", -1.0)
        outcome = next(o for _ in range(100) for o in fleet.poll(PATIENCE_S) if o.ends_attempt)
        assert outcome.kind is Kind.MEASURED
    finally:
        fleet.close()


def test_a_factory_that_cannot_travel_is_refused_at_once(folder: RunFolder) -> None:
    for factory in (lambda: ByOrder(), partial(lambda costly: ByOrder(costly), True)):
        with pytest.raises(InputError, match="cannot be sent"):
            ProcessFleet(factory, TARGETS, folder)
    with pytest.raises(InputError, match="slots"):
        ProcessFleet(ByOrder, TARGETS, folder, slots=0)
