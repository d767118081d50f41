"""The driver's handle on one worker process: start it, talk to it, learn why it died, end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from matscout.errors import InputError
from matscout.evaluate.process_tree import family, kill_family, send
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.pinned import MARK, new_mark, pinned
from matscout.fleet.worker_log import last_line, oom_kills, size_of
from matscout.trial import Target

_BOOT = (
    "import json, os, sys; sys.path[:] = json.loads(os.environ.pop('MATSCOUT_SYS_PATH')); "
    "from matscout.fleet.process_worker import main; main(int(sys.argv[1]))"
)
_LOOK_S = 0.05


def factory_bytes(factory: EvaluatorFactory) -> bytes:
    """The factory as it goes to a worker; InputError if it cannot.

    This crosses a private socket between a driver and its own child, and no file.
    """
    mend = "use a function of a module, or functools.partial of one"
    function: Any = factory
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "__module__", "") == "__main__":
        raise InputError("fleet", "the evaluator's factory is defined in the script itself", mend)
    try:
        return bytes(ForkingPickler.dumps(factory))
    except Exception as error:
        what = f"the evaluator's factory cannot be sent: {error}"
        raise InputError("fleet", what, mend) from None


class Child:
    """One worker process in a session of its own, started from a fresh interpreter."""

    def __init__(
        self,
        factory: bytes,
        *,
        targets: tuple[Target, ...],
        root: Path,
        device: str,
        threads: int,
        costly: bool,
        name: str,
        log: Path,
    ) -> None:
        self._mark = new_mark()
        self._log, self._log_start = log, size_of(log)
        self._oom_kills = oom_kills()
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            **pinned(threads),
            MARK: self._mark,
            "MATSCOUT_SYS_PATH": json.dumps(sys.path),
        }
        with theirs, open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self._pidfd = _pidfd(self.pid)
        self.send(factory)
        self.send(bytes(ForkingPickler.dumps((targets, str(root), name, device, costly))))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def handles(self) -> list[int]:
        """Descriptors that become readable when the worker speaks or dies."""
        return [self._connection.fileno()] + ([] if self._pidfd is None else [self._pidfd])

    def send(self, message: bytes) -> None:
        """To a worker that is dead this does nothing; that it is dead shows elsewhere."""
        try:
            self._connection.send_bytes(message)
        except OSError:
            pass

    def dead(self) -> bool:
        """Whether the process has ended. Until `reap` it is a zombie, so its pid stays its own."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, options) is not None
        except ChildProcessError:  # SIGCHLD is ignored here: no zombie is left
            return True

    def read(self) -> tuple[list[bytes], bool]:
        """What has come in, and whether the worker is dead."""
        messages = []
        # In this order: whatever was said before the death is then read in the same call.
        dead = self.dead()
        try:
            while self._connection.poll():
                messages.append(self._connection.recv_bytes())
        except (EOFError, OSError):
            dead = True
        return messages, dead

    def signal_family(self, signum: int) -> None:
        send(family(self.pid, f"{MARK}={self._mark}"), signum)

    def end(self, by_force: bool) -> None:
        """Ask it to end; `reap` makes sure of it."""
        if by_force:
            self.signal_family(signal.SIGTERM)
        else:
            self.send(json.dumps({"end": True}).encode())

    def reap(self, patience_s: float) -> str:
        """Wait `patience_s` for the process to end, kill what is left of it and its family.

        Returns why the process died.
        """
        until_s = time.monotonic() + patience_s
        while not self.dead() and (left_s := until_s - time.monotonic()) > 0:
            wait([] if self._pidfd is None else [self._pidfd], min(left_s, _LOOK_S))
        kill_family(self.pid, f"{MARK}={self._mark}")
        code = self._process.wait()
        self._connection.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        return self._cause(code)

    def _cause(self, code: int) -> str:
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            if code == -signal.SIGKILL and oom_kills() > self._oom_kills:
                return f"{name}; out of memory: the kernel killed it"
            return name
        last = last_line(self._log, self._log_start)
        return f"exit code {code}" + (f": {last}" if last else "")


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process dies; None where there is none."""
    opener = getattr(os, "pidfd_open", None)
    try:
        return None if opener is None else int(opener(pid))
    except OSError:
        return None
