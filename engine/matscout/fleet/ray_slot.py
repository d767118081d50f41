"""A place for one attempt in a Ray cluster, and the actor that serves it now."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matscout.fleet.pinned import MARK
from matscout.fleet.running import START_S, Running
from matscout.fleet.worker_log import log_path
from matscout.runfolder import RunFolder

TELL_AFTER_S = 15.0
"""How long workers may be on their way before a person is told that there may be no room for them."""


@dataclass(eq=False)
class Slot:
    """An actor is asked for, is placed (a node gives it a process), is up (the process has answered),
    is ready (its evaluator is made), and works.

    How long it waits for a place in the cluster is not counted: that may grow, or others may leave.
    That it was placed is looked for, and noted in `placed_s`, only where it takes long to come up.
    leaving: its node will go, so that nothing more is begun there.
    """

    name: str
    log: Path
    log_start: int = 0
    actor: Any = None
    mark: str = ""
    asked_s: float = 0.0
    placed_s: float | None = None
    up_s: float | None = None
    ready: bool = False
    leaving: bool = False
    pid: int = 0
    host: str = ""
    running: Running | None = field(default=None)
    failure: Exception | None = None
    failed_s: float = 0.0

    @classmethod
    def named(cls, name: str, folder: RunFolder) -> Slot:
        """Nobody serves it yet."""
        return cls(name, log_path(folder, name))

    @property
    def idle(self) -> bool:
        """Whether it can begin an attempt at once."""
        return self.ready and self.running is None and self.failure is None and not self.leaving

    @property
    def coming(self) -> bool:
        """Whether an actor was asked for that is not ready yet."""
        return self.actor is not None and not self.ready and self.failure is None

    @property
    def waits(self) -> bool:
        """Whether, as far as is known, it waits for a place in the cluster."""
        return self.coming and self.up_s is None and self.placed_s is None

    def waits_long(self, now_s: float) -> bool:
        """Whether it has waited for so long that a person is told."""
        return self.waits and now_s >= self.asked_s + TELL_AFTER_S

    @property
    def late_at_s(self) -> float:
        """When one that has a process will have taken too long to come up, or to make its evaluator;
        infinity if never."""
        since_s = self.placed_s if self.up_s is None else self.up_s
        return math.inf if since_s is None or self.ready else since_s + START_S

    @property
    def is_here(self) -> bool:
        return bool(self.pid) and self.host == socket.gethostname()

    @property
    def marked(self) -> str:
        return f"{MARK}={self.mark}"

    def empty(self) -> None:
        """Forget the actor."""
        self.actor, self.placed_s, self.up_s, self.ready = None, None, None, False
        self.pid, self.host, self.failure, self.leaving = 0, "", None, False


def places(nodes: list[dict[str, Any]], share: Mapping[str, Any]) -> int:
    """How many workers with this share of a node the living nodes have room for, were they alone.

    nodes: as `ray.nodes()` tells them. A worker that takes nothing finds room anywhere.
    """
    each = {"CPU": share["num_cpus"], "GPU": share["num_gpus"], **share["resources"]}
    wanted = {name: amount for name, amount in each.items() if amount > 0}
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    if not wanted:
        return len(alive) * 10**6
    return sum(
        min(int((there.get(name, 0.0) + 1e-6) / amount) for name, amount in wanted.items())
        for there in alive
    )


@dataclass
class Room:
    """Tells a person when workers wait for a place in the cluster, and when they no longer do."""

    slots: int
    told: int = -1

    def note(self, up: int, since_s: float, now_s: float, there: int | None) -> str:
        """One line if there is news, else nothing. up: workers that have a place, or that nobody
        asked for yet. since_s: when the first of the others was asked for. there: see `places`; None
        while that is being found out."""
        if up >= self.slots:
            news, self.told = self.told >= 0, -1
            return f"all {self.slots} workers have a place in the Ray cluster" if news else ""
        if up == self.told or now_s < since_s + TELL_AFTER_S or there is None:
            return ""
        self.told = up
        said = f"{up} of {self.slots} workers have a place in the Ray cluster; "
        if there < self.slots:
            return said + f"it has room for {there}: what the others would do waits for a worker"
        return said + "the others wait for one, which takes time or is taken: their work waits"
