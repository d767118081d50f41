"""Which trials of a run over crystals predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from matscout.drive.members_crystals import choose_networks
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.replicates import REPEATS
from matscout.seeds import trial_seed


def told(
    values: Sequence[Mapping[str, float] | None], direction: str = "min", limits: Sequence[Any] = (),
    repeats: Mapping[int, int] | None = None,
) -> History:  # fmt: skip
    """Trials with these values of `y` and others, pruned where there are none; `repeats`: trial -> the
    one whose point it measures again."""
    targets = [{"name": "y", "direction": direction}]
    history = History([Event(EventKind.CREATED, body={"targets": targets, "limits": list(limits)})])
    for trial, own in enumerate(values):
        first = (repeats or {}).get(trial)
        why = {} if first is None else {REPEATS: first}
        params = {"lr": float(trial if first is None else first)}
        history.apply(Event(EventKind.ASKED, trial, body={"params": params, "why": why}))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        ended = Event(EventKind.PRUNED, trial, 1)
        if own is not None:
            ended = Event(EventKind.MEASURED, trial, 1, body={"values": dict(own), "sem": {}})
        history.apply(ended)
    return history


def taken(history: History, rule: str | None = None) -> list[int | None]:
    return [member.trial for member in choose_networks("one", history, 5, rule).members]


def ys(*values: float | None) -> list[dict[str, float] | None]:
    return [None if value is None else {"y": value} for value in values]


def test_the_three_best_best_first_and_the_earlier_of_equals() -> None:
    history = told(ys(4.0, None, 2.0, 3.0, 2.0, 9.0))
    assert taken(history) == taken(history, "average") == [2, 4, 3]
    assert taken(history, "best") == [2]
    assert taken(told(ys(4.0, None, 2.0, 3.0), "max")) == [0, 3, 2]
    chosen = choose_networks("one", history, 5, None)
    assert chosen.why == "the mean prediction of the three best"
    assert [m.seed for m in chosen.members] == [trial_seed(5, trial) for trial in (2, 4, 3)]
    assert [dict(m.params) for m in chosen.members] == [{"lr": 2.0}, {"lr": 4.0}, {"lr": 3.0}]
    assert choose_networks("one", history, 5, "best").why == "trial 2 has the best y"


def test_where_there_are_fewer() -> None:
    both = choose_networks("one", told(ys(2.0, None, 1.0)), 5, None)
    assert [m.trial for m in both.members] == [2, 0]
    assert both.why == "the mean prediction of the two best"
    assert choose_networks("one", told(ys(None, 1.0)), 5, "average").why == "there is one trial"


def test_limits_and_points_that_were_measured_again() -> None:
    values = [{"y": float(k), "heat": heat} for k, heat in enumerate((9.0, 1.0, 1.0, 9.0, 1.0))]
    limits = [{"name": "heat", "max": 2.0}]
    assert taken(told(values, limits=limits)) == [1, 2, 4]
    with pytest.raises(InputError, match="no trial keeps the limits yet; matscout resume one"):
        taken(told(values[:1], limits=limits))
    # The mean of a point's values counts, and its first trial predicts.
    assert taken(told(ys(1.0, 2.0, 5.0, 3.0, 7.0), repeats={2: 0, 4: 0})) == [1, 3, 0]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("auto", "--select: 'auto' is for tables"), ("none", "'none' is for tables"),
        ("greedy", "'greedy' is for tables"), ("bets", "no rule is called 'bets'; did you mean"),
    ],
)  # fmt: skip
def test_rules_that_crystals_have_not(rule: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        taken(told(ys(1.0, 2.0)), rule)
    with pytest.raises(
        InputError, match=r"run 'one': has no networks .*: no trial has a value yet"
    ):
        taken(told(ys(None)))
