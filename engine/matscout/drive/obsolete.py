"""Running experiments that are not worth finishing, now that more is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Forecaster
from matscout.space import Space
from matscout.trial import Proposal, State, Trial

BEST = 4
"""What is running goes on while it is among the best 4 × slots of the candidates that are free.

Whether a candidate is the very next to be asked for says little: scores of good candidates lie close
together, and each result shuffles them. An experiment that is cancelled has cost its time for nothing,
one that is finished brings at least a measurement. So only what would not be asked for within some
four rounds of the fleet is given up; by then the model will have changed again.
"""


def obsolete(
    space: Space,
    history: History,
    forecaster: Forecaster,
    slots: int,
    proposals: Sequence[Proposal],
) -> dict[int, str]:
    """Trials to cancel, the worst first, and why. Never more than wait to take their places.

    Scores are the acquisition's, had none of what is running been asked for. Obsolete is what then
    lies outside the best `BEST * slots` of the free candidates, and below all `proposals`. What was
    drawn at random is not judged: it was not asked for its score. No candidate is cancelled twice: a
    score that goes up and down must not keep a fleet from finishing anything. A pure function of its
    arguments.
    """
    pool = space.pool
    running = [history.trials[i] for i in history.in_flight if history.trials[i].open]
    if pool is None or not running or not all(map(_for_its_score, proposals)):
        return {}
    supposed = history.fork()
    for trial in running:
        supposed.apply(Event(EventKind.WITHDRAWN, trial.id, trial.attempts))
    free = np.ones(len(pool), dtype=bool)
    free[_rows(pool, supposed.asked_for)] = False
    waiting = [row for row in _rows(pool, proposals) if free[row]]
    spared = {t.candidate for t in history.trials if t.state is State.WITHDRAWN}
    spared |= {history.trials[i].candidate for i in history.obsolete}
    judged = {t.id: row for t in running if t.candidate not in spared and _for_its_score(t)
              for row in _rows(pool, [t]) if free[row]}  # fmt: skip
    forecast = forecaster.forecast(space, supposed) if waiting and judged else None
    if forecast is None:
        return {}
    score, least = forecast.score, forecast.score[waiting].min()
    place = {
        trial: 1 + int((score[free] > score[row]).sum())
        for trial, row in judged.items()
        if score[row] < least
    }
    worst = sorted((t for t in place if place[t] > BEST * slots), key=lambda t: (-place[t], t))
    return {
        t: f"obsolete: place {place[t]} of {int(free.sum())} candidates by what is known now"
        for t in worst[: len(waiting)]
    }


def _for_its_score(chosen: Trial | Proposal) -> bool:
    return chosen.why.get("rule") != "random"


def _rows(pool: Pool, chosen: Sequence[Trial | Proposal]) -> list[int]:
    return [
        pool.row(c.candidate) for c in chosen if c.candidate is not None and c.candidate in pool
    ]
