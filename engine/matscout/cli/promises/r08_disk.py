"""R8: a disk that refuses acknowledges nothing and changes nothing; the run pauses and goes on."""

from __future__ import annotations

import ast
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import (
    PATIENCE_S,
    Driver,
    driving,
    last_words,
    sitting,
    told_bytes,
)
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.r08_faults import Fault, kinds, layer
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind

_TRIALS, _MANY = 6, 500
"""Of a run with an injected fault; of one that fills a disk: the log alone takes 4 KiB a commit."""

_DISK, _LARGER = "1m", "64m"
_UNDER_WAY = 40
"""Lines in the ledger, when trouble comes."""

_OPEN_FILES = 3
_SHORT_S, _LOOK_S = 0.2, 0.02


def keep(setting: Setting) -> Figure:
    """Every Nth operation of each kind where `rounds` allows, else some of each; then real disks."""
    tally = Tally()
    real = min(10, max(1, setting.rounds // 8))
    with journals_of(setting):
        injected = _injected(setting, setting.rounds - real, tally)
        disks = _real(setting, real, tally)
    return tally.figure(f"{injected}; {disks}")


def _injected(setting: Setting, rounds: int, tally: Tally) -> str:
    """The Nth operation fails in a driver that is its own worker."""
    alone = replace(setting, fleet="inline")
    chosen = kinds(setting.journal != SQLITE)
    each = max(1, rounds // len(chosen))
    draw = random.Random(setting.seed)
    number = 0
    shares = []
    counts: dict[str, dict[str, int]] = {}  # layer → operation → how often a whole run does it
    for kind, what in chosen.items():
        if layer(kind) not in counts:
            counts[layer(kind)] = _counted(alone, kind)
        total = counts[layer(kind)].get(what, 0)
        times = sorted(draw.sample(range(1, total + 1), min(each, total)))
        shares.append(f"{kind} {len(times)} of {total}")
        for nth in times:
            number += 1
            lab = Laboratory.make(
                setting.folder / f"fault-{number:04d}", alone, trials=_TRIALS, work_s=0.0
            )
            fault = Fault(kind, nth, lab.home / "results", lab.home / "count.txt")
            _judge(lab, sitting(lab, prepare=fault), _TRIALS, f"{kind}, time {nth}", tally)
    return "one operation failed each: " + ", ".join(shares)


def _counted(setting: Setting, kind: str) -> dict[str, int]:
    lab = Laboratory.make(
        setting.folder / f"count-{layer(kind)}", setting, trials=_TRIALS, work_s=0.0
    )
    count = lab.home / "count.txt"
    sitting(lab, prepare=Fault(kind, 0, lab.home / "results", count))
    drop_schema(lab.folder)
    return dict(ast.literal_eval(count.read_text())) if count.exists() else {}


def _judge(
    lab: Laboratory, code: int, trials: int, name: str, tally: Tally, problem: str = ""
) -> None:
    """How the sitting ended, whether the next one goes on, and what is in the journal then."""
    said = lab.said
    if "Traceback" in said or "internal error" in said:
        problem = f"a traceback: {last_words(lab)}"
    elif code not in (0, 2, 3) or (code and _was_at_work(lab)):
        # Before the first commit, and when all is over, it may end with one line.
        problem = problem or f"ended with {code}: {last_words(lab)}"
    if sitting(lab):
        problem = problem or f"could not go on: {last_words(lab)}"
    found = ledger.check(lab, trials) if lab.folder.holds_run else ledger.Findings(["no run"])
    tally.round(name, problem or found.first, lost=found.lost, doubled=found.doubled)
    drop_schema(lab.folder)


def _was_at_work(lab: Laboratory) -> bool:
    """Whether a driver had begun, and its run is not over: then it pauses and goes on."""
    return told_bytes(lab) > 0 and ledger.events_of(lab)[-1].kind is not EventKind.STOPPED


# -- real ones ---------------------------------------------------------------------------------------


def _real(setting: Setting, rounds: int, tally: Tally) -> str:
    """A disk that fills up under a driver and its workers, one that is read-only when a driver starts,
    and no descriptors left."""
    mounts = _can_mount(setting.folder)
    troubles = _troubles(setting, mounts)
    counts = dict.fromkeys(troubles, 0)
    for number in range(rounds):
        name = list(troubles)[number % len(troubles)]
        lab = Laboratory.make(
            setting.folder / f"real-{number}", setting, trials=_MANY, seed=setting.seed + number,
            work_s=0.0,
        )  # fmt: skip
        with _disk(lab.home / "results", mounts):
            problem = troubles[name](lab)
            _judge(lab, 0, _MANY, f"{name}, {number}", tally, problem)
        counts[name] += 1
    where = (
        "on a tmpfs of 1 MiB" if mounts else "nothing may be mounted here, so injected faults only"
    )
    return f"{where}: " + ", ".join(f"{name} {count} times" for name, count in counts.items())


def _troubles(setting: Setting, mounts: bool) -> dict[str, Callable[[Laboratory], str]]:
    """What is done to a run. On a server nothing fills its disk, which has no log to grow."""
    found: dict[str, Callable[[Laboratory], str]] = {"no descriptors": _no_descriptors}
    found |= {"disk full": _fills_up} if mounts and setting.journal == SQLITE else {}
    return found | ({"read-only": _read_only} if mounts else {})


def _fills_up(lab: Laboratory) -> str:
    """The journal's own log fills it; once the run says that it pauses, the disk is made larger."""
    with driving(lab) as driver:
        paused = _until(driver, lambda: "paused: " in lab.said)
        before = len(lab.told.read_text().splitlines())
        _mount("-o", f"remount,size={_LARGER}", str(lab.home / "results"))
        code = driver.ended()
    if not paused:
        return f"it did not pause ({code}: {last_words(lab)})"
    after = len(lab.told.read_text().splitlines())
    return "" if code == 0 and after > before else f"it did not go on ({code}: {last_words(lab)})"


def _read_only(lab: Laboratory) -> str:
    """Killed, and resumed on a disk that nobody can write to: one line, and nothing else."""
    _mount("-o", f"remount,size={_LARGER}", str(lab.home / "results"))
    with driving(lab) as driver:
        _until(driver, lambda: len(list(lab.notes())) > _UNDER_WAY)
        driver.kill_all()
    _mount("-o", "remount,ro", str(lab.home / "results"))
    try:
        code = sitting(lab, ("resume", lab.folder.name))
    finally:
        _mount("-o", "remount,rw", str(lab.home / "results"))
    return "" if code in (2, 3) else f"on a read-only disk it ended with {code}: {last_words(lab)}"


def _no_descriptors(lab: Laboratory) -> str:
    """Neither the driver nor its workers may open anything for a while."""
    results = lab.home / "results"
    if os.path.ismount(results):
        _mount("-o", f"remount,size={_LARGER}", str(results))
    with driving(lab) as driver:
        _until(driver, lambda: len(list(lab.notes())) > _UNDER_WAY)
        pids = [driver.pid, *driver.workers()]
        limits = {pid: _limit(pid, (_OPEN_FILES, 0)) for pid in pids}
        driver.ended(_SHORT_S)
        for pid, limit in limits.items():
            if limit is not None:
                _limit(pid, limit)
        code = driver.ended()
    return "" if code == 0 else f"ended with {code}: {last_words(lab)}"


def _limit(pid: int, limit: tuple[int, int]) -> tuple[int, int] | None:
    """Set the limit of open files of a process; what it was, None if the process is gone."""
    try:
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(limit[0], before[1]), before[1]))
    except (ProcessLookupError, PermissionError):
        return None
    return before


def _until(driver: Driver, come: Callable[[], bool]) -> bool:
    """Whether it came before the driver's end."""
    until_s = time.monotonic() + PATIENCE_S
    while not come():
        if driver.ended(_LOOK_S) is not None or time.monotonic() > until_s:
            return come()
    return True


@contextmanager
def _disk(path: Path, mounted: bool) -> Iterator[None]:
    path.mkdir()
    if not mounted:
        yield
        return
    _mount("-t", "tmpfs", "-o", f"size={_DISK}", "matscout", str(path))
    try:
        yield
    finally:
        subprocess.run([_program("umount"), "-l", str(path)], check=False, capture_output=True)


def _can_mount(folder: Path) -> bool:
    place = folder / "mountable"
    try:
        with _disk(place, mounted=True):
            return os.path.ismount(place)
    except (OSError, subprocess.CalledProcessError):
        return False


def _mount(*words: str) -> None:
    subprocess.run([_program("mount"), *words], check=True, capture_output=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(name)
    return found


PROMISE = Promise(
    id="R8",
    said="Disk full, I/O error, read-only, out of descriptors: no acknowledgement, state unchanged, the "
    "run pauses and goes on",
    test="the Nth write, fsync, open, rename or unlink of a driver fails, for every N; a 1 MiB disk "
    "fills up, is read-only, descriptors run out",
    small=10,
    full=1000,
    keep=keep,
)
