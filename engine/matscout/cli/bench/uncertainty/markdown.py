"""`bench uncertainty` as a page of Markdown, which is what a terminal shows too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from matscout.cli.bench.campaigns.markdown import grid
from matscout.cli.bench.uncertainty.models import NOTHING
from matscout.cli.bench.uncertainty.shifts import ROWS, SHIFTS
from matscout.evaluate.scarcity import interval

_HEAD = """# How sure are models, and how sure may they be?

Of each table up to {train} rows are learned from by every model, everything at its defaults; they are
judged on others like them (*inside*) and on rows of a kind that no training row is. No composition is in
two sets.

{shifts}

NLL (nats) and CRPS are told against a belief that knows nothing but the mean and the sd of the training
targets: `nll` is the difference to its NLL, `crps` the ratio to its CRPS; below 0 and below 1 is better.
`coverage` is the share inside the central {level:.0f} % interval. `grows` is the ratio of the epistemic
sd outside to that inside: a model that knows where it knows nothing has one well above 1.

Means over tables (of ratios, the geometric mean), in brackets 95 % intervals over draws (Student's).
They speak of these tables alone. Under `tail` the draws share nearly all rows outside and many of those
that are learned from, so that these intervals are too narrow; under `cluster` a draw is a cluster (the
first comes again after the last), and the spread is that between clusters."""

Figure = Callable[[dict[str, Any], dict[str, Any], str], np.ndarray]

_PLACES = ("inside", "outside")
_ROUND = 100


def markdown(result: dict[str, Any]) -> str:
    """The whole result."""
    shifts = "\n".join(f"- `{name}`: {said}" for name, said in SHIFTS.items())
    parts = [_HEAD.format(train=ROWS, shifts=shifts, level=100 * result["level"])]
    for shift in SHIFTS:
        held = [table["shifts"][shift] for table in result["tables"].values()]
        parts += [f"## {shift}", _over(held, grows=shift == "cluster")]
    for name, table in result["tables"].items():
        parts.append(f"## {name}: {table['rows']} rows, {table['unit']}")
        for shift in SHIFTS:
            said = f"{shift}: NLL in nats, CRPS and error in {table['unit']}; means over draws"
            parts += [said, _one(table["shifts"][shift])]
        parts.append(f"`{table['command']}` ({table['seconds']} s)")
    return "\n\n".join(parts) + "\n"


def _over(held: Sequence[dict[str, Any]], grows: bool) -> str:
    """One row for each model that all tables have, over all of them."""
    header = ["model", "nll in, out", "crps in, out", "coverage in, out"]
    rows = [[*header, "grows"] if grows else header]
    for model in held[0]:
        if not all(model in one for one in held):
            continue
        cells = [model]
        for figure in (_nll, _crps, _coverage):
            cells.append(", ".join(_cell(held, model, figure, place) for place in _PLACES))
        if grows:
            cells.append("–" if model == NOTHING else _cell(held, model, _grows, ""))
        rows.append(cells)
    return grid(rows)


def _of(model: dict[str, Any], place: str, figure: str) -> np.ndarray:
    """A number for each draw, NaN where there is none."""
    return np.array(model[place][figure], dtype=float)


def _nll(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return _of(model, place, "nll") - _of(nothing, place, "nll")


def _crps(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return np.log(_of(model, place, "crps") / _of(nothing, place, "crps"))


def _coverage(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    return _of(model, place, "coverage")


def _grows(model: dict[str, Any], nothing: dict[str, Any], place: str) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(_of(model, "outside", "epistemic") / _of(model, "inside", "epistemic"))


_LOGS = (_crps, _grows)


def _cell(held: Sequence[dict[str, Any]], model: str, figure: Figure, place: str) -> str:
    """Of each draw the mean over tables, and over draws their mean and interval."""
    draws = np.mean([figure(one[model], one[NOTHING], place) for one in held], axis=0)
    if not np.isfinite(draws).all():
        return "–"
    told = np.array([draws.mean(), *interval(draws)])
    if figure in _LOGS:
        told = np.exp(told)
    if figure is _coverage:
        told = np.clip(told, 0.0, 1.0)
    mean, low, high = (f"{v:.2f}" if abs(v) < _ROUND else f"{v:.0f}" for v in told)
    return f"{mean} [{low}, {high}]"


def _one(found: dict[str, Any]) -> str:
    names = [f for f in found[NOTHING]["inside"] if f not in ("epistemic", "aleatoric")]
    rows = [["model", *(f"{name} in, out" for name in names)]]
    for model, told in found.items():
        cells = [
            ", ".join(f"{_of(told, place, name).mean():.3g}" for place in _PLACES) for name in names
        ]
        rows.append([model, *cells])
    return grid(rows)
