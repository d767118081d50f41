"""A Gaussian process and an acquisition, one pick after another."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from matscout.propose.gp_pool import PoolModel
from matscout.propose.strategies.view import Pick, PoolView

_REPEATABLE = frozenset({"lcb", "log_ei", "sd", "straddle"})
"""Scores that fall as the noise-free value is known better. A prediction, or the probability that a
limit is passed, is highest where there is nothing left to learn."""


@dataclass(frozen=True)
class ProcessRule:
    """`rule` names the acquisition (propose/acquisitions.py). What is pending, and every earlier
    pick of the batch, is believed to come out as expected (kriging believer).

    Where experiments have prices, expected improvement is taken per price (Snoek et al. 2012,
    section 3.2); a bound has no zero to be divided from.
    """

    rule: str = "lcb"
    beta: float = 1.0

    @property
    def repeats(self) -> bool:
        """Whether a measured candidate competes with the others, where it may be measured again."""
        return self.rule in _REPEATABLE

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        if view.replicates == 1 or not self.repeats:
            return self._model(view).picks(view.place, view.candidates.free(view.history), n)
        return self._model(view).picks(view.place, view.askable, n, view.asked.count > 0)

    def scores(self, view: PoolView) -> Tensor:
        return self._model(view).scores(view.place)

    def _model(self, view: PoolView) -> PoolModel:
        limit = view.limit if view.goal.threshold is not None else None
        works = view.works if view.works.min() < 1.0 else None
        prices = view.prices if self.rule.startswith("log_") else None
        return PoolModel(
            view.candidates, view.data, view.target, self.rule, self.beta, limit, works, prices
        )
