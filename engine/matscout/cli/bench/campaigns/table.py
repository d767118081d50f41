"""`bench campaigns` for a person: one block for each table, and the means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matscout.drive.backtest import RANDOM
from matscout.propose.strategies.named import AUTO


def table(result: dict[str, Any]) -> str:
    """The whole result."""
    blocks = [_block(name, one) for name, one in result["tables"].items()]
    blocks += [_means(kind, found) for kind, found in result["mean"].items()]
    if len(result["coverage"]["tables"]) > 1:
        blocks.append(_coverage_over(result["coverage"]))
    return "\n\n".join(blocks)


def _block(name: str, one: dict[str, Any]) -> str:
    how = one["protocol"]
    lines = [f"{name}: {one['n']} candidates, {played(one)}"]
    if how["said"]:
        lines.append(f"  ({how['said']})")
    for metric, first in one["arms"][RANDOM]["metrics"].items():
        rows = [[said(first), "median", "mean", "to random [95 %]", "to auto [95 %]"]]
        for arm, found in one["arms"].items():
            figure = found["metrics"][metric]
            label = f"{AUTO} ({one[AUTO]})" if arm == AUTO else arm
            versus_both = [versus(figure.get(f"vs_{other}")) for other in (RANDOM, AUTO)]
            rows.append(
                [f"  {label}", number(figure["median"]), number(figure["mean"]), *versus_both]
            )
        lines += aligned(rows)
    lines += [f"  {arm}, 90 % intervals: {covered}" for arm, covered in _covered(one)]
    told = list(unplayed(one["skipped"]))
    if told:
        lines.append("  not played: " + "; ".join(told))
    return "\n".join(lines)


def played(one: dict[str, Any]) -> str:
    """How one table was played, in words."""
    how = one["protocol"]
    return (
        f"{one['wanted']} wanted, goal {how['goal']['kind']}, {how['init']} random first, "
        f"batches of {how['batch']}, {how['budget']} in all, {len(one['seeds'])} seeds"
    )


def unplayed(skipped: dict[str, str]) -> Iterable[str]:
    """One phrase for each reason: `lcb: the same as auto`."""
    for why in dict.fromkeys(skipped.values()):
        yield f"{', '.join(arm for arm in skipped if skipped[arm] == why)}: {why}"


def said(figure: dict[str, Any]) -> str:
    wish = "less is better" if figure["less_is_better"] else "more is better"
    return f"{figure['said']}, {wish}"


def versus(found: dict[str, Any] | None) -> str:
    """`× 1.20 [1.05, 1.38] worse`; empty for none."""
    if found is None:
        return ""
    sign = "" if found["as"] == "ratio" else "+"
    low, high = found["ci95"]
    times = "× " if found["as"] == "ratio" else ""
    if low is None:
        return f"{times}{number(found['value'], sign)} ({found['verdict']})"
    spans = f"[{number(low, sign)}, {number(high, sign)}]"
    return f"{times}{number(found['value'], sign)} {spans} {found['verdict']}"


def number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:{sign}.3f}" if 0.1 <= abs(value) < 10 else f"{value:{sign}.4g}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _covered(one: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """What was inside, for each arm that said intervals."""
    for arm, found in one["arms"].items():
        of = found["coverage"]
        if of is None:
            continue
        parts = []
        for name, count, words in (("picks", "n", "picked"), ("pool", "n_pool", "unmeasured")):
            if of[name] is not None:
                parts.append(
                    f"{share(of[name])} of {of[count]} {words} (miscalibration area "
                    f"{share(of[f'{name}_area'])}, width {number(of[f'{name}_width'])} sd)"
                )
        yield arm, ", ".join(parts)


def _coverage_over(found: dict[str, Any]) -> str:
    rows = [[f"90 % intervals of {found['arm']}", "picked", "all unmeasured"]]
    for name, one in found["tables"].items():
        rows.append([f"  {name}", share(one["picks"]), share(one["pool"])])
    rows.append(["  mean", share(found["picks"]), share(found["pool"])])
    return "\n".join(aligned(rows))


def _means(kind: str, found: dict[str, Any]) -> str:
    """Over all tables of a kind."""
    lines = [f"mean over the {len(found['tables'])} {kind} tables"]
    for metric, first in found["arms"][RANDOM].items():
        rows = [[f"{said(first)}", "mean", "to random [95 %]", "to auto [95 %]"]]
        for arm, each in found["arms"].items():
            versus_both = [versus(each[metric].get(f"vs_{other}")) for other in (RANDOM, AUTO)]
            rows.append([f"  {arm}", number(each[metric]["mean"]), *versus_both])
        lines += aligned(rows)
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Numbers to the right, words and comparisons to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    words = [i == 0 or "[95 %]" in rows[0][i] for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(row, widths, words, strict=True)
        ).rstrip()
        for row in rows
    ]
