"""mean + beta * sd of any surrogate, one pick after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from matscout.acquire.feasible import weighed
from matscout.propose.strategies.columns import OnColumns
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.auto import Auto
from matscout.surrogate.base import Surrogate
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.mixture import MixturePosterior
from matscout.surrogate.warp import WarpedGP
from matscout.trial import Value

Make = Callable[[PoolView, int], Surrogate]
"""(view, trees) -> a surrogate for the columns of `both_tables`."""


@dataclass(frozen=True)
class BoundRule:
    """mean + beta * sd, weighed by P(feasible) above the worst value measured. What is pending, and
    every earlier pick of the batch, is believed to come out as expected.
    """

    rule: str
    make: Make
    beta: float = 1.0
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        table = both_tables(view)
        posterior = self._fit(view, table)
        free = torch.zeros(len(table), dtype=torch.bool)
        free[torch.from_numpy(view.free)] = True
        picks: list[Pick] = []
        for i in range(min(n, int(free.sum()))):
            mean, sd = posterior.mean_sd(table)
            row = int(torch.where(free, self._score(view, mean, sd), -torch.inf).argmax())
            free[row] = False
            numbers = {"mean": view.target.sign * float(mean[row]), "sd": float(sd[row])}
            picks.append((row, {"rule": self.rule, **numbers, **_shares(posterior)}))
            if i + 1 < n:
                posterior = posterior.believe(table[row : row + 1])
        return picks

    def scores(self, view: PoolView) -> Tensor:
        table = both_tables(view)
        return self._score(view, *self._fit(view, table).mean_sd(table))

    def _score(self, view: PoolView, mean: Tensor, sd: Tensor) -> Tensor:
        works, worst = torch.from_numpy(view.works), float(view.data.y.min())
        return weighed(mean + self.beta * sd, works, worst)

    def _fit(self, view: PoolView, table: Tensor) -> Any:
        surrogate = self.make(view, self.trees)
        fitted: Any = surrogate.fit(table[view.measured], view.Y, view.Yvar)
        return fitted.believe(table[view.believed]) if view.believed else fitted


def both_tables(view: PoolView) -> Tensor:
    """(n_candidates, D + D2): scaled features for processes, then plain ones for trees."""
    return torch.cat([view.unit, torch.from_numpy(view.candidates.table)], dim=1)


def trees_alone(view: PoolView, trees: int) -> Surrogate:
    changes: Any = view.hyperparameters
    return OnColumns(replace(_forest(view, trees), **changes), _plain(view))


def warped(view: PoolView, trees: int) -> Surrogate:
    """A Gaussian process whose target is warped where held-out measurements ask for it."""
    return OnColumns(WarpedGP(_process(view)), _scaled(view))


def stacked(view: PoolView, trees: int) -> Surrogate:
    """A Gaussian process and a forest, weighted by how well each predicts held-out measurements."""
    parts = {
        "Gaussian process": OnColumns(_process(view), _scaled(view)),
        "trees": OnColumns(_forest(view, trees), _plain(view)),
    }
    return Auto(parts)


def _process(view: PoolView) -> GaussianProcess:
    return GaussianProcess(groups=view.candidates.groups)


def _forest(view: PoolView, trees: int) -> Forest:
    return Forest(trees=trees, seed=view.seed)


def _scaled(view: PoolView) -> slice:
    return slice(view.unit.shape[1])


def _plain(view: PoolView) -> slice:
    return slice(view.unit.shape[1], None)


def _shares(posterior: Any) -> dict[str, Value]:
    """What each part of a mixture weighs, for the reason that a person reads."""
    if not isinstance(posterior, MixturePosterior):
        return {}
    said = " + ".join(f"{share:.2f} {name}" for name, share in posterior.weights.items())
    return {"words": f"{{best}} bound of {said}"}
