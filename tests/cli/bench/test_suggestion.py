"""A suggestion's seconds, by arm and number of trials."""

from __future__ import annotations

import pytest

from matscout.cli.bench import suggestion as bench


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, ...]]:
    monkeypatch.setattr(bench, "LAST", 2)
    return {arm: (4, 12) if "tpe" in arm else (12,) for arm in bench.ARMS}


def test_each_arm_is_looked_at_after_so_many_trials(small: dict[str, tuple[int, ...]]) -> None:
    result = bench.suggestion(2, small)
    assert {arm: tuple(map(int, at)) for arm, at in result["arms"].items()} == small
    for at in result["arms"].values():
        for one in at.values():
            assert 0.0 < one["median_ms"] <= one["slowest_ms"]
            assert len(one["rounds_median_ms"]) == 2
    shown = bench.table(result).splitlines()
    assert len(shown) == 2 + 6 and "optuna_tpe" in shown[-1]


def test_a_search_is_asked_once_for_every_trial() -> None:
    assert len(bench.asked_s("tpe", 15, seed=0)) == 15
