"""The one verb of an evaluator: evaluate. Trainers and oracles differ only in what they do in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from matscout.checkpoint import CheckpointStore
from matscout.trial import Measurement, Params, Report


def never() -> bool:
    return False


@dataclass(frozen=True)
class Context:
    """What an evaluator may know beside its params.

    `seed` belongs to the trial and is the same in every attempt, so that a retried trial repeats
    itself. `checkpoints` is None where nothing can be kept. `workdir` is the attempt's own folder.
    `should_stop()` turns true when the loop wants the attempt to end early: save, then return.
    """

    trial: int = 0
    attempt: int = 1
    seed: int = 0
    candidate: str | None = None
    device: str = "cpu"
    workdir: Path | None = None
    checkpoints: CheckpointStore | None = None
    should_stop: Callable[[], bool] = field(default=never)


class Evaluator(Protocol):
    """Finds out. Yields reports on the way and one measurement last.

    Raises ExperimentFailed when the experiment did not work (data: journalled as `failed`). Any
    other exception means that the machinery broke (journalled as `crashed`, retried). Returning
    without a measurement is allowed only after `context.should_stop()` turned true. An attempt that
    goes on from a checkpoint yields the reports up to there again, from the first on: any of them
    may have died on its way, and what is known is recorded once.
    """

    @property
    def costly(self) -> bool:
        """True for an experiment that must never be repeated without a person's word."""

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]: ...
