"""Transfer as an estimator for pipelines and sweeps: a scarce target of formulas, an expert that has
learned the measured enthalpies of formation which pymatgen ships, and CHGNet where there are structures.
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

ENTHALPY, CHGNET, _TABLE = "enthalpy", "chgnet", "table"
_VIEWS = {STATISTICS: ENTHALPY}
"""The expert that reads a block of inputs, where it has another name than the block."""

BODY = OfColumns(hyper.MlpSettings(hidden_features=64, hidden_layers=2))
_EXPERT = HeadSettings(
    epochs=40, settings=hyper.FitSettings(lr=5e-3, weight_decay=1e-3, batch_size=64)
)


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """`kind`: experts, a gate over all experts there are and the table's own columns (`kept` of them at
    a time, 0: all; `by_row`, `noise`, `balance` and `z` as in GateSettings); pairwise, on `expert`;
    two_stage on the enthalpies' (`second_epochs` at `slower` times `lr`); scratch. `bags` above 1: so
    many of it on rows drawn with replacement.
    """

    kind: str = hyper.choice("experts", "pairwise", "two_stage", "scratch")
    epochs: int = hyper.count(150, 1, 100_000)
    lr: float = hyper.number(5e-3, 1e-8, 10.0)
    weight_decay: float = hyper.number(1e-2, 0.0, 10.0)
    hidden_features: int = hyper.count(32, 1, 4096)
    expert: str = hyper.choice(ENTHALPY, CHGNET)
    kept: int = hyper.count(0, 0, 3)
    by_row: str = hyper.choice("no", "yes")
    noise: float = hyper.number(0.0, 0.0, 10.0)
    balance: float = hyper.number(0.0, 0.0, 10.0)
    z: float = hyper.number(1e-3, 0.0, 10.0)
    slower: float = hyper.number(0.1, 1e-6, 1.0)
    second_epochs: int = hyper.count(50, 1, 100_000)
    bags: int = hyper.count(1, 1, 100)

    def arm(self, views: Views) -> Transfer:
        """InputError where they lack what it needs."""
        head = HeadSettings(
            hyper.MlpSettings(self.hidden_features, 1),
            self.epochs,
            hyper.FitSettings(lr=self.lr, weight_decay=self.weight_decay),
        )
        one: Transfer
        if self.kind == "scratch":
            one = Scratch(_TABLE, BODY, head)
        elif self.kind == "pairwise":
            one = Pairwise(_expert(self.expert, views), head)
        elif self.kind == "two_stage":
            one = TwoStage(_expert(ENTHALPY, views), head, self.slower, self.second_epochs)
        else:
            known = (ENTHALPY, CHGNET) if CHGNET in views else (ENTHALPY,)
            experts = [_expert(name, views) for name in known]
            experts.append(_trained_already(_TABLE, views))
            if self.kept > len(experts):
                what = f"asks {self.kept} experts at a time, and there are {len(experts)}"
                raise InputError("params.kept", what, f"at most {len(experts)}; 0: all")
            gate = GateSettings(self.kept, self.by_row == "yes", self.noise, self.balance, self.z)
            one = MixtureOfExperts(experts, head, gate)
        return one if self.bags == 1 else Bagged(one, self.bags)


def _expert(name: str, views: Views) -> Pretrained:
    if name not in views and name == ENTHALPY:
        what = "transfer learns from statistics of one column of formulas, and sees none"
        mend = "name the column under formulas, with features = 'all', 'statistics' or 'bonding'"
        raise InputError("params.features", what, mend)
    if name not in views:
        mend = "name the column of the structures' files under structures"
        raise InputError("params.expert", "chgnet reads structures, and sees none", mend)
    return enthalpy_expert() if name == ENTHALPY else _trained_already(name, views)


def _trained_already(name: str, views: Views) -> Pretrained:
    inputs = views[name]
    assert isinstance(inputs, ColumnInputs)
    return of_features(name, name, inputs.X.shape[1])


@lru_cache(maxsize=1)
def enthalpy_expert() -> Pretrained:
    """Learned from 2,135 compounds, always the same; some 2 s on one core, once for each process."""
    known = formation_enthalpies()
    views = {ENTHALPY: ColumnInputs.of(composition_features(known.formulas)[1])}
    return pretrained(ENTHALPY, ENTHALPY, views, known.enthalpy, make=BODY, head=_EXPERT)


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
        expert: str = ENTHALPY,
        kept: int = 0,
        by_row: str = "no",
        noise: float = 0.0,
        balance: float = 0.0,
        z: float = 1e-3,
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
        self.expert = expert
        self.kept = kept
        self.by_row = by_row
        self.noise = noise
        self.balance = balance
        self.z = z
        self.slower = slower
        self.second_epochs = second_epochs
        self.bags = bags
        self.blocks = blocks
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> TransferRegressor:
        """InputError for a value out of bounds, or where there is nothing that the expert reads."""
        how = hyper.settings(TransferSettings, self.get_params())
        views = self._views(x)
        self.fitted_ = how.arm(views).fit(views, np.asarray(y), self.random_state or 0)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.predict(self._views(x)))

    def shares(self, x: np.ndarray) -> dict[str, float]:
        """How much the gate takes of each expert and of the table; empty for other kinds."""
        fitted = self.fitted_
        return fitted.shares(self._views(x)) if isinstance(fitted, FittedMixture) else {}

    def _views(self, x: np.ndarray) -> Views:
        table = np.asarray(x, dtype=np.float64)
        named = {_VIEWS.get(name, name): table[:, first:last] for name, first, last in self.blocks}
        views = {name: ColumnInputs.of(named[name]) for name in (ENTHALPY, CHGNET) if name in named}
        return {**views, _TABLE: ColumnInputs.of(table)}
