"""`bench campaigns` for a person: one block for each table, and the means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matscout.drive.backtest import RANDOM
from matscout.propose.strategies.named import AUTO


def table(result: dict[str, Any]) -> str:
    """The whole result."""
    seeds = len(result["seeds"])
    blocks = [_block(name, one, seeds) for name, one in result["tables"].items()]
    blocks += [_means(kind, arms) for kind, arms in result["mean"].items()]
    return "\n\n".join(blocks)


def _block(name: str, one: dict[str, Any], seeds: int) -> str:
    how = one["protocol"]
    lines = [
        f"{name}: {one['n']} candidates, {one['wanted']} wanted, goal {how['goal']['kind']}, "
        f"{how['init']} random first, batches of {how['batch']}, {how['budget']} in all, "
        f"{seeds} seeds"
    ]
    if how["said"]:
        lines.append(f"  ({how['said']})")
    for metric, first in one["arms"][RANDOM]["metrics"].items():
        wish = "less is better" if first["less_is_better"] else "more is better"
        rows = [
            [f"{first['said']}, {wish}", "median", "mean", "to random [95 %]", "to auto [95 %]"]
        ]
        for arm, found in one["arms"].items():
            figure = found["metrics"][metric]
            label = f"{AUTO} ({one[AUTO]})" if arm == AUTO else arm
            versus = [_versus(figure.get(f"vs_{other}")) for other in (RANDOM, AUTO)]
            rows.append([f"  {label}", _number(figure["median"]), _number(figure["mean"]), *versus])
        lines += _aligned(rows)
    told = [f"{arm}: {why}" for arm, why in one["skipped"].items()]
    if told:
        lines.append("  not played: " + "; ".join(told))
    return "\n".join(lines)


def _means(kind: str, arms: dict[str, Any]) -> str:
    """Over all tables of a kind."""
    names = list(next(iter(arms.values())))
    rows = [[f"mean over the {kind} tables", *(f"{n} (to random)" for n in names)]]
    for arm, found in arms.items():
        cells = []
        for name in names:
            against = found[name][f"vs_{RANDOM}"]
            more = "" if against is None else f" ({_number(against)})"
            cells.append(_number(found[name]["mean"]) + more)
        rows.append([f"  {arm}", *cells])
    return "\n".join(_aligned(rows))


def _versus(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    sign = "" if found["as"] == "ratio" else "+"
    low, high = found["ci95"]
    if low is None:
        return f"{_number(found['value'], sign)} ({found['verdict']})"
    spans = f"[{_number(low, sign)}, {_number(high, sign)}]"
    times = "× " if found["as"] == "ratio" else ""
    return f"{times}{_number(found['value'], sign)} {spans} {found['verdict']}"


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:{sign}.3f}" if 0.1 <= abs(value) < 10 else f"{value:{sign}.4g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i in (0, 3, 4) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
