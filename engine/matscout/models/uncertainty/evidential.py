"""Deep evidential regression (Amini, Schwarting, Soleimany, Rus, NeurIPS 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from matscout.models.inputs import Inputs
from matscout.models.recipe import Recipe, outputs_of
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.training import Training, Units

_LEAST = 1e-4  # keeps nu and beta off zero, and alpha off one, where the variance has no bound


def evidence(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """gamma, nu > 0, alpha > 1, beta > 0 of the normal-inverse-gamma: (…, 4) -> four of (…)."""
    gamma, nu, alpha, beta = outputs.unbind(-1)
    return (
        gamma,
        F.softplus(nu) + _LEAST,
        F.softplus(alpha) + 1.0 + _LEAST,
        F.softplus(beta) + _LEAST,
    )


def evidence_moments(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, epistemic and aleatoric variance, (…, 4) -> three of (…): equation 5."""
    gamma, nu, alpha, beta = evidence(outputs)
    noise = beta / (alpha - 1.0)
    return gamma, noise / nu, noise


def nig_nll(y: Tensor, gamma: Tensor, nu: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """-log p(y), elementwise: equation 8 of the paper, and minus the log density of Student's t
    with 2 alpha degrees of freedom about gamma, of squared width beta (1 + nu) / (nu alpha).
    """
    omega = 2.0 * beta * (1.0 + nu)
    return (
        0.5 * (math.pi / nu).log()
        - alpha * omega.log()
        + (alpha + 0.5) * (nu * (y - gamma).square() + omega).log()
        + torch.lgamma(alpha)
        - torch.lgamma(alpha + 0.5)
    )


def evidential_loss(outputs: Tensor, goal: Tensor, weight: float) -> Tensor:
    """Mean of equation 8 plus `weight` |y - gamma| (2 nu + alpha), equations 9 and 10: evidence for
    a wrong mean costs. (b, 4), (b,) -> ().
    """
    gamma, nu, alpha, beta = evidence(outputs)
    regret = (goal - gamma).abs() * (2.0 * nu + alpha)
    return (nig_nll(goal, gamma, nu, alpha, beta) + weight * regret).mean()


@dataclass(frozen=True)
class EvidentialModel:
    """One network says a normal-inverse-gamma for each row.

    Aleatoric variance is beta / (alpha - 1), epistemic that over nu (equation 5). `weight` is the
    paper's lambda, 0.01 in its experiments. A caution: the likelihood alone does not determine nu
    (Meinert, Gawlikowski, Lavin, AAAI 2023), so that the epistemic part is a rule of thumb, not a
    posterior; have it judged out of distribution before it is leaned on.
    """

    weight: float = 0.01
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedEvidence:
        rows = Training.of(X, y)
        loss = partial(evidential_loss, weight=self.weight)
        seed = np.random.SeedSequence([self.seed, 0])
        network = self.recipe.trained(rows.inputs, rows.goal, loss, 4, seed)
        return FittedEvidence(network, rows.units)


@dataclass(frozen=True)
class FittedEvidence:
    network: nn.Module
    units: Units

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        said = outputs_of(self.network, self.units.inside(X))
        return self.units.belief(*(part.numpy() for part in evidence_moments(said)))
