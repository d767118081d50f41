from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matscout.propose.front import first_on_front, front_of, non_dominated
from matscout.propose.observations import best_of, feasible


def by_hand(Y: np.ndarray) -> list[bool]:
    return [not any((other >= row).all() and (other > row).any() for other in Y) for row in Y]


@given(st.integers(1, 4).flatmap(lambda m: arrays(float, (12, m), elements=st.integers(-2, 2))))
def test_the_front_is_what_nothing_dominates(Y: np.ndarray) -> None:
    assert non_dominated(Y.astype(float)).tolist() == by_hand(Y)


@given(arrays(float, (9, 2), elements=st.sampled_from([1e308, -1e308, 1.7e308, 1.0, 1e-308, 0.0])))
def test_sums_that_round_or_overflow_do_no_harm(Y: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        assert non_dominated(Y).tolist() == by_hand(Y)


def test_no_points() -> None:
    assert non_dominated(np.empty((0, 2))).tolist() == []


@pytest.mark.parametrize("limited", [False, True])
def test_the_front_of_a_run(tell, limited: bool) -> None:  # type: ignore[no-untyped-def]
    limits = [{"name": "heat", "max": 0.5}] if limited else []
    story, rng = tell(others={"z": "max"}, limits=limits), np.random.default_rng(0)
    for k in range(40):
        trial = story.asked({"x": k / 40})
        y, z, heat = rng.integers(0, 6, 3).tolist()
        story.measured(trial, float(y), z=float(min(z, y + 1)), heat=heat / 6)
    history = story.history
    good = [t for t in history.trials if not limited or t.values["heat"] <= 0.5]
    rows = np.array([[-t.values["y"], t.values["z"]] for t in good])
    expected = [t for t, on in zip(good, by_hand(rows), strict=True) if on]
    found = front_of(history)
    assert {t.id for t in found} == {t.id for t in expected}
    assert [(t.values["y"], t.id) for t in found] == sorted((t.values["y"], t.id) for t in expected)
    first = {}
    for t in expected:
        first.setdefault((t.values["y"], t.values["z"]), t.id)
    assert first_on_front(history) == set(first.values())
    assert len(first) > 2
    assert best_of(history).values["y"] == found[0].values["y"]


def test_means_over_replicates_decide(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(limits=[{"name": "y", "max": 1.0}])
    for value in (0.9, 0.95):
        story.measured(story.asked({"x": value}), value)
    assert best_of(story.history).id == 0
    story.replicated(0, 1.5)
    assert not feasible(story.history, story.history.trials[0])
    assert best_of(story.history).id == 1 and front_of(story.history)[0].id == 1


def test_nothing_feasible_is_no_front(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(others={"z": "max"}, limits=[{"name": "heat", "max": 0.0}])
    story.measured(story.asked({"x": 0.5}), 1.0, z=1.0, heat=0.1)
    assert front_of(story.history) == [] and best_of(story.history) is None
