"""How busy thousands of simulated workers are kept when everything that the driver does takes time.

The run is a real one: the loop, its policy and a durable journal; only the workers and the clock are
simulated. Measured, the virtual clock moves on by every CPU second that the driver uses (suggestions,
folding, journalling), while the workers work on. CPU seconds are what it takes on a core of its own,
whatever else this machine does. With times given, it moves on by those alone, and the run is the same
to the bit for a seed.

Overlapped, the next queue is thought out on a core of its own: its seconds pass on the virtual clock,
but the driver goes on meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from matscout.cli.registry import PROPOSERS
from matscout.clock import VirtualClock
from matscout.drive.overlap import NextQueue
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit, versions
from matscout.drive.thought import OnClock, Thought
from matscout.errors import InputError, did_you_mean
from matscout.evaluate.base import Context
from matscout.fleet.simulated import SimulatedFleet
from matscout.history import History
from matscout.outcome import Assignment
from matscout.parameter import Float
from matscout.propose.base import Proposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, Proposal, Target

_SPACE = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(6)))
MOST_AHEAD = 64
"""A queue of 64 lasts 1,920 workers two seconds, which is more than TPE takes to make the next one."""

_AT = (50, 200, 1000, 5000)
"""Trials asked for around which a suggestion's time is told."""


@dataclass(frozen=True)
class Options:
    """Every worker gets `each` trials on average. `ask_s` are seconds for each proposal of an ask,
    None to measure. A trial takes `trial_s`, by `spread` of it more or less, uniformly. `batch`
    are asked for at a time and as many wait in the queue; unset, half as many as there are
    workers, 64 at most; 0 asks for each when a worker is done. `overlap` begins what waits while the
    next queue is thought out, which begins with the first of this one: one more wait than there are
    workers, so that all of them may come free at once."""

    workers: int = 1920
    each: int = 3
    proposer: str = "auto"
    batch: int | None = None
    trial_s: float = 60.0
    spread: float = 0.0
    ask_s: float | None = None
    seed: int = 0
    overlap: bool = False

    def policy(self) -> Policy:
        trials, workers = self.each * self.workers, self.workers
        if self.overlap:
            return Policy(trials, workers, batch=1, ahead=workers + 1, overlap=True)
        batch = max(1, min(workers // 2, MOST_AHEAD)) if self.batch is None else self.batch
        return Policy(trials, workers, batch=max(batch, 1), ahead=batch)


def utilisation(options: Options) -> dict[str, Any]:
    """One run; see `table` for what its result says."""
    if options.proposer not in PROPOSERS:
        mend = did_you_mean(options.proposer, PROPOSERS)
        raise InputError("--proposer", f"no {options.proposer!r} here", mend)
    policy = options.policy()
    trials = policy.trials
    spec = RunSpec("bench", "sweep", _SPACE, (Target("y"),), policy, seed=options.seed)
    clock = VirtualClock()
    meter = _Meter(clock, options.ask_s)
    fleet = _Watched(options, trials, clock, meter)
    inner = _proposer(options.proposer, policy, options.trial_s)
    proposer = _Charged(inner, meter, fleet, policy.overlaps)
    with tempfile.TemporaryDirectory(prefix="matscout-bench-") as scratch:
        folder = RunFolder.of("bench", Path(scratch))
        create(folder, spec, clock)
        journal, history, spec = reopen(folder, clock)
        with journal:
            began_s = time.perf_counter()
            meter.start()
            sit(
                folder, journal, history, spec,
                proposer=proposer, start_fleet=lambda: fleet, clock=clock, think=proposer.think,
            )  # fmt: skip
            real_s = time.perf_counter() - began_s
            events = journal.last_seq
    return {
        "workers": options.workers,
        "trials": trials,
        "proposer": options.proposer,
        "batch": policy.batch,
        "ahead": policy.ahead,
        "overlap": policy.overlap,
        "trial_s": options.trial_s,
        "spread": options.spread,
        "given_ask_s": options.ask_s,
        "utilisation": round(fleet.utilisation, 4),
        "waited_s": round(fleet.waited_s, 3),
        "waited_for_suggestions_s": round(fleet.suggestions_s / trials, 3),
        "first_began_s": round(fleet.first_s, 3),
        "ended_s": round(clock.now_s, 3),
        "ask_ms": {str(at): ms for at in _AT if (ms := proposer.around(at)) is not None},
        "asks": len(proposer.asks),
        "driver_ms_per_trial": round(1e3 * meter.charged_s / trials, 2),
        "events": events,
        "events_per_s": round(events / real_s),
        "fingerprint": _fingerprint(history),
        "seed": options.seed,
        "cores": os.cpu_count(),
        "versions": versions(),
        "command": _command(options),
    }


def _command(options: Options) -> str:
    given = "" if options.ask_s is None else f" --ask-ms {1e3 * options.ask_s:g}"
    given += " --overlap" if options.overlap else ""
    return (
        f"matscout bench utilisation --workers {options.workers} --repeats {options.each} "
        f"--proposer {options.proposer} --spread {options.spread:g}{given}"
    )


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    given = result["given_ask_s"]
    charged = "measured" if given is None else f"given, {1e3 * given:g} ms a suggestion"
    lines = [
        f"{result['workers']} simulated workers, {result['trials']} trials of "
        f"{_times(result)} s, {result['proposer']}, {result['batch']} at a time, "
        f"{result['ahead']} ahead{', overlapped' if result['overlap'] else ''} (times {charged}):",
        f"  busy until the last trial began      {100 * result['utilisation']:7.2f} %",
        f"  a worker waited between two trials   {result['waited_s']:7.3f} s (mean)",
        f"  of which for suggestions             {result['waited_for_suggestions_s']:7.3f} s, "
        f"after those before the first trial ({result['first_began_s']:.3f} s)",
        f"  the driver, all told                 {result['driver_ms_per_trial']:7.2f} ms a trial",
    ]
    lines += [
        f"  a suggestion at {at:>5} trials          {ms:7.2f} ms (median)"
        for at, ms in result["ask_ms"].items()
    ]
    lines.append(f"  events journalled and folded         {result['events_per_s']:7} /s, real time")
    return "\n".join(lines)


def _times(result: dict[str, Any]) -> str:
    middle, away = result["trial_s"], result["trial_s"] * result["spread"]
    return f"{middle - away:g} to {middle + away:g}" if away else f"{middle:g}"


class _Meter:
    """Moves the virtual clock on by what the driver has used since it was last looked at."""

    def __init__(self, clock: VirtualClock, given_s: float | None) -> None:
        self.clock, self.given_s = clock, given_s
        self.charged_s = 0.0
        self._since_s = 0.0

    def start(self) -> None:
        """What was used before this is nobody's."""
        self._since_s = time.process_time()

    def used(self, proposals: int = 0) -> float:
        """Seconds since it was looked at last, or what is given for so many proposals."""
        if self.given_s is not None:
            return self.given_s * proposals
        return time.process_time() - self._since_s

    def pass_on(self, used_s: float) -> None:
        """Seconds of the driver."""
        self.clock.advance(used_s)
        self.charged_s += used_s
        self.start()

    def charge(self) -> None:
        self.pass_on(self.used())


class _Charged:
    """A proposer whose time passes on the virtual clock: the driver's, or that of another core."""

    def __init__(self, proposer: Proposer, meter: _Meter, fleet: _Watched, overlaps: bool) -> None:
        self.name = proposer.name
        self.asks: list[tuple[int, float]] = []  # trials asked for before, seconds a proposal
        self._proposer, self._meter, self._fleet, self._overlaps = proposer, meter, fleet, overlaps
        self._last_s = 0.0

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        self._meter.charge()
        proposals = self._proposer.propose(space, history, n, seed=seed)
        self._last_s = self._meter.used(len(proposals))
        if not self._overlaps:
            with self._fleet.waiting():
                self._meter.pass_on(self._last_s)
        self._meter.start()
        self.asks.append((len(history.trials), self._last_s / max(len(proposals), 1)))
        return proposals

    def think(self, work: Callable[[], NextQueue]) -> Thought[NextQueue]:
        return _Overlapped(work, self._fleet, lambda said: self._last_s)

    def around(self, trials: int) -> float | None:
        """Median milliseconds of the asks with 10 % more or fewer trials; None without any."""
        near = [s for known, s in self.asks if 0.9 * trials <= known <= 1.1 * trials]
        return round(1e3 * statistics.median(near), 2) if near else None


class _Watched(SimulatedFleet):
    """A simulated fleet that sees how busy it was until the last trial began."""

    def __init__(self, options: Options, trials: int, clock: VirtualClock, meter: _Meter) -> None:
        def duration(assignment: Assignment, rng: Any) -> float:
            return float(options.trial_s * rng.uniform(1 - options.spread, 1 + options.spread))

        super().__init__(
            _Valley, (Target("y"),), None, options.workers, clock, options.seed, duration
        )
        self._meter, self._trials, self._left = meter, trials, trials
        self.clock = clock
        self.utilisation = self.waited_s = self.suggestions_s = self.first_s = 0.0

    def submit(self, assignment: Assignment) -> None:
        super().submit(assignment)
        if self._left == self._trials:
            self.first_s = self.clock.now_s
        self._left -= 1
        if not self._left:
            span_s = self.slots * self._clock.now_s
            worked_s = self.worked_s()
            self.utilisation = worked_s / span_s
            self.waited_s = (span_s - worked_s) / self._trials

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While the clock moves in here, whoever is free or comes free waits for a suggestion."""
        began_s = self.clock.now_s
        yield
        if 0 < self._left < self._trials:
            now_s = self.clock.now_s
            free = len(self._free) * (now_s - began_s)
            done = (max(now_s - max(job.due_s, began_s), 0.0) for job in self._busy.values())
            self.suggestions_s += free + sum(done)

    def poll(self, timeout_s: float) -> list[Any]:
        self._meter.charge()
        outcomes = super().poll(timeout_s)
        self._meter.start()  # simulating is not the driver's work
        return outcomes


class _Overlapped(OnClock[NextQueue]):
    """A thought on another core; who has nothing to do until it is there waits for a suggestion."""

    def __init__(
        self, work: Callable[[], NextQueue], fleet: _Watched, takes_s: Callable[[NextQueue], float]
    ) -> None:
        super().__init__(work, fleet.clock, takes_s)
        self._fleet = fleet

    def done(self, within_s: float) -> bool:
        with self._fleet.waiting():
            return super().done(within_s)


@dataclass(frozen=True)
class _Valley:
    """Six parameters that count for less and less, with ripples."""

    costly: bool = False

    def evaluate(self, params: Params, context: Context) -> Iterator[Measurement]:
        total = 0.0
        for weight, value in enumerate(params.values(), start=1):
            away = float(value) - 0.3
            total += (away * away + 0.02 * ((10.0 * away) % 1.0)) / weight
        yield Measurement({"y": total})


def _proposer(name: str, policy: Policy, trial_s: float) -> Proposer:
    module, _, made = PROPOSERS[name].partition(":")
    options = (policy.trials, policy.slots, trial_s) if name == "auto" else ()
    proposer: Proposer = getattr(import_module(module), made)(*options)
    return proposer


def _fingerprint(history: History) -> str:
    """Of every trial, in the order of completion."""
    whole = [[t.id, dict(t.params), dict(t.values), t.finished_at] for t in history.finished]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
