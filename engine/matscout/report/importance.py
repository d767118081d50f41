"""How much each parameter of a sweep matters, by two measures of Optuna. Imports Optuna: load late."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

from matscout.parameter import Categorical, Float, Int, Parameter
from matscout.propose.optuna_study import Coding
from matscout.space import Space
from matscout.trial import Trial, Value

Array = NDArray[np.float64]

_TREES, _DEPTH = 64, 6
"""Sixty-four leaves a tree: beside 256, the shares of three known effects moved by .01 at 300, 1,000
and 2,000 trials, and the marginals took a second instead of five."""

_TOP = 0.1
_TOP_FEWEST = 5
"""PED-ANOVA asks what the best tenth have in common; fewer than five show nothing (Optuna's advice)."""


@dataclass(frozen=True)
class Importance:
    """`alone` is the share of the forest's variance that a parameter explains by itself, over those
    that exist in every trial; the shares add up to 1 less what parameters do together. `top` is how
    much the best trials gather along a parameter, over all, adding up to 1 (empty if they gather
    nowhere). `quality` is the forest's R² on trials that a tree has not seen.
    """

    alone: dict[str, float]
    top: dict[str, float]
    share: float
    """How large a share of the trials `top` calls the best."""
    quality: float


class _Scale:
    """A parameter as its axis draws it: by its index where it can be counted, else from 0 to 1.

    Left to itself, Optuna's fANOVA would weigh a log parameter along its raw values, and go through
    all 2ᵏ ways in which k choices can be there or not.
    """

    def __init__(self, parameter: Parameter) -> None:
        log = isinstance(parameter, Float | Int) and parameter.log
        count = None if log else parameter.count
        self._code = parameter.to_unit if count is None else Coding(parameter).encode
        low, high = (0.0, 1.0) if count is None else (-0.5, count - 0.5)
        self.even: BaseDistribution = FloatDistribution(low, high)
        """Every value, or every listed one, has the same room."""
        self.listed: BaseDistribution = self.even
        if isinstance(parameter, Categorical):
            self.listed = CategoricalDistribution(range(parameter.count))
        elif count is not None:
            self.listed = IntDistribution(0, count - 1)
        self._ends = (low, high)

    def encode(self, value: Value) -> float:
        return min(max(self._code(value), self._ends[0]), self._ends[1])  # type: ignore[arg-type]


def importance(space: Space, trials: Sequence[Trial], height: Array, seed: int = 0) -> Importance:
    """Of complete `trials` with `height` (n,), more is better: fANOVA's main effects (Hutter, Hoos
    and Leyton-Brown, ICML 2014) and PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023), in the form
    that knows conditional parameters (arXiv:2601.20800). The same for the same `seed`.

    RuntimeError where the heights do not differ.
    """
    scales = {p.name: _Scale(p) for p in space.parameters}
    codes = [{name: scales[name].encode(v) for name, v in t.params.items()} for t in trials]
    always = [p.name for p in space.parameters if not p.when]
    even = _study({name: scales[name].even for name in always}, codes, height)
    forest = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=seed)
    alone = _ask(even, forest, always)
    seen = [p.name for p in space.parameters if any(p.name in code for code in codes)]
    listed = _study({name: scales[name].listed for name in seen}, codes, height)
    share = min(max(_TOP, _TOP_FEWEST / len(trials)), 0.5)
    top = _ask(listed, PedAnovaImportanceEvaluator(target_quantile=share), seen)
    whole = math.fsum(top.values())
    top = {name: value / whole for name, value in top.items()} if whole > 0 else {}
    x = np.array([[code[name] for name in always] for code in codes])
    return Importance(alone, top, share, _quality(x, height, seed))


def _study(
    distributions: dict[str, BaseDistribution], codes: Sequence[dict[str, float]], height: Array
) -> optuna.Study:
    """In memory; of each trial the parameters that `distributions` names."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    for code, value in zip(codes, height.tolist(), strict=True):
        there = {name: each for name, each in distributions.items() if name in code}
        params = {name: code[name] for name in there}
        trial = optuna.trial.create_trial(params=params, distributions=there, value=value)
        study.add_trial(trial)
    return study


def _ask(
    study: optuna.Study, evaluator: BaseImportanceEvaluator, names: list[str]
) -> dict[str, float]:
    """Not normalised: what remains to 1 has a meaning. In the order of `names`, finite, 0 at least."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that `normalize` is new, and that a branch is rare
        found = get_param_importances(study, evaluator=evaluator, params=names, normalize=False)
    return {name: max(float(np.nan_to_num(found.get(name, 0.0))), 0.0) for name in names}


def _quality(x: Array, y: Array, seed: int) -> float:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(_TREES, max_depth=_DEPTH, oob_score=True, random_state=seed)
    return float(forest.fit(x, y).oob_score_)
