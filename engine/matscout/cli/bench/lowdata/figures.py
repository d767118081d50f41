"""The figures of `bench lowdata`: of each rule at each size, and over tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from matscout.cli.bench.lowdata.cell import RULES, Score

Array = NDArray[np.float64]


def figures(cells: Sequence[tuple[int, dict[str, Score]]]) -> dict[str, Any]:
    """Of the draws of one size: rows that judged, and what each rule scored on them."""
    outer = {rule: _of(cells, rule, "outer") for rule in RULES}
    inner = {rule: _of(cells, rule, "inner") for rule in RULES}
    return {
        "judged": [count for count, _ in cells],
        "tuned": [found["auto"].tuned for _, found in cells],
        "why": [found["auto"].why for _, found in cells],
        "rules": {
            rule: {
                "outer": _plain(outer[rule]),
                "inner": _plain(inner[rule]),
                "mean": _short(outer[rule].mean()),
                "claimed": _short(inner[rule].mean()),
                "to_none": versus([np.log(outer[rule] / outer["none"])]),
                "auto_to_it": versus([np.log(outer["auto"] / outer[rule])]),
                "gap": versus([np.log(outer[rule] / inner[rule])]),
            }
            for rule in RULES
        },
    }


def means(tables: dict[str, Any]) -> dict[str, Any]:
    """By size and over all sizes (`all`), over the tables that have been played at every one of the
    sizes of the first; every table counts alike."""
    if len(tables) < 2:
        return {}
    sizes = list(next(iter(tables.values()))["sizes"])
    parts = [table["sizes"] for table in tables.values() if list(table["sizes"]) == sizes]
    if len(parts) < 2:
        return {}
    found = {size: _mean([part[size] for part in parts]) for size in sizes}
    return {**found, "all": _mean([part[size] for part in parts for size in sizes])}


def versus(tables: Sequence[Array]) -> dict[str, Any]:
    """The geometric mean of ratios, of whose logarithms there is one for each draw of each table,
    with a 95 % interval: Student's over draws, and over tables by Welch and Satterthwaite. A ratio
    below 1 is better; *tie*: the interval holds 1.
    """
    kept = [each[np.isfinite(each)] for each in tables]
    if any(len(each) < 2 for each in kept):
        return {"value": None, "ci95": [None, None], "verdict": "not known"}
    value = float(np.mean([each.mean() for each in kept]))
    parts = np.array([each.var(ddof=1) / len(each) for each in kept]) / len(kept) ** 2
    error = math.sqrt(parts.sum())
    half = 0.0
    if error > 0:
        freedom = parts.sum() ** 2 / sum(
            part**2 / (len(each) - 1) for part, each in zip(parts, kept, strict=True)
        )
        half = float(stdtrit(freedom, 0.975)) * error
    low, high = value - half, value + half
    verdict = "better" if high < -1e-12 else "worse" if low > 1e-12 else "tie"
    ends = [_short(math.exp(low)), _short(math.exp(high))]
    return {"value": _short(math.exp(value)), "ci95": ends, "verdict": verdict}


def _mean(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def logs(above: str, rule: str, below: str, other: str) -> list[Array]:
        return [
            np.log(np.array(p["rules"][rule][above], dtype=float))
            - np.log(np.array(p["rules"][other][below], dtype=float))
            for p in parts
        ]

    return {
        "tuned": [tuned for part in parts for tuned in part["tuned"]],
        "rules": {
            rule: {
                "to_none": versus(logs("outer", rule, "outer", "none")),
                "auto_to_it": versus(logs("outer", "auto", "outer", rule)),
                "gap": versus(logs("outer", rule, "inner", rule)),
            }
            for rule in RULES
        },
    }


def _of(cells: Sequence[tuple[int, dict[str, Score]]], rule: str, what: str) -> Array:
    return np.array([getattr(found[rule], what) for _, found in cells])


def _plain(values: Array) -> list[float]:
    return [_short(value) for value in values]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
