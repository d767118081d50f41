"""`bench sweeps` for a person: one block for each problem, and the means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matscout.cli.bench.campaigns.table import aligned, number, unplayed, versus
from matscout.cli.bench.sweeps.figures import AT, OTHERS

WAYS = {"trials": "trials", "time": "simulated time"}
"""What the per cents are of."""


def table(result: dict[str, Any]) -> str:
    """The whole result."""
    blocks = [_block(name, one) for name, one in result["problems"].items()]
    blocks += [_means(group, found) for group, found in result["mean"].items()]
    return "\n\n".join(blocks)


def _block(name: str, one: dict[str, Any]) -> str:
    lines = [f"{name}: {played(one)}"]
    if one["said"]:
        lines.append(f"  ({one['said']})")
    for way, said in WAYS.items():
        if any(way in found for found in one["arms"].values()):
            lines += aligned(list(rows(one["arms"], way, said)))
    told = list(unplayed(one["skipped"]))
    if told:
        lines.append("  not played: " + "; ".join(told))
    return "\n".join(lines)


def played(one: dict[str, Any]) -> str:
    """How one problem was played, in words."""
    workers = f"{one['workers']} workers, " if one["workers"] > 1 else ""
    return (
        f"{one['parameters']} parameters, {one['budget']} trials, {workers}"
        f"{len(one['seeds'])} seeds"
    )


def rows(arms: dict[str, Any], way: str, said: str) -> Iterable[list[str]]:
    """Regrets at each per cent, and how they compare at the end."""
    others = [other for other in OTHERS if other in arms]
    noisy = any(found["best_at_end"] for found in arms.values())
    basins = any(found["basins"] for found in arms.values())
    head = [f"regret, geometric mean, at % of {said}", *map(str, AT)]
    head += ["best evaluated"] if noisy else []
    head += ["second basin"] if basins else []
    yield [*head, "ms an ask", *(f"to {other} [95 %]" for other in others)]
    for arm, found in arms.items():
        figures = found[way]
        row = [f"  {arm}", *(number(figures[f"{at}"]["geomean"]) for at in AT)]
        if noisy:
            row.append(number(sum(found["best_at_end"]) / len(found["best_at_end"])))
        if basins:
            row.append(f"{found['basins'].get('second', 0)}/{len(found['asked'])}")
        row.append(number(1000.0 * found["ask_s"]["median"]))
        yield [*row, *(versus(figures[f"{AT[-1]}"]["vs"].get(other)) for other in others)]


def _means(group: str, found: dict[str, Any]) -> str:
    name = "problems" if group == "all" else f"{group} problems"
    lines = [f"mean over the {len(found['problems'])} {name}"]
    return "\n".join([*lines, *aligned(list(mean_rows(found["arms"])))])


def mean_rows(arms: dict[str, Any]) -> Iterable[list[str]]:
    """As `rows`, over problems, with the median rank."""
    others = [other for other in OTHERS if other in arms]
    yield [
        "regret, geometric mean, at % of trials", *map(str, AT), "median rank",
        *(f"at {at} to {other} [95 %]" for other in others for at in AT[1:]),
    ]  # fmt: skip
    for arm, found in arms.items():
        each = found["trials"]
        row = [f"  {arm}", *(number(each[f"{at}"]["geomean"]) for at in AT)]
        row.append(f"{found['median_rank']:g}")
        for other in others:
            row += [versus(each[f"{at}"]["vs"].get(other)) for at in AT[1:]]
        yield row
