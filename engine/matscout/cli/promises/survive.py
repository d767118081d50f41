"""R21, a campaign that survives: three Ray nodes, 60 experiments, something killed every 5 s."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import Driver, last_words, start
from matscout.cli.promises.laboratory import NAME, Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import RAY, Figure, Promise, Setting
from matscout.cli.promises.ray_nodes import RayNodes
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind

_NODES = 3
_EVERY_S = 5.0
"""Between two strikes. Where what was struck needs longer than that to be at work again, the next one
waits for it: nothing makes headway of which every start is cut off, and that would show nothing."""
_WORK_S = 3.0
_LOOK_S = 0.2
_DRAIN_S = 3
_LEAVES_S = 90.0
"""How long a driver may take to notice that the head of its cluster is gone."""
_PATIENCE_S = 1800.0
_AT_MOST = 1.5

_STRIKES = {"worker": 0.6, "raylet": 0.1, "node": 0.1, "driver": 0.1, "drain": 0.1}
"""What is struck: each once, in an order that is drawn, then the head, and its cluster with it, then so
often."""

_WITH_A_WORKER = ("worker", "raylet", "node", "drain")
"""What takes a worker along; a driver takes all of them, and its start is counted whole."""

_OTHER_NODES = (2, 4)
"""How many nodes the cluster has on which the run goes on after that."""

_ORACLE = """
def measure(params, context):
    note("begun", context.trial, context.attempt, time.monotonic())
    time.sleep({work_s})
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""


def keep(setting: Setting) -> Figure:
    setting = replace(setting, fleet=RAY)
    tally = Tally()
    with journals_of(setting), _Machines() as machines:
        calm = _Sitting(setting, "calm", machines, None)
        calm.play()
        storm = _Sitting(setting, "storm", machines, random.Random(f"{setting.seed}"))
        storm.play()
    found = ledger.check(storm.lab, setting.rounds)
    measured = Counter(e.trial for e in ledger.events_of(storm.lab) if e.kind is EventKind.MEASURED)
    for trial in range(setting.rounds):
        tally.round(f"experiment {trial}", "" if measured[trial] == 1 else "not measured once")
    limit_s = _AT_MOST * calm.took_s + storm.lost_s(calm)
    problem = calm.problem or storm.problem or found.first
    if not problem and storm.struck.total() == storm.struck["nobody there"]:
        problem = "nothing was struck"
    if not problem and storm.took_s > limit_s:
        problem = f"it took {storm.took_s:.0f} s, and {limit_s:.0f} s are allowed"
    tally.round("the campaign", problem, lost=found.lost, doubled=found.doubled)
    for sitting in (calm, storm):
        drop_schema(sitting.lab.folder)
    struck = ", ".join(f"{what} {count}" for what, count in sorted(storm.struck.items()))
    numbers = {
        "undisturbed, s": round(calm.took_s, 1),
        "disturbed, s": round(storm.took_s, 1),
        "of it lost by what was killed, s": round(storm.lost_s(calm), 1),
        "allowed, s": round(limit_s, 1),
        "between two strikes, s": round(storm.between_s, 1),
        "drivers": float(storm.drivers),
        "of them not struck, and gone": float(
            storm.drivers - 1 - storm.struck["driver"] - storm.struck["head"]
        ),
        "a driver outlived its cluster, s": round(storm.outlived_s, 1),
    }
    return tally.figure(f"{setting.rounds} experiments; struck: {struck}", numbers)


class _Machines:
    """The cluster there is; another, with more or fewer nodes, takes its place."""

    def __init__(self) -> None:
        self.count = _NODES
        self.cluster = RayNodes()

    def __enter__(self) -> _Machines:
        self.cluster.__enter__()
        try:
            self.cluster.start(self.count)
        except BaseException:
            self.cluster.__exit__(None, None, None)
            raise
        return self

    def replace(self, count: int) -> None:
        self.cluster.__exit__(None, None, None)
        self.count, self.cluster = count, RayNodes()
        self.cluster.__enter__()
        self.cluster.start(count)

    def __exit__(self, *error: object) -> None:
        self.cluster.__exit__(None, None, None)

    @property
    def missing(self) -> float:
        """The share of its nodes that are not there; they are on their way."""
        return 1.0 - len(self.cluster.keep(self.count)) / self.count


@dataclass
class _Sitting:
    """One run to its end, its drivers begun anew as often as needed. draw: what is struck; None:
    nothing is."""

    setting: Setting
    name: str
    machines: _Machines
    draw: random.Random | None
    problem: str = ""
    took_s: float = 0.0
    began_s: float = 0.0
    drivers: int = 0
    down_s: float = 0.0
    outlived_s: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    strikes_s: list[float] = field(default_factory=list)
    _looked_s: float = 0.0
    _struck_s: float = 0.0
    _begun_then: int = 0

    def __post_init__(self) -> None:
        self._victims = iter(()) if self.draw is None else _victims(self.draw)
        self.lab = Laboratory.make(
            self.setting.folder / self.name, self.setting, trials=self.setting.rounds,
            workers=_NODES, oracle=_ORACLE.format(work_s=_WORK_S),
            run=f'address = "{self.machines.cluster.address}"',
        )  # fmt: skip

    def play(self) -> None:
        self.began_s = self._looked_s = self._struck_s = time.monotonic()
        driver = self._next_driver()
        try:
            while True:
                driver.ended(_LOOK_S)
                if driver.process.exitcode == 0:
                    break
                if time.monotonic() > self.began_s + _PATIENCE_S:
                    self.problem = f"no end after {_PATIENCE_S:g} s: {last_words(self.lab)}"
                    break
                if self.draw is not None:
                    self._strike_if_due(driver, self.draw)
                if self.machines.cluster.head.ended:
                    self._head_is_gone(driver)
                if driver.process.exitcode:  # 0: it came to the end while a strike took its time
                    driver = self._next_driver()
                self._look_at_nodes()
        finally:
            driver.kill_all()
        self.took_s = time.monotonic() - self.began_s

    def lost_s(self, calm: _Sitting) -> float:
        """What the kills cost and the engine cannot help: nodes that were not there, the starts of
        further drivers, and, shared by the nodes, work that was cut off and the starts of further
        workers. A start takes what it took without kills."""
        wasted_s = 0.0
        done = self.lab.ledger().done
        for word, trial, attempt, *rest in self.lab.notes():
            if word == "begun" and (int(trial), int(attempt)) not in done:
                began_s = float(rest[0])
                cut_s = min((s for s in self.strikes_s if s >= began_s), default=began_s)
                wasted_s += min(cut_s - began_s, _WORK_S)
        wasted_s += sum(self.struck[what] for what in _WITH_A_WORKER) * calm.worker_start_s
        # A driver that left by itself is not counted: that is the engine's own doing.
        drivers = self.struck["driver"] + self.struck["head"]
        return self.down_s + wasted_s / _NODES + drivers * calm.start_s

    @property
    def start_s(self) -> float:
        """From the driver's start to the first experiment."""
        begun = self._begun()
        return min(begun) - self.began_s if begun else 0.0

    @property
    def worker_start_s(self) -> float:
        """Of it, from the moment when the driver asked for workers."""
        opened = [e.time for e in ledger.events_of(self.lab) if e.kind is EventKind.OPENED]
        begun = self._begun()
        ahead_s = time.time() - time.monotonic()
        return max(min(begun) + ahead_s - opened[0], 0.0) if begun and opened else 0.0

    @property
    def between_s(self) -> float:
        """Between two strikes, on average."""
        times = [self.began_s, *self.strikes_s]
        return (times[-1] - times[0]) / max(len(self.strikes_s), 1)

    def _begun(self) -> list[float]:
        """When experiments were begun."""
        return [float(rest[0]) for word, _, _, *rest in self.lab.notes() if word == "begun"]

    def _next_driver(self) -> Driver:
        self.drivers += 1
        words: tuple[str, ...] = ()
        if self.lab.folder.holds_run:
            address, workers = self.machines.cluster.address, str(self.machines.count)
            words = ("resume", NAME, "--address", address, "--workers", workers)
        return start(self.lab, words)

    def _look_at_nodes(self) -> None:
        before_s, self._looked_s = self._looked_s, time.monotonic()
        self.down_s += (self._looked_s - before_s) * self.machines.missing

    def _head_is_gone(self, driver: Driver) -> None:
        """The cluster is lost. The driver is to notice; another cluster, of another size, takes over."""
        gone_s = time.monotonic()
        if driver.ended(_LEAVES_S) is None:
            self.problem = f"the driver did not notice in {_LEAVES_S:g} s that its cluster is gone"
            driver.kill_all()
        self.outlived_s = max(self.outlived_s, time.monotonic() - gone_s)
        assert self.draw is not None
        self.machines.replace(self.draw.choice(_OTHER_NODES))
        self.down_s += time.monotonic() - gone_s
        self._looked_s = self._struck_s = time.monotonic()

    def _strike_if_due(self, driver: Driver, draw: random.Random) -> None:
        if time.monotonic() < self._struck_s + _EVERY_S or len(self._begun()) == self._begun_then:
            return
        self._begun_then = len(self._begun())
        what = next(self._victims)
        self.strikes_s.append(time.monotonic())
        self.struck[what if self._strike(what, driver, draw) else "nobody there"] += 1
        # From its end: draining takes seconds, and what was missed meanwhile is not made up for.
        self._struck_s = time.monotonic()

    def _strike(self, what: str, driver: Driver, draw: random.Random) -> bool:
        """Whether there was anything to strike."""
        cluster = self.machines.cluster
        nodes = cluster.others
        if what == "driver":
            driver.kill()
        elif what == "head":
            cluster.head.kill()
        elif what == "worker":
            workers = [pid for node in nodes for pid in node.pids("ray::AttemptActor")]
            if not workers:
                return False
            with suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
        elif not nodes:
            return False
        elif what == "raylet":
            draw.choice(nodes).kill_raylet()
        elif what == "node":
            draw.choice(nodes).kill()
        else:
            return cluster.drain(draw.choice(nodes), _DRAIN_S)
        return True


def _victims(draw: random.Random) -> Iterator[str]:
    yield from draw.sample(list(_STRIKES), len(_STRIKES))
    yield "head"
    while True:
        yield draw.choices(list(_STRIKES), list(_STRIKES.values()))[0]


PROMISE = Promise(
    id="R21",
    said="A campaign on three Ray nodes, of which something is killed every 5 s, measures each "
    "experiment once, within 1.5 times the undisturbed time and the time actually lost",
    test="a worker, a raylet, a node and the driver are killed and a node drained, each once, then the "
    "head (a small run is over by then), whereupon the run goes on on another cluster, of two or four "
    "nodes, then any of them at random; where an experiment is at work again after more than 5 s only, "
    "the next strike waits for that",
    small=9,
    full=60,
    keep=keep,
    fleets=(RAY,),
)
