"""What is asked where a Gaussian process fails: TPE, and where that fails too, a Sobol point."""

from __future__ import annotations

from dataclasses import replace

from matscout.errors import one_line
from matscout.history import History
from matscout.propose.random import RandomProposer
from matscout.propose.sobol import SobolProposer
from matscout.space import Space
from matscout.trial import Proposal

FAILURES = (ArithmeticError, RuntimeError, ValueError)
"""What fits and the linear algebra beneath them raise: FitFailed, LinAlgError, a factorisation that is
not positive definite, a number that is not finite. A person's mistake is none of these."""

LEAST_TRIALS = 2
"""From how many values on TPE has a better half to go by."""


class Instead:
    """Proposals of the next method in line, each with the reason under `fallback`: for the journal.

    Over parameters TPE, which needs no matrices, and then Sobol, which needs no data. Over a pool,
    where there is no density to estimate, at random.
    """

    def __init__(self) -> None:
        self._random, self._sobol = RandomProposer(), SobolProposer()

    def propose(
        self, space: Space, history: History, n: int, *, seed: int, failure: Exception
    ) -> list[Proposal]:
        if space.pool is not None:
            return self._random.instead(space, history, n, seed=seed, failure=failure)
        # Loads Optuna, which a Gaussian process that works has no use for.
        from matscout.propose.tpe import TpeProposer

        reason = _said(failure)
        try:
            found = TpeProposer(startup=LEAST_TRIALS).propose(space, history, n, seed=seed)
        except FAILURES as second:
            reason += f"; tpe: {_said(second)}"
            found = self._sobol.propose(space, history, n, seed=seed)
        return [replace(p, why={**p.why, "fallback": reason}) for p in found]


def _said(failure: Exception) -> str:
    return one_line(str(failure)) or type(failure).__name__
