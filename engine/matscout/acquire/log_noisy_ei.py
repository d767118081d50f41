"""Expected improvement where the best value so far is itself uncertain, in logs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.acquisition.logei import qLogExpectedImprovement
from botorch.models.model import Model
from torch import Tensor

from matscout.acquire.as_model import Marginals
from matscout.acquire.base import Score
from matscout.acquire.drawn import AsDrawn, Drawn, rows
from matscout.acquire.joint import Fantasies, JointBelief, in_chunks, standard_normals


@dataclass(frozen=True)
class LogNoisyExpectedImprovement:
    """log E[max(f(x) - max f(X), 0)] over the joint belief about f(x) and f(X).

    Letham et al. 2019 (Bayesian Analysis 14, 495): draws of the noise-free f(X), each with an
    improvement in closed form; averaged here in logs as in Ament et al. 2023. `observed` (n, d) are
    the points measured, or those of them that may be the best (hundreds at most), and pending ones.
    In the target's units, like log_ei; with n = 1 draw and no noise it is log_ei.
    """

    observed: Tensor
    draws: int = 64
    seed: int = 0
    name: ClassVar[str] = "log_noisy_ei"
    falls_with_sd: ClassVar[bool] = False  # a believed point changes the draws too

    def on(self, belief: JointBelief) -> Score:
        normals = standard_normals(self.draws, len(self.observed), self.seed)
        fantasies = Fantasies.drawn(belief, self.observed, normals)
        best = fantasies.values.amax(-1, keepdim=True)  # (s, 1)
        ei = LogExpectedImprovement(_Batch(fantasies), best_f=best)

        def score(X: Tensor) -> Tensor:  # (b, 1, d) -> (b,)
            each = ei(X.unsqueeze(1).expand(-1, len(best), -1, -1))  # (b, s)
            return math.log(belief.scale) + each.logsumexp(-1) - math.log(len(best))

        return lambda X: in_chunks(score, X, fantasies.rows_at_once)

    def __call__(self, belief: JointBelief, X: Tensor) -> Tensor:
        return self.on(belief)(X)


def log_noisy_ei(observed: Tensor, candidates: Tensor) -> Tensor:
    """The same from joint draws alone, of any surrogate: (s, n), (s, b) -> (b,).

    BoTorch's qLogNoisyExpectedImprovement for one point: per draw, a smooth improvement over the
    best of the observed points, averaged in logs. Smoothing is 1e-6 wide: give standardised draws.
    """
    score = qLogExpectedImprovement(
        Drawn(candidates.unsqueeze(-1)),
        best_f=observed.amax(-1, keepdim=True),  # (s, 1): one per draw
        sampler=AsDrawn(len(candidates)),
    )
    return score(rows(candidates.shape[1]))


class _Batch(Model):
    """One Gaussian process per draw, (b, s, 1, d) in, whose X is the same for every draw."""

    num_outputs = 1

    def __init__(self, fantasies: Fantasies) -> None:
        super().__init__()
        self.fantasies = fantasies
        self._batch_shape = torch.Size([len(fantasies.values)])

    @property
    def batch_shape(self) -> torch.Size:
        return self._batch_shape

    def posterior(self, X: Tensor, *_: Any, **__: Any) -> Marginals:
        mean, sd = self.fantasies.at(X[:, 0, 0])  # (s, b), (b,)
        mean = mean.mT.unsqueeze(-1)  # (b, s, q=1)
        return Marginals(mean, sd.reshape(-1, 1, 1).expand_as(mean))
