"""The exam that every batch rule sits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.acquire.batch.bait import Bait
from matscout.acquire.batch.base import BatchRule
from matscout.acquire.batch.core_set import CoreSet
from matscout.acquire.batch.cosine import CosineFilter
from matscout.acquire.batch.farthest_first import FarthestFirst
from matscout.acquire.batch.greedy import Greedy
from matscout.acquire.batch.joint_q import JointQ
from matscout.acquire.batch.lcmd import LargestClusterMaximumDistance
from matscout.acquire.batch.max_determinant import MaxDeterminant
from matscout.acquire.batch.minority_quota import MinorityQuota
from matscout.acquire.batch.within import Within

Tensor = torch.Tensor


def rbf(A: Tensor, B: Tensor) -> Tensor:
    return torch.exp(-0.5 * torch.cdist(A, B, compute_mode="donot_use_mm_for_euclid_dist").square())


@dataclass(frozen=True)
class Prior:
    """A belief before any measurement: mean from the first column, covariance by distance."""

    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Prior:
        return self

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sin(X[..., 0]), torch.ones_like(X[..., 0])

    def covariance(self, A: Tensor, B: Tensor) -> Tensor:
        return rbf(A, B)


RULES: dict[str, Callable[[], BatchRule]] = {
    "greedy": Greedy,
    "farthest_first": FarthestFirst,
    "farthest_first_known": lambda: FarthestFirst(from_known=True),
    "core_set": CoreSet,
    "lcmd": LargestClusterMaximumDistance,
    "bait": Bait,
    "cosine": CosineFilter,
    "max_determinant": lambda: MaxDeterminant(rbf),
    "joint_q_log_nei": lambda: JointQ(Prior(), draws=32),
    "joint_q_ucb": lambda: JointQ(Prior(), score="ucb", draws=32),
    "within_lcmd": lambda: Within(LargestClusterMaximumDistance()),
}
DIVERSE = [name for name, make in RULES.items() if make().diverse]


@dataclass(frozen=True)
class Case:
    scores: Tensor
    points: Tensor
    known: Tensor
    q: int


def case(seed: int, b: int, m: int, q: int, p: int = 3, copies: bool = False) -> Case:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(b, p))
    if copies:
        points = points[rng.integers(0, max(b // 3, 1), size=b)]
    return Case(
        torch.from_numpy(rng.normal(size=b)),
        torch.from_numpy(points),
        torch.from_numpy(rng.normal(size=(m, p))),
        q,
    )


def picked(rule: BatchRule, c: Case) -> list[int]:
    return rule.pick(c.scores, c.points, c.known, c.q)


shapes = st.tuples(st.integers(0, 999), st.integers(1, 25), st.integers(0, 5), st.integers(0, 30))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25, deadline=None)
@given(shapes, st.booleans())
def test_unique_rows_within_range_and_as_many_as_asked(
    name: str, shape: tuple[int, int, int, int], copies: bool
) -> None:
    seed, b, m, q = shape
    c = case(seed, b, m, q, copies=copies)
    before = [tensor.clone() for tensor in (c.scores, c.points, c.known)]
    rows = picked(RULES[name](), c)
    assert len(rows) == len(set(rows)) == min(q, b)
    assert all(isinstance(row, int) and 0 <= row < b for row in rows)
    assert picked(RULES[name](), c) == rows
    assert all(map(torch.equal, before, (c.scores, c.points, c.known)))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=15, deadline=None)
@given(shapes, st.randoms(use_true_random=False))
def test_the_order_of_the_table_decides_nothing(name: str, shape, random) -> None:
    """The known points stay in their order: they are centres, and of equal ones the first counts."""
    c = case(*shape)
    order = list(range(len(c.points)))
    random.shuffle(order)
    moved = Case(c.scores[order], c.points[order], c.known, c.q)
    rows = [order[row] for row in picked(RULES[name](), moved)]
    assert rows == picked(RULES[name](), c)


@pytest.mark.parametrize("name", RULES)
def test_a_smaller_batch_is_the_start_of_a_larger_one(name: str) -> None:
    """Where what is chosen from does not depend on q: a sequence, not a set."""
    if name in ("farthest_first", "farthest_first_known", "within_lcmd"):
        pytest.skip("chooses among the best of a number that grows with q")
    rows = picked(RULES[name](), case(3, 30, 4, 12))
    assert picked(RULES[name](), case(3, 30, 4, 5)) == rows[:5]


@pytest.mark.parametrize("name", DIVERSE)
@settings(max_examples=25, deadline=None)
@given(shapes)
def test_no_copy_is_picked_while_others_are_left(name: str, shape) -> None:
    c = case(*shape, copies=True)
    rows = picked(RULES[name](), c)
    distinct = len(torch.unique(c.points, dim=0))
    assert len(torch.unique(c.points[rows], dim=0)) == min(len(rows), distinct)


@pytest.mark.parametrize("name", DIVERSE)
def test_the_best_twenty_times_over_is_one_candidate(name: str) -> None:
    """Top-k takes the copies of the best point; a diverse rule does not."""
    c = case(1, 40, 3, 8)
    points, scores = c.points.clone(), c.scores.clone()
    points[:20], scores[:20] = points[0].clone(), 10.0
    crowded = Case(scores, points, c.known, 8)
    assert len(torch.unique(points[picked(Greedy(), crowded)], dim=0)) == 1
    assert len(torch.unique(points[picked(RULES[name](), crowded)], dim=0)) == 8


@pytest.mark.parametrize("name", RULES)
def test_equal_scores_and_equal_points_go_by_row(name: str) -> None:
    zeros = torch.zeros(6, 2, dtype=torch.float64)
    same = Case(torch.zeros(6, dtype=torch.float64), zeros, zeros[:0], 4)
    assert picked(RULES[name](), same) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", RULES)
def test_a_score_that_is_no_number_is_the_worst(name: str) -> None:
    c = case(5, 12, 2, 12)
    scores = c.scores.clone()
    scores[[2, 7]] = torch.nan
    scores[4] = -torch.inf
    rows = picked(RULES[name](), Case(scores, c.points, c.known, 12))
    assert sorted(rows) == list(range(12))
    if name == "greedy":
        assert set(rows[-3:]) == {2, 4, 7}
    all_bad = torch.full((12,), torch.nan, dtype=torch.float64)
    assert len(picked(RULES[name](), Case(all_bad, c.points, c.known, 3))) == 3


@pytest.mark.parametrize("name", RULES)
def test_an_empty_pool_gives_nothing(name: str) -> None:
    none = torch.zeros(0, 3, dtype=torch.float64)
    assert RULES[name]().pick(none[:, 0], none, none, 4) == []
    c = case(0, 5, 2, 0)
    assert picked(RULES[name](), c) == []


@pytest.mark.parametrize("name", RULES)
def test_what_does_not_fit_together_is_refused(name: str) -> None:
    c = case(0, 5, 2, 2)
    for scores, points, known, q in (
        (c.scores[:3], c.points, c.known, 2),
        (c.scores, c.points, c.known[:, :2], 2),
        (c.scores, c.points, c.known, -1),
        (c.scores, c.points / 0.0, c.known, 2),
    ):
        with pytest.raises(ValueError, match="must be"):
            RULES[name]().pick(scores, points, known, q)


@pytest.mark.parametrize("inner", ["greedy", "lcmd", "cosine"])
@settings(max_examples=20, deadline=None)
@given(shapes, st.floats(0.0, 1.0))
def test_a_quota_is_kept(inner: str, shape, share: float) -> None:
    c = case(*shape)
    positive = torch.from_numpy(np.random.default_rng(shape[0]).random(len(c.points)))
    rows = picked(MinorityQuota(positive, RULES[inner](), share), c)
    assert len(rows) == len(set(rows)) == min(c.q, len(c.points))
    likely = int((positive >= 0.5).sum())
    quota = min(int(np.ceil(share * len(rows))), likely)
    if likely >= 3 * quota:
        assert int((positive[rows] >= 0.5).sum()) >= quota


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_a_hundred_thousand_candidates_fit_into_memory(name: str) -> None:
    import resource

    generator = torch.Generator().manual_seed(0)
    points = torch.randn(100_000, 64, generator=generator, dtype=torch.float64)
    scores = torch.randn(100_000, generator=generator, dtype=torch.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = RULES[name]().pick(scores, points, points[:200] + 0.1, 32)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(set(rows)) == 32
    assert after - before < 600_000  # KiB; one (n, n) matrix would be 80 GB
