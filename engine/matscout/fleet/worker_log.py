"""The log that a worker process writes, and what it tells about the worker's death."""

from __future__ import annotations

import faulthandler
import os
import re
import sys
from pathlib import Path

from matscout.errors import one_line
from matscout.runfolder import RunFolder

_TAIL = 65536
_FATAL = re.compile(r"Fatal Python error: ([^\n]{1,120})")
_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating-point exception": "SIGFPE",
    "Floating point exception": "SIGFPE",
}


def log_path(folder: RunFolder, worker: str) -> Path:
    """Where the worker in that slot prints; each new process of the slot appends."""
    path = folder.root / "logs" / f"{worker}.log"
    path.parent.mkdir(0o700, exist_ok=True)
    return path


def size_of(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def redirect_output(log: Path) -> None:
    """Let this process print into `log`, what its libraries and a fatal signal say included."""
    sys.stdout.flush()
    sys.stderr.flush()
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable(2)


def fatal_signal(log: Path, start: int) -> str:
    """The signal that Python reported before it died, such as SIGSEGV; empty if none is told."""
    found = _FATAL.findall(_text(log, start))
    return _SIGNALS.get(found[-1], one_line(found[-1])) if found else ""


def last_line(log: Path, start: int) -> str:
    """The last line printed since `start` (a size of the log), shortened."""
    lines = _text(log, start).strip().splitlines()
    return one_line(lines[-1])[:200] if lines else ""


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started (0: unknown)."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def _text(log: Path, start: int) -> str:
    try:
        with open(log, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start, end - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
