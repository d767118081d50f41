"""R16: Ctrl-C and SIGTERM, also when pressed twice, end a sitting in 10 s and cost no result."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from matscout.cli.promises import ledger
from matscout.cli.promises.alive import alive, eventually
from matscout.cli.promises.driver import PATIENCE_S, Driver, driving, last_words, sitting
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import PROCESS, RAY, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.cli.words import INTERRUPTED

_EXIT_S = 10.0
_SIGNALS = 10
"""Sittings that are interrupted in one run; then it is left to its end."""

_TRIALS = 60
_LATEST_S = {PROCESS: 0.8, RAY: 15.0}

# An experiment that may be asked to stop, or that hangs where a file of that name lies.
_ORACLE = """
def measure(params, context):
    note("begun", context.trial, context.attempt, os.getpid())
    while (HOME / "hang").exists():
        time.sleep(0.05)
    until = time.monotonic() + {work_s}
    while time.monotonic() < until:
        if context.should_stop():
            return None
        time.sleep(0.005)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""


def keep(setting: Setting) -> Figure:
    tally, met = Tally(), Counter[str]()
    with journals_of(setting):
        campaign = 0
        while tally.tried < setting.rounds:
            count = min(_SIGNALS, setting.rounds - tally.tried)
            _campaign(setting, campaign, count, tally, met)
            campaign += 1
    done = ", ".join(f"{count} {what}" for what, count in sorted(met.items()))
    return tally.figure(f"{tally.tried} sittings to be interrupted: {done}")


def _campaign(setting: Setting, number: int, count: int, tally: Tally, met: Counter[str]) -> None:
    draw = random.Random(f"{setting.seed} {number}")
    costly = number % 3 == 2
    wait = number % 3 != 0
    lab = Laboratory.make(
        setting.folder / f"{number:03d}", setting, trials=_TRIALS, seed=number, costly=costly,
        oracle=_ORACLE.format(work_s=0.06), run=f'on_interrupt = "{"wait" if wait else "cancel"}"',
    )  # fmt: skip
    problem, signalled = "", 0
    while signalled < count and not problem:
        how = draw.choice(sorted(_PRESSED))
        hang = not wait and draw.random() < 0.3
        problem = _interrupted(lab, setting.fleet, how, hang, draw, tally, met)
        signalled += 1
        if signalled < count:
            tally.round(f"{number}, {how}", problem)
    code = sitting(lab)
    if code:
        problem = problem or f"resume ended with {code}: {last_words(lab)}"
    found = ledger.check(lab, _TRIALS, costly=costly)
    problem = problem or found.first
    tally.round(f"{number}, at its end", problem, lost=found.lost, doubled=found.doubled)
    drop_schema(lab.folder)
    if not problem:
        shutil.rmtree(lab.home)


def _interrupted(
    lab: Laboratory,
    fleet: str,
    how: str,
    hang: bool,
    draw: random.Random,
    tally: Tally,
    met: Counter[str],
) -> str:
    """Drive and interrupt; what is wrong with how that ended."""
    flag, before, begun = lab.home / "hang", _size(lab.log), lab.ledger().begun.total()
    if hang:
        flag.touch()
    # Once something has been said, it is our signal handler, or our one line, that answers.
    with driving(lab) as driver:
        if not eventually(lambda: _size(lab.log) > before, PATIENCE_S):
            return "the driver never said a word"
        if hang:
            eventually(lambda: lab.ledger().begun.total() > begun or _over(driver), PATIENCE_S)
        driver.ended(draw.uniform(0.0, _LATEST_S[fleet]))
        workers, start_s = driver.workers(), time.monotonic()
        with suppress(ProcessLookupError):
            _PRESSED[how](driver, draw)
        code = driver.ended(PATIENCE_S)
        took_s = time.monotonic() - start_s
    flag.unlink(missing_ok=True)
    tally.slowest("slowest exit, s", took_s)
    what = how + (", work that hangs" if hang else "")
    met["that were over before" if code == 0 else what] += 1
    said = lab.log.read_text(errors="replace")[before:]
    if code not in (0, INTERRUPTED):
        return f"exit code {code}: {last_words(lab)}"
    if took_s > _EXIT_S:
        return f"it left after {took_s:.1f} s"
    if "Traceback" in said or "internal error" in said:
        return f"not one line: {last_words(lab)}"
    if not eventually(lambda: not alive(workers), _EXIT_S):
        return "its workers live on"
    return ""


def _over(driver: Driver) -> bool:
    return driver.process.exitcode is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _once(signum: int, driver: Driver, draw: random.Random) -> None:
    driver.signal(signum)


def _twice(signum: int, driver: Driver, draw: random.Random) -> None:
    driver.signal(signum)
    driver.ended(draw.choice([0.0, 0.02, 0.3, 1.0]))
    if driver.process.exitcode is None:
        driver.signal(signum)


def _group(driver: Driver, draw: random.Random) -> None:
    """As a terminal does it: to all that has not left the session."""
    os.killpg(driver.pid, signal.SIGINT)


def _many(driver: Driver, draw: random.Random) -> None:
    for _ in range(20):
        driver.signal(draw.choice([signal.SIGINT, signal.SIGTERM]))
        driver.ended(0.01)
        if driver.process.exitcode is not None:
            return


_PRESSED = {
    "Ctrl-C": lambda driver, draw: _once(signal.SIGINT, driver, draw),
    "Ctrl-C twice": lambda driver, draw: _twice(signal.SIGINT, driver, draw),
    "SIGTERM": lambda driver, draw: _once(signal.SIGTERM, driver, draw),
    "SIGTERM twice": lambda driver, draw: _twice(signal.SIGTERM, driver, draw),
    "Ctrl-C in a terminal": _group,
    "twenty signals": _many,
}

PROMISE = Promise(
    id="R16",
    said="Ctrl-C and SIGTERM stop dispatching, keep or cancel running work as asked, and exit in 10 s",
    test="real sittings are interrupted at random moments: once, twice, twenty times, the whole "
    "group, also while work hangs; then the run is left to its end and held against the ledger: "
    "nothing measured is lost (that work in hand is waited for, where asked: tests/drive alone)",
    small=3,
    full=100,
    keep=keep,
    fleets=(PROCESS, RAY),
)
