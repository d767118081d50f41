"""A person's fixed choices hold in every suggestion, and the model forgets nothing for them."""

from __future__ import annotations

from typing import Any

import pytest

from matscout.constraint import Linear, Simplex
from matscout.drive.hold import checked_choice, held, parse_fixed
from matscout.drive.recommend import asked_events, handed_out
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.pool import Pool
from matscout.propose.gp import GpProposer
from matscout.propose.random import RandomProposer
from matscout.propose.sampling import Sampler
from matscout.propose.sobol import SobolProposer
from matscout.propose.toolbox import generator
from matscout.propose.tpe import TpeProposer
from matscout.space import Space

MIXED = Space(
    (
        Float("a", 0, 1),
        Float("b", 0, 1),
        Float("c", 0, 1),
        Int("temperature", 20, 120, step=20),
        Categorical("solvent", ("DMF", "water", "none")),
        Ordinal("time", (1, 2, 5, 10), when={"solvent": ("DMF", "water")}),
        Float("lr", 1e-4, 1e-1, log=True),
    ),
    (Simplex(("a", "b", "c")), Linear({"a": 1.0, "b": -1.0}, "<=", 0.2)),
)


def history_of(space: Space, n: int) -> History:
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    for i, point in enumerate(Sampler(space).uniform(n, generator(3, 0))):
        for event in handed_out(i, {"params": point}):
            history.apply(event)
        y = float(point["a"]) + float(point["temperature"]) / 100 + i % 3
        history.apply(Event(EventKind.MEASURED, i, 1, {"values": {"y": y}}))
    return history


FIXED: list[dict[str, Any]] = [
    {"temperature": 80},
    {"solvent": "water"},
    {"solvent": "DMF", "time": 5},
    {"time": 2},
    {"lr": 0.013},
    {"a": 0.25},
    {"a": 0.25, "solvent": "none", "temperature": 120, "lr": 1e-4},
]


QUICK = (RandomProposer, SobolProposer, TpeProposer)
CASES = [(make, fixed) for make in QUICK for fixed in FIXED]
CASES += [(GpProposer, FIXED[i]) for i in (2, 6)]


@pytest.mark.parametrize(("make", "fixed"), CASES, ids=str)
def test_every_proposer_keeps_them(make: Any, fixed: dict[str, Any]) -> None:
    history = history_of(MIXED, 12)
    events = asked_events(MIXED, history, make(), None, 5, 4, fixed)
    asked = [e.body["params"] for e in events if e.kind is EventKind.ASKED]
    assert len(asked) == 4
    for params in asked:
        assert fixed.items() <= params.items()
        assert MIXED.check(params) == params
    assert len({MIXED.key(p) for p in asked}) == 4
    if make is TpeProposer:  # a pure function, the fill-up of what it missed too
        again = asked_events(MIXED, history, make(), None, 5, 4, fixed)
        assert [e.body.get("params") for e in again] == [e.body.get("params") for e in events]


def test_values_are_read_as_the_parameter_holds_them() -> None:
    words = ["temperature=80.0", "solvent=DMF", "lr=1e-2", "time=5"]
    fixed = parse_fixed(MIXED, words)
    assert fixed == {"temperature": 80, "solvent": "DMF", "lr": 0.01, "time": 5}
    assert type(fixed["temperature"]) is int
    assert parse_fixed(MIXED, ["temperature=80", "temperature=80.0"]) == {"temperature": 80}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("temprature=80", "no parameter 'temprature'; did you mean 'temperature'?"),
        ("temperature=85", "the nearest there are: 80, 100"),
        ("solvent=watr", "did you mean 'water'?"),
        ("time=4", "the nearest there are: 5, 2"),
        ("lr=3", "lr goes from 0.0001 to 0.1"),
        ("lr=high", "is outside the space"),
        ("lr", "must be NAME=VALUE"),
        ("=3", "no parameter ''"),
    ],
)
def test_what_is_not_there(word: str, message: str) -> None:
    with pytest.raises(InputError) as mistake:
        parse_fixed(MIXED, [word])
    assert message in str(mistake.value) and word in str(mistake.value)


def test_fixed_twice() -> None:
    with pytest.raises(InputError, match="fixed twice"):
        parse_fixed(MIXED, ["temperature=80", "temperature=100"])


def test_a_pool_keeps_what_was_measured_elsewhere() -> None:
    columns = {"x": tuple(range(6)), "T": (60, 60, 80, 80, 80, 100), "name": tuple("uvwxyz")}
    space = Space(pool=Pool(tuple("abcdef"), columns, ("x", "T")))
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    for i, (candidate, y) in enumerate((("a", 1.0), ("f", 2.0), ("c", 3.0))):
        assert space.pool is not None
        body = {"params": space.pool.params(candidate), "candidate": candidate}
        for event in handed_out(i, body):
            history.apply(event)
        history.apply(Event(EventKind.MEASURED, i, 1, {"values": {"y": y}}))
    room = held(space, history, {"T": checked_choice(space, "T", "80")}).pool
    assert room is not None and room.ids == ("a", "c", "d", "e", "f")
    events = asked_events(space, history, GpProposer(startup=1), None, 0, 9, {"T": 80})
    assert sorted(e.body["candidate"] for e in events if e.kind is EventKind.ASKED) == ["d", "e"]
    with pytest.raises(InputError, match="no candidate has all of these"):
        held(space, History(), {"T": 80, "name": "u"})
    with pytest.raises(InputError, match="nothing new is left with T=100"):
        asked_events(space, history, RandomProposer(), None, 0, 1, {"T": 100})
