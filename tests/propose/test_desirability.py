"""Several targets in one number: the goal's tables, the strategy, and campaigns that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matscout.acquire.desirability import Larger, Near, Smaller, overall
from matscout.api import Campaign
from matscout.cli.report import report
from matscout.drive.config import parse_config
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.goal import Desired, Goal
from matscout.history import PERSON, History
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.pool import PoolProposer
from matscout.propose.random import RandomProposer
from matscout.propose.strategies.desirability import DesirabilityRule
from matscout.propose.strategies.named import default, strategy
from matscout.propose.strategies.per_target import beliefs_of
from matscout.propose.strategies.view import PoolView
from matscout.space import Space

RNG = np.random.default_rng(0)
X = RNG.random((120, 2))
YIELD = 100 * np.exp(-3 * ((X - 0.6) ** 2).sum(1))
COST = 5 + 20 * X[:, 0]
GAP = 1 + 2 * X[:, 1]
TABLE = np.c_[YIELD, COST, GAP]
IDS = tuple(f"c{i}" for i in range(120))
POOL = Pool(IDS, {"x": tuple(X[:, 0].tolist()), "z": tuple(X[:, 1].tolist())}, ("x", "z"))
TARGETS = [
    {"name": "yield", "direction": "max"},
    {"name": "cost", "direction": "min"},
    {"name": "gap", "direction": "max"},
]
TABLES: dict[str, dict[str, float]] = {
    "yield": {"low": 60, "high": 95},
    "cost": {"low": 8, "high": 20, "weight": 0.5},
    "gap": {"low": 1.2, "aim": 2.0, "high": 2.6},
}
GOAL = Goal.from_dict({"desirability": TABLES})
EACH = (Larger(60, 95), Smaller(8, 20, 0.5), Near(1.2, 2.0, 2.6))
WORTH = overall(torch.from_numpy(TABLE), EACH).numpy()


# -- what the goal says --------------------------------------------------------------------------


def test_a_goal_with_desirability_goes_to_a_dict_and_back() -> None:
    assert Goal.from_dict(GOAL.to_dict()) == GOAL
    assert GOAL.desirability[2] == Desired("gap", 1.2, 2.6, aim=2.0)
    assert GOAL.to_dict()["desirability"]["cost"] == {"low": 8, "high": 20, "weight": 0.5}
    assert "desirability" not in Goal("top").to_dict()
    assert Goal.from_dict({"kind": "best", "desirability": None}) == Goal()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"y": {"low": 1}}, "goal.desirability.y: high is missing; add it"),
        ({"y": {"low": 1, "hihg": 2}}, "unknown key 'hihg'; did you mean 'high'?"),
        ({"y": {"low": 2, "high": 1}}, "goal.desirability.y: low must be below high, got 2 and 1"),
        ({"y": {"low": 1, "high": 2, "aim": 3}}, "goal.desirability.y.aim: must lie between"),
        ({"y": {"low": 1, "high": 2, "weight": 0}}, "goal.desirability.y.weight: must be above 0"),
        ({"y": {"low": 1, "high": float("nan")}}, "y.high: must be a finite number, got nan"),
        ({"y": {"low": 10**400, "high": 2}}, "y.low: must be a finite number"),
        ({"y": {"low": "1", "high": True}}, "y.low: must be a finite number, got '1'"),
        ({"y": {"low": 1, "high": 2, "weight": None}}, "y.weight: must be a finite number"),
        ({"y": 3}, "goal.desirability.y: must be a table, got 3; give it low and high"),
        ([1], "goal.desirability: must be a table of tables by target, got [1]"),
    ],
)
def test_mistakes_are_one_line(tables: Any, message: str) -> None:
    with pytest.raises(InputError) as mistake:
        Goal.from_dict({"desirability": tables})
    assert message in str(mistake.value) and "\n" not in str(mistake.value)


def test_desirability_says_what_is_best_and_nothing_else() -> None:
    with pytest.raises(InputError, match=r"goal\.desirability: .* the goal is 'top'"):
        Goal.from_dict({"kind": "top", "desirability": TABLES})
    with pytest.raises(InputError, match=r"goal\.desirability: strategy .* needs it"):
        strategy("desirability", Goal())
    assert default(GOAL, 3) == default(GOAL, 1) == "desirability"
    assert default(Goal(), 3) == "pareto"


CONFIG: dict[str, Any] = {
    "kind": "campaign",
    "name": "c",
    "space": {},
    "targets": TARGETS,
    "goal": {"kind": "best", "desirability": TABLES},
}


def test_a_config_knows_its_targets() -> None:
    config = parse_config(CONFIG)
    assert config.goal is not None and config.goal.goal() == GOAL
    wrong = {**CONFIG, "goal": {"desirability": {"yeild": {"low": 1, "high": 2}}}}
    with pytest.raises(InputError, match="no target is called 'yeild'; did you mean 'yield'"):
        parse_config(wrong)
    with pytest.raises(InputError, match=r"goal\.desirability"):
        parse_config({**CONFIG, "goal": {"desirability": 3}})


# -- the strategy --------------------------------------------------------------------------------


def told(rows: list[int]) -> History:
    history = History()
    history.apply(Event(EventKind.CREATED, body={"targets": TARGETS, "seed": 1}))
    for trial, row in enumerate(rows):
        ask(history, IDS[row])
        values = dict(zip(("yield", "cost", "gap"), TABLE[row].tolist(), strict=True))
        history.apply(Event(EventKind.MEASURED, trial, 1, {"values": values}))
    return history


def ask(history: History, candidate: str) -> int:
    trial = len(history.trials)
    history.apply(Event(EventKind.ASKED, trial, body={"params": {}, "candidate": candidate}))
    history.apply(Event(EventKind.DISPATCHED, trial, 1))
    return trial


def viewed(history: History, goal: Goal = GOAL, **more: Any) -> PoolView:
    return PoolView(Candidates(POOL), history, goal, 0, **more)


def test_the_score_is_the_expected_gain_over_the_best_so_far() -> None:
    """Against independent draws, a hundred thousand of them."""
    history = told(list(range(10)))
    ask(history, "c50")
    view = viewed(history)
    beliefs = beliefs_of(view, history.targets)
    rng = np.random.default_rng(1)

    def worth(row: int) -> np.ndarray:
        draws = []
        for target, belief in zip(history.targets, beliefs, strict=True):
            mean, sd = belief.mean_sd(view.unit[row : row + 1])
            draws.append(target.sign * float(mean) + float(sd) * rng.normal(size=100_000))
        return overall(torch.from_numpy(np.stack(draws, axis=1)), EACH).numpy()

    best = max(worth(row).mean() for row in [*range(10), 50])
    scores = DesirabilityRule(draws=2048).scores(view).numpy()
    for row in np.argsort(-scores)[:5]:
        assert scores[row] == pytest.approx(np.maximum(worth(row) - best, 0).mean(), abs=2e-3)
    (first, why), *_ = DesirabilityRule().pick(view, 1)
    assert first in np.argsort(-scores)[:3]
    assert why["rule"] == "desirability"
    assert float(why["desirability"]) == pytest.approx(worth(first).mean(), abs=0.02)
    assert {"mean", "sd", "cost.mean", "cost.sd", "gap.mean"} <= set(why)


def best_of(proposer: Any, seed: int, budget: int = 24) -> float:
    history = told(np.random.default_rng(seed).choice(120, 6, replace=False).tolist())
    while len(history.trials) < budget:
        for proposal in proposer.propose(Space(pool=POOL), history, 3, seed=len(history.trials)):
            trial, row = ask(history, proposal.candidate), POOL.row(proposal.candidate)
            values = dict(zip(("yield", "cost", "gap"), TABLE[row].tolist(), strict=True))
            history.apply(Event(EventKind.MEASURED, trial, 1, {"values": values}))
    return float(max(WORTH[POOL.row(t.candidate or "")] for t in history.trials))


def test_it_finds_the_best_compromise_sooner_than_chance() -> None:
    ours = [best_of(PoolProposer(GOAL, startup=2), seed) for seed in range(3)]
    chance = [best_of(RandomProposer(), seed) for seed in range(3)]
    assert np.mean(ours) > 0.97 * WORTH.max() > np.mean(chance)


def test_where_nothing_is_useful_it_goes_where_something_might_be() -> None:
    """Every start has a yield that is useless, and so has most of the pool."""
    poor = np.argsort(YIELD)[:8].tolist()
    history = told(poor)
    strict = Goal.from_dict({"desirability": {"yield": {"low": 98, "high": 99}}})
    view = viewed(history, strict)
    rows = [row for row, _ in DesirabilityRule().pick(view, 4)]
    assert YIELD[rows].mean() > np.median(YIELD)
    hopeless = Goal.from_dict({"desirability": {"yield": {"low": 1e9, "high": 2e9}}})
    rows = [row for row, _ in DesirabilityRule().pick(viewed(history, hopeless), 4)]
    assert len(set(rows)) == 4 and YIELD[rows].mean() > np.median(YIELD)


def test_one_target_with_an_aim() -> None:
    """A gap of 2 eV, neither more nor less: the direction does not matter then."""
    goal = Goal.from_dict({"desirability": {"gap": {"low": 1.5, "aim": 2.0, "high": 2.5}}})
    history = told([0, 1, 2, 3, 4, 5])
    proposals = PoolProposer(goal, startup=2).propose(Space(pool=POOL), history, 3, seed=0)
    found = [GAP[POOL.row(p.candidate or "")] for p in proposals]
    assert np.abs(np.array(found) - 2.0).max() < 0.3


def test_what_was_measured_of_one_target_counts_for_it() -> None:
    """A person has measured the yield of c60, and not yet what it costs: it came out poor."""
    known, told_of_yield = told(list(range(8))), told(list(range(8)))
    for story in (known, told_of_yield):
        trial = len(story.trials)
        story.apply(Event(EventKind.ASKED, trial, body={"params": {}, "candidate": "c60"}))
        story.apply(Event(EventKind.DISPATCHED, trial, 1, {"to": PERSON}))
    body = {"step": 1, "values": {"yield": 0.0}}
    told_of_yield.apply(Event(EventKind.REPORTED, 8, 1, body))
    near = np.argsort(((X - X[60]) ** 2).sum(1))[:5]
    before, after = (
        DesirabilityRule().scores(viewed(story)).numpy()[near] for story in (known, told_of_yield)
    )
    assert not np.allclose(before, after)


def test_costs_that_differ_are_reckoned_with() -> None:
    history = told(list(range(10)))
    prices = 1.0 + np.arange(120) % 2
    plain, priced = (DesirabilityRule().scores(viewed(history, prices=p)) for p in (None, prices))
    assert priced.numpy() == pytest.approx(plain.numpy() / prices)


def test_failures_count_against_what_is_near() -> None:
    history = told(list(range(10)))
    best = int(DesirabilityRule().pick(viewed(history), 1)[0][0])
    near = np.argsort(((X - X[best]) ** 2).sum(1))[1:4]
    stories = []
    for kind in (EventKind.FAILED, EventKind.ABANDONED):
        story = told(list(range(10)))
        for row in near:
            story.apply(Event(kind, ask(story, IDS[row]), 1))
        stories.append(viewed(story))
    failed, withdrawn = (DesirabilityRule().scores(view) for view in stories)
    assert failed.numpy() == pytest.approx(withdrawn.numpy() * stories[0].works)


def test_eight_with_eight_pending_and_one_left() -> None:
    history = told(list(range(20)))
    for row in range(20, 28):
        ask(history, IDS[row])
    picks = DesirabilityRule().pick(viewed(history), 8)
    rows = [row for row, _ in picks]
    assert len(set(rows)) == 8 and min(rows) >= 28
    assert picks == DesirabilityRule().pick(viewed(history), 8)
    for row in range(28, 119):
        ask(history, IDS[row])
    assert [row for row, _ in DesirabilityRule().pick(viewed(history), 8)] == [119]
    ask(history, "c119")
    assert DesirabilityRule().pick(viewed(history), 8) == []
    assert bool(DesirabilityRule().scores(viewed(history)).isfinite().all())


def test_a_target_that_is_not_measured_is_a_persons_mistake() -> None:
    goal = Goal.from_dict({"desirability": {"hardness": {"low": 1, "high": 2}}})
    with pytest.raises(InputError, match="no target is called 'hardness'"):
        PoolProposer(goal, startup=2).propose(Space(pool=POOL), told([0, 1, 2]), 1, seed=0)


# -- a campaign ----------------------------------------------------------------------------------


def test_a_campaign_from_python_and_its_report(tmp_path: Path) -> None:
    directions = {t["name"]: t["direction"] for t in TARGETS}
    campaign = Campaign.new(path=tmp_path / "wish", space=POOL, targets=directions, goal=GOAL)
    frame = campaign.recommend(6)
    for name, column in zip(("yield", "cost", "gap"), TABLE.T, strict=True):
        frame[name] = [column[POOL.row(i)] for i in frame["id"]]
    campaign.add_measurements(frame)
    campaign.close()
    with Campaign.open(tmp_path / "wish") as opened:
        again = opened.recommend(4)
    assert len(again) == 4 and set(again["id"]).isdisjoint(frame["id"])
    assert all("overall desirability" in reason for reason in again["reason"])
    report("wish", tmp_path, tmp_path / "page.html", None, None, count=4, force=False, json=False)
    assert "overall desirability" in (tmp_path / "page.html").read_text()


def test_only_a_proposer_that_knows_the_goal_takes_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'gp' is only ever after the best of one target; use pool"
    ):
        Campaign.new(
            path=tmp_path / "no",
            space=POOL,
            targets={"yield": "max"},
            goal={"desirability": {"yield": {"low": 1, "high": 2}}},
            proposer="gp",
        )
