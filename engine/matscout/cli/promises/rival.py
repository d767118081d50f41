"""A process that would drive a run, and does what it is told, one line after the other."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from matscout.errors import MatscoutError
from matscout.event import Event, EventKind
from matscout.fleet.pinned import python_path
from matscout.journal import Journal
from matscout.runfolder import RunFolder

_PROGRAM = "import sys; from matscout.cli.promises.rival import serve; serve(sys.argv[1])"
_PATIENCE_S = 60.0


def serve(root: str) -> None:
    """What it runs. `open`: become the driver; `append TEXT`: write an event; `close`."""
    journal: Journal | None = None
    for line in sys.stdin:
        verb, _, text = line.strip().partition(" ")
        try:
            if verb == "open":
                journal = Journal.open(RunFolder(Path(root)))
                answer = "owner"
            elif journal is None:
                answer = "not open"
            elif verb == "append":
                journal.append(Event(EventKind.OPENED, body={"note": text}))
                answer = "written"
            else:
                journal.close()
                journal, answer = None, "closed"
        except MatscoutError as error:
            answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)


class Rival:
    """The handle on such a process."""

    def __init__(self, folder: RunFolder) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(folder.root)],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def answer(self) -> str:
        """What it says to the last line; `silent` if nothing for a minute."""
        said = self._process.stdout
        assert said is not None
        if not select.select([said], [], [], _PATIENCE_S)[0]:
            return "silent"
        return said.readline().decode().strip()

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def stop(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL. Nothing is waited for."""
        self._process.kill()

    def bury(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
