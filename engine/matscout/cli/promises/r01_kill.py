"""R1: an acknowledged measurement survives kill -9 of driver and workers at any instant."""

from __future__ import annotations

import os
import random
import shutil
import signal
from contextlib import suppress

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import at_work, driving, last_words, sitting, told_bytes
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import PROCESS, RAY, Figure, Promise, Setting
from matscout.cli.promises.r01_places import SCENES, struck
from matscout.cli.promises.tally import Tally

_KILLS = 25
"""At most so many in one campaign; then another begins."""

_TRIALS = 120
_LONGEST_S = {PROCESS: 0.9, RAY: 15.0}
"""Kills strike up to so long after a start, or after the driver has begun."""

_AT_WORK = 0.6
"""So many of them after it has begun: starts take the longest time on a busy machine."""

_THRICE, _ONCE, _FEW_PLACES = 1000, {PROCESS: 100, RAY: 30}, 4
"""From so many kills on every named place is struck three times, or once; below, so many of them."""

_FRESH = 20
"""One driver in so many is a new interpreter rather than a fork."""


def keep(setting: Setting) -> Figure:
    tally = Tally()
    victims = {"driver": 0, "worker": 0, "all": 0}
    with journals_of(setting):
        campaign = 0
        while tally.tried < setting.rounds:
            kills = min(_KILLS, setting.rounds - tally.tried)
            _campaign(setting, campaign, kills, tally, victims)
            campaign += 1
        places = _places(setting, tally)
    done = f"{campaign} campaigns, SIGKILL to " + ", ".join(
        f"the {who} {count} times" if who != "all" else f"all at once {count} times"
        for who, count in victims.items()
    )
    return tally.figure(f"{done}; and to whoever passed one of {places} named places")


def _places(setting: Setting, tally: Tally) -> int:
    """Every place three times in a full run, a drawn handful in a small one. How many there were."""
    draw = random.Random(f"{setting.seed} places")
    names = sorted(SCENES)
    times = 3 if setting.rounds >= _THRICE else 1
    names = (
        times * names if setting.rounds >= _ONCE[setting.fleet] else draw.sample(names, _FEW_PLACES)
    )
    for number, name in enumerate(names):
        home = setting.folder / f"place-{number:03d}"
        problems = struck(setting, home, name, draw)
        lost = sum(text.count(": lost:") for text in problems)
        doubled = sum(text.count(": doubled:") for text in problems)
        tally.round(home.name, problems[0] if problems else "", lost=lost, doubled=doubled)
        drop_schema(Laboratory(home).folder)
        if not problems:
            shutil.rmtree(home)
    return len(set(names))


def _campaign(
    setting: Setting, number: int, kills: int, tally: Tally, victims: dict[str, int]
) -> None:
    """One run, killed so many times, and then left to its end."""
    draw = random.Random(f"{setting.seed} {number}")
    costly = number % 2 == 1
    trials = _TRIALS if setting.fleet == PROCESS else 40
    lab = Laboratory.make(
        setting.folder / f"{number:04d}", setting, trials=trials, seed=number, costly=costly
    )
    count = 0
    while count < kills:
        fresh = draw.randrange(_FRESH) == 0
        # A worker of a costly experiment that is killed takes an unknown state of the world with it.
        victim = draw.choice(["driver"] if costly else ["driver", "driver", "worker", "all"])
        struck = _strike(lab, victim, draw.uniform(0.0, _LONGEST_S[setting.fleet]), draw, fresh)
        if not struck:
            break  # the run is over
        victims[struck] += 1
        count += 1
    code = sitting(lab)
    found = ledger.check(lab, trials, costly=costly)
    if code:
        found.problems.insert(0, f"resume ended with {code}: {last_words(lab)}")
    for _ in range(count - 1):
        tally.round(number)
    problem = f"campaign {number}: {found.first}" if found.first else ""
    if count or problem:
        tally.round(number, problem, lost=found.lost, doubled=found.doubled)
    drop_schema(lab.folder)
    if not found.first:
        shutil.rmtree(lab.home)


def _strike(lab: Laboratory, victim: str, after_s: float, draw: random.Random, fresh: bool) -> str:
    """Drive and kill; who was struck: nobody, where the run came to its end before, and the driver
    alone where it had no worker yet."""
    told = told_bytes(lab)
    with driving(lab, fresh=fresh) as driver:
        if draw.random() < _AT_WORK and not at_work(lab, driver, told):
            return ""
        if driver.ended(after_s) is not None:
            return ""
        if victim == "driver":
            driver.kill()
        elif victim == "all":
            driver.kill_all()
        else:
            workers = driver.workers()
            victim = "worker" if workers else "driver"
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(draw.choice(workers), signal.SIGKILL)
            driver.ended(draw.uniform(0.0, 0.3))
            driver.kill()
    return victim


PROMISE = Promise(
    id="R1",
    said="An acknowledged measurement survives kill -9 of driver and workers at any instant",
    test="SIGKILL at random times to the driver, a worker and then the driver, or all at once (on Ray a "
    "child of the driver, the head among them), and at named places between two writes "
    "(four of them in a small run, all from 100 kills on, on Ray from 30); what drivers were told, the "
    "oracle's ledger and the journal are compared",
    small=8,
    full=1000,
    keep=keep,
    fleets=(PROCESS, RAY),
)
