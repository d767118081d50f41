"""One attempt from its assignment to its ending outcome, the same on every fleet."""

from __future__ import annotations

import json
import operator
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from matscout.checkpoint import CheckpointStore
from matscout.clock import Clock, SystemClock
from matscout.errors import ExperimentFailed, InvalidValue, one_line
from matscout.evaluate.base import Context, Evaluator, never
from matscout.evaluate.descriptors import patiently
from matscout.failpoint import failpoint
from matscout.fleet.attempt_lock import AttemptTaken
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.outbox import Outbox
from matscout.fleet.sheltered import sheltered
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Measurement, Params, Report, Target, checked_values

_ASSIGNMENT = tuple(field.name for field in fields(Assignment))

REASON_LIMIT = 500
"""Characters of a reason that are kept; an exception may carry megabytes."""


def run_attempt(
    evaluator: Evaluator,
    assignment: Assignment,
    targets: tuple[Target, ...],
    folder: RunFolder | None,
    emit: Callable[[Outcome], None],
    should_stop: Callable[[], bool] = never,
    device: str = "cpu",
    worker_name: str = "",
) -> Outcome:
    """Run the attempt to its end: `emit` its reports, and return the one outcome that ends it.

    That outcome is in the outbox before it is returned.
    """
    for outcome in attempt(
        evaluator,
        assignment,
        targets,
        folder,
        should_stop=should_stop,
        device=device,
        worker_name=worker_name,
    ):
        if outcome.ends_attempt:
            return outcome
        emit(outcome)
    raise AssertionError("an attempt ended without an ending outcome")


def attempt(
    evaluator: Evaluator,
    assignment: Assignment,
    targets: tuple[Target, ...],
    folder: RunFolder | None,
    *,
    should_stop: Callable[[], bool] = never,
    device: str = "cpu",
    worker_name: str = "",
    clock: Clock | None = None,
) -> Iterator[Outcome]:
    """The outcomes of an attempt, one at a time: its reports, and last the one that ends it.

    Nothing runs before the first `next`, but the time counts from the call. An attempt that is
    over already is not run again: its outcome is read back from the outbox. Without a folder
    there is neither outbox nor lock, nor a place for checkpoints.
    """
    watch = Watch(assignment, should_stop, clock or SystemClock())
    said = Said(assignment, targets, worker_name, watch)
    context = Context(
        trial=assignment.trial,
        attempt=assignment.attempt,
        seed=assignment.seed,
        candidate=assignment.candidate,
        device=device,
        should_stop=watch.should_stop,
    )
    if folder is None:
        return said.outcomes(evaluator, context)
    return _kept(evaluator, said, context, folder)


class MadeOnce:
    """An evaluator that is made when it is first needed.

    If its factory fails, the attempt that needed it crashes with that cause, and the next one
    tries again. `costly` here makes it so whatever the evaluator says of itself.
    """

    def __init__(self, factory: EvaluatorFactory, costly: bool = False) -> None:
        self._factory = factory
        self._costly = costly
        self._made: Evaluator | None = None

    @property
    def costly(self) -> bool:
        return self._costly or bool(getattr(self._made, "costly", False))

    def make(self) -> Evaluator:
        if self._made is None:
            self._made = self._factory()
        return self._made

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        return self.make().evaluate(params, context)


def assignment_to_json(assignment: Assignment) -> str:
    # Not `asdict`, which copies deeply: a tenth of a millisecond that every trial would pay.
    values = {name: getattr(assignment, name) for name in _ASSIGNMENT}
    return json.dumps({**values, "params": dict(assignment.params)})


def assignment_from_json(text: str) -> Assignment:
    return Assignment(**json.loads(text))


@dataclass
class Watch:
    """The time of one attempt, and whether it should end."""

    assignment: Assignment
    asked: Callable[[], bool]
    clock: Clock

    def __post_init__(self) -> None:
        self.start_s = self.clock.monotonic()

    @property
    def elapsed_s(self) -> float:
        return self.clock.monotonic() - self.start_s

    @property
    def overtime(self) -> bool:
        limit_s = self.assignment.timeout_s
        return limit_s is not None and self.elapsed_s >= limit_s

    def should_stop(self) -> bool:
        return self.asked() or self.overtime


@dataclass
class Said:
    """What an evaluator says, made into outcomes."""

    assignment: Assignment
    targets: tuple[Target, ...]
    worker: str
    watch: Watch
    step: int = 0

    def outcomes(self, evaluator: Evaluator, context: Context) -> Iterator[Outcome]:
        ended = False
        for outcome in self.of(lambda: evaluator.evaluate(self.assignment.params, context)):
            yield outcome
            ended = outcome.ends_attempt
        if not ended:
            yield self.without_value()

    def of(self, say: Callable[[], Any]) -> Iterator[Outcome]:
        """What comes of saying this: reports, and an ending if there was a measurement or an error. Who
        measured cleans up when the ending has been heard."""
        said: Any = None
        try:
            said = _items(say())
            for item in said:
                if not isinstance(item, Report):
                    ending = self.without_value() if item is None else self.measured(item)
                    break
                outcome = self.reported(item)
                if outcome is not None:
                    yield outcome
            else:
                return
        except ExperimentFailed as error:
            ending = self.ended(Kind.FAILED, str(error) or "the experiment failed")
        except InvalidValue as error:
            ending = self.ended(Kind.INVALID, str(error))
        except (Exception, SystemExit) as error:
            ending = self.ended(Kind.CRASHED, cause_of(error))
        try:
            yield ending
        finally:
            _close(said)

    def reported(self, report: Report) -> Outcome | None:
        """The report without values that are no finite numbers; None if nothing is left of it.

        A loss that is NaN for one epoch is no reason to throw the trial away: only the measurement
        decides that.
        """
        step = operator.index(report.step)
        if step <= self.step:
            raise ValueError(f"report step {step} after step {self.step}: steps must grow")
        self.step = step
        values = _finite_ones(report.values)
        if not values and not report.checkpoint:
            return None
        return replace(
            self.ended(Kind.REPORTED),
            step=step,
            values=values,
            checkpoint=bool(report.checkpoint),
        )

    def measured(self, said: Any) -> Outcome:
        """MEASURED; InvalidValue if a target has no finite value."""
        measurement = said if isinstance(said, Measurement) else Measurement(said)
        values = checked_values(measurement.values, self.targets)
        if isinstance(measurement.values, Mapping):
            values = _finite_ones(measurement.values) | values
        sem = _finite_ones(measurement.sem or {})
        cost_s = _finite_ones({"cost_s": measurement.cost_s}).get("cost_s", -1.0)
        outcome = self.ended(Kind.MEASURED)
        return replace(
            outcome,
            values=values,
            sem={name: value for name, value in sem.items() if name in values and value >= 0},
            cost_s=cost_s if cost_s >= 0 else outcome.cost_s,
            source=one_line(str(measurement.source))[:REASON_LIMIT],
        )

    def without_value(self) -> Outcome:
        if self.watch.asked():
            return self.ended(Kind.STOPPED, "stopped as asked")
        if self.watch.overtime:
            limit_s = self.assignment.timeout_s
            return self.ended(Kind.CRASHED, f"timeout after {limit_s:g} s: stopped as asked")
        return self.ended(Kind.INVALID, "the evaluator returned nothing")

    def ended(self, kind: Kind, reason: str = "") -> Outcome:
        return Outcome(
            trial=self.assignment.trial,
            attempt=self.assignment.attempt,
            kind=kind,
            reason=one_line(reason)[:REASON_LIMIT],
            cost_s=max(self.watch.elapsed_s, 0.0),
            worker=self.worker,
        )


def _kept(
    evaluator: Evaluator, said: Said, context: Context, folder: RunFolder
) -> Iterator[Outcome]:
    """`said.outcomes` under the attempt's lock, with a work folder, the last one in the outbox."""
    outbox = Outbox(folder.outbox)
    ending: Outcome | None = None
    reports: list[Mapping[str, Any]] = []
    try:
        with outbox.running(context.trial, context.attempt):
            ending = patiently(partial(outbox.read, context.trial, context.attempt))
            if ending is None:
                context = ContextOnDisk.of(context, folder)
                for outcome in said.outcomes(evaluator, context):
                    if outcome.ends_attempt:
                        ending = outcome
                        # Who presses Ctrl-C twice wants workers ended, and not what they know lost.
                        with sheltered():
                            store(outbox, replace(ending, reports=tuple(reports)))
                    else:
                        reports.append(outcome.report_body)
                        yield outcome
                context.leave()
            assert ending is not None
    except AttemptTaken as error:
        ending = said.ended(Kind.CRASHED, str(error))
    except OSError as error:
        # Once there is an ending, a lock file that cannot be removed changes nothing about it.
        if ending is None:
            ending = said.ended(Kind.CRASHED, f"the attempt could not begin: {cause_of(error)}")
    failpoint("worker.before_report")
    yield ending


def store(outbox: Outbox, ending: Outcome) -> None:
    """Into the outbox. A result that the disk refuses is still reported: the journal decides."""
    try:
        patiently(partial(outbox.write, ending))
    except OSError as error:
        print(f"matscout: {ending.worker}: no outbox: {cause_of(error)}", file=sys.stderr)


class ContextOnDisk(Context):
    """A context whose work folder is made when it is first asked for: most trials never do."""

    @classmethod
    def of(cls, context: Context, folder: RunFolder) -> ContextOnDisk:
        values = {f.name: getattr(context, f.name) for f in fields(context)}
        values["workdir"] = folder.work(context.trial, context.attempt)
        values["checkpoints"] = CheckpointStore(folder.checkpoints(context.trial))
        return cls(**values)

    @property
    def workdir(self) -> Path:
        path: Path = self.__dict__["workdir"]
        path.mkdir(0o700, parents=True, exist_ok=True)
        return path

    @workdir.setter
    def workdir(self, path: Path) -> None:
        self.__dict__["workdir"] = path

    def leave(self) -> None:
        """Remove the work folder if it is empty or was never made."""
        with suppress(OSError):
            os.rmdir(self.__dict__["workdir"])


def _items(said: Any) -> Iterator[Any]:
    """What `evaluate` yields; a plain function's bare value counts as the only thing it says."""
    return said if isinstance(said, Iterator) else iter((said,))


def _close(said: Any) -> None:
    """Let the evaluator clean up. The value is there: a failing clean-up does not undo it."""
    try:
        getattr(said, "close", lambda: None)()
    except Exception as error:
        print(f"matscout: after the measurement: {cause_of(error)}", file=sys.stderr)


def _finite_ones(values: Any) -> dict[str, float]:
    """The entries that are finite numbers under a name; whatever else there is, is left out."""
    found: dict[str, float] = {}
    for name, raw in values.items() if isinstance(values, Mapping) else ():
        if isinstance(name, str):
            with suppress(InvalidValue):
                found |= checked_values({name: raw}, (Target(name),))
    return found


def cause_of(error: BaseException) -> str:
    """`Type: message (file:line)`, with memory and time limits named first."""
    name, message = type(error).__name__, one_line(str(error))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    # The place stays readable however long the message is.
    text = f"{name}: {message}"[: REASON_LIMIT - len(place) - 20] + place
    if isinstance(error, TimeoutError):
        return f"timeout: {text}"
    lowered = message.lower()
    # torch is not imported here; its OutOfMemoryError is known by name, its CPU allocator by text.
    if (
        isinstance(error, MemoryError)
        or name == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError)
            and ("out of memory" in lowered or "can't allocate memory" in lowered)
        )
    ):
        return f"out of memory: {text}"
    return text
