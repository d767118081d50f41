"""A fleet whose workers share the trials: each part of one, such as a fold, is a job of its own."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from matscout.clock import SystemClock
from matscout.evaluate.base import Context, Divisible, Joining, Part, never
from matscout.evaluate.descriptors import patiently
from matscout.failpoint import failpoint
from matscout.fleet.base import EvaluatorFactory, Fleet, Queueing
from matscout.fleet.outbox import Outbox
from matscout.fleet.part import MOST_PARTS, PartResults, job_number, trial_and_part
from matscout.fleet.worker import ContextOnDisk, MadeOnce, Said, Watch, cause_of, store
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Params, Target

_NAME = "driver"
"""The worker of an attempt that no worker has had a hand in."""

_SETTLED = (Kind.MEASURED, Kind.INVALID, Kind.FAILED)
"""Endings after which a trial is not taken up again."""

_TIMEOUT = "timeout after "


def open_trials(
    workers: int, evaluator: Divisible, params: Params, verdicts: Sequence[int] = ()
) -> int:
    """How many trials like this one must be open at once for no worker to wait.

    The workers are busy with the oldest trials; as the last parts of one run out, those of one
    more, begun already, take their place. Fewer open trials mean that more is known when the
    next one is chosen. Where verdicts are waited for, only the parts between two of them count.
    """
    numbers = range(evaluator.parts(params))
    stages = Counter(bisect_right(verdicts, evaluator.reported_before(params, n)) for n in numbers)
    together = min(stages.values(), default=1)
    return min(workers, -(-workers // together) + (1 if workers > 1 else 0))


class Divided:
    """`slots` trials at a time, shared by the workers of `inner`.

    `inner` is a fleet made with the factory `partial(one_part, factory)`, the targets `(DONE,)` and
    the folder `folder.parts`. Parts of the oldest trial are handed out first. They may end in any
    order: what the trial has to say is joined here in theirs, one report of a trial a poll, so that the
    loop may cancel before it hears the next. A cancelled trial says nothing more, unless all
    that it had to say was known; its parts that have not begun never do. `verdicts` are steps (growing)
    after whose reports the loop may cancel: nothing that comes after one is begun before it was heard.

    A part's result is stored by its worker, and forgotten once the trial's measurement is
    acknowledged: a later attempt repeats no part that is done. A part that crashes ends the attempt.
    `timeout_s` is for the seconds of all parts of an attempt together, and so is its cost.
    """

    def __init__(
        self,
        inner: Fleet,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        folder: RunFolder,
        slots: int,
        verdicts: Sequence[int] = (),
    ) -> None:
        self.slots = slots
        self._verdicts = tuple(verdicts)
        self._inner = inner
        self._evaluator = MadeOnce(factory)
        self._targets = tuple(targets)
        self._folder = folder
        self._outbox = Outbox(folder.outbox)
        self._results = PartResults(folder.parts)
        self._open: dict[int, _Open] = {}
        self._closed = False
        folder.outbox.mkdir(0o700, parents=True, exist_ok=True)
        # What a dead driver was not told of its parts lies in their results.
        left = Outbox(folder.parts.outbox)
        for outcome in left.sweep():
            left.acknowledge(outcome)
        left.alive()  # which clears away the locks of the dead

    def submit(self, assignment: Assignment) -> None:
        if self._closed or len(self._open) >= self.slots:
            raise RuntimeError("the fleet is closed" if self._closed else "no free slot")
        written = patiently(partial(self._outbox.read, assignment.trial, assignment.attempt))
        watch = Watch(assignment, never, SystemClock())
        trial = _Open(assignment, Said(assignment, self._targets, _NAME, watch))
        self._open[assignment.trial] = trial
        trial.ending = written
        trial.stored = trial.ending is not None
        if not trial.stored:
            try:
                self._prepare(trial)
            except Exception as error:
                trial.ending = trial.ended(Kind.CRASHED, cause_of(error))
        self._hand_out()

    def poll(self, timeout_s: float) -> list[Outcome]:
        for trial in self._open.values():
            trial.heard = trial.told
        self._hand_out()
        outcomes = self._said()
        if outcomes or self._closed:
            return outcomes
        for outcome in self._inner.poll(timeout_s):
            self._hear(outcome)
        self._hand_out()
        return self._said()

    def cancel(self, trial: int) -> None:
        found = self._open.get(trial)
        if found is not None and not found.asked:
            found.asked = True
            self._drop(found)

    def acknowledge(self, outcome: Outcome) -> None:
        if outcome.ends_attempt:
            self._outbox.acknowledge(outcome)
            if outcome.kind in _SETTLED:
                self._results.forget(outcome.trial)

    def close(self) -> None:
        self._closed = True
        self._inner.close()
        self._open.clear()

    @property
    def queued(self) -> list[int]:
        """Trials of which no part is at work, though there is still something to do for them."""
        parts = set(self._inner.queued) if isinstance(self._inner, Queueing) else set()
        return [
            number
            for number, trial in self._open.items()
            if trial.ending is None
            and all(job_number(number, part) in parts for part in trial.running)
        ]

    def notes(self) -> list[str]:
        return self._inner.notes() if isinstance(self._inner, Queueing) else []

    def pids(self) -> list[int]:
        """The worker processes that are up now."""
        found: list[int] = getattr(self._inner, "pids", list)()
        return found

    def _prepare(self, trial: _Open) -> None:
        """Find out what there is to do for a trial, and what is done."""
        about, evaluator = trial.assignment, cast(Divisible, self._evaluator.make())
        trial.count = evaluator.parts(about.params)
        if not 1 <= trial.count <= MOST_PARTS:
            raise ValueError(f"a trial of {trial.count} parts; there may be {MOST_PARTS}")
        context = Context(about.trial, about.attempt, about.seed, about.candidate)
        trial.context = ContextOnDisk.of(context, self._folder)
        trial.joining = evaluator.joining(about.params, trial.context)
        for number in range(trial.count):
            done = None if about.attempt == 1 else self._result(trial, number)
            if done is None:
                trial.waiting.append(number)
            else:
                trial.done[number] = done

    def _result(self, trial: _Open, number: int) -> Part | None:
        about, evaluator = trial.assignment, cast(Divisible, self._evaluator.make())
        print_of = evaluator.part_fingerprint(about.params, about.seed, number)
        return self._results.read(about.trial, number, print_of)

    def _hand_out(self) -> None:
        """Parts to free workers, those of the oldest trial first."""
        free = self._inner.slots - sum(len(trial.running) for trial in self._open.values())
        for _, trial in sorted(self._open.items()):
            while free > 0 and trial.ending is None and self._may_begin(trial):
                about, left_s = trial.assignment, trial.left_s
                if left_s is not None and left_s <= 0:
                    self._end(trial, Kind.CRASHED, f"{_TIMEOUT}{about.timeout_s:g} s")
                    break
                number = trial.waiting.popleft()
                trial.running.add(number)
                free -= 1
                job = replace(about, trial=job_number(about.trial, number), timeout_s=left_s)
                self._inner.submit(job)

    def _may_begin(self, trial: _Open) -> bool:
        """Whether there is a next part, and the verdict that may spare it was waited for."""
        if not trial.waiting:
            return False
        evaluator = cast(Divisible, self._evaluator.make())
        before = evaluator.reported_before(trial.assignment.params, trial.waiting[0])
        passed = bisect_right(self._verdicts, before)
        return passed == 0 or trial.heard >= self._verdicts[passed - 1]

    def _hear(self, outcome: Outcome) -> None:
        """Take in how a part has ended."""
        if not outcome.ends_attempt:
            return
        number = trial_and_part(outcome.trial)[1]
        trial = self._open.get(trial_and_part(outcome.trial)[0])
        if trial is not None and not trial.is_at_work(number, outcome.attempt):
            trial = None  # late or twice: what it found lies in its result
        if trial is not None:
            trial.running.discard(number)
            trial.begun = trial.begun or outcome.reason != NEVER_BEGAN
            trial.cost_s += outcome.cost_s
            trial.said.worker = outcome.worker
            self._take(trial, number, outcome)
        failpoint("divided.part_heard")
        self._inner.acknowledge(outcome)

    def _take(self, trial: _Open, number: int, outcome: Outcome) -> None:
        if outcome.kind is Kind.STOPPED:
            if outcome.reason.startswith("killed"):
                trial.stopped = outcome.reason
            trial.asked = True
            self._drop(trial)
        elif outcome.kind is not Kind.MEASURED:
            self._end(trial, outcome.kind, trial.cause(number, outcome))
        elif not trial.asked:
            try:
                done = self._result(trial, number)
            except Exception as error:
                self._end(trial, Kind.CRASHED, cause_of(error))
                return
            if done is None:
                reason = f"part {number} was done, and left no result in {self._folder.parts.root}"
                self._end(trial, Kind.CRASHED, reason)
            else:
                trial.done[number] = done

    def _end(self, trial: _Open, kind: Kind, reason: str) -> None:
        """The attempt is over, though parts of it may still have to be ended."""
        if trial.ending is None and not trial.asked:
            trial.ending = trial.ended(kind, reason)
        self._drop(trial)

    def _drop(self, trial: _Open) -> None:
        trial.waiting.clear()
        for number in sorted(trial.running):
            self._inner.cancel(job_number(trial.assignment.trial, number))

    def _said(self) -> list[Outcome]:
        """One thing of each trial that has something to say."""
        said = [self._next(trial) for _, trial in sorted(self._open.items())]
        return [outcome for outcome in said if outcome is not None]

    def _next(self, trial: _Open) -> Outcome | None:
        while not trial.to_say and trial.joinable:
            self._join(trial)
        if trial.to_say:
            return trial.to_say.popleft()
        if trial.running or not (trial.asked or trial.ending is not None):
            return None
        del self._open[trial.assignment.trial]
        if trial.ending is None:
            trial.ending = trial.ended(Kind.STOPPED, trial.stopped if trial.begun else NEVER_BEGAN)
        if not trial.stored:
            self._store(trial)
        return trial.ending

    def _join(self, trial: _Open) -> None:
        """Take in the next part. What ends the trial is stored at once, before its last report is
        heard: so whatever a pruner says of that one, and whenever the driver dies, it has its value.
        """
        assert trial.joining is not None
        part, joining = trial.done.pop(trial.joined), trial.joining
        trial.joined += 1
        ending: Outcome | None = None
        for outcome in trial.said.of(lambda: iter(joining.add(part))):
            if outcome.ends_attempt:
                ending = replace(outcome, cost_s=trial.cost_s)
            else:
                trial.reports.append(outcome)
                trial.to_say.append(outcome)
        if ending is None and trial.joined == trial.count:
            ending = trial.ended(Kind.CRASHED, "no measurement after the last part")
        if ending is not None:
            trial.ending = ending
            self._store(trial)
            self._drop(trial)

    def _store(self, trial: _Open) -> None:
        assert trial.ending is not None
        failpoint("divided.before_outbox")
        reports: Any = tuple(report.report_body for report in trial.reports)
        trial.stored = True
        if trial.context is not None:
            trial.context.leave()
        store(self._outbox, replace(trial.ending, reports=reports))


@dataclass
class _Open:
    """A trial at work: its parts wait, run, are done, or are joined; then it waits for its ending."""

    assignment: Assignment
    said: Said
    count: int = 0
    context: ContextOnDisk | None = None
    joining: Joining | None = None
    waiting: deque[int] = field(default_factory=deque)
    running: set[int] = field(default_factory=set)
    done: dict[int, Part] = field(default_factory=dict)
    joined: int = 0
    heard: int = 0
    reports: list[Outcome] = field(default_factory=list)
    to_say: deque[Outcome] = field(default_factory=deque)
    ending: Outcome | None = None
    stored: bool = False
    begun: bool = False
    asked: bool = False
    stopped: str = "stopped as asked"
    cost_s: float = 0.0

    @property
    def joinable(self) -> bool:
        return self.joined in self.done and not self.stored and not self.asked

    @property
    def told(self) -> int:
        """The last step whose report was handed on, or had nothing in it."""
        return self.to_say[0].step - 1 if self.to_say else self.said.step

    @property
    def left_s(self) -> float | None:
        """What is left of the attempt's time; None if that is not limited."""
        limit_s = self.assignment.timeout_s
        return None if limit_s is None else limit_s - self.cost_s

    def is_at_work(self, number: int, attempt: int) -> bool:
        return attempt == self.assignment.attempt and number in self.running

    def ended(self, kind: Kind, reason: str) -> Outcome:
        return replace(self.said.ended(kind, reason), cost_s=self.cost_s)

    def cause(self, number: int, outcome: Outcome) -> str:
        """Why a part ended without a result, as its trial has it."""
        if outcome.reason.startswith(_TIMEOUT):
            how = outcome.reason.partition(":")[2]
            return f"{_TIMEOUT}{self.assignment.timeout_s:g} s:{how}"
        where = f" (part {number})" if outcome.kind is Kind.CRASHED and self.count > 1 else ""
        return outcome.reason + where
