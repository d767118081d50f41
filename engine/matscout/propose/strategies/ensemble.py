"""Networks in place of a Gaussian process, trained wherever the run's workers are."""

from __future__ import annotations

from matscout.propose.strategies.columns import OnColumns
from matscout.propose.strategies.view import PoolView
from matscout.surrogate.base import Surrogate
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.member import MlpMember

MEMBERS = 5
"""As in Lakshminarayanan et al. 2017: more gained them little."""

EPOCHS = 150
"""Half a second to two for each member on a hundred rows."""


def networks(view: PoolView, trees: int) -> Surrogate:
    """A deep ensemble (surrogate/ensemble.py) on the scaled features; its members are the jobs of
    `view.executor`. For hundreds of measurements: networks know little of a few dozen.
    """
    trainer = MlpMember(epochs=EPOCHS)
    ensemble = DeepEnsemble(MEMBERS, trainer, executor=view.executor, seed=view.seed)
    return OnColumns(ensemble, slice(view.unit.shape[1]))
