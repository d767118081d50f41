"""Trees in place of a Gaussian process: for many columns, steps and interactions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.acquire.feasible import weighed
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.forest import Forest, ForestPosterior


@dataclass(frozen=True)
class ForestRule:
    """mean + beta * sd of extra trees, weighted by P(feasible) above the worst value measured."""

    beta: float = 1.0
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        table = torch.from_numpy(view.candidates.table)
        posterior = self._fit(view, table)
        free = torch.from_numpy(view.candidates.free(view.history))
        picks: list[Pick] = []
        for i in range(min(n, int(free.sum()))):
            mean, sd = posterior.mean_sd(table)
            score = torch.where(free, self._score(view, mean, sd), -torch.inf)
            row = int(score.argmax())
            free[row] = False
            value = view.target.sign * float(mean[row])
            picks.append((row, {"rule": "forest_ucb", "mean": value, "sd": float(sd[row])}))
            if i + 1 < n:
                posterior = posterior.believe(table[row : row + 1])
        return picks

    def scores(self, view: PoolView) -> Tensor:
        table = torch.from_numpy(view.candidates.table)
        return self._score(view, *self._fit(view, table).mean_sd(table))

    def _fit(self, view: PoolView, table: Tensor) -> ForestPosterior:
        forest = Forest(trees=self.trees, seed=view.seed)
        posterior = forest.fit(table[view.measured], view.Y, view.Yvar)
        return posterior.believe(table[view.believed]) if view.believed else posterior

    def _score(self, view: PoolView, mean: Tensor, sd: Tensor) -> Tensor:
        works, worst = torch.from_numpy(view.works), float(view.data.y.min())
        return weighed(mean + self.beta * sd, works, worst)
