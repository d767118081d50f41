"""Real drivers to be killed: processes of their own that run a command of matscout.

Most of the time of a start goes into imports. So a driver is a fork of this process, which has them
behind it: everything else is as real as ever, the workers' start included. `fresh` starts a new
interpreter, as a person would (and Ray needs).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from matscout import failpoint
from matscout.cli.promises.laboratory import Laboratory
from matscout.drive.loop import Observer
from matscout.drive.run import create, versions
from matscout.evaluate.process_tree import kill_family
from matscout.fleet.environment import environment
from matscout.fleet.pinned import python_path
from matscout.journal import Journal

PATIENCE_S = 300.0
"""How long anything may take that should take seconds: a machine may be busy."""

_LOOK_S = 0.01
_PR_SET_PDEATHSIG = 1
_MARK = "MATSCOUT_PROMISE"
_BEHIND_IT = (
    "matscout.cli.app", "matscout.cli.runs", "matscout.cli.evict", "matscout.drive.overlap",
    "matscout.fleet.process", "matscout.propose.sobol", "matscout.propose.random",
    "matscout.propose.distinct", "sqlalchemy.dialects.sqlite",
)  # fmt: skip


@dataclass
class Driver:
    """A driver that was started."""

    process: Any
    mark: str

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def ended(self, within_s: float = PATIENCE_S) -> int | None:
        """Its exit code, negative for a signal; None if it is still at work after so long."""
        self.process.join(within_s)
        return None if self.process.exitcode is None else int(self.process.exitcode)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def workers(self) -> list[int]:
        """Its children."""
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in text.split()]

    def kill_all(self) -> None:
        """It, its workers and whatever they began, as a machine that loses its power."""
        kill_family(self.pid, f"{_MARK}={self.mark}")
        self.process.join()


def start(
    lab: Laboratory,
    words: Sequence[str] = (),
    *,
    place: str = "",
    fresh: bool = False,
    prepare: Callable[[], None] | None = None,
) -> Driver:
    """Run `matscout WORDS` (the run's next sitting, unless said otherwise) in `lab`. `place` arms a
    failpoint ("journal.after_commit:3:kill") in it and in the workers that it starts. `prepare` is
    called first in its process."""
    mark = f"{os.getpid()}-{lab.home}"
    arguments = (lab, tuple(words) or lab.words, place, mark, prepare)
    if fresh or lab.fresh:
        with environment({"PYTHONPATH": python_path()}):
            process = multiprocessing.get_context("spawn").Process(target=serve, args=arguments)
            process.start()
    else:
        for name in _BEHIND_IT:
            import_module(name)
        versions()  # what is installed is read once, too
        process = multiprocessing.get_context("fork").Process(target=serve, args=arguments)  # type: ignore[assignment]
        process.start()
    return Driver(process, mark)


@contextmanager
def driving(lab: Laboratory, words: Sequence[str] = (), **options: Any) -> Iterator[Driver]:
    """`start`, and whatever happens nothing of it is left afterwards."""
    driver = start(lab, words, **options)
    try:
        yield driver
    finally:
        if driver.process.exitcode is None:
            driver.kill_all()


def sitting(lab: Laboratory, words: Sequence[str] = (), **options: Any) -> int:
    """A driver to its end: its exit code, -9 where it was killed at a `place`."""
    with driving(lab, words, **options) as driver:
        code = driver.ended()
    if code is None:
        raise AssertionError(f"{lab.home}: no end after {PATIENCE_S:g} s: {last_words(lab)}")
    return code


def told_bytes(lab: Laboratory) -> int:
    """How much drivers have been told is safe; it grows while one is at work."""
    return lab.told.stat().st_size if lab.told.exists() else 0


def at_work(lab: Laboratory, driver: Driver, told: int) -> bool:
    """Wait until more than `told` is safe: the driver has the run. False where it came to its end."""
    until_s = time.monotonic() + PATIENCE_S
    while told_bytes(lab) <= told:
        if driver.ended(_LOOK_S) is not None or time.monotonic() > until_s:
            return False
    return True


def last_words(lab: Laboratory) -> str:
    """The last line that a driver printed."""
    lines = lab.said.splitlines()
    return lines[-1] if lines else "nothing was said"


def serve(
    lab: Laboratory,
    words: Sequence[str],
    place: str,
    mark: str,
    prepare: Callable[[], None] | None,
) -> None:
    """What the driver's process runs."""
    os.setsid()
    _die_with_parent()
    os.chdir(lab.home)
    os.environ |= {_MARK: mark, "MATSCOUT_FAILPOINT": place, "PYTHONPATH": python_path()}
    said = os.open(lab.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (kept open)
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)
    failpoint.arm(place)
    _tell_what_is_safe(lab.told)
    if prepare is not None:
        prepare()
    code = 1
    with suppress(SystemExit):
        try:
            _run(lab, words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    os._exit(code)


def _die_with_parent() -> None:
    """Should the process that plays the promise be killed, nobody else would end this one (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(1)  # it was killed before this one could ask to hear of it


def _run(lab: Laboratory, words: Sequence[str]) -> None:
    """A command of matscout; or ("make",) and ("drive",): a sweep without its untuned models."""
    from matscout.cli.app import main
    from matscout.cli.assemble import drive, spec_from_file

    if words[0] == "make":
        create(lab.folder, spec_from_file(lab.home / "c.toml", "sweep", {}))
    elif words[0] == "drive":
        drive(lab.folder, Observer(), baselines=False)
    else:
        main(list(words))


def _tell_what_is_safe(path: Path) -> None:
    """Have `Journal.commit` write down, once it has returned, which events it has made safe. (The draft
    of a run is nobody's yet.)"""
    commit = Journal.commit
    told = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def told_commit(self: Journal) -> None:
        rows = list(self._staged)
        commit(self)
        if self._folder.name.startswith("."):
            return
        os.write(told, "".join(f"{row['seq']} {row['hash']}\n" for row in rows).encode())

    Journal.commit = told_commit  # type: ignore[method-assign]
