"""The trainer's models for `bench lowdata`, without scikit-learn's bookkeeping: its cloning of every
tree and its repeated preparation of the same rows take longer than fitting twenty of them. What is
predicted is the same to the last bit but for the order of sums (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.tree import ExtraTreeRegressor

from matscout.models import tabular
from matscout.models.hyperparameters import PrepareSettings, names, settings

Array = NDArray[np.float64]
Configuration = tuple[str, Mapping[str, Any]]


def guesses(
    search: Sequence[Configuration], x: Array, y: Array, judge: Array, seed: int
) -> list[Array]:
    """What each configuration, trained on inputs (n, d) and targets (n,), says of `judge` (m, d)."""
    prepare = tabular.preparation(tabular.Columns(x, x.shape[1]), PrepareSettings()).fit(x)
    seen, rest = prepare.transform(x), prepare.transform(judge)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        return [_guess(model, params, seen, y, rest, seed) for model, params in search]


def _guess(
    model: str, params: Mapping[str, Any], x: Array, y: Array, judge: Array, seed: int
) -> Array:
    how = settings(PrepareSettings, params)
    own = {k: v for k, v in params.items() if k not in names(PrepareSettings)}
    transform = tabular.target_transform(model, "regression", how)
    shift, scale = (y.mean(), y.std() or 1.0) if transform == "standard" else (0.0, 1.0)
    told = np.log1p(y) if transform == "log1p" else (y - shift) / scale
    if model == "extra_trees":
        said = _forest(own, x, told, judge, seed)
    else:
        estimator = tabular.ESTIMATORS[model][0](**own)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed)
        said = estimator.fit(x, told).predict(judge)
    return np.asarray(np.expm1(said) if transform == "log1p" else said * scale + shift)


def _forest(own: Mapping[str, Any], x: Array, y: Array, judge: Array, seed: int) -> Array:
    """The mean of the trees of scikit-learn's ExtraTreesRegressor with that random_state."""
    rng = np.random.RandomState(seed)
    rest = dict(own)
    count = rest.pop("n_estimators", 100)
    rest.setdefault("max_features", 1.0)
    seen, judged = (np.ascontiguousarray(part, dtype=np.float32) for part in (x, judge))
    total = np.zeros(len(judge))
    for _ in range(count):
        tree = ExtraTreeRegressor(random_state=rng.randint(np.iinfo(np.int32).max), **rest)
        tree.fit(seen, y, check_input=False)
        total += tree.predict(judged, check_input=False)
    return np.asarray(total / count)
