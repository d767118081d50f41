"""What `report` and `status` say of a model that was re-tuned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from matscout.cli.show import summary, summary_lines
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.retune_record import RETUNED, Decision
from matscout.report.retuning import retuning
from matscout.report.tables import _reason
from matscout.runfolder import RunFolder
from matscout.space import Space

FIRST = Decision(12, {"k": "<b>"}, {"k": "a"}, (({"k": "a"}, 0.2),), 0.25, 0.95)
SECOND = Decision(18, {"k": "a"}, {"k": "a"}, reason="too dear")


def history(*told: Decision) -> History:
    created = {"targets": [{"name": "y", "direction": "max"}], "name": "r", "kind": "campaign"}
    events = [Event(EventKind.CREATED, body=created)]
    for i, decision in enumerate(told):
        body = {"params": {}, "candidate": f"c{i}", "why": {RETUNED: decision.to_text()}}
        events.append(Event(EventKind.ASKED, i, body=body))
    return History(events)


def test_the_page_has_a_line_for_each_decision() -> None:
    assert retuning(history()) is None
    said = str(retuning(history(FIRST, SECOND)))
    assert "after 12 measurements re-tuned from k &lt;b&gt; to k a" in said
    assert "95% of bootstraps (CRPS -25.0%)" in said
    assert "after 18 measurements not re-tuned: too dear; k a" in said
    assert _reason("pool", {"rule": "forest_ucb", RETUNED: FIRST.to_text()}) == "forest_ucb"


def test_status_has_the_last_one(folder: RunFolder) -> None:
    space = Space(pool=Pool(("c0", "c1"), {"a": (0.0, 1.0)}, ("a",)))
    policy = SimpleNamespace(trials=5)
    made = SimpleNamespace(kind="campaign", name="r", seed=0, config={}, policy=policy, space=space)
    spec = cast(Any, made)
    lines = summary_lines(folder, history(FIRST, SECOND), spec)
    assert [line for line in lines if line.startswith("model: ")] == [
        "model: after 18 measurements not re-tuned: too dear; k a"
    ]
    told = summary(folder, history(FIRST, SECOND), spec)["retuned"]
    assert [one["at"] for one in told] == [12, 18] and told[1]["gain"] is None
