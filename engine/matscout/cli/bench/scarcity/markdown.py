"""`bench scarcity` as a page of Markdown, which is what a terminal shows too."""

from __future__ import annotations

from typing import Any

import numpy as np

from matscout.evaluate.scarcity import interval

_HEAD = """# Few rows of a target: what is worth taking from others?

Of each target some rows are drawn; every arm learns from the same, and is judged on the same others
(mean absolute error). Experts are extractors that have learned another property of other compositions:
those that are not in the target's table, which leaves them the rows that stand beside their names.
CHGNet's own features (`chgnet`) are the exception: it was trained on energies, forces and moments of the
Materials Project, where the crystals of `phonons` are from; they are left out where CHGNet has made the
numbers.
All heads are alike: one layer of 32.

A win, tie or loss is one target at one size, by the paired differences over draws of the logarithm of
the error: a tie where Student's 95 % interval of their mean holds 0. It speaks of the luck of the draw
from this table; at 200 rows of a table of some hundred, draws share rows, and it is too narrow. The
published claim (Chang, Wang, Ertekin 2022) is 14 of 19 lower errors of experts than of pairwise
transfer, with other sources and targets: `lower error` is what can be laid beside it."""


def markdown(result: dict[str, Any]) -> str:
    """The whole result."""
    return "\n\n".join([_HEAD, _arms(result), _duels(result["duels"]), *_targets(result)]) + "\n"


def _arms(result: dict[str, Any]) -> str:
    return "\n".join(f"- `{name}`: {said}" for name, said in result["arms"].items())


def _duels(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            "arm",
            "against",
            "wins–ties–losses",
            "share of wins [95 %]",
            "lower error",
            "errors' ratio",
        ]
    ]
    for one in found:
        pairs = one["wins"] + one["ties"] + one["losses"]
        rows.append(
            [
                one["one"],
                one["other"],
                f"{one['wins']}–{one['ties']}–{one['losses']}",
                f"{one['wins'] / pairs:.2f}{_ends(one['win_share_ci95'], 2)}",
                f"{one['lower']} of {pairs}",
                f"{one['ratio']:.3f}{_ends(one['ratio_ci95'], 3)}",
            ]
        )
    said = (
        "Over all targets and sizes. Both intervals are over targets (bootstrap, the sizes of a "
        "target together; of one target there is none); a ratio below 1 is better."
    )
    return f"## Who wins\n\n{said}\n\n{_grid(rows)}"


def _ends(interval: list[float] | None, digits: int) -> str:
    return "" if interval is None else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _experts(target: dict[str, Any]) -> str:
    """With the rows that each learned from, where the file has them."""
    rows = target.get("learned_from", {})
    return ", ".join(
        f"{name} ({rows[name]} rows)" if name in rows else name for name in target["experts"]
    )


def _targets(result: dict[str, Any]) -> list[str]:
    parts = []
    for name, target in result["targets"].items():
        parts.append(
            f"## {name}: {target['said']}\n\n{target['rows']} rows, {target['unit']}; experts: "
            f"{_experts(target)}"
        )
        arms = [arm for arm in result["arms"] if arm in next(iter(target["sizes"].values()))["mae"]]
        rows = [["rows", "judged by", *arms]]
        for size, cell in target["sizes"].items():
            rows.append([size, str(cell["judged"]), *(_cell(cell["mae"], arm) for arm in arms)])
        parts += [
            "Mean error; in brackets the ratio to `experts` with its paired 95 % interval.",
            _grid(rows),
            f"`{target['command']}`",
        ]
    return parts


def _cell(mae: dict[str, list[float]], arm: str) -> str:
    own, best = np.array(mae[arm]), np.array(mae["experts"])
    text = f"{own.mean():.4g}"
    if arm == "experts":
        return text
    logs = np.log(own / best)
    low, high = interval(logs)
    mark = "**" if high < 0 else "*" if low > 0 else ""
    ends = f"{np.exp(low):.2f}, {np.exp(high):.2f}"
    return f"{mark}{text}{mark} ({np.exp(logs.mean()):.2f} [{ends}])"


def _grid(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
