"""Re-tuning a surrogate while a campaign goes on: when, by what, and that it is a function of the
history."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.goal import Goal
from matscout.history import History
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.pool import PoolProposer
from matscout.propose.retune import (
    FIRST,
    LEAST_TRIALS,
    TRIALS,
    UNPRICED_S,
    Budget,
    Retuner,
    decided,
    last_due,
    next_due,
)  # fmt: skip
from matscout.propose.retune_record import RETUNED, Decision, decisions
from matscout.propose.retune_search import search
from matscout.propose.strategies import ensemble, forest, named
from matscout.propose.strategies.view import PoolView
from matscout.propose.tunable import Rows, Tunable
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.ensemble import Executor
from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.member import MlpMember
from matscout.trial import Params

Tell = Callable[..., Any]
RNG = np.random.default_rng(3)
TABLE = RNG.random((60, 3))
IDS = tuple(f"c{i}" for i in range(60))
POOL = Pool(IDS, {name: tuple(TABLE[:, j].tolist()) for j, name in enumerate("abc")}, tuple("abc"))
SPACE = Space(pool=POOL)
Y = np.sin(5 * TABLE[:, 0]) + 2 * TABLE[:, 1]
BAD: Params = {"kind": "random_forest", "min_leaf": 8, "max_features": 0.2}


@pytest.fixture(autouse=True)
def _few_trees(few_trees: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "JUDGED_TREES", 10)


def rows_of(n: int) -> Rows:
    y = torch.from_numpy((Y[:n] - Y[:n].mean()) / Y[:n].std()).unsqueeze(-1)
    return Rows(torch.from_numpy(TABLE[:n]), y, torch.full((n, 1), torch.nan).double())


def at_odds(loss: Callable[[float], float], noise: float = 0.0, fails: bool = False) -> Tunable:
    """Of one hyperparameter x: the error of a row, which is `loss(x)` give or take."""

    def judge(params: Params, rows: Rows, seed: int, executor: Executor | None) -> HeldOut:
        x = float(params["x"])
        if fails and x > 0.5:
            raise FitFailed("too large")
        rng = np.random.default_rng([seed, int(1e9 * x)])
        error = loss(x) + noise * rng.standard_normal(len(rows.Y))
        mean = rows.Y[:, 0] + torch.from_numpy(error)
        return HeldOut.normal(rows.Y[:, 0], mean, torch.full_like(mean, 1e-6))

    return Tunable(
        Space((Float("x", 0.0, 1.0),)), {"x": 0.9}, "unit", judge, 0.5, 1, lambda n, d: 0.01 * n
    )


def small_leaves(params: Params, rows: Rows, seed: int, executor: Executor | None) -> HeldOut:
    """As if small leaves were always better."""
    error = float(params["min_leaf"]) + np.random.default_rng(seed).random(len(rows.Y))
    y = rows.Y[:, 0]
    return HeldOut.normal(y, y + torch.from_numpy(error), torch.ones_like(y))


def told(tell: Tell, rows: list[int], cost_s: float = 0.0) -> Any:
    story = tell(direction="max")
    for row in rows:
        trial = story.asked({}, IDS[row])
        body = {"values": {"y": float(Y[row])}, "cost_s": cost_s}
        story.say(Event(EventKind.MEASURED, trial, 1, body=body))
    return story


def news(tunable: Tunable, history: History, seconds: float | None = None) -> Decision | None:
    view = PoolView(Candidates(POOL), history, Goal("best"), 1)
    return Retuner(tunable, Budget(seconds)).news(view)


# -- when ---------------------------------------------------------------------------------------


def test_it_is_considered_each_time_that_half_as_much_is_known() -> None:
    assert [last_due(n) for n in (0, FIRST - 1, 12, 17, 18, 26, 27, 39, 40, 59, 60, 89)] == [
        0, 0, 12, 12, 18, 18, 27, 27, 40, 40, 60, 60,
    ]  # fmt: skip


@given(st.integers(0, 5000))
def test_the_schedule_only_goes_on(n: int) -> None:
    at = last_due(n)
    assert at <= n and at <= last_due(n + 1)
    assert at == 0 or (last_due(at) == at and next_due(at) > n)


# -- by what ------------------------------------------------------------------------------------


def test_the_search_begins_with_what_is_known_and_the_best_of_earlier_searches() -> None:
    asked: list[float] = []
    plain = at_odds(lambda x: abs(x - 0.3))

    def judge(params: Params, *rest: Any) -> HeldOut:
        asked.append(float(params["x"]))
        return plain.judge(params, *rest)

    tried = tuple(({"x": x}, abs(x - 0.3)) for x in (0.9, 0.6, 0.31, 0.1, 0.0))
    earlier = [Decision(12, {"x": 0.9}, {"x": 0.31}, tried, 0.5, 0.9)]
    known = [{"x": 0.55}, {"x": 0.9}, {"x": 0.55}]
    search(replace(plain, judge=judge), rows_of(20), known, earlier, 6, seed=4)
    assert asked[:3] == [0.55, 0.9, 0.31]
    assert len(set(asked)) == 6
    cold: list[float] = asked.copy()
    asked.clear()
    search(replace(plain, judge=judge), rows_of(20), known, [], 6, seed=4)
    assert asked[:2] == [0.55, 0.9] and 0.31 not in asked and asked != cold


def test_what_cannot_be_fitted_is_left_out() -> None:
    found = search(at_odds(lambda x: x, fails=True), rows_of(15), [{"x": 0.4}], [], 6, seed=0)
    assert found and all(params["x"] <= 0.5 for params, _ in found) and len(found) < 6
    decision = decided(15, {"x": 0.9}, found, 0.5)
    assert decision.use == {"x": 0.9} and decision.reason == "what is in use could not be judged"


def test_a_bad_default_is_given_up(tell: Tell) -> None:
    tunable = replace(forest.TUNABLE, default=BAD)
    decision = news(tunable, told(tell, list(range(30))).history, seconds=1e3)
    assert decision is not None and decision.at == 27 and len(decision.tried) == TRIALS
    assert decision.was == BAD and decision.changed and not decision.reason
    assert decision.share > 0.9 and decision.gain > 0.1
    assert dict(decision.use) == dict(min(decision.tried, key=lambda one: one[1])[0])
    assert "re-tuned from kind random_forest" in decision.sentence()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_where_all_are_equal_nothing_is_changed(tell: Tell, noise: float) -> None:
    history = told(tell, list(range(30))).history
    tunable = replace(at_odds(lambda x: 0.5, noise), wins=forest.TUNABLE.wins)
    decision = news(tunable, history, seconds=1e3)
    assert decision is not None and not decision.changed and len(decision.tried) == TRIALS
    assert decision.share <= 0.9 and (noise > 0 or decision.share == 0.0)
    assert "kept x 0.9" in decision.sentence()


def test_what_is_in_use_stays_unless_another_wins_often_enough() -> None:
    rng = np.random.default_rng(0)
    was, other = {"x": 0.9}, {"x": 0.1}
    losses = 1.0 + 0.3 * rng.random((1, 40))
    noise = 0.2 * rng.standard_normal((1, 40))
    found: list[Any] = [(was, losses), (other, losses - 0.03 + noise - noise.mean())]
    likely = decided(40, was, found, 0.5)
    assert 0.5 < likely.share < 0.95 and likely.use == other
    assert decided(40, was, found, 0.95).use == was
    worse = decided(40, was, [found[0], (other, losses + 0.05)], 0.5)
    assert worse.use == was and worse.share == 0.0 and worse.gain == 0.0


# -- whether it is worth its time ---------------------------------------------------------------


def test_no_more_is_searched_than_the_experiments_are_worth(tell: Tell) -> None:
    tunable = at_odds(lambda x: x)  # 27 rows: 0.27 s a configuration
    cheap = news(tunable, told(tell, list(range(30)), cost_s=0.1).history)
    assert cheap is not None and not cheap.tried and not cheap.changed
    assert cheap.reason == (
        "4 configurations would take 1.1 s of processor, and 5% of what the 13 experiments until"
        " the next cost is 0.065 s"
    )
    dear = news(tunable, told(tell, list(range(30)), cost_s=60.0).history)
    assert dear is not None and len(dear.tried) == TRIALS
    some = news(tunable, told(tell, list(range(30)), cost_s=60.0).history, seconds=1.4)
    assert some is not None and len(some.tried) == 5 >= LEAST_TRIALS


def test_budgets() -> None:
    assert Budget(3.0).of([1.0], 27) == (3.0, "retune_s")
    assert Budget().of([0.0, 0.0], 27)[0] == UNPRICED_S
    assert Budget().of([0.0, 100.0, 300.0], 27)[0] == pytest.approx(0.05 * 13 * 200)


# -- a function of the history ------------------------------------------------------------------


def play(make: Callable[[], PoolProposer], afresh: bool, batch: int = 4) -> list[str]:
    """What is asked, as bytes; the history comes from JSON each time where `afresh`."""
    events = [
        Event(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "max"}], "seed": 8})
    ]
    history, proposer, said = History(events), make(), []

    def say(*new: Event) -> None:
        for event in new:
            events.append(event)
            history.apply(event)

    while len(history.trials) < 24:
        if afresh:
            copies = [
                Event(e.kind, e.trial, e.attempt, json.loads(json.dumps(dict(e.body))))
                for e in events
            ]
            proposals = make().propose(
                SPACE, History(copies), batch, seed=ask_seed(8, len(history.trials))
            )
        else:
            proposer.forecast(SPACE, history)
            proposals = proposer.propose(
                SPACE, history, batch, seed=ask_seed(8, len(history.trials))
            )
        for proposal in proposals:
            trial = len(history.trials)
            why = dict(proposal.why)
            said.append(json.dumps([proposal.candidate, why], allow_nan=False))
            body = {"params": {}, "candidate": proposal.candidate, "why": why}
            say(Event(EventKind.ASKED, trial, body=body), Event(EventKind.DISPATCHED, trial, 1))
            value = {"values": {"y": float(Y[POOL.row(proposal.candidate or "")])}}
            say(Event(EventKind.MEASURED, trial, 1, body=value))
    return said


@pytest.mark.usefixtures("few_trees")
def test_the_memo_and_a_resume_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    tunable = replace(forest.TUNABLE, default=BAD, judge=small_leaves)
    monkeypatch.setitem(named.TUNABLE, "forest_ucb", tunable)

    def make() -> PoolProposer:
        return PoolProposer(Goal("best"), "forest_ucb", 4, retune="auto", retune_s=0.8)

    unbroken = play(make, afresh=False)
    assert play(make, afresh=True) == unbroken
    made = [
        Decision.from_text(json.loads(line)[1][RETUNED]) for line in unbroken if RETUNED in line
    ]
    assert [decision.at for decision in made] == [12, 18]
    assert made[0].was == BAD and made[0].changed
    assert all(b.was == a.use for a, b in pairwise(made))


def test_a_decision_is_made_from_the_first_measurements_alone_and_kept(tell: Tell) -> None:
    rows = list(range(30))
    early, late = told(tell, rows[:27]), told(tell, rows)
    tunable = replace(forest.TUNABLE, default=BAD, judge=small_leaves)
    first, second = news(tunable, early.history, 0.8), news(tunable, late.history, 0.8)
    assert first is not None and second is not None and first.to_text() == second.to_text()
    late.asked({}, IDS[31], **{RETUNED: first.to_text()})
    assert news(tunable, late.history, 0.8) is None
    proposer = PoolProposer(Goal("best"), "forest_ucb", 4, retune="auto")
    (proposal,) = proposer.propose(SPACE, late.history, 1, seed=0)
    assert proposer._view(SPACE, late.history, 0).hyperparameters == first.use
    assert RETUNED not in proposal.why


def test_a_decision_about_something_else_is_none(tell: Tell) -> None:
    story = told(tell, list(range(14)))
    for use in ({"x": 1.0}, {**BAD, "min_leaf": 1000}):
        story.asked({}, IDS[20], **{RETUNED: Decision(12, {}, use).to_text()})
    proposer = PoolProposer(Goal("best"), "forest_ucb", 4, retune="auto")
    assert proposer._view(SPACE, story.history, 0).hyperparameters == forest.TUNABLE.default


def test_networks_are_trained_as_they_were_tuned(tell: Tell) -> None:
    params = {**ensemble.TUNABLE.default, "hidden_features": 20, "lr": 0.01}
    story = told(tell, list(range(14)))
    story.asked({}, IDS[20], **{RETUNED: Decision(12, {}, params).to_text()})
    proposer = PoolProposer(Goal("best"), "ensemble_ucb", 4, retune="auto")
    surrogate: Any = ensemble.networks(proposer._view(SPACE, story.history, 0), 100)
    member = surrogate.surrogate.trainer
    assert member.network.hidden_features == 20 and member.settings.lr == 0.01
    never = PoolProposer(Goal("best"), "ensemble_ucb", 4, retune="never")
    plain: Any = ensemble.networks(never._view(SPACE, story.history, 0), 100)
    assert plain.surrogate.trainer == MlpMember(epochs=ensemble.EPOCHS)


@pytest.mark.parametrize("tunable", [forest.TUNABLE, ensemble.TUNABLE], ids=["forest", "networks"])
def test_every_corner_of_the_spaces_can_be_judged(
    tunable: Tunable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble, "EPOCHS", 5)
    assert tunable.space.check(tunable.default) == tunable.default
    corners = [
        {p.name: p.from_unit(u) for p in tunable.space.parameters} for u in (0.0, 0.5, 0.9999)
    ]
    for params in (tunable.default, *corners):
        scores = tunable.scores(params, rows_of(30), [3], None)
        assert np.isfinite(scores).sum() >= 8 and np.nanmin(scores) >= 0.0


# -- what is recorded, and what is refused ------------------------------------------------------


def test_decisions_are_read_back_and_other_words_left_alone(tell: Tell) -> None:
    one = Decision(12, {"x": 1}, {"x": 2}, (({"x": 2}, 0.5),), 0.1, 0.75)
    none = Decision(18, {"x": 2}, {"x": 2}, reason="too dear")
    story = tell()
    for text in (one.to_text(), "yes", "[]", "{}", none.to_text(), '{"at": 1}'):
        story.asked({}, "c1", **{RETUNED: text})
    read = list(decisions(story.history.trials))
    assert read[0] == one and [d.to_text() for d in read] == [one.to_text(), none.to_text()]
    assert none.sentence() == "after 18 measurements not re-tuned: too dear; x 2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retune": "always"}, "proposer.retune: unknown 'always'"),
        ({"retune": "auto"}, "strategy 'auto' has no hyperparameters to choose"),
        ({"strategy": "lcb", "retune": "auto"}, "take forest_ucb or ensemble_ucb"),
        ({"strategy": "lcb", "retune_s": 3}, "proposer.retune_s: nothing is re-tuned"),
        (
            {"strategy": "forest_ucb", "retune": "auto", "retune_s": 0},
            "must be a number of seconds > 0, got 0",
        ),
        ({"strategy": "forest_ucb", "retune": "auto", "retune_s": True}, "got True"),
    ],
)
def test_mistakes_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        PoolProposer(Goal("best"), **options)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_never_may_be_said_of_any_strategy() -> None:
    assert PoolProposer(Goal("best"), "lcb", retune="never").retune == "never"
