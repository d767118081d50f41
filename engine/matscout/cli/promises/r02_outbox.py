"""R2: a finished experiment whose acknowledgement was cut off is recovered from the outbox, once."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import driving, last_words, sitting
from matscout.cli.promises.laboratory import Attempt, Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import PROCESS, RAY, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind

_BY_DRIVER = ("loop.before_acknowledge", "journal.before_write", "journal.before_commit",
              "journal.after_commit", "journal.after_head")  # fmt: skip
_BY_WORKER = ("outbox.after_rename", "worker.before_report")
_NAME = re.compile(r"trial-(\d+)-(\d+)\.json")
_TRIALS = 60
_KILLED = -9


def keep(setting: Setting) -> Figure:
    tally = Tally()
    numbers = Counter[str]()
    with journals_of(setting):
        campaign = 0
        while tally.tried < setting.rounds:
            _campaign(setting, campaign, setting.rounds - tally.tried, tally, numbers)
            campaign += 1
    said = ", ".join(f"{count} by the death of {who}" for who, count in sorted(numbers.items()))
    return tally.figure(f"acknowledgements cut off: {said}; each with one call of the oracle")


def _campaign(
    setting: Setting, number: int, wanted: int, tally: Tally, numbers: Counter[str]
) -> None:
    """Sittings that are cut off until the run is over, or enough results lay in the outbox."""
    draw = random.Random(f"{setting.seed} {number}")
    trials = _TRIALS if setting.fleet == PROCESS else 12
    lab = Laboratory.make(setting.folder / f"{number:04d}", setting, trials=trials, seed=number)
    cut: dict[Attempt, str] = {}
    code = _KILLED
    while code == _KILLED and len(cut) < wanted:
        before = set(lab.ledger().done)
        by_worker = draw.random() < 0.2
        place = draw.choice(_BY_WORKER if by_worker else _BY_DRIVER)
        nth = draw.randint(3, 8) if by_worker else draw.randint(2, 12)
        with driving(lab, place=f"{place}:{nth}:kill") as driver:
            code = driver.ended() or 0
        if code == _KILLED:
            cut |= dict.fromkeys(_in_the_outbox(lab), f"the driver at {place}")
        elif by_worker:
            cut |= dict.fromkeys(_of_dead_workers(lab, before), f"the worker at {place}")
    code = sitting(lab)
    found = ledger.check(lab, trials)
    if code:
        found.problems.insert(0, f"resume ended with {code}: {last_words(lab)}")
    _judge(lab, cut, f"campaign {number}: {found.first}" if found.first else "", tally)
    numbers.update(who.split(" at ")[0] for who in cut.values())
    drop_schema(lab.folder)
    if not found.first:
        shutil.rmtree(lab.home)


def _in_the_outbox(lab: Laboratory) -> list[Attempt]:
    """By name alone: to read them is the next driver's business."""
    names = (_NAME.fullmatch(path.name) for path in sorted(lab.folder.outbox.glob("*.json")))
    return [(int(name[1]), int(name[2])) for name in names if name]


def _of_dead_workers(lab: Laboratory, before: set[Attempt]) -> list[Attempt]:
    """What each worker of this sitting measured last, and died of."""
    last: dict[str, Attempt] = {}
    pid_of: dict[Attempt, str] = {}
    for word, trial, attempt, *rest in lab.notes():
        key = int(trial), int(attempt)
        if word == "begun":
            pid_of[key] = rest[0]
        elif word == "done" and key not in before:
            last[pid_of[key]] = key
    return list(last.values())[:-2]  # two are alive when the run is over


def _judge(lab: Laboratory, cut: dict[Attempt, str], problem: str, tally: Tally) -> None:
    """A round for each result that was cut off: there once, after one call of the oracle."""
    begun = lab.ledger().begun
    values = Counter(
        (e.trial, e.attempt)
        for e in ledger.events_of(lab)
        if e.kind in (EventKind.MEASURED, EventKind.REPLICATED)
    )
    for (trial, attempt), who in cut.items():
        kept = values[trial, attempt]
        called = sum(
            n for (other, later), n in begun.items() if other == trial and later >= attempt
        )
        said = "" if kept == 1 and called == 1 else f"{who}: {kept} values after {called} calls"
        tally.round(
            f"{lab.home.name}, trial {trial}", problem or said, lost=not kept, doubled=kept > 1
        )


PROMISE = Promise(
    id="R2",
    said="A finished experiment whose acknowledgement was cut off is recovered from the outbox, once",
    test="SIGKILL exactly between outbox and acknowledgement: of the driver before, in and after its "
    "commit, of the worker before it can tell",
    small=8,
    full=200,
    keep=keep,
    fleets=(PROCESS, RAY),
)
