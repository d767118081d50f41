"""The one loop, for sweeps and campaigns: ask, journal, dispatch, record, ask again.

Two orders hold everywhere. A suggestion is in the journal before it is dispatched, and a result is
in the journal before it is acknowledged. And outcomes are taken one at a time, with the free slots
filled before each: so what is asked depends on the order of completion alone, not on how outcomes
happened to arrive together, nor on how often the driver was killed (promise R5).

With `policy.ahead` a worker that is done goes on with what was chosen beforehand, and only then is
the proposer asked (queue.py), with `policy.overlap` in the background (overlap.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matscout.clock import Clock
from matscout.drive.absorb import events_for, given_up, pruned, withdrawn
from matscout.drive.asking import Asking
from matscout.drive.attempts import Attempts
from matscout.drive.interrupt import Interrupt
from matscout.drive.overlap import Overlap, Think
from matscout.drive.policy import Policy
from matscout.drive.prune import Pruner
from matscout.drive.prune_resume import Judged
from matscout.drive.queue import may_begin, next_from_queue, queued, slot_free, wanted
from matscout.drive.recording import Recording
from matscout.drive.stop import hopeless
from matscout.drive.thought import InThread
from matscout.event import Event, EventKind
from matscout.failpoint import failpoint
from matscout.fleet.base import Fleet
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Outcome
from matscout.propose.base import Proposer
from matscout.seeds import trial_seed
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
    think: Think = InThread
    """How the next queue is thought about in the background; see overlap.py."""

    def __post_init__(self) -> None:
        self._asking = Asking(
            self.space, self.proposer, self.policy, self.seed, self.clock, self.stop
        )
        self._next = Overlap(self._asking, self.journal, self.think)
        self._awaited = False  # a slot is free, and the queue to fill it from not thought out yet
        self._inbox: deque[Outcome] = deque()
        self._running = Attempts(self.clock, self.policy.lease_s, self.fleet)
        self._recording = Recording(
            self.journal,
            self.history,
            self.observer,
            self.interrupt,
            self.fleet.acknowledge,
            meanwhile=lambda: self._listen(_POLL_S),
        )
        self._stopping = dict(self.judged.sentenced)  # trial → why it was asked to end
        self._heard = dict(self.judged.heard)  # trial → the last step that was judged
        self._exhausted_with = -1  # as many trials withdrawn, whose points are free again
        self._started = self.clock.monotonic()

    def run(self, recovered: list[Outcome] | None = None) -> str:
        """Go on until the run is over and return why. `recovered` is what the outbox still held."""
        self._inbox.extend(recovered or ())
        try:
            return self._run()
        finally:
            self._next.drop()

    def _run(self) -> str:
        while True:
            if self.interrupt.level:
                return self._leave()
            reason = self._over()
            if reason:
                self._recording.settle()
                self.record(Event(EventKind.STOPPED, body={"reason": reason}))
                return reason
            self._fill()
            self._recording.settle()
            self._expire()
            if self._awaited:
                self._next.wait()
                self._listen(0.0)
            elif self._inbox:
                self._take(self._inbox.popleft())
                error = hopeless(self.history)
                if error is not None:
                    self._recording.settle()
                    self.record(Event(EventKind.STOPPED, body={"reason": str(error)}))
                    raise error
            else:
                self._listen(_POLL_S)

    def _listen(self, within_s: float) -> None:
        self._inbox.extend(self._running.listen(within_s))
        self._running.tell(self.observer.note)

    def record(self, *events: Event) -> None:
        """Fold and journal; see recording.py."""
        self._recording.record(*events)

    # -- asking and dispatching ---------------------------------------------------------------

    def _fill(self) -> None:
        """Dispatch what waits, then ask for as much as slots, queue and budget allow."""
        self._awaited = False
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
            if self.policy.overlaps:
                self._next.consider(self.history)
            if may_begin(self.history, self.policy, self.fleet.slots, len(self._running)):
                self._hand_out([next_from_queue(self.history)])
                continue
            if self.policy.overlaps:
                if not self._take_over():
                    return
                continue
            count = wanted(self.history, self.policy)
            if not count or self._exhausted:
                return
            if self.policy.ahead:
                self._recording.settle()  # what came in need not wait for the model
            if self._asking.enough(self.history):
                if self.history.queue:
                    self.record(queued([]))
                return
            self._ask(count)

    def _take_over(self) -> bool:
        """Have the next queue take the place of one that is used up. False where there is no need to,
        or nothing yet to do it with."""
        if self.history.queue or self._exhausted:
            return False
        if not slot_free(self.history, self.policy, self.fleet.slots, len(self._running)):
            return False
        self._recording.settle()  # what came in need not wait for the thought
        taken = self._next.take(self.history)
        self._awaited = taken is None
        if taken is None:
            return False
        if not taken.answer.proposals:
            if not taken.enough:
                self._exhausted_with = self.history.count(State.WITHDRAWN)
            return False
        failpoint("loop.before_asked")
        self._recording.stage(queued(taken.answer.bodies, seen=taken.seen))
        return True

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
        too_early = event is None or event.trial in self._running  # its last attempt has not ended
        return None if too_early or self._asking.enough(self.history) else event

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
        answer = self._asking.ask(self.history, count)
        if not answer.proposals:
            self._exhausted_with = self.history.count(State.WITHDRAWN)
            return
        if not self.policy.ahead:
            failpoint("loop.before_asked")
            self._hand_out(answer.bodies)
            return
        judge = self.obsolete
        obsolete = judge(self.history, answer.proposals) if judge is not None else {}
        failpoint("loop.before_asked")
        self.record(queued(answer.bodies, obsolete))
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
        self._running.begin(trial.id, attempt)
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
        failpoint("loop.after_submit")

    # -- recording ----------------------------------------------------------------------------

    def _take(self, outcome: Outcome) -> None:
        """Fold what an outcome means; `_settle` journals it, then acknowledges."""
        if not outcome.ends_attempt:
            self._hear(outcome)  # nothing to acknowledge: only endings lie in the outbox
            return
        self._recording.owe(outcome)
        for report in outcome.reported():  # of the outbox: what no driver may have heard
            self._hear(report)
        stopping = self._stopping.get(outcome.trial, "")
        self._recording.stage(*events_for(self.history, outcome, self.policy, stopping))
        if self._running.end(outcome):
            self._stopping.pop(outcome.trial, None)

    def _hear(self, report: Outcome) -> None:
        """Fold a report, and have the pruner judge what is new."""
        trial = report.trial
        events = events_for(self.history, report, self.policy, self._stopping.get(trial, ""))
        self._recording.stage(*events)
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

    # -- leases -------------------------------------------------------------------------------

    def _expire(self) -> None:
        """Give up attempts that have been silent for longer than their lease."""
        reason = f"no sign of life for {self.policy.lease_s or 0:g} s"
        for trial, attempt in self._running.silent(waiting=self._inbox):
            known = self.history.trials[trial]
            events = given_up(known, attempt, EventKind.EXPIRED, reason, self.policy)
            if known.open and trial in self._stopping:  # it hangs, and was to end in any case
                events = [pruned(known, attempt, self._stopping[trial])]
            self.record(*events)
            # The slot is free when the fleet says how the attempt ended, which may be a late value.
            self.fleet.cancel(trial)

    # -- ending -------------------------------------------------------------------------------

    def _spent(self) -> bool:
        return self.history.count_asked >= self.policy.trials or self._late()

    def _late(self) -> bool:
        budget = self.policy.budget_s
        return budget is not None and self.clock.monotonic() - self._started >= budget

    @property
    def _exhausted(self) -> bool:
        return self._exhausted_with == self.history.count(State.WITHDRAWN)

    def _over(self) -> str:
        """Why there is nothing left to do, or an empty text."""
        if self._inbox or self._running or self.history.count_pending or self._due() is not None:
            return ""
        if self._next.thinking and not self._spent():
            return ""  # it is heard out first, also because nobody is asked two things at once
        if self.history.count_asked >= self.policy.trials:
            return f"budget of {self.policy.trials} trials used"
        if self.history.queue and not self._spent():
            return ""
        if self._exhausted:
            return "the space is exhausted"
        return "budget of time used" if self._spent() else self._asking.enough(self.history)

    def _leave(self) -> str:
        """Stop in order: nothing new, let running work save itself, record what came back."""
        self._next.drop(0.0)
        waiting = self.policy.on_interrupt == "wait"
        running = [trial for trial, _ in self._running.items()]
        for trial in self._running.not_begun() if waiting else running:
            self.fleet.cancel(trial)
        self.observer.note(
            "stopping: " + ("waiting for running work" if waiting else "running work saves itself")
        )
        until = self.clock.monotonic() + _GRACE_S
        while self._running and self.interrupt.level < 2:
            if not waiting and self.clock.monotonic() >= until:
                break
            self._listen(_POLL_S)
            while self._inbox:
                self._take(self._inbox.popleft())
            self._recording.settle()
            self._expire()  # what hangs is not waited for
        self._recording.settle()
        if not self.policy.costly:
            for trial, attempt in self._running.items():
                if self.history.in_flight.get(trial) == attempt:
                    self.record(
                        Event(EventKind.SUSPENDED, trial, attempt, {"reason": "interrupted"})
                    )
        self.record(Event(EventKind.STOPPED, body={"reason": "interrupted"}))
        return "interrupted"
