"""Packages that choose rows of a table of numbers, as serve.py lets them answer.

    {"do": "new", "ids": […], "table": [[…], …],
     "rule": "skal_us", "classes": true, "seed": 0}     {}
    {"do": "tell", "ids": […], "values": […]}           {}
    {"do": "ask", "n": 4, "pending": [ids]}             {"ids": […]}

`table` has a row for each candidate; values of classes are 0 and 1. Everything is used as its
documentation shows, with its defaults. scikit-activeml, over scikit-learn's random forest:

    skal_us     UncertaintySampling (least confident), of classes; a committee of the forest's trees
                chooses the same, because each of them is sure
    skal_qbc    QueryByCommittee of the forest's trees, of values: where they spread most
    skal_gsi    GreedySamplingTarget (GSi: far in features times far in what is predicted)

bmdal_reg, with its own network trained anew for every batch:

    bmdal_lcmd  LCMD-TP with sketched gradient features, what the paper recommends (Holzmüller et al.
                2023, J. Mach. Learn. Res. 24, section 6)
"""

from __future__ import annotations

from typing import Any

_SKETCH = 512
"""Random features of the gradients, as in the paper."""


class Session:
    """The campaign that the other side plays."""

    def new(
        self, ids: list[str], table: list[list[float]], rule: str, classes: bool, seed: int
    ) -> dict[str, Any]:
        import numpy as np

        self._ids, self._row = ids, {name: row for row, name in enumerate(ids)}
        self._X, self._y = np.array(table), np.full(len(ids), np.nan)
        self._rule = _lcmd(seed) if rule == "bmdal_lcmd" else _query(rule, classes, seed)
        return {}

    def tell(self, ids: list[str], values: list[float]) -> dict[str, Any]:
        for name, value in zip(ids, values, strict=True):
            self._y[self._row[name]] = value
        return {}

    def ask(self, n: int, pending: list[str]) -> dict[str, Any]:
        import numpy as np

        free = np.isnan(self._y)
        free[[self._row[name] for name in pending]] = False
        return {"ids": [self._ids[row] for row in self._rule(self._X, self._y, free, n)]}


def _query(name: str, classes: bool, seed: int) -> Any:
    """A query strategy of scikit-activeml, with the model that it is given at every query."""
    import numpy as np
    from skactiveml.classifier import SklearnClassifier  # type: ignore[import-not-found]
    from skactiveml.pool import (  # type: ignore[import-not-found]
        GreedySamplingTarget,
        QueryByCommittee,
        UncertaintySampling,
    )
    from skactiveml.regressor import SklearnRegressor  # type: ignore[import-not-found]
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if classes:
        trees = RandomForestClassifier(random_state=seed)
        forest = SklearnClassifier(trees, classes=[0.0, 1.0], random_state=seed)
    else:
        forest = SklearnRegressor(RandomForestRegressor(random_state=seed), random_state=seed)
    strategy, model = {
        "skal_us": (UncertaintySampling, "clf"),
        "skal_qbc": (QueryByCommittee, "ensemble"),
        "skal_gsi": (GreedySamplingTarget, "reg"),
    }[name]
    query = strategy(random_state=seed).query

    def rows(X: Any, y: Any, free: Any, n: int) -> Any:
        return query(X, y, candidates=np.flatnonzero(free), batch_size=n, **{model: forest})

    return rows


def _lcmd(seed: int) -> Any:
    """As in the paper: inputs standardised over all candidates and softly clipped; of what is pending
    only the place matters."""
    import numpy as np
    import torch
    from bmdal_reg.bmdal.algorithms import select_batch  # type: ignore[import-not-found]
    from bmdal_reg.bmdal.feature_data import TensorFeatureData  # type: ignore[import-not-found]
    from bmdal_reg.nn_interface import NNRegressor  # type: ignore[import-not-found]

    np.Inf = np.inf  # type: ignore[attr-defined]  # bmdal_reg 3.0.2 is older than numpy 2

    def rows(X: Any, y: Any, free: Any, n: int) -> Any:
        X = 5.0 * np.tanh(0.2 * (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-30))
        known = np.isfinite(y)
        y = (y[known] - y[known].mean()) / max(float(y[known].std()), 1e-30)
        network = NNRegressor(device="cpu", preprocess_data=False, seed=seed)
        network.fit(X[known], y)
        parts = {"train": X[~free], "pool": X[free]}
        chosen, _ = select_batch(
            batch_size=n,
            models=[network.model_.get_single_model(0)],
            data={k: TensorFeatureData(torch.tensor(part).float()) for k, part in parts.items()},
            y_train=None,
            selection_method="lcmd",
            sel_with_train=True,
            base_kernel="grad",
            kernel_transforms=[("rp", [_SKETCH])],
        )
        return np.flatnonzero(free)[chosen.numpy()]

    return rows
