"""What was said beforehand is noted as it was said, and judged by what the table says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from matscout.data.experiments import Experiments
from matscout.drive.backtest import RANDOM, Case, Protocol
from matscout.drive.backtest_said import EVERY, Said, coverage, mean_coverage
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Forecast
from matscout.propose.pool import PoolProposer
from matscout.space import Space
from matscout.trial import Proposal, Target

N = 60
X = np.linspace(0.0, 1.0, N)


def case_of(values: Any, goal: Goal | None = None, **protocol: Any) -> Case:
    ids = tuple(f"c{i}" for i in range(N))
    pool = Pool(ids, {"x": tuple(X.tolist())}, ("x",))
    recorded = Experiments(pool, {"y": tuple((float(v),) for v in values)}, {"x": "number"}, ids)
    kept = {"init": 4, "budget": 40} | protocol
    return Case(recorded, Protocol(goal or Goal("best"), Target("y", "max"), **kept))  # type: ignore[arg-type]


@dataclass
class Oracle:
    """Takes candidates in order; its interval holds the value for every other one only."""

    says: bool = True
    name: str = "oracle"
    looked: list[int] = field(default_factory=list)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        assert space.pool is not None
        taken = {t.candidate for t in history.trials}
        left = [c for c in space.pool.ids if c not in taken][:n]
        ends = [self._ends(space.pool.row(c)) for c in left]
        why = [{"low": low, "high": high} if self.says else {} for low, high in ends]
        return [Proposal({}, c, w) for c, w in zip(left, why, strict=True)]  # type: ignore[arg-type]

    def forecast(self, space: Space, history: History) -> Forecast | None:
        assert space.pool is not None
        self.looked.append(len(history.completed))
        low, high = np.array([self._ends(row) for row in range(N)]).T
        none = np.full(N, np.nan)
        return Forecast(none, none, low, high, none, none, "oracle")

    def _ends(self, row: int) -> tuple[float, float]:
        return (-1.0, 2.0) if row % 2 else (5.0, 6.0)


def test_picks_and_the_pool_by_hand() -> None:
    case = replace(case_of(X, start="without"), asked_all=frozenset({"oracle"}))
    oracle = Oracle()
    played = case.play("oracle", 0, lambda arm, goal: oracle)
    said = played.said
    assert said is not None
    assert oracle.looked == [4, 14, 24, 34]  # once in so many experiments, from the first ask
    assert len(said.picks) == 36  # the four of the start were not foretold
    assert len(said.pool) == sum(N - n for n in oracle.looked)
    inside = said.picks[:, 0] < 0
    assert (np.round(said.picks[:, 2] * (N - 1)).astype(int) % 2 == inside).all()
    found = coverage([said, said], spread=2.0)
    assert found is not None
    assert found["picks"] == pytest.approx(inside.mean(), abs=1e-4)
    assert found["n"] == 72 and found["n_pool"] == 2 * len(said.pool)
    assert found["pool"] == pytest.approx((said.pool[:, 0] < 0).mean(), abs=1e-4)
    assert found["picks_per_seed"] == [found["picks"]] * 2
    assert found["picks_width"] in (0.5, 1.0, 1.5)


def test_nobody_looks_unasked_and_the_choice_is_the_same() -> None:
    case, oracle = case_of(X), Oracle()
    quiet = case.play("oracle", 1, lambda arm, goal: oracle)
    assert oracle.looked == [] and quiet.said is not None and not len(quiet.said.pool)
    asked = replace(case, asked_all=frozenset({"oracle"}))
    assert (asked.play("oracle", 1, lambda a, g: Oracle()).found == quiet.found).all()
    assert case.play(RANDOM, 1, lambda a, g: oracle).said is None


def test_a_pick_without_an_interval_has_that_of_the_look_if_there_was_one() -> None:
    case = replace(case_of(X, batch=4, workers=4), asked_all=frozenset({"oracle"}))
    said = case.play("oracle", 0, lambda arm, goal: Oracle(says=False)).said
    assert said is not None
    looks = len(range(4, 40, 4 * -(-EVERY // 4)))  # asks come in fours
    assert len(said.picks) == 4 * looks


def test_of_classes_nothing_is_said() -> None:
    case = case_of(X > 0.8, Goal("threshold", threshold=0.5))
    assert case.play("oracle", 0, lambda arm, goal: Oracle()).said is None


def test_a_process_on_a_smooth_table_says_what_holds() -> None:
    rng = np.random.default_rng(0)
    values = np.sin(6 * X) + 0.1 * rng.normal(size=N)
    case = replace(
        case_of(values, Goal("model"), batch=4, workers=4), asked_all=frozenset({"auto"})
    )
    said = case.play("auto", 0, lambda arm, goal: PoolProposer(goal, arm, startup=1)).said
    assert said is not None
    found = coverage([said], spread=float(values.std()))
    assert found is not None and 0.7 <= found["pool"] <= 1.0 and found["pool_width"] < 2.0


def test_true_gaussians_are_covered_and_have_no_area() -> None:
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(size=20_000), np.exp(rng.normal(size=20_000))
    y, half = mean + sd * rng.normal(size=20_000), sd * norm.ppf(0.95)
    rows = np.column_stack([mean - half, mean + half, y])
    found = coverage([Said(rows, rows[:0])], spread=1.0)
    assert found is not None
    assert found["picks"] == pytest.approx(0.9, abs=0.01) and found["picks_area"] < 0.01
    assert found["pool"] is found["pool_area"] is found["pool_width"] is None
    narrow = coverage([Said(np.column_stack([mean, mean, y]), rows[:0])], spread=0.0)
    assert narrow is not None and narrow["picks"] == 0.0
    assert narrow["picks_area"] is narrow["picks_width"] is None
    assert coverage([Said(rows[:0], rows[:0])], spread=1.0) is None


def test_tables_count_alike_in_the_mean() -> None:
    none = {"pool": None, "picks_area": None, "pool_area": None}
    one, two = {**none, "picks": 0.8}, {**none, "picks": 0.95, "pool": 0.9}
    found = mean_coverage([one, two])
    assert found["picks"] == 0.875 and found["pool"] == 0.9 and found["pool_area"] is None
