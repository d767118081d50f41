"""What is believed about the points that a campaign hands out: forecast, neighbours, words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.drive.rounding import rounded_together
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Forecaster
from matscout.propose.candidates import Candidates
from matscout.propose.encode import Encoding
from matscout.propose.feasibility import Feasibility, worked_and_failed
from matscout.propose.replicates import REPEATS, REPLICATE, point_of
from matscout.propose.sampling import canonical
from matscout.space import Space
from matscout.trial import Proposal, Target, Trial, Value

Array = NDArray[np.float64]

_DIGITS = 6
"""Significant digits of a forecast: more would be noise to read."""


class Landscape:
    """Rows of scaled features, (n, d) in about [0, 1], for a pool or a space of parameters."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._candidates = None if space.pool is None else Candidates(space.pool)
        self._encoding = None if space.pool is not None else Encoding(space)

    def rows(self, points: Sequence[Trial | Proposal]) -> Array:
        if self._candidates is not None:
            pool = self._candidates.pool
            places = [pool.row(p.candidate) for p in points if p.candidate in pool]  # type: ignore[arg-type]
            return self._candidates.unit[places]
        assert self._encoding is not None
        found = self._encoding.rows([canonical(self._space, p.params) for p in points])
        return np.asarray(found)


@dataclass(frozen=True)
class Outlook:
    """Mean, sd, the 90 % interval of a new measurement, and the acquisition value where the proposer
    did not say its own; at n points, (n,) each, NaN if unknown."""

    mean: Array
    sd: Array
    low: Array
    high: Array
    acquisition: Array

    @classmethod
    def nothing(cls, n: int) -> Outlook:
        empty = np.full(n, np.nan)
        return cls(empty, empty, empty, empty, empty)


def explained(
    space: Space,
    history: History,
    proposals: Sequence[Proposal],
    forecaster: Forecaster | None,
) -> list[Proposal]:
    """The proposals, each `why` completed with the names that Sheet's forecast columns have.

    `forecaster` speaks for pools. It is asked about the whole `space`, whatever a person has fixed.
    """
    if not proposals:
        return []
    land = Landscape(space)
    here = land.rows(proposals)
    worked, failed = worked_and_failed(history)
    X_ok = land.rows([history.trials[i] for i in worked])
    X_failed = land.rows([history.trials[i] for i in failed])
    feasible = Feasibility.of(X_ok, X_failed)(here)
    outlook = _outlook(space, history, proposals, here, forecaster)
    out = []
    for i, proposal in enumerate(proposals):
        why = _finite(
            {
                "acquisition": float(outlook.acquisition[i]),
                **proposal.why,
                **{k: float(getattr(outlook, k)[i]) for k in ("mean", "sd", "low", "high")},
                "p_feasible": float(proposal.why.get("p_feasible", feasible[i])),
            }
        )
        others = _others(proposal, [history.trials[k] for k in worked])
        nearest = _nearest(here[i], X_ok[others])
        if nearest is not None:
            place, distance = nearest
            trial = history.trials[worked[others[place]]]
            why |= {"nearest": _called(trial), "distance": round(distance, 4)}
        why["reason"] = reason(why, history.targets[0])
        out.append(Proposal(proposal.params, proposal.candidate, why))
    return out


def _outlook(
    space: Space,
    history: History,
    proposals: Sequence[Proposal],
    here: Array,
    forecaster: Forecaster | None,
) -> Outlook:
    if space.pool is not None:
        said = None if forecaster is None else forecaster.forecast(space, history)
        if said is None:
            return Outlook.nothing(len(proposals))
        rows = _rows_of(space.pool, proposals)
        return Outlook(*(x[rows] for x in (said.mean, said.sd, said.low, said.high, said.score)))
    from matscout.drive.point_belief import outlook_at

    said_here = outlook_at(space, history, here)
    return (
        Outlook.nothing(len(proposals))
        if said_here is None
        else Outlook(*said_here, np.full(len(here), np.nan))
    )


def _rows_of(pool: Pool, proposals: Sequence[Proposal]) -> list[int]:
    return [pool.row(p.candidate) for p in proposals if p.candidate is not None]


def _nearest(row: Array, known: Array) -> tuple[int, float] | None:
    """The place of the nearest row and its Euclidean distance; the earliest of equals."""
    if not len(known):
        return None
    gaps = np.sqrt(np.square(known - row).sum(axis=1))
    place = int(gaps.argmin())
    return place, float(gaps[place])


def _others(proposal: Proposal, trials: Sequence[Trial]) -> list[int]:
    """Places of the trials that are not of the very point that is to be measured again."""
    if REPLICATE not in proposal.why:
        return list(range(len(trials)))
    itself = proposal.why.get(REPEATS) if proposal.candidate is None else proposal.candidate
    return [place for place, trial in enumerate(trials) if point_of(trial) != itself]


def _called(trial: Trial) -> str:
    if trial.candidate is not None:
        return trial.candidate
    values = ", ".join(f"{k}={_short(v)}" for k, v in trial.params.items())
    return f"trial {trial.id} ({values})"


_BECAUSE = {
    "lcb": "{best} bound",
    "ucb": "{best} bound",
    "log_ei": "highest expected improvement",
    "log_ei per cost": "most expected improvement for its cost",
    "sd": "least certain",
    "mean": "best prediction",
    "forest_ucb": "{best} bound by a forest of trees",
    "ensemble_ucb": "{best} bound by an ensemble of networks",
    "log_noisy_ei": "highest expected improvement",
    "beyond": "most likely to pass the limit",
    "log_probability_beyond": "most likely to pass the limit",
    "log_probability_top": "most likely to be among the best",
    "nipv": "tells most about all the others",
    "straddle": "nearest to the limit, and uncertain",
    "p_positive": "most likely to pass the limit",
    "entropy": "hardest to tell on which side of the limit",
    "lcmd": "unlike all that was measured",
    "core_set": "unlike all that was measured",
    "bait": "leaves least unknown over the whole pool",
    "thompson": "best in one draw of what may be true",
    "probability_top": "most likely to be among the best",
    "lookahead": "most finds expected, of this and later experiments",
    "stacked": "{best} bound of several models",
    "warped": "{best} bound",
    "rarity": "uncertain, and predicted to be unusual",
    "margin": "hardest to tell on which side of the limit",
    "least_confident": "hardest to tell on which side of the limit",
    "consensus_entropy": "hardest to tell on which side of the limit, by a vote of trees",
    "vote_entropy": "the trees' votes are split",
    "committee_kl": "the models disagree on which side of the limit it is",
    "bald": "its class is what a measurement would settle",
    "rarity_entropy": "uncertain, and perhaps of the rarer class",
    "quota": "hard to tell, or of the batch's share for what is likely to pass",
    "desirability": "most expected gain in overall desirability",
    "pareto": "adds most to the best compromises",
    "random": "random draw",
    "sobol": "spread evenly over the space",
    "tpe": "near the best so far, by density (TPE)",
    "again": "as you asked",
}
"""Rules in words. A rule that is not here speaks for itself, by its name."""


def reason(why: Mapping[str, Value], target: Target) -> str:
    """One line for a chemist: `highest upper bound: predicted 1.9 ± 0.3 GPa, nearest measured c12`."""
    rule = str(why.get("rule", ""))
    best = "highest upper" if target.direction == "max" else "lowest lower"
    said = str(why.get("words") or _BECAUSE.get(rule, rule or "chosen")).format(best=best)
    if "fallback" in why:
        said += f", since no model could be fitted ({why['fallback']})"
    if REPLICATE in why:
        said = f"measurement {why[REPLICATE]}, {said}"
    parts = []
    if "p_positive" in why:
        parts.append(f"passes with probability {float(why['p_positive']):.2f}")
    if "desirability" in why:
        parts.append(f"expected to be {float(why['desirability']):.2f} of what you wish")
    if "mean" in why and "sd" in why:
        unit = f" {target.unit}" if target.unit else ""
        mean, sd = rounded_together(float(why["mean"]), float(why["sd"]))
        parts.append(f"predicted {mean} ± {sd}{unit}")
    elif rule in ("random", "sobol"):
        parts.append("too little is measured for a prediction")
    if "nearest" in why:
        parts.append(f"nearest measured {why['nearest']}")
    if float(why.get("p_feasible", 1.0)) < 0.5:
        parts.append(f"works with probability {float(why['p_feasible']):.2f} only")
    return f"{said}: {', '.join(parts)}" if parts else said


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _finite(why: Mapping[str, Any]) -> dict[str, Value]:
    """Without what is no number; numbers with the digits that mean something."""
    out: dict[str, Value] = {}
    for name, value in why.items():
        if isinstance(value, float):
            if math.isfinite(value):
                out[name] = float(f"{value:.{_DIGITS}g}")
        else:
            out[name] = value
    return out
