"""Who is rare and wanted: classifiers and regressors together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from matscout.surrogate.base import FitFailed, Surrogate
from matscout.surrogate.classify import Membership
from matscout.surrogate.classify_forest import ForestClassifier
from matscout.surrogate.classify_gp import GpClassifier
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.membership import ExceedanceMembership, MixedMembership


@dataclass(frozen=True)
class RareMixture:
    """The mean of extra trees and a Gaussian process on the labels, and of P(y > threshold) by
    extra trees and an isotropic Gaussian process on the values.

    Classifiers know the classes better once both are seen; regressors see where the target rises
    before there is one positive. On rare classes of materials data their mean did better than any
    of the four, both at finding and at learning.

    bounds  (2, d): what X is scaled by for the processes, as in `GaussianProcess`
    """

    bounds: Tensor | None = None
    trees: int = 100
    seed: int = 0

    def fit(
        self, X: Tensor, Y: Tensor, threshold: float, Yvar: Tensor | None = None
    ) -> MixedMembership:
        """X (n, d), Y (n, 1) of which more is better; positive is Y >= threshold."""
        labels = Y[:, 0] >= threshold
        parts: list[Membership] = list(self.of_labels(X, labels).parts)
        regressors: Sequence[Surrogate] = (
            Forest(trees=self.trees, seed=self.seed),
            self._process(X),
        )
        for regressor in regressors:
            try:
                parts.append(ExceedanceMembership(regressor.fit(X, Y, Yvar), threshold))
            except FitFailed:  # the others still have a say
                continue
        return MixedMembership(parts)

    def of_labels(self, X: Tensor, labels: Tensor) -> MixedMembership:
        """The classifiers alone, for a target that is only yes or no: labels (n,) bool."""
        forest = ForestClassifier(trees=self.trees, seed=self.seed)
        process = GpClassifier(self._process(X))
        return MixedMembership([forest.fit(X, labels), process.fit(X, labels)])

    def _process(self, X: Tensor) -> GaussianProcess:
        # One lengthscale: with few rows in many columns there is no telling more.
        return GaussianProcess(bounds=self.bounds, groups=[0] * X.shape[1])
