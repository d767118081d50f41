"""What an Optuna study has been told, as a space and a history that our proposers read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from matscout.constraint import Linear
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.json_text import parsed_json
from matscout.parameter import Float
from matscout.propose.distinct import key
from matscout.propose.replicates import REPEATS
from matscout.propose.sampler.coding import Coding
from matscout.propose.sampler.conditions import Condition, conditions
from matscout.propose.sampler.linear import LinearSpace, coded, only_value
from matscout.propose.sampling import Point, value_at
from matscout.space import Space
from matscout.trial import Proposal, Target, Value

SEM = "sem"
"""The user attribute of a trial that holds its standard error, or one for each objective."""

PLANNED = "matscout:params"
"""The system attributes that hold what was suggested before the objective has asked for it."""

_MOST_CHARACTERS = 2000
"""Of one attribute: an RDB storage refuses more than 2045."""

WORKS = Target("works", "min")
"""-1 where an experiment gave values and 1 where it failed: a constraint like any other."""


Cost = Callable[[FrozenTrial], float]
"""What a trial has cost, in any unit; 0 where that is not known."""


@dataclass(frozen=True)
class Told:
    """The union of the parameters seen, with their conditions, and every trial that fits.

    `constraints` are targets of which the trial's values are feasible at 0 or below; `history` holds
    them beside the objectives. Its trials are `numbers` in the study. `unseen` says that a trial is
    running whose point is not known yet.
    """

    space: Space
    history: History
    codings: Mapping[str, Coding]
    constraints: tuple[Target, ...]
    unseen: bool
    numbers: tuple[int, ...]

    def told_why(self, proposal: Proposal) -> dict[str, Value]:
        """How it was chosen, with the study's number of the trial that it repeats."""
        why = dict(proposal.why)
        if REPEATS in why:
            why[REPEATS] = self.numbers[int(why[REPEATS])]
        return why

    def decoded(self, point: Point) -> dict[str, Any]:
        """`point` by Optuna's names and values."""
        return {n: c.decode(point[c.key]) for n, c in self.codings.items() if c.key in point}


@dataclass(frozen=True)
class Reads:
    """How a study is read.

    `ordinal` as in `Coding`; `linear` are constraints on the parameters, `declared` the distributions
    that are known beforehand; `cost` says what a trial that ended has cost.
    """

    ordinal: bool = True
    linear: tuple[Linear, ...] = ()
    declared: Mapping[str, BaseDistribution] = field(default_factory=dict)
    cost: Cost | None = None

    def codings(self, search_space: Mapping[str, BaseDistribution]) -> dict[str, Coding]:
        """Of the parameters that a model has a use for, by the names of the study."""
        summed = {name for c in self.linear for name in c.parameters}
        made = {
            name: Coding.of(name, d, self.ordinal, name in summed)
            for name, d in sorted(search_space.items())
        }
        return {name: coding for name, coding in made.items() if coding is not None}

    def space(
        self,
        codings: Mapping[str, Coding],
        when: Mapping[str, Condition],
        trials: Sequence[FrozenTrial],
    ) -> Space:
        """InputError where a constraint adds up what is no number."""
        parameters = tuple(c.conditioned(when.get(c.key, {})) for c in codings.values())
        if not self.linear:
            return Space(parameters)
        found = every_distribution(self.declared, trials)
        single = {name: only_value(d) for name, d in found.items() if d.single()}
        return LinearSpace(parameters, coded(self.linear, codings, single))


def told(
    study: Study,
    asking: FrozenTrial,
    search_space: Mapping[str, BaseDistribution],
    seed: int,
    reads: Reads,
) -> Told | None:
    """None where `search_space` holds nothing to choose. `asking` is left out. InputError where a
    constraint adds up what is no number."""
    codings = reads.codings(search_space)
    if not codings:
        return None
    trials = [t for t in all_trials(study) if t.number != asking.number]
    points = [_point(codings, t) for t in trials]
    done = [p for t, p in zip(trials, points, strict=True) if p and t.state is TrialState.COMPLETE]
    known, unexplained = conditions(done, {c.key: c.parameter for c in codings.values()})
    space = reads.space(codings, known, trials)
    filled = [None if p is None else _filled(space, p, unexplained) for p in points]
    both = [(t, p) for t, p in zip(trials, filled, strict=True) if p is not None]
    scales = _scales([t for t, _ in both])
    constraints = tuple(Target(f"constraint {name}", "min") for name in scales)
    objectives = _objectives(study)
    history = History()
    body = {"targets": [{"name": t.name, "direction": t.direction} for t in objectives]}
    history.apply(Event(EventKind.CREATED, body={**body, "seed": seed}))
    fails = len(objectives) > 1 and any(_failed(t) for t, _ in both)
    first: dict[str, int] = {}
    for place, (trial, point) in enumerate(both):
        began = first.setdefault(key(space, point), place)
        why = {REPEATS: began} if began < place else {}
        history.apply(Event(EventKind.ASKED, place, body={"params": point, "why": why}))
        _tell(history, trial, scales, fails, 0.0 if reads.cost is None else reads.cost(trial))
    unseen = any(
        t.state is TrialState.RUNNING and p is None for t, p in zip(trials, filled, strict=True)
    )
    targets = (*constraints, WORKS) if fails else constraints
    return Told(space, history, codings, targets, unseen, tuple(t.number for t, _ in both))


def all_trials(study: Study) -> list[FrozenTrial]:
    """Those of every Hyperband bracket: asked for its trials, a study shows one bracket."""
    trials: list[FrozenTrial] = study._storage.get_all_trials(study._study_id, deepcopy=False)
    return trials


def planned(
    codings_of: Mapping[str, BaseDistribution], params: Mapping[str, Any]
) -> dict[str, str]:
    """`params` as system attributes, short enough for every storage."""
    held = {name: codings_of[name].to_internal_repr(value) for name, value in params.items()}
    text = json.dumps(held)
    starts = range(0, len(text), _MOST_CHARACTERS)
    return {f"{PLANNED}:{i}": text[at : at + _MOST_CHARACTERS] for i, at in enumerate(starts)}


def latest_distributions(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Every parameter that a complete trial had, as the last of them had it; without any, those
    that other trials have asked for so far."""
    out: dict[str, BaseDistribution] = {}
    for trial in [t for t in trials if t.state is TrialState.COMPLETE] or trials:
        out |= trial.distributions
    return {name: out[name] for name in sorted(out) if not out[name].single()}


def every_distribution(
    declared: Mapping[str, BaseDistribution], trials: Sequence[FrozenTrial]
) -> dict[str, BaseDistribution]:
    """Of every parameter, however its trial ended: what was asked for last."""
    out = dict(declared)
    for trial in trials:
        out |= trial.distributions
    return out


def _objectives(study: Study) -> list[Target]:
    """Named by their place: names that people gave need not be different."""
    up = StudyDirection.MAXIMIZE
    return [Target(f"{i}", "max" if d is up else "min") for i, d in enumerate(study.directions)]


def _point(codings: Mapping[str, Coding], trial: FrozenTrial) -> Point | None:
    """What the trial has of the space; None if a value of it lies outside."""
    params = trial.params
    if not trial.state.is_finished():
        params = foreseen({n: c.distribution for n, c in codings.items()}, trial)
    point: Point = {}
    for name, coding in codings.items():
        if name in params:
            value = coding.encode(params[name])
            if value is None:
                return None
            point[coding.key] = value
    return point


def foreseen(of: Mapping[str, BaseDistribution], trial: FrozenTrial) -> dict[str, Any]:
    """What a trial that runs has asked for, and what it will get for the parameters of these
    distributions when it asks for them."""
    parts: list[str] = []
    while (part := trial.system_attrs.get(f"{PLANNED}:{len(parts)}")) is not None:
        parts.append(part)
    return {**_plan(of, parts), **fixed(trial), **trial.params}


def _plan(of: Mapping[str, BaseDistribution], parts: Sequence[str]) -> dict[str, Any]:
    """What `planned` made of these parts; nothing where another program has written them: a storage
    may be shared."""
    if not parts:
        return {}
    try:
        held = parsed_json("".join(parts))
        return {name: of[name].to_external_repr(v) for name, v in held.items() if name in of}
    except (ValueError, TypeError, AttributeError, LookupError):
        return {}


def fixed(trial: FrozenTrial) -> dict[str, Any]:
    """What a person has enqueued of it."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def _filled(space: Space, point: Point, unexplained: set[str]) -> Point | None:
    """The parameters that exist, with those of unexplained presence at their middle; None if another
    is missing: a trial that failed halfway, or one whose parameters are not known yet."""
    out: Point = {}
    for parameter in space.parameters:
        name = parameter.name
        if not space.is_active(parameter, out):
            continue
        if name in point:
            out[name] = point[name]
        elif name not in unexplained:
            return None
        elif isinstance(parameter, Float):
            out[name] = value_at(parameter, 0.5)
    return out


def _scales(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """The typical size of every constraint."""
    sizes: dict[str, list[float]] = {}
    for trial in trials:
        if trial.state is TrialState.COMPLETE:
            for name, value in trial.constraints.items():
                sizes.setdefault(name, []).append(abs(value))
    out = {}
    for name in sorted(sizes):
        finite = [s for s in sizes[name] if math.isfinite(s) and s > 0]
        out[name] = float(np.median(finite)) if finite else 1.0
    return out


def _tell(
    history: History,
    trial: FrozenTrial,
    scales: Mapping[str, float],
    fails: bool,
    cost: float,
) -> None:
    """What became of the trial that was asked last."""
    place, state, paid = len(history.trials) - 1, trial.state, {"cost_s": cost}
    if state is TrialState.PRUNED:
        for step, value in sorted(trial.intermediate_values.items()):
            if math.isfinite(value):
                report = {"step": step, "values": {"0": value}}
                history.apply(Event(EventKind.REPORTED, place, 1, report))
        history.apply(Event(EventKind.PRUNED, place, 1, paid))
    elif _failed(trial) and fails:
        history.apply(Event(EventKind.MEASURED, place, 1, {"values": {WORKS.name: 1.0}, **paid}))
    elif _failed(trial):
        failed = state is TrialState.FAIL
        history.apply(Event(EventKind.FAILED if failed else EventKind.INVALID, place, 1, paid))
    elif state is TrialState.COMPLETE:
        values = {f"{i}": v for i, v in enumerate(trial.values)} | _constraints(trial, scales)
        values |= {WORKS.name: -1.0} if fails else {}
        body = {"values": values, "sem": _sem(trial), **paid}
        history.apply(Event(EventKind.MEASURED, place, 1, body))


def _failed(trial: FrozenTrial) -> bool:
    """It ended, and gave no finite value. Optuna makes NaN a failure, but completes infinity."""
    if trial.state is TrialState.COMPLETE:
        return not all(map(math.isfinite, trial.values))
    return trial.state is TrialState.FAIL


def _constraints(trial: FrozenTrial, scales: Mapping[str, float]) -> dict[str, float]:
    """sign(c) log(1 + |c|) in the unit of the typical size (Eriksson and Poloczek 2021, SCBO): what
    counts is the side of 0, and violations span decades."""
    out = {}
    for name, value in trial.constraints.items():
        size = min(abs(value), 1e300) / scales[name]
        out[f"constraint {name}"] = math.copysign(math.log1p(min(size, 1e300)), value)
    return out


def _sem(trial: FrozenTrial) -> dict[str, float]:
    """By objective; what is no positive number is left out."""
    given = trial.user_attrs.get(SEM)
    each = given if isinstance(given, list | tuple) else [given]
    return {
        f"{i}": float(sem)
        for i, sem in enumerate(each)
        if isinstance(sem, int | float)
        and not isinstance(sem, bool)
        and math.isfinite(sem)
        and sem > 0
    }
