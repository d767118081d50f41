"""Earlier runs that a sweep starts from: looked at once, when it is made. They are never written to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matscout.drive.run import load
from matscout.errors import InputError
from matscout.history import History
from matscout.journal import Journal
from matscout.parameter import Categorical
from matscout.propose.observations import Observations, of_space
from matscout.propose.prior_run import PriorRun
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target, Value

MOST_RUNS = 20
"""Each is one more model that every point is asked about."""

MOST_TRIALS = 300
"""Of one run: the better half of so many, and the rest spread over the others. So many rows is what a
Gaussian process is fitted on at most (surrogate/gp.py)."""

LEAST_TRIALS = 3
"""Fewer say nothing about what is better than what."""


def read_priors(
    runs: Sequence[str], base: Path, space: Space, target: Target
) -> tuple[list[dict[str, Any]], list[str]]:
    """What the new run's journal is to say of each, and what a person should be told.

    InputError for one that is no run, of another space, or after something else. Two runs are of one
    space where one has all parameters of the other, numbers for numbers and labels for labels, and
    both measure the target in the same direction.
    """
    if len(runs) > MOST_RUNS:
        raise InputError("prior.runs", f"{len(runs)} runs; {MOST_RUNS} at most", "take fewer")
    if space.pool is not None:
        raise InputError("prior.runs", "is for spaces of parameters, and this is a pool")
    read, notes = [], []
    for run in dict.fromkeys(runs):
        prior, left_out = _read(run, base / run, space, target)
        read.append(prior.to_dict())
        if left_out:
            known = len(prior.values)
            notes.append(f"{run}: {known} trials are used, {left_out} lie outside this space")
    return read, notes


def _read(run: str, path: Path, space: Space, target: Target) -> tuple[PriorRun, int]:
    where = f"prior.runs: {run}"
    folder = RunFolder(path.absolute())
    if not folder.holds_run:
        raise InputError(where, "no run is there", "name the folder of a run")
    history, spec = load(folder)
    names = _shared(where, spec.space, space)
    _check_target(where, history, target)
    data = of_space(history, target)
    points = [_here(space, names, trial.params) for trial in data.trials]
    inside = [i for i, point in enumerate(points) if point is not None]
    if len(inside) < LEAST_TRIALS:
        what = f"only {len(inside)} of its trials have a value and lie inside this space"
        raise InputError(where, what, f"it takes {LEAST_TRIALS}")
    with Journal.read_only(folder) as journal:
        head = journal.verify().hash
    kept = _most(data, inside)
    prior = PriorRun(
        run=run,
        head=head,
        names=names,
        params=tuple(points[i] or {} for i in kept),
        values=tuple(float(target.sign * data.y[i]) for i in kept),
        sems=tuple(_sem(data.yvar[i]) for i in kept),
    )
    return prior, len(points) - len(inside)


def _shared(where: str, theirs: Space, ours: Space) -> tuple[str, ...]:
    """The parameters that both have; InputError where the spaces are not one."""
    if theirs.pool is not None:
        raise InputError(where, "is of another space: it chooses from a pool", "leave it out")
    there = [name for name in theirs.by_name if name not in ours.by_name]
    here = [name for name in ours.by_name if name not in theirs.by_name]
    if there and here:
        what = f"is of another space: {there[0]!r} is only there and {here[0]!r} only here"
        raise InputError(where, what, "leave it out")
    names = tuple(name for name in ours.by_name if name in theirs.by_name)
    for name in names:
        kinds = [isinstance(space.by_name[name], Categorical) for space in (theirs, ours)]
        if kinds[0] != kinds[1]:
            words = ["a label" if label else "a number" for label in kinds]
            what = f"is of another space: {name!r} is {words[0]} there and {words[1]} here"
            raise InputError(where, what, "leave it out")
    return names


def _check_target(where: str, history: History, target: Target) -> None:
    known = {t.name: t for t in history.targets}
    if target.name not in known:
        has = ", ".join(known)
        raise InputError(where, f"measures {has}, not {target.name!r}", "leave it out")
    if known[target.name].direction != target.direction:
        what = f"goes for the {known[target.name].direction} of {target.name!r}"
        raise InputError(where, f"{what}, and this run for the {target.direction}", "leave it out")


def _here(
    space: Space, names: Sequence[str], params: Mapping[str, Value]
) -> dict[str, Value] | None:
    """`params` as far as this space has them; None where a value is outside it.

    Of a parameter that the earlier run did not have, the middle is assumed for the sake of conditions
    that hang on it.
    """
    out: dict[str, Value] = {}
    whole: dict[str, Value] = {}
    for parameter in space.parameters:
        if not space.is_active(parameter, whole):
            continue
        if parameter.name not in names:
            whole[parameter.name] = parameter.from_unit(0.5)
            continue
        value = parameter.canonical(params.get(parameter.name))
        if value is None:
            return None
        whole[parameter.name] = out[parameter.name] = value
    return out


def _most(data: Observations, inside: Sequence[int]) -> list[int]:
    if len(inside) <= MOST_TRIALS:
        return list(inside)
    half = MOST_TRIALS // 2
    best_first = sorted(inside, key=lambda i: -data.y[i])
    others = best_first[half:]
    spread = {others[round(k * (len(others) - 1) / (half - 1))] for k in range(half)}
    return sorted({*best_first[:half], *spread})


def _sem(variance: float) -> float | None:
    return math.sqrt(variance) if math.isfinite(variance) else None
