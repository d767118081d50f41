"""One cell of `bench lowdata`: a few rows of a table, what a small search makes of them, and what
every rule of choosing scores on the rest. All rules share the same models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.cli.bench.lowdata.models import Configuration, guesses
from matscout.evaluate.choose import Choice, Tried, blend, choose
from matscout.evaluate.objectives import plan
from matscout.models.metrics import METRICS

Array = NDArray[np.float64]
Index = NDArray[np.int64]

METRIC = METRICS["mae"]
FOLDS, REPEATS = 5, 2
_TREES = {"n_estimators": 50}
"""Half of scikit-learn's: a forest is most of the cost, and its mean moves little beyond."""

UNTUNED: tuple[Configuration, ...] = (
    ("extra_trees", _TREES),
    ("gaussian_process", {}),
    ("svm", {}),
)
"""Whose mean is `none`: trees, a Gaussian process and support vectors with their defaults."""
SEARCH: tuple[Configuration, ...] = (
    *UNTUNED,
    ("extra_trees", {**_TREES, "max_features": 0.33}),
    ("extra_trees", {**_TREES, "min_samples_leaf": 3}),
    ("extra_trees", {**_TREES, "target_transform": "log1p"}),
    ("gaussian_process", {"nu": 0.5}),
    ("gaussian_process", {"target_transform": "log1p"}),
    *(
        ("svm", {"C": c, "gamma": gamma})
        for c in (1.0, 10.0, 100.0)
        for gamma in ("scale", 0.001, 0.03)
        if (c, gamma) != (1.0, "scale")
    ),
    ("svm", {"C": 10.0, "target_transform": "log1p"}),
    *(("ridge", {"alpha": alpha}) for alpha in (1.0, 10.0, 100.0)),
)
"""What is tried: 20 configurations over the ranges of the ready search spaces."""

RULES = ("none", "extra trees", "best", "robert", "average", "auto")


@dataclass(frozen=True)
class Cell:
    """What the models said. `robert` (k,): that objective of each configuration. `outer` (k, m):
    predictions for the m rows that were never seen, `truth` (m,) their targets. The first
    configurations are UNTUNED.
    """

    tried: Tried
    robert: Array
    outer: Array
    truth: Array


@dataclass(frozen=True)
class Score:
    """`inner` is what the rule claims, `outer` what it keeps; `tuned`: not the defaults."""

    inner: float
    outer: float
    tuned: bool
    why: str


def draw(n: int, size: int, groups: Sequence[str] | None, seed: int) -> tuple[Index, Index]:
    """`size` rows to learn from, and the rows to judge by; groups are never on both sides. Larger
    sizes of the same seed hold the smaller ones."""
    codes = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(int(codes.max()) + 1)
    rows = np.argsort(np.argsort(order)[codes], kind="stable")
    seen = rows[:size]
    rest = rows[size:]
    return np.sort(seen), np.sort(rest[~np.isin(codes[rest], codes[seen])])


def cell(x: Array, y: Array, groups: Sequence[str] | None, size: int, seed: int) -> Cell:
    """Inputs (n, d) and targets (n,) of a whole table. InputError where the rows cannot be folded."""
    seen, rest = draw(len(y), size, groups, seed)
    own = None if groups is None else np.asarray(groups)[seen]
    made = plan(
        "robert", METRIC, y[seen], x[seen], kind="kfold" if own is None else "grouped",
        folds=FOLDS, repeats=REPEATS, fraction=0.2, groups=own, classes=False, clusters="",
        toward="high", seed=seed,
    )  # fmt: skip
    search, xs, ys = _usable(y[seen]), x[seen], y[seen]
    every = np.full((len(search), REPEATS, size), np.nan)
    judged = np.empty((len(search), len(made.folds)))
    for number, (train, judge) in enumerate(made.folds):
        said = guesses(search, xs[train], ys[train], xs[judge], seed)
        judged[:, number] = [METRIC.score(ys[judge], one) for one in said]
        if number >= made.ends:
            every[:, (number - made.ends) // FOLDS, judge] = said
    robert = [made.value(list(one)) for one in judged]
    outer = guesses(search, xs, ys, x[rest], seed)
    unit = np.arange(size) if own is None else np.unique(own, return_inverse=True)[1]
    tried = Tried(y[seen], every, every[: len(UNTUNED)].mean(axis=0), unit)
    return Cell(tried, np.array(robert), np.array(outer), y[rest])


def scores(one: Cell, seed: int) -> dict[str, Score]:
    """Every rule on that cell."""
    found = {}
    for rule in RULES:
        if rule == "robert":
            chosen = _alone(one, int(np.argmin(one.robert)), "the best by ROBERT's objective")
        elif rule == "extra trees":
            chosen = _alone(one, 0, "untuned extra trees")
        else:
            chosen = choose(rule, one.tried, METRIC, seed)
        plain = one.outer[: len(UNTUNED)].mean(axis=0)
        said = blend(one.outer[list(chosen.members)], plain, METRIC)
        outer = METRIC.score(one.truth, said)
        inner = chosen.honest if rule == "auto" else chosen.inner
        found[rule] = Score(inner, outer, bool(chosen.members), chosen.why)
    return found


def _alone(one: Cell, place: int, why: str) -> Choice:
    inner = float(np.abs(one.tried.guesses[place] - one.tried.truth).mean())
    return Choice((place,), inner, inner, 0.0, 0.0, why)


def _usable(y: Array) -> list[Configuration]:
    """Without logarithms where there are none."""
    logs = float(y.min()) > -1
    return [one for one in SEARCH if logs or one[1].get("target_transform") != "log1p"]
