"""R11: an oracle that hangs ends at its timeout, with all that it started, and its slot is free."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matscout.cli.promises.alive import alive
from matscout.cli.promises.fleets import new_fleet, new_folder
from matscout.cli.promises.promise import PROCESS, RAY, SQLITE, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.evaluate.bad_lab import ByOrder
from matscout.evaluate.base import Context
from matscout.evaluate.command import CommandEvaluator
from matscout.fleet.base import Fleet
from matscout.outcome import Assignment, Kind, Outcome
from matscout.trial import Params

_SLOTS = 4
_LATE_S = 10.0
_PATIENCE_S = 120.0

# It ignores SIGTERM, and so do its child and its grandchild, which has a session of its own.
_PROGRAM = """
trap "" TERM
sh -c 'echo $$ >> "$1"; exec sleep 3600' sh "$1" &
setsid sh -c 'echo $$ >> "$1"; exec sleep 3600' sh "$1" &
wait
"""


class Hanging:
    """Hangs in Python, or in a program of the user's; `measure` answers at once."""

    costly = False

    def evaluate(self, params: Params, context: Context) -> Iterator[Any]:
        if params["do"] != "program":
            return ByOrder().evaluate(params, context)
        argv = ["/bin/sh", "-c", _PROGRAM, "sh", str(params["pids"]), "{params}", "{result}"]
        return CommandEvaluator(argv).evaluate(params, context)


def keep(setting: Setting) -> Figure:
    tally, draw = Tally(), random.Random(f"{setting.seed}")
    slots = min(_SLOTS, setting.rounds)
    fleet = new_fleet(setting, Hanging, new_folder(setting), slots)
    try:
        _answers(fleet, [Assignment(10**6 + i, 1, {"do": "measure"}) for i in range(slots)])
        for first in range(0, setting.rounds, slots):
            wave = [
                _hanging(setting.folder, number, draw)
                for number in range(first, min(first + slots, setting.rounds))
            ]
            _play(fleet, wave, tally)
    finally:
        fleet.close()
    done = (
        f"{tally.tried} attempts that hang in Python or in a program, each with two more processes"
    )
    return tally.figure(done)


def _hanging(folder: Path, number: int, draw: random.Random) -> Assignment:
    do = "program" if number % 2 else "children"
    params = {"do": do, "pids": str(folder / f"{number}.pids")}
    return Assignment(number, 1, params, timeout_s=round(draw.uniform(0.5, 2.0), 2))


def _play(fleet: Fleet, wave: list[Assignment], tally: Tally) -> None:
    """A wave of attempts that hang, each of which must make room for one that does not."""
    outcomes = _answers(fleet, wave)
    after = [Assignment(a.trial, 2, {"do": "measure", "x": float(a.trial)}) for a in wave]
    later = _answers(fleet, after)
    for assignment in wave:
        outcome, late_s = outcomes[assignment.trial]
        problem = _problem(assignment, outcome, late_s)
        answer = later[assignment.trial][0]
        if not problem and (answer is None or answer.values != {"y": float(assignment.trial)}):
            problem = f"its slot was not of use again ({answer})"
        tally.slowest("latest end after the timeout, s", late_s)
        tally.round(assignment.trial, problem)


def _answers(
    fleet: Fleet, assignments: list[Assignment]
) -> dict[int, tuple[Outcome | None, float]]:
    """How each attempt ended, and how long after its timeout; None for one that never did."""
    began_s = time.monotonic()
    for assignment in assignments:
        fleet.submit(assignment)
    found: dict[int, tuple[Outcome | None, float]] = {}
    while len(found) < len(assignments) and time.monotonic() < began_s + _PATIENCE_S:
        for outcome in fleet.poll(1.0):
            fleet.acknowledge(outcome)
            took_s = time.monotonic() - began_s
            limit_s = next(a.timeout_s for a in assignments if a.trial == outcome.trial)
            found[outcome.trial] = outcome, took_s - (limit_s or 0.0)
    for assignment in assignments:
        found.setdefault(assignment.trial, (None, _PATIENCE_S))
    return found


def _problem(assignment: Assignment, outcome: Outcome | None, late_s: float) -> str:
    if outcome is None:
        return "it never ended"
    if outcome.kind is not Kind.CRASHED or not outcome.reason.startswith("timeout"):
        return f"it ended as {outcome.kind}: {outcome.reason}"
    if late_s > _LATE_S:
        return f"it ended {late_s:.1f} s after its timeout"
    file = Path(str(assignment.params["pids"]))
    pids = [int(pid) for pid in file.read_text().split()] if file.exists() else []
    if len(pids) != 2:
        return f"it had started {len(pids)} processes, not 2"
    left = alive(pids)
    return f"{len(left)} of its processes live on" if left else ""


PROMISE = Promise(
    id="R11",
    said="A hanging oracle ends at its timeout with its whole process group, and its slot is freed",
    test="oracles and programs that ignore SIGTERM and start others, one of them in a session of its "
    "own; 10 s after the timeout none may be left, and the slot must measure again",
    small=2,
    full=50,
    keep=keep,
    journals=(SQLITE,),
    fleets=(PROCESS, RAY),
)
