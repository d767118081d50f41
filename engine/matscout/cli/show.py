"""Commands that look at a run and change nothing in it."""

from __future__ import annotations

import json as jsonlib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matscout.cli.assemble import find_run, proposer_of_run
from matscout.cli.judge import judgement, judgement_lines
from matscout.cli.progress import label, mean_said, often
from matscout.data.pools import ready_space, ready_spaces
from matscout.drive.baselines import read_baselines
from matscout.drive.run import RunSpec, load
from matscout.drive.throughput import Throughput, throughput_of
from matscout.errors import InputError, did_you_mean, one_line
from matscout.fleet.at_work import not_begun
from matscout.history import History
from matscout.journal import Journal, driver_of
from matscout.propose.front import front_of
from matscout.propose.observations import best_of, count_of, sem_of, value_of
from matscout.propose.retune_record import decisions
from matscout.report.against import against
from matscout.report.against import lines as against_lines
from matscout.report.fronts import broken, front_lines, limits_line, shows_front
from matscout.runfolder import RunFolder
from matscout.trial import State, Trial

_SHOWN = 8
"""Open recommendations that status names."""


def status(run: str, runs: Path, json: bool) -> int:
    """Counts, best, what is open, who drives, how good predictions were, and whether to stop."""
    folder = find_run(run, runs)
    history, spec = load(folder)
    # Only a pool has something to forecast: other runs need not load a proposer to be looked at.
    proposer = proposer_of_run(spec) if spec.space.pool is not None else None
    if json:
        whole = summary(folder, history, spec) | judgement(history, spec, proposer)
        print(jsonlib.dumps(whole, indent=1))
    else:
        lines = summary_lines(folder, history, spec)
        for line in [*lines, *judgement_lines(history, spec, proposer)]:
            print(line)
    return 0


def verify(run: str, runs: Path, json: bool) -> int:
    """Every record of the journal, or the first thing wrong (exit 3)."""
    folder = find_run(run, runs)
    with Journal.read_only(folder) as journal:
        verdict, where = journal.verify(), journal.where
    waiting = sorted(p.name for p in folder.outbox.glob("*.json"))
    if json:
        report = {
            "run": str(folder.root),
            "sound": True,
            "events": verdict.events,
            "hash": verdict.hash,
            "notes": list(verdict.notes),
            "outbox": len(waiting),
        }
        print(jsonlib.dumps(report, indent=1))
        return 0
    print(f"{where}: sound, {verdict.events} events, hash {verdict.hash[:16]}")
    for note in verdict.notes:
        print(one_line(note))
    if waiting:
        print(
            f"{len(waiting)} finished experiments wait in the outbox: resume the run to take them in"
        )
    return 0


def export(run: str, runs: Path, out: Path, to: str, json: bool) -> int:
    """The trials as a table or as an Optuna study, never over an existing file."""
    kinds = ("csv", "optuna")
    if to not in kinds:
        raise InputError("--to", f"unknown format {to!r}", did_you_mean(to, kinds))
    if out.exists():
        raise InputError(str(out), "exists already", "choose another file")
    if not out.absolute().parent.is_dir():
        raise InputError(str(out), "its folder does not exist", "make the folder first")
    folder = find_run(run, runs)
    history, spec = load(folder)
    draft = out.with_name(f".{out.name}.draft-{os.getpid()}")
    try:
        if to == "csv":
            from matscout.report.table import write_csv

            write_csv(draft, history)
        else:
            from matscout.report.optuna_study import write_study

            write_study(draft, spec.name, spec.space, history)
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)
    if json:
        print(jsonlib.dumps({"file": str(out), "format": to, "trials": len(history.trials)}))
    else:
        print(f"{out}: {len(history.trials)} trials")
        if to == "optuna":
            print(f"open it with: optuna-dashboard sqlite:///{out}")
    return 0


def spaces(name: str | None, json: bool) -> int:
    """The ready search spaces: their names, or the text of one."""
    if name is not None:
        print(ready_space(name).read_text(), end="")
        return 0
    known = ready_spaces()
    if json:
        print(jsonlib.dumps({key: str(path) for key, path in known.items()}, indent=1))
        return 0
    for key, path in known.items():
        first = path.read_text().splitlines()[0].lstrip("# ")
        print(f"{key:24} {first}")
    return 0


def summary(folder: RunFolder, history: History, spec: RunSpec) -> dict[str, Any]:
    """How a run stands, for a machine."""
    best, driver = best_of(history), driver_of(folder)
    speed = _throughput(folder, history, spec)
    return {
        "run": str(folder.root),
        "name": spec.name,
        "kind": spec.kind,
        "seed": spec.seed,
        "budget": spec.policy.trials,
        "asked": history.count_asked,
        "queue": [_called(body) for body in history.queue],
        "states": {s.value: history.count(s) for s in State if history.count(s)},
        "best": _pooled(best, history) if best else None,
        **_compromises(history, spec),
        "baselines": [
            asdict(one) | {"verdict": one.verdict}
            for one in against(history, read_baselines(folder))
        ],
        "retuned": [d.to_dict() for d in decisions(history.trials)],
        "throughput": asdict(speed) if speed else None,
        "driver": driver or None,
        "waiting_for_worker": not_begun(folder, history.in_flight) if driver else [],
        "stopped": history.stopped or None,
        "died": history.sitting and not driver,
        "with_people": [_trial(history.trials[i]) for i in sorted(history.with_person)],
        "needs_attention": [_trial(t) for t in history.trials if t.state is State.NEEDS_ATTENTION],
    }


def summary_lines(folder: RunFolder, history: History, spec: RunSpec) -> list[str]:
    """How a run stands, for a person."""
    states = ", ".join(f"{history.count(s)} {s.value}" for s in State if history.count(s))
    lines = [
        f"{spec.kind} {spec.name}: {states or 'nothing asked yet'}",
        f"folder: {folder.root}",
    ]
    best = best_of(history)
    if shows_front(spec.space, history):
        lines += front_lines(history)
    elif best is not None:
        values = ", ".join(f"{t.name} = {mean_said(best, t)}" for t in history.targets)
        who = ", ".join([label(best), *often(best, history.targets[0])])
        lines.append(one_line(f"best: {who}: {values}"))
        if best.candidate is None:
            lines.append(
                one_line("with: " + ", ".join(f"{k} = {v}" for k, v in best.params.items()))
            )
        lines += against_lines(history, read_baselines(folder))
    kept = limits_line(history)
    lines += [kept] if kept else []
    lines += [one_line(f"model: {d.sentence()}") for d in list(decisions(history.trials))[-1:]]
    speed = _throughput(folder, history, spec)
    lines += [one_line(speed.sentence)] if speed else []
    driver = driver_of(folder)
    if driver:
        lines.append(f"running now: {driver}")
        lines += _waiting(folder, history)
    elif history.stopped:
        lines.append(f"stopped: {one_line(history.stopped)}")
    elif history.sitting:
        lines.append(f"its last driver died: matscout resume {spec.name} goes on where it was")
    if history.queue:
        shown = ", ".join(_called(body) for body in history.queue[:_SHOWN])
        more = f" and {len(history.queue) - _SHOWN} more" if len(history.queue) > _SHOWN else ""
        lines.append(one_line(f"queued: {shown}{more}"))
    handed = [label(history.trials[i]) for i in sorted(history.with_person)]
    if handed:
        more = f" and {len(handed) - _SHOWN} more" if len(handed) > _SHOWN else ""
        lines.append(f"with people: {len(handed)} open: {', '.join(handed[:_SHOWN])}{more}")
    for trial in history.trials:
        if trial.state is State.NEEDS_ATTENTION:
            lines.append(one_line(f"needs attention: {label(trial)}: {trial.reason}"))
    return lines


def _throughput(folder: RunFolder, history: History, spec: RunSpec) -> Throughput | None:
    """Not looked for where nobody leaves it: a file for each of ten thousand trials."""
    trains = (spec.config.get("evaluator") or {}).get("type") == "crystal_graph"
    return throughput_of(folder, history.trials) if trains else None


def _waiting(folder: RunFolder, history: History) -> list[str]:
    """That there are fewer workers than trials dispatched to them."""
    waiting = not_begun(folder, history.in_flight)
    if not waiting:
        return []
    who = ", ".join(label(history.trials[i]) for i in waiting[:_SHOWN])
    more = f" and {len(waiting) - _SHOWN} more" if len(waiting) > _SHOWN else ""
    count = f"{len(waiting)} of {len(history.in_flight)} dispatched"
    return [one_line(f"waiting for a worker: {count}: {who}{more}")]


def _compromises(history: History, spec: RunSpec) -> dict[str, Any]:
    """The front and what limits say, where there are several targets or limits."""
    out: dict[str, Any] = {}
    if shows_front(spec.space, history):
        out["front"] = [_pooled(trial, history) for trial in front_of(history)]
        out["best"] = next(
            iter(out["front"]), None
        )  # of equals by the first target one that stands
    if history.limits:
        out["limits"] = [limit.to_dict() for limit in history.limits]
        out["infeasible"] = broken(history)
    return out


def _pooled(trial: Trial, history: History) -> dict[str, Any]:
    """A point that may have been measured more than once: means, and of how many."""
    known = [t for t in history.targets if count_of(trial, t)]
    sems = {t.name: sem_of(trial, t) for t in known}
    return _trial(trial) | {
        "values": {t.name: value_of(trial, t) for t in known},
        "sem": {name: None if math.isnan(sem) else sem for name, sem in sems.items()},
        "measurements": max((count_of(trial, t) for t in known), default=0),
    }


def _called(body: Mapping[str, Any]) -> str:
    """What is queued has no number yet: its candidate, or its params."""
    return body["candidate"] or ", ".join(f"{k} = {v}" for k, v in body["params"].items())


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.id,
        "candidate": trial.candidate,
        "params": dict(trial.params),
        "values": dict(trial.values),
        "state": trial.state.value,
        "reason": trial.reason,
    }
