"""The figures of `bench campaigns`: of each arm on a table, and over tables of a kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from matscout.drive.backtest import RANDOM, Played, Protocol
from matscout.drive.backtest_paired import (
    Array,
    Comparison,
    Metric,
    compare,
    differences,
    metrics,
    over,
    values,
)
from matscout.drive.backtest_said import coverage
from matscout.propose.strategies.named import AUTO

KINDS = ("top", "rare", "cold", "model")


def figures(
    protocol: Protocol, played: Sequence[Played], at: Sequence[int], spread: float
) -> dict[str, Any]:
    """`arms` by name. `spread` is the sd of the table's values, the unit of widths."""
    runs: dict[str, list[Played]] = {}
    for one in sorted(played, key=lambda one: one.seed):
        runs.setdefault(one.arm, []).append(one)
    length = protocol.budget
    if protocol.models_matter:
        length = min(len(one.found) for one in played)
    # Random goes on to the end of the table; curves and areas end with the budget for everyone.
    fair = {arm: [replace(r, found=r.found[:length]) for r in them] for arm, them in runs.items()}
    out = {arm: _curves(them, length, spread) for arm, them in runs.items()}
    for metric in metrics(protocol, at):
        whole = runs if metric.capped else fair
        each = {arm: values(metric, them) for arm, them in whole.items()}
        for arm, ours in each.items():
            out[arm]["metrics"][metric.name] = _figure(metric, arm, ours, each, length)
    return {"length": length, "arms": out}


def means(tables: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Over all tables of one kind: of each metric that they share, and of each arm that played all
    of them, the mean, and how it compares. Ratios are averaged geometrically; every table counts
    alike, and the intervals draw seeds within tables. `tables`: by name, its kind and its result.
    """
    out: dict[str, Any] = {}
    for kind in KINDS:
        those = {name: table for name, (of, table) in tables.items() if of == kind}
        if len(those) < 2:
            continue
        shared = set.intersection(*(set(t["arms"]) for t in those.values()))
        first = next(iter(those.values()))["arms"]
        names = set.intersection(*(set(t["arms"][RANDOM]["metrics"]) for t in those.values()))
        out[kind] = {
            "tables": list(those),
            "arms": {
                arm: {
                    name: _mean(list(those.values()), arm, name)
                    for name in first[RANDOM]["metrics"]
                    if name in names
                }
                for arm in first
                if arm in shared
            },
        }
    return out


def _curves(runs: Sequence[Played], length: int, spread: float) -> dict[str, Any]:
    said = [run.said for run in runs if run.said is not None]
    labels = list(runs[0].labels)
    return {
        "found": rounded(np.mean([run.found[:length] for run in runs], axis=0)),
        "labels": labels,
        "quality": rounded(np.nanmean([run.quality for run in runs], axis=0)) if labels else [],
        "rmse_tenths": [plain(v) for v in np.mean([run.tenths for run in runs], axis=0)]
        if runs[0].tenths
        else [],
        "coverage": coverage(said, spread) if said else None,
        "metrics": {},
    }


def _figure(
    metric: Metric, arm: str, ours: Array, each: dict[str, Array], budget: int
) -> dict[str, Any]:
    """One metric of one arm, and how it compares."""
    out: dict[str, Any] = {
        "said": metric.said,
        "less_is_better": metric.less,
        "as": _as(metric.ratio),
        "capped": metric.capped,
        "median": plain(float(np.median(ours))),
        "mean": plain(float(np.mean(ours))),
        "per_seed": [plain(v) for v in ours],
    }
    for other in (RANDOM, AUTO):
        if arm != other and other in each:
            out[f"vs_{other}"] = compared(compare(metric, ours, each[other], budget), metric.ratio)
    return out


def _mean(tables: Sequence[dict[str, Any]], arm: str, metric: str) -> dict[str, Any]:
    """From the figures as they are kept, so that tables of different days go together."""
    ours = [table["arms"][arm]["metrics"][metric] for table in tables]
    ratio, less = ours[0]["as"] == "ratio", ours[0]["less_is_better"]
    each = np.array([math.nan if one["mean"] is None else one["mean"] for one in ours])
    positive = bool((each > 0).all())
    mean = float(np.exp(np.log(each).mean())) if ratio and positive else float(each.mean())
    out: dict[str, Any] = {
        "said": ours[0]["said"],
        "less_is_better": less,
        "mean": plain(mean),
    }
    for other in (RANDOM, AUTO):
        if arm == other:
            continue
        parts = [
            differences(_per_seed(mine), _per_seed(theirs), table["length"], ratio=ratio)
            for table, mine, theirs in zip(
                tables, ours, (t["arms"][other]["metrics"][metric] for t in tables), strict=True
            )
        ]
        out[f"vs_{other}"] = compared(over(parts, ratio=ratio, less=less), ratio)
    return out


def _per_seed(figure: Mapping[str, Any]) -> Array:
    unknown = math.inf if figure["capped"] else math.nan
    return np.array([unknown if v is None else v for v in figure["per_seed"]], dtype=float)


def compared(found: Comparison, ratio: bool) -> dict[str, Any]:
    return {
        "as": _as(ratio),
        "value": plain(found.value),
        "ci95": [plain(v) for v in found.ci95],
        "verdict": found.verdict,
    }


def _as(ratio: bool) -> str:
    return "ratio" if ratio else "difference"


def rounded(numbers: Any) -> list[float | None]:
    return [round(float(v), 4) if math.isfinite(v) else None for v in np.atleast_1d(numbers)]


def plain(value: float) -> float | None:
    """Seven digits: a target may be of any size."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
