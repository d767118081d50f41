"""What runs in a worker process: one thread works, another listens to the driver."""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from matscout.evaluate.process_tree import kill_family
from matscout.fleet.pinned import MARK
from matscout.fleet.worker import MadeOnce, assignment_from_json, run_attempt
from matscout.outcome import Assignment, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

READY = b"ready"
_PARENT_LOOK_S = 1.0
"""How often a worker looks whether its parent is still there, should no end of file tell it."""


def main(descriptor: int) -> None:
    """Serve the driver at the other end of the socket `descriptor`, until it says `end` or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it hides how a program ended
    faulthandler.enable()
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    factory = connection.recv()
    targets, root, name, device, costly = connection.recv()
    desk = _Desk(connection, MadeOnce(factory, costly))
    threading.Thread(target=desk.listen, daemon=True).start()
    try:
        desk.evaluator.make()
    except Exception:
        traceback.print_exc()  # the attempt that needs it will say so, and try again
    desk.send(READY)
    while (assignment := desk.next()) is not None:
        desk.work(assignment, targets, RunFolder(Path(root)), name, device)
    sys.stdout.flush()
    # Threads that an evaluator left running must not keep the process.
    os._exit(0)


class _Desk:
    """The worker's end of the pipe."""

    def __init__(self, connection: Connection, evaluator: MadeOnce) -> None:
        self.evaluator = evaluator
        self._connection = connection
        self._waiting: queue.SimpleQueue[Assignment | None] = queue.SimpleQueue()
        self._stops: set[tuple[int, int]] = set()
        self._lock = threading.Lock()
        self._busy = False
        self._orphaned = False

    def listen(self) -> None:
        """Take orders until the driver is gone."""
        parent = os.getppid()
        try:
            while os.getppid() == parent:
                if self._connection.poll(_PARENT_LOOK_S):
                    self._obey(json.loads(self._connection.recv_bytes()))
        except (EOFError, OSError):
            pass
        self._without_driver()

    def next(self) -> Assignment | None:
        """The next assignment; None when there is to be no more work."""
        with self._lock:
            self._busy = False
            if self._orphaned:
                return None
        assignment = self._waiting.get()
        with self._lock:
            self._busy = assignment is not None
        return assignment

    def work(
        self,
        assignment: Assignment,
        targets: tuple[Target, ...],
        folder: RunFolder,
        name: str,
        device: str,
    ) -> None:
        key = (assignment.trial, assignment.attempt)
        ending = run_attempt(
            self.evaluator,
            assignment,
            targets,
            folder,
            self._tell,
            lambda: key in self._stops,
            device,
            name,
        )
        self._tell(ending)

    def send(self, message: bytes) -> None:
        try:
            self._connection.send_bytes(message)
        except OSError:
            # Without a driver there is nobody to tell; the listener decides what becomes of us.
            pass

    def _tell(self, outcome: Outcome) -> None:
        self.send(outcome.to_json().encode())

    def _obey(self, order: dict[str, Any]) -> None:
        if "run" in order:
            self._waiting.put(assignment_from_json(order["run"]))
        elif "stop" in order:
            trial, attempt = order["stop"]
            self._stops.add((trial, attempt))
        elif "end" in order:
            self._waiting.put(None)

    def _without_driver(self) -> None:
        """The driver died: leave at once, unless a costly experiment is under way.

        That one is finished; its result waits in the outbox for the driver that takes over.
        """
        with self._lock:
            self._orphaned = True
            if self._busy and self.evaluator.costly:
                return
            kill_family(os.getpid(), f"{MARK}={os.environ.get(MARK, '')}")
            os._exit(1)
