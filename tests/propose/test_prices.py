"""Experiments of unequal cost: improvement is sought per cost."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.pool import PoolProposer
from matscout.space import Space

N = 120


def pool(prices: list[object]) -> Pool:
    x = np.linspace(0.0, 1.0, N).tolist()
    columns = {"x": tuple(x), "price": tuple(prices)}
    return Pool(tuple(f"c{i}" for i in range(N)), columns, ("x",))  # type: ignore[arg-type]


def measured(rows: list[int]) -> History:
    """Two equal summits, at 1/4 and 3/4."""
    history = History()
    history.apply(Event(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "max"}]}))
    for trial, row in enumerate(rows):
        y = -np.cos(4 * np.pi * row / (N - 1))
        body = {"params": {}, "candidate": f"c{row}"}
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        history.apply(Event(EventKind.MEASURED, trial, 1, {"values": {"y": float(y)}}))
    return history


@pytest.mark.parametrize("cheap", ["left", "right"])
def test_of_two_equal_hopes_the_cheaper_is_taken(cheap: str) -> None:
    prices = [1.0 if (i < N / 2) == (cheap == "left") else 5.0 for i in range(N)]
    history = measured([0, 15, 45, 59, 60, 74, 104, 119])
    proposer = PoolProposer(startup=2, cost="price")
    (pick,) = proposer.propose(Space(pool=pool(prices)), history, 1, seed=0)
    assert (int(str(pick.candidate)[1:]) < N / 2) == (cheap == "left")
    assert pick.why["rule"] == "log_ei"
    assert "p_feasible" not in pick.why  # nothing has failed, whatever it costs


@pytest.mark.parametrize("price", [0.0, None, "dear", True, np.nan])
def test_a_cost_that_is_none_is_named(price: object) -> None:
    history = measured([0, 30, 60])
    prices: list[object] = [1.0] * N
    prices[7] = price
    with pytest.raises(InputError, match="c7"):
        PoolProposer(startup=2, cost="price").propose(Space(pool=pool(prices)), history, 1, seed=0)
    with pytest.raises(InputError, match="did you mean 'price'"):
        PoolProposer(startup=2, cost="prize").propose(Space(pool=pool(prices)), history, 1, seed=0)
