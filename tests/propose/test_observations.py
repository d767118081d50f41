from __future__ import annotations

import math

import numpy as np
import pytest

from matscout.event import EventKind
from matscout.propose.observations import clip_bad, of_pool, of_space, value_of, variance_of

X = {"x": 0.5}


def test_replicates_are_averaged_and_their_errors_combined(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    for sem in (0.3, None):
        trial = story.asked(X)
        story.measured(trial, 1.0, sem=0.4)
        story.replicated(trial, 2.0, sem=sem)
    known, unknown = story.history.trials
    target = story.history.targets[0]
    assert value_of(known, target) == value_of(unknown, target) == 1.5
    assert variance_of(known, target) == pytest.approx((0.16 + 0.09) / 4)
    assert math.isnan(variance_of(unknown, target))


@pytest.mark.parametrize(("direction", "sign"), [("min", -1.0), ("max", 1.0)])
def test_more_is_better_whatever_the_direction(tell, direction, sign) -> None:  # type: ignore[no-untyped-def]
    story = tell(direction=direction)
    for value in (1.0, 3.0, 2.0):
        story.measured(story.asked(X), value)
    data = of_pool(story.history, story.history.targets[0])
    assert data.y.tolist() == [sign * v for v in (1.0, 3.0, 2.0)]


def test_in_a_pool_whatever_has_no_value_is_in_doubt(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    for _ in range(5):
        story.asked(X)
    story.measured(1, 2.0)
    story.ended(2, EventKind.FAILED)
    story.ended(3, EventKind.ABANDONED)
    data = of_pool(story.history, story.history.targets[0])
    assert [t.id for t in data.trials] == [1]
    assert [t.id for t in data.believed] == [0, 2, 3, 4]


def test_in_a_space_what_went_wrong_counts_as_bad(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(direction="min")
    for value in (1.0, 2.0, 3.0):
        story.measured(story.asked(X), value)
    for _ in range(5):
        story.asked(X)
    story.ended(3, EventKind.FAILED)
    story.ended(4, EventKind.INVALID)
    story.reported(5, 1, 0.1)  # it looked good, but it was stopped: no better than the median
    story.ended(5, EventKind.PRUNED)
    story.reported(6, 1, 2.5)
    story.ended(6, EventKind.PRUNED)
    data = of_space(story.history, story.history.targets[0])
    assert [t.id for t in data.trials] == [0, 1, 2, 3, 4, 5, 6]
    assert data.y.tolist() == [-1.0, -2.0, -3.0, -3.0, -3.0, -2.0, -2.5]
    assert np.isnan(data.yvar).all()
    assert [t.id for t in data.believed] == [7]


def test_clipping_is_of_the_bad_side_only() -> None:
    """y <- max(y, median - 2 rms of the better half), of which more is better."""
    y = np.array([-1e11, -5.0, -4.0, -3.0, 50.0])
    half = np.array([-4.0, -3.0, 50.0])
    floor = -4.0 - 2 * math.sqrt(np.mean((half + 4.0) ** 2))
    assert clip_bad(y) == pytest.approx([floor, -5.0, -4.0, -3.0, 50.0])
    assert clip_bad(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("y", [[], [1.0], [2.0, 2.0, 2.0, -9.0], [1e300, -1e300, 1e300, 5.0]])
def test_clipping_of_odd_values(y: list[float]) -> None:
    clipped = clip_bad(np.array(y))
    assert np.isfinite(clipped).all() and (clipped >= np.array(y)).all()
