"""The whole loop in one thread: a run, its laboratory, its drivers and its people, from one seed (R19).

Loop, journal, history, resume, pruner, thaw, queue and fleet contract are the real ones, and so are the
worker's side of an attempt, its lock and its outbox; only benches, time and trouble are made up. A kill
is an exception that nothing catches: the transaction under way is gone, what stands in files stays.
What it cannot show: what the kernel does when a process dies, or the power (tests/faults does the
first).
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from matscout.drive.interrupt import Interrupt
from matscout.drive.loop import Observer
from matscout.drive.overlap import NextQueue, Think
from matscout.drive.run import RunSpec, create, sit, spec_of
from matscout.drive.thaw import Thaw
from matscout.drive.thought import OnClock
from matscout.errors import InputError, JournalUnavailable, RunFailed
from matscout.event import Event, EventKind
from matscout.failpoint import watched
from matscout.fleet.base import Fleet
from matscout.fleet.divided import Divided
from matscout.fleet.part import DONE, OnePart
from matscout.history import History
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.simulate import people, scenario, trouble
from matscout.simulate.asked_again import differing
from matscout.simulate.invariants import broken, broken_at_the_end
from matscout.simulate.laboratory import TARGET, Laboratory
from matscout.simulate.ledger import Ledger
from matscout.simulate.lost_answer import on_a_line
from matscout.simulate.proposer import Witness, obsolete
from matscout.simulate.scenario import Scenario
from matscout.simulate.trouble import JumpingClock, Killed, Trouble
from matscout.simulate.world import LabFleet, World
from matscout.trial import State

_SLACK_S = 1e-6

PEACEFUL = 6
"""Sittings without trouble, none of which ends a trial, after which a run runs in circles. More are
right where every attempt crashes: the engine gives up early, and each resume tries again."""


@dataclass
class Result:
    """What became of a seed. `problems` is empty where every invariant held. `sittings` are the ways in
    which sittings ended; `met` counts events by kind, and kills and the like by name."""

    seed: int
    problems: list[str] = field(default_factory=list)
    sittings: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    hash: str = ""
    """Of the journal's last event, and so of all: a seed gives the same each time, in one process."""


def simulate(seed: int, home: Path | None = None, given: Scenario | None = None) -> Result:
    """One run to its end, in a folder below `home` (default: one in memory where there is one)."""
    run = _Run(given or scenario.draw(seed), Path(tempfile.mkdtemp(dir=home or _in_memory())))
    try:
        with redirect_stderr(io.StringIO()):
            return run.result()
    finally:
        shutil.rmtree(run.home, ignore_errors=True)


def _in_memory() -> Path | None:
    memory = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
    return memory if memory.is_dir() else None


class _Watcher(Observer):
    """Keeps what it is told is on the disk, and looks at each lease that runs out."""

    def __init__(self, run: _Run, at: Trouble) -> None:
        self._run, self._at = run, at

    def event(self, event: Event, history: History) -> None:
        run = self._run
        run.seen.append(event)
        run.met[event.kind.value] += 1
        paused = self._at.disk_refused or self._at.answer_lost  # it may have been heard meanwhile
        if event.kind is EventKind.EXPIRED and not paused:
            lease_s = run.scenario.policy.lease_s
            heard_s = run.ledger.heard_s.get((event.trial or 0, event.attempt or 0), 0.0)
            silent_s = run.clock.now_s - heard_s
            if lease_s is None or silent_s < lease_s - _SLACK_S:
                run.ledger.say(f"trial {event.trial} expired after {silent_s:.3f} s of {lease_s}")


class _Run:
    def __init__(self, what: Scenario, home: Path) -> None:
        self.scenario, self.home = what, home
        self.folder = RunFolder(home / "run")
        self.rng = np.random.default_rng(np.random.SeedSequence(what.seed, spawn_key=(3,)))
        self.clock, self.ledger = JumpingClock(), Ledger()
        self.lab = Laboratory(what, self.ledger)
        self.peace = Trouble(self.clock, Interrupt())
        self.world = World(what, self.ledger, self.peace)
        self.seen: list[Event] = []
        self.sittings: list[str] = []
        self.met: Counter[str] = Counter()
        self.problems: list[str] = []
        self.hash = ""
        self.ended = 0

    def result(self) -> Result:
        spec = RunSpec(
            "run", "campaign", self.scenario.space, (TARGET,), self.scenario.policy,
            self.scenario.seed,
        )  # fmt: skip
        try:
            create(self.folder, spec, self.clock)
            self._to_the_end()
        except (Exception, Killed) as error:
            self.problems.append(f"{type(error).__name__}: {error}")
        found = [*self.problems, *self.ledger.problems]
        return Result(self.scenario.seed, found, self.sittings, self.met, self.hash)

    def _to_the_end(self) -> None:
        """Rough sittings, people in between; then peaceful ones until the run is over."""
        for _ in range(self.scenario.rough):
            interrupt = Interrupt()
            over = self._sitting(trouble.draw(self.rng, self.clock, interrupt))
            if self.problems:
                return
            if over and not self.scenario.people and not self.world.jobs:
                break
            if self.scenario.people and self.rng.random() < 0.7:
                people.act(self.scenario, self.folder, self.clock, self.ledger, self.rng)
        in_vain = 0
        while in_vain < PEACEFUL:
            ended = self.ended
            over = self._sitting(Trouble(self.clock, Interrupt()))
            if self.problems:
                return
            if over and not self.world.jobs and not any(self.folder.outbox.glob("*.json")):
                break
            self._outlast()
            in_vain = 0 if self.ended > ended else in_vain + 1
        else:
            self.problems.append(f"not over, and {PEACEFUL} sittings in peace ended no trial")
            return
        events: list[Event] = []
        with Journal.read_only(self.folder) as journal:
            self.hash = journal.verify(events.append).hash
        what = self.scenario
        stop = self._enough if what.enough else None
        self.problems += broken(events, self.lab, self.seen)
        self.problems += broken_at_the_end(events, self.lab)
        self.problems += differing(events, what.space, Witness(), what.seed, stop)

    def _outlast(self) -> None:
        """Whoever outlived a driver finishes, but for those that hang: somebody ends them."""
        for job in list(self.world.jobs):
            if job.fate == "hang":
                self.world.end(job)
        self.world.go_on(self.clock.now_s + 1e4, lambda: not self.world.jobs)

    def _sitting(self, at: Trouble) -> bool:
        """One driver, from its start to its end, whatever that is. Whether the run is over."""
        self.world.trouble = at
        history, events = History(), list[Event]()

        def replay(event: Event) -> None:
            history.apply(event)
            events.append(event)

        journal = Journal.open(self.folder, replay, self.clock)  # which verifies it
        spec = spec_of(self.folder, history)
        self.problems += broken(events, self.lab, self.seen)
        on_a_line(journal, at)
        try:
            with watched(at):
                how = self._drive(journal, history, spec, at)
        except Killed as place:
            how = f"killed at {place}"
            self.world.driver_died()
        except JournalUnavailable:
            how = "the disk was full"
        except RunFailed as error:
            how = str(error)
            if "still running" in how:
                self._end_the_hung()
        except InputError as error:
            how = str(error)
        finally:
            journal.close()
            self.ledger.look(self.folder)
        self.sittings.append(how)
        self.met["sittings"] += 1
        self.met["kills"] += at.dead
        self.met["disk refused"] += at.disk_refused
        self.met["answers lost"] += at.answer_lost
        self.met["clock jumps"] += sum(place <= at.passed for place in at.jumps)
        self.ended = history.endings
        return _is_over(how, history)

    def _drive(self, journal: Journal, history: History, spec: RunSpec, at: Trouble) -> str:
        what = self.scenario
        return sit(
            self.folder,
            journal,
            history,
            spec,
            proposer=Witness(),
            start_fleet=self._fleet,
            pruner=what.pruner,
            observer=_Watcher(self, at),
            interrupt=at.interrupt,
            clock=self.clock,
            stop=self._enough if what.enough else None,
            obsolete=obsolete if what.judges else None,
            thaw=Thaw(what.pruner) if what.thaws and what.pruner is not None else None,
            think=self._think(),
            pause=self.world.pause,
        )

    def _fleet(self) -> Fleet:
        slots = self.scenario.policy.slots
        if not self.scenario.parts:
            return LabFleet(self.world, self.lab, (TARGET,), self.folder, slots)
        inner = LabFleet(self.world, OnePart(self.lab), (DONE,), self.folder.parts, slots, True)
        return Divided(inner, lambda: self.lab, (TARGET,), self.folder, slots)

    def _think(self) -> Think:
        takes_s = self.scenario.think_s
        return partial(_thought, clock=self.clock, takes_s=takes_s)

    def _enough(self, history: History) -> str:
        done = history.count(State.COMPLETE)
        return f"{done} are enough" if done >= self.scenario.enough else ""

    def _end_the_hung(self) -> None:
        for job in list(self.world.jobs):
            if job.fate == "hang":
                self.world.end(job)


def _thought(
    work: Callable[[], NextQueue], clock: JumpingClock, takes_s: float
) -> OnClock[NextQueue]:
    return OnClock(work, clock, lambda said: takes_s)


def _is_over(how: str, history: History) -> bool:
    return bool(history.stopped) and how == history.stopped and how != "interrupted"
