"""Each batch rule against what its paper says, worked out the slow way."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from matscout.acquire.batch.bait import Bait
from matscout.acquire.batch.base import highest, ranked
from matscout.acquire.batch.core_set import CoreSet
from matscout.acquire.batch.cosine import CosineFilter
from matscout.acquire.batch.distance import to_nearest, to_one
from matscout.acquire.batch.farthest_first import FarthestFirst
from matscout.acquire.batch.joint_q import JointQ
from matscout.acquire.batch.lcmd import LargestClusterMaximumDistance
from matscout.acquire.batch.max_determinant import MaxDeterminant
from matscout.acquire.batch.within import Within, reach

Tensor = torch.Tensor
Array = np.ndarray


def cloud(seed: int, b: int = 30, m: int = 4, p: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    scores, points, known = rng.normal(size=b), rng.normal(size=(b, p)), rng.normal(size=(m, p))
    return torch.from_numpy(scores), torch.from_numpy(points), torch.from_numpy(known)


def square(a: Array, b: Array) -> float:
    return float(((a - b) ** 2).sum())


# Distances


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_distances_are_exact_far_from_the_origin(shift: float) -> None:
    _, points, known = cloud(0, b=200, m=7)
    points, known = points + shift, known + shift
    got, row = to_nearest(points, known)
    every = torch.stack([to_one(points, centre) for centre in known])
    assert torch.equal(got, every.amin(0)) and torch.equal(row, every.argmin(0))
    assert to_one(points, points[3])[3] == 0.0
    assert to_nearest(points, points[5:6])[0][5] == 0.0


def test_ties_go_to_the_higher_score_and_then_to_the_lower_row() -> None:
    value = torch.tensor([1.0, 2.0, 2.0, 2.0])
    scores = torch.tensor([9.0, 1.0, 5.0, 5.0])
    free = torch.tensor([True, True, True, True])
    assert highest(value, scores, free) == 2
    assert highest(value, torch.full((4,), -torch.inf), free) == 1
    assert ranked(torch.tensor([1.0, 3.0, 3.0, -torch.inf])).tolist() == [1, 2, 0, 3]


# Farthest first and core-set


def farthest(points: Array, start: list[int], among: list[int], known: Array, q: int) -> list[int]:
    rows = list(start)
    while len(rows) < q:
        rest = [i for i in among if i not in rows]
        centres = [*known, *points[rows]]
        rows.append(max(rest, key=lambda i: min(square(points[i], c) for c in centres)))
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_farthest_first_within_the_best(seed: int) -> None:
    scores, points, known = cloud(seed)
    order = np.argsort(-scores.numpy())[: 3 * 4]
    best = int(order[0])
    expected = farthest(points.numpy(), [best], list(order), known.numpy()[:0], 4)
    assert FarthestFirst(width=3).pick(scores, points, known, 4) == expected
    expected = farthest(points.numpy(), [best], list(order), known.numpy(), 4)
    assert FarthestFirst(width=3, from_known=True).pick(scores, points, known, 4) == expected


def test_farthest_first_starts_where_nothing_is_known_yet() -> None:
    points = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    scores = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    assert FarthestFirst(from_known=True).pick(scores, points, points[:1], 1) == [1]
    assert FarthestFirst().pick(scores, points, points[:1], 1) == [0]


def test_the_best_few_are_counted_without_copies() -> None:
    points = torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [2.0]], dtype=torch.float64)
    assert reach(points, 1, 1) == 1
    assert reach(points, 2, 1) == 4
    assert reach(points, 3, 1) == 6
    assert reach(points, 4, 1) == 6
    assert reach(points, 1, 5) == 5


@pytest.mark.parametrize("seed", range(6))
def test_core_set_is_k_centre_greedy(seed: int) -> None:
    scores, points, known = cloud(seed)
    expected = farthest(points.numpy(), [], list(range(30)), known.numpy(), 6)
    assert CoreSet().pick(scores, points, known, 6) == expected
    start = [int(scores.argmax())]
    expected = farthest(points.numpy(), start, list(range(30)), known.numpy()[:0], 6)
    assert CoreSet().pick(scores, points, known[:0], 6) == expected


def test_core_set_covers_within_twice_the_best_radius() -> None:
    scores, points, known = cloud(2, b=12, m=2)
    rows = CoreSet().pick(scores, points, known, 3)

    def radius(chosen: tuple[int, ...]) -> float:
        return float(to_nearest(points, torch.cat([known, points[list(chosen)]]))[0].max().sqrt())

    best = min(radius(chosen) for chosen in itertools.combinations(range(12), 3))
    assert radius(tuple(rows)) <= 2 * best + 1e-12


# LCMD


def lcmd_by_hand(points: Array, known: Array, start: list[int], q: int) -> list[int]:
    """Clusters from scratch in every step, as the paper defines them."""
    rows = list(start)
    while len(rows) < q:
        centres = [*known, *points[rows]]
        clusters: dict[int, list[int]] = {}
        for i in range(len(points)):
            if i not in rows:
                nearest = int(np.argmin([square(points[i], c) for c in centres]))
                clusters.setdefault(nearest, []).append(i)
        sizes = {
            c: sum(square(points[i], centres[c]) for i in members)
            for c, members in clusters.items()
        }
        largest = max(sizes, key=lambda c: sizes[c])
        rows.append(max(clusters[largest], key=lambda i: square(points[i], centres[largest])))
    return rows


@pytest.mark.parametrize("seed", range(10))
def test_lcmd_takes_the_farthest_of_the_largest_cluster(seed: int) -> None:
    scores, points, known = cloud(seed, b=40, m=3)
    expected = lcmd_by_hand(points.numpy(), known.numpy(), [], 10)
    assert LargestClusterMaximumDistance().pick(scores, points, known, 10) == expected
    first = [int(scores.argmax())]
    expected = lcmd_by_hand(points.numpy(), known.numpy()[:0], first, 10)
    assert LargestClusterMaximumDistance().pick(scores, points, known[:0], 10) == expected


def test_lcmd_leaves_a_lone_outlier_for_a_crowd() -> None:
    """Twenty points at distance 3 of one centre, one at distance 8 of the other."""
    crowd = torch.stack([torch.full((20,), 3.0), torch.linspace(-0.1, 0.1, 20)], dim=-1)
    points = torch.cat([crowd, torch.tensor([[108.0, 0.0]])]).double()
    known = torch.tensor([[0.0, 0.0], [100.0, 0.0]], dtype=torch.float64)
    scores = torch.zeros(21, dtype=torch.float64)
    assert CoreSet().pick(scores, points, known, 1) == [20]
    (row,) = LargestClusterMaximumDistance().pick(scores, points, known, 1)
    assert row < 20


# BAIT and determinants


@pytest.mark.parametrize("seed", range(4))
def test_bait_leaves_the_least_variance_of_all_choices(seed: int) -> None:
    scores, points, known = cloud(seed, b=25, m=3)
    rows = Bait(noise=0.05).pick(scores, points, known, 5)
    every = np.concatenate([points.numpy(), known.numpy()])
    origin = every.mean(0)
    level = float(((points.numpy() - origin) ** 2).sum(-1).mean())

    def features(X: Array) -> Array:
        return np.concatenate([X - origin, np.full((len(X), 1), np.sqrt(level))], axis=1)

    def trace(chosen: list[int]) -> float:
        seen = features(np.concatenate([known.numpy(), points.numpy()[chosen]]))
        precision = np.eye(4) + seen.T @ seen / (0.05 * level)
        F = features(every)
        return float(np.trace(F @ np.linalg.inv(precision) @ F.T))

    for step in range(5):
        rest = [i for i in range(25) if i not in rows[:step]]
        best = min(rest, key=lambda i: trace([*rows[:step], i]))
        assert rows[step] == best


def test_bait_does_not_depend_on_where_the_origin_lies() -> None:
    scores, points, known = cloud(1)
    rows = Bait().pick(scores, points, known, 6)
    assert Bait().pick(scores, points * 1e3 + 50, known * 1e3 + 50, 6) == rows


def rbf(A: Tensor, B: Tensor) -> Tensor:
    return torch.exp(-0.5 * torch.cdist(A, B).square())


@pytest.mark.parametrize("m", [0, 4])
def test_each_pick_multiplies_the_determinant_most(m: int) -> None:
    scores, points, known = cloud(3, m=m)
    noise = 1e-3
    rows = MaxDeterminant(rbf, noise).pick(scores, points, known, 6)

    def log_determinant(chosen: list[int]) -> float:
        X = torch.cat([known, points[chosen]])
        return float(torch.logdet(rbf(X, X) + noise * torch.eye(len(X), dtype=X.dtype)))

    for step in range(6):
        if step == 0 and m == 0:
            assert rows[0] == int(scores.argmax())  # all variances equal: the score decides
            continue
        rest = [i for i in range(30) if i not in rows[:step]]
        assert rows[step] == max(rest, key=lambda i: log_determinant([*rows[:step], i]))


# Cosine


def test_what_points_the_same_way_is_skipped_and_the_limit_relaxed() -> None:
    points = torch.tensor(
        [[1.0, 0.0], [2.0, 0.01], [0.0, 1.0], [1.0, 0.3], [1.0, 0.0]], dtype=torch.float64
    )
    scores = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0], dtype=torch.float64)
    known = points[:0]
    rule = CosineFilter(limit=0.9)
    assert rule.pick(scores, points, known, 2) == [0, 2]
    # 3 is at cosine .958 to 0, 1 at .99999, and 4 is a copy of 0.
    assert rule.pick(scores, points, known, 5) == [0, 2, 3, 1, 4]


@pytest.mark.parametrize("seed", range(4))
def test_no_two_picks_exceed_the_limit_while_it_holds(seed: int) -> None:
    scores, points, known = cloud(seed, b=200, p=6)
    rows = CosineFilter(limit=0.5).pick(scores, points, known, 5)
    unit = torch.nn.functional.normalize(points[rows], dim=-1)
    cosine = unit @ unit.mT
    assert float((cosine - 2 * torch.eye(5, dtype=cosine.dtype)).max()) <= 0.5
    assert rows[0] == int(scores.argmax())
    assert (scores[rows].diff() <= 0).all()


def test_a_row_of_zeros_is_no_obstacle() -> None:
    points = torch.zeros(3, 2, dtype=torch.float64)
    points[1] = 1.0
    scores = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    assert CosineFilter().pick(scores, points, points[:0], 3) == [0, 1, 2]


# Rules of rules, and the joint score


def test_within_keeps_to_the_best() -> None:
    scores, points, known = cloud(0, b=60)
    rows = Within(CoreSet(), width=2).pick(scores, points, known, 4)
    assert set(rows) <= set(ranked(scores)[:8].tolist())
    best = ranked(scores)[:8]
    inside = CoreSet().pick(scores[best], points[best], known, 4)
    assert rows == best[inside].tolist()


@dataclass(frozen=True)
class Line:
    """Two well separated hills, of which the first is a little higher. Standardised."""

    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Line:
        return self

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        x = X[..., 0]
        mean = torch.exp(-((x - 1) ** 2) / 0.02) + 0.9 * torch.exp(-((x - 3) ** 2) / 0.02)
        return mean, torch.full_like(x, 0.3)

    def covariance(self, A: Tensor, B: Tensor) -> Tensor:
        return 0.09 * torch.exp(-0.5 * torch.cdist(A, B).square() / 0.25)


@pytest.mark.parametrize("score", ["log_nei", "ucb"])
def test_the_second_joint_pick_leaves_the_first_hill(score) -> None:
    points = torch.linspace(0, 4, 81, dtype=torch.float64).unsqueeze(-1)
    mean, sd = Line().mean_sd(points)
    rule = JointQ(Line(), score=score, draws=128)
    first, second = rule.pick(mean + sd, points, points[:0], 2)
    assert abs(float(points[first]) - 1) < 0.15 and abs(float(points[second]) - 3) < 0.15


def test_the_joint_score_is_the_expected_improvement_of_the_batch() -> None:
    """Each pick is the best by E max(improvement of the batch so far), over the same draws."""
    scores, points, known = cloud(4, b=20, m=3, p=1)
    rule = JointQ(Line(), draws=64, seed=2)
    rows = rule.pick(scores, points, known, 4)
    values = rule._draw(torch.cat([known, points]))
    best, each = values[:, :3].amax(-1), values[:, 3:]
    for step in range(4):
        batch = [
            float((each[:, [*rows[:step], i]].amax(-1) - best).clamp_min(0).mean())
            for i in range(20)
        ]
        assert batch[rows[step]] >= max(batch) - 1e-5


def test_the_shortlist_is_by_score() -> None:
    scores, points, known = cloud(0, b=100, p=1)
    rows = JointQ(Line(), shortlist=12, draws=16).pick(scores, points, known, 3)
    assert set(rows) <= set(ranked(scores)[:12].tolist())
