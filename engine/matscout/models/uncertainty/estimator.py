"""The models that know their uncertainty, by name, as one estimator for pipelines and sweeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from matscout.models import hyperparameters as hyper
from matscout.models.inputs import MlpMaker
from matscout.models.recipe import Recipe
from matscout.models.uncertainty.bagging import BaggedNetworks
from matscout.models.uncertainty.belief import Belief, UncertainModel
from matscout.models.uncertainty.deep_kernel import DeepKernelModel
from matscout.models.uncertainty.dropout import DropoutModel
from matscout.models.uncertainty.ensemble import CalibratedEnsemble
from matscout.models.uncertainty.evidential import EvidentialModel
from matscout.models.uncertainty.jackknife_forest import JackknifeForest
from matscout.models.uncertainty.laplace import LaplaceModel
from matscout.models.uncertainty.quantile_forest import QuantileForest
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.member import MlpMember


@dataclass(frozen=True, slots=True)
class UncertainSettings:
    """`kind` by name (`KINDS`), and what the kinds have: networks `epochs`, `lr`, `weight_decay`, their
    size and `dropout`; ensembles `members`; `dropout` itself `passes`; evidential `evidence_weight`;
    deep_kernel `steps` and `network_lr`; forests `trees`, `min_leaf` and `max_features`. The defaults
    are the classes' own; what a kind has not, it ignores.
    """

    kind: str = hyper.choice(
        "calibrated_ensemble", "bagging", "deep_ensemble", "dropout", "evidential", "laplace",
        "deep_kernel", "quantile_forest", "jackknife_forest",
    )  # fmt: skip
    epochs: int = hyper.count(150, 1, 100_000)
    lr: float = hyper.number(5e-3, 1e-8, 10.0)
    weight_decay: float = hyper.number(1e-2, 0.0, 10.0)
    hidden_features: int = hyper.count(64, 1, 4096)
    hidden_layers: int = hyper.count(2, 1, 16)
    dropout: float = hyper.number(0.1, 0.001, 0.95)
    members: int = hyper.count(5, 2, 100)
    passes: int = hyper.count(50, 2, 10_000)
    evidence_weight: float = hyper.number(0.01, 0.0, 10.0)
    steps: int = hyper.count(100, 0, 10_000)
    network_lr: float = hyper.number(1e-4, 0.0, 1.0)
    trees: int = hyper.count(300, 2, 100_000)
    min_leaf: int = hyper.count(3, 1, 1000)
    max_features: float = hyper.number(1.0 / 3.0, 0.001, 1.0)

    @property
    def size(self) -> hyper.MlpSettings:
        dropout = self.dropout if self.kind == "dropout" else 0.0
        return hyper.MlpSettings(self.hidden_features, self.hidden_layers, dropout)

    @property
    def fit(self) -> hyper.FitSettings:
        return hyper.FitSettings(lr=self.lr, weight_decay=self.weight_decay)

    @property
    def recipe(self) -> Recipe:
        return Recipe(MlpMaker(self.size), self.epochs, self.fit)


KINDS: dict[str, Callable[[UncertainSettings, int], UncertainModel]] = {
    "bagging": lambda s, seed: BaggedNetworks(s.members, recipe=s.recipe, seed=seed),
    "deep_ensemble": lambda s, seed: BaggedNetworks(s.members, False, s.recipe, seed),
    "calibrated_ensemble": lambda s, seed: CalibratedEnsemble(
        DeepEnsemble(s.members, MlpMember(s.epochs, s.size, s.fit), seed=seed)
    ),
    "dropout": lambda s, seed: DropoutModel(s.passes, s.recipe, seed),
    "evidential": lambda s, seed: EvidentialModel(s.evidence_weight, s.recipe, seed),
    "laplace": lambda s, seed: LaplaceModel(s.recipe, seed),
    "deep_kernel": lambda s, seed: DeepKernelModel(
        s.recipe, s.steps, network_lr=s.network_lr, seed=seed
    ),
    "quantile_forest": lambda s, seed: QuantileForest(s.trees, s.min_leaf, s.max_features, seed),
    "jackknife_forest": lambda s, seed: JackknifeForest(s.trees, s.min_leaf, s.max_features, seed),
}


class UncertainRegressor(RegressorMixin, BaseEstimator):
    """One of KINDS; the arguments are those of UncertainSettings. Inputs (n, d) finite, targets (n,);
    `predict` is the mean, `believe` all that the model says, both in the target's own unit.
    """

    def __init__(
        self,
        kind: str = "calibrated_ensemble",
        epochs: int = 150,
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        hidden_features: int = 64,
        hidden_layers: int = 2,
        dropout: float = 0.1,
        members: int = 5,
        passes: int = 50,
        evidence_weight: float = 0.01,
        steps: int = 100,
        network_lr: float = 1e-4,
        trees: int = 300,
        min_leaf: int = 3,
        max_features: float = 1.0 / 3.0,
        random_state: int | None = None,
    ) -> None:
        self.kind = kind
        self.epochs = epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.hidden_features = hidden_features
        self.hidden_layers = hidden_layers
        self.dropout = dropout
        self.members = members
        self.passes = passes
        self.evidence_weight = evidence_weight
        self.steps = steps
        self.network_lr = network_lr
        self.trees = trees
        self.min_leaf = min_leaf
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> UncertainRegressor:
        """InputError for a value out of bounds."""
        how = hyper.settings(UncertainSettings, self.get_params())
        self.fitted_ = KINDS[how.kind](how, self.random_state or 0).fit(np.asarray(x), y)
        return self

    def believe(self, x: np.ndarray) -> Belief:
        return self.fitted_.predict(np.asarray(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.believe(x).mean)
