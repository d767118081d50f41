"""R6: no suggestion repeats an earlier point unless replicates are asked for."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator

from matscout import failpoint
from matscout.cli.promises.laboratory import drop_schema, journals_of
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.r05_same import PROPOSERS
from matscout.cli.promises.scripted import Scripted, driven, made
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind
from matscout.journal import Journal
from matscout.parameter import Int, Ordinal
from matscout.runfolder import RunFolder
from matscout.space import Space

_LEVELS = tuple(round(0.04 * i, 2) for i in range(25))
SPACE = Space((Int("n", 0, 24), Ordinal("x", _LEVELS)))
POINTS = 625
PENDING = 8
_BY_MODEL, _BY_MODEL_RUNS = 60, 2
"""The GP takes a quarter of a second: so many suggestions of it, in so many runs at most."""


class _Killed(Exception):
    pass


def keep(setting: Setting) -> Figure:
    tally = Tally()
    asked: dict[str, int] = {}
    resumed = 0
    with journals_of(setting):
        for number, (name, wanted) in enumerate(_runs(setting.rounds)):
            tried, sittings = _run(setting, number, name, wanted, tally)
            resumed += sittings - 1
            asked[name] = asked.get(name, 0) + tried
    said = ", ".join(f"{name} {count}" for name, count in asked.items())
    return tally.figure(
        f"suggestions among {POINTS} points with {PENDING} pending, {resumed} resumes: {said}"
    )


def _runs(rounds: int) -> Iterator[tuple[str, int]]:
    """Proposers in turn and how many suggestions each is to make, `rounds` in all."""
    cycle = 0
    while rounds > 0:
        share = -(-rounds // len(PROPOSERS))
        for name in PROPOSERS:
            if name == "gp" and cycle >= _BY_MODEL_RUNS:
                continue
            wanted = min(_BY_MODEL if name == "gp" else POINTS, share, rounds)
            rounds -= wanted
            if wanted:
                yield name, wanted
        cycle += 1


def _run(setting: Setting, number: int, name: str, wanted: int, tally: Tally) -> tuple[int, int]:
    """One run with resume points at drawn places; each repeated point is a broken round. How many
    points, and in how many sittings."""
    draw = random.Random(f"{setting.seed} {number}")
    folder = RunFolder(setting.folder / f"{number:04d}-{name}")
    made(folder, SPACE, wanted, PENDING, setting.seed + number)
    sittings = 1
    while not _over(folder, name, draw):
        sittings += 1
    seen: set[str] = set()
    with Journal.read_only(folder) as journal:
        points = [repr(e.body["params"]) for e in journal.read() if e.kind is EventKind.ASKED]
    for place, point in enumerate(points):
        problem = f"trial {place} repeats {point}" if point in seen else ""
        seen.add(point)
        tally.round(folder.name, problem, doubled=bool(problem))
    if len(points) != wanted:
        tally.round(folder.name, f"{len(points)} of {wanted} suggestions were made", lost=1)
    drop_schema(folder)
    shutil.rmtree(folder.root)
    return len(points), sittings


def _over(folder: RunFolder, name: str, draw: random.Random) -> bool:
    """A sitting with a new proposer; False where it was broken off."""
    passes = draw.randint(20, 600)
    place = draw.choice(["loop.before_asked", "loop.after_asked", "journal.before_commit"])
    with failpoint.watched(_breaks_off(place, passes)):
        try:
            driven(folder, PROPOSERS[name](), Scripted(PENDING))
        except _Killed:
            return False
    return True


def _breaks_off(place: str, passes: int) -> Callable[[str], None]:
    left = passes

    def watcher(name: str) -> None:
        nonlocal left
        left -= name == place
        if left == 0:
            raise _Killed

    return watcher


PROMISE = Promise(
    id="R6",
    said="No suggestion repeats an earlier point unless replicates are asked for",
    test="runs over 625 discrete points until they are used up, 8 pending, broken off and resumed with "
    "a new proposer at drawn places, by an exception; of the GP 60 suggestions in each of two runs",
    small=160,
    full=10_000,
    keep=keep,
)
