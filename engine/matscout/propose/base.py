"""The one verb of a proposer: propose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.space import Space
from matscout.trial import Proposal


class Proposer(Protocol):
    """Decides what to evaluate next, from its arguments alone.

    `seed` differs for every ask and is all the randomness there is: a proposer draws from nothing
    else and remembers nothing that could be seen. What is pending stands in the history. Returns up
    to `n` proposals that differ from each other and from everything in the history; fewer, or none,
    when the space is exhausted.
    """

    name: str

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]: ...


@dataclass(frozen=True)
class Forecast:
    """What a surrogate believes about every candidate of a pool, in the order of its ids.

    mean, sd (n,) of the noise-free first target, in its own unit and direction. `low`, `high` (n,)
    bound a new measurement with 90 % probability. `score` (n,) is the acquisition value, larger is
    better. `feasible` (n,) is the probability that the experiment works. `rule` names the model.
    `noise_sd` is that of one measurement, in the target's unit; 0 where unknown.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    score: NDArray[np.float64]
    feasible: NDArray[np.float64]
    rule: str
    noise_sd: float = 0.0


class Forecaster(Protocol):
    """A proposer that can say what it believes. None while there is too little data to say it."""

    def forecast(self, space: Space, history: History) -> Forecast | None: ...
