"""What happens to a driver: it is killed, its disk refuses, its clock jumps, somebody interrupts."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

import numpy as np

from matscout.clock import VirtualClock
from matscout.drive.interrupt import Interrupt
from matscout.failpoint import NAMES

YEAR_S = 365.25 * 86400
_EPOCH_S = 1.8e9

_OF_DRIVERS = ("loop", "journal", "run", "divided")
DRIVERS = (
    *(n for n in NAMES if n.split(".")[0] in _OF_DRIVERS and n != "run.before_settle"),
    "fleet.submit",
    "fleet.acknowledge",
    "fleet.poll",
)
WORKERS = ("outbox.before_write", "outbox.before_rename", "outbox.after_rename",
           "worker.before_report", "file.before_fsync", "file.after_fsync")  # fmt: skip

_IDLE = ("fleet.poll", "world.pause", "loop.before_acknowledge")

MOST_PASSES = 60_000
"""Places passed in one sitting beyond which the loop is taken to run in circles. Of 3,000 seeds none
passed a tenth of it."""


class Killed(BaseException):
    """The driver is dead. Whatever the unwinding still runs must leave no trace."""


class WorkerKilled(BaseException):
    """The worker is dead that was at work when this was raised."""


class Endless(AssertionError):
    """A sitting that does not end."""


class JumpingClock(VirtualClock):
    """A virtual clock whose wall time somebody sets now and then."""

    ahead_s = _EPOCH_S

    def wall(self) -> float:
        return self.now_s + self.ahead_s


@dataclass
class Trouble:
    """Of one sitting. Watches every failpoint and counts them: after how many what happens. `kill_at`
    leaves out those at which nothing was done."""

    clock: JumpingClock
    interrupt: Interrupt
    kill_at: int = 0
    kill_here: str = ""
    kill_nth: int = 0
    presses: frozenset[int] = frozenset()
    jumps: dict[int, float] = field(default_factory=dict)
    full_at: int = 0
    full_tries: int = 0
    lose_answer: int = 0
    passed: int = 0
    steps: int = 0
    here: int = 0
    pauses: int = 0
    dead: bool = False
    disk_refused: bool = False
    answer_lost: bool = False
    worker_dies_at: str | None = None
    """Where the worker that is at work dies; None while none is at work."""
    worker_disk_full: bool = False

    def __call__(self, name: str) -> None:
        if self.dead:
            return
        if self.worker_dies_at is not None:
            self._of_worker(name)
            return
        self.passed += 1
        if self.passed > MOST_PASSES:
            raise Endless(f"{MOST_PASSES} places passed in one sitting, the last {name}")
        if self.passed in self.jumps:
            self.clock.ahead_s += self.jumps[self.passed]
        if self.passed in self.presses:
            self.interrupt.press()
        self.here += name == self.kill_here
        self.steps += name not in _IDLE
        killed = self.steps == self.kill_at and name not in _IDLE
        if killed or (name == self.kill_here and self.here == self.kill_nth):
            self.dead = True
            raise Killed(name)
        if name == "journal.before_write" and self.full_tries and self.passed >= self.full_at:
            self.full_tries -= 1
            self.disk_refused = True
            raise OSError(errno.ENOSPC, "no space left on device: simulated")

    def _of_worker(self, name: str) -> None:
        if name == self.worker_dies_at:
            raise WorkerKilled(name)
        if name == "outbox.before_write" and self.worker_disk_full:
            raise OSError(errno.ENOSPC, "no space left on device: simulated")


def draw(rng: np.random.Generator, clock: JumpingClock, interrupt: Interrupt) -> Trouble:
    """The trouble of one sitting. Where the driver is killed: at one of the first places that it
    passes, of whatever name, or at a named one when it comes there."""
    trouble = Trouble(clock, interrupt)
    luck = rng.random(5)
    if luck[0] < 0.35:
        trouble.kill_at = int(rng.geometric(1 / 40))
    elif luck[0] < 0.75:
        trouble.kill_here = DRIVERS[int(rng.integers(len(DRIVERS)))]
        trouble.kill_nth = int(rng.geometric(0.3))
    if luck[1] < 0.25:
        trouble.full_at, trouble.full_tries = int(rng.geometric(1 / 60)), int(rng.integers(1, 30))
    if luck[2] < 0.25:
        presses = rng.geometric(1 / 150, size=int(rng.integers(1, 3)))
        trouble.presses = frozenset(int(n) for n in presses)
    if luck[3] < 0.3:
        places = rng.geometric(1 / 100, size=int(rng.integers(1, 4)))
        trouble.jumps = {int(n): float(rng.uniform(-YEAR_S, YEAR_S)) for n in places}
    if luck[4] < 0.2:
        trouble.lose_answer = int(rng.integers(1, 20))
    return trouble
