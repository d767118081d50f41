"""R9: jumps of the wall clock neither expire a lease nor reorder events."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import pairwise

from matscout.cli.promises.laboratory import drop_schema, journals_of
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.scripted import TARGETS, Scripted
from matscout.cli.promises.tally import Tally
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit
from matscout.event import Event, EventKind
from matscout.outcome import Kind, Outcome
from matscout.parameter import Float
from matscout.propose.random import RandomProposer
from matscout.runfolder import RunFolder
from matscout.space import Space

_SPACE = Space((Float("x", 0.0, 1.0),))
_YEAR_S = 365.25 * 86400.0
_LEASE_S, _WORK_S, _SLOTS = 60.0, 10.0, 3
_JUMPS = 20
"""In one run, which has two sittings."""

_SILENT = 2
"""This trial's first attempt says nothing: its lease, and no other, is to run out."""


@dataclass
class _Jumping:
    """Monotonic seconds that go on as they do, and a wall clock that somebody keeps setting."""

    draw: random.Random
    now_s: float = 0.0
    wall_s: float = 1.8e9
    jumps: int = 0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.wall_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds

    def jump(self) -> None:
        self.wall_s += self.draw.uniform(-_YEAR_S, _YEAR_S)
        self.jumps += 1


@dataclass
class _Working(Scripted):
    """Each outcome takes time, and the clock jumps before it is told. One attempt hangs."""

    clock: _Jumping = field(default_factory=lambda: _Jumping(random.Random(0)))
    most: int = 0

    def poll(self, timeout_s: float) -> list[Outcome]:
        self.clock.advance(_WORK_S)
        if self.clock.jumps < self.most:
            self.clock.jump()
        hanging = [a for a in self.running if (a.trial, a.attempt) == (_SILENT, 1)]
        self.running = [a for a in self.running if a not in hanging]
        if hanging and _SILENT in self.cancelled:
            end = hanging[0]
            return [Outcome(end.trial, end.attempt, Kind.STOPPED, reason="killed")]
        said = super().poll(timeout_s)
        self.running += hanging
        return said


def keep(setting: Setting) -> Figure:
    tally = Tally()
    with journals_of(setting):
        for first in range(0, setting.rounds, _JUMPS):
            jumps = min(_JUMPS, setting.rounds - first)
            problem = _run(setting, first, jumps)
            for number in range(first, first + jumps):
                tally.round(number, problem)
    return tally.figure(
        "jumps of the wall clock by up to a year either way, before an outcome each"
    )


def _run(setting: Setting, number: int, jumps: int) -> str:
    """Two sittings with jumps beside a run without: what differs, but for the times of events."""
    events = [
        _events(setting, f"{number:04d}-{name}", number, most)
        for name, most in (("still", 0), ("jumps", jumps))
    ]
    still, jumped = ([(e.seq, e.kind, e.trial, e.attempt) for e in run] for run in events)
    if jumped != still:
        place = next((i for i, (a, b) in enumerate(zip(still, jumped, strict=False)) if a != b), -1)
        return f"event {place + 1} is {jumped[place]}, and {still[place]} without jumps"
    expired = [(e.trial, e.attempt) for e in events[1] if e.kind is EventKind.EXPIRED]
    if expired != [(_SILENT, 1)]:
        return f"leases ran out: {expired}, not that of the one silent attempt"
    backwards = sum(b.time < a.time for a, b in pairwise(events[1]))
    return "" if backwards or jumps < _JUMPS else "no jump back stands in the journal"


def _events(setting: Setting, name: str, seed: int, jumps: int) -> list[Event]:
    folder = RunFolder(setting.folder / name)
    clock = _Jumping(random.Random(f"{setting.seed} {seed}"))
    policy = Policy(trials=_JUMPS + 4, slots=_SLOTS, lease_s=_LEASE_S)
    create(folder, RunSpec("r", "sweep", _SPACE, TARGETS, policy, seed), clock)
    for trials in (_JUMPS // 2, _JUMPS + 4):
        if jumps:
            clock.jump()
        events = _sitting(folder, clock, _Working(_SLOTS, clock=clock, most=jumps), trials)
    drop_schema(folder)
    return events


def _sitting(folder: RunFolder, clock: _Jumping, fleet: _Working, trials: int) -> list[Event]:
    journal, history, spec = reopen(folder, clock)
    spec = replace(spec, policy=replace(spec.policy, trials=trials))
    try:
        sit(
            folder, journal, history, spec, proposer=RandomProposer(), start_fleet=lambda: fleet,
            clock=clock,
        )  # fmt: skip
        return list(journal.read())
    finally:
        journal.close()


PROMISE = Promise(
    id="R9",
    said="Clock jumps neither expire a lease nor reorder events",
    test="an injected wall clock jumps by up to a year before outcomes and between sittings; the "
    "journal must be that of a run without jumps, and the one silent attempt loses its lease in time",
    small=20,
    full=200,
    keep=keep,
)
