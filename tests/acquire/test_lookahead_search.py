from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from matscout.acquire.joint import joint_draws, standard_normals
from matscout.acquire.lookahead_search import (
    GaussianMembers,
    LookaheadSearch,
    Neighbours,
    coherent_bound,
)

Tensor = torch.Tensor


def pool(n: int = 12, seed: int = 0) -> GaussianMembers:
    generator = torch.Generator().manual_seed(seed)
    X = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    covariance = torch.exp(-0.5 * (torch.cdist(X, X) / 0.3).square())
    mean = torch.randn(n, generator=generator, dtype=torch.float64) * 0.5
    return GaussianMembers(mean, covariance, threshold=1.0)


def brute(p: Tensor, after, budget: int) -> list[float]:
    """Equations 8 and 9, over all sets of later picks."""
    scores = []
    for x in range(len(p)):
        rest = [z for z in range(len(p)) if z != x]
        value = float(p[x])
        for outcome, chance in ((True, float(p[x])), (False, 1 - float(p[x]))):
            then = after(x, outcome)
            sets = itertools.combinations(rest, min(budget - 1, len(rest)))
            value += chance * max(float(sum(then[z] for z in s)) for s in sets)
        scores.append(value)
    return scores


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_the_score_by_brute_force(budget: int) -> None:
    members = pool(8)
    got = LookaheadSearch(budget).scores(members.probabilities, members.after)
    expected = brute(members.probabilities, members.after, budget)
    assert got.tolist() == pytest.approx(expected, rel=1e-9)


def test_the_last_experiment_is_greedy() -> None:
    members = pool()
    scores = LookaheadSearch(1).scores(members.probabilities, members.after)
    assert torch.equal(scores, members.probabilities)


def test_a_budget_beyond_the_pool_takes_all_there_is() -> None:
    members = pool(4)
    scores = LookaheadSearch(50).scores(members.probabilities, members.after)
    # Whatever is asked first, everything is asked in the end.
    assert torch.allclose(scores, members.probabilities.sum().expand(4))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", [2, 5, 9])
def test_pruning_changes_no_winner(seed: int, budget: int) -> None:
    members = pool(40, seed)
    p = members.probabilities
    whole = LookaheadSearch(budget).scores(p, members.after)
    bound = coherent_bound(p, budget)
    assert (bound >= whole - 1e-9).all()
    for keep in (1, 3):
        pruned = LookaheadSearch(budget).scores(p, members.after, bound, keep)
        best = whole.topk(keep).values
        assert torch.allclose(pruned.topk(keep).values, best)
        kept = torch.isfinite(pruned)
        assert torch.equal(pruned[kept], whole[kept])


def test_pruning_prunes() -> None:
    members = pool(60)
    p = members.probabilities
    scores = LookaheadSearch(2).scores(p, members.after, coherent_bound(p, 2))
    assert 1 <= int(torch.isfinite(scores).sum()) < 60


@pytest.mark.parametrize("member", [True, False])
def test_gaussian_updates_by_monte_carlo(member: bool) -> None:
    members = pool(6)
    draws = joint_draws(members.mean, members.covariance, standard_normals(2**17, 6, seed=0))
    above = draws >= members.threshold
    for row in range(6):
        given = above[above[:, row] == member]
        assert np.allclose(
            members.after(row, member), given.double().mean(0), atol=4 / np.sqrt(len(given))
        )
    assert members.after(2, True)[2] == pytest.approx(1.0, abs=1e-6)
    assert members.after(2, False)[2] == pytest.approx(0.0, abs=1e-6)


def test_neighbours_count_their_votes() -> None:
    weights = torch.tensor([[0, 1.0, 0.5], [1.0, 0, 0], [0.5, 0, 0]], dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    model = Neighbours(weights, zero, zero, prior=0.1)
    assert model.probabilities.tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert model.after(0, True).tolist() == pytest.approx([0.1, 1.1 / 2, 0.6 / 1.5])
    assert model.after(0, False).tolist() == pytest.approx([0.1, 0.1 / 2, 0.1 / 1.5])
    scores = LookaheadSearch(2).scores(model.probabilities, model.after)
    assert scores.tolist() == pytest.approx(brute(model.probabilities, model.after, 2))


def test_it_explores_early_and_is_greedy_late() -> None:
    """One row is a likely find that says nothing; another, less likely, opens up a cluster."""
    n = 12
    covariance = torch.eye(n, dtype=torch.float64)
    covariance[1:, 1:] = 0.95
    covariance.diagonal().fill_(1.0)
    mean = torch.full((n,), -1.2, dtype=torch.float64)
    mean[0] = -1.1
    members = GaussianMembers(mean, covariance, 0.0)
    p = members.probabilities
    assert int(LookaheadSearch(1).scores(p, members.after).argmax()) == 0
    assert int(LookaheadSearch(8).scores(p, members.after).argmax()) != 0
