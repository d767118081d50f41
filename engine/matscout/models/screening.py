"""What a ranking is worth to someone who can make a few of many: precision@k and discovery.

Discovery yield and discovery probability: C. Borg, E. Muckley, C. Nyby, J. Saal, L. Ward, A. Mehta,
B. Meredig, "Quantifying the performance of machine learning models in materials discovery",
arXiv:2210.13587 (2022): how many of the wanted were found, and how likely one is found, by each step.
"""

from __future__ import annotations

import numpy as np


def found_by(hit: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The expected number of hits among the first k by falling `score`, (n,) for k = 1, …, n.

    `hit` (n,) is 0 and 1. Rows of equal scores come in random order, and the expectation over that
    order is exact: a model that says the same of all finds what chance finds.
    """
    hit, score = np.asarray(hit, dtype=float), np.asarray(score, dtype=float)
    order = np.argsort(-score, kind="stable")
    _, first, size = np.unique(-score[order], return_index=True, return_counts=True)
    share = np.add.reduceat(hit[order], first) / size
    return np.asarray(np.cumsum(np.repeat(share, size)))


def precision_at(hit: np.ndarray, score: np.ndarray, k: int) -> float:
    """The share of hits among the `k` rows of the highest score; of all rows if there are fewer.

    Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    k = min(k, len(score))
    return float(found_by(hit, score)[k - 1] / k)


def discovery_yield(hit: np.ndarray, score: np.ndarray, k: int) -> float:
    """The share of all hits that are among the first `k`; NaN where there is no hit."""
    total = float(np.sum(hit))
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    k = min(k, len(score))
    return float(found_by(hit, score)[k - 1]) / total if total else float("nan")


def enrichment(hit: np.ndarray, score: np.ndarray, k: int) -> float:
    """precision@k over the share of hits in all: 1 is chance. NaN where there is no hit."""
    base = float(np.mean(hit))
    return precision_at(hit, score, k) / base if base else float("nan")


def discovery_probability(hits: np.ndarray, wanted: int = 1) -> np.ndarray:
    """The share of runs that have found `wanted` by each step, (steps,), for `hits` (runs, steps) of
    0 and 1 in the order of the experiments. One run for each seed or split; it never falls.
    """
    if wanted < 1:
        raise ValueError(f"wanted must be at least 1, got {wanted}")
    return np.asarray((np.cumsum(hits, axis=1) >= wanted).mean(axis=0))


def top_share(values: np.ndarray, share: float = 0.1, direction: str = "max") -> np.ndarray:
    """Which rows are hits, (n,) of 0 and 1: the best `share` of measured values, one at least; all
    that equal the last of them count, too.
    """
    if direction not in ("max", "min"):
        raise ValueError(f"direction must be max or min, got {direction!r}")
    good = np.asarray(values, dtype=float) * (1.0 if direction == "max" else -1.0)
    most = max(1, round(share * len(good)))
    return np.asarray((good >= np.sort(good)[-most]).astype(float))
