"""R4: a late result is stored once, as a replicate, and nothing is overwritten."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import Driver, driving, last_words
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind
from matscout.fleet import process, running
from matscout.fleet.child import Child
from matscout.fleet.outbox import Outbox
from matscout.history import History
from matscout.journal import Journal

_LEASE_S = 0.5
_A_SITTING = 10
"""Late results that wait in the outbox for a driver."""

_LOOK_S = 0.01
_PATIENCE_S = 30.0
T = TypeVar("T")

# The first attempt at a trial stops its own process, as long as no other is stopped; when it is woken,
# it measures. Everybody else takes a while, or the budget would be gone.
_STOPS = """
import signal

def measure(params, context):
    note("begun", context.trial, context.attempt, os.getpid())
    if context.attempt == 1 and context.trial:
        try:
            os.close(os.open(HOME / "stopped", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            pass
        else:
            note("stopped", context.trial, 1, os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.02)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""


def keep(setting: Setting) -> Figure:
    tally = Tally()
    with journals_of(setting):
        near = setting.rounds // 2
        _in_time(setting, near, tally)
        _out_of_reach(setting, setting.rounds - near, tally)
    done = (
        f"{near} workers woken after their lease, before they were killed: theirs is the trial's value; "
        f"{setting.rounds - near} that nobody could kill, woken when a rival had finished: a replicate"
    )
    return tally.figure(done, {"lease, s": _LEASE_S})


def _laboratory(setting: Setting, name: str) -> Laboratory:
    return Laboratory.make(
        setting.folder / name, setting, trials=100_000, seed=setting.seed, oracle=_STOPS,
        proposer="random", run=f"lease_s = {_LEASE_S}",
    )  # fmt: skip


def _in_time(setting: Setting, rounds: int, tally: Tally) -> None:
    """The fleet gives a worker some seconds to end before it kills it: it answers in that time."""
    lab = _laboratory(setting, "in-time")
    woken: list[int] = []
    with driving(lab) as driver:
        watch = _Watch(lab, driver)
        try:
            while len(woken) < rounds:
                trial, pid = watch.until(watch.stopped, "no worker stopped")
                watch.wait(trial, EventKind.EXPIRED, "no lease ran out")
                os.kill(pid, signal.SIGCONT)
                watch.wait(trial, EventKind.MEASURED, "the late value is lost")
                woken.append(trial)
                _next_may_stop(lab)
        except (AssertionError, ProcessLookupError) as error:
            tally.round(f"in time, {len(woken)}", f"{error}: {last_words(lab)}", lost=1)
        _end(driver)
    done, history = lab.ledger().done, History(ledger.events_of(lab))
    for trial in woken:
        known = history.trials[trial]
        right = known.values["y"] == done[trial, 1] and not known.replicates
        problem = "" if right and known.attempts == 1 else f"trial {trial}: not its late value"
        tally.round(f"in time, trial {trial}", problem, doubled=len(known.replicates))
    drop_schema(lab.folder)


def _out_of_reach(setting: Setting, rounds: int, tally: Tally) -> None:
    """No signal reaches the worker, as over a network that is cut: it is given up alive, and leaves its
    result in the outbox for the next driver."""
    lab = _laboratory(setting, "out-of-reach")
    late: list[int] = []
    problem = ""
    while len(late) < rounds and not problem:
        with driving(lab, prepare=_cut_off) as driver:
            watch = _Watch(lab, driver, len(late))
            try:
                for _ in range(min(_A_SITTING, rounds - len(late))):
                    _next_may_stop(lab)
                    late.append(_outrun(watch, lab))
            except (AssertionError, ProcessLookupError) as error:
                problem = f"{error}: {last_words(lab)}"
                tally.round(f"out of reach, {len(late)}", problem, lost=1)
            driver.kill()
    with driving(lab) as driver:
        watch = _Watch(lab, driver, len(late))
        with suppress(AssertionError):  # which is what _judge says, of each
            for trial in late:
                watch.wait(trial, EventKind.REPLICATED, "")
        _end(driver)
    _judge(lab, late, tally)
    drop_schema(lab.folder)


def _outrun(watch: _Watch, lab: Laboratory) -> int:
    """Wait for a worker to stop and for a rival's value, wake the worker, wait for its own."""
    trial, pid = watch.until(watch.stopped, "no worker stopped")
    try:
        watch.wait(trial, EventKind.MEASURED, f"trial {trial}: no rival finished")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    result = Outbox(lab.folder.outbox).path(trial, 1)
    watch.until(result.exists, f"trial {trial}: the late value is lost")
    return trial


def _next_may_stop(lab: Laboratory) -> None:
    (lab.home / "stopped").unlink(missing_ok=True)


def _cut_off() -> None:
    """In the driver: a fleet that can neither signal its workers nor learn that they live, whose workers
    finish what they are at."""
    running.TERM_S = 0.05
    make = process.ProcessFleet.__init__

    def cut_off(self: process.ProcessFleet, *words: Any, **options: Any) -> None:
        make(self, *words, **(options | {"grace_s": 0.05, "costly": True}))

    def given_up(self: Child, patience_s: float) -> str:
        self._connection.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        return "out of reach"

    process.ProcessFleet.__init__ = cut_off  # type: ignore[method-assign]
    Child.signal_family = lambda self, signum: None  # type: ignore[method-assign]
    Child.reap = given_up  # type: ignore[method-assign]


def _end(driver: Driver) -> None:
    driver.signal(signal.SIGTERM)
    driver.ended()


class _Watch:
    """Follows the ledger and the journal of a run."""

    def __init__(self, lab: Laboratory, driver: Driver, before: int = 0) -> None:
        """`before`: how many workers have stopped in earlier sittings."""
        self._lab, self._driver = lab, driver
        self._seen = before
        self._journal: Journal | None = None
        self._seq = 0
        self._counts: Counter[tuple[int | None, EventKind]] = Counter()

    def stopped(self) -> tuple[int, int] | None:
        """(trial, pid) of the worker that has stopped now."""
        told = [words for words in self._lab.notes() if words[0] == "stopped"]
        if len(told) <= self._seen:
            return None
        _, trial, _, pid = told[-1]
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state != "T":
            return None
        self._seen = len(told)
        return int(trial), int(pid)

    def wait(self, trial: int, kind: EventKind, otherwise: str) -> None:
        """Until the trial has an event of this kind."""
        self.until(lambda: self._count(trial, kind), otherwise)

    def _count(self, trial: int, kind: EventKind) -> int:
        if self._journal is None:
            self._journal = Journal.read_only(self._lab.folder)
        for event in self._journal.read(self._seq):
            self._seq = event.seq
            self._counts[event.trial, event.kind] += 1
        return self._counts[trial, kind]

    def until(self, come: Callable[[], T | None], otherwise: str) -> T:
        """What `come` gives once it is something; AssertionError if it takes too long."""
        until_s = time.monotonic() + _PATIENCE_S
        while not (found := come()):
            if self._driver.ended(_LOOK_S) is not None or time.monotonic() > until_s:
                raise AssertionError(otherwise)
        return found


def _judge(lab: Laboratory, late: list[int], tally: Tally) -> None:
    """The rival's value is the trial's, the late one its replicate, each as it was measured."""
    events, done = ledger.events_of(lab), lab.ledger().done
    history = History(events)
    for number, trial in enumerate(late):
        known = history.trials[trial]
        rivals = next(e for e in events if e.trial == trial and e.kind is EventKind.MEASURED)
        replicates = [dict(m.values) for m in known.replicates]
        problem = ""
        if known.values["y"] != done[trial, rivals.attempt or 0] or rivals.attempt == 1:
            problem = f"trial {trial}: the rival's value was overwritten"
        elif replicates != [{"y": done[trial, 1]}]:
            problem = f"trial {trial}: replicates {replicates}, not {done[trial, 1]}"
        tally.round(
            f"out of reach, {number}", problem, lost=not replicates, doubled=len(replicates) > 1
        )


PROMISE = Promise(
    id="R4",
    said="A late result is stored once, as a replicate; nothing is overwritten",
    test="SIGSTOP to a worker, then SIGCONT: in half of the rounds when its lease has run out, before "
    "any rival has begun; in the others when a rival has finished, in a driver that was made unable to "
    "end its workers, and what comes late is for the next driver to find",
    small=2,
    full=100,
    keep=keep,
)
