"""Leave one cluster out: planted clusters are found, outliers never judge, groups stay whole."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.data.cluster_folds import cluster_folds
from matscout.errors import InputError

SIZES = (12, 20, 9)


def planted() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.permutation(np.repeat(np.arange(3), SIZES))
    centres = np.array([[0.0, 0, 0], [10, 0, 5], [0, 10, -5]])
    return centres[label] + rng.normal(size=(len(label), 3)) * 0.3, label


@pytest.mark.parametrize("by", ["kmeans", "hdbscan"])
@pytest.mark.parametrize("seed", [0, 7])
def test_planted_clusters_are_the_folds(by: str, seed: int) -> None:
    x, label = planted()
    made = cluster_folds(x, by, 3, seed=seed)
    assert sorted(len(judge) for _, judge in made) == sorted(SIZES)
    for train, judge in made:
        assert len(set(label[judge])) == 1 and not set(label[judge]) & set(label[train])
        assert sorted([*train, *judge]) == list(range(len(label)))
    again = cluster_folds(x, by, 3, seed=seed)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(made, again, strict=True))


@pytest.mark.parametrize(("by", "count"), [("kmeans", 4), ("hdbscan", 3)])
def test_an_outlier_trains_and_never_judges(by: str, count: int) -> None:
    x, _ = planted()
    x = np.vstack([x, [[200.0, 200, 200]]])
    made = cluster_folds(x, by, count)
    assert len(made) == 3
    assert all(len(x) - 1 in train for train, _ in made)


def test_groups_are_never_divided() -> None:
    rng = np.random.default_rng(2)
    x, groups = rng.normal(size=(60, 2)), np.arange(60) // 4
    made = cluster_folds(x, "kmeans", 3, groups=groups)
    assert len(made) >= 2
    for train, judge in made:
        assert not set(groups[train]) & set(groups[judge])


@pytest.mark.parametrize(
    ("x", "by", "count", "what"),
    [
        (np.zeros((9, 1)), "kmeans", 5, "9 rows or groups, 1 of them different"),
        (np.arange(8.0)[:, None], "kmeans", 5, "do not make 5 clusters; use fewer folds"),
        (np.zeros((90, 2)), "hdbscan", 5, "1 of them different"),
        (np.arange(90.0)[:, None], "kmean", 5, "did you mean 'kmeans'"),
        (np.random.default_rng(0).normal(size=(200, 8)), "hdbscan", 2, "rows into . clusters"),
        (np.arange(90.0)[:, None], "kmeans", 1, "at least 2"),
    ],
)
def test_what_cannot_be_clustered(x: np.ndarray, by: str, count: int, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        cluster_folds(x, by, count)
    assert "\n" not in str(caught.value)
