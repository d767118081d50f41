from __future__ import annotations

import warnings

import numpy as np
import pytest

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.feasibility import LEAST_P, Feasibility, worked_and_failed

rng = np.random.default_rng(0)


def test_nothing_failed_is_one_everywhere() -> None:
    learned = Feasibility.of(rng.random((5, 2)), np.empty((0, 2)))
    assert (learned(rng.random((7, 2))) == 1.0).all() and len(learned(np.empty((0, 2)))) == 0


@pytest.mark.parametrize("ok", [0, 1, 5, 40])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_one_failure_does_not_veto_a_region(ok: int, d: int) -> None:
    X_ok, spot = rng.random((ok, d)), np.full((1, d), 0.5)
    learned = Feasibility.of(X_ok, spot)
    base = (ok + 1) / (ok + 3)
    assert 0.12 < float(learned(spot)[0]) < base
    # Half the cube's diagonal away little of it is left.
    away = spot + 0.5
    assert float(learned(away)[0]) > 0.6 * base


def test_a_region_of_failures_is_learned_and_the_rest_is_not_blamed() -> None:
    X = rng.random((60, 2))
    bad = X[:, 0] > 0.7
    learned = Feasibility.of(X[~bad], X[bad])
    new = rng.random((300, 2))
    p, truth = learned(new), new[:, 0] > 0.7
    assert p[truth].mean() < 0.3 and p[~truth].mean() > 0.8
    assert p.min() >= LEAST_P and p.max() < 1.0


def test_more_failures_at_a_spot_weigh_more() -> None:
    X_ok, spot = rng.random((20, 2)), np.array([[0.5, 0.5]])
    p = [float(Feasibility.of(X_ok, np.repeat(spot, k, 0))(spot)[0]) for k in (1, 2, 4)]
    assert p[0] > p[1] > p[2]


def test_failures_are_heard_among_many_successes() -> None:
    """A class weight of one would leave four failures near .5 among sixty successes nearby."""
    X_ok = rng.random((300, 2))
    X_ok = X_ok[X_ok[:, 0] < 0.75]
    X_failed = np.column_stack([rng.uniform(0.8, 1.0, 6), rng.random(6)])
    assert Feasibility.of(X_ok, X_failed)(np.array([[0.92, 0.5]]))[0] < 0.35


def test_it_is_a_function_of_its_data() -> None:
    X_ok, X_failed, new = rng.random((30, 3)), rng.random((6, 3)), rng.random((50, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        first, again = Feasibility.of(X_ok, X_failed)(new), Feasibility.of(X_ok, X_failed)(new)
    assert (first == again).all()


def test_only_failures_and_values_are_learned_from() -> None:
    kinds = [EventKind.MEASURED, EventKind.FAILED, EventKind.ABANDONED, EventKind.INVALID, None]
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    for trial, kind in enumerate(kinds):
        history.apply(Event(EventKind.ASKED, trial, body={"params": {"x": trial}}))
        if kind is not None:
            history.apply(Event(kind, trial, 1, {"values": {"y": 1.0}, "reason": "r"}))
    assert worked_and_failed(history) == ([0], [1])
