"""All arms and seeds: random always plays, in the same order, whatever the number of processes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from matscout.data.experiments import Experiments
from matscout.drive.backtest import RANDOM, Case, Played, Protocol
from matscout.drive.backtest_play import cores, play_all
from matscout.errors import InputError, RunFailed
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.random import RandomProposer
from matscout.trial import Target


def small_case() -> Case:
    rng = np.random.default_rng(0)
    ids = tuple(f"c{i}" for i in range(30))
    pool = Pool(ids, {"x": tuple(rng.random(30).tolist())}, ("x",))
    values = tuple((float(v),) for v in rng.random(30))
    recorded = Experiments(pool, {"y": values}, {"x": "number"}, ids)
    return Case(recorded, Protocol(Goal("top", 0.1), Target("y", "max"), budget=12))


def any_of(arm: str, goal: Goal) -> Any:
    if arm == "broken":
        raise InputError("strategy", "is broken")
    if arm == "dead":
        os.abort()
    return RandomProposer()


def same(ours: list[Played], theirs: list[Played]) -> bool:
    return [(p.arm, p.seed, p.found.tolist()) for p in ours] == [
        (p.arm, p.seed, p.found.tolist()) for p in theirs
    ]


def test_random_always_plays_and_first() -> None:
    told: list[tuple[int, int]] = []
    played = play_all(
        small_case(), ["a", "b", "a"], [4, 2], any_of, tell=lambda *done: told.append(done)
    )
    assert [(p.arm, p.seed) for p in played] == [
        (arm, seed) for arm in (RANDOM, "a", "b") for seed in (4, 2)
    ]
    assert told == [(i, 6) for i in range(1, 7)]
    assert [p.arm for p in play_all(small_case(), [], [0], any_of)] == [RANDOM]
    assert [p.arm for p in play_all(small_case(), [RANDOM], [0], any_of)] == [RANDOM]


def test_two_processes_say_what_one_does() -> None:
    one, two = (play_all(small_case(), ["a"], range(4), any_of, jobs) for jobs in (1, 2))
    assert same(one, two)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_mistake_found_while_playing_ends_it(jobs: int) -> None:
    with pytest.raises(InputError, match="strategy: is broken"):
        play_all(small_case(), ["broken"], range(2), any_of, jobs)


@pytest.mark.slow
def test_a_process_that_dies_is_told_of() -> None:
    with pytest.raises(RunFailed, match="a process that played has died"):
        play_all(small_case(), ["dead"], range(2), any_of, 2)


def test_there_is_a_core() -> None:
    assert cores() >= 1
