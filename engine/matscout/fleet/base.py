"""Where evaluators run. Inline, processes, Ray and the simulator all keep this contract."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, runtime_checkable

from matscout.evaluate.base import Evaluator
from matscout.outcome import Assignment, Outcome

EvaluatorFactory = Callable[[], Evaluator]
"""Called once in each worker. It must survive the trip there: a function or partial of a module."""


class Fleet(Protocol):
    """Workers. One assignment a slot; `submit` beyond `slots` is an error of the caller.

    An attempt ends with exactly one outcome whose `ends_attempt` is true, however it ends: a worker
    that dies is a `crashed` outcome with its cause, an attempt past `timeout_s` a `crashed` one
    whose reason begins with "timeout". The worker writes that outcome to the outbox before
    it is handed over by `poll`, and forgets it only after `acknowledge`.
    """

    slots: int

    def submit(self, assignment: Assignment) -> None:
        """Start an attempt on a free slot."""

    def poll(self, timeout_s: float) -> list[Outcome]:
        """What has come in, waiting at most `timeout_s` (0: not at all) if there is nothing."""

    def cancel(self, trial: int) -> None:
        """Ask the attempt at `trial` to stop, and kill it after a grace time. Unknown: no-op."""

    def acknowledge(self, outcome: Outcome) -> None:
        """The outcome is in the journal; its outbox file may go."""

    def close(self) -> None:
        """End every worker; nothing keeps running. Twice is harmless."""


@runtime_checkable
class Queueing(Protocol):
    """A fleet whose attempts may have to wait for a worker. With one without this none ever does."""

    @property
    def queued(self) -> Collection[int]:
        """Trials whose attempt was submitted, and that no worker is at work on yet. Such an attempt
        is not silent: its lease has not begun, nor has its `timeout_s`."""
        ...

    def notes(self) -> list[str]:
        """What a person should know and was not told yet, one line each."""
        ...
