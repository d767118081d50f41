"""A small sweep inside a campaign: over the hyperparameters of its own surrogate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.enqueued import Enqueued
from matscout.propose.prior_run import ENQUEUE, PRIOR, PriorRun
from matscout.propose.retune_record import Decision
from matscout.propose.transfer import TransferProposer
from matscout.propose.tunable import Array, Rows, Tunable
from matscout.seeds import ask_seed, trial_seed
from matscout.surrogate.base import FitFailed
from matscout.surrogate.ensemble import Executor
from matscout.trial import Params

SCORE = "crps"

Found = list[tuple[Params, Array]]
"""Hyperparameters, and the score of each row with each seed, (r, n)."""


def search(
    tunable: Tunable,
    rows: Rows,
    known: Sequence[Params],
    earlier: Sequence[Decision],
    trials: int,
    seed: int,
    executor: Executor | None = None,
) -> Found:
    """`trials` configurations and what each scores: those `known` first, then what `transfer` asks for
    on the strength of the `earlier` searches of this campaign. All are judged by the same folds and
    seeds, so that they can be compared row by row. What cannot be fitted is left out.
    """
    seeds = [trial_seed(seed, i) for i in range(tunable.repeats)]
    history = History([Event(EventKind.CREATED, body=_created(tunable, known, earlier, seed))])
    proposer = Enqueued(TransferProposer(budget=trials))
    found: Found = []
    for index in range(trials):
        asked = proposer.propose(tunable.space, history, 1, seed=ask_seed(seed, index))
        if not asked:
            break
        params = dict(asked[0].params)
        history.apply(Event(EventKind.ASKED, index, body={"params": params}))
        try:
            scores = tunable.scores(params, rows, seeds, executor)
        except FitFailed as failure:
            history.apply(Event(EventKind.FAILED, index, 1, body={"reason": str(failure)}))
            continue
        body = {"values": {SCORE: mean_score(scores)}}
        history.apply(Event(EventKind.MEASURED, index, 1, body=body))
        found.append((params, scores))
    return found


def mean_score(scores: Array) -> float:
    """(r, n) -> the mean over the rows that were held out."""
    judged = scores[:, ~_never_held_out(scores)]
    return float(judged.mean())


def _never_held_out(scores: Array) -> Any:
    return np.isnan(scores).any(axis=0)


def _created(
    tunable: Tunable, known: Sequence[Params], earlier: Sequence[Decision], seed: int
) -> Mapping[str, Any]:
    """What the inner sweep was made with; nobody but its proposer reads it."""
    runs = [_prior(tunable, decision) for decision in earlier if len(decision.tried) > 1]
    points = [dict(p) for i, p in enumerate(known) if dict(p) not in map(dict, known[:i])]
    return {
        "targets": [{"name": SCORE, "direction": "min"}],
        "seed": seed,
        ENQUEUE: points,
        PRIOR: [run.to_dict() for run in runs],
    }


def _prior(tunable: Tunable, decision: Decision) -> PriorRun:
    """An earlier search, as a run that is started from (docs/warm-start.md)."""
    params, values = zip(*decision.tried, strict=True)
    names = tuple(p.name for p in tunable.space.parameters)
    return PriorRun(f"at {decision.at}", "", names, params, values, (None,) * len(values))
