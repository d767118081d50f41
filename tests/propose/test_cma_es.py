from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter
from matscout.propose.cma_es import CmaEsProposer
from matscout.propose.random import RandomProposer
from matscout.space import Space

BOWL = Space(tuple(Float(f"x{k}", -2.0, 3.0) for k in range(4)))
NESTED = Space(
    (
        Categorical("m", ("p", "q")),
        Float("x", 0, 1),
        Int("n", 1, 40, when={"m": ("q",)}),
    )
)


def took(story, proposal) -> int:  # type: ignore[no-untyped-def]
    """As the loop journals it: with its `why`, which says the generation."""
    trial = len(story.history.trials)
    body = {"params": dict(proposal.params), "why": dict(proposal.why)}
    story.say(Event(EventKind.ASKED, trial, body=body), Event(EventKind.DISPATCHED, trial, 1))
    return trial


def ellipsoid(params) -> float:  # type: ignore[no-untyped-def]
    x = np.array([float(v) for v in params.values()]) - 1.3
    return float(np.sum(10.0 ** np.arange(4) * x**2))


def test_it_finds_the_bottom_of_a_narrow_valley(tell) -> None:  # type: ignore[no-untyped-def]
    for direction, sign in (("min", 1.0), ("max", -1.0)):
        story, cma = tell(direction), CmaEsProposer()
        for ask in range(400):
            trial = took(story, cma.propose(BOWL, story.history, 1, seed=ask)[0])
            story.measured(trial, sign * ellipsoid(story.history.trials[trial].params))
        assert sign * story.history.best().values["y"] < 1e-2


@pytest.mark.parametrize("space", [BOWL, NESTED], ids=["bowl", "nested"])
def test_the_cache_cannot_be_seen(tell, space: Space) -> None:  # type: ignore[no-untyped-def]
    story, lasting, rng = tell(), CmaEsProposer(), np.random.default_rng(2)
    for ask in range(60):
        first = lasting.propose(space, story.history, 2, seed=ask)
        assert repr(first) == repr(lasting.propose(space, story.history, 2, seed=ask))
        assert repr(first) == repr(CmaEsProposer().propose(space, story.history, 2, seed=ask))
        took(story, first[0])
        if len(story.history.pending) > 3:
            done = story.history.pending[int(rng.integers(4))].id
            if done % 7 == 3:
                story.ended(done, EventKind.FAILED)
            else:
                story.measured(done, float(rng.random()))
        if ask == 40:  # a value moves, and what had failed is measured after all
            story.replicated(story.history.completed[0].id, 99.0)
            story.measured(next(t.id for t in story.history.trials if t.state == "failed"), -3.0)


@pytest.mark.parametrize(
    "parameter",
    [
        Int("n", 1, 1000, log=True),
        Int("n", 1, 20, log=True),
        Int("n", 0, 3),
        Ordinal("n", (1, 2, 4, 8, 16)),
        Float("n", 0.0, 0.6, step=0.1),
    ],
    ids=["long log int", "short log int", "int", "ordinal", "grid"],
)
def test_values_that_say_nothing_leave_the_mean_where_it_is(tell, parameter: Parameter) -> None:  # type: ignore[no-untyped-def]
    """What is told is the place at which a value was drawn, or drift would look like progress."""
    means = []
    space = Space(tuple(replace(parameter, name=f"p{i}") for i in range(6)))
    for seed in range(4):
        story, cma, rng = tell(seed=seed), CmaEsProposer(), np.random.default_rng(seed)
        for ask in range(15):
            for proposal in cma.propose(space, story.history, 9, seed=ask):
                story.measured(took(story, proposal), float(rng.random()))
        points = cma.propose(space, story.history, 30, seed=99)
        units = [[p.cell(point.params[p.name]) for p in space.parameters] for point in points]
        means.append(np.mean(units))
    assert abs(np.mean(means) - 0.5) < 0.15, means


def test_whole_numbers_are_found_sooner_than_by_chance(tell) -> None:  # type: ignore[no-untyped-def]
    space = Space(tuple(Int(f"n{k}", 0, 7) for k in range(5)))

    def best(proposer, seed: int) -> float:  # type: ignore[no-untyped-def]
        story = tell(seed=seed)
        for ask in range(20):
            for proposal in proposer.propose(space, story.history, 8, seed=100 * seed + ask):
                away = sum((int(n) - 5) ** 2 for n in proposal.params.values())
                story.measured(took(story, proposal), float(away))
        return float(story.history.best().values["y"])

    found = [(best(CmaEsProposer(), seed), best(RandomProposer(), seed)) for seed in range(4)]
    cma, chance = np.mean(found, axis=0)
    assert cma < chance, found


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"sigma": 2.0}, {"population": 2}])
def test_options_are_checked(options) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"proposer\.(sigma|population)"):
        CmaEsProposer(**options)
