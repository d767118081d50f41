"""The whole loop under faults drawn from seeds: nothing lost, doubled or begun without leave (R19)."""

from __future__ import annotations

from collections import Counter

import pytest

from matscout.cli.bench.simulate import replay
from matscout.simulate.scenario import Rates, draw
from matscout.simulate.simulation import simulate

SEEDS, BLOCK = 500, 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_invariant_holds(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        result = simulate(seed)
        assert not result.problems, f"{replay(seed)}: {result.problems}"
        met += result.met
    # A block in which nothing goes wrong would prove nothing.
    for trouble in ("kills", "clock jumps", "disk refused", "crashed", "invalid", "expired"):
        assert met[trouble] >= 3, met


def test_a_seed_gives_the_same_journal_to_the_last_bit() -> None:
    for seed in (3, 11, 26, 37):
        first, again = simulate(seed), simulate(seed)
        assert first == again
        assert len(first.hash) == 64
    assert simulate(3).hash != simulate(4).hash


@pytest.mark.parametrize("seed", [1141, 8722])
def test_a_laboratory_where_every_attempt_crashes_is_given_up_and_comes_to_an_end(
    seed: int,
) -> None:
    """The loop stops early, and each resume tries a few more: many sittings, none in vain."""
    result = simulate(seed)
    assert not result.problems
    assert sum("every trial so far crashed" in how for how in result.sittings) >= 5


def test_scenarios_are_of_every_kind() -> None:
    drawn = [draw(seed) for seed in range(300)]
    for kind in (
        "costly",
        "overlap",
        "cancel_obsolete",
        "ahead",
        "lease_s",
        "timeout_s",
        "budget_s",
    ):
        assert sum(bool(getattr(s.policy, kind)) for s in drawn) >= 10, kind
    for kind in ("parts", "thaws", "pruner", "people", "enough", "judges", "think_s", "delay_s"):
        assert sum(bool(getattr(s, kind)) for s in drawn) >= 10, kind
    for kind in vars(Rates()):
        assert sum(getattr(s.rates, kind) > 0 for s in drawn) >= 10, kind
    assert any(s.space.count is None for s in drawn) and any(s.space.count for s in drawn)
