"""Improvement per cost, where cost is learned from what trials have cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.gp import GpProposer
from matscout.propose.measured_cost import measured_cost
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space

SPACE = Space((Float("x", 0, 1),))


def told(tell: Any, costs: bool = True) -> Any:
    """Two equal slopes down to both ends; the right one costs e³ times as much as the left one."""
    story = tell()
    for x in np.linspace(0.1, 0.9, 8):
        trial = story.asked({"x": float(x)})
        body = {"values": {"y": -abs(float(x) - 0.5)}, "cost_s": math.exp(3 * x) if costs else 0.0}
        story.say(Event(EventKind.MEASURED, trial, 1, body=body))
    return story


def test_the_cost_is_learned_on_the_log_scale(tell: Any) -> None:
    found = measured_cost(SpaceTools(SPACE), told(tell).history, 8, None)
    assert found is not None and found.exponent == 1.0
    X = torch.tensor([[0.05], [0.5], [0.95]], dtype=torch.float64)
    assert torch.allclose(found(X), (3 * X[:, 0]).exp(), rtol=0.1)


def test_of_two_equal_gains_the_cheap_one_is_taken(tell: Any) -> None:
    history = told(tell).history
    aware = GpProposer(startup=2, cost=True).propose(SPACE, history, 1, seed=0)[0]
    assert aware.params["x"] < 0.2
    assert aware.why["rule"] == "log_ei per cost"
    assert aware.why["cost"] == pytest.approx(math.exp(3 * float(aware.params["x"])), rel=0.2)
    again = GpProposer(startup=2, cost=True).propose(SPACE, history, 1, seed=0)[0]
    assert again == aware


def test_the_score_is_expected_improvement_over_cost(tell: Any) -> None:
    history = told(tell).history
    (aware,) = GpProposer(startup=2, cost=True).propose(SPACE, history, 1, seed=0)
    blind = GpProposer(startup=2, acquisition="log_ei")
    from matscout.acquire.log_ei import LogExpectedImprovement
    from matscout.propose.acquisitions import incumbent
    from matscout.propose.gp_space import SpaceModel

    tools = SpaceTools(SPACE)
    belief = SpaceModel(tools, history, history.targets[0]).posterior
    X = torch.from_numpy(tools.rows(history.trials))
    row = torch.tensor([[aware.params["x"]]], dtype=torch.float64)
    gain = float(LogExpectedImprovement(incumbent(belief, X))(belief, row.unsqueeze(-2)))
    said = float(aware.why["acquisition"]) + math.log(float(aware.why["cost"]))
    assert said == pytest.approx(gain, abs=1e-6)
    assert blind.propose(SPACE, history, 1, seed=0)[0].why["rule"] == "log_ei"


def test_cost_counts_less_as_the_budget_is_spent(tell: Any) -> None:
    history = told(tell).history
    tools, spent = SpaceTools(SPACE), sum(t.cost_s for t in history.trials)
    begun = sum(t.cost_s for t in history.trials[:2])
    for budget in (1.5 * spent, spent, 0.5 * spent):
        found = measured_cost(tools, history, 2, budget)
        assert found is not None
        left = max(budget - spent, 0.0) / max(budget - begun, 1e-9)
        assert found.exponent == pytest.approx(left)


def test_without_costs_it_is_as_if_nobody_had_asked(tell: Any) -> None:
    history = told(tell, costs=False).history
    (aware,) = GpProposer(startup=2, cost=True).propose(SPACE, history, 1, seed=0)
    assert aware == GpProposer(startup=2).propose(SPACE, history, 1, seed=0)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": "hours"}, "cost: must be true or false"),
        ({"cost": True, "acquisition": "lcb"}, "is for improvement, not for 'lcb'"),
        ({"budget_s": 10.0}, "set cost = true"),
        ({"cost": True, "budget_s": 0}, "budget_s: must be a number above 0"),
        ({"cost": True, "budget_s": math.inf}, "budget_s: must be a number above 0"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GpProposer(**options)


def test_a_pool_has_a_column_for_it(tell: Any) -> None:
    pool = Pool(("p", "q", "r"), {"x": (1.0, 2.0, 3.0)}, ("x",))
    story = tell()
    for name in "pq":
        story.measured(story.asked(pool.params(name), name), 1.0)
    with pytest.raises(InputError, match="over a pool use type pool"):
        GpProposer(startup=2, cost=True).propose(Space(pool=pool), story.history, 1, seed=0)


def test_several_targets_are_weighed_by_cost_too() -> None:
    from matscout.history import History

    history = History()
    targets = [{"name": "y", "direction": "min"}, {"name": "z", "direction": "min"}]
    history.apply(Event(EventKind.CREATED, body={"targets": targets, "seed": 0}))
    for trial, x in enumerate(np.linspace(0.1, 0.9, 6).tolist()):
        history.apply(Event(EventKind.ASKED, trial, body={"params": {"x": x}}))
        values = {"y": (x - 0.5) ** 2, "z": x * (1 - x)}
        body = {"values": values, "sem": {}, "cost_s": math.exp(3 * x)}
        history.apply(Event(EventKind.MEASURED, trial, 1, body))
    (found,) = GpProposer(startup=2, cost=True).propose(SPACE, history, 1, seed=0)
    assert float(found.why["cost"]) == pytest.approx(
        math.exp(3 * float(found.params["x"])), rel=0.3
    )
