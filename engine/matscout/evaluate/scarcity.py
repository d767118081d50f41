"""Which way of coping with few rows is the best: arms against each other on the same draws of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from matscout.models.extractors import Views
from matscout.models.transfer import FittedTransfer, Transfer, chosen

DUMMY = "dummy"


@dataclass(frozen=True)
class Task:
    """A target that is scarce: y (n,) in `unit`, the rows of `views`."""

    name: str
    views: Views
    y: np.ndarray
    unit: str


@dataclass(frozen=True)
class Scored:
    """Mean absolute error, in the task's unit, on rows that no arm was shown."""

    task: str
    rows: int
    seed: int
    arm: str
    mae: float


@dataclass(frozen=True)
class Duel:
    """`one` against `other` over tasks and sizes, a win being the lower mean error over seeds.

    ratio  geometric mean of the two errors' ratio (below 1: `one` is better), with its 95 %
           interval over (task, size) pairs
    """

    one: str
    other: str
    wins: int
    ties: int
    losses: int
    ratio: float
    low: float
    high: float


class _Median:
    """Knows the targets' median, and nothing of the rows."""

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedTransfer:
        return _Constant(float(np.median(y)), next(iter(views)))


@dataclass(frozen=True)
class _Constant:
    value: float
    view: str

    def predict(self, views: Views) -> np.ndarray:
        return np.full(len(views[self.view]), self.value)


def compare(
    tasks: Sequence[Task],
    arms: Mapping[str, Transfer],
    sizes: Sequence[int],
    *,
    seeds: Sequence[int],
    judged: int = 500,
) -> Iterator[Scored]:
    """For each task, size and seed: rows are drawn, every arm is trained on the same, and judged on
    `judged` others at most. The arm DUMMY, the median, is always among them.

    Nothing that was learned from a task's own rows may be in an arm: experts come from elsewhere.
    ValueError where a task has not rows enough to be judged on.
    """
    everyone: dict[str, Transfer] = {DUMMY: _Median(), **arms}
    for number, task in enumerate(tasks):
        for size in sizes:
            if len(task.y) < size + 20:
                raise ValueError(f"{task.name}: {len(task.y)} rows do not make {size} and 20 more")
            for seed in seeds:
                rng = np.random.default_rng(np.random.SeedSequence([seed, number, size]))
                order = rng.permutation(len(task.y))
                train, judge = order[:size], order[size : size + judged]
                shown, hidden = chosen(task.views, train), chosen(task.views, judge)
                for name, arm in everyone.items():
                    said = arm.fit(shown, task.y[train], seed).predict(hidden)
                    error = float(np.abs(said - task.y[judge]).mean())
                    yield Scored(task.name, size, seed, name, error)


def duel(scores: Sequence[Scored], one: str, other: str, *, tie: float = 0.01) -> Duel:
    """Over all pairs of task and size; errors within the share `tie` of each other are level."""
    pairs = sorted({(s.task, s.rows) for s in scores})
    ratios = np.array([_mean(scores, pair, one) / _mean(scores, pair, other) for pair in pairs])
    if not len(ratios):
        raise ValueError("nothing was scored")
    logs = np.log(ratios)
    low = high = float(logs.mean())
    if len(logs) > 1 and float(np.ptp(logs)) > 0:
        found = bootstrap(
            (logs,), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
        )
        low, high = map(float, found.confidence_interval)
    return Duel(
        one,
        other,
        int((ratios < 1.0 - tie).sum()),
        int((np.abs(ratios - 1.0) <= tie).sum()),
        int((ratios > 1.0 + tie).sum()),
        float(np.exp(logs.mean())),
        float(np.exp(low)),
        float(np.exp(high)),
    )


def _mean(scores: Sequence[Scored], pair: tuple[str, int], arm: str) -> float:
    own = [s.mae for s in scores if (s.task, s.rows) == pair and s.arm == arm]
    if not own:
        raise ValueError(f"'{arm}' was not scored on {pair}")
    return float(np.mean(own))
