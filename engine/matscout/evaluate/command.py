"""A program of the user's as an evaluator: params and result travel as JSON files, never a shell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscout.errors import ExperimentFailed, InputError, InvalidValue, one_line
from matscout.evaluate.base import Context
from matscout.evaluate.process_tree import family, kill_family, send
from matscout.trial import Measurement, Params

CRASH_EXIT_CODE = 75
"""By this (EX_TEMPFAIL) a program says that the machinery broke and the trial may be tried again."""

MAX_RESULT_BYTES = 1_000_000
_MARK = "MATSCOUT_COMMAND"

SECRETS = ("RAY_AUTH_TOKEN", "MATSCOUT_JOURNAL", "PGPASSWORD")
"""Variables that no program of the user's is given. PGPASSFILE is a path, and no secret."""

_LOOK_S = 0.05
_TAIL = 4096


class CommandEvaluator:
    """Runs `argv`, in which `{params}` and `{result}` stand for the paths of two JSON files.

    The program reads its params (an object) from the one and writes to the other: a number, an
    object of numbers by target name, or {"values": {…}, "sem": {…}, "cost_s": …, "source": …}.
    What it prints is kept in the attempt's work folder, beside both files, and it runs in `folder`
    (the current directory unless told).

    Exit code 0: the result counts. 75: crashed, to be tried again; so is death by a signal. Any
    other: the experiment failed, and the last line on stderr says why. When it is asked to stop, or
    after `timeout_s`, it gets SIGTERM, and `grace_s` later SIGKILL, with everything it started;
    what it leaves in the background ends with it.
    """

    def __init__(
        self,
        argv: list[str],
        timeout_s: float | None = None,
        costly: bool = False,
        grace_s: float = 5.0,
        folder: Path | None = None,
    ) -> None:
        _check(argv, timeout_s, grace_s)
        self.costly = costly
        self._argv = tuple(argv)
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._folder = Path(os.getcwd()) if folder is None else Path(folder)

    def evaluate(self, params: Params, context: Context) -> Iterator[Measurement]:
        with _workdir(context) as work:
            files = {"{params}": work / "params.json", "{result}": work / "result.json"}
            files["{params}"].write_text(json.dumps(dict(params)))
            files["{result}"].unlink(missing_ok=True)  # of an attempt that was cut off here
            with self._started(files, work) as program:
                code = self._wait(program, context)
            if code is None:
                return
            self._judge(code, work / "stderr.txt")
            yield _result(files["{result}"])

    @contextmanager
    def _started(self, files: Mapping[str, Path], work: Path) -> Iterator[_Program]:
        """The running program; at the end, however it comes, nothing of it is left."""
        program_id = f"{os.getpid()}-{uuid.uuid4().hex}"
        environment = {k: v for k, v in os.environ.items() if k not in SECRETS}
        with open(work / "stdout.txt", "wb") as out, open(work / "stderr.txt", "wb") as err:
            process = subprocess.Popen(
                [_filled(word, files) for word in self._argv],
                cwd=self._folder,
                env={**environment, _MARK: program_id},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )
        program = _Program(process, f"{_MARK}={program_id}")
        try:
            yield program
        finally:
            program.end(0.0)

    def _wait(self, program: _Program, context: Context) -> int | None:
        """The exit code; None if it was asked to stop. TimeoutError if it took too long."""
        start_s = time.monotonic()
        while True:
            try:
                return program.process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                pass
            if context.should_stop():
                program.end(self._grace_s)
                return None
            if self._timeout_s is not None and time.monotonic() - start_s >= self._timeout_s:
                program.end(self._grace_s)
                raise TimeoutError(f"after {self._timeout_s:g} s the command was ended")

    def _judge(self, code: int, stderr: Path) -> None:
        last = _last_line(stderr)
        if code < 0:
            raise RuntimeError(f"the command was killed by {_signal_name(-code)}: {last}")
        if code == CRASH_EXIT_CODE:
            raise RuntimeError(f"the command says that it crashed: {last or 'exit code 75'}")
        if code != 0:
            raise ExperimentFailed(last or f"the command ended with exit code {code}")


@dataclass
class _Program:
    process: subprocess.Popen[bytes]
    mark: str

    def end(self, grace_s: float) -> None:
        """SIGTERM to the whole family, SIGKILL to what is left of it after `grace_s`."""
        members = family(self.process.pid, self.mark)
        if members and grace_s > 0:
            send(members, signal.SIGTERM)
            until_s = time.monotonic() + grace_s
            while family(self.process.pid, self.mark) and time.monotonic() < until_s:
                time.sleep(_LOOK_S)
        kill_family(self.process.pid, self.mark)
        self.process.wait()


def _check(argv: Any, timeout_s: float | None, grace_s: float) -> None:
    where = "evaluator.argv"
    if isinstance(argv, str) or not all(isinstance(word, str) for word in argv):
        raise InputError(where, "must be a list of words", 'write ["program", "{params}", …]')
    if not argv:
        raise InputError(where, "is empty", "name the program first")
    for place in ("{params}", "{result}"):
        if not any(place in word for word in argv):
            raise InputError(where, f"{place} is missing", "it stands for the path of a JSON file")
    if os.sep not in argv[0] and shutil.which(argv[0]) is None:
        raise InputError(where, f"there is no program {argv[0]!r}", "check the name and PATH")
    for name, seconds in (("timeout_s", timeout_s), ("grace_s", grace_s)):
        if seconds is not None and not seconds > 0:
            raise InputError(f"evaluator.{name}", f"must be above 0, got {seconds!r}")


def _filled(word: str, files: Mapping[str, Path]) -> str:
    for place, path in files.items():
        word = word.replace(place, str(path))
    return word


@contextmanager
def _workdir(context: Context) -> Iterator[Path]:
    if context.workdir is not None:
        yield context.workdir.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="matscout-command-") as scratch:
        yield Path(scratch)


def _result(path: Path) -> Measurement:
    """What the program wrote; InvalidValue if it is nothing that could be a result."""
    try:
        # Not through a link, and without waiting on a pipe: the program chose what lies there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidValue(f"the command wrote no result file ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidValue("the result is no regular file")
    with open(descriptor, "rb") as file:
        data = file.read(MAX_RESULT_BYTES + 1)
    if len(data) > MAX_RESULT_BYTES:
        raise InvalidValue(f"the result is larger than {MAX_RESULT_BYTES} bytes")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(one_line(f"the result is not JSON: {error}")) from None
    if not isinstance(said, dict) or not isinstance(said.get("values"), dict):
        return Measurement(said)
    return Measurement(
        said["values"],
        said.get("sem") or {},
        said.get("cost_s"),
        str(said.get("source", "")),
    )


def _last_line(path: Path) -> str:
    with open(path, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
