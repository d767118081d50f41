"""A request to end while workers are still being started: there is nothing to wait for."""

from __future__ import annotations

from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.drive.interrupt import Interrupt
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit
from matscout.event import EventKind
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

SPEC = RunSpec(
    name="r", kind="sweep", space=Space((Float("x", 0, 1),)), targets=(Target("y"),),
    policy=Policy(trials=3, slots=1), seed=7, config={"evaluator": {"type": "function"}},
)  # fmt: skip


def test_a_press_is_a_request_and_strikes_only_where_nothing_is_at_work() -> None:
    interrupt = Interrupt()
    interrupt.press()
    assert interrupt.level == 1
    with pytest.raises(KeyboardInterrupt), interrupt.striking():
        pass
    fresh = Interrupt()
    with pytest.raises(KeyboardInterrupt), fresh.striking():
        fresh.press()
    fresh.press()
    assert fresh.level == 2


@pytest.mark.parametrize("before", [True, False])
def test_a_cluster_that_does_not_answer_is_not_waited_for(
    folder: RunFolder, counting: Any, scripted: Any, before: bool
) -> None:
    folder.outbox.rmdir()
    folder.root.rmdir()
    create(folder, SPEC)
    interrupt, started = Interrupt(), []

    def start() -> Any:
        started.append(True)
        interrupt.press()
        raise AssertionError("it was waited for")

    if before:
        interrupt.press()
    journal, history, spec = reopen(folder, VirtualClock())
    with journal:
        reason = sit(
            folder, journal, history, spec, proposer=counting(), start_fleet=start,
            interrupt=interrupt, clock=VirtualClock(),
        )  # fmt: skip
        assert reason == "interrupted" and bool(started) != before
        assert [event.kind for event in journal.read()] == [EventKind.CREATED]
    journal, history, spec = reopen(folder, VirtualClock())
    with journal:
        sit(
            folder, journal, history, spec, proposer=counting(), clock=VirtualClock(),
            start_fleet=lambda: scripted(slots=1),
        )  # fmt: skip
    assert len(history.completed) == 3
