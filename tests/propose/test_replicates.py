"""Trials of one point are one row: for a model, for a person, and for who may be asked again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from matscout.errors import InputError
from matscout.event import EventKind
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.observations import (
    best_of,
    count_of,
    of_pool,
    of_space,
    sem_of,
    value_of,
    variance_of,
)
from matscout.propose.pool import PoolProposer
from matscout.propose.pool_process import pool_process
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.replicates import number_of_next, point_of, pooled
from matscout.propose.worth import log_gain
from matscout.space import Space
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.loo import leave_one_out

Tell = Callable[..., Any]
RNG = np.random.default_rng(3)
TABLE = RNG.random((25, 2))
IDS = tuple(f"c{i}" for i in range(25))
COLUMNS = {name: tuple(TABLE[:, j].tolist()) for j, name in enumerate("ab")}
SPACE = Space(pool=Pool(IDS, COLUMNS, ("a", "b")))
F = 3.0 * np.exp(-4.0 * ((TABLE - 0.4) ** 2).sum(axis=1))


def measured(story: Any, *values: tuple[str, float], sem: float | None = None) -> None:
    for candidate, value in values:
        story.measured(story.asked({}, candidate), value, sem)


# -- one row for each point -----------------------------------------------------------------------


def test_trials_of_one_candidate_are_one_row_with_their_mean(tell: Tell) -> None:
    story = tell(direction="max")
    measured(story, ("c1", 1.0), ("c2", 5.0), ("c1", 2.0))
    story.replicated(0, 6.0)
    target = story.history.targets[0]
    data = of_pool(story.history, target)
    assert [t.candidate for t in data.trials] == ["c1", "c2"] and data.y.tolist() == [3.0, 5.0]
    assert data.replicated and data.singles.row.tolist() == [0, 0, 0, 1]
    assert sorted(data.singles.y[:3].tolist()) == [1.0, 2.0, 6.0]
    one = data.trials[0]
    assert count_of(one, target) == 3 and value_of(one, target) == 3.0
    assert sem_of(one, target) == pytest.approx(np.std([1, 2, 6], ddof=1) / math.sqrt(3))
    assert math.isnan(variance_of(one, target)), "a spread of three is no error to build a model on"


def test_errors_that_came_with_the_values_go_before_their_spread(tell: Tell) -> None:
    story = tell()
    measured(story, ("c1", 1.0), ("c1", 2.0), sem=0.4)
    (one,), target = pooled(story.history.completed), story.history.targets[0]
    assert sem_of(one, target) == pytest.approx(math.sqrt(0.32) / 2)
    assert of_pool(story.history, target).yvar == pytest.approx([0.08])
    assert math.isnan(sem_of(story.history.trials[0], target)) is False
    measured(story, ("c3", 1.0))
    assert math.isnan(sem_of(story.history.trials[2], target))


def test_the_best_is_the_best_mean_and_not_the_luckiest_trial(tell: Tell) -> None:
    story = tell(direction="max")
    measured(story, ("c1", 9.0), ("c2", 6.0), ("c1", 1.0))
    best = best_of(story.history)
    assert best is not None and best.candidate == "c2"
    assert story.history.best().candidate == "c1"
    assert best_of(tell().history) is None


def test_a_repeat_without_a_candidate_names_the_trial_that_it_repeats(tell: Tell) -> None:
    story = tell()
    for number in range(3):
        story.asked({"x": 0.5})
        assert point_of(story.history.trials[number]) == number
    one = story.history.trials[0]
    assert number_of_next([one]) == 2
    assert point_of(replace(story.history.trials[2], why={"repeats": 0})) == 0


def test_what_is_measured_again_is_believed_and_what_failed_the_second_time_is_not(
    tell: Tell,
) -> None:
    story = tell()
    measured(story, ("c1", 1.0), ("c2", 2.0))
    for candidate in ("c1", "c2", "c3"):
        story.asked({}, candidate)
    story.ended(3, EventKind.FAILED)
    data = of_pool(story.history, story.history.targets[0])
    assert [t.id for t in data.believed] == [2, 4] and len(data.y) == 2


def test_clipping_lifts_means_and_their_parts_to_one_floor(tell: Tell) -> None:
    story = tell(direction="max")
    measured(story, ("c1", 1.0), ("c2", 2.0), ("c3", 3.0), ("c4", -1e9), ("c4", -3e9))
    data = of_space(story.history, story.history.targets[0])
    floor = 2.5 - 2 * 0.5
    assert len(data.y) == 4 and data.y.min() == data.singles.y.min() > -1e9
    assert floor > data.y[3] and data.singles.row.tolist() == [0, 1, 2, 3, 3]


def test_only_some_of_the_rows(tell: Tell) -> None:
    story = tell(direction="max")
    measured(story, ("c1", 1.0), ("c2", 2.0), ("c1", 3.0), ("c3", 4.0), ("c3", 5.0))
    some = of_pool(story.history, story.history.targets[0]).only([0, 2])
    assert some.y.tolist() == [2.0, 4.5] and some.singles.row.tolist() == [0, 0, 1, 1]
    assert some.singles.y.tolist() == [1.0, 3.0, 4.0, 5.0]


# -- the process --------------------------------------------------------------------------------


def test_the_posterior_on_means_is_the_one_on_all_measurements(tell: Tell) -> None:
    """Σ/n with noise/n is sufficient; and leaving a row out leaves all of its replicates out."""
    story, rng = tell(direction="max"), np.random.default_rng(0)
    for row in (0, 1, 2, 3, 4, 5, 6, 0, 0, 3, 5):
        measured(story, (IDS[row], float(F[row] + 0.3 * rng.normal())))
    data = of_pool(story.history, story.history.targets[0])
    X = torch.from_numpy(TABLE[: len(data.y)])
    ours = fit_pooled(GaussianProcess(), X, data)
    row = torch.from_numpy(data.singles.row)
    plain = GaussianProcess().fit(X[row], torch.from_numpy(data.singles.y).unsqueeze(-1))
    everywhere = torch.from_numpy(TABLE)
    for a, b in zip(ours.mean_sd(everywhere), plain.mean_sd(everywhere), strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    assert len(ours.y) == 7 and ours.noise_here == pytest.approx(plain.noise_here)
    assert ours.noise[0] == pytest.approx(ours.noise_here / 3)
    # Without its own replicates a point is far less certain than without one of the three.
    assert leave_one_out(ours).latent_sd[0] > 1.2 * leave_one_out(plain).latent_sd[0]


def test_each_replicate_narrows_what_is_believed_of_its_candidate(tell: Tell) -> None:
    story, rng, widths = tell(direction="max"), np.random.default_rng(1), []
    for row in range(8):
        measured(story, (IDS[row], float(F[row] + 0.5 * rng.normal())))
    for _ in range(4):
        data = of_pool(story.history, story.history.targets[0])
        fitted = pool_process(Candidates(SPACE.pool), data)  # type: ignore[arg-type]
        widths.append(float(fitted.mean_sd(torch.from_numpy(TABLE[2:3]))[1]))
        measured(story, (IDS[2], float(F[2] + 0.5 * rng.normal())))
    assert widths[3] < widths[0]


def test_replicates_that_agree_to_the_last_digit(tell: Tell) -> None:
    story = tell(direction="max")
    for _ in range(3):
        measured(story, *((IDS[row], float(F[row])) for row in range(6)))
    forecast = PoolProposer(Goal("best")).forecast(SPACE, story.history)
    assert forecast is not None and np.isfinite(forecast.sd).all() and (forecast.sd > 0).all()
    assert (forecast.low < forecast.mean).all()


# -- who may be asked again ---------------------------------------------------------------------


def test_who_may_be_asked_again(tell: Tell) -> None:
    story = tell()
    measured(story, ("c0", 1.0), ("c1", 1.0), ("c1", 1.0), ("c2", 1.0), ("c3", 1.0))
    story.asked({}, "c4")  # open
    story.asked({}, "c2")  # open for the second time
    story.ended(story.asked({}, "c3"), EventKind.FAILED)  # it did not work for the second time
    story.ended(story.asked({}, "c5"), EventKind.ABANDONED)
    asked = Candidates(SPACE.pool).asked(story.history)  # type: ignore[arg-type]
    assert asked.count[:7].tolist() == [1, 2, 2, 2, 1, 1, 0]
    once, two, three = (np.flatnonzero(asked.askable(k)).tolist() for k in (1, 2, 3))
    rest = list(range(6, 25))
    assert (once, two, three) == (rest, [0, *rest], [0, 1, *rest])


def test_what_is_on_its_way_is_asked_for_again_only_when_nothing_else_is_left(tell: Tell) -> None:
    """Else a loop that is told "nothing" while the last ones run would never ask again."""
    story = tell()
    for candidate in IDS:
        story.asked({}, candidate)
    asked = Candidates(SPACE.pool).asked(story.history)  # type: ignore[arg-type]
    assert not asked.askable(1).any() and asked.askable(2).all()
    story.measured(4, 1.0)
    asked = Candidates(SPACE.pool).asked(story.history)  # type: ignore[arg-type]
    assert np.flatnonzero(asked.askable(2)).tolist() == [4]


@pytest.mark.parametrize("strategy", ["lcb", "log_ei"])
def test_a_noisy_leader_is_measured_again_and_a_sure_one_is_not(tell: Tell, strategy: str) -> None:
    """With errors of 0.001 the bound of the leader is still the highest, but it tells nothing."""
    picks = {}
    for sem in (1.0, 0.001):
        story = tell(direction="max")
        measured(story, *((IDS[row], float(F[row])) for row in range(20)), sem=sem)
        proposer = PoolProposer(Goal("best"), strategy, replicates=3)
        (picks[sem],) = proposer.propose(SPACE, story.history, 1, seed=0)
    assert picks[1.0].why["replicate"] == 2 and "replicate" not in picks[0.001].why


def test_the_gain_of_one_more_measurement_by_brute_force() -> None:
    """E max(next mean, rival) - max(mean, rival) over draws of the next posterior mean."""
    mean, sd = np.array([1.0, 0.5, -0.3, 2.0]), np.array([0.5, 1.0, 0.4, 0.3])
    rival, noise = np.array([0.8, 1.0, 0.2, 1.9]), 0.25
    draws = np.random.default_rng(0).normal(size=(2_000_000, 1))
    step = sd**2 / np.sqrt(sd**2 + noise)
    brute = np.maximum(mean + step * draws, rival).mean(axis=0) - np.maximum(mean, rival)
    assert np.exp(log_gain(mean, sd, rival, noise)) == pytest.approx(brute, rel=0.02)


def test_gains_too_small_for_a_float_are_still_told_apart() -> None:
    far = log_gain(np.zeros(3), np.full(3, 1e-3), np.array([1.0, 2.0, np.inf]), 1e-6)
    assert far[0] > far[1] > far[2] == -np.inf and np.isfinite(far[:2]).all()


def test_strategies_that_cannot_tell_when_to_repeat_say_so() -> None:
    for strategy in ("mean", "lcmd", "forest_ucb", "pareto"):
        with pytest.raises(InputError, match=f"replicates: strategy '{strategy}' asks for each"):
            PoolProposer(Goal("best"), strategy, replicates=2)
    with pytest.raises(InputError, match="strategy 'balance' asks for each candidate once"):
        PoolProposer(Goal("rare", threshold=1.0), replicates=2)
    with pytest.raises(InputError, match="replicates: must be a whole number"):
        PoolProposer(replicates=0)
    assert PoolProposer(replicates=4).once().replicates == 1
