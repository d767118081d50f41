"""What the head of a Ray cluster tells of where actors are, and of nodes that will go.

Ray's public functions for this ask a dashboard, which there need not be. Through Ray's own client
(`ray://`) none of it can be known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from matscout.fleet.ray_slot import places


@dataclass(frozen=True)
class Found:
    """leaving: nodes that will soon go. nodes: the node of each actor that has a process. room: how many
    workers the cluster has room for; None where nobody waits."""

    leaving: frozenset[str] = frozenset()
    nodes: Mapping[str, str] = field(default_factory=dict)
    room: int | None = None


class Places:
    """Asks the head in a thread of its own. Ray waits a minute for a head that is gone or stands still,
    and a driver that waited with it could neither hear its workers nor be interrupted."""

    def __init__(self, share: Mapping[str, Any]) -> None:
        """share: of a node, for each worker (ray_slot.places)."""
        self._share = share
        self._thread: threading.Thread | None = None
        self._found: Found | None = None

    def ask(self, actors: Mapping[str, Any], late: frozenset[str]) -> None:
        """Begin to ask, unless there is no answer yet to an earlier question. Of actors that are not
        `late` only if a node will go."""
        if self._thread is None:
            thread = threading.Thread(target=self._ask, args=(actors, late), daemon=True)
            with suppress(RuntimeError):  # none can be had now: that is no reason to end
                thread.start()
                self._thread = thread

    def answer(self, within_s: float = 0.0) -> Found | None:
        """What was found, once; None if there is nothing new."""
        if self._thread is None:
            return None
        self._thread.join(within_s)
        if self._thread.is_alive():
            return None
        self._thread, found, self._found = None, self._found, None
        return found

    def _ask(self, actors: Mapping[str, Any], late: frozenset[str]) -> None:
        with suppress(Exception):  # Ray was shut down meanwhile, or the head is gone: nobody knows
            leaving = leaving_nodes()
            nodes = {k: node_of(a) for k, a in actors.items() if leaving or k in late}
            room = places(ray.nodes(), self._share) if late else None
            self._found = Found(leaving, {key: node for key, node in nodes.items() if node}, room)


def node_of(actor: Any) -> str:
    """The node that has given the actor a process, be it one that hangs; empty while it waits for a
    place."""
    if ray.util.client.ray.is_connected():
        return ""
    found = ray._private.state.actors(actor._actor_id.hex())
    return str(found["Address"]["NodeID"]) if found.get("Pid") else ""


def leaving_nodes() -> frozenset[str]:
    """The nodes that will soon go: somebody has told Ray to drain them, as a spot market is."""
    if ray.util.client.ray.is_connected():
        return frozenset()
    return frozenset(ray._private.state.state.get_draining_nodes())
