"""Rules that say when a run has nothing more to gain. One card each; pure functions of what is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError
from matscout.finite import is_number
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Forecast
from matscout.propose.front import first_on_front
from matscout.propose.observations import value_of, variance_of
from matscout.propose.replicates import pooled
from matscout.space import Space
from matscout.trial import Target

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DELTA = 0.1
"""One minus the confidence of the regret bound, as in Makarova et al. 2022, section 5."""


_PATIENCE = 20
"""Shortest plateau by default. On small recorded tables runs that found the best went quiet for
thirteen experiments before they did."""


@dataclass(frozen=True)
class Seen:
    """What a rule may look at. `forecast` is None without a pool, or with too little data."""

    history: History
    space: Space
    goal: Goal
    forecast: Forecast | None

    @property
    def target(self) -> Target:
        return self.history.targets[0]

    def values(self) -> Array:
        """Measured values in the order of completion, signed so that more is better, (n,)."""
        found = [value_of(t, self.target) for t in self.history.completed]
        return self.target.sign * np.array([v for v in found if v is not None], dtype=float)

    def number(self, value: float) -> str:
        unit = f" {self.target.unit}" if self.target.unit else ""
        return f"{value:.4g}{unit}"


@dataclass(frozen=True)
class Verdict:
    """`stop`, and the reason in words; a rule that can say nothing says why not."""

    stop: bool
    text: str


class StopRule(Protocol):
    name: ClassVar[str]
    needs_pool: ClassVar[bool]

    def verdict(self, seen: Seen) -> Verdict: ...


@dataclass(frozen=True)
class Plateau:
    """No find among the last `experiments` (unset: half of all measured so far, at least twenty).

    A find is what the goal is after: a new best value, one of the best `goal.top` of the pool, or
    one that passes `goal.threshold`; over parameters of several targets what is on the front, and
    under limits only what is feasible. Beside it stands how often a random order of the very same
    values would have ended so quietly: with K finds among n, the last m hold none with probability
    C(n - m, K) / C(n, K) (hypergeometric).
    """

    experiments: int | None = None
    name: ClassVar[str] = "plateau"
    needs_pool: ClassVar[bool] = False

    def __post_init__(self) -> None:
        value = self.experiments
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise InputError("stop.plateau.experiments", f"must be a whole number, got {value!r}")
        if value is not None and value < 1:
            raise InputError("stop.plateau.experiments", f"must be at least 1, got {value}")

    def verdict(self, seen: Seen) -> Verdict:
        finds = _finds(seen)
        if finds is None:
            return Verdict(False, "says nothing about goal 'model', which has no best")
        n = len(finds)
        if not n:
            return Verdict(False, "nothing has been measured")
        quiet = n - 1 - int(np.flatnonzero(finds)[-1]) if finds.any() else n
        patience = self.experiments or max(_PATIENCE, math.ceil(n / 2))
        chance = quiet_chance(n, int(finds.sum()), quiet)
        noun = "find" if seen.goal.kind in ("threshold", "rare", "top") else "better value"
        text = f"no {noun} in the last {quiet} of {n} experiments (patience {patience})"
        if finds.any() and quiet:
            text += f"; a random order of them ends as quietly in {100 * chance:.0f} of 100 cases"
        if seen.space.pool is not None:
            left = len(seen.space.pool) - len({t.candidate for t in seen.history.finished})
            text += f"; {left} of {len(seen.space.pool)} candidates are left"
        return Verdict(quiet >= patience, text)


@dataclass(frozen=True)
class NothingBetter:
    """At most `probability` that any candidate without a value is better than what is known.

    1 - Π (1 - P(works) P(f > reference)), every belief taken as independent and normal. Where
    beliefs are positively correlated, as under the usual kernels, this is an upper bound (Slepian
    1962): the rule stops too late rather than too early. `reference` is the highest mean at a
    measured candidate (goal best), the value that opens the top share of the pool as it is believed
    to be (top), or the threshold.
    """

    probability: float = 0.05
    name: ClassVar[str] = "nothing_better"
    needs_pool: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_number(self.probability) or not 0 < self.probability < 1:
            raise InputError(
                "stop.nothing_better.probability",
                f"must lie between 0 and 1, got {self.probability!r}",
            )

    def verdict(self, seen: Seen) -> Verdict:
        beliefs = _beliefs(seen)
        if isinstance(beliefs, str):
            return Verdict(False, beliefs)
        reference, over = beliefs.reference(seen.goal, seen.target)
        if reference is None:
            return Verdict(False, "says nothing about goal 'model', which has no best")
        left = beliefs.left
        count = int(left.sum())
        if not count:
            return Verdict(True, "every candidate has been tried")
        mean, sd = beliefs.mean[left], beliefs.sd[left]
        better = probability_any_above(mean, sd, beliefs.feasible[left], reference)
        text = (
            f"{_percent(better)} probability, at most, that any of the {count} candidates left"
            f" {over} {seen.number(seen.target.sign * reference)}"
            f" (limit {_percent(self.probability)}; beliefs of {beliefs.rule} taken as independent)"
        )
        return Verdict(better <= self.probability, text)


@dataclass(frozen=True)
class Regret:
    """What is left to gain is below the noise: Makarova et al. 2022 (AutoML-Conf), equation 2.

    The bound on the simple regret is max_x ucb(x) - max_{x measured} lcb(x), with ucb, lcb =
    mean ± √β sd and β = 2 log(N t² π² / 6δ) / 5: N candidates, t measured, δ = 0.1 (Srinivas et al.
    2010, theorem 1, and the fifth that both papers take in their experiments). It is held against
    `tolerance` in the target's unit or, unset, the standard error of the best measurement or the
    noise of a single one as the model sees it.
    """

    tolerance: float | None = None
    name: ClassVar[str] = "regret"
    needs_pool: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (is_number(self.tolerance) and self.tolerance > 0):
            raise InputError(
                "stop.regret.tolerance", f"must be a positive number, got {self.tolerance!r}"
            )

    def verdict(self, seen: Seen) -> Verdict:
        if seen.goal.kind not in ("best", "top"):
            return Verdict(False, f"says nothing about goal {seen.goal.kind!r}")
        beliefs = _beliefs(seen)
        if isinstance(beliefs, str):
            return Verdict(False, beliefs)
        able = beliefs.left | beliefs.measured
        bound = regret_bound(beliefs.mean[able], beliefs.sd[able], beliefs.measured[able])
        limit, what = self._limit(seen, beliefs)
        text = f"at most {seen.number(bound)} is left to gain with 90 % confidence"
        if limit is None:
            return Verdict(False, f"{text}; no noise is known: give stop.regret a tolerance")
        relation = "within" if bound <= limit else "above"
        return Verdict(bound <= limit, f"{text}, {relation} {what} of {seen.number(limit)}")

    def _limit(self, seen: Seen, beliefs: Beliefs) -> tuple[float | None, str]:
        if self.tolerance is not None:
            return self.tolerance, "the tolerance"
        best = max(
            (t for t in pooled(seen.history.completed) if value_of(t, seen.target) is not None),
            key=lambda t: seen.target.sign * (value_of(t, seen.target) or 0.0),
        )
        sem = math.sqrt(variance_of(best, seen.target))
        if sem > 0:
            return sem, "the best one's standard error"
        return beliefs.noise, "the noise of a measurement"


@dataclass(frozen=True)
class Beliefs:
    """A forecast signed so that more is better, and which candidates have a value or may get one.

    Every array is (n_candidates,). `noise` is the sd of a measurement's error, None if unknown.
    """

    mean: Array
    sd: Array
    feasible: Array
    measured: Mask
    left: Mask
    noise: float | None
    rule: str

    def reference(self, goal: Goal, target: Target) -> tuple[float | None, str]:
        """What has to be beaten, signed, and how that is put into words."""
        if goal.kind == "model":
            return None, ""
        if goal.kind in ("threshold", "rare"):
            assert goal.threshold is not None
            return target.sign * goal.threshold, "passes"
        if goal.kind == "top":
            k = max(1, math.ceil(goal.top * len(self.mean)))
            return float(np.partition(self.mean, -k)[-k]), f"is among the best {k}, beyond"
        return float(self.mean[self.measured].max()), "is better than"


def regret_bound(mean: Array, sd: Array, measured: Mask) -> float:
    """Upper bound on max f - max_{measured} f, (n,) each; more is better; 90 % confidence."""
    count, n = int(measured.sum()), len(mean)
    beta = 2.0 / 5.0 * math.log(n * count**2 * math.pi**2 / (6.0 * _DELTA))
    width = math.sqrt(max(beta, 0.0)) * sd
    bound = float((mean + width).max() - (mean - width)[measured].max())
    return max(bound, 0.0)


def probability_any_above(mean: Array, sd: Array, works: Array, reference: float) -> float:
    """1 - Π (1 - works · P(f > reference)) of independent normal beliefs, (n,) each."""
    from scipy.special import log_ndtr, ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sd > 0, (reference - mean) / sd, np.where(mean > reference, -np.inf, np.inf))
    certain = works >= 1.0
    logs = np.where(certain, log_ndtr(z), np.log1p(-np.minimum(works, 1.0 - 1e-16) * ndtr(-z)))
    return float(-np.expm1(logs.sum()))


def quiet_chance(n: int, finds: int, quiet: int) -> float:
    """P(the last `quiet` of `n` in random order hold none of `finds`)."""
    if n - quiet < finds:
        return 0.0
    log = _log_choose(n - quiet, finds) - _log_choose(n, finds)
    return math.exp(log)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _finds(seen: Seen) -> Mask | None:
    """Which measured values, in the order of completion, are what the goal is after."""
    y, goal = seen.values(), seen.goal
    if goal.kind == "model":
        return None
    if goal.kind in ("threshold", "rare"):
        assert goal.threshold is not None
        return y >= seen.target.sign * goal.threshold
    history = seen.history
    if history.limits or (len(history.targets) > 1 and seen.space.pool is None):
        on_front = first_on_front(history)
        known = [t for t in history.completed if value_of(t, seen.target) is not None]
        return np.array([t.id in on_front for t in known], dtype=bool)
    size = len(seen.space.pool) if seen.space.pool is not None else len(y)
    k = max(1, math.ceil(goal.top * size)) if goal.kind == "top" else 1
    finds = np.zeros(len(y), dtype=bool)
    finds[np.argsort(-y, kind="stable")[:k]] = True  # the first of equals: later ones add nothing
    return finds


def _beliefs(seen: Seen) -> Beliefs | str:
    """What the forecast believes, or why there is nothing to believe."""
    pool, forecast = seen.space.pool, seen.forecast
    if pool is None:
        return "needs a pool of candidates"
    if forecast is None:
        return "there is too little data for a model"
    measured, left = _rows(seen, pool)
    if not measured.any():
        return "there is too little data for a model"
    return Beliefs(
        seen.target.sign * forecast.mean,
        forecast.sd,
        forecast.feasible,
        measured,
        left,
        forecast.noise_sd or None,
        forecast.rule,
    )


def _rows(seen: Seen, pool: Pool) -> tuple[Mask, Mask]:
    """Which candidates have a value, and which may still get one."""
    measured, left = np.zeros(len(pool), dtype=bool), np.ones(len(pool), dtype=bool)
    for trial in seen.history.asked_for:
        if trial.candidate is None or trial.candidate not in pool:
            continue
        row = pool.row(trial.candidate)
        if not trial.open:
            left[row] = False
        if value_of(trial, seen.target) is not None:
            measured[row] = True
    return measured, left & ~measured


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share < 0.995 else "100 %" if share > 0.9995 else "99 %"
