"""A sweep judged from outside: what its choice scores on rows that it never saw.

Nested cross-validation: Varma & Simon, BMC Bioinformatics 7, 91 (2006); Cawley & Talbot, JMLR 11,
2079 (2010). The best inner score is the best of many noisy ones, and so too good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from matscout.errors import RunFailed
from matscout.evaluate.base import Context, Evaluator
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.history import History
from matscout.propose.observations import best_of, value_of
from matscout.seeds import trial_seed
from matscout.trial import Measurement, Params, Target, Trial

SAME_QUESTION = ("split", "cv")
"""Objectives that ask of a sweep's rows what the outer folds ask: is it right for samples like these?"""


@dataclass(frozen=True)
class OuterFold:
    """`inner` is what the choice claims, `outer` what it scores on the hidden rows, and `untuned` what
    the trainer's defaults score there. `params` are the chosen trial's, empty for the defaults;
    `also` those of others whose predictions are averaged with it. `why` says what a rule went by.
    `comparable` is what stands for `inner` beside `outer`: None for `inner` itself, NaN for nothing.
    """

    run: str
    params: Params
    inner: float
    outer: float
    untuned: float
    also: tuple[Params, ...] = ()
    why: str = ""
    comparable: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A mean over outer folds with its 95 % interval; `low` and `high` are infinite for one fold."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Nested:
    """`optimism`: by how much the inner score was too good (positive: it was), None where the inner
    objective asks something else than the outer folds. `gain`: by how much tuning beat the
    defaults on hidden rows (positive: it did).
    """

    folds: tuple[OuterFold, ...]
    inner: Estimate
    outer: Estimate
    untuned: Estimate
    optimism: Estimate | None
    gain: Estimate


def judge_outside(
    run: str, history: History, seed: int, trainer: TabularTrainer, device: str = "cpu"
) -> OuterFold:
    """Fit the best trial's params on all visible rows, and score them on the hidden ones.

    `trainer` judges on the hidden rows alone. The seed is the trial's own. Raises RunFailed where
    no trial has a value, or no model could be fitted.
    """
    best, target = best_of(history), history.targets[0]
    if best is None:
        lacking = "keeps the limits" if history.limits and history.completed else "has a value"
        raise RunFailed(f"{run}: no trial {lacking}, so there is nothing to judge")
    inner = value_of(best, target)
    assert inner is not None
    own = trial_seed(seed, best.id)
    outer, untuned = (
        _score(run, trainer, params, target, own, device) for params in (best.params, {})
    )
    alike = comparable(trainer, target, best)
    return OuterFold(run, dict(best.params), inner, outer, untuned, comparable=alike)


def comparable(trainer: TabularTrainer, target: Target, best: Trial | None = None) -> float | None:
    """What of a trial's values (of none: of a rule's choice) is measured as the outer folds measure.

    `robert` is half a worst case, and has its other half, that from CV, beside it; `loco`, `sorted`
    and `time` judge rows of another kind than those that are hidden.
    """
    if trainer.objective in SAME_QUESTION:
        return None
    if trainer.objective != "robert" or best is None:
        return math.nan
    if target.name != trainer.target_name:
        return None  # the metrics beside it are from CV alone
    found = value_of(best, replace(target, name=f"{trainer.metric}.cv"))
    return math.nan if found is None else found


def nested(folds: Sequence[OuterFold], target: Target) -> Nested:
    """The means over outer folds, with Student's interval over them (1.96 is too narrow for five;
    folds share training rows, so this one still is, slightly).
    """
    alike = [f.inner if f.comparable is None else f.comparable for f in folds]
    over = [target.sign * (own - f.outer) for own, f in zip(alike, folds, strict=True)]
    return Nested(
        tuple(folds),
        estimate([f.inner for f in folds]),
        estimate([f.outer for f in folds]),
        estimate([f.untuned for f in folds]),
        None if any(map(math.isnan, over)) else estimate(over),
        estimate([target.sign * (f.outer - f.untuned) for f in folds]),
    )


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of (k,) with Student's 95 % interval."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Estimate(mean, -math.inf, math.inf)
    half = float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(count))
    return Estimate(mean, mean - half, mean + half)


def over_folds(values: np.ndarray, ratio: float) -> Estimate:
    """The mean of (k,), one a fold, with Student's 95 % interval and the variance (1/k + ratio) s²:
    folds share training rows. C. Nadeau & Y. Bengio, Mach. Learn. 52, 239 (2003), Eq. 8; `ratio` is
    that of judging to training rows. Infinite for one fold.
    """
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Estimate(mean, -math.inf, math.inf)
    error = math.sqrt((1 / count + ratio) * float(np.var(values, ddof=1)))
    half = float(stdtrit(count - 1, 0.975)) * error
    return Estimate(mean, mean - half, mean + half)


def _score(
    run: str, trainer: Evaluator, params: Mapping[str, Any], target: Target, seed: int, device: str
) -> float:
    *_, last = trainer.evaluate(params, Context(seed=seed, device=device))
    value = last.values.get(target.name, math.nan) if isinstance(last, Measurement) else math.nan
    if not math.isfinite(value):
        raise RunFailed(f"{run}: the chosen model gives no finite {target.name} on the hidden rows")
    return value
