from __future__ import annotations

from typing import Any

import pytest

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float
from matscout.pool import Pool
from matscout.propose.auto import AutoProposer
from matscout.propose.tpe import TpeProposer
from matscout.space import Space

PLAIN = Space((Float("x", 0, 1), Float("y", 0, 1)))
NESTED = Space(
    (
        Categorical("model", tuple("abcdef")),
        *(Float(f"p{m}", 0, 1, when={"model": (m,)}) for m in "abcde"),
    )
)
WIDE = Space(tuple(Float(f"x{k}", 0, 1) for k in range(120)))
POOL = Space(pool=Pool(("a", "b"), {"x": (1.0, 2.0)}, ("x",)))


def history(targets: int = 1, costs: tuple[float, ...] = (), limits: int = 0) -> History:
    told = History()
    names = [{"name": f"y{k}", "direction": "min"} for k in range(targets)]
    kept = [{"name": f"t{k}", "max": 1.0} for k in range(limits)]
    told.apply(Event(EventKind.CREATED, body={"targets": names, "limits": kept, "seed": 1}))
    for trial, cost_s in enumerate(costs):
        told.apply(Event(EventKind.ASKED, trial, body={"params": {"x": trial / 50, "y": 0.5}}))
        told.apply(Event(EventKind.DISPATCHED, trial, 1))
        body = {"values": {f"y{k}": trial * 1.0 for k in range(targets)}, "cost_s": cost_s}
        told.apply(Event(EventKind.MEASURED, trial, 1, body))
    return told


@pytest.mark.parametrize(
    ("options", "space", "told", "choice", "reason"),
    [
        ({}, PLAIN, history(), "gp", "100 trials, 2 columns, no conditions"),
        ({"budget": 10}, PLAIN, history(), "sobol", "10 trials are too few"),
        ({"budget": 501}, PLAIN, history(), "tpe", "too many for a Gaussian process"),
        ({}, NESTED, history(), "tpe", "5 conditions"),
        ({}, WIDE, history(), "tpe", "120 columns"),
        ({"budget": 2000}, PLAIN, history(targets=2), "nsga2", "2 targets and 2000 trials"),
        ({"budget": 200}, PLAIN, history(targets=2), "gp", "no conditions, 2 targets"),
        ({"budget": 200}, PLAIN, history(targets=4), "tpe", "4 targets are too many"),
        ({"budget": 600}, PLAIN, history(targets=2), "tpe", "600 trials are too many"),
        ({"trial_s": 0.7}, PLAIN, history(targets=2), "tpe", "wanted every 0.7 s"),
        ({"trial_s": 2.0}, PLAIN, history(targets=2), "gp", "2 targets"),
        ({"trial_s": 2.0}, PLAIN, history(targets=3), "tpe", "wanted every 2 s"),
        ({"trial_s": 0.2}, PLAIN, history(), "gp", "100 trials"),
        ({"trial_s": 0.2}, PLAIN, history(limits=1), "tpe", "wanted every 0.2 s"),
        ({}, POOL, history(), "gp", "the space is a pool"),
        ({"trial_s": 60.0, "workers": 1920}, PLAIN, history(), "tpe", "wanted every 0.031 s"),
        ({"trial_s": 0.01}, PLAIN, history(), "sobol", "wanted every 0.01 s"),
        ({"workers": 8}, PLAIN, history(costs=(1.0,) * 9), "gp", "100 trials"),
        ({"workers": 8}, PLAIN, history(costs=(1.0,) * 10), "tpe", "wanted every 0.12 s"),
        ({"workers": 8}, PLAIN, history(costs=(30.0,) * 10 + (0.1,) * 20), "gp", "100 trials"),
        ({"workers": 8}, PLAIN, history(costs=(0.0,) * 12), "gp", "100 trials"),
    ],
)
def test_what_is_picked_and_why(
    options: dict[str, Any], space: Space, told: History, choice: str, reason: str
) -> None:
    name, said = AutoProposer(**options).choice(space, told)
    assert name == choice and reason in said


def test_it_proposes_what_the_one_it_picked_proposes_and_says_why() -> None:
    told = history(costs=(60.0,) * 15)
    (mine,) = AutoProposer(budget=800).propose(PLAIN, told, 1, seed=4)
    (theirs,) = TpeProposer().propose(PLAIN, told, 1, seed=4)
    assert mine.params == theirs.params and mine.why["rule"] == "tpe"
    assert mine.why["auto"] == "tpe: 800 trials are too many for a Gaussian process"


@pytest.mark.parametrize(
    "options", [{"budget": 0}, {"workers": True}, {"trial_s": -1.0}, {"trial_s": float("nan")}]
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"proposer\.(budget|workers|trial_s)"):
        AutoProposer(**options)
