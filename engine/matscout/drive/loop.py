"""The one loop, for sweeps and campaigns: ask, journal, dispatch, record, ask again.

Two orders hold everywhere. A suggestion is in the journal before it is dispatched, and a result is
in the journal before it is acknowledged. And outcomes are taken one at a time, with the free slots
filled before each: so what is asked depends on the order of completion alone, not on how outcomes
happened to arrive together, nor on how often the driver was killed (promise R5).

With `policy.ahead` a worker that is done goes on with what was chosen beforehand, and only then is
the proposer asked (queue.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matscout.clock import Clock
from matscout.drive.absorb import events_for, given_up, withdrawn
from matscout.drive.interrupt import Interrupt
from matscout.drive.policy import Policy
from matscout.drive.prune import Pruner
from matscout.drive.prune_resume import Judged
from matscout.drive.queue import asked_body, may_begin, next_from_queue, queued, wanted
from matscout.drive.stop import hopeless
from matscout.errors import JournalUnavailable
from matscout.event import Event, EventKind
from matscout.failpoint import failpoint
from matscout.fleet.base import Fleet
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Outcome
from matscout.propose.base import Proposer
from matscout.seeds import ask_seed, trial_seed
from matscout.space import Space
from matscout.trial import Proposal, State, Trial

_POLL_S = 0.25
"""Longest wait for outcomes: how late an interrupt or an expired lease may be noticed. Fleets
return as soon as something comes in, so this costs a busy run nothing."""

_GRACE_S = 6.0
"""How long running work gets to save itself after an interrupt; the whole exit has 10 s (R16)."""


class Observer:
    """Sees what happens. The base class looks away."""

    def event(self, event: Event, history: History) -> None:
        """`event` is in the journal and in the history."""

    def note(self, text: str) -> None:
        """Something a person should read, in one line."""


@dataclass
class Loop:
    """One sitting of a run. Everything it must not forget is in the journal."""

    journal: Journal
    history: History
    space: Space
    proposer: Proposer
    fleet: Fleet
    policy: Policy
    seed: int
    clock: Clock
    pruner: Pruner | None = None
    observer: Observer = field(default_factory=Observer)
    interrupt: Interrupt = field(default_factory=Interrupt)
    stop: Callable[[History], str] | None = None
    """Why nothing more should be asked for, as a pure function of the history; see stopping.py."""
    obsolete: Callable[[History, Sequence[Proposal]], Mapping[int, str]] | None = None
    """Which running trials to cancel for what was just proposed, and why; see obsolete.py."""
    judged: Judged = field(default_factory=Judged)
    """What the pruner said before this sitting; see prune_resume.py."""
    thaw: Callable[[History], Event | None] | None = None
    """Which pruned trial to go on with once nothing new is to be asked for; see thaw.py."""

    def __post_init__(self) -> None:
        self._inbox: deque[Outcome] = deque()
        self._staged: list[Event] = []  # folded, not yet journalled
        self._owed: deque[Outcome] = deque()  # outcomes to acknowledge once they are journalled
        self._running: dict[int, int] = {}  # trial → attempt that this sitting submitted
        self._deadline: dict[int, float] = {}  # trial → when its lease ends, monotonic
        self._stopping = dict(self.judged.sentenced)  # trial → why it was asked to end
        self._heard = dict(self.judged.heard)  # trial → the last step that was judged
        self._exhausted = False
        self._started = self.clock.monotonic()

    def run(self, recovered: list[Outcome] | None = None) -> str:
        """Go on until the run is over and return why. `recovered` is what the outbox still held."""
        self._inbox.extend(recovered or ())
        while True:
            if self.interrupt.level:
                return self._leave()
            reason = self._over()
            if reason:
                self._settle()
                self.record(Event(EventKind.STOPPED, body={"reason": reason}))
                return reason
            self._fill()
            self._settle()
            self._expire()
            if self._inbox:
                self._take(self._inbox.popleft())
                error = hopeless(self.history)
                if error is not None:
                    self._settle()
                    self.record(Event(EventKind.STOPPED, body={"reason": str(error)}))
                    raise error
            else:
                self._inbox.extend(self.fleet.poll(_POLL_S))

    def record(self, *events: Event) -> None:
        """Fold and journal. While the disk refuses, wait and try again: nothing is acknowledged."""
        self._stage(*events)
        told = False
        while True:
            try:
                self.journal.commit()
                break
            except JournalUnavailable as error:
                if self.interrupt.level:
                    raise
                if not told:
                    self.observer.note(f"paused: {error}; goes on when the disk takes it")
                    told = True
                self._inbox.extend(self.fleet.poll(_POLL_S))
        for event in self._staged:
            self.observer.event(event, self.history)
        self._staged.clear()

    def _stage(self, *events: Event) -> None:
        """Fold now, journal with the next `record`: an outcome and the ask that follows it share a
        transaction. Until that is through, nothing is dispatched and nothing acknowledged."""
        for event in self.journal.stage(*events):
            self.history.apply(event)
            self._staged.append(event)
            if event.kind is EventKind.WITHDRAWN:
                self._exhausted = False  # its point is free again

    def _settle(self) -> None:
        """Journal what is staged and acknowledge the outcomes it came from."""
        if self._staged:
            self.record()
        failpoint("loop.before_acknowledge")
        while self._owed:
            self.fleet.acknowledge(self._owed.popleft())

    # -- asking and dispatching ---------------------------------------------------------------

    def _fill(self) -> None:
        """Dispatch what waits, then ask for as much as slots, queue and budget allow."""
        for trial in self._waiting():
            if trial.id in self.history.obsolete:
                self.record(withdrawn(self.history, trial))
                continue
            if len(self._running) >= self.fleet.slots:
                return
            self._dispatch(trial, trial.attempts + 1)
        self._begin_new()
        while self._thaw_one():
            pass

    def _begin_new(self) -> None:
        while not self._spent():
            if may_begin(self.history, self.policy, self.fleet.slots, len(self._running)):
                self._hand_out([next_from_queue(self.history)])
                continue
            count = wanted(self.history, self.policy)
            if not count or self._exhausted:
                return
            if self.policy.ahead:
                self._settle()  # what came in need not wait for the model
            if self._enough():
                if self.history.queue:
                    self.record(queued([]))
                return
            self._ask(count)

    def _thaw_one(self) -> bool:
        """Go on with a pruned trial where a slot is free and one is due."""
        slots = min(self.policy.slots, self.fleet.slots)
        if max(self.history.count_pending, len(self._running)) >= slots:
            return False
        event = self._due()
        if event is None or event.trial is None:
            return False
        attempt = self.history.trials[event.trial].attempts + 1
        self.record(event, Event(EventKind.DISPATCHED, event.trial, attempt))
        failpoint("loop.after_thawed")
        self._stopping.pop(event.trial, None)  # of a sentence that was carried out
        self._heard[event.trial] = max(self._heard.get(event.trial, 0), event.body["step"])
        self._submit(self.history.trials[event.trial], attempt)
        return True

    def _due(self) -> Event | None:
        """What thaws the next trial, should no new one take its place: of a given number of steps new
        trials make more (thaw.py)."""
        asked = self.history.count_asked >= self.policy.trials
        asked = asked or (self._exhausted and not self.history.queue)
        if self.thaw is None or not asked or self._late():
            return None
        event = self.thaw(self.history)
        return None if event is None or self._enough() else event

    def _waiting(self) -> list[Trial]:
        """Pending trials that nobody works on (no person either) and no outcome waits for."""
        if self.history.count_pending == len(self._running):
            return []
        answered = {o.trial for o in self._inbox if o.ends_attempt}
        return [
            t
            for t in self.history.pending
            if t.state is State.PENDING
            and t.id not in self._running
            and t.id not in answered
            and t.id not in self.history.in_flight
            and t.id not in self.history.with_person
        ]

    def _ask(self, count: int) -> None:
        before = self.clock.monotonic()
        seed = ask_seed(self.seed, len(self.history.trials))
        proposals = self.proposer.propose(self.space, self.history, count, seed=seed)
        seconds = self.clock.monotonic() - before
        if not proposals:
            self._exhausted = True
            return
        share = round(seconds / len(proposals), 6)
        bodies = [asked_body(p, self.proposer.name, share) for p in proposals]
        if not self.policy.ahead:
            failpoint("loop.before_asked")
            self._hand_out(bodies)
            return
        obsolete = self.obsolete(self.history, proposals) if self.obsolete is not None else {}
        failpoint("loop.before_asked")
        self.record(queued(bodies, obsolete))
        failpoint("loop.after_queued")
        for trial in obsolete:
            self.fleet.cancel(trial)

    def _hand_out(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """New trials, as many of them dispatched as there are workers, in one transaction."""
        first = len(self.history.trials)
        asked = [Event(EventKind.ASKED, first + i, body=body) for i, body in enumerate(bodies)]
        at_once = max(self.fleet.slots - len(self._running), 0)
        firsts = [Event(EventKind.DISPATCHED, e.trial, 1) for e in asked[:at_once]]
        self.record(*asked, *firsts)
        failpoint("loop.after_asked")
        for event in firsts:
            assert event.trial is not None
            self._submit(self.history.trials[event.trial], 1)

    def _dispatch(self, trial: Trial, attempt: int) -> None:
        self.record(Event(EventKind.DISPATCHED, trial.id, attempt))
        self._submit(trial, attempt)

    def _submit(self, trial: Trial, attempt: int) -> None:
        self._running[trial.id] = attempt
        self._renew(trial.id)
        failpoint("loop.before_submit")
        self.fleet.submit(
            Assignment(
                trial=trial.id,
                attempt=attempt,
                params=trial.params,
                candidate=trial.candidate,
                seed=trial_seed(self.seed, trial.id),
                timeout_s=self.policy.timeout_s,
            )
        )

    # -- recording ----------------------------------------------------------------------------

    def _take(self, outcome: Outcome) -> None:
        """Fold what an outcome means; `_settle` journals it, then acknowledges."""
        if not outcome.ends_attempt:
            self._hear(outcome)  # nothing to acknowledge: only endings lie in the outbox
            return
        self._owed.append(outcome)
        for report in outcome.reported():  # of the outbox: what no driver may have heard
            self._hear(report)
        stopping = self._stopping.get(outcome.trial, "")
        self._stage(*events_for(self.history, outcome, self.policy, stopping))
        if self._running.get(outcome.trial) == outcome.attempt:
            self._forget(outcome.trial)

    def _hear(self, report: Outcome) -> None:
        """Fold a report, and have the pruner judge what is new."""
        trial = report.trial
        events = events_for(self.history, report, self.policy, self._stopping.get(trial, ""))
        self._stage(*events)
        if self.history.in_flight.get(trial) == self._running.get(trial, 0) == report.attempt:
            self._renew(trial)
        if events:
            self._consider_pruning(self.history.trials[trial])

    def _consider_pruning(self, trial: Trial) -> None:
        if self.pruner is None or trial.id in self._stopping or trial.id in self.history.spared:
            return
        if trial.reports[-1].step <= self._heard.get(trial.id, 0):
            return  # a retried attempt goes over steps again that were judged in their time
        self._heard[trial.id] = trial.reports[-1].step
        reason = self.pruner.verdict(self.history, trial)
        if reason:
            self._stopping[trial.id] = reason
            if trial.id in self._running:
                self.fleet.cancel(trial.id)

    def _forget(self, trial: int) -> None:
        self._running.pop(trial, None)
        self._deadline.pop(trial, None)
        self._stopping.pop(trial, None)

    # -- leases -------------------------------------------------------------------------------

    def _renew(self, trial: int) -> None:
        if self.policy.lease_s is not None:
            self._deadline[trial] = self.clock.monotonic() + self.policy.lease_s

    def _expire(self) -> None:
        """Give up attempts that have been silent for longer than their lease."""
        if not self._deadline:
            return
        now = self.clock.monotonic()
        for trial in [t for t, deadline in self._deadline.items() if deadline <= now]:
            reason = f"no sign of life for {self.policy.lease_s:g} s"
            events = given_up(
                self.history.trials[trial],
                self._running[trial],
                EventKind.EXPIRED,
                reason,
                self.policy,
            )
            self.record(*events)
            del self._deadline[trial]
            # The slot is free when the fleet says how the attempt ended, which may be a late value.
            self.fleet.cancel(trial)

    # -- ending -------------------------------------------------------------------------------

    def _spent(self) -> bool:
        return self.history.count_asked >= self.policy.trials or self._late()

    def _late(self) -> bool:
        budget = self.policy.budget_s
        return budget is not None and self.clock.monotonic() - self._started >= budget

    def _over(self) -> str:
        """Why there is nothing left to do, or an empty text."""
        if self._inbox or self._running or self.history.count_pending or self._due() is not None:
            return ""
        if self.history.count_asked >= self.policy.trials:
            return f"budget of {self.policy.trials} trials used"
        if self.history.queue and not self._spent():
            return ""
        if self._exhausted:
            return "the space is exhausted"
        return "budget of time used" if self._spent() else self._enough()

    def _enough(self) -> str:
        return self.stop(self.history) if self.stop is not None else ""

    def _leave(self) -> str:
        """Stop in order: nothing new, let running work save itself, record what came back."""
        waiting = self.policy.on_interrupt == "wait"
        if not waiting:
            for trial in list(self._running):
                self.fleet.cancel(trial)
        self.observer.note(
            "stopping: " + ("waiting for running work" if waiting else "running work saves itself")
        )
        until = self.clock.monotonic() + _GRACE_S
        while self._running and self.interrupt.level < 2:
            if not waiting and self.clock.monotonic() >= until:
                break
            self._inbox.extend(self.fleet.poll(_POLL_S))
            while self._inbox:
                self._take(self._inbox.popleft())
            self._settle()
        self._settle()
        if not self.policy.costly:
            for trial, attempt in self._running.items():
                if self.history.in_flight.get(trial) == attempt:
                    self.record(
                        Event(EventKind.SUSPENDED, trial, attempt, {"reason": "interrupted"})
                    )
        self.record(Event(EventKind.STOPPED, body={"reason": "interrupted"}))
        return "interrupted"
