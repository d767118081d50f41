"""R7: a torn tail is cut and reported; any other damage is refused, never read as a wrong number."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from matscout import failpoint
from matscout.cli.promises import r07_rows
from matscout.cli.promises.laboratory import journals_of
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.r07_rows import EVENTS, some_event, verdict
from matscout.cli.promises.tally import Tally
from matscout.clock import VirtualClock
from matscout.event import Event
from matscout.journal import Journal
from matscout.runfolder import RunFolder

IN_THE_LOG = 3
"""So many of the events stand in the write-ahead log, as kill -9 leaves it."""

_DATABASE, _LOG, _HEAD = "journal.db", "journal.db-wal", "journal.head"
_REFUSED_OR_SAME = ("refused", "same")


@dataclass(frozen=True)
class _Damage:
    """A byte of the file that is flipped, or the offset at which it ends."""

    name: str
    at: int
    cut: bool

    def __str__(self) -> str:
        return f"{self.name} {'cut at' if self.cut else 'byte'} {self.at}"

    def done_to(self, data: bytes) -> bytes:
        if self.cut:
            return data[: self.at]
        flipped = bytes([data[self.at] ^ (1 << self.at % 8)])
        return data[: self.at] + flipped + data[self.at + 1 :]


def keep(setting: Setting) -> Figure:
    """Evenly spread over all damages there can be, as many as `rounds`."""
    tally = Tally()
    if setting.journal != SQLITE:
        with journals_of(setting):
            return r07_rows.keep(setting, tally)
    with journals_of(setting):
        files, events = _killed(setting.folder / "killed", unacknowledged=False)
        torn, torn_events = _killed(setting.folder / "torn", unacknowledged=True)
    damages = [
        _Damage(name, at, cut)
        for name, data in files.items()
        for cut in (False, True)
        for at in range(len(data))
    ]
    last = _last_transaction(torn[_LOG])
    tails = [_Damage(_LOG, at, True) for at in range(last + 1, len(torn[_LOG]))]
    step = max(1, round((len(damages) + len(tails)) / setting.rounds))
    ends: Counter[str] = Counter()
    copy = _Copy(RunFolder(setting.folder / "copy"))
    for damage in damages[setting.seed % step :: step]:
        allowed = (*_REFUSED_OR_SAME, "said") if damage.name == _HEAD else _REFUSED_OR_SAME
        ends[_judge(copy, files, damage, events, allowed, tally)] += 1
    for damage in tails[setting.seed % step :: step]:
        ends[_judge(copy, torn, damage, torn_events, ("cut and said", "same"), tally)] += 1
    said = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
    which = "every byte flipped and every offset cut"
    which = which if step == 1 else f"1 in {step} of: {which}"
    sizes = ", ".join(f"{name} {len(data)}" for name, data in files.items())
    return tally.figure(f"{which} ({sizes} bytes), the last {len(tails)} as a torn tail: {said}")


def _judge(
    copy: _Copy,
    files: dict[str, bytes],
    damage: _Damage,
    events: list[Event],
    allowed: tuple[str, ...],
    tally: Tally,
) -> str:
    copy.write({**files, damage.name: damage.done_to(files[damage.name])})
    how = verdict(copy.folder, events)
    tally.round(damage, "" if how in allowed else how)
    return how if how in allowed else "broken"


class _Copy:
    """The run's files, written anew for each damage: in place, or most of the time would go there."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        folder.root.mkdir()
        self._there: dict[str, bytes] = {}

    def write(self, files: dict[str, bytes]) -> None:
        (self.folder.root / "journal.db-shm").unlink(missing_ok=True)
        for name, data in files.items():
            path = self.folder.root / name
            if (
                self._there.get(name) != data
                or not path.exists()
                or path.stat().st_size != len(data)
            ):
                path.write_bytes(data)
        self._there = files


def _killed(root: Path, unacknowledged: bool) -> tuple[dict[str, bytes], list[Event]]:
    """The files of a run of EVENTS events whose driver was killed, and its events. `unacknowledged`:
    just after the last commit, of which the head knows nothing yet."""
    folder = RunFolder(root)
    folder.root.mkdir(parents=True)
    folder.outbox.mkdir()
    with Journal.create(folder, VirtualClock(5.0)) as journal:
        for number in range(EVENTS - IN_THE_LOG):
            journal.append(some_event(number))
    process = multiprocessing.get_context("fork").Process(
        target=_go_on_and_die, args=(folder, unacknowledged)
    )
    process.start()
    process.join()
    assert process.exitcode == -9
    files = {name: (root / name).read_bytes() for name in (_DATABASE, _LOG, _HEAD)}
    with Journal.read_only(folder) as journal:
        events = list(journal.read())
    assert len(events) == EVENTS
    return files, events


def _go_on_and_die(folder: RunFolder, unacknowledged: bool) -> None:
    if unacknowledged:
        failpoint.arm(f"journal.after_commit:{IN_THE_LOG}:kill")
    with Journal.open(folder, clock=VirtualClock(5.0)) as journal:
        for number in range(EVENTS - IN_THE_LOG, EVENTS):
            journal.append(some_event(number))
        os.kill(os.getpid(), 9)


def _last_transaction(log: bytes) -> int:
    """Where the last transaction of a write-ahead log begins (sqlite.org/fileformat2.html, 4.1): after
    the last frame but one that carries the size of the database, which ends a transaction."""
    page = int.from_bytes(log[8:12])
    ends = [at for at in range(32, len(log), 24 + page) if int.from_bytes(log[at + 4 : at + 8])]
    return ends[-2] + 24 + page


PROMISE = Promise(
    id="R7",
    said="A torn tail is cut and reported; any other damage is refused with its event, never read as "
    "a wrong number",
    test="a 50-event journal whose driver was killed: every byte flipped, every offset cut; on "
    "PostgreSQL every column of every row altered, rows removed, added and exchanged",
    small=150,
    full=1_000_000,
    keep=keep,
)
