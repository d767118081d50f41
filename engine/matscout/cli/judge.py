"""From a run's record to what judges it: its goal, its forecaster and its stopping rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from matscout.drive.run import RunSpec
from matscout.drive.stopping import Advice, StopRules, rules_of
from matscout.errors import MatscoutError, one_line
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecaster, Proposer


def goal_of(spec: RunSpec) -> Goal:
    """The goal that the run's config names, or the default one."""
    raw = spec.config.get("goal")
    if isinstance(raw, str):
        return Goal(raw)
    return Goal.from_dict({k: v for k, v in raw.items() if v is not None}) if raw else Goal()


def stop_rules(spec: RunSpec, proposer: Proposer | None) -> StopRules:
    """The rules that the run's config switches on; the proposer is their forecaster if it can be."""
    rules = rules_of(spec.config.get("stop") or {})
    return StopRules(spec.space, goal_of(spec), forecaster(spec, proposer), rules)


def forecaster(spec: RunSpec, proposer: Proposer | None) -> Forecaster | None:
    """Who says what is believed about the pool; None without a pool."""
    if spec.space.pool is None or proposer is None:
        return None
    from matscout.drive.pool_belief import forecaster_of  # loads torch

    return forecaster_of(proposer)


_MOST = 20_000
"""Candidates up to which `status` asks a model about the pool; beyond, `report` does."""


def advice_for(history: History, spec: RunSpec, proposer: Proposer | None) -> list[Advice]:
    """What every stopping rule says. Rules that ask a model say so where it fails."""
    rules = stop_rules(spec, proposer)
    small = spec.space.pool is None or len(spec.space.pool) <= _MOST
    try:
        forecast = rules.seen(history).forecast if small else None
    except (MatscoutError, RuntimeError, ValueError):
        forecast = None  # the page says why
    quiet = StopRules(spec.space, rules.goal, None, rules.rules)
    return quiet.advice(history, forecast)


def judgement(history: History, spec: RunSpec, proposer: Proposer | None) -> dict[str, Any]:
    """For a machine: calibration (None while there is too little to judge) and stopping rules."""
    from matscout.report.calibration_table import by_block, calibration, predictions

    made = predictions(history)
    whole = calibration(made)
    return {
        "calibration": None
        if whole is None
        else asdict(whole)
        | {"coverage": whole.coverage, "rounds": list(map(asdict, by_block(made)))},
        "stop": list(map(asdict, advice_for(history, spec, proposer))),
    }


def judgement_lines(history: History, spec: RunSpec, proposer: Proposer | None) -> list[str]:
    """For a person: a line on calibration, and one on each stopping rule."""
    from matscout.report.calibration_table import calibration_line

    said = calibration_line(history)
    lines = [said] if said else []
    if history.completed:
        for a in advice_for(history, spec, proposer):
            word, on = ("stop" if a.stop else "go on"), ("" if a.on else ", advice only")
            lines.append(one_line(f"{a.name}{on}: {word}: {a.text}"))
    return lines
