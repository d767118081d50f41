"""One part of a trial as a job of its own: its number, its evaluator, and the place of its result.

To the fleet below, a part is an attempt at a trial like any other, with a number made of the trial's
and the part's. So locks, outbox, timeouts and the reasons why workers died are the fleet's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.errors import RunFailed
from matscout.evaluate.base import Context, Divisible, Evaluator, Part
from matscout.fleet.base import EvaluatorFactory
from matscout.runfolder import RunFolder
from matscout.trial import Measurement, Params, Report, Target

MOST_PARTS = 10_000
_DIGITS = 4

DONE = Target("done")
"""What a part says when it is over: its result, which need not be a number, lies in its store."""

_STEP = 1


def job_number(trial: int, part: int) -> int:
    return trial * MOST_PARTS + part


def trial_and_part(job: int) -> tuple[int, int]:
    return divmod(job, MOST_PARTS)


def one_part(factory: EvaluatorFactory) -> Evaluator:
    """What the fleet's workers make: `factory`'s evaluator, for one part at a time."""
    return OnePart(cast(Divisible, factory()))


@dataclass(frozen=True)
class OnePart:
    """Evaluates the part that `context.trial`, a job number, stands for, and stores the result."""

    whole: Divisible

    @property
    def costly(self) -> bool:
        return self.whole.costly

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        if context.should_stop():
            return
        trial, number = trial_and_part(context.trial)
        # Made anew, not `replace`d: that would make a work folder for each part.
        own = Context(
            trial=trial,
            attempt=context.attempt,
            seed=context.seed,
            candidate=context.candidate,
            device=context.device,
            should_stop=context.should_stop,
        )
        part = self.whole.evaluate_part(params, number, own)
        if part is None:
            return
        if context.checkpoints is None:
            raise RuntimeError("a part of a trial needs a folder for its result")
        print_of = self.whole.part_fingerprint(params, context.seed, number)
        state = {"fingerprint": print_of, "part": dict(part.state)}
        context.checkpoints.save(Checkpoint(_STEP, part.arrays, state))
        yield Measurement({DONE.name: 1.0})


@dataclass(frozen=True)
class PartResults:
    """The results of parts, each hashed and under a name that appears whole or not at all."""

    folder: RunFolder

    def read(self, trial: int, number: int, fingerprint: str) -> Part | None:
        """The result of a part; None where there is none that is sound.

        Raises RunFailed where it is the result of something else: it is never taken for this one, and
        whoever changed the data in the middle of a run should know.
        """
        store = self._store(trial, number)
        found = store.load()
        if found is None:
            return None
        if found.state.get("fingerprint") != fingerprint:
            raise RunFailed(
                f"part {number} of trial {trial} in {store.folder} belongs to other data, params or"
                " options; clear the folder to start anew"
            )
        state: Any = found.state.get("part")
        return Part(state, found.arrays) if isinstance(state, dict) else None

    def forget(self, trial: int) -> None:
        for place in self._places(trial):
            shutil.rmtree(place, ignore_errors=True)

    def _store(self, trial: int, number: int) -> CheckpointStore:
        return CheckpointStore(self.folder.checkpoints(job_number(trial, number)))

    def _places(self, trial: int) -> Iterator[Path]:
        first = self.folder.checkpoints(job_number(trial, 0))
        yield from first.parent.glob(first.name[:-_DIGITS] + "[0-9]" * _DIGITS)
