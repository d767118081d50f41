"""The loop and a fleet that has fewer workers than slots, or that spoke while the driver was busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.drive.interrupt import Interrupt
from matscout.drive.loop import Loop, Observer
from matscout.drive.policy import Policy
from matscout.event import Event, EventKind
from matscout.fleet.base import Queueing
from matscout.history import History
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.trial import State

MakeLoop = Callable[..., Loop]


@pytest.fixture
def one_worker(scripted: Any) -> Any:
    """A fleet of several slots with one worker, which does what was submitted first."""

    class OneWorker(scripted):
        @property
        def queued(self) -> list[int]:
            return [a.trial for a in self.running[1:]]

        def notes(self) -> list[str]:
            return []

        def cancel(self, trial: int) -> None:
            super().cancel(trial)
            for job in [a for a in self.running[1:] if a.trial == trial]:
                self.running.remove(job)
                self.ready.append(Outcome(trial, job.attempt, Kind.STOPPED, reason=NEVER_BEGAN))

    assert isinstance(OneWorker(), Queueing)
    return OneWorker


@pytest.mark.parametrize("costly", [False, True])
def test_an_interrupt_waits_for_what_is_at_work_and_begins_nothing_new(
    make_loop: MakeLoop, one_worker: Any, costly: bool
) -> None:
    """Promise R16: what waits for a worker may wait for hours, or for ever. The first trial ends before
    the loop looks at the interrupt, and the worker goes on with the second."""

    class PressAtOnce(Observer):
        def event(self, event: Event, history: History) -> None:
            if len(history.in_flight) == 3 and not interrupt.level:
                interrupt.press()

    interrupt, fleet = Interrupt(), one_worker(pick=lambda running: 0)
    policy = Policy(trials=9, slots=3, costly=costly, on_interrupt="wait")
    loop = make_loop(fleet=fleet, policy=policy, interrupt=interrupt, observer=PressAtOnce())
    assert loop.run() == "interrupted"
    assert fleet.cancelled == [2]
    states = [trial.state for trial in loop.history.trials]
    assert states == [State.COMPLETE, State.COMPLETE, State.PENDING], "nobody's word is needed"
    assert not loop.history.in_flight


def test_an_attempt_that_spoke_while_the_driver_thought_was_not_silent(
    make_loop: MakeLoop, scripted: Any, counting: Any
) -> None:
    clock, events = VirtualClock(), []

    class Slow(counting):
        def propose(self, space: Any, history: History, n: int, *, seed: int) -> list[Any]:
            clock.advance(11.0)
            return super().propose(space, history, n, seed=seed)

    class Seeing(Observer):
        def event(self, event: Event, history: History) -> None:
            events.append(event.kind)

    def answer(a: Assignment) -> list[Outcome]:
        said = [Outcome(a.trial, a.attempt, Kind.REPORTED, step=1, values={"y": 1.0})]
        return [*said, Outcome(a.trial, a.attempt, Kind.MEASURED, values={"y": 1.0})]

    fleet = scripted(slots=3, answer=answer)
    policy = Policy(trials=6, slots=3, costly=True, lease_s=10.0)
    loop = make_loop(
        fleet=fleet, clock=clock, policy=policy, proposer=Slow(), observer=Seeing()
    )  # fmt: skip
    loop.run()
    assert EventKind.EXPIRED not in events and not fleet.cancelled
    assert len(loop.history.completed) == 6
