"""Gaussian process proposals from a pool of candidates."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.acquire.feasible import weighed
from matscout.propose.acquisitions import acquisition
from matscout.propose.candidates import Candidates
from matscout.propose.observations import Observations
from matscout.propose.pool_process import pool_process
from matscout.propose.why import explained
from matscout.propose.worth import worth_repeating
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.reach import conformal_reach
from matscout.trial import Target, Value

_BLOCK = 1024
"""Candidates whose score is brought up to date at a time."""

_AFTER_THE_BEST = ("lcb", "log_ei")
"""Rules for which a repeat has to be worth it (worth.py). Those that ask where something is unsure
weigh repeats rightly by themselves."""


class PoolModel:
    """What a Gaussian process believes about the candidates of one pool, and `rule`'s score of it.

    Inputs are min-max scaled over the whole pool: it is known beforehand, measured or not. The
    pool is scored in full once; believing a point only lowers scores (`falls_with_sd`), so for the
    next pick only those are computed again that might still be the highest.

    limit  what has to be passed, for rules that ask (counted up, as y is)
    works  (n_candidates,) P(the experiment works); None where nothing has failed
    prices (n_candidates,) what each experiment costs, for rules in logs; None where all cost the same
    """

    def __init__(
        self,
        candidates: Candidates,
        data: Observations,
        target: Target,
        rule: str,
        beta: float = 1.0,
        limit: float | None = None,
        works: np.ndarray | None = None,
        prices: np.ndarray | None = None,
    ) -> None:
        self._target, self._rule, self._beta, self._limit = target, rule, beta, limit
        self._works, self._weight = works, _weight(works, prices)
        self._unit = torch.from_numpy(candidates.unit)
        self._X = self._unit[candidates.rows(data.trials)]
        self._posterior = pool_process(candidates, data)
        self._reach = conformal_reach(self._posterior)
        self._worst = float(data.y.min())
        self._unbelieving, self._measured = self._posterior, self._X
        self._at_most: dict[str, Tensor] = {}
        self._believe(self._unit[candidates.rows(data.believed)])

    def pick(
        self, place: int, free: np.ndarray, again: np.ndarray | None = None
    ) -> tuple[int, dict[str, Value]] | None:
        """The free candidate of highest score for the trial with id `place`, as its row and why,
        believed from now on; None if none is free. `free` (n_candidates,) says which may be picked,
        `again` (n_candidates,) which of them were asked for before.
        """
        if not free.any():
            return None
        inside = self._posterior.standardised
        score = self._acquisition(place, inside, self._X)
        if score.name not in self._at_most:
            first = self._unbelieving.standardised
            bound = self._acquisition(place, first, self._measured)
            self._at_most[score.name] = self._scored(bound, first)
        if again is not None and score.name in _AFTER_THE_BEST:
            free = self._worth(score, inside, free, again)
        row = self._argmax(score, inside, torch.from_numpy(np.flatnonzero(free)))
        chosen = self._acquisition(place, self._posterior, self._X)
        picked = self._unit[row : row + 1]
        why = explained(self._posterior, chosen, picked, self._target, self._reach)
        if self._works is not None:
            why["p_feasible"] = round(float(self._works[row]), 6)
        self._believe(picked)
        return row, why

    def picks(
        self, place: int, free: np.ndarray, n: int, again: np.ndarray | None = None
    ) -> list[tuple[int, dict[str, Value]]]:
        """Up to n of them, one after another; `place` is the id of the first one's trial."""
        free, out = free.copy(), []
        for i in range(n):
            picked = self.pick(place + i, free, again)
            if picked is None:
                break
            free[picked[0]] = False
            out.append(picked)
        return out

    def scores(self, place: int) -> Tensor:
        """(n_candidates,), in the units of the rule."""
        score = self._acquisition(place, self._posterior, self._X)
        return self._scored(score, self._posterior)

    def _worth(
        self, score: Acquisition, belief: GpPosterior, free: np.ndarray, again: np.ndarray
    ) -> np.ndarray:
        """`free` without repeats that promise less gain than the new candidate of highest score."""
        new, repeats = np.flatnonzero(free & ~again), np.flatnonzero(free & again)
        if not len(new) or not len(repeats):
            return free
        first = self._argmax(score, belief, torch.from_numpy(new))
        worth = worth_repeating(belief, self._unit[repeats], self._unit[first], self._X)
        kept = free.copy()
        kept[repeats[~worth]] = False
        return kept

    def _acquisition(self, place: int, belief: GpPosterior, X: Tensor) -> Acquisition:
        return acquisition(self._rule, place, belief, X, self._beta, self._limit_in(belief))

    def _limit_in(self, belief: GpPosterior) -> float | None:
        return None if self._limit is None else self._within(belief, self._limit)

    def _scored(
        self, score: Acquisition, belief: GpPosterior, rows: Tensor | None = None
    ) -> Tensor:
        X = self._unit if rows is None else self._unit[rows]
        with torch.no_grad():
            out = score(belief, X.unsqueeze(-2))
        if self._weight is None:
            return out
        weight = self._weight if rows is None else self._weight[rows]
        return weighed(out, weight, self._failure(score, belief))

    def _failure(self, score: Acquisition, belief: GpPosterior) -> float | None:
        """What the rule would score a failed experiment: no more than the worst that worked."""
        if score.name.startswith("log_"):
            return None
        if score.name == "sd":
            return 0.0
        worst = self._within(belief, self._worst)
        limit = self._limit_in(belief)
        return worst if limit is None or score.name != "straddle" else -abs(worst - limit)

    def _within(self, belief: GpPosterior, y: float) -> float:
        """A value in its own units as `belief` counts it, which may be standardised."""
        own = self._unbelieving
        return belief.loc + belief.scale * (y / own.scale - own.loc / own.scale)

    def _argmax(self, score: Acquisition, belief: GpPosterior, rows: Tensor) -> int:
        """The row of highest score among `rows`, the first of equals in the order of the bounds."""
        at_most = self._at_most[score.name]
        order = rows[torch.argsort(at_most[rows], descending=True, stable=True)]
        if belief.X is self._unbelieving.X:  # nothing believed yet: the bounds are the scores
            return int(order[0])
        best, winner = -torch.inf, int(order[0])
        for block in order.split(_BLOCK if score.falls_with_sd else len(order)):
            if score.falls_with_sd and best >= float(at_most[block[0]]):
                break
            exact = self._scored(score, belief, block)
            at_most[block] = exact
            top = int(exact.argmax())
            if float(exact[top]) > best:
                best, winner = float(exact[top]), int(block[top])
        return winner

    def _believe(self, rows: Tensor) -> None:
        self._posterior = self._posterior.believe(rows)
        self._X = torch.cat([self._X, rows])


def _weight(works: np.ndarray | None, prices: np.ndarray | None) -> Tensor | None:
    """What an expected gain is multiplied by: P(feasible), and the cheapest price over the price."""
    if works is None and prices is None:
        return None
    share = 1.0 if prices is None else prices.min() / prices
    return torch.from_numpy(share * (1.0 if works is None else works))
