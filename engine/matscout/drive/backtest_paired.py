"""What one campaign was worth, and whether one arm's campaigns were worth more than another's.

Arms are compared seed by seed, because two campaigns with the same start have its luck in common.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.drive.backtest import Played, Protocol

RESAMPLES = 4000
LEVEL = 95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One number of one campaign. `less` is better, or more is.

    ratio   compare by the ratio (counts, errors, areas), else by the difference (shares, PR-AUC)
    capped  infinite where the budget did not suffice; counts as one experiment more than it
    """

    name: str
    said: str
    of: Callable[[Played], float]
    less: bool = False
    ratio: bool = False
    capped: bool = False


@dataclass(frozen=True)
class Comparison:
    """`value` is the geometric mean over seeds of ours/theirs, or the mean of ours - theirs, with
    its 95 % bootstrap interval over seeds; `verdict` is better, worse, or tie: the interval holds
    what no difference would give. With one seed there is no interval, and no verdict.
    """

    value: float
    ci95: tuple[float, float]
    verdict: str


def metrics(protocol: Protocol, at: Sequence[int] = ()) -> list[Metric]:
    """Those that suit the goal. `at`: the share of the wanted found after so many experiments."""
    kind, out = protocol.goal.kind, []
    if kind in ("best", "top", "threshold"):
        out.append(Metric("to_80", "experiments to 80 %", _to_80, True, True, True))
    elif kind == "rare":
        out.append(
            Metric("found", "area of the found curve over random's", Played.area, ratio=True)
        )
        if protocol.start == "without":
            said = "labels until the first hit, the start among them"
            out.insert(0, Metric("first_hit", said, _first, True, True, True))
    out += [Metric(f"share_{n}", f"share found after {n}", _ShareAt(n)) for n in at]
    if kind == "rare":
        out.append(Metric("pr_auc", "PR-AUC of the model at the end", _last))
        out.append(Metric("pr_auc_mean", "PR-AUC, mean of its curve", _mean))
    elif kind == "model":
        limited = protocol.goal.threshold is not None
        name, said = ("pr_auc", "PR-AUC") if limited else ("rmse", "RMSE")
        sign = 1.0 if limited else -1.0
        out.append(
            Metric(name, f"{said} at the end", _Signed(_last, sign), not limited, not limited)
        )
        mean = Metric(f"{name}_mean", f"{said}, mean of its curve", _Signed(_mean, sign))
        out.append(Metric(mean.name, mean.said, mean.of, not limited, not limited))
        if not limited:
            said = "RMSE on the lowest and the highest tenth, at the end"
            out.append(Metric("rmse_tail", said, _tail, True, True))
    return out


def values(metric: Metric, runs: Sequence[Played]) -> Array:
    """(seeds,) in the order of the seeds; infinite where the budget did not suffice."""
    return np.array([metric.of(run) for run in sorted(runs, key=lambda run: run.seed)])


def compare(metric: Metric, ours: Array, theirs: Array, budget: int) -> Comparison:
    """`ours`, `theirs` (seeds,) in the order of the same seeds. NaN where they cannot be compared."""
    each = differences(ours, theirs, budget, ratio=metric.ratio)
    return over([each], ratio=metric.ratio, less=metric.less)


def differences(ours: Array, theirs: Array, budget: int, *, ratio: bool) -> Array:
    """Seed by seed, in logs for ratios; what is infinite counts as one experiment more than the
    budget, and what cannot be compared is left out."""
    a, b = (np.where(np.isposinf(part), budget + 1.0, part) for part in (ours, theirs))
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.log(a) - np.log(b) if ratio else a - b
    return np.asarray(each[np.isfinite(each)])


def over(tables: Sequence[Array], *, ratio: bool, less: bool) -> Comparison:
    """Of the `differences` of each table: every table counts alike, and the interval draws seeds
    anew within each."""
    back: Callable[[float], float] = math.exp if ratio else float
    if not all(len(each) for each in tables):
        return Comparison(math.nan, (math.nan, math.nan), "one seed")
    value = float(np.mean([each.mean() for each in tables]))
    if any(len(each) < 2 for each in tables):
        return Comparison(back(value), (math.nan, math.nan), "one seed")
    rng = np.random.default_rng(0)
    drawn = np.mean(
        [
            each[rng.integers(len(each), size=(RESAMPLES, len(each)))].mean(axis=1)
            for each in tables
        ],
        axis=0,
    )
    tail = (100 - LEVEL) / 2
    low, high = (float(v) for v in np.percentile(drawn, [tail, 100 - tail]))
    # Rounding in the mean of equal numbers must not make a difference of nothing.
    verdict = "tie" if low <= 1e-12 and high >= -1e-12 else _verdict(low < 0, less)
    return Comparison(back(value), (back(low), back(high)), verdict)


def _verdict(smaller: bool, less_is_better: bool) -> str:
    return "better" if smaller == less_is_better else "worse"


def _to_80(run: Played) -> float:
    return run.to_80


def _first(run: Played) -> float:
    return run.until(1)


def _last(run: Played) -> float:
    return run.quality[-1]


def _tail(run: Played) -> float:
    return run.tail[-1]


def _mean(run: Played) -> float:
    return float(np.nanmean(run.quality))


@dataclass(frozen=True)
class _ShareAt:
    n: int

    def __call__(self, run: Played) -> float:
        return float(run.found[min(self.n, len(run.found)) - 1]) / run.wanted


@dataclass(frozen=True)
class _Signed:
    of: Callable[[Played], float]
    sign: float

    def __call__(self, run: Played) -> float:
        return self.sign * self.of(run)
