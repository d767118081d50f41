"""A score of a Gaussian process that asks how values hang together, one pick after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.feasible import weighed
from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.log_noisy_ei import LogNoisyExpectedImprovement
from matscout.acquire.nipv import NegIntegratedPosteriorVariance
from matscout.acquire.rarity import RarityWeightedSd
from matscout.propose.strategies.joint import (
    believing,
    joint_belief,
    moments,
    promising,
    said,
)
from matscout.propose.strategies.view import Pick, PoolView

Card = Callable[[PoolView, GpJoint, Tensor], tuple[Any, float | None]]
"""(view, standardised belief, rows asked for so far) -> the acquisition, and what it would score an
experiment that fails; None for scores in logs."""

Shortlist = Callable[[PoolView, GpJoint, Tensor, int], Tensor]
"""(view, belief, rows, how many) -> those of `rows` that are scored, in ascending order."""


def best_bounds(view: PoolView, belief: GpJoint, rows: Tensor, most: int) -> Tensor:
    """Where anything good may be: the highest mean + 2 sd."""
    return rows[promising(belief, view.unit[rows], most, 2.0)]


def at_random(view: PoolView, belief: GpJoint, rows: Tensor, most: int) -> Tensor:
    """For scores that any candidate may win; as the seed has it."""
    if len(rows) <= most:
        return rows
    rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=(2,)))
    return rows[np.sort(rng.choice(len(rows), most, replace=False))]


@dataclass(frozen=True)
class BelieverRule:
    """What is pending, and every earlier pick of the batch, is believed to come out as expected
    (kriging believer). Of larger pools `most` candidates are scored, those of `shortlist`.

    Scores in logs are taken per price where experiments have prices.
    """

    rule: str
    card: Card
    shortlist: Shortlist = best_bounds
    most: int = 2_000

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        belief = joint_belief(view)
        free = torch.from_numpy(view.free)
        free = self.shortlist(view, belief, free, max(self.most, n))
        asked = [*view.measured, *view.believed]
        picks: list[Pick] = []
        for _ in range(min(n, len(free))):
            score = self._scored(view, belief, asked, free)
            row = int(free[score.argmax()])
            picks.append((row, said(self.rule, view, belief, row, float(score.max()))))
            free = free[free != row]
            asked.append(row)
            belief = believing(belief, view.unit[row : row + 1])
        return picks

    def scores(self, view: PoolView) -> Tensor:
        """Of the standardised target; -inf for what is not on the shortlist."""
        belief = joint_belief(view)
        rows = torch.arange(len(view.unit))
        rows = self.shortlist(view, belief, rows, self.most)
        out = torch.full((len(view.unit),), -torch.inf, dtype=torch.float64)
        out[rows] = self._scored(view, belief, [*view.measured, *view.believed], rows)
        return out

    def _scored(self, view: PoolView, belief: GpJoint, asked: list[int], rows: Tensor) -> Tensor:
        within = belief.standardised
        with torch.no_grad():
            card, failure = self.card(view, within, torch.tensor(asked))
            score: Tensor = card(within, view.unit[rows].unsqueeze(-2))
        works = torch.from_numpy(view.works)[rows]
        if failure is None and view.prices is not None:
            works = works * torch.from_numpy(view.prices.min() / view.prices)[rows]
        return weighed(score, works, failure)


_RIVALS = 100
"""Points asked for that may yet be the best: those of the highest mean + 3 sd."""


def noisy_ei(view: PoolView, belief: GpJoint, asked: Tensor) -> tuple[Any, float | None]:
    X = view.unit[asked]
    rivals = X[promising(belief, X, _RIVALS, 3.0)]
    return LogNoisyExpectedImprovement(rivals, draws=32, seed=view.seed), None


_EVERYWHERE = 512
"""Candidates that stand for the whole pool, where variance is to be lowered."""


def nipv(view: PoolView, belief: GpJoint, asked: Tensor) -> tuple[Any, float | None]:
    pool = at_random(view, belief, torch.arange(len(view.unit)), _EVERYWHERE)
    at = view.unit[pool]
    nothing_learned = -float(moments(belief, at)[1].square().mean())
    return NegIntegratedPosteriorVariance(at, belief.posterior.noise_here), nothing_learned


def rare_sd(view: PoolView, belief: GpJoint, asked: Tensor) -> tuple[Any, float | None]:
    """See acquire/rarity.py for how badly this did."""
    measured = belief.posterior.y[: len(view.measured)]  # what is believed comes after it
    return RarityWeightedSd(tuple(measured.tolist())), 0.0
