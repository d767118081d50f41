"""Foreign data read in a process of its own: what a file makes of it cannot take this one along.

The child may use so much memory, processor time and wall time, and writes no file. What it says are
lines of JSON; they are checked by whoever asked. Where the system knows no limits on memory (macOS),
those of time are left.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

CPU_S = 20
"""Processor seconds for one answer."""
WALL_S = 120.0
"""Seconds of waiting for one answer; a busy machine gives a child less than its processor seconds."""
MEMORY_BYTES = 3 * 2**30
"""Of addresses: numpy and pymatgen take a third of it before they have read anything."""


class ChildEnded(Exception):
    """The child is no more; the text says why, in words that go after "it"."""


@dataclass(frozen=True)
class Refused:
    """The child has read that it cannot, or will not, read this."""

    what: str
    mend: str = ""


def answers(
    module: str, requests: Sequence[Any], *, most_bytes: int, wall_s: float = WALL_S
) -> Iterator[Any]:
    """What `python -m MODULE` answers to each of the requests (plain values), in their order, as plain
    values or `Refused`. A module calls `serve`. Raises ChildEnded where it dies, is slower than it
    may be, or says more than `most_bytes` at once; the answers before have come by then.
    """
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **threads},
        start_new_session=True,
    )
    feeder = threading.Thread(target=_feed, args=(process, requests), daemon=True)
    feeder.start()
    try:
        lines = _lines(process, most_bytes, wall_s)
        for _ in requests:
            answer = json.loads(next(lines))
            yield Refused(*answer["refused"]) if "refused" in answer else answer["found"]
    finally:
        process.kill()
        process.wait()
        feeder.join()
        assert process.stdout is not None
        process.stdout.close()


def serve(answer: Callable[[Any], Any | Refused]) -> None:
    """In the child: answer the lines of stdin on stdout, each under its own limit of time."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    with os.fdopen(out, "wb") as file:
        for line in sys.stdin.buffer:
            used = resource.getrusage(resource.RUSAGE_SELF)
            _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_S, hard=False)
            try:
                said = answer(json.loads(line))
            except MemoryError:
                said = Refused(f"takes more than {MEMORY_BYTES >> 30} GiB of memory to read")
            except RecursionError:
                said = Refused("is nested too deep")
            body = {"refused": [said.what, said.mend]} if isinstance(said, Refused) else None
            file.write(json.dumps(body or {"found": said}).encode() + b"\n")
            file.flush()


def _limit(what: int, value: int, *, hard: bool = True) -> None:
    with contextlib.suppress(ValueError, OSError):  # the system may set it lower, or know it not
        resource.setrlimit(what, (value, value if hard else resource.getrlimit(what)[1]))


def _feed(process: subprocess.Popen[bytes], requests: Sequence[Any]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as file:
        for request in requests:
            file.write(json.dumps(request).encode() + b"\n")
            file.flush()


def _lines(process: subprocess.Popen[bytes], most: int, wall_s: float) -> Iterator[bytes]:
    assert process.stdout is not None
    known, looked = bytearray(), 0  # up to where no line ends
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        until = time.monotonic() + wall_s
        while True:
            end = known.find(b"\n", looked)
            looked = len(known)
            if 0 <= end <= most:
                yield bytes(known[:end])
                del known[: end + 1]
                looked = 0
                until = time.monotonic() + wall_s
                continue
            if end > most or len(known) > most + 1:
                raise ChildEnded(f"is larger than {most:,} bytes when read")
            if not waiting.select(max(until - time.monotonic(), 0.0)):
                raise ChildEnded(f"takes more than {wall_s:g} s to read")
            part = os.read(process.stdout.fileno(), 1 << 20)
            if not part:
                raise ChildEnded(_why(process.wait()))
            known += part


def _why(code: int) -> str:
    # SIGXCPU, and SIGKILL where the hard limit is reached first
    if code in (-24, -9):
        return f"takes more than {CPU_S} s, or more memory than there is, to read"
    return f"makes whoever reads it crash (exit code {code})"
