"""From the disagreement of an ensemble's members to an honest variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_FACTORS = 2.0 ** np.linspace(-3.0, 3.0, 25)
_REMAINDERS = 10.0 ** np.linspace(-4.0, 0.0, 25)
FACTOR_PRIOR = (0.0, 0.7)
REMAINDER_PRIOR = (-4.0, 1.5)
"""Means and sds of the logs. The remainder's is where the Gaussian process expects its noise."""

PRIOR_REMAINDER = math.exp(REMAINDER_PRIOR[0])


@dataclass(frozen=True)
class Spread:
    """Of the standardised target. Members that differ by a variance u say of the noise-free value
    a variance `factor` * u + `floor`; a measurement has `noise` on top.
    """

    factor: float = 1.0
    floor: float = 0.5 * PRIOR_REMAINDER
    noise: float = 0.5 * PRIOR_REMAINDER

    def variance(self, u: np.ndarray) -> np.ndarray:
        return self.factor * u + self.floor


def calibrated(
    residual: np.ndarray, u: np.ndarray, votes: np.ndarray, members: int, known: np.ndarray
) -> Spread:
    """The spread under which held-out residuals (n,) are most probable.

    Each is Gaussian with variance a u + b + known + u (1/votes - 1/members): u (n,) is the
    variance between the `votes` (n,) members that had not seen the row, `known` (n,) the squared
    standard error, NaN where not given. The last term is there because fewer members than the
    whole ensemble were averaged. a and b are MAP under log-normal priors, over a grid.

    b is noise and what members err by together; residuals alone cannot tell these apart. Where
    each standard error is given, b is error; elsewhere half of it counts as each.
    """
    noise = np.nan_to_num(known)
    fixed = noise + u * (1.0 / votes - 1.0 / members)
    a, b = _FACTORS[:, None, None], _REMAINDERS[:, None]
    variance = a * u + b + fixed  # (25, 25, n)
    fit = -0.5 * (np.square(residual) / variance + np.log(variance)).sum(-1)
    prior = _log_normal(_FACTORS, FACTOR_PRIOR)[:, None] + _log_normal(_REMAINDERS, REMAINDER_PRIOR)
    i, j = np.unravel_index(int(np.argmax(fit + prior)), prior.shape)
    factor, remainder = float(_FACTORS[i]), float(_REMAINDERS[j])
    missing = np.isnan(known)
    if len(known) and not missing.any():
        return Spread(factor, remainder, float(noise.mean()))
    given = float(noise[~missing].mean()) if (~missing).any() else 0.0
    return Spread(factor, 0.5 * remainder, 0.5 * remainder + given * float((~missing).mean()))


def _log_normal(values: np.ndarray, prior: tuple[float, float]) -> np.ndarray:
    return -0.5 * np.square((np.log(values) - prior[0]) / prior[1])
