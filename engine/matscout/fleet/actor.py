"""What runs inside a Ray actor. Knows nothing of Ray, so it can be tested without it."""

from __future__ import annotations

import os
import socket
import threading
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from matscout.evaluate.process_tree import family, send, start_guard
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.lent import lent_device
from matscout.fleet.pinned import MARK
from matscout.fleet.sharing import adopting
from matscout.fleet.worker import MadeOnce, assignment_from_json, run_attempt
from matscout.fleet.worker_log import log_path, redirect_output
from matscout.outcome import Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target


class AttemptActor:
    """One slot. `run` works; `reports` and `stop` are called from threads of their own meanwhile.

    Outcomes and assignments travel as JSON text. `gpu`: whether the slot was given a share of one.
    With `own_process`, what the process prints goes to the worker's log in the run folder. `shared` is
    what the evaluator need not read (sharing.py).
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        root: str,
        name: str,
        gpu: bool = False,
        own_process: bool = False,
        shared: Any = None,
    ) -> None:
        self._evaluator = MadeOnce(
            factory if shared is None else partial(adopting, factory, shared)
        )
        self._targets = targets
        self._folder = RunFolder(Path(root))
        self._name = f"{name}@{socket.gethostname()}"
        self._gpu = gpu
        self._device = ""
        self._news = threading.Condition()
        self._unread: list[str] = []
        self._current: tuple[int, int] | None = None
        self._stops: set[tuple[int, int]] = set()
        self._folder.outbox.mkdir(0o700, parents=True, exist_ok=True)
        if own_process:
            redirect_output(log_path(self._folder, name))
            # Ray ends its workers when driver or node dies, but not all that they have started.
            start_guard(os.getpid(), MARK, os.environ.get(MARK, ""))

    def hello(self) -> tuple[int, str]:
        """Pid and host of this worker, which is up."""
        return os.getpid(), socket.gethostname()

    def ready(self) -> None:
        """Make the evaluator."""
        try:
            self._evaluator.make()
        except Exception:
            traceback.print_exc()  # the attempt that needs it will say so, and try again

    def run(self, text: str) -> list[str]:
        """Run an assignment. Returns the reports that nobody has fetched, and the ending outcome."""
        assignment = assignment_from_json(text)
        key = (assignment.trial, assignment.attempt)
        with self._news:
            self._current = key
        try:
            self._device = self._device or lent_device(self._gpu)
            ending = run_attempt(
                self._evaluator,
                assignment,
                self._targets,
                self._folder,
                self._emit,
                lambda: key in self._stops,
                self._device,
                self._name,
            )
        finally:
            with self._news:
                unread, self._unread, self._current = self._unread, [], None
                self._news.notify_all()
        return [*unread, ending.to_json()]

    def reports(self, trial: int, attempt: int, wait_s: float) -> list[str]:
        """Reports that nobody has fetched, once there is one; empty when the attempt is over."""
        key = (trial, attempt)
        with self._news:
            self._news.wait_for(lambda: self._unread or self._current != key, wait_s)
            if self._current != key:
                return []
            unread, self._unread = self._unread, []
            return unread

    def watch(self) -> None:
        """Return never: the caller learns from this call's failure that the worker died."""
        threading.Event().wait()

    def stop(self, trial: int, attempt: int) -> None:
        """From now on that attempt's `should_stop` is true."""
        self._stops.add((trial, attempt))

    def signal_family(self, signum: int) -> None:
        """Signal what this worker has started, for a driver on another machine."""
        send(family(os.getpid(), f"{MARK}={os.environ.get(MARK, '')}"), signum)

    def _emit(self, outcome: Outcome) -> None:
        with self._news:
            self._unread.append(outcome.to_json())
            self._news.notify_all()
