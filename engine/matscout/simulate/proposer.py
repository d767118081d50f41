"""A proposer that costs nothing and betrays everything: what it says depends on all that it may see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matscout.history import History
from matscout.space import Space
from matscout.trial import Proposal, State


@dataclass
class Witness:
    """Draws from a hash of its seed and of the whole history as proposers know it. So no suggestion
    comes out the same unless it was asked of the same history; none repeats a point."""

    name: str = "witness"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        known = "; ".join(
            f"{t.id} {t.state} {sorted(t.values.items())} {len(t.replicates)} {len(t.reports)}"
            for t in history.asked_for
        )
        key = int.from_bytes(hashlib.sha256(f"{seed} {known}".encode()).digest()[:6])
        if space.count is None:
            taken = {t.params["x"] for t in history.asked_for}
            drawn = [(key / 2**48 + 0.61803398875 * i) % 1.0 for i in range(n)]
            return [Proposal({"x": x}) for x in drawn if x not in taken]
        seen = {space.key(t.params) for t in history.asked_for}
        free = [point for point in space.points() if space.key(point) not in seen]
        start = key % max(len(free), 1)
        return [Proposal(point) for point in (free[start:] + free[:start])[:n]]


def obsolete(history: History, proposals: Sequence[Proposal]) -> Mapping[int, str]:
    """Now and then the one that has been at work for longest, thrice in a run at most: a function of its
    arguments, as drive/obsolete.py is."""
    gone = history.count(State.WITHDRAWN) + len(history.obsolete)
    running = [i for i in history.in_flight if history.trials[i].open]
    if not proposals or not running or gone >= 3 or len(history.finished) % 3 != 1:
        return {}
    return {running[0]: "obsolete: simulated"} if running[0] not in history.obsolete else {}
