"""Networks in place of a Gaussian process, trained wherever the run's workers are."""

from __future__ import annotations

from typing import Any

from matscout.evaluate.choose import PAYS
from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.parameter import Categorical, Float, Int
from matscout.propose.strategies.columns import OnColumns
from matscout.propose.strategies.view import PoolView
from matscout.propose.tunable import Rows, Tunable
from matscout.space import Space
from matscout.surrogate.base import FitFailed, Surrogate
from matscout.surrogate.ensemble import DeepEnsemble, Executor
from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.member import MlpMember
from matscout.trial import Params

MEMBERS = 5
"""As in Lakshminarayanan et al. 2017: more gained them little."""

EPOCHS = 150
"""Half a second to two for each member on a hundred rows."""

JUDGES = 2
"""So many times the members when hyperparameters are judged: of ten that each see rows drawn with
replacement, two have not seen 93 rows of 100; of five, 61."""


def networks(view: PoolView, trees: int) -> Surrogate:
    """A deep ensemble (surrogate/ensemble.py) on the scaled features; its members are the jobs of
    `view.executor`. For hundreds of measurements: networks know little of a few dozen.
    """
    trainer = _member(view.hyperparameters)
    ensemble = DeepEnsemble(MEMBERS, trainer, executor=view.executor, seed=view.seed)
    return OnColumns(ensemble, slice(view.unit.shape[1]))


def _member(params: Params) -> MlpMember:
    changes: Any = {**_DEFAULT, **params}
    fit = FitSettings(lr=changes.pop("lr"), weight_decay=changes.pop("weight_decay"))
    return MlpMember(EPOCHS, MlpSettings(**changes), fit)


def _judged(params: Params, rows: Rows, seed: int, executor: Executor | None) -> HeldOut:
    """By members that have not seen a row."""
    ensemble = DeepEnsemble(JUDGES * MEMBERS, _member(params), executor=executor, seed=seed)
    held = ensemble.fit(rows.X, rows.Y, rows.Yvar).left_out
    if held is None:
        raise FitFailed("too few rows are left out")
    return held


def _seconds(n: int, d: int) -> float:
    """Ensembles of five on 20 and 60 rows of 5 columns, one busy core: 0.6 ms an epoch and 0.5 ms a
    batch for each member; a half more for wide networks, as a search tried them (2.6 s at 18 rows)."""
    batches = -(-n // FitSettings().batch_size)
    return 1.5e-3 * JUDGES * MEMBERS * EPOCHS * (0.6 + 0.5 * batches)


_DEFAULT: Params = {
    "hidden_features": MlpSettings().hidden_features,
    "hidden_layers": MlpSettings().hidden_layers,
    "activation": MlpSettings().activation,
    "lr": MlpMember().settings.lr,
    "weight_decay": MlpMember().settings.weight_decay,
}

TUNABLE = Tunable(
    Space(
        (
            Int("hidden_features", 16, 256, log=True),
            Int("hidden_layers", 1, 3),
            Categorical("activation", ("silu", "relu", "tanh")),
            Float("lr", 1e-3, 3e-2, log=True),
            Float("weight_decay", 1e-4, 1.0, log=True),
        )
    ),
    _DEFAULT,
    "unit",
    _judged,
    PAYS,
    1,
    _seconds,
)
"""What networks may be.

In five searches (6 or 10 configurations; 18 and 40 random rows of agnp and autoam) the best had .93,
.85, .88, .85 and .95 times the default's CRPS on other rows; it won .92, .70, .25, .15 and .33 of the
bootstraps, so that two of the five gains were taken."""
