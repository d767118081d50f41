"""BALD: uncertainty that a measurement can resolve, without the noise that it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership, shannon


@dataclass(frozen=True)
class Bald:
    """H[y | x, D] - E_theta H[y | x, theta]; Houlsby et al. 2011, equation 2. In nats.

    The members stand for theta. 0 where all members say the same, be it that the coin is fair.
    """

    name: ClassVar[str] = "bald"

    def __call__(self, membership: Membership) -> Tensor:
        within = shannon(membership.p).mean(0)
        return (shannon(membership.consensus) - within).clamp_min(0.0)


def bald_of_regressors(means: Tensor, variances: Tensor) -> Tensor:
    """The same for a measured number: (k, b), (k, b) -> (b,), in nats.

    `variances` are each member's own prediction of the measurement's spread, noise included and
    positive. The entropy of a mixture of Gaussians has no closed form; that of the Gaussian with
    its mean and variance stands for it, an upper bound that is close while members overlap:

        1/2 log(mean_k variance_k + var_k mean_k) - mean_k 1/2 log variance_k
    """
    if not bool((variances > 0).all()):
        raise ValueError("every member's variance must be positive: it includes the noise")
    total = variances.mean(0) + means.var(0, correction=0)
    return 0.5 * (total.log() - variances.log().mean(0)).clamp_min(0.0)
