"""The proposer for pools: its start, its fallbacks, what it forecasts, and that a table's form does
not matter to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matscout.drive.rehearse import rehearse
from matscout.errors import InputError
from matscout.goal import Goal
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.observations import of_pool
from matscout.propose.pool import PoolProposer
from matscout.propose.pool_process import pool_process
from matscout.propose.random import RandomProposer
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.trial import Target

Tell = Callable[..., Any]
RNG = np.random.default_rng(5)
TABLE = RNG.random((40, 3))
IDS = tuple(f"c{i}" for i in range(40))


def pool_of(table: np.ndarray, names: str = "abc") -> Pool:
    columns = {name: tuple(table[:, j].tolist()) for j, name in enumerate(names)}
    return Pool(IDS, columns, tuple(names))


def truth(table: np.ndarray) -> np.ndarray:
    return np.asarray(3 * np.exp(-3 * ((table - 0.4) ** 2).sum(axis=1)) + 0.3 * table[:, 0])


SPACE = Space(pool=pool_of(TABLE))
Y = truth(TABLE)


def told(tell: Tell, rows: list[int], **more: Any) -> Any:
    story = tell(direction="max", **more)
    for row in rows:
        story.measured(story.asked({}, IDS[row]), float(Y[row]))
    return story


# -- how it starts and when it cannot -----------------------------------------------------------


def test_the_first_are_random_and_then_the_strategy_decides(tell: Tell) -> None:
    proposer = PoolProposer(Goal("best"), startup=4)
    for rows in ([], [3], [3, 5, 8]):
        story = told(tell, rows)
        plain = RandomProposer().propose(SPACE, story.history, 2, seed=9)
        assert proposer.propose(SPACE, story.history, 2, seed=9) == plain
    decided = proposer.propose(SPACE, told(tell, [3, 5, 8, 9]).history, 2, seed=9)
    assert [p.why["rule"] for p in decided] == ["lcb", "lcb"]
    assert all({"mean", "sd"} <= set(p.why) for p in decided)


def test_two_values_are_needed_whatever_was_asked_for(tell: Tell) -> None:
    story = told(tell, [3])
    for row in (4, 5, 6, 7):
        story.asked({}, IDS[row])
    (proposal,) = PoolProposer(startup=1).propose(SPACE, story.history, 1, seed=0)
    assert proposal.why == {"rule": "random"}


def test_mistakes_of_a_person() -> None:
    with pytest.raises(InputError, match="startup: must be a whole number"):
        PoolProposer(startup=0)
    with pytest.raises(InputError, match="unknown 'lbc'"):
        PoolProposer(strategy="lbc")
    with pytest.raises(InputError, match=r"goal\.top: must be a number"):
        PoolProposer({"top": "5%"})
    assert PoolProposer({"kind": "top", "top": 0.1}).goal == Goal("top", 0.1)


def test_spaces_it_cannot_choose_from(tell: Tell) -> None:
    story = told(tell, [0, 1, 2, 3, 4])
    with pytest.raises(InputError, match="pools only"):
        PoolProposer().propose(Space((Float("x", 0, 1),)), story.history, 1, seed=0)
    flat = Space(pool=Pool(IDS, {"a": (1.0,) * 40, "note": ("n",) * 40}, ("a",)))
    with pytest.raises(InputError, match="no feature that varies"):
        PoolProposer().propose(flat, story.history, 1, seed=0)


def test_where_no_model_can_be_fitted_it_is_random_and_says_so(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FitFailed("no\nhyperparameters")

    monkeypatch.setattr("matscout.surrogate.gp.GaussianProcess.fit", refuse)
    history = told(tell, [0, 1, 2, 3, 4]).history
    proposals = PoolProposer().propose(SPACE, history, 3, seed=2)
    plain = RandomProposer().propose(SPACE, history, 3, seed=2)
    assert [p.candidate for p in proposals] == [p.candidate for p in plain]
    assert proposals[0].why == {"rule": "random", "fallback": "no hyperparameters"}
    assert PoolProposer().forecast(SPACE, history) is None


def test_nothing_is_left(tell: Tell) -> None:
    history = told(tell, list(range(40))).history
    assert PoolProposer().propose(SPACE, history, 3, seed=0) == []


# -- what it forecasts ----------------------------------------------------------------------------


def test_a_forecast_is_in_the_targets_unit_and_direction(tell: Tell) -> None:
    up, down = tell(direction="max"), tell(direction="min")
    for row in range(0, 40, 2):
        up.measured(up.asked({}, IDS[row]), float(Y[row]))
        down.measured(down.asked({}, IDS[row]), -float(Y[row]))
    ours, theirs = (PoolProposer().forecast(SPACE, story.history) for story in (up, down))
    assert ours is not None and theirs is not None
    assert ours.mean == pytest.approx(-theirs.mean) and ours.sd == pytest.approx(theirs.sd)
    assert ours.low == pytest.approx(-theirs.high) and ours.score == pytest.approx(theirs.score)
    assert np.all((ours.low < ours.mean) & (ours.mean < ours.high))
    unseen = np.arange(1, 40, 2)
    inside = (ours.low <= Y)[unseen] & (ours.high >= Y)[unseen]
    assert inside.mean() >= 0.6 and np.corrcoef(ours.mean[unseen], Y[unseen])[0, 1] > 0.8


def test_a_forecast_tells_the_noise_whatever_its_interval_reaches(tell: Tell) -> None:
    history = told(tell, list(range(40))).history
    forecast = PoolProposer().forecast(SPACE, history)
    assert SPACE.pool is not None and forecast is not None
    fitted = pool_process(Candidates(SPACE.pool), of_pool(history, history.targets[0]))
    assert forecast.noise_sd == pytest.approx(fitted.scale * fitted.noise_here**0.5)
    assert forecast.rule == "lcb"


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_a_forecast_of_huge_and_tiny_values(tell: Tell, size: float) -> None:
    story = tell(direction="max")
    for row in range(8):
        story.measured(story.asked({}, IDS[row]), size * float(Y[row]))
    forecast = PoolProposer().forecast(SPACE, story.history)
    assert forecast is not None
    assert np.isfinite(forecast.low).all() and np.isfinite(forecast.high).all()
    assert np.all(forecast.high > forecast.low)


def test_no_forecast_from_next_to_nothing(tell: Tell) -> None:
    assert PoolProposer().forecast(SPACE, told(tell, [0, 1]).history) is None
    assert PoolProposer().forecast(SPACE, told(tell, [0, 1, 2]).history) is not None
    assert PoolProposer().forecast(Space((Float("x", 0, 1),)), told(tell, []).history) is None


# -- the form of a table ------------------------------------------------------------------------


def played(
    goal: Goal, pool: Pool, values: np.ndarray, direction: str, strategy: str = "auto"
) -> list[int]:
    proposer = PoolProposer(goal, strategy, startup=1)
    target = Target("y", direction)  # type: ignore[arg-type]
    start, budget = [4, 17, 30], 14
    return rehearse(
        Space(pool=pool), target, values, proposer, start, budget=budget, batch=2, workers=4
    )


SCALED = TABLE * [1e3, -4e-7, 2.0] + [5.0, 1.0, -3e2]
"""Other units, one axis turned round."""

PICTURES: dict[str, tuple[Pool, np.ndarray, str]] = {
    "columns permuted": (pool_of(TABLE[:, [2, 0, 1]], "cab"), Y, "max"),
    "columns renamed": (pool_of(TABLE, "zyx"), Y, "max"),
    "inputs rescaled": (pool_of(SCALED), Y, "max"),
    "target flipped": (pool_of(TABLE), -Y, "min"),
    "target rescaled": (pool_of(TABLE), 1e-9 * Y + 1e-3, "max"),
    "all at once": (pool_of(SCALED[:, [1, 2, 0]], "bca"), -1e6 * Y - 4e6, "min"),
}


def turned(goal: Goal, picture: str) -> Goal:
    """The same goal for the target in its other unit."""
    if goal.threshold is None:
        return goal
    to = {
        "target flipped": (-1.0, 0.0),
        "target rescaled": (1e-9, 1e-3),
        "all at once": (-1e6, -4e6),
    }
    factor, shift = to.get(picture, (1.0, 0.0))
    return replace(goal, threshold=factor * goal.threshold + shift)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("goal", [Goal("top"), Goal("model")], ids=lambda g: g.kind)
def test_the_same_picks_whatever_the_form_of_the_table(goal: Goal, picture: str) -> None:
    """Exactly the same, pick by pick: no two candidates of this table are level."""
    pool, values, direction = PICTURES[picture]
    first = played(goal, pool_of(TABLE), Y, "max")
    assert played(turned(goal, picture), pool, values, direction) == first


SAME_TREES = ("columns renamed", "target flipped", "target rescaled")


@pytest.mark.parametrize("picture", PICTURES)
def test_the_same_picture_where_trees_take_part(picture: str, tell: Tell) -> None:
    """Trees try columns in an order of their own and split at random, so with columns permuted or
    turned round it is another forest: then scores agree but for its chance, else to the last pick.
    """
    goal, rows = Goal("threshold", threshold=2.0), list(range(0, 24))
    pool, values, direction = PICTURES[picture]
    scores, picks = [], []
    for table, y, way, after in (
        (pool_of(TABLE), Y, "max", goal),
        (pool, values, direction, turned(goal, picture)),
    ):
        story = tell(direction=way)
        for row in rows:
            story.measured(story.asked({}, IDS[row]), float(y[row]))
        forecast = PoolProposer(after).forecast(Space(pool=table), story.history)
        assert forecast is not None
        scores.append(forecast.score)
        proposals = PoolProposer(after).propose(Space(pool=table), story.history, 4, seed=3)
        picks.append([p.candidate for p in proposals])
    assert np.corrcoef(*scores)[0, 1] > 0.98
    if picture in SAME_TREES:
        assert scores[0] == pytest.approx(scores[1], abs=1e-6) and picks[0] == picks[1]


def test_the_order_of_rows_does_not_matter_after_the_start(tell: Tell) -> None:
    order = np.random.default_rng(1).permutation(40)
    columns = {name: tuple(c[r] for r in order) for name, c in SPACE.pool.columns.items()}  # type: ignore[union-attr]
    shuffled = Space(pool=Pool(tuple(IDS[r] for r in order), columns, ("a", "b", "c")))
    history = told(tell, [0, 7, 21, 33, 38]).history
    for goal in (Goal("top"), Goal("model"), Goal("rare", threshold=1.0)):
        ours = PoolProposer(goal).propose(SPACE, history, 6, seed=1)
        theirs = PoolProposer(goal).propose(shuffled, history, 6, seed=1)
        assert [p.candidate for p in ours] == [p.candidate for p in theirs]
