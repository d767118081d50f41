"""Known configurations first, then whatever the proposer chooses."""

from __future__ import annotations

from matscout.history import History
from matscout.propose.base import Proposer
from matscout.propose.distinct import Taken, key
from matscout.propose.foreseen import foreseen
from matscout.propose.memo import Memo
from matscout.propose.prior_run import ENQUEUE
from matscout.space import Space
from matscout.trial import Params, Proposal


class Enqueued:
    """Asks first, in their order, for the points that the run was made with and that have not been
    asked for, then `inner`. A function of the history: a resume goes on with the rest.
    """

    def __init__(self, inner: Proposer) -> None:
        self.inner, self.name = inner, inner.name
        self._taken = Memo(Taken)
        self._keys = Memo(lambda space, points: [key(space, point) for point in points])

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        points = self._waiting(space, history)[:n]
        first = [Proposal(point, why={"rule": "enqueued"}) for point in points]
        if not first:
            return self.inner.propose(space, history, n, seed=seed)
        if len(first) == n:
            return first
        ahead = foreseen(history, first)
        return first + list(self.inner.propose(space, ahead, n - len(first), seed=seed))

    def _waiting(self, space: Space, history: History) -> list[Params]:
        """The points that nobody has asked for yet."""
        taken = self._taken(space, history).keys()
        points = history.created.get(ENQUEUE, ())
        keys = self._keys(space, points)
        return [p for p, its_key in zip(points, keys, strict=True) if its_key not in taken]
