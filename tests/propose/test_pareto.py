"""Several targets: the front is found, also from partly measured experiments."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.event import Event, EventKind
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.pool import PoolProposer
from matscout.propose.random import RandomProposer
from matscout.space import Space


def table(n: int = 300) -> tuple[Pool, np.ndarray]:
    """Two inputs; the first target rises with x, the second (to be minimised) too: a conflict."""
    rng = np.random.default_rng(0)
    X = rng.random((n, 2))
    gain = X[:, 0] - 0.5 * (X[:, 1] - 0.4) ** 2
    loss = X[:, 0] ** 2 + 0.5 * (X[:, 1] - 0.4) ** 2
    columns = {"x": tuple(X[:, 0].tolist()), "z": tuple(X[:, 1].tolist())}
    return Pool(tuple(f"c{i}" for i in range(n)), columns, ("x", "z")), np.c_[gain, loss]


def played(proposer: object, budget: int) -> np.ndarray:
    pool, values = table()
    history = History()
    targets = [{"name": "gain", "direction": "max"}, {"name": "loss", "direction": "min"}]
    history.apply(Event(EventKind.CREATED, body={"targets": targets}))
    while len(history.trials) < budget:
        asked = proposer.propose(Space(pool=pool), history, 2, seed=len(history.trials))  # type: ignore[attr-defined]
        for proposal in asked:
            trial = len(history.trials)
            row = pool.row(proposal.candidate)
            body = {"params": {}, "candidate": proposal.candidate, "why": dict(proposal.why)}
            history.apply(Event(EventKind.ASKED, trial, body=body))
            history.apply(Event(EventKind.DISPATCHED, trial, 1))
            said = {"gain": float(values[row, 0]), "loss": float(values[row, 1])}
            history.apply(Event(EventKind.MEASURED, trial, 1, {"values": said}))
    return values[[pool.row(t.candidate) for t in history.trials]]


def volume(Y: np.ndarray) -> float:
    """What the front dominates of the box from gain = -0.2, loss = 1.3."""
    front = sorted((max(g + 0.2, 0.0), 1.3 - q) for g, q in Y if q < 1.3)[::-1]
    total, reached = 0.0, 0.0
    for width, height in front:
        total += width * max(height - reached, 0.0)
        reached = max(reached, height)
    return total


def test_it_covers_the_front_better_than_chance() -> None:
    proposer = PoolProposer(Goal("best"), startup=6)
    best = volume(table()[1])
    ours, chance = (volume(played(p, 26)) for p in (proposer, RandomProposer()))
    assert ours > 0.95 * best and ours > chance


def test_it_says_what_it_expects_of_each_target() -> None:
    pool, values = table(40)
    history = History()
    targets = [{"name": "gain", "direction": "max"}, {"name": "loss", "direction": "min"}]
    history.apply(Event(EventKind.CREATED, body={"targets": targets}))
    for trial in range(8):
        body = {"params": {}, "candidate": f"c{trial}"}
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        said = {"gain": float(values[trial, 0]), "loss": float(values[trial, 1])}
        history.apply(Event(EventKind.MEASURED, trial, 1, {"values": said}))
    (first, *_) = PoolProposer(Goal("best"), startup=2).propose(
        Space(pool=pool), history, 3, seed=1
    )
    row = pool.row(first.candidate or "")
    assert first.why["rule"] == "pareto"
    assert first.why["mean"] == pytest.approx(values[row, 0], abs=0.5)
    assert first.why["loss.mean"] == pytest.approx(values[row, 1], abs=0.5)
