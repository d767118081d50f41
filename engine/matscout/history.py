"""The fold of the journal: what is known now. The one stateful class; everything in it is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from copy import copy
from dataclasses import replace
from typing import Any

from matscout.event import Event, EventKind
from matscout.limit import Limit, all_kept
from matscout.trial import Measurement, Report, State, Target, Trial

PERSON = "person"
"""What a `dispatched` event says in its body under "to" when no fleet got the attempt."""


class History:
    """Trials by id, in the order in which they were asked.

    Proposers read it and nothing else. It grows only by `apply`, one event after another, so the
    history after a resume is the history before the crash.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.created: Mapping[str, Any] = {}
        self.targets: tuple[Target, ...] = ()
        self.limits: tuple[Limit, ...] = ()
        self.seq = 0
        self.stopped: str = ""
        self.sitting = False  # a driver began, and has not said why it stopped
        self._trials: list[Trial] = []
        self._finished: dict[int, None] = {}
        self._ended = 0
        self._open: dict[int, None] = {}
        self._parked: set[int] = set()
        self._counts = dict.fromkeys(State, 0)
        self._in_flight: dict[int, int] = {}
        self._with_person: dict[int, int] = {}
        self._changes: list[int] = []
        self._queue: list[Mapping[str, Any]] = []
        self._begun_at: list[int] = []
        self._obsolete: dict[int, str] = {}
        self._spared: set[int] = set()
        for event in events:
            self.apply(event)

    # -- what proposers and reports read ------------------------------------------------------

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial; the index is the trial's id."""
        return self._trials

    @property
    def asked_for(self) -> Sequence[Trial]:
        """Every trial but those withdrawn, whose points may be asked for as if they never had been."""
        if not self._counts[State.WITHDRAWN]:
            return self._trials
        return [t for t in self._trials if t.state is not State.WITHDRAWN]

    @property
    def count_asked(self) -> int:
        """How many trials count against a budget: all but those withdrawn."""
        return len(self._trials) - self._counts[State.WITHDRAWN]

    @property
    def pending(self) -> list[Trial]:
        """Chosen and not finished, oldest first and then what was thawed. Proposers must reckon with
        them."""
        return [self._trials[i] for i in self._open]

    @property
    def count_pending(self) -> int:
        """How many trials hold a slot: chosen, not finished, and not in the hands of a person."""
        return len(self._open) - len(self._parked)

    @property
    def with_person(self) -> Mapping[int, int]:
        """Trial id → the attempt that a person was asked to make and has not answered for.

        Such a trial is pending, but no fleet works on it and it holds no slot.
        """
        return self._with_person

    def so_far(self, trial: int) -> Mapping[str, float]:
        """What a person has measured of an open trial: some of its targets, by name, and their
        standard errors as `name.sem`. Empty for what a fleet works on, whose reports are values on
        the way and no measurements.
        """
        if trial not in self._with_person:
            return {}
        return {k: v for report in self._trials[trial].reports for k, v in report.values.items()}

    @property
    def finished(self) -> list[Trial]:
        """Whatever is over, in the order in which it ended; nothing that was withdrawn."""
        return [self._trials[i] for i in self._finished]

    @property
    def completed(self) -> list[Trial]:
        """Trials with a valid value, in the order in which they ended."""
        return [t for t in self.finished if t.state is State.COMPLETE]

    @property
    def endings(self) -> int:
        """How often a trial has ended: it only grows, and counts who was thawed and ended twice."""
        return self._ended

    @property
    def changes(self) -> Sequence[int]:
        """Ids of trials, one entry each time a trial was added or changed: what a cache follows."""
        return self._changes

    @property
    def in_flight(self) -> Mapping[int, int]:
        """Trial id → the attempt that was dispatched last and has not ended."""
        return self._in_flight

    @property
    def queue(self) -> Sequence[Mapping[str, Any]]:
        """What is to be asked for next, in this order, as bodies of `asked` events. No trials yet:
        proposers know nothing of it, and put together a new one.
        """
        return self._queue

    @property
    def begun_from_queue(self) -> int:
        """How many of the queue as it was put together last have become trials."""
        return len(self._begun_at)

    @property
    def begun_at(self) -> Sequence[int]:
        """The `seq` of the events by which they did."""
        return self._begun_at

    @property
    def obsolete(self) -> Mapping[int, str]:
        """Open trials that are to end for something better, and why; withdrawn once they have."""
        return self._obsolete

    @property
    def spared(self) -> Set[int]:
        """Trials that a person thawed: no pruner stops them again."""
        return self._spared

    def feasible(self, trial: Trial) -> bool:
        """Whether the values of a completed trial keep every limit of the run."""
        return not self.limits or all_kept(self.limits, trial.values)

    def best(self, target: Target | None = None) -> Trial | None:
        """The feasible completed trial with the best value; the earliest of equals."""
        target = target or self.targets[0]
        feasible = filter(self.feasible, self.completed)
        return max(feasible, key=lambda t: target.sign * t.values[target.name], default=None)

    def count(self, *states: State) -> int:
        """How many trials stand in one of `states`."""
        return sum(self._counts[state] for state in states)

    def fork(self) -> History:
        """A copy that grows by itself: for what if."""
        other = History()
        vars(other).update({name: copy(value) for name, value in vars(self).items()})
        for i in {*self._open, *self._in_flight}:  # reports grow in place
            trial = self._trials[i]
            other._trials[i] = replace(trial, reports=list(trial.reports))
        return other

    # -- how it grows -------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take one event in. Events must come in the order of their `seq`."""
        if event.seq and event.seq != self.seq + 1:
            raise ValueError(f"event {event.seq} cannot follow event {self.seq}")
        self.seq += 1
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

    def _created(self, event: Event) -> None:
        self.created = event.body
        self.targets = tuple(Target(**t) for t in event.body.get("targets", ()))
        self.limits = tuple(Limit(**limit) for limit in event.body.get("limits", ()))

    def _opened(self, event: Event) -> None:
        self.stopped, self.sitting = "", True

    def _stopped(self, event: Event) -> None:
        self.sitting = False
        self.stopped = str(event.body.get("reason", ""))

    def _queued(self, event: Event) -> None:
        self._queue, self._begun_at = list(event.body["trials"]), []
        for trial, reason in event.body.get("obsolete", {}).items():
            if self._trials[int(trial)].open:
                self._obsolete[int(trial)] = reason

    def _asked(self, event: Event) -> None:
        if event.trial != len(self._trials):
            raise ValueError(f"trial {event.trial} asked, but {len(self._trials)} is next")
        body = event.body
        if body.get("queued"):
            del self._queue[0]
            self._begun_at.append(self.seq)
        else:
            # Put together without this trial, which it may hold; so is what would be thought about next.
            self._queue.clear()
            self._begun_at.clear()
        self._trials.append(
            Trial(
                id=event.trial,
                params=body["params"],
                candidate=body.get("candidate"),
                proposer=body.get("proposer", ""),
                why=body.get("why", {}),
                reports=[],
                asked_at=event.time,
            )
        )
        self._counts[State.PENDING] += 1
        self._open[event.trial] = None
        self._changes.append(event.trial)

    def _dispatched(self, event: Event) -> None:
        trial = self._of(event)
        assert event.attempt is not None
        if event.body.get("to") == PERSON:
            self._with_person[trial.id] = event.attempt
            if trial.open:
                self._parked.add(trial.id)
        else:
            self._in_flight[trial.id] = event.attempt
        self._set(replace(trial, attempts=max(trial.attempts, event.attempt)))

    def _reported(self, event: Event) -> None:
        trial, body = self._of(event), event.body
        reports = trial.reports
        assert isinstance(reports, list)
        # A retried attempt goes over steps again that the first one already reported.
        while reports and reports[-1].step >= body["step"]:
            reports.pop()
        # In place: a copy for each report would make long trials quadratic.
        reports.append(Report(body["step"], body["values"], body.get("checkpoint", False)))
        self._changes.append(trial.id)

    def _measured(self, event: Event) -> None:
        body = event.body
        self._finish(
            event,
            State.COMPLETE,
            answered=(event.attempt,),
            reason="",
            values=body["values"],
            sem=body.get("sem", {}),
            cost_s=body.get("cost_s", 0.0),
        )

    def _replicated(self, event: Event) -> None:
        trial, body = self._of(event), event.body
        extra = Measurement(
            body["values"], body.get("sem", {}), body.get("cost_s"), body.get("source", "")
        )
        self._settle(event)
        self._set(
            replace(
                trial,
                replicates=(*trial.replicates, extra),
                answered=(*trial.answered, event.attempt or 0),
            )
        )
        self._changes.append(trial.id)

    def _ended_without_value(self, event: Event) -> None:
        if self._of(event).state is State.COMPLETE:  # by an earlier attempt, and late
            self._settle(event)
            return
        self._finish(
            event,
            _FINAL[event.kind],
            reason=event.body.get("reason", ""),
            cost_s=event.body.get("cost_s", 0.0),
        )

    def _thawed(self, event: Event) -> None:
        trial = self._of(event)
        if trial.state is not State.PRUNED:
            return  # it has been answered meanwhile
        del self._finished[trial.id]
        self._open[trial.id] = None
        if event.body.get("by") == PERSON:
            self._spared.add(trial.id)
        reports = list(trial.reports)  # a fork may hold those that it had
        self._set(replace(trial, state=State.PENDING, finished=None, reason="", reports=reports))
        self._changes.append(trial.id)

    def _withdrawn(self, event: Event) -> None:
        trial = self._of(event)
        self._parked.discard(trial.id)
        self._open.pop(trial.id, None)
        self._obsolete.pop(trial.id, None)
        self._settle(event)
        reason = event.body.get("reason", "")
        self._set(replace(trial, state=State.WITHDRAWN, reason=reason, finished_at=event.time))
        self._changes.append(trial.id)

    def _crashed(self, event: Event) -> None:
        trial = self._of(event)
        self._settle(event)
        if not trial.open:
            return  # it has been answered meanwhile
        self._set(replace(trial, crashes=trial.crashes + 1, reason=event.body.get("reason", "")))

    def _suspended(self, event: Event) -> None:
        self._settle(event)

    def _attention(self, event: Event) -> None:
        trial = self._of(event)
        self._settle(event)
        if not trial.open:
            return  # it has been answered meanwhile
        self._parked.add(trial.id)
        self._set(replace(trial, state=State.NEEDS_ATTENTION, reason=event.body.get("reason", "")))
        self._changes.append(trial.id)

    def _finish(self, event: Event, state: State, **changes: Any) -> None:
        trial = self._of(event)
        changes["finished_at"] = event.time
        if trial.finished is None:
            changes["finished"] = self._ended
            changes["cost_s"] += trial.cost_s  # what a thawed trial had cost before
            self._ended += 1
            self._finished[trial.id] = None
        self._parked.discard(trial.id)
        self._open.pop(trial.id, None)
        self._with_person.pop(trial.id, None)
        self._obsolete.pop(trial.id, None)
        self._settle(event)
        self._set(replace(trial, state=state, **changes))
        self._changes.append(trial.id)

    def _settle(self, event: Event) -> None:
        """The attempt that the event speaks of is over; a later one may still be running."""
        trial = self._of(event)
        if event.attempt is None or self._in_flight.get(trial.id) == event.attempt:
            self._in_flight.pop(trial.id, None)
        if event.attempt is not None and self._with_person.get(trial.id) == event.attempt:
            del self._with_person[trial.id]
            if trial.state is State.PENDING:  # given back without an answer
                self._parked.discard(trial.id)

    def _of(self, event: Event) -> Trial:
        if event.trial is None or not 0 <= event.trial < len(self._trials):
            raise ValueError(
                f"event {event.seq} ({event.kind}) names no known trial: {event.trial}"
            )
        return self._trials[event.trial]

    def _set(self, trial: Trial) -> None:
        self._counts[self._trials[trial.id].state] -= 1
        self._counts[trial.state] += 1
        self._trials[trial.id] = trial


_FINAL = {
    EventKind.INVALID: State.INVALID,
    EventKind.FAILED: State.FAILED,
    EventKind.PRUNED: State.PRUNED,
    EventKind.QUARANTINED: State.QUARANTINED,
    EventKind.ABANDONED: State.ABANDONED,
}

_HANDLERS: dict[EventKind, Callable[[History, Event], None]] = {
    EventKind.CREATED: History._created,
    EventKind.OPENED: History._opened,
    EventKind.QUEUED: History._queued,
    EventKind.ASKED: History._asked,
    EventKind.DISPATCHED: History._dispatched,
    EventKind.REPORTED: History._reported,
    EventKind.MEASURED: History._measured,
    EventKind.REPLICATED: History._replicated,
    EventKind.CRASHED: History._crashed,
    EventKind.EXPIRED: History._crashed,
    EventKind.SUSPENDED: History._suspended,
    EventKind.WITHDRAWN: History._withdrawn,
    EventKind.THAWED: History._thawed,
    EventKind.ATTENTION: History._attention,
    EventKind.STOPPED: History._stopped,
    **dict.fromkeys(_FINAL, History._ended_without_value),
}
