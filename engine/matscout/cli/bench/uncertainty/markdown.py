"""`bench uncertainty` as a page of Markdown, which is what a terminal shows too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from matscout.cli.bench.campaigns.markdown import grid
from matscout.cli.bench.uncertainty.models import MODELS, NOTHING
from matscout.cli.bench.uncertainty.shifts import ROWS, SHIFTS
from matscout.evaluate.scarcity import interval

_HEAD = """# How sure are models, and how sure may they be?

Of each table {train} rows (or as many as there are) are learned from by every model, everything at its
defaults; they are judged on others like them (*inside*) and on rows of a kind that no training row is:

{shifts}

NLL (nats) and CRPS are told against a belief that knows nothing but the mean and the sd of the training
targets: `nll` is the difference to its NLL, `crps` the ratio to its CRPS; below 0 and below 1 is better.
`coverage` is the share inside the central {level:.0f} % interval. `grows` is the ratio of the epistemic
sd outside to that inside: a model that knows where it knows nothing has one well above 1. Means over
tables (of ratios, the geometric mean); in brackets 95 % intervals over draws (Student's), which speak of
the luck of the draw from these tables and not of other tables."""

Figure = Callable[[dict[str, Any], dict[str, Any], str], np.ndarray]

_PLACES = ("inside", "outside")
_ROUND = 100


def markdown(result: dict[str, Any]) -> str:
    """The whole result."""
    shifts = "\n".join(f"- `{name}`: {said}" for name, said in SHIFTS.items())
    head = _HEAD.format(train=ROWS, shifts=shifts, level=100 * result["level"])
    parts = [head]
    for shift in SHIFTS:
        parts += [f"## {shift}", _over(result["tables"].values(), shift)]
    for name, table in result["tables"].items():
        parts.append(f"## {name}: {table['rows']} rows, {table['unit']}")
        for shift in SHIFTS:
            parts += [
                f"{shift}: NLL in nats, CRPS and error in {table['unit']}",
                _one(table, shift),
            ]
        parts.append(f"`{table['command']}` ({table['seconds']} s)")
    return "\n\n".join(parts) + "\n"


def _over(tables: Any, shift: str) -> str:
    """One row for each model, over all tables."""
    held = [table["shifts"][shift] for table in tables]
    rows = [["model", "nll in, out", "crps in, out", "coverage in, out", "grows"]]
    for model in MODELS:
        cells = [model]
        for figure, logs in ((_nll, False), (_crps, True), (_coverage, False)):
            cells.append(", ".join(_cell(held, model, figure, p, logs) for p in _PLACES))
        cells.append("–" if model == NOTHING else _cell(held, model, _grows, "", True))
        rows.append(cells)
    return grid(rows)


def _nll(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return np.array(model[place]["nll"]) - np.array(nothing[place]["nll"])


def _crps(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return np.log(np.array(model[place]["crps"]) / np.array(nothing[place]["crps"]))


def _coverage(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return np.array(model[place]["coverage"])


def _grows(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    far, near = (np.array(model[p]["epistemic"]) for p in ("outside", "inside"))
    return np.log(far / near)


def _cell(held: list[Any], model: str, figure: Figure, place: str, logs: bool) -> str:
    """Of each draw the mean over tables, and over draws their mean and interval."""
    draws = np.mean([figure(one[model], one[NOTHING], place) for one in held], axis=0)
    told = [float(draws.mean()), *interval(draws)]
    if figure is _coverage:
        told = np.clip(told, 0.0, 1.0).tolist()
    mean, low, high = (
        f"{v:.2f}" if abs(v) < _ROUND else f"{v:.0f}" for v in (np.exp(told) if logs else told)
    )
    return f"{mean} [{low}, {high}]"


def _one(table: dict[str, Any], shift: str) -> str:
    names = [f for f in ("nll", "crps", "coverage", "area", "mae", "conformal")
             if f in table["shifts"][shift][NOTHING]["inside"]]  # fmt: skip
    rows = [["model", *(f"{name} in, out" for name in names)]]
    for model, found in table["shifts"][shift].items():
        cells = [
            ", ".join(f"{np.mean(found[place][name]):.3g}" for place in _PLACES) for name in names
        ]
        rows.append([model, *cells])
    return grid(rows)
