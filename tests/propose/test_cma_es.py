from __future__ import annotations

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.parameter import Categorical, Float, Int
from matscout.propose.cma_es import CmaEsProposer
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


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"sigma": 2.0}, {"population": 2}])
def test_options_are_checked(options) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"proposer\.(sigma|population)"):
        CmaEsProposer(**options)
