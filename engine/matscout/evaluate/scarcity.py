"""Which way of coping with few rows is the best: arms against each other on the same draws of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from matscout.models.extractors import Views
from matscout.models.transfer import FittedTransfer, Transfer, chosen

DUMMY = "dummy"
_RESAMPLES = 2000


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
    """`one` against `other` over pairs of task and size, each judged by the paired differences of the
    logarithms of the two errors over draws: a win where Student's 95 % interval of their mean lies
    below 0, a loss where it lies above, a tie where it holds 0. The interval speaks of the luck of the
    draw from this table; draws share rows where the table is small.

    tasks             how many there are: of one, the intervals over tasks are points and say nothing
    lower             pairs in which the geometric mean of `one`'s error is the lower, sure or not
    ratio, low, high  geometric mean of the errors' ratio (below 1: `one` is better), with its 95 %
                      bootstrap interval over tasks (sizes of one task go together)
    win_share         (low, high): 95 % of such samples of tasks have a share of wins in between
    """

    one: str
    other: str
    tasks: int
    wins: int
    ties: int
    losses: int
    lower: int
    ratio: float
    low: float
    high: float
    win_share: tuple[float, float]

    @property
    def pairs(self) -> int:
        return self.wins + self.ties + self.losses


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


def duel(scores: Sequence[Scored], one: str, other: str) -> Duel:
    """Over all pairs of task and size at which both were scored. ValueError where there is none, or
    fewer than two draws of one."""
    pairs = sorted(_pairs(scores, one) & _pairs(scores, other))
    if not pairs:
        raise ValueError(f"'{one}' and '{other}' were never scored on the same task")
    logs = [_logs(_errors(scores, p, one), _errors(scores, p, other)) for p in pairs]
    verdicts = np.array([verdict(each) for each in logs])
    means = np.array([each.mean() for each in logs])
    (low, high), share = _over_tasks([task for task, _ in pairs], means, verdicts < 0)
    return Duel(
        one,
        other,
        tasks=len({task for task, _ in pairs}),
        wins=int((verdicts < 0).sum()),
        ties=int((verdicts == 0).sum()),
        losses=int((verdicts > 0).sum()),
        lower=int((means < 0).sum()),
        ratio=float(np.exp(means.mean())),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        win_share=share,
    )


def verdict(logs: np.ndarray) -> int:
    """Of paired differences of logarithms, (draws,): -1 where the 95 % interval of their mean lies
    below 0, 1 where above, 0 where it holds 0. ValueError below two draws."""
    low, high = interval(logs)
    return -1 if high < 0 else 1 if low > 0 else 0


def interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean of values (n,), n >= 2."""
    if len(values) < 2:
        raise ValueError("an interval needs two draws at least")
    half = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half


def _over_tasks(
    tasks: Sequence[str], means: np.ndarray, won: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % percentile intervals of the mean of `means`, and of that of `won`: tasks are drawn with
    replacement, with all their pairs."""
    names = sorted(set(tasks))
    rows = [np.flatnonzero(np.array(tasks) == name) for name in names]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_RESAMPLES):
        some = np.concatenate([rows[k] for k in rng.integers(len(names), size=len(names))])
        found.append((means[some].mean(), won[some].mean()))
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _pairs(scores: Sequence[Scored], arm: str) -> set[tuple[str, int]]:
    return {(s.task, s.rows) for s in scores if s.arm == arm}


def _errors(scores: Sequence[Scored], pair: tuple[str, int], arm: str) -> dict[int, float]:
    """By seed."""
    return {s.seed: s.mae for s in scores if (s.task, s.rows) == pair and s.arm == arm}


def _logs(one: Mapping[int, float], other: Mapping[int, float]) -> np.ndarray:
    """Of the errors' ratio, (draws,), for the seeds that both have."""
    return np.log([one[seed] / other[seed] for seed in sorted(one.keys() & other.keys())])
