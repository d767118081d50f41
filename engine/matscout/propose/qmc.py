"""Evenly spread points from a sequence of one's choice (quasi-Monte Carlo)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from matscout.propose.sobol import SobolProposer, sequence


class QmcProposer(SobolProposer):
    """As `sobol`, with the sequence by name: "halton" (Halton, Numer. Math. 2, 1960, randomised as in
    Owen, arXiv:1706.02808) is even at every number of points, "sobol" at powers of two and more so
    there. SciPy's, which Optuna's QMCSampler wraps as well.
    """

    name = "qmc"

    def __init__(
        self, sequence: Literal["halton", "sobol"] = "halton", scramble_seed: int | None = None
    ) -> None:
        super().__init__(scramble_seed)
        self.sequence = sequence

    def _points(self, width: int, scramble: int, n: int) -> NDArray[np.float64]:
        if self.sequence == "sobol":
            return sequence(width, scramble, n)
        points = qmc.Halton(width, scramble=True, rng=scramble).random(n)
        return np.asarray(points, dtype=np.float64)
