"""A campaign played on recorded experiments, on a virtual clock, without a journal.

The order is the loop's own: free slots are filled before each outcome is taken, and what is asked
depends on the order of completion alone (drive/loop.py). Nothing here is worth keeping, so there is
nothing to make durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Proposer
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.trial import Proposal, Target, Value


def rehearse(
    space: Space,
    target: Target,
    values: NDArray[np.float64],
    proposer: Proposer,
    start: Sequence[int],
    *,
    budget: int,
    batch: int = 1,
    workers: int = 1,
    seed: int = 0,
    until: frozenset[int] = frozenset(),
    heard: Callable[[History, Sequence[Proposal]], None] = lambda history, proposals: None,
) -> list[int]:
    """Rows of the pool in the order in which they were measured.

    values   (n_candidates,) what an experiment on each would say, in the target's unit
    start    rows measured before the proposer is asked
    budget   experiments in all, the start among them
    batch    how many are asked for at once; workers: how many run at once, each equally long
    until    stop once all of these have been measured; empty: never
    heard    is told of every ask: the history that the proposer saw, and what it proposed
    """
    assert space.pool is not None
    play = _Play(space.pool, target, values, proposer.name)
    for row in start:
        play.ask(row, {})
        play.finish()
    exhausted, left = False, set(until) - set(play.order)
    while (left or not until) and (play.running or (len(play.order) < budget and not exhausted)):
        asked = len(play.history.trials)
        while workers - len(play.running) >= min(batch, budget - asked) > 0:
            n = min(batch, budget - asked)
            proposals = proposer.propose(space, play.history, n, seed=ask_seed(seed, asked))
            exhausted = not proposals
            if exhausted:
                break
            heard(play.history, proposals)
            for proposal in proposals:
                play.ask(space.pool.row(proposal.candidate or ""), proposal.why)
            asked = len(play.history.trials)
        if not play.running:
            break
        play.finish()
        left.discard(play.order[-1])
    return play.order


class _Play:
    """The history of the campaign, the trials that are `running` and the rows measured, in `order`."""

    def __init__(
        self, pool: Pool, target: Target, values: NDArray[np.float64], proposer: str
    ) -> None:
        self._pool, self._target, self._values, self._proposer = pool, target, values, proposer
        self.history, self.running, self.order = History(), deque[int](), list[int]()
        self.history.targets = (target,)

    def ask(self, row: int, why: Mapping[str, Value]) -> None:
        candidate, trial = self._pool.ids[row], len(self.history.trials)
        body = {"params": {}, "candidate": candidate, "proposer": self._proposer, "why": why}
        self.history.apply(Event(EventKind.ASKED, trial, body=body))
        self.history.apply(Event(EventKind.DISPATCHED, trial, 1))
        self.running.append(trial)

    def finish(self) -> None:
        """The trial that has been running longest."""
        trial = self.running.popleft()
        row = self._pool.row(self.history.trials[trial].candidate or "")
        said = {self._target.name: float(self._values[row])}
        body = {"values": said, "sem": {}, "cost_s": 0.0}
        self.history.apply(Event(EventKind.MEASURED, trial, 1, body))
        self.order.append(row)
