"""The figures of `bench scarcity`: who wins against whom, from the errors of every draw."""

from __future__ import annotations

from typing import Any

from matscout.evaluate.scarcity import DUMMY, Duel, Scored, duel

AGAINST = ("pairwise", "two-stage", "scratch", "scratch columns", "forest", DUMMY)
PAIRS = (
    *(("experts", other) for other in ("experts k=2", *AGAINST)),
    *(("experts k=2", other) for other in AGAINST),
    ("two-stage", "pairwise"),
    ("two-stage", "scratch"),
    ("pairwise", "scratch"),
)


def duels(targets: dict[str, Any]) -> list[dict[str, Any]]:
    """Each of PAIRS that met, over all targets and sizes at which both were."""
    scores = list(scored(targets))
    found = []
    for one, other in PAIRS:
        if any(s.arm == one for s in scores) and any(s.arm == other for s in scores):
            found.append(_record(duel(scores, one, other)))
    return found


def scored(targets: dict[str, Any]) -> list[Scored]:
    """The errors again, one by one."""
    return [
        Scored(name, int(size), seed, arm, mae)
        for name, target in targets.items()
        for size, cell in target["sizes"].items()
        for arm, errors in cell["mae"].items()
        for seed, mae in enumerate(errors)
    ]


def _record(found: Duel) -> dict[str, Any]:
    many = found.tasks > 1  # the same task again and again has no spread to speak of
    return {
        "one": found.one,
        "other": found.other,
        "wins": found.wins,
        "ties": found.ties,
        "losses": found.losses,
        "lower": found.lower,
        "win_share_ci95": [_short(end) for end in found.win_share] if many else None,
        "ratio": _short(found.ratio),
        "ratio_ci95": [_short(found.low), _short(found.high)] if many else None,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
