"""Transfer as an estimator for pipelines and sweeps: a scarce target of formulas, and an expert that
has learned the measured enthalpies of formation which pymatgen ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from matscout.data.composition import composition_features
from matscout.data.formation_enthalpies import formation_enthalpies
from matscout.errors import InputError
from matscout.models import hyperparameters as hyper
from matscout.models.columns import STATISTICS
from matscout.models.experts import FittedMixture, MixtureOfExperts
from matscout.models.extractors import OfColumns, Pretrained, Views, of_features
from matscout.models.gate import GateSettings
from matscout.models.inputs import ColumnInputs
from matscout.models.transfer import (
    Bagged,
    HeadSettings,
    Pairwise,
    Scratch,
    Transfer,
    TwoStage,
    pretrained,
)

BODY = OfColumns(hyper.MlpSettings(hidden_features=64, hidden_layers=2))
_EXPERT = HeadSettings(
    epochs=40, settings=hyper.FitSettings(lr=5e-3, weight_decay=1e-3, batch_size=64)
)


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """`kind`: experts, a gate over the expert and the table's own columns (`kept` of them at a time, 0:
    both; `by_row`; `noise`); pairwise; two_stage (`second_epochs` at `slower` times `lr`); scratch.
    `bags` above 1: so many of it on rows drawn with replacement.
    """

    kind: str = hyper.choice("experts", "pairwise", "two_stage", "scratch")
    epochs: int = hyper.count(150, 1, 100_000)
    lr: float = hyper.number(5e-3, 1e-8, 10.0)
    weight_decay: float = hyper.number(1e-2, 0.0, 10.0)
    hidden_features: int = hyper.count(32, 1, 4096)
    kept: int = hyper.count(0, 0, 2)
    by_row: str = hyper.choice("no", "yes")
    noise: float = hyper.number(0.0, 0.0, 10.0)
    slower: float = hyper.number(0.1, 1e-6, 1.0)
    second_epochs: int = hyper.count(50, 1, 100_000)
    bags: int = hyper.count(1, 1, 100)

    def arm(self, columns: int) -> Transfer:
        head = HeadSettings(
            hyper.MlpSettings(self.hidden_features, 1),
            self.epochs,
            hyper.FitSettings(lr=self.lr, weight_decay=self.weight_decay),
        )
        one: Transfer
        if self.kind == "scratch":
            one = Scratch("table", BODY, head)
        elif self.kind == "pairwise":
            one = Pairwise(enthalpy_expert(), head)
        elif self.kind == "two_stage":
            one = TwoStage(enthalpy_expert(), head, self.slower, self.second_epochs)
        else:
            gate = GateSettings(self.kept, self.by_row == "yes", self.noise)
            own = of_features("table", "table", columns)
            one = MixtureOfExperts([enthalpy_expert(), own], head, gate)
        return one if self.bags == 1 else Bagged(one, self.bags)


@lru_cache(maxsize=1)
def enthalpy_expert() -> Pretrained:
    """Learned from 2,135 compounds, always the same; some 2 s on one core, once for each process."""
    known = formation_enthalpies()
    views = {STATISTICS: ColumnInputs.of(composition_features(known.formulas)[1])}
    return pretrained("enthalpy", STATISTICS, views, known.enthalpy, make=BODY, head=_EXPERT)


class TransferRegressor(RegressorMixin, BaseEstimator):
    """The arguments are those of TransferSettings. `blocks`: name, first column and the one after the
    last (-1: to the end) of the inputs (n, d), which are *not* scaled: the expert knows its own scale.
    """

    def __init__(
        self,
        kind: str = "experts",
        epochs: int = 150,
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        hidden_features: int = 32,
        kept: int = 0,
        by_row: str = "no",
        noise: float = 0.0,
        slower: float = 0.1,
        second_epochs: int = 50,
        bags: int = 1,
        blocks: Sequence[tuple[str, int, int]] = (),
        random_state: int | None = None,
    ) -> None:
        self.kind = kind
        self.epochs = epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.hidden_features = hidden_features
        self.kept = kept
        self.by_row = by_row
        self.noise = noise
        self.slower = slower
        self.second_epochs = second_epochs
        self.bags = bags
        self.blocks = blocks
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> TransferRegressor:
        """InputError for a value out of bounds, or where no formulas were named."""
        how = hyper.settings(TransferSettings, self.get_params())
        views = self._views(x)
        self.fitted_ = how.arm(x.shape[1]).fit(views, np.asarray(y), self.random_state or 0)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.predict(self._views(x)))

    def shares(self, x: np.ndarray) -> dict[str, float]:
        """How much the gate takes of the expert and of the table; empty for other kinds."""
        fitted = self.fitted_
        return fitted.shares(self._views(x)) if isinstance(fitted, FittedMixture) else {}

    def _views(self, x: np.ndarray) -> Views:
        table = np.asarray(x, dtype=np.float64)
        for name, first, last in self.blocks:
            if name == STATISTICS:
                seen = ColumnInputs.of(table[:, first:last])
                return {STATISTICS: seen, "table": ColumnInputs.of(table)}
        what = "transfer learns from statistics of one column of formulas, and sees none"
        mend = "name the column under formulas, with features = 'all', 'statistics' or 'bonding'"
        raise InputError("params.features", what, mend)
