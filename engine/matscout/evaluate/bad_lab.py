"""Wrappers that make a good evaluator behave like a bad laboratory, by a seed.

For rehearsals: how would this campaign fare with noise, failures, crashes, lies? Each wraps an
evaluator made by `factory`, and meets its fault with probability `rate` per attempt; the draw
depends on the trial's seed, the attempt and the kind of fault alone. Wrappers nest.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.base import Context, Evaluator, Joining, Part
from matscout.trial import Measurement, Params, Report

Factory = Callable[[], Evaluator]
_LOOK_S = 0.005


class _Wrapper:
    """Draws whether this attempt meets the fault, and passes the rest on."""

    salt = 0

    def __init__(self, factory: Factory, rate: float = 1.0) -> None:
        if not 0 <= rate <= 1:
            raise InputError("bad_lab", f"rate must lie in [0, 1], got {rate!r}")
        self.inner = factory()
        self.rate = rate

    @property
    def costly(self) -> bool:
        return self.inner.costly

    def rng(self, context: Context) -> np.random.Generator:
        entropy = (context.seed, context.attempt, self.salt)
        return np.random.default_rng(np.random.SeedSequence(entropy))

    def unlucky(self, rng: np.random.Generator) -> bool:
        return bool(rng.random() < self.rate)


class Noisy(_Wrapper):
    """Adds Gaussian noise of standard deviation `sd` to every value. The sem is not told."""

    salt = 1

    def __init__(self, factory: Factory, sd: float, rate: float = 1.0) -> None:
        super().__init__(factory, rate)
        self.sd = sd

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        rng = self.rng(context)
        unlucky = self.unlucky(rng)
        for said in self.inner.evaluate(params, context):
            if unlucky and isinstance(said, Measurement):
                noise = self.sd * rng.standard_normal(len(said.values))
                noisy = {
                    k: v + float(e) for (k, v), e in zip(said.values.items(), noise, strict=True)
                }
                yield replace(said, values=noisy)
            else:
                yield said


class Slow(_Wrapper):
    """Takes `seconds` longer, and stops early when asked."""

    salt = 2

    def __init__(self, factory: Factory, seconds: float, rate: float = 1.0) -> None:
        super().__init__(factory, rate)
        self.seconds = seconds

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        if self.unlucky(self.rng(context)) and not _waited(self.seconds, context):
            return
        yield from self.inner.evaluate(params, context)


class Hanging(_Wrapper):
    """Never ends and hears nothing: neither `should_stop` nor SIGTERM."""

    salt = 3

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        if self.unlucky(self.rng(context)):
            hang()
        yield from self.inner.evaluate(params, context)


class Crashing(_Wrapper):
    """Takes its whole process down, or raises, before anything is measured."""

    salt = 4

    def __init__(self, factory: Factory, how: Crash = "kill", rate: float = 1.0) -> None:
        super().__init__(factory, rate)
        self.how: Crash = how

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        if self.unlucky(self.rng(context)):
            crash(self.how)
        yield from self.inner.evaluate(params, context)


class Failing(_Wrapper):
    """The experiment does not work."""

    salt = 5

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        if self.unlucky(self.rng(context)):
            raise ExperimentFailed("the sample broke")
        yield from self.inner.evaluate(params, context)


class Lying(_Wrapper):
    """Says `value` for every target, whatever was measured: NaN, text, nothing, …"""

    salt = 6

    def __init__(self, factory: Factory, value: Any, rate: float = 1.0) -> None:
        super().__init__(factory, rate)
        self.value = value

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        unlucky = self.unlucky(self.rng(context))
        for said in self.inner.evaluate(params, context):
            if unlucky and isinstance(said, Measurement):
                yield replace(said, values=dict.fromkeys(said.values, self.value))
            else:
                yield said


class Duplicating(_Wrapper):
    """Says a measurement again, off by `shift`: an instrument whose driver sends twice."""

    salt = 7

    def __init__(self, factory: Factory, shift: float = 0.0, rate: float = 1.0) -> None:
        super().__init__(factory, rate)
        self.shift = shift

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        unlucky = self.unlucky(self.rng(context))
        for said in self.inner.evaluate(params, context):
            yield said
            if unlucky and isinstance(said, Measurement):
                yield replace(said, values={k: v + self.shift for k, v in said.values.items()})


Crash = Literal["kill", "abort", "segfault", "exit", "memory", "raise"]


def crash(how: Crash) -> None:
    """End this process, or this attempt, in one of the ways in which that happens."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "abort":
        os.abort()
    elif how == "segfault":
        signal.raise_signal(signal.SIGSEGV)
    elif how == "exit":
        print("the instrument's driver gave up", file=sys.stderr, flush=True)
        os._exit(3)
    elif how == "memory":
        raise MemoryError("no room for the spectrum")
    raise RuntimeError("the instrument's driver broke")


def hang() -> None:
    """Sit there for ever; where that is possible, SIGTERM is ignored."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600.0)


def _waited(seconds: float, context: Context) -> bool:
    """Wait, and say whether it came to its end without being asked to stop."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if context.should_stop():
            return False
        time.sleep(_LOOK_S)
    return True


@dataclass(frozen=True)
class ByOrder:
    """Does what `params["do"]` says: a rehearsal of everything that a worker can do to a fleet.

    Sums `x` (0 if absent) for the target `y` where nothing else is said. Orders: `measure`,
    `twice` (measures, and says another value after it),
    `report` (steps 1 … n, then measures), `until-stopped` (reports until asked to stop), `hang`,
    `fail`, `nothing`, `say-…` (a value that is none), any way to `crash`, and `children` (starts
    processes that ignore SIGTERM, writes their pids to the file `pids`, and hangs).
    """

    costly: bool = False

    def evaluate(self, params: Params, context: Context) -> Iterator[Any]:
        order = str(params.get("do", "measure"))
        x = params.get("x", 0)
        measured = Measurement({"y": float(x) if isinstance(x, int | float) else 0.0})
        if order in _LIES:
            yield _LIES[order]
        elif order == "report":
            for step in range(1, int(params.get("n", 3)) + 1):
                yield Report(step, {"y": float(step)})
            yield measured
        elif order == "until-stopped":
            yield from _until_stopped(context)
        elif order == "wait":
            if _waited(float(params["seconds"]), context):
                yield measured
        elif order in ("hang", "children"):
            if order == "children":
                _start_children(str(params["pids"]))
            hang()
        elif order == "fail":
            raise ExperimentFailed("the sample broke")
        elif order in ("measure", "twice"):
            yield measured
            if order == "twice":
                yield Measurement({"y": measured.values["y"] + 1})
        elif order != "nothing":
            crash(order)  # type: ignore[arg-type]


_LIES: Mapping[str, Any] = {
    "say-nan": Measurement({"y": float("nan")}),
    "say-inf": Measurement({"y": 1e400}),
    "say-none": Measurement({"y": None}),  # type: ignore[dict-item]
    "say-text": Measurement({"y": "0.5"}),  # type: ignore[dict-item]
    "say-complex": Measurement({"y": 1 + 2j}),  # type: ignore[dict-item]
    "say-another": Measurement({"z": 1.0}),
    "say-number": 2.5,
}


class ByParts(ByOrder):
    """ByOrder for fleets that divide trials: each step of `report` is a part; of the two parts of
    `until-stopped` the first is done at once.
    """

    indivisible = ""

    def parts(self, params: Params) -> int:
        order = params.get("do")
        return int(params.get("n", 3)) if order == "report" else 1 + (order == "until-stopped")

    def reported_before(self, params: Params, number: int) -> int:
        return number

    def part_fingerprint(self, params: Params, seed: int, number: int) -> str:
        return f"{seed} {number}"

    def evaluate_part(self, params: Params, number: int, context: Context) -> Part | None:
        order = params.get("do")
        if order in _LIES or order == "report" or (order == "until-stopped" and number == 0):
            return Part({})
        said = [m for m in self.evaluate(params, context) if isinstance(m, Measurement)]
        return Part(dict(said[0].values)) if said else None

    def joining(self, params: Params, context: Context) -> Joining:
        return _JoinedByOrder(params)


class _JoinedByOrder:
    def __init__(self, params: Params) -> None:
        self._params, self._step = params, 0

    def add(self, part: Part) -> list[Any]:
        self._step += 1
        order = self._params.get("do")
        if order in _LIES:
            return [_LIES[str(order)]]
        if order not in ("report", "until-stopped"):
            return [Measurement(part.state)]
        report = Report(self._step, {"y": float(self._step)})
        last = self._step == self._params.get("n", 3)
        return [report, Measurement({"y": 0.0})] if last else [report]


def _until_stopped(context: Context) -> Iterator[Report]:
    step = 0
    while not context.should_stop():
        step += 1
        yield Report(step, {"y": 1.0 / step})
        time.sleep(_LOOK_S)


def _start_children(pids: str) -> None:
    """A child that ignores SIGTERM, and its child in a session of its own, doing the same."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
        with open(pids, "a") as file:
            file.write(f"{os.getpid()}\n")
        while True:
            time.sleep(3600.0)
