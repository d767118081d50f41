from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.limit import Limit, all_kept, check_limits

numbers = st.floats(-1e300, 1e300)


@given(st.none() | numbers, st.none() | numbers, numbers)
def test_a_limit_is_kept_on_and_within_its_bounds(
    low: float | None, high: float | None, value: float
) -> None:
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        with pytest.raises(InputError, match=r"limits nothing|min must be below max"):
            Limit("t", low, high)
        return
    limit = Limit("t", low, high)
    within = (low is None or value >= low) and (high is None or value <= high)
    assert limit.keeps(value) is within
    assert limit.keeps(low if low is not None else high)
    assert Limit(**limit.to_dict()) == limit  # type: ignore[arg-type]
    assert set(limit.excess(value)) == {
        f"t {s}" for s, b in (("min", low), ("max", high)) if b is not None
    }


def test_what_is_not_known_is_not_kept() -> None:
    limits = (Limit("t", max=1.0), Limit("u", min=0.0))
    assert all_kept((), {}) and all_kept(limits, {"t": 1.0, "u": 0.0, "v": 9.0})
    assert not all_kept(limits, {"t": 1.0}) and not all_kept(limits, {"t": 1.1, "u": 0.0})


def test_a_limit_in_words() -> None:
    assert str(Limit("gap_eV", 1.0, 2.5)) == "gap_eV at least 1 and at most 2.5"
    assert Limit("t", 1.0, 3.0).excess(4.5) == {"t min": -3.5, "t max": 1.5}


@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf])
def test_bounds_are_finite(bound: float) -> None:
    with pytest.raises(InputError, match=r"limits\.t\.max: must be a finite number"):
        Limit("t", max=bound)


def test_a_value_is_limited_once() -> None:
    check_limits([Limit("t", max=1.0), Limit("u", max=1.0)])
    with pytest.raises(InputError, match=r"limits\.t: stands there twice"):
        check_limits([Limit("t", max=1.0), Limit("t", min=0.0)])


def told(limits: list[dict[str, object]], heats: list[float]) -> History:
    targets = [{"name": "y", "direction": "max"}]
    history = History([Event(EventKind.CREATED, body={"targets": targets, "limits": limits})])
    for trial, heat in enumerate(heats):
        history.apply(Event(EventKind.ASKED, trial, body={"params": {}}))
        body = {"values": {"y": float(trial), "heat": heat}}
        history.apply(Event(EventKind.MEASURED, trial, 1, body))
    return history


def test_the_best_of_a_history_is_feasible() -> None:
    heats = [5.0, 1.0, 2.0, 9.0]
    assert told([], heats).best().id == 3  # type: ignore[union-attr]
    history = told([{"name": "heat", "max": 2.0}], heats)
    assert history.best().id == 2 and len(history.completed) == 4  # type: ignore[union-attr]
    assert [history.feasible(t) for t in history.trials] == [False, True, True, False]
    assert told([{"name": "heat", "max": 0.5}], heats).best() is None


def test_a_past_journal_says_nothing_of_limits() -> None:
    body = {"targets": [{"name": "y", "direction": "max"}]}
    assert History([Event(EventKind.CREATED, body=body)]).limits == ()
