"""Makes the run folder `journal-N` beside this file, N being the schema of the code that runs it.

    python tests/assets/make_journal.py

It holds at least one event of every kind. Run it once, when SCHEMA has gone up; what earlier versions
made stays as they made it, and test_past_journals.py reads all of them (promise R18).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.clock import VirtualClock
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen
from matscout.event import SCHEMA, Event
from matscout.event import EventKind as Kind
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

SPEC = RunSpec(
    name=f"journal-{SCHEMA}",
    kind="campaign",
    space=Space((Float("x", 0.0, 1.0),)),
    targets=(Target("y", "max", "eV"),),
    policy=Policy(trials=20, slots=2),
    seed=7,
    config={"proposer": {"type": "tpe"}},
)


def asked(x: float, **more: Any) -> dict[str, Any]:
    why = {"mean": 0.5, "sd": 0.25}
    return {
        "params": {"x": x},
        "candidate": None,
        "proposer": "tpe",
        "why": why,
        "ask_s": 0.0,
    } | more


def events() -> list[Event]:
    """Each trial ends in another way; trial 8 is with a person, trial 9 in flight."""
    out = [Event(Kind.OPENED, body={"host": "h", "pid": 1})]
    for trial in range(10):
        to = {"to": "person"} if trial == 8 else {}
        out.append(Event(Kind.ASKED, trial, body=asked(trial / 16)))
        out.append(Event(Kind.DISPATCHED, trial, 1, to))
    value = {"values": {"y": 0.5}, "sem": {"y": 0.125}, "cost_s": 2.0, "source": "s", "worker": "w"}
    out += [
        Event(Kind.REPORTED, 0, 1, {"step": 1, "values": {"y": 0.25}}),
        Event(Kind.MEASURED, 0, 1, value),
        Event(Kind.REPLICATED, 0, 2, {**value, "values": {"y": 0.75}}),
        Event(Kind.CONFLICT, 0, 1, {**value, "values": {"y": 9.0}}),
        Event(Kind.INVALID, 1, 1, {"reason": "y must be finite, got nan"}),
        Event(Kind.FAILED, 2, 1, {"reason": "it melted"}),
        Event(Kind.PRUNED, 3, 1, {"reason": "place 2 of 2 at step 1", "step": 1}),
        Event(Kind.CRASHED, 4, 1, {"reason": "SIGSEGV"}),
        Event(Kind.QUARANTINED, 4, 1, {"reason": "gave up after 1 attempts"}),
        Event(Kind.EXPIRED, 5, 1, {"reason": "no sign of life for 3 s"}),
        Event(Kind.ATTENTION, 5, 1, {"reason": "no sign of life for 3 s"}),
        Event(Kind.SUSPENDED, 6, 1, {"reason": "interrupted"}),
        Event(Kind.ABANDONED, 7, 1, {"reason": "no such film"}),
    ]
    if SCHEMA >= 2:
        entry, later = asked(0.75), asked(0.875)
        out += [
            Event(Kind.QUEUED, body={"trials": [entry, later]}),
            Event(Kind.ASKED, 10, body=entry | {"queued": True}),
            Event(Kind.DISPATCHED, 10, 1),
            Event(Kind.QUEUED, body={"trials": [later], "obsolete": {"9": "old", "10": "old"}}),
            Event(Kind.WITHDRAWN, 10, 1, {"reason": "old"}),
        ]
    if SCHEMA >= 3:
        thawed = {"reason": "thawed by hand", "step": 1, "by": "person"}
        out += [
            Event(Kind.THAWED, 3, body=thawed),
            Event(Kind.DISPATCHED, 3, 2),
            Event(Kind.SUSPENDED, 3, 2, {"reason": "interrupted"}),
        ]
    if SCHEMA >= 4:
        when = "2026-01-02 03:04 UTC"
        out += [
            Event(Kind.UNSEALED, body={"model": "0" * 64, "rows": 2, "when": when}),
            Event(Kind.UNSEALED, body={"metric": "mae", "value": 0.5, "rows": 2, "when": when}),
        ]
    return [*out, Event(Kind.STOPPED, body={"reason": "interrupted"})]


if __name__ == "__main__":
    folder = RunFolder(Path(__file__).with_name(SPEC.name))
    clock = VirtualClock()
    create(folder, SPEC, clock)
    journal, _, _ = reopen(folder, clock)
    with journal:
        for event in events():
            journal.append(event)
    folder.lock.unlink()  # says who made it
    folder.outbox.rmdir()
