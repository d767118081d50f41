"""Strategies that ask how values hang together, each against its definition by another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from matscout.event import EventKind
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.strategies.believer import at_random
from matscout.propose.strategies.bound import BoundRule, both_tables, stacked
from matscout.propose.strategies.coverage import kernel_features
from matscout.propose.strategies.joint import joint_belief
from matscout.propose.strategies.lookahead import LookaheadRule
from matscout.propose.strategies.named import strategy
from matscout.propose.strategies.thompson import ThompsonRule
from matscout.propose.strategies.top_share import TopShareRule
from matscout.propose.strategies.view import PoolView
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.held_out import of_process
from matscout.surrogate.stacking import stacking_weights

Tell = Callable[..., Any]
RNG = np.random.default_rng(3)
TABLE = RNG.random((60, 2))
VALUES = np.sin(5 * TABLE[:, 0]) + TABLE[:, 1] + 0.05 * RNG.normal(size=60)
SEEN = tuple(range(12))


def pool_of(table: np.ndarray) -> Pool:
    ids = tuple(f"x{i}" for i in range(len(table)))
    columns = {
        name: tuple(table[:, j].tolist()) for j, name in enumerate("abcdef"[: table.shape[1]])
    }
    return Pool(ids, columns, tuple(columns))


def viewed(
    tell: Tell,
    goal: Goal | None = None,
    *,
    table: np.ndarray = TABLE,
    values: np.ndarray = VALUES,
    seen: tuple[int, ...] = SEEN,
    pending: tuple[int, ...] = (),
    failed: tuple[int, ...] = (),
    seed: int = 0,
) -> PoolView:
    story = tell(direction="max")
    for row in seen:
        story.measured(story.asked({}, f"x{row}"), float(values[row]))
    for row in pending:
        story.asked({}, f"x{row}")
    for row in failed:
        story.ended(story.asked({}, f"x{row}"), EventKind.FAILED)
    return PoolView(Candidates(pool_of(table)), story.history, goal or Goal(threshold=1.4), seed)


def believed(view: PoolView) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, covariance and noise variance over the pool, all standardised."""
    belief = joint_belief(view).standardised
    mean, _ = belief.mean_sd(view.unit)
    covariance = belief.covariance(view.unit, view.unit)
    return mean.numpy(), covariance.numpy(), belief.posterior.noise_here


def test_thompson_picks_what_is_best_as_often_as_it_is_best(tell: Tell) -> None:
    mean, covariance, _ = believed(viewed(tell))
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 20_000, method="eigh")
    chance = np.bincount(draws.argmax(1), minlength=60) / 20_000
    scores = ThompsonRule(draws=4096).scores(viewed(tell)).numpy()
    assert scores.sum() == pytest.approx(1.0) and scores == pytest.approx(chance, abs=0.03)
    firsts = [ThompsonRule().pick(viewed(tell, seed=seed), 1)[0][0] for seed in range(30)]
    assert len(set(firsts)) > 2 and set(firsts) <= set(np.flatnonzero(chance[12:] > 0) + 12)


def test_thompson_gives_copies_one_value(tell: Tell) -> None:
    """Twenty copies of one candidate are no twenty chances to win."""
    table = np.vstack([TABLE, np.repeat(TABLE[20:21], 20, axis=0)])
    plain = ThompsonRule(draws=2048).scores(viewed(tell))
    copied = ThompsonRule(draws=2048).scores(viewed(tell, table=table))
    together = copied[20] + copied[60:].sum()
    assert float(together) == pytest.approx(float(plain[20]), abs=0.05)


def test_probability_top_is_the_share_of_draws_that_count_it_in(tell: Tell) -> None:
    goal = Goal("top", top=0.1)
    view = viewed(tell, goal, pending=(40,))
    mean, covariance, _ = believed(view)
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 20_000, method="eigh")
    belief = joint_belief(view)
    draws[:, : len(SEEN)] = (VALUES[: len(SEEN)] - belief.loc) / belief.scale
    last = np.sort(draws, axis=1)[:, -6]  # six are the top tenth of sixty
    chance = (draws >= last[:, None]).mean(0)
    scores = TopShareRule(draws=2048).scores(view).numpy()
    assert scores.sum() == pytest.approx(6.0) and scores == pytest.approx(chance, abs=0.03)


def test_probability_top_of_a_pool_too_large_to_draw_together(tell: Tell) -> None:
    table = np.random.default_rng(1).random((500, 2))
    values = np.sin(5 * table[:, 0]) + table[:, 1]
    view = viewed(tell, Goal("top", top=0.2), table=table, values=values, seen=tuple(range(15)))
    together, apart = (TopShareRule(most=most).scores(view).numpy() for most in (1_000, 200))
    assert np.corrcoef(together, apart)[0, 1] > 0.95
    assert len(TopShareRule(most=200).pick(view, 8)) == 8


def test_noisy_improvement_is_that_over_the_best_of_what_was_asked_for(tell: Tell) -> None:
    view = viewed(tell, seen=SEEN[:5], pending=(30,))
    mean, covariance, _ = believed(view)
    rivals = [*SEEN[:5], 30]
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 100_000, method="eigh")
    gain = np.maximum(draws - draws[:, rivals].max(1, keepdims=True), 0.0).mean(0)
    scores = strategy("log_noisy_ei", view.goal).scores(view).numpy()
    good = gain > 0.01
    assert good.sum() > 10 and np.exp(scores[good]) == pytest.approx(gain[good], rel=0.15)


def test_nipv_is_what_is_left_to_know_once_it_is_measured(tell: Tell) -> None:
    view = viewed(tell, pending=(33,))
    _, covariance, noise = believed(view)
    scores = strategy("nipv", view.goal).scores(view).numpy()
    for row in (15, 33, 50):
        gone = covariance[:, row] ** 2 / (covariance[row, row] + noise)
        assert scores[row] == pytest.approx(-(np.diag(covariance) - gone).mean(), rel=1e-6)


def test_a_part_of_a_large_pool_stands_for_it(tell: Tell) -> None:
    view = viewed(tell, seed=4)
    rows = torch.arange(60)
    some = at_random(view, joint_belief(view), rows, 20)
    assert len(some) == 20 and bool((some.diff() > 0).all())
    assert torch.equal(some, at_random(view, joint_belief(view), rows, 20))


def test_lookahead_counts_the_finds_to_come(tell: Tell) -> None:
    """Two experiments: P(x) + P(x) max P(z | x) + (1 - P(x)) max P(z | not x); Jiang et al. 2017."""
    view = viewed(tell, failed=(44,))
    belief, works = joint_belief(view), view.works
    mean, covariance, _ = believed(view)
    limit = (view.limit - belief.loc) / belief.scale
    sd = np.sqrt(np.diag(covariance))
    p = norm.sf((limit - mean) / sd)

    def both(i: int, j: int) -> float:
        cov = covariance[np.ix_([i, j], [i, j])]
        return float(multivariate_normal(-mean[[i, j]], cov).cdf([-limit, -limit]))

    def by_hand(i: int) -> float:
        others = [j for j in view.free if j != i]
        joint = np.array([both(i, j) for j in others])
        found = p[i] * works[i]
        yes = (joint / p[i] * works[others]).max()
        no = ((p[others] - works[i] * joint) / (1 - found) * works[others]).max()
        return float(found + found * yes + (1 - found) * no)

    (best, why), *_ = LookaheadRule(horizon=2).pick(view, 1)
    assert float(why["acquisition"]) == pytest.approx(by_hand(best), abs=1e-4)
    rivals = np.argsort(-p * works)[:12]
    assert by_hand(best) >= max(by_hand(i) for i in rivals if i in view.free) - 1e-4
    alone = LookaheadRule(horizon=1).scores(view).numpy()
    assert alone == pytest.approx(p * works, abs=1e-6)


def test_lookahead_where_nothing_has_a_chance_goes_to_the_nearest(tell: Tell) -> None:
    view = viewed(tell, Goal(threshold=1e9))
    belief = joint_belief(view).standardised
    mean, sd = belief.mean_sd(view.unit[view.free])
    (row, _), *_ = LookaheadRule().pick(view, 1)
    near = (mean - (1e9 - joint_belief(view).loc) / joint_belief(view).scale) / sd
    assert row == view.free[int(near.argmax())]


def test_stacked_weighs_a_process_and_trees_by_held_out_density(tell: Tell) -> None:
    view = viewed(tell, seen=tuple(range(30)))
    X = both_tables(view)[:30]
    process = GaussianProcess(groups=view.candidates.groups).fit(view.unit[:30], view.Y, view.Yvar)
    forest = Forest(trees=20, seed=0).fit(X[:, 2:], view.Y, view.Yvar)
    assert forest.held_out is not None
    densities = [of_process(process, view.Y[:, 0]).log_density, forest.held_out.log_density]
    weights = stacking_weights(np.column_stack([d.numpy() for d in densities]))
    rule = BoundRule("stacked", stacked, trees=20)
    (_, why), *_ = rule.pick(view, 1)
    said = str(why["words"])
    assert f"{weights[0]:.2f} Gaussian process" in said and said.startswith("{best} bound of")
    (m0, s0), (m1, s1) = process.mean_sd(view.unit), forest.mean_sd(both_tables(view)[:, 2:])
    mean = weights[0] * m0 + weights[1] * m1
    variance = weights[0] * (s0**2 + m0**2) + weights[1] * (s1**2 + m1**2) - mean**2
    if weights.min() >= 0.02:  # below, the lesser is dropped
        assert rule.scores(view).numpy() == pytest.approx(
            (mean + variance.sqrt()).numpy(), rel=1e-6
        )


def test_stacked_listens_to_trees_where_they_know_better(tell: Tell) -> None:
    """A step in one of four columns, which a smooth process smears."""
    table = np.random.default_rng(2).random((60, 4))
    step = np.floor(4 * table[:, 0]) * np.where(table[:, 1] > 0.5, 1.0, -1.0)
    view = viewed(tell, table=table, values=step, seen=tuple(range(45)))
    (_, why), *_ = BoundRule("stacked", stacked, trees=50).pick(view, 1)
    assert "trees" in str(why["words"])


def test_warped_learns_a_target_of_decades(tell: Tell) -> None:
    values = np.exp(6 * VALUES)
    view = viewed(tell, values=values, seen=tuple(range(30)))
    mean, _ = believed(view)[:2]
    scores = strategy("warped", view.goal).scores(view).numpy()
    unseen = slice(30, 60)
    ours, plain = (np.corrcoef(x[unseen], values[unseen])[0, 1] for x in (scores, mean))
    assert ours > plain


@pytest.mark.parametrize(
    "name",
    ["thompson", "probability_top", "log_noisy_ei", "nipv", "lookahead", "stacked", "rarity"],
)
def test_one_candidate_left(name: str, tell: Tell) -> None:
    view = viewed(tell, seen=tuple(range(59)))
    assert [row for row, _ in strategy(name, view.goal).pick(view, 5)] == [59]
    done = viewed(tell, seen=tuple(range(60)))
    assert strategy(name, done.goal).pick(done, 5) == []
    assert strategy(name, done.goal).scores(done).shape == (60,)


def test_the_features_of_a_process_are_its_kernel(tell: Tell) -> None:
    view = viewed(tell)
    posterior = joint_belief(view).posterior
    features = kernel_features(view, posterior)
    inside = posterior.box(view.unit)
    assert features.shape == (60, 60)  # with as many landmarks as candidates, exactly
    kernel = posterior.kernel.forward(inside, inside)
    assert (features @ features.mT).numpy() == pytest.approx(kernel.detach().numpy(), abs=1e-5)


def test_bait_leaves_least_unknown(tell: Tell) -> None:
    """Of a batch of four, the mean variance that is left: beside four at random, and the top sd."""
    view = viewed(tell)

    def left(rows: list[int]) -> float:
        after = joint_belief(view).posterior.believe(view.unit[rows])
        return float(after.standardised.mean_sd(view.unit)[1].square().mean())

    picked = {
        name: left([row for row, _ in strategy(name, view.goal).pick(view, 4)])
        for name in ("bait", "nipv", "top_sd")
    }
    rng = np.random.default_rng(0)
    chance = [left(rng.choice(view.free, 4, replace=False).tolist()) for _ in range(40)]
    assert max(picked["bait"], picked["nipv"]) < min(picked["top_sd"], *chance)
