"""The multilayer perceptron as an estimator that is fitted in one go, for pipelines and averages.

A sweep over networks alone (`model = "mlp"`) trains them epoch by epoch instead, and can stop them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from matscout.errors import require_whole
from matscout.models import hyperparameters as hyper
from matscout.models.fit import Fit
from matscout.models.metrics import METRICS, Task
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective

EPOCHS = 100


class _Network(BaseEstimator):
    """`params` are those of FitSettings and MlpSettings, and `epochs`."""

    def __init__(
        self, params: Mapping[str, Any] | None = None, random_state: int | None = None
    ) -> None:
        self.params = params
        self.random_state = random_state

    def _fit(self, task: Task, x: np.ndarray, y: np.ndarray, classes: int) -> None:
        given = dict(self.params or {})
        epochs = given.pop("epochs", EPOCHS)
        require_whole("params.epochs", epochs, 1)
        how = hyper.settings(hyper.FitSettings, given)
        size = hyper.settings(hyper.MlpSettings, given)
        device = torch.device("cpu")
        rows = np.arange(len(y))
        shown = torch.tensor(x, dtype=torch.float32)
        self.objective_ = Objective(task, y, rows, how, device, classes=classes)
        own = Fit(
            partial(Mlp, x.shape[1], self.objective_.outputs, size),
            lambda network, batch: network(shown[batch]),
            self.objective_,
            how,
            rows,
            epochs=epochs,
            seed=np.random.SeedSequence(self.random_state or 0),
            device=device,
        )
        for _ in range(epochs):
            for _ in own.run_epoch():
                pass
        self.network_ = own.network.eval()

    def _outputs(self, x: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return torch.as_tensor(self.network_(torch.tensor(x, dtype=torch.float32)))


class MlpRegressor(RegressorMixin, _Network):
    """Targets are standardised inside."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> MlpRegressor:
        self._fit("regression", x, np.asarray(y, dtype=float), 0)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.objective_.predictions(self._outputs(x), METRICS["mae"])


class MlpClassifier(ClassifierMixin, _Network):
    def fit(self, x: np.ndarray, y: np.ndarray) -> MlpClassifier:
        self.classes_, places = np.unique(y, return_inverse=True)
        self._fit("classification", x, places, len(self.classes_))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return torch.softmax(self._outputs(x).double(), dim=1).numpy()

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])
