"""The best is measured again before the end."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.event import EventKind
from matscout.parameter import Float
from matscout.propose.confirmed import TIMES, TOP, Confirmed
from matscout.propose.observations import best_of
from matscout.propose.random import RandomProposer
from matscout.propose.replicates import REPEATS, REPLICATE
from matscout.space import Space

SPACE = Space((Float("x", 0, 1),))


def play(tell, proposer, n: int, noise: float, seed: int = 0):  # type: ignore[no-untyped-def]
    story, rng = tell(seed=seed), np.random.default_rng(seed)
    for ask in range(n):
        trial = story.took(proposer.propose(SPACE, story.history, 1, seed=100 * seed + ask)[0])
        x = story.history.trials[trial].params["x"]
        story.measured(trial, float(x + noise * rng.normal()))
    return story.history


def test_the_last_trials_repeat_the_best_until_they_are_known(tell) -> None:  # type: ignore[no-untyped-def]
    extra = TOP * (TIMES - 1)
    proposer = Confirmed(RandomProposer(), extra, 30)
    history = play(tell, proposer, 30, noise=0.0)
    first, last = history.trials[: 30 - extra], history.trials[30 - extra :]
    assert not any(REPEATS in t.why for t in first)
    best = sorted(first, key=lambda t: t.values["y"])[:TOP]
    assert [t.why[REPEATS] for t in last] == [t.id for t in best for _ in range(TIMES - 1)]
    assert [t.why[REPLICATE] for t in last[:2]] == [2, 3]
    beyond = proposer.propose(SPACE, history, 1, seed=0)[0]
    assert REPEATS not in beyond.why, "the proposer goes on"
    chosen = best_of(history)
    assert chosen is not None and len(chosen.replicates) == TIMES - 1


def test_a_lucky_one_falls_back_and_makes_room(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    for x, y in ((0.1, 0.5), (0.2, -3.0), (0.3, 0.6), (0.4, 0.7), (0.5, 0.8)):
        story.measured(story.asked({"x": x}), y)
    proposer = Confirmed(RandomProposer(), 10, 15)
    asked = []
    for value in (9.0, 9.0, 0.5, 0.5):
        proposal = proposer.propose(SPACE, story.history, 1, seed=0)[0]
        asked.append(proposal.why[REPEATS])
        story.measured(story.took(proposal), value)
    assert asked == [1, 0, 2, 2]


def test_those_on_their_way_and_those_that_failed_count(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    for x in (0.1, 0.2):
        story.measured(story.asked({"x": x}), x)
    proposer = Confirmed(RandomProposer(), 10, 12)
    at_once = proposer.propose(SPACE, story.history, 4, seed=0)
    assert [p.why[REPEATS] for p in at_once] == [0, 0, 1, 1]
    for proposal in at_once[:2]:
        story.ended(story.took(proposal), EventKind.FAILED)
    one_by_one = proposer.propose(SPACE, story.history, 1, seed=0)[0]
    assert one_by_one.why[REPEATS] == 1


def test_a_batch_over_the_border_is_what_single_asks_are(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    for x in (0.1, 0.2):
        story.measured(story.asked({"x": x}), x)
    at_once = Confirmed(RandomProposer(), 3, 6).propose(SPACE, story.history, 3, seed=0)
    assert [REPEATS in p.why for p in at_once] == [False, True, True]
    assert Confirmed(RandomProposer(), 3, 6).propose(SPACE, story.history, 3, seed=0) == at_once


def test_it_finds_the_better_of_noisy_points(tell) -> None:  # type: ignore[no-untyped-def]
    def regret(last: int) -> float:
        found = []
        for seed in range(60):
            proposer = Confirmed(RandomProposer(), last, 60) if last else RandomProposer()
            best = best_of(play(tell, proposer, 60, 0.2, seed))
            assert best is not None
            found.append(best.params["x"])
        return float(np.mean(found))

    assert regret(8) < 0.8 * regret(0)


@pytest.mark.parametrize("last", [0, 10, 11])
def test_some_trials_are_left_for_searching(last: int) -> None:
    with pytest.raises(InputError, match="between 1 and 9"):
        Confirmed(RandomProposer(), last, 10)
