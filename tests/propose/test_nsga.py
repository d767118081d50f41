from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from matscout.constraint import Simplex
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int
from matscout.propose.base import Proposer
from matscout.propose.nsga import Nsga2Proposer, Nsga3Proposer
from matscout.propose.random import RandomProposer
from matscout.space import Space

SPACE = Space(
    (
        Categorical("m", ("p", "q")),
        *(Float(f"x{k}", 0.0, 1.0) for k in range(4)),
        Int("n", 1, 40, when={"m": ("q",)}),
    )
)
MAKERS = {"nsga2": Nsga2Proposer, "nsga3": Nsga3Proposer}


class Lab:
    """Two targets, one minimised and one maximised, as ZDT1 has it, and worse off in branch p."""

    def __init__(self, space: Space = SPACE) -> None:
        self.space, self.history = space, History()
        targets = [{"name": "f", "direction": "min"}, {"name": "g", "direction": "max"}]
        self.say(EventKind.CREATED, None, {"targets": targets, "seed": 5})

    def say(self, kind: EventKind, trial: int | None, body: dict) -> None:  # type: ignore[type-arg]
        self.history.apply(Event(kind, trial, None if trial is None else 1, body))

    def go(self, proposer: Proposer, asks: int, *, seed: int = 0, batch: int = 1) -> None:
        for ask in range(asks):
            for p in proposer.propose(self.space, self.history, batch, seed=1000 * seed + ask):
                trial = len(self.history.trials)
                self.say(EventKind.ASKED, trial, {"params": dict(p.params), "why": dict(p.why)})
                self.say(EventKind.DISPATCHED, trial, {})
            for trial in [t.id for t in self.history.pending][:batch]:
                self.measure(trial)

    def measure(self, trial: int) -> None:
        params = self.history.trials[trial].params
        x = [float(params[f"x{k}"]) for k in range(4)]
        away = abs(int(params["n"]) - 20) / 10 if params["m"] == "q" else 3.0
        g = 1 + sum(x[1:]) + away
        values = {"f": x[0], "g": -g * (1 - np.sqrt(x[0] / g))}
        self.say(EventKind.MEASURED, trial, {"values": values})

    def hypervolume(self) -> float:
        found = [(-t.values["f"], t.values["g"]) for t in self.history.completed]
        front = torch.tensor(found, dtype=torch.float64)
        volume = Hypervolume(torch.tensor([-1.1, -8.0], dtype=torch.float64))
        return float(volume.compute(front[is_non_dominated(front)]))


@pytest.mark.parametrize("name", MAKERS)
def test_a_front_is_found_that_random_does_not_find(name: str) -> None:
    for seed in range(2):
        bred, drawn = Lab(), Lab()
        bred.go(MAKERS[name](population=12), 240, seed=seed)
        drawn.go(RandomProposer(), 240, seed=seed)
        assert bred.hypervolume() > drawn.hypervolume() + 0.2
        late = [t.params["m"] for t in bred.history.trials[120:]]
        assert late.count("q") > 90


@pytest.mark.parametrize("name", MAKERS)
def test_the_cache_cannot_be_seen(name: str) -> None:
    """Also where a value moves long after its generation was selected."""
    lab, lasting = Lab(), MAKERS[name](population=6)
    for ask in range(40):
        first = lasting.propose(SPACE, lab.history, 2, seed=ask)
        assert repr(first) == repr(lasting.propose(SPACE, lab.history, 2, seed=ask))
        fresh = MAKERS[name](population=6).propose(SPACE, lab.history, 2, seed=ask)
        assert repr(first) == repr(fresh)
        lab.go(lasting, 1, seed=ask)
        if ask == 10:
            (failed,) = first[:1]
            lost = len(lab.history.trials)
            lab.say(EventKind.ASKED, lost, {"params": dict(failed.params)})
            lab.say(EventKind.DISPATCHED, lost, {})
            lab.say(EventKind.FAILED, lost, {})
        if ask == 25:
            body = {"values": {"f": -3.0, "g": 9.0}}
            lab.history.apply(Event(EventKind.REPLICATED, 2, 2, body))
        if ask == 32:  # what had failed has a value after all, in its old place
            lab.measure(lost)


def test_generations_follow_the_order_of_completion() -> None:
    """Seven complete trials of population 4: one whole generation, of whatever was complete first."""
    lab, nsga = Lab(), Nsga2Proposer(population=4)
    for trial, p in enumerate(RandomProposer().propose(SPACE, lab.history, 9, seed=0)):
        lab.say(EventKind.ASKED, trial, {"params": dict(p.params)})
        lab.say(EventKind.DISPATCHED, trial, {})
    rules = []
    for trial in (8, 2, 5, 0, 7, 1, 3):
        rules.append(nsga.propose(SPACE, lab.history, 1, seed=1)[0].why["rule"])
        lab.measure(trial)
    assert rules == ["random"] * 4 + ["nsga2"] * 3
    parents = {m.number for m in nsga._ancestry(lab.history).parents()}
    assert parents <= {8, 2, 5, 0}


def test_mixtures_stay_mixtures() -> None:
    names = ("x0", "x1", "x2", "x3")
    space = Space((Categorical("m", ("p",)), *(Float(n, 0, 1) for n in names)), (Simplex(names),))
    lab = Lab(space)
    lab.go(Nsga2Proposer(population=6), 30, batch=2)
    assert all(space.satisfied(t.params) for t in lab.history.trials)


@pytest.mark.parametrize("options", [{"population": 3}, {"population": True}, {"crossover": 1.5}])
def test_options_are_checked(options) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"proposer\.(population|crossover)"):
        Nsga2Proposer(**options)


@pytest.mark.parametrize("make", [Nsga2Proposer, Nsga3Proposer])
def test_under_limits_the_elite_are_feasible_or_break_them_least(tell, make) -> None:  # type: ignore[no-untyped-def]
    """A bound of 4 and one of 0: what is beyond counts as a share of the 4, and as it is beside 0."""
    limits = [{"name": "heat", "max": 4.0}, {"name": "z", "min": 0.0}]
    story = tell(others={"z": "max"}, limits=limits)
    broken = [0.0, 2.0, 0.5, 0.0, 0.25, 3.0, 0.1, 0.0]
    for k, over in enumerate(broken):
        trial = story.asked({"x": k / 8, "y": 0.5})
        heat, z = (4.0 + 4.0 * over, 1.0) if k % 2 else (3.0, 1.0 if over == 0.0 else -over)
        story.measured(trial, -over, z=z, heat=heat)  # the more it breaks, the better the target
    parents = make(population=4)._ancestry(story.history).parents()
    # Of the first four trials all are elite; of eight those three that keep all, and trial 6.
    assert [p.number for p in parents] == [0, 3, 6, 7]
    space = Space((Float("x", 0, 1), Float("y", 0, 1)))
    assert len(make(population=4).propose(space, story.history, 3, seed=1)) == 3
