"""`matscout backtest`: would active learning have saved me experiments?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli.words import tell
from matscout.data.experiments import Experiments, read_experiments
from matscout.drive.backtest import HELD_OUT, RANDOM, Case, Protocol
from matscout.drive.backtest_figures import figures, to_json
from matscout.drive.backtest_play import cores, play_all
from matscout.drive.sheet import check_writable
from matscout.durable_file import replace_durably
from matscout.errors import InputError, RunFailed
from matscout.goal import GOALS, Goal
from matscout.propose.base import Proposer
from matscout.propose.pool import PoolProposer
from matscout.propose.strategies.named import AUTO, strategy
from matscout.report.backtest_table import curves, sentence, table
from matscout.trial import Target

_MOST = 300
"""Experiments where no budget is named: beyond, few campaigns go, and a backtest takes hours."""

_OF_CLASSES = ("rare", "model", "threshold")
"""Goals for which a target may be a class."""


_OPTIONS = {'on_bad = "drop"': "--drop-bad", 'censored = "bound"': "--censored"}
"""What `read_experiments` calls its options in its advice, and what they are called here."""


@dataclass(frozen=True)
class Options:
    """The command line, in its own words. None: the goal's default."""

    target: str
    direction: str = "max"
    goal: str = "top"
    top: str = "5%"
    threshold: float | None = None
    init: int | None = None
    batch: int = 1
    workers: int | None = None
    budget: int | None = None
    seeds: int = 10
    start: str | None = None
    strategies: str = AUTO
    ignore: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    drop_bad: bool = False
    censored: bool = False
    header: str | None = None
    jobs: int | None = None


def backtest(path: Path, options: Options, json_file: Path | None, curve_file: Path | None) -> int:
    """Read the table, play it, print what it says."""
    _check_outputs(path, json_file, curve_file)
    _goal(options, threshold=0.0)
    experiments = _experiments(path, options)
    case, note = _within(Case(experiments, _protocol(options, experiments)), options)
    arms = _arms(options.strategies, case.protocol.goal)
    for line in (*experiments.notes, *([note] if note else [])):
        tell(f"{path.name}: {line}")
    seeds = range(options.seeds)
    jobs = cores() if options.jobs is None else options.jobs
    played = play_all(case, arms, seeds, proposer_of, jobs, _progress)
    found = figures(played, by_model=case.protocol.goal.kind == "model")
    wanted = int(case.wanted.sum())
    result = {**to_json(found, len(case.rows), wanted), "protocol": _said(case.protocol, options)}
    if json_file is not None:
        _write(json_file, json.dumps(result, allow_nan=False))
    if curve_file is not None:
        _write(curve_file, curves(found))
    print(f"{path.name}: {len(case.rows)} candidates, {wanted} wanted ({GOALS[options.goal]})")
    print(table(found))
    for arm in found.values():
        if arm.name != RANDOM:
            print(sentence(arm, options.seeds))
    return 0


def proposer_of(arm: str, goal: Goal) -> Proposer:
    """The arm as a proposer; the backtest itself makes the random start."""
    return PoolProposer(goal, arm, startup=1)


def _experiments(path: Path, options: Options) -> Experiments:
    kinds = {}
    for word in options.kinds:
        column, equals, kind = word.rpartition("=")
        if not equals:
            raise InputError("--kind", f"{word!r} has no =", "write column=formula")
        kinds[column] = kind
    try:
        return read_experiments(
            path,
            [options.target],
            ignore=options.ignore,
            kinds=kinds,
            on_bad="drop" if options.drop_bad else "refuse",
            censored="bound" if options.censored else "refuse",
            classes=options.goal in _OF_CLASSES,
            header=options.header.split(",") if options.header else None,
        )
    except InputError as error:
        mend = error.mend
        for said, option in _OPTIONS.items():
            mend = mend.replace(said, option)
        raise InputError(error.where, error.what, mend) from None


def _protocol(options: Options, experiments: Experiments) -> Protocol:
    target = Target(options.target, options.direction)  # type: ignore[arg-type]
    values = experiments.mean(options.target)
    values = values[np.isfinite(values)]
    rare, threshold = options.goal == "rare", options.threshold
    if threshold is None and options.goal in _OF_CLASSES and set(values.tolist()) <= {0.0, 1.0}:
        threshold = 0.5  # a class: whatever is of it
    goal = _goal(options, threshold)
    init = options.init if options.init is not None else (10 if rare else 2)
    budget = options.budget
    if budget is None:
        most = min(_MOST, 150) if goal.kind in ("rare", "model") else _MOST
        budget = max(min(len(values), most), init + 1)  # of a table too small, the case tells
    return Protocol(
        goal,
        target,
        init=init,
        batch=options.batch,
        workers=options.workers or options.batch,
        budget=budget,
        start=options.start or ("with" if rare else "any"),
    )


def _within(case: Case, options: Options) -> tuple[Case, str]:
    """With a budget that every seed can spend, and what to say of it: one that was named is refused
    above what is left, the default is cut."""
    left, budget = case.left(range(options.seeds)), case.protocol.budget
    if budget <= left:
        return case, ""
    held = f"with {HELD_OUT:.0%} held out to judge the model, {left} candidates are left"
    if options.budget is not None:
        raise InputError("budget", f"{budget} experiments, but {held}", f"take {left} or fewer")
    said = f"{left} experiments in all: {held} to choose from"
    return replace(case, protocol=replace(case.protocol, budget=left)), said


def _goal(options: Options, threshold: float | None) -> Goal:
    if options.direction not in ("max", "min"):
        raise InputError("--direction", f"unknown {options.direction!r}", "max or min")
    return Goal(options.goal, _share(options.top), threshold)


def _share(text: str) -> float:
    number = text.strip().rstrip("%")
    try:
        value = float(number) / (100.0 if text.strip().endswith("%") else 1.0)
    except ValueError:
        raise InputError("--top", f"{text!r} is no share", "write 5% or 0.05") from None
    return value


def _check_outputs(table: Path, json_file: Path | None, curve_file: Path | None) -> None:
    """Before hours are played, that the outcome can be written, and not over the table."""
    taken = {table.resolve()}
    for path in (json_file, curve_file):
        if path is not None:
            check_writable(path, force=True)
            if path.resolve() in taken:
                raise InputError(str(path), "is the table, or named twice", "name another file")
            taken.add(path.resolve())


def _write(path: Path, text: str) -> None:
    try:
        replace_durably(path, text.encode())
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror})") from None


def _arms(words: str, goal: Goal) -> Sequence[str]:
    arms = [word.strip() for word in words.split(",") if word.strip()]
    for arm in arms:
        if arm != RANDOM:
            strategy(arm, goal)
    return arms or [AUTO]


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        tell(f"\r{done}/{total} campaigns played", end)


def _said(protocol: Protocol, options: Options) -> dict[str, Any]:
    return {
        "target": options.target,
        "direction": options.direction,
        "goal": protocol.goal.to_dict(),
        "init": protocol.init,
        "batch": protocol.batch,
        "workers": protocol.workers,
        "budget": protocol.budget,
        "start": protocol.start,
        "seeds": options.seeds,
    }
