"""`bench campaigns --render`: the file of results as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matscout.cli.bench.campaigns.figures import KINDS
from matscout.cli.bench.campaigns.table import number, played, said, share, unplayed, versus
from matscout.cli.bench.campaigns.tables import kind_of
from matscout.drive.backtest import RANDOM
from matscout.propose.strategies.named import AUTO

_HEADS = {
    "top": "The best few per cent",
    "rare": "What is rare, with one found at the start",
    "cold": "What is rare, with none found at the start",
    "model": "A good model",
}

_HOW = """\
Each figure is the median over seeds where less is better and counts are compared, else the mean. Behind
it stands how the arm did beside `auto` with the same seeds (better, worse, tie: the 95 % interval holds
no difference); behind `auto` itself its ratio or difference to `random` with that interval. A campaign
that does not get there counts as one experiment more than its budget; `–`: half of them did not."""

_COVERAGE = """\
The share of measured values inside the 90 % interval that `auto` gave: for the experiments that it
picked, when it picked them; and for all candidates not yet asked for, every ten experiments. What an
optimist picks turns out worse than predicted, so the first may be below the second. Area: the
miscalibration area, 0 to 0.5. Width: of the interval in units of the table's sd, the median."""

_TENTHS = """\
The RMSE of a model that learned from what `auto` picked, over that of one that learned from random
picks, on each tenth of the held-out target, from the worst to the best; means over seeds."""


def markdown(result: dict[str, Any]) -> str:
    """The page."""
    tables = result["tables"]
    parts = ["# Campaigns on recorded experiments", _made(result), _HOW]
    for kind in KINDS:
        those = {name: one for name, one in tables.items() if kind_of(name) == kind}
        if those:
            parts += [f"## {_HEADS[kind]}", *_metrics(those)]
            if kind in result["mean"]:
                parts += _means(result["mean"][kind])
    parts += _tenths(tables)
    if result["coverage"]["tables"]:
        parts += ["## Coverage of the 90 % intervals", _COVERAGE, _coverage(result)]
    return "\n\n".join([*parts, "## How it was played", _how(tables), *_left_out(tables)]) + "\n"


def _made(result: dict[str, Any]) -> str:
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"Made from the JSON file beside it by `matscout bench campaigns --render`. {found}."


def _metrics(tables: dict[str, Any]) -> Iterable[str]:
    """A grid for each metric: tables down, arms across."""
    arms = list(dict.fromkeys(arm for one in tables.values() for arm in one["arms"]))
    names = dict.fromkeys(m for one in tables.values() for m in one["arms"][RANDOM]["metrics"])
    for name in names:
        those = {t: one for t, one in tables.items() if name in one["arms"][RANDOM]["metrics"]}
        first = next(iter(those.values()))["arms"][RANDOM]["metrics"][name]
        rows = [["", *arms]]
        for table, one in those.items():
            rows.append([table, *(_cell(one, arm, name) for arm in arms)])
        yield f"**{said(first)}**\n\n{grid(rows)}"


def _cell(one: dict[str, Any], arm: str, metric: str) -> str:
    if arm not in one["arms"]:
        return "(auto)" if arm == one[AUTO] else ""
    figure = one["arms"][arm]["metrics"][metric]
    value = number(figure["median" if figure["capped"] else "mean"])
    if arm == AUTO:
        return f"**{value}** {versus(figure.get(f'vs_{RANDOM}'))}"
    beside = figure.get(f"vs_{AUTO}")
    return value if beside is None or arm == RANDOM else f"{value} {beside['verdict']}"


def _means(found: dict[str, Any]) -> Iterable[str]:
    metrics = found["arms"][RANDOM]
    yield f"### Mean over these {len(found['tables'])} tables"
    for name, first in metrics.items():
        rows = [[said(first), "mean", "beside random [95 %]", "beside auto [95 %]"]]
        for arm, each in found["arms"].items():
            both = [versus(each[name].get(f"vs_{other}")) for other in (RANDOM, AUTO)]
            rows.append([arm, number(each[name]["mean"]), *both])
        yield grid(rows)


def _tenths(tables: dict[str, Any]) -> list[str]:
    rows = [["", *map(str, range(1, 11))]]
    for name, one in tables.items():
        ours, theirs = (one["arms"][arm].get("rmse_tenths") for arm in (AUTO, RANDOM))
        if ours and theirs:
            pairs = zip(ours, theirs, strict=True)
            rows.append([name, *(number(a / b if a is not None and b else None) for a, b in pairs)])
    return ["## Error by tenth of the target", _TENTHS, grid(rows)] if len(rows) > 1 else []


def _coverage(result: dict[str, Any]) -> str:
    head = ["", "picked", "of", "area", "width", "all unmeasured", "of", "area", "width"]
    rows = [head]
    for name in result["coverage"]["tables"]:
        one = result["tables"][name]["arms"][AUTO]["coverage"]
        row = [name]
        for part, count in (("picks", "n"), ("pool", "n_pool")):
            row += [share(one[part]), str(one[count]), share(one[f"{part}_area"])]
            row.append(number(one[f"{part}_width"]))
        rows.append(row)
    mean = result["coverage"]
    rows.append(
        ["mean", share(mean["picks"]), "", share(mean["picks_area"]), "", share(mean["pool"]), "",
         share(mean["pool_area"]), ""]
    )  # fmt: skip
    return grid(rows)


def _how(tables: dict[str, Any]) -> str:
    rows = [["", "candidates", "played", "auto is", "peers", "command"]]
    for name, one in tables.items():
        peers = ", ".join(f"{n} {v}" for each in one["peers"].values() for n, v in each.items())
        rows.append([name, str(one["n"]), played(one), one[AUTO], peers, f"`{one['command']}`"])
    return grid(rows)


def _left_out(tables: dict[str, Any]) -> Iterable[str]:
    lines = [
        f"- {n}: {'; '.join(unplayed(one['skipped']))}"
        for n, one in tables.items()
        if one["skipped"]
    ]
    if lines:
        yield "Not played:\n\n" + "\n".join(lines)


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Cells with a bar in them would break the row."""
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
