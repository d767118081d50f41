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
    history, pool = History(), space.pool
    assert pool is not None
    history.targets = (target,)
    running: deque[int] = deque()
    order: list[int] = []

    def asked(row: int, why: Mapping[str, Value]) -> None:
        body = {"params": {}, "candidate": pool.ids[row], "proposer": proposer.name, "why": why}
        trial = len(history.trials)
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        running.append(trial)

    def finished() -> None:
        trial = running.popleft()
        row = pool.row(history.trials[trial].candidate or "")
        body = {"values": {target.name: float(values[row])}, "sem": {}, "cost_s": 0.0}
        history.apply(Event(EventKind.MEASURED, trial, 1, body))
        order.append(row)

    for row in start:
        asked(row, {})
        finished()
    exhausted, left = False, set(until) - set(order)
    while (left or not until) and (running or (len(order) < budget and not exhausted)):
        while workers - len(running) >= min(batch, budget - len(history.trials)) > 0:
            wanted = min(batch, budget - len(history.trials))
            index = len(history.trials)
            proposals = proposer.propose(space, history, wanted, seed=ask_seed(seed, index))
            exhausted = not proposals
            if exhausted:
                break
            heard(history, proposals)
            for proposal in proposals:
                asked(pool.row(proposal.candidate or ""), proposal.why)
        if not running:
            break
        finished()
        left.discard(order[-1])
    return order
