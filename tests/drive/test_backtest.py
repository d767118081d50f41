"""Cases: what counts as found, what every arm has alike, and what is refused before it is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matscout.data.experiments import Experiments
from matscout.drive.backtest import HELD_OUT, RANDOM, Case, Protocol
from matscout.errors import InputError
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.random import RandomProposer
from matscout.space import Space
from matscout.trial import Proposal, Target

UP = Target("y", "max")


def recorded(
    values: Sequence[float | Sequence[float]], groups: Sequence[str] | None = None
) -> Experiments:
    """Candidate i stands at x = i; a value may be several replicates, or none."""
    n = len(values)
    ids = tuple(f"c{i}" for i in range(n))
    seen = tuple(tuple(v) if isinstance(v, list | tuple) else (float(v),) for v in values)  # type: ignore[arg-type]
    pool = Pool(ids, {"x": tuple(map(float, range(n)))}, ("x",))
    return Experiments(pool, {"y": seen}, {"x": "number"}, tuple(groups or ids))  # type: ignore[arg-type]


def case_of(values: Sequence[Any], goal: Goal | None = None, **protocol: Any) -> Case:
    protocol = {"budget": 6, "target": UP} | protocol
    groups = protocol.pop("groups", None)
    return Case(recorded(values, groups), Protocol(goal or Goal("top"), **protocol))


class Best:
    """Knows the table: takes the largest x that is left. Checks that all it sees was asked for."""

    name = "best"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        assert space.pool is not None
        taken = {t.candidate for t in history.trials}
        left = sorted((c for c in space.pool.ids if c not in taken), key=lambda c: -int(c[1:]))
        return [Proposal({}, c) for c in left[:n]]


def best_of(arm: str, goal: Goal) -> Any:
    return Best() if arm == "best" else RandomProposer()


# -- what counts as found --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "top", "wanted"),
    [(600, 0.05, 30), (164, 0.05, 9), (100, 0.05, 5), (7, 0.05, 1), (20, 0.15, 3)],
)
def test_the_top_is_the_best_ceil_of_the_share(n: int, top: float, wanted: int) -> None:
    values = np.random.default_rng(n).permutation(n).astype(float)
    for direction, sign in (("max", 1.0), ("min", -1.0)):
        case = case_of(values, Goal("top", top), target=Target("y", direction))  # type: ignore[arg-type]
        assert case.wanted.sum() == wanted
        assert (sign * values[case.wanted]).min() > (sign * values[~case.wanted]).max()


def test_each_goal_wants_its_own() -> None:
    values = [1.0, 5.0, 3.0, 4.0, 2.0, 0.0]
    wanted = {
        "best": [1],
        "top": [1, 3],
        "threshold": [1, 2, 3],
        "rare": [1, 2, 3],
        "model": [1, 2, 3],
    }
    for kind, rows in wanted.items():
        case = case_of(values, Goal(kind, 0.3, 3.0), init=1, budget=4)
        assert np.flatnonzero(case.wanted).tolist() == rows, kind
    assert np.flatnonzero(case_of(values, Goal("model", 0.3)).wanted).tolist() == [1, 3]
    low = case_of(values, Goal("threshold", threshold=1.0), target=Target("y", "min"))
    assert np.flatnonzero(low.wanted).tolist() == [0, 5]


def test_a_threshold_belongs_to_goals_that_pass_one() -> None:
    """With `--goal top --threshold` (for a strategy that asks for a limit) the top is what counts."""
    assert Protocol(Goal("top", threshold=3.0), UP).limit is None
    assert Protocol(Goal("rare", threshold=3.0), UP).limit == 3.0
    assert Protocol(Goal("rare", threshold=3.0), Target("y", "min")).limit == -3.0


def test_candidates_without_a_value_are_no_candidates() -> None:
    case = case_of([1.0, (), 5.0, (2.0, 4.0), (), 0.0], Goal("best"), init=1, budget=3)
    assert case.rows.tolist() == [0, 2, 3, 5]
    assert np.flatnonzero(case.wanted).tolist() == [2] and case.values[3] == 3.0
    assert case.play("best", 0, best_of).candidates == 4


# -- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ({"init": 0}, "init: must be at least 1"),
        ({"batch": 0}, "batch: must be at least 1"),
        ({"workers": 0}, "workers: must be at least 1"),
        ({"batch": 3, "workers": 2}, "workers: 3 are asked for at once, but only 2 can run"),
        ({"budget": 2}, "budget: 2 leave nothing to choose after 2 random ones"),
        ({"start": "wih"}, "start: unknown 'wih'; one of any, with, without"),
        ({"budget": 11}, "budget: 11 experiments, but the table has 10 candidates; take fewer"),
        ({"init": 10, "budget": 11}, "init: 10 candidates are too few for 10 random ones first"),
        ({"init": 10, "budget": 300}, "init: 10 candidates are too few"),
        ({"goal": Goal("threshold", threshold=99.0)}, "nothing in the table passes it"),
        ({"goal": Goal("threshold", threshold=-1.0)}, "goal.threshold: everything in the table"),
        ({"goal": Goal("top", top=0.95)}, "goal.top: everything in the table is wanted"),
        (
            {"goal": Goal("threshold", threshold=2.0), "start": "without", "init": 3},
            "init: fewer than 3 candidates are unwanted",
        ),
        ({"goal": Goal("rare", threshold=8.5)}, "goal: of 10 groups of candidates, 30% cannot be"),
        ({"goal": Goal("model"), "groups": ["a"] * 10}, "goal: of 1 groups of candidates"),
        ({"goal": Goal("model"), "init": 7, "budget": 8}, "cannot be held out"),
    ],
)  # fmt: skip
def test_refused_before_it_is_played(protocol: dict[str, Any], message: str) -> None:
    protocol = dict(protocol)
    goal = protocol.pop("goal", Goal("top", 0.2))
    with pytest.raises(InputError) as mistake:
        case_of(range(10), goal, **protocol)
    assert message in str(mistake.value) and "\n" not in str(mistake.value)


# -- how arms play ------------------------------------------------------------------------------------


def test_every_arm_has_the_same_start_and_the_best_arm_is_the_best() -> None:
    case = case_of(range(30), Goal("top", 0.1), init=3, budget=12)
    for seed in range(5):
        random, best = (case.play(arm, seed, best_of) for arm in (RANDOM, "best"))
        assert (random.found[:3] == best.found[:3]).all()
        assert (best.found[:12] >= random.found[:12]).all() and best.found[-1] == 3
        assert len(best.found) == 12 and len(random.found) == 30
        assert best.wanted == random.wanted == 3 and best.labels == ()
        steps = np.diff(best.found, prepend=0)
        assert set(steps.tolist()) <= {0, 1}
        # Each of the three that the start did not find takes one experiment.
        assert best.found[3 : 6 - best.found[2]].tolist() == list(range(best.found[2] + 1, 4))


def test_random_is_a_fair_order_of_all_candidates() -> None:
    """E found(i) = i * wanted / N, over 400 orders to within four standard errors."""
    case = case_of(range(40), Goal("top", 0.1), init=2, budget=20)
    found = np.array([case.play(RANDOM, seed, best_of).found for seed in range(400)])
    i = np.arange(1, 41)
    expected = i * 4 / 40
    # Hypergeometric variance of each point of the curve.
    se = np.sqrt(i * 0.1 * 0.9 * (40 - i) / 39 / 400)
    assert (np.abs(found.mean(axis=0) - expected) <= 4 * se + 1e-12).all()
    assert (found[:, -1] == 4).all()


def test_a_seed_is_all_the_chance_there_is() -> None:
    case, again = (case_of(range(20), Goal("top", 0.1), init=2, budget=9) for _ in range(2))
    for arm in (RANDOM, "uniform"):
        one, two = case.play(arm, 3, best_of), again.play(arm, 3, best_of)
        assert (one.found == two.found).all()
    orders = {tuple(case.play(RANDOM, seed, best_of).found.tolist()) for seed in range(10)}
    assert len(orders) > 5


def test_starts_with_and_without_what_is_wanted() -> None:
    for seed in range(20):
        kept = {"init": 3, "budget": 9}
        goal = Goal("threshold", threshold=19.0)
        assert (
            case_of(range(20), goal, start="with", **kept).play(RANDOM, seed, best_of).found[2] == 1
        )
        none = case_of(range(20), goal, start="without", **kept).play(RANDOM, seed, best_of)
        assert none.found[2] == 0


def test_a_start_with_one_wanted_is_a_draw_on_that_condition() -> None:
    """Among the starts of two out of six with one of rows 4 and 5 at least, all nine are alike."""
    case = case_of(range(6), Goal("top", 0.3), init=2, budget=3, start="with")
    count: dict[tuple[int, ...], int] = {}
    for seed in range(900):
        found = case.play(RANDOM, seed, best_of).found[:2]
        count[tuple(found.tolist())] = count.get(tuple(found.tolist()), 0) + 1
    # In order: (wanted, other) 8 ways, (other, wanted) 8 ways, both 2 ways: 18 in all.
    assert set(count) == {(1, 1), (0, 1), (1, 2)}
    for found, ways in (((1, 1), 8), ((0, 1), 8), ((1, 2), 2)):
        p = ways / 18
        assert abs(count[found] - 900 * p) <= 4 * np.sqrt(900 * p * (1 - p))


# -- where a model is judged ---------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matscout.drive.learned._TREES", 10)


def judged(goal: Goal, n: int = 40, **protocol: Any) -> Case:
    values = np.sin(np.arange(n) / 3.0) + np.arange(n) / n
    return case_of(values, goal, **({"init": 4, "budget": 20} | protocol))


@pytest.mark.parametrize(
    "goal", [Goal("model"), Goal("model", threshold=1.2), Goal("rare", threshold=1.2)]
)
def test_groups_are_held_out_whole_and_never_chosen(goal: Goal) -> None:
    groups = [f"g{i // 2}" for i in range(40)]
    case = judged(goal, groups=groups)
    for seed in range(4):
        space, rows, test = case._split(seed)
        assert space.pool is not None and space.pool.ids == tuple(f"c{i}" for i in rows)
        assert sorted([*rows, *test]) == list(range(40)) and len(test) == round(HELD_OUT * 20) * 2
        assert not {groups[i] for i in rows} & {groups[i] for i in test}
        if case.protocol.limit is not None:
            assert case.wanted[test].any() and not case.wanted[test].all()
    assert case._split(0)[1].tolist() != case._split(1)[1].tolist()


def test_the_model_is_judged_along_the_way() -> None:
    case = judged(Goal("model"))
    random, best = (case.play(arm, 0, best_of) for arm in (RANDOM, "best"))
    assert len(random.found) == len(best.found) == 20  # random goes no further here
    assert random.labels == best.labels == (4, 7, 10, 14, 17, 20)
    assert len(random.quality) == 6 and all(q < 0 for q in random.quality)  # minus the RMSE
    assert random.quality[0] == best.quality[0]  # the same start
    assert random.quality[-1] > random.quality[0]


def test_classes_are_judged_by_pr_auc() -> None:
    case = judged(Goal("rare", threshold=1.2), start="with")
    played = case.play(RANDOM, 0, best_of)
    assert all(0 < q <= 1 for q in played.quality)
    flipped = Case(
        recorded((-case.values).tolist()),
        replace(case.protocol, goal=Goal("rare", threshold=-1.2), target=Target("y", "min")),
    )
    again = flipped.play(RANDOM, 0, best_of)
    assert again.quality == played.quality and (again.found == played.found).all()


def test_a_budget_beyond_what_is_left_after_holding_out_ends_there() -> None:
    case = judged(Goal("model"), budget=40)
    for arm in (RANDOM, "best"):
        played = case.play(arm, 0, best_of)
        assert len(played.found) == played.candidates == 28 and played.labels[-1] == 28


def test_what_is_left_to_choose_from_is_that_of_the_least_seed() -> None:
    groups = [f"g{min(i // 4, 7)}" for i in range(40)]  # seven of four, one of twelve
    case = judged(Goal("model"), groups=groups)
    each = [len(case._split(seed)[1]) for seed in range(12)]
    assert len(set(each)) > 1 and case.left(range(12)) == min(each)
    assert case_of(range(20), init=2, budget=9).left([0]) == 20


def test_groups_of_unequal_size_give_every_seed_as_many_checkpoints() -> None:
    groups = ["big"] * 20 + [f"g{i}" for i in range(20)]
    case = judged(Goal("model"), groups=groups, budget=40, init=3)
    sizes = {case.play(RANDOM, seed, best_of).candidates for seed in range(8)}
    assert len(sizes) > 1
    assert {len(case.play(RANDOM, seed, best_of).quality) for seed in range(8)} == {6}


def test_one_positive_that_may_be_drawn_away_is_kept_where_both_sides_need_one() -> None:
    values = np.zeros(30)
    values[[3, 17]] = 1.0
    case = case_of(values, Goal("rare", threshold=0.5), init=4, budget=12, start="with")
    for seed in range(15):
        played = case.play(RANDOM, seed, best_of)
        assert played.wanted == 1 and played.found[3] == 1
