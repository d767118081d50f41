"""The one verb of a proposer: propose."""

from __future__ import annotations

from typing import Protocol

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
