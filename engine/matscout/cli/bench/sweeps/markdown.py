"""`bench sweeps --render`: the file of results as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matscout.cli.bench.campaigns.markdown import grid
from matscout.cli.bench.campaigns.table import number, unplayed, versus
from matscout.cli.bench.sweeps.arms import RANDOM
from matscout.cli.bench.sweeps.figures import AT, OTHERS
from matscout.cli.bench.sweeps.table import WAYS, mean_rows, played, rows

_HOW = """\
Regret is how much worse than the optimum the true value is of what would be taken: of the trial with the
best observed value (of the feasible ones, where there are constraints), in units of the distance between
the optimum and the median of the space. For several objectives it is the share of the largest
hypervolume that is missing. Geometric means over seeds; less than {floor:g} counts as that. Behind an
arm stands its ratio to another with the same seeds: the geometric mean, its 95 % bootstrap interval over
seeds, and better, worse or tie (the interval holds 1). Random always plays."""

_MEANS = """\
Every problem counts alike. The first interval draws seeds within these problems, the second the
problems themselves."""

_ENDS = """\
At 100 %; the least of a problem is bold. Behind it how the arm did beside `random`."""

_BASINS = """\
How often a descent from what would be taken at the end leads to Hartmann6's second minimum (-3.2032,
where the global one is -3.3224)."""

_SECONDS = """\
Median processor seconds of one suggestion, with one thread and telling included, and what all
suggestions of a sweep took (mean over seeds)."""


def markdown(result: dict[str, Any]) -> str:
    """The page."""
    problems = result["problems"]
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    made = f"Made from the JSON file beside it by `matscout bench sweeps --render`. {found}."
    parts = ["# Sweeps", made, _HOW.format(floor=result["how"]["floor"])]
    for group, mean in result["mean"].items():
        name = "problems" if group == "all" else f"{group} problems"
        parts += [f"## Mean over the {len(mean['problems'])} {name}"]
        parts += [grid(list(mean_rows(mean["arms"]))), _MEANS, _between(mean["arms"])]
    for way, said in WAYS.items():
        those = {
            n: one for n, one in problems.items() if any(way in a for a in one["arms"].values())
        }
        if those:
            parts += [f"## At the end: {said}", _ENDS, _ends(those, way)]
    if any(found["basins"] for one in problems.values() for found in one["arms"].values()):
        parts += ["## Hartmann6's second basin", _BASINS, _basins(problems)]
    parts += ["## Seconds", _SECONDS, _seconds(problems), "## Each problem"]
    for name, one in problems.items():
        parts += [f"### {name}", _about(one)]
        parts += [
            grid(list(rows(one["arms"], way, said)))
            for way, said in WAYS.items()
            if any(way in arm for arm in one["arms"].values())
        ]
    return "\n\n".join(parts) + "\n"


def _arms(problems: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(arm for one in problems.values() for arm in one["arms"]))


def _ends(problems: dict[str, Any], way: str) -> str:
    """Problems down, arms across."""
    arms = _arms(problems)
    out = [["", *arms]]
    for name, one in problems.items():
        ends = {arm: found[way][f"{AT[-1]}"] for arm, found in one["arms"].items()}
        least = min(end["geomean"] for end in ends.values())
        out.append([name, *(_end(ends[arm], least) if arm in ends else "" for arm in arms)])
    return grid(out)


def _end(figure: dict[str, Any], least: float) -> str:
    """The least is bold."""
    cell = number(figure["geomean"])
    beside = figure["vs"].get(RANDOM)
    said = f" {beside['verdict']}" if beside else ""
    return f"**{cell}**{said}" if figure["geomean"] == least else f"{cell}{said}"


def _between(arms: dict[str, Any]) -> str:
    others = [other for other in OTHERS if other in arms]
    out = [["at 100 %, problems drawn anew", *(f"to {other} [95 %]" for other in others)]]
    for arm, found in arms.items():
        vs = found["trials"][f"{AT[-1]}"]["vs"]
        cells = [
            versus({**vs[o], "ci95": vs[o]["ci95_problems"], "verdict": ""}) if o in vs else ""
            for o in others
        ]
        out.append([arm, *cells])
    return grid(out)


def _basins(problems: dict[str, Any]) -> str:
    those = {n: o for n, o in problems.items() if any(a["basins"] for a in o["arms"].values())}
    arms = _arms(those)
    out = [["", *arms]]
    for name, one in those.items():
        row = [name]
        for arm in arms:
            found = one["arms"].get(arm)
            row.append(f"{found['basins'].get('second', 0)}/{len(found['asked'])}" if found else "")
        out.append(row)
    return grid(out)


def _seconds(problems: dict[str, Any]) -> str:
    arms = _arms(problems)
    out = [["", *arms]]
    for name, one in problems.items():
        row = [name]
        for arm in arms:
            found = one["arms"].get(arm)
            if found is None:
                row.append("")
                continue
            asks = found["ask_s"]
            total = sum(asks["total"]) / len(asks["total"])
            row.append(f"{number(asks['median'])}; {number(total)}")
        out.append(row)
    return grid(out)


def _about(one: dict[str, Any]) -> str:
    return ". ".join(_sentences(one)) + "."


def _sentences(one: dict[str, Any]) -> Iterable[str]:
    yield played(one).capitalize() + (f"; {one['said']}" if one["said"] else "")
    yield f"Optimum {one['optimum']:.6g}, unit {one['unit']:.4g}"
    yield "Starts: " + "; ".join(f"{arm}: {start}" for arm, start in one["starts"].items())
    found = [f"{n} {v}" for each in one["peers"].values() for n, v in each.items()]
    if found:
        yield "Peers: " + ", ".join(found)
    told = list(unplayed(one["skipped"]))
    if told:
        yield "Not played: " + "; ".join(told)
    yield f"`{one['command']}`"
