"""R3: nothing is dispatched twice, whoever is killed, stopped, or tries to drive as well."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from contextlib import ExitStack

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import (
    PATIENCE_S,
    Driver,
    at_work,
    driving,
    last_words,
    sitting,
    told_bytes,
)
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import PROCESS, RAY, SQLITE, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind
from matscout.journal import driver_of

RIVALS = 8
_DISPATCHES = 2500
"""Of one campaign, or a few more: what is given up is dispatched again."""

_APART, _AT_LEAST = 15, 4
"""Trouble comes once in so many dispatches at most, and so often: on a busy machine it would come
again and again before anything is done."""

_REFUSED = 2
_LOOK_S = 0.02
_LONGEST_S = {PROCESS: 1.5, RAY: 2.0}
"""Trouble comes up to so long after a driver has begun."""

_WORK_S = {PROCESS: 0.0, RAY: 0.2}
"""How long an experiment takes: on Ray, where little trouble is had in an hour, long enough for a short
campaign not to be over before the first of it."""

_SOON = 0.1
"""The share of that time for a campaign so short that it would be over before."""


def keep(setting: Setting) -> Figure:
    tally = Tally()
    troubles = Counter[str]()
    with journals_of(setting):
        campaign = 0
        while tally.tried < setting.rounds:
            trials = min(_DISPATCHES, setting.rounds - tally.tried)
            _campaign(setting, campaign, trials, tally, troubles)
            campaign += 1
    if not troubles.total():
        tally.round("all", "no trouble came: every driver had come to its end before")
    said = ", ".join(f"{what} {count} times" for what, count in sorted(troubles.items()))
    return tally.figure(f"dispatches in {campaign} campaigns, drivers {said}")


def _campaign(
    setting: Setting, number: int, trials: int, tally: Tally, troubles: Counter[str]
) -> None:
    draw = random.Random(f"{setting.seed} {number}")
    costly = number % 2 == 0
    lab = Laboratory.make(
        setting.folder / f"{number:04d}", setting, trials=trials, seed=number, costly=costly,
        work_s=_WORK_S[setting.fleet],
    )  # fmt: skip
    problems: list[str] = []
    soon = max(trials / _DISPATCHES, _SOON) if setting.fleet == PROCESS else 1.0
    going, met = True, 0
    while going and met < max(trials // _APART, _AT_LEAST):
        trouble = draw.choice(_TROUBLES) if lab.folder.holds_run else _killed
        after_s = draw.uniform(0.2, 1.0) * soon * _LONGEST_S[setting.fleet]
        going = trouble(setting, lab, after_s, problems)
        troubles[trouble.__name__.strip("_")] += going
        met += going
    code = sitting(lab)
    if code:
        problems.append(f"resume ended with {code}: {last_words(lab)}")
    found = ledger.check(lab, trials, costly=costly)
    problems += _at_the_same_time(lab) + found.problems
    dispatched = [e for e in ledger.events_of(lab) if e.kind is EventKind.DISPATCHED]
    for event in dispatched[1:]:
        tally.round(event.trial)
    problem = f"{problems[0]}" if problems else ""
    tally.round(f"campaign {number}", problem, lost=found.lost, doubled=found.doubled)
    drop_schema(lab.folder)
    if not problems:
        shutil.rmtree(lab.home)


def _killed(setting: Setting, lab: Laboratory, after_s: float, problems: list[str]) -> bool:
    """A driver, killed. False where it had come to the end of the run before."""
    told = told_bytes(lab)
    with driving(lab) as driver:
        if not at_work(lab, driver, told) or driver.ended(after_s) is not None:
            return False
        driver.kill()
    return True


def _raced(setting: Setting, lab: Laboratory, after_s: float, problems: list[str]) -> bool:
    """Eight drivers at once: one of them drives; it is killed."""
    with ExitStack() as stack:
        rivals = [stack.enter_context(driving(lab)) for _ in range(RIVALS)]
        working = _alone(rivals)
        odd = {r.ended(0) for r in rivals} - {None, 0, _REFUSED}
        if len(working) > 1 or odd:
            problems.append(f"of {RIVALS} drivers {len(working)} stayed, others ended with {odd}")
        if not working:
            return False
        ended = working[0].ended(after_s) is not None
        for driver in working:
            driver.kill()
    return not ended


def _alone(rivals: list[Driver]) -> list[Driver]:
    """Who is left when all but one have given up; more than one if they take too long about it."""
    waited_s = 0.0
    while waited_s < PATIENCE_S:
        working = [rival for rival in rivals if rival.ended(0) is None]
        if len(working) < 2:
            return working
        working[0].ended(_LOOK_S)
        waited_s += _LOOK_S
    return working


def _stopped(setting: Setting, lab: Laboratory, after_s: float, problems: list[str]) -> bool:
    """A driver stopped for a while, others try to take its place; then it goes on, and is killed."""
    told = told_bytes(lab)
    with driving(lab) as driver:
        if not at_work(lab, driver, told) or driver.ended(after_s) is not None:
            return False
        driver.signal(signal.SIGSTOP)
        owner = driver_of(lab.folder) if lab.folder.holds_run else ""
        if owner.endswith(f" {driver.pid}"):
            if setting.journal == SQLITE or random.Random(after_s).random() < 0.5:
                _try_as_well(setting, lab, problems)
            else:
                return _evicted(setting, lab, driver, problems)
        driver.signal(signal.SIGCONT)
        if driver.ended(after_s) is None:
            driver.kill()
    return True


def _try_as_well(setting: Setting, lab: Laboratory, problems: list[str]) -> None:
    over = _over(lab)
    code = sitting(lab)
    if code != _REFUSED and not (over and code == 0):
        problems.append(f"a rival of a stopped driver ended with {code}")


def _evicted(setting: Setting, lab: Laboratory, driver: Driver, problems: list[str]) -> bool:
    """The stopped one is evicted, a rival drives while it wakes: it can write nothing."""
    over = _over(lab)
    if sitting(lab, ("evict", lab.folder.name)):
        problems.append(f"evict failed: {last_words(lab)}")
    with driving(lab) as rival:
        rival.ended(0.1)
        driver.signal(signal.SIGCONT)
        if driver.ended() in (None, *([] if over else [0])):
            problems.append("an evicted driver went on")
        ended = rival.ended(0.3) is not None
        if not ended:
            rival.kill()
    return not ended


def _over(lab: Laboratory) -> bool:
    """Whoever drives has nothing more to write, and may be letting go just now."""
    return ledger.events_of(lab)[-1].kind is EventKind.STOPPED


def _at_the_same_time(lab: Laboratory) -> list[str]:
    """Trials of which an attempt was begun, and an earlier one came to its end after that."""
    latest: dict[str, int] = {}
    found = []
    for word, trial, attempt, *_ in lab.notes():
        if word == "begun":
            latest[trial] = max(latest.get(trial, 0), int(attempt))
        elif int(attempt) < latest.get(trial, 0):
            found.append(f"doubled: two attempts of trial {trial} ran at the same time")
    return found


_TROUBLES = (_killed, _raced, _stopped)

PROMISE = Promise(
    id="R3",
    said="Nothing is dispatched twice unless its lease expired and the policy says retry (never, if "
    "costly)",
    test="the oracle's side effects are counted while drivers are killed, stopped with rivals, or "
    "evicted (PostgreSQL), and race eight at a time",
    small=60,
    full=10_000,
    keep=keep,
    fleets=(PROCESS, RAY),
)
