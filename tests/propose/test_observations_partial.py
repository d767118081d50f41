"""A trial of which a person has measured one target is data for that target."""

from __future__ import annotations

import numpy as np

from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.propose.observations import of_pool, of_space
from matscout.trial import Target

Y, Z = Target("y", "min"), Target("z", "max")


def test_partial_measurements_are_learned_from() -> None:
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}, {"name": "z"}]})])
    for i in range(3):
        history.apply(Event(EventKind.ASKED, i, body={"params": {"x": i}, "candidate": f"c{i}"}))
        history.apply(Event(EventKind.DISPATCHED, i, 1, {"to": PERSON}))
    history.apply(Event(EventKind.MEASURED, 0, 1, {"values": {"y": 1.0, "z": 2.0}}))
    report = {"step": 1, "values": {"y": 3.0, "y.sem": 0.5}}
    history.apply(Event(EventKind.REPORTED, 1, 1, report))
    for of in (of_pool, of_space):
        data = of(history, Y)
        assert [t.id for t in data.trials] == [0, 1] and data.y.tolist() == [-1.0, -3.0]
        assert np.isnan(data.yvar[0]) and data.yvar[1] == 0.25
        assert [t.id for t in data.believed] == [2]
        other = of(history, Z)
        assert [t.id for t in other.trials] == [0] and [t.id for t in other.believed] == [1, 2]
