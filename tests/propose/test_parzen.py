"""SciPy's arithmetic against Optuna's own, kind by kind and all together."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from matscout.propose.parzen import Parzen

KINDS = {
    "float": FloatDistribution(-3.0, 5.0),
    "log": FloatDistribution(1e-6, 1.0, log=True),
    "int": IntDistribution(0, 400),
    "log-int": IntDistribution(1, 3000, log=True),
    "choice": CategoricalDistribution(range(4)),
}
RULES = TPESampler(seed=0)._parzen_estimator_parameters


def observed(law, count: int, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """Values all over the range, and many of them at one end of it."""
    if isinstance(law, CategoricalDistribution):
        return rng.integers(len(law.choices), size=count).astype(float)
    low, high = np.log((law.low, law.high)) if law.log else (law.low, law.high)
    x = low + (high - low) * np.where(rng.random(count) < 0.4, 0.0, rng.random(count))
    x = np.clip(np.exp(x) if law.log else x, law.low, law.high)
    return np.round(x) if isinstance(law, IntDistribution) else x


@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), list(KINDS)], ids="-".join)
@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_it_draws_and_weighs_as_optunas_does(kinds: list[str], count: int) -> None:
    laws = {kind: KINDS[kind] for kind in kinds}
    rng = np.random.default_rng(count)
    seen = {kind: observed(law, count, rng) for kind, law in laws.items()}
    ours, theirs = Parzen(seen, laws, RULES), _ParzenEstimator(seen, laws, RULES)
    for seed in range(5):
        drawn = ours.sample(np.random.RandomState(seed), 24)
        expected = theirs.sample(np.random.RandomState(seed), 24)
        assert list(drawn) == list(expected)
        for kind in kinds:
            np.testing.assert_allclose(drawn[kind], expected[kind], rtol=1e-6, atol=1e-7)
        density = ours.log_pdf(expected)
        np.testing.assert_allclose(density, theirs.log_pdf(expected), rtol=1e-7, atol=1e-7)
