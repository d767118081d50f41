"""When a run that has come to its end has failed."""

from __future__ import annotations

import pytest

from matscout.drive.stop import fruitless
from matscout.errors import RunFailed
from matscout.event import Event, EventKind
from matscout.history import PERSON, History

ENDINGS = {
    "crashed": EventKind.QUARANTINED,
    "invalid": EventKind.INVALID,
    "failed": EventKind.FAILED,
    "pruned": EventKind.PRUNED,
    "abandoned": EventKind.ABANDONED,
    "withdrawn": EventKind.WITHDRAWN,
    "attention": EventKind.ATTENTION,
}


def history(*ends: str, kind: str = "sweep") -> History:
    """A trial for each word: how it ended, "y = 1", or "open" (with a person, if it is a campaign)."""
    created = {"kind": kind, "targets": [{"name": "y", "direction": "min"}]}
    events = [Event(EventKind.CREATED, body=created)]
    to = {"to": PERSON} if kind == "campaign" else {}
    for i, end in enumerate(ends):
        events.append(Event(EventKind.ASKED, i, body={"params": {"x": i}}))
        events.append(Event(EventKind.DISPATCHED, i, 1, to))
        if end == "y = 1":
            events.append(Event(EventKind.MEASURED, i, 1, {"values": {"y": 1.0}}))
        elif end != "open":
            events.append(Event(ENDINGS[end], i, 1, {"reason": f"reason {i}"}))
    return History(events)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["crashed"], "evaluator: the only trial crashed: reason 0"),
        (["crashed", "crashed"], "evaluator: every trial crashed: reason 1"),
        (["invalid", "invalid"], "evaluator: every trial gave no valid value: reason 1"),
        (["failed"], "evaluator: the only trial failed: reason 0"),
        (["crashed", "invalid"], "evaluator: every trial came to nothing: reason 1"),
        (["failed", "abandoned"], "evaluator: every trial came to nothing: reason 0"),
        (["crashed", "withdrawn"], "evaluator: the only trial crashed: reason 0"),
    ],
)
def test_a_run_without_a_value_has_failed(ends: list[str], said: str) -> None:
    error = fruitless(history(*ends))
    assert isinstance(error, RunFailed) and str(error) == said


@pytest.mark.parametrize(
    "ends",
    [
        [],
        ["y = 1", "crashed", "invalid"],
        ["pruned", "pruned"],
        ["pruned", "crashed"],
        ["abandoned"],
        ["withdrawn"],
        ["attention"],
        ["crashed", "attention"],
        ["crashed", "open"],
    ],
)
def test_a_run_that_is_not_over_or_was_stopped_on_purpose_has_not(ends: list[str]) -> None:
    assert fruitless(history(*ends)) is None


def test_a_campaign_waits_for_people_and_learns_from_experiments_that_failed() -> None:
    assert fruitless(history("open", "open", kind="campaign")) is None
    assert fruitless(history("crashed", "open", kind="campaign")) is None
    assert fruitless(history("failed", "failed", "crashed", kind="campaign")) is None
    assert fruitless(history("crashed", "crashed", kind="campaign")) is not None
