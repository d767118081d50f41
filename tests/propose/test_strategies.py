"""Strategies by name: what each goes by, checked against a formula or by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from matscout.drive.belief import reason
from matscout.errors import InputError
from matscout.event import EventKind
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.strategies.forest import ForestRule
from matscout.propose.strategies.membership import MembershipRule
from matscout.propose.strategies.named import (
    AUTO,
    CLASSES,
    NEED_LIMIT,
    STRATEGIES,
    default,
    strategy,
)
from matscout.propose.strategies.view import PoolView
from matscout.surrogate.gp import GaussianProcess

Tell = Callable[..., Any]
LINE = np.linspace(0.0, 1.0, 41)
POOL = Pool(tuple(f"x{i}" for i in range(41)), {"x": tuple(LINE.tolist())}, ("x",))
SEEN = (0, 8, 16, 20, 24, 32, 40)


OF_ONE_TARGET = sorted(set(STRATEGIES) - {"pareto", "desirability"})
WITH_TREES = {"forest_ucb", "stacked"}
BY_DISTANCE = {"lcmd", "core_set", "bait"}
"""These go by distance, not by a score."""


pytestmark = pytest.mark.usefixtures("few_trees")


def hill(x: float) -> float:
    return 10.0 - 40.0 * (x - 0.7) ** 2


def viewed(
    tell: Tell,
    seen: tuple[int, ...] = SEEN,
    *,
    limit: float | None = 8.0,
    direction: str = "max",
    value: Callable[[float], float] = hill,
    more: Callable[[Any], None] = lambda story: None,
    pool: Pool = POOL,
    seed: int = 0,
) -> PoolView:
    """What a strategy sees after `value` was measured on the rows `seen`, and `more` happened."""
    story = tell(direction=direction)
    for row in seen:
        story.measured(story.asked({}, f"x{row}"), value(float(LINE[row])))
    more(story)
    return PoolView(Candidates(pool), story.history, Goal("best", threshold=limit), seed)


def test_the_default_suits_the_goal() -> None:
    assert default(Goal("best")) == default(Goal("top")) == "lcb"
    assert default(Goal("threshold", threshold=1.0)) in NEED_LIMIT
    assert default(Goal("rare", threshold=1.0)) in NEED_LIMIT
    assert default(Goal("model")) not in NEED_LIMIT
    assert default(Goal("model", threshold=1.0)) in NEED_LIMIT
    for kind in ("best", "top", "threshold", "rare", "model"):
        goal = Goal(kind, threshold=1.0)
        assert strategy(AUTO, goal) == STRATEGIES[default(goal)]()


def test_names_and_limits_are_checked() -> None:
    with pytest.raises(InputError, match=r"strategy: unknown 'lbc'; did you mean 'lcb'\?"):
        strategy("lbc", Goal())
    with pytest.raises(InputError, match="strategy: 'pareto' needs several targets; use auto"):
        strategy("pareto", Goal())
    assert strategy(AUTO, Goal("best"), 2) == strategy("pareto", Goal(), 2)
    for name in OF_ONE_TARGET:
        if name in NEED_LIMIT:
            with pytest.raises(InputError, match=f"goal.threshold: strategy '{name}' needs one"):
                strategy(name, Goal())
        else:
            strategy(name, Goal())


@pytest.mark.parametrize("name", OF_ONE_TARGET)
def test_a_batch_begins_with_the_best_score_and_says_why(name: str, tell: Tell) -> None:
    view = viewed(tell)
    rule = strategy(name, view.goal)
    picks, scores = rule.pick(view, 4), rule.scores(view)
    assert scores.shape == (41,) and bool(torch.isfinite(scores).all())
    rows = [row for row, _ in picks]
    assert len(set(rows)) == 4 and set(rows).isdisjoint(SEEN)
    assert all(isinstance(why["rule"], str) for _, why in picks)
    if name not in BY_DISTANCE | {"thompson", "quota"}:  # by a draw; by P(passes) for a part
        free = torch.from_numpy(view.free)
        assert float(scores[rows[0]]) == pytest.approx(float(scores[free].max()), rel=1e-9)


def believed(view: PoolView) -> tuple[np.ndarray, np.ndarray]:
    posterior = GaussianProcess(groups=view.candidates.groups).fit(
        view.unit[view.measured], view.Y, view.Yvar
    )
    mean, sd = posterior.mean_sd(view.unit)
    return mean.numpy(), sd.numpy()


def test_scores_of_process_rules_are_their_formulas(tell: Tell) -> None:
    from scipy.stats import norm

    view = viewed(tell)
    mean, sd = believed(view)

    def of(name: str) -> np.ndarray:
        return strategy(name, view.goal).scores(view).numpy()

    assert of("lcb") == pytest.approx(mean + sd)
    assert of("lcb2") == pytest.approx(mean + 2 * sd)
    assert of("mean") == pytest.approx(mean)
    assert of("sd") == pytest.approx(sd)
    assert of("top_sd") == pytest.approx(sd)
    assert of("straddle") == pytest.approx(1.96 * sd - np.abs(mean - 8.0))
    assert of("beyond") == pytest.approx(norm.logcdf((mean - 8.0) / sd), abs=1e-6)
    z = (mean - mean[list(SEEN)].max()) / sd
    with np.errstate(divide="ignore"):
        closed = np.log(sd * (z * norm.cdf(z) + norm.pdf(z)))
    good = z > -4  # below, the closed form cancels and the log form does not
    assert good.sum() > 5 and of("log_ei")[good] == pytest.approx(closed[good], abs=1e-4)


@pytest.mark.parametrize("name", sorted({*OF_ONE_TARGET} - {"forest_ucb"}))
def test_min_is_max_of_the_negative(name: str, tell: Tell) -> None:
    up = viewed(tell, value=hill, direction="max", limit=8.0)
    down = viewed(tell, value=lambda x: -hill(x), direction="min", limit=-8.0)
    ours, theirs = (strategy(name, v.goal).pick(v, 4) for v in (up, down))
    assert [row for row, _ in ours] == [row for row, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        if "mean" in a:
            assert float(a["mean"]) == pytest.approx(-float(b["mean"]))


def test_what_is_pending_is_reckoned_with(tell: Tell) -> None:
    """The best pick, once pending, is neither picked again nor picked beside."""
    for name in sorted({*OF_ONE_TARGET} - {"mean", "find", "balance", "learn", "forest_ucb"}):
        first = strategy(name, Goal(threshold=8.0)).pick(viewed(tell), 1)[0][0]

        def open_it(story: Any, row: int = first) -> None:
            story.asked({}, f"x{row}")

        view = viewed(tell, more=open_it)
        again = strategy(name, view.goal).pick(view, 1)[0][0]
        assert again != first
        if name in ("sd", "top_sd", "lcmd", "core_set"):
            assert abs(again - first) > 1, name


FAIL_AT = 29
"""x = 0.725, near the top of the hill, where most rules would go."""


def failing(kind: EventKind) -> Callable[[Any], None]:
    def more(story: Any) -> None:
        for row in (FAIL_AT - 1, FAIL_AT, FAIL_AT + 1):
            story.ended(story.asked({}, f"x{row}"), kind)

    return more


@pytest.mark.parametrize("name", sorted({*OF_ONE_TARGET} - {*CLASSES}))  # see test_class_rules
def test_failures_make_what_is_near_less_attractive(name: str, tell: Tell) -> None:
    """Against the same history in which a person withdrew those trials: that says no more than
    that there is nothing to be learned there."""
    near, far = FAIL_AT + 2, 2
    failed = viewed(tell, more=failing(EventKind.FAILED))
    withdrawn = viewed(tell, more=failing(EventKind.ABANDONED))
    assert failed.works[near] < 0.6 < failed.works[far] and withdrawn.works.min() == 1.0
    rule = strategy(name, failed.goal)
    ours, theirs = rule.scores(failed), rule.scores(withdrawn)
    lost = theirs - ours
    assert float(lost[near]) > 0
    # The scores of these are logs, or have a zero of their own.
    if name not in ("beyond", "log_ei", "log_noisy_ei", "nipv"):
        assert float(lost[near]) / max(abs(float(theirs[near])), 1e-9) > 0.2
    picked = [row for row, _ in rule.pick(failed, 3)]
    plain = [row for row, _ in rule.pick(withdrawn, 3)]
    assert failed.works[picked].mean() > failed.works[plain].mean() - 1e-9


def test_every_one_left_is_picked_though_all_are_likely_to_fail(tell: Tell) -> None:
    for name in ("lcmd", "core_set", "top_sd", "lcb", "find"):
        view = viewed(tell, SEEN, more=failing(EventKind.FAILED))
        picks = strategy(name, view.goal).pick(view, 100)
        assert sorted(row for row, _ in picks) == view.free.tolist(), name


def test_coverage_leaves_out_what_is_likely_to_fail(tell: Tell) -> None:
    view = viewed(tell, (0, 4, 8), more=failing(EventKind.FAILED))
    for name in ("lcmd", "core_set"):
        (row, _), *_ = strategy(name, view.goal).pick(view, 1)
        assert view.works[row] >= 0.5 * view.works[view.free].max()


def test_columns_that_do_not_matter_are_no_distance(tell: Tell) -> None:
    """y is a function of x alone; `junk` is all that distinguishes the far corner."""
    rng = np.random.default_rng(0)
    junk = rng.random(41)
    pool = Pool(POOL.ids, {"x": tuple(LINE.tolist()), "junk": tuple(junk.tolist())}, ("x", "junk"))
    # The middle of x was never measured, whatever junk is.
    seen = tuple(i for i in range(41) if not 14 <= i <= 26)[::2]
    view = viewed(tell, seen, value=lambda x: float(np.sin(9 * x)), pool=pool)
    (row, _), *_ = strategy("core_set", view.goal).pick(view, 1)
    assert 14 <= row <= 26


def test_find_balance_and_learn_switch_as_they_say(tell: Tell) -> None:
    few = viewed(tell, limit=9.5)  # one of seven passes
    many = viewed(tell, limit=-5.0)  # five of seven
    assert sum(float(y) >= 9.5 for y in few.Y[:, 0]) * 2 < len(SEEN)

    def said(mode: Literal["find", "balance", "learn"], view: PoolView) -> str:
        return str(MembershipRule(mode, trees=10).pick(view, 1)[0][1]["rule"])

    assert said("find", few) == said("find", many) == "p_positive"
    assert said("balance", few) == "p_positive" and said("balance", many) == "entropy"
    assert said("learn", few) == said("learn", many) == "entropy"
    none = viewed(tell, limit=1e3)
    assert said("learn", none) == "p_positive"  # before there is one, look for one


def test_find_looks_where_the_value_rises_before_it_has_a_positive(tell: Tell) -> None:
    view = viewed(tell, (0, 4, 8, 12), limit=8.0)
    picks = MembershipRule("find", trees=20).pick(view, 3)
    assert all(row > 12 for row, _ in picks)


def test_classes_of_which_one_has_been_seen_are_not_read_in_the_tables_order(tell: Tell) -> None:
    """All scores are equal then: the first rows of a sorted table would be asked for one by one."""
    firsts = {
        MembershipRule("find", trees=10).pick(
            viewed(tell, (0, 20), limit=0.5, value=lambda x: 0.0, seed=seed), 1
        )[0][0]
        for seed in range(12)
    }
    assert len(firsts) > 5 and max(firsts) > 30


def test_labels_are_classes_and_not_quantities(tell: Tell) -> None:
    yes_no = viewed(tell, limit=0.5, value=lambda x: float(x > 0.6))
    assert yes_no.labels_only
    assert viewed(tell, limit=0.5, value=lambda x: float(x > 0.6), direction="min").labels_only
    assert not viewed(tell).labels_only
    # A quantity that has been 0 or 1 so far, where 40 is wanted.
    assert not viewed(tell, limit=40.0, value=lambda x: float(x > 0.6)).labels_only
    picks = MembershipRule("find", trees=20).pick(yes_no, 3)
    assert all(LINE[row] > 0.6 for row, _ in picks)


def test_a_forest_prefers_what_works_below_its_worst_value_too(tell: Tell) -> None:
    """worst + P (score - worst) turns round below the worst: there failing would be the better."""
    view = viewed(tell, more=failing(EventKind.FAILED))
    rule = ForestRule(trees=10)
    low = torch.full((41,), float(view.data.y.min()) - 5.0, dtype=torch.float64)
    score = rule._score(view, low, torch.zeros_like(low))
    order = np.argsort(view.works, kind="stable")
    assert bool((score[order].diff() >= 0).all()) and float(score[order[0]]) < float(
        score[order[-1]]
    )


def test_views_of_odd_histories(tell: Tell) -> None:
    view = viewed(tell, (), more=lambda story: None)
    assert len(view.free) == 41 and view.works.min() == 1.0 and view.Y.shape == (0, 1)
    assert view.place == 0 and view.limit == 8.0

    def unknown(story: Any) -> None:
        story.measured(story.asked({}, "of another pool"), 3.0)

    assert len(viewed(tell, more=unknown).free) == 41 - len(SEEN)


def test_every_strategy_is_explained_to_a_chemist(tell: Tell) -> None:
    """In the docs, and as the reason that stands beside a recommendation."""
    docs = (Path(__file__).parents[2] / "docs" / "goals.md").read_text()
    for name in STRATEGIES:
        assert f"| `{name}`" in docs or f", `{name}`" in docs, name
    view = viewed(tell)
    for name in OF_ONE_TARGET:
        ((_, why),) = strategy(name, view.goal).pick(view, 1)
        said = reason(why, view.target)
        assert str(why["rule"]) in ("greedy", "straddle") or not said.startswith(str(why["rule"]))
