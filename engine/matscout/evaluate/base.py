"""The one verb of an evaluator: evaluate. Trainers and oracles differ only in what they do in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from matscout.checkpoint import Arrays, CheckpointStore
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


class Sharing(Evaluator, Protocol):
    """An evaluator whose data need be read once for a machine, not once for each worker there."""

    def shared(self) -> Any:
        """What every worker would read for itself, with its numbers in arrays of numpy: these are not
        copied, and nobody may write to them."""

    def adopt(self, shared: Any) -> None:
        """Take this, and read nothing."""


@dataclass(frozen=True)
class Part:
    """What came of one part of a trial, such as a fold: plain values (as JSON has them, and numbers
    that are none), and arrays by name.
    """

    state: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict)


class Joining(Protocol):
    """Takes the parts of one trial in their order."""

    def add(self, part: Part) -> Sequence[Report | Measurement]:
        """What `evaluate` would say once this part and those before it are done. Not called again
        after a measurement.
        """


class Divisible(Evaluator, Protocol):
    """An evaluator whose trials have parts that can be evaluated apart, in any order and in other
    processes, and joined into what `evaluate` says, to the last digit: same reports, same
    measurement.
    """

    @property
    def indivisible(self) -> str:
        """Why it is not to be divided as it is set up, in a few words; empty if it may be."""

    def parts(self, params: Params) -> int:
        """How many parts a trial with these params has, at most."""

    def reported_before(self, params: Params, number: int) -> int:
        """The last step that is reported without this part (0, 1, …); 0 if there is none."""

    def part_fingerprint(self, params: Params, seed: int, number: int) -> str:
        """Of all that the result of this part (0, 1, …) depends on."""

    def evaluate_part(self, params: Params, number: int, context: Context) -> Part | None:
        """Errors mean what they mean for `evaluate`, and None what it means to return without a
        measurement. A part reports nothing on the way; its context has no folders.
        """

    def joining(self, params: Params, context: Context) -> Joining:
        """What joins the parts of this trial; its errors are those of `evaluate`, too."""
