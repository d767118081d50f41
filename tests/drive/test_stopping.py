"""Stopping rules against closed forms, brute force and hand-made beliefs; and the loop obeying them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matscout.drive.loop import Loop
from matscout.drive.policy import Policy
from matscout.drive.pool_belief import PlainForecaster
from matscout.drive.stop_rules import (
    NothingBetter,
    Plateau,
    Regret,
    Seen,
    probability_any_above,
    quiet_chance,
    regret_bound,
)
from matscout.drive.stopping import StopRules, rules_of
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.goal import Goal
from matscout.history import History
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.base import Forecast
from matscout.space import Space

LINE = Space((Float("x", 0, 1),))


def history(values: list[float], direction: str = "max", sem: float = 0.0) -> History:
    events = [Event(EventKind.CREATED, body={"targets": [{"name": "y", "direction": direction}]})]
    for i, value in enumerate(values):
        events.append(Event(EventKind.ASKED, i, body={"params": {}, "candidate": f"c{i}"}))
        body = {"values": {"y": value}, "sem": {"y": sem} if sem else {}}
        events.append(Event(EventKind.MEASURED, i, 1, body))
    return History(events)


def pool_of(size: int) -> Space:
    rows = [{"id": f"c{i}", "x": float(i)} for i in range(size)]
    return Space(pool=Pool.from_rows(rows))


def forecast(
    mean: list[float], sd: list[float], noise: float = 0.0, works: float = 1.0
) -> Forecast:
    m, s = np.array(mean, dtype=float), np.array(sd, dtype=float)
    half = 1.6448536269514722 * np.sqrt(s**2 + noise**2)
    return Forecast(m, s, m - half, m + half, m, np.full(len(m), works), "test", noise)


def seen(h: History, f: Forecast | None, goal: Goal | None = None, size: int = 0) -> Seen:
    space = LINE if not size else pool_of(size)
    return Seen(h, space, goal or Goal(), f)


# -- formulas -----------------------------------------------------------------------------------


def test_quiet_chance_counts_orders() -> None:
    for n, finds in ((6, 1), (6, 2), (7, 3)):
        for quiet in range(n + 1):
            places = list(combinations(range(n), finds))
            brute = sum(max(p) < n - quiet for p in places) / len(places)
            assert quiet_chance(n, finds, quiet) == pytest.approx(brute)


def test_probability_of_anything_above_is_what_draws_give() -> None:
    mean, sd = np.array([0.0, 0.5, -1.0, 0.2]), np.array([1.0, 0.3, 0.0, 2.0])
    works = np.array([1.0, 0.5, 1.0, 0.8])
    rng = np.random.default_rng(0)
    draws = mean + sd * rng.normal(size=(400_000, 4))
    alive = rng.random((400_000, 4)) < works
    brute = ((draws > 1.0) & alive).any(axis=1).mean()
    assert probability_any_above(mean, sd, works, 1.0) == pytest.approx(brute, abs=0.004)
    assert probability_any_above(np.full(9, -50.0), np.ones(9), np.ones(9), 0.0) == 0.0
    assert probability_any_above(np.array([2.0]), np.zeros(1), np.ones(1), 1.0) == 1.0


def test_independence_is_an_upper_bound_under_positive_correlation() -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(200_000, 1))
    draws = 0.8 * shared + 0.6 * rng.normal(size=(200_000, 12))
    brute = (draws > 2.0).any(axis=1).mean()
    said = probability_any_above(np.zeros(12), np.ones(12), np.ones(12), 2.0)
    assert brute < said < 0.3


def test_regret_bound_by_hand() -> None:
    mean, sd = np.array([1.0, 3.0, 2.0]), np.array([0.5, 0.1, 1.0])
    measured = np.array([False, True, False])
    beta = 0.4 * np.log(3 * 1**2 * np.pi**2 / 0.6)
    upper, lower = mean + np.sqrt(beta) * sd, mean - np.sqrt(beta) * sd
    assert regret_bound(mean, sd, measured) == pytest.approx(upper.max() - lower[1])


def test_regret_bound_holds_nine_times_in_ten() -> None:
    """Truths drawn from the very beliefs: the bound may fail in at most one case of ten."""
    rng = np.random.default_rng(2)
    failures = 0
    for _ in range(300):
        mean, sd = rng.normal(size=50), rng.uniform(0.05, 1.0, 50)
        measured = np.arange(50) < 12
        sd[measured] = 0.02
        truth = mean + sd * rng.normal(size=50)
        regret = truth.max() - truth[int(np.argmax(np.where(measured, mean, -np.inf)))]
        failures += regret > regret_bound(mean, sd, measured)
    assert failures <= 30


# -- rules --------------------------------------------------------------------------------------


def test_plateau_waits_for_its_patience() -> None:
    rising = [float(i) for i in range(30)]
    assert not Plateau(5).verdict(seen(history(rising), None)).stop
    quiet = [0.0, 9.0, *[1.0] * 5]
    verdict = Plateau(5).verdict(seen(history(quiet), None))
    assert verdict.stop and "no better value in the last 5 of 7" in verdict.text
    assert not Plateau(6).verdict(seen(history(quiet), None)).stop
    assert Plateau(5).verdict(seen(history([-v for v in quiet], "min"), None)).stop
    assert not Plateau().verdict(seen(history([9.0, *[1.0] * 19]), None)).stop  # twenty at least
    assert Plateau().verdict(seen(history([9.0, *[1.0] * 20]), None)).stop
    assert not Plateau(1).verdict(seen(history([]), None)).stop


def test_plateau_says_what_chance_would_say() -> None:
    text = Plateau(3).verdict(seen(history([0.0, 9.0, 1.0, 1.0]), None, size=8)).text
    assert "in 50 of 100 cases" in text and "4 of 8 candidates are left" in text


def test_an_equal_value_is_no_improvement() -> None:
    assert Plateau(3).verdict(seen(history([9.0, 9.0, 9.0, 9.0]), None)).stop


@pytest.mark.parametrize(
    ("goal", "stops"),
    [(Goal("rare", threshold=5.0), False), (Goal("threshold", threshold=8.5), True)],
)
def test_plateau_counts_finds_for_goals_with_a_limit(goal: Goal, stops: bool) -> None:
    values = [9.0, 1.0, 6.0, 1.0, 2.0, 6.5]
    verdict = Plateau(4).verdict(seen(history(values), None, goal))
    assert verdict.stop is stops and "no find" in verdict.text


def test_plateau_of_the_top_counts_every_member() -> None:
    values = [9.0, 1.0, 2.0, 8.0, 0.0, 0.5]
    top = Goal("top", top=0.2)  # two of ten
    assert "in the last 2 of 6" in Plateau(3).verdict(seen(history(values), None, top, 10)).text


def test_nothing_better_sums_what_is_left() -> None:
    h = history([1.0, 3.0])
    sure = forecast([1.0, 3.0, 0.0, 1.0], [0.01, 0.01, 0.5, 0.5])
    verdict = NothingBetter(0.01).verdict(seen(h, sure, size=4))
    assert verdict.stop and "2 candidates left" in verdict.text and "independent" in verdict.text
    hopeful = forecast([1.0, 3.0, 2.9, 1.0], [0.01, 0.01, 0.5, 0.5])
    verdict = NothingBetter(0.3).verdict(seen(h, hopeful, size=4))
    assert not verdict.stop and "42.1 % probability" in verdict.text
    broken = forecast([1.0, 3.0, 2.9, 1.0], [0.01, 0.01, 0.5, 0.5], works=0.1)
    assert NothingBetter(0.3).verdict(seen(h, broken, size=4)).stop


def test_nothing_better_minimises_too_and_minds_the_goal() -> None:
    h = history([1.0, 3.0], "min")
    f = forecast([1.0, 3.0, 2.0], [0.01, 0.01, 0.3])
    assert NothingBetter(0.05).verdict(seen(h, f, size=3)).stop
    limit = Goal("threshold", threshold=2.0)
    verdict = NothingBetter(0.05).verdict(seen(h, f, limit, size=3))
    assert not verdict.stop and "50 % probability" in verdict.text and "passes 2" in verdict.text
    assert not NothingBetter().verdict(seen(h, f, Goal("model"), size=3)).stop
    top = NothingBetter(0.05).verdict(seen(h, f, Goal("top", top=0.5), size=3))
    assert "among the best 2" in top.text and not top.stop


def test_nothing_left_is_a_reason_to_stop() -> None:
    f = forecast([1.0, 2.0], [0.1, 0.1])
    assert NothingBetter().verdict(seen(history([1.0, 2.0]), f, size=2)).stop


def test_what_failed_is_not_left() -> None:
    h = history([1.0, 3.0])
    h.apply(Event(EventKind.ASKED, 2, body={"params": {}, "candidate": "c2"}))
    f = forecast([1.0, 3.0, 9.0, 0.0], [0.01] * 4)
    assert not NothingBetter().verdict(seen(h, f, size=4)).stop  # on its way is not yet known
    h.apply(Event(EventKind.FAILED, 2, 1, {"reason": "melted"}))
    assert NothingBetter().verdict(seen(h, f, size=4)).stop
    assert Regret(0.1).verdict(seen(h, f, size=4)).stop


def test_regret_is_held_against_tolerance_or_noise() -> None:
    f = forecast([1.0, 3.0, 2.0], [0.01, 0.01, 0.2], noise=0.5)
    h = history([1.0, 3.0])
    quiet = Regret().verdict(seen(h, f, size=3))
    assert quiet.stop and "within the noise of a measurement of 0.5" in quiet.text
    loud = forecast([1.0, 3.0, 2.9], [0.01, 0.01, 2.0], noise=0.5)
    assert not Regret().verdict(seen(h, loud, size=3)).stop
    assert Regret(50.0).verdict(seen(h, loud, size=3)).stop
    known = Regret().verdict(seen(history([1.0, 3.0], sem=0.001), f, size=3))
    assert not known.stop and "standard error of 0.001" in known.text
    silent = forecast([1.0, 3.0, 2.0], [0.01, 0.01, 0.2])
    assert "give stop.regret a tolerance" in Regret().verdict(seen(h, silent, size=3)).text
    assert not Regret(9.0).verdict(seen(h, f, Goal("rare", threshold=2.0), size=3)).stop


@pytest.mark.parametrize("rule", [Regret(), NothingBetter()])
def test_rules_without_a_model_say_why_they_are_silent(rule: Any) -> None:
    h = history([1.0, 2.0])
    assert "needs a pool" in rule.verdict(seen(h, None)).text
    assert "too little data" in rule.verdict(seen(h, None, size=3)).text


# -- config -------------------------------------------------------------------------------------


def test_rules_of_a_table() -> None:
    found = rules_of({"plateau": {"experiments": 7}, "regret": True, "nothing_better": False})
    assert found == (Regret(), Plateau(7))
    assert rules_of({}) == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"plateu": True}, "stop: unknown key 'plateu'; did you mean 'plateau'?"),
        ({"plateau": {"experiment": 3}}, "stop.plateau: unknown key 'experiment'; did you mean"),
        ({"plateau": 3}, "stop.plateau: must be true or a table, got 3"),
        ({"plateau": {"experiments": 0}}, "stop.plateau.experiments: must be at least 1"),
        ({"plateau": {"experiments": True}}, "must be a whole number, got True"),
        ({"nothing_better": {"probability": 1.5}}, "must lie between 0 and 1, got 1.5"),
        ({"nothing_better": {"probability": "low"}}, "must lie between 0 and 1, got 'low'"),
        ({"regret": {"tolerance": float("inf")}}, "must be a positive number, got inf"),
    ],
)
def test_mistakes_in_the_table(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        rules_of(table)
    assert message in str(error.value)


def test_a_rule_that_needs_a_pool_is_refused_without_one() -> None:
    with pytest.raises(InputError, match=r"stop.regret: needs a pool of candidates; use plateau"):
        rules_of({"regret": True}, pool=False)


# -- StopRules and the loop ---------------------------------------------------------------------


class Counted:
    def __init__(self, answer: Forecast | None) -> None:
        self.answer, self.calls = answer, 0

    def forecast(self, space: Space, history: History) -> Forecast | None:
        self.calls += 1
        return self.answer


def test_advice_covers_every_rule_and_verdict_only_those_switched_on() -> None:
    h = history([3.0, *[1.0] * 12])
    mean: NDArray[np.float64] = np.array([3.0, *[1.0] * 13])
    counted = Counted(forecast(mean.tolist(), [0.01] * 14, noise=0.1))
    rules = StopRules(pool_of(14), Goal(), counted, (Plateau(20), NothingBetter()))
    said = {a.name: a for a in rules.advice(h)}
    assert [said[n].on for n in ("regret", "nothing_better", "plateau")] == [False, True, True]
    assert said["regret"].stop and said["nothing_better"].stop and not said["plateau"].stop
    first = rules.verdict(h)
    assert first.startswith("nothing_better: ")
    before = counted.calls
    assert rules.verdict(h) == first and counted.calls == before  # the same history: no new fit
    off = StopRules(pool_of(14), Goal(), counted)
    assert off.verdict(h) == "" and counted.calls == before
    assert [a.name for a in StopRules(LINE, Goal(), None).advice(h)] == ["plateau"]


def test_a_cached_verdict_cannot_be_seen() -> None:
    long = history([9.0, *[1.0] * 8])
    rules = StopRules(LINE, Goal(), None, (Plateau(8),))
    grown = history([9.0])
    for i in range(1, 9):
        rules.verdict(grown)
        for event in (
            Event(EventKind.ASKED, i, body={"params": {}, "candidate": f"c{i}"}),
            Event(EventKind.MEASURED, i, 1, {"values": {"y": 1.0}}),
        ):
            grown.apply(event)
    fresh = StopRules(LINE, Goal(), None, (Plateau(8),))
    assert rules.verdict(grown) == fresh.verdict(long) != ""


def test_the_loop_stops_for_the_reason_and_would_again(
    make_loop: Callable[..., Loop], scripted: Any
) -> None:
    def always(history: History) -> str:
        return "plateau: enough" if len(history.completed) >= 4 else ""

    loop = make_loop(stop=always, fleet=scripted(slots=2), policy=Policy(trials=20, slots=2))
    assert loop.run() == "plateau: enough"
    assert len(loop.history.completed) == len(loop.history.trials) == 5  # one was on its way
    assert loop.history.stopped == "plateau: enough"
    parts = {k: getattr(loop, k) for k in ("journal", "history", "policy", "stop")}
    again = make_loop(fleet=scripted(slots=2), **parts)
    assert again.run() == "plateau: enough" and len(again.history.trials) == 5


def test_the_plain_forecaster_says_what_a_gp_believes() -> None:
    space = pool_of(12)
    assert PlainForecaster().forecast(space, history([1.0, 2.0])) is None
    assert PlainForecaster().forecast(LINE, history([1.0, 2.0, 3.0])) is None
    h = history([float(i) for i in range(6)], "min")
    said = PlainForecaster().forecast(space, h)
    assert said is not None and said.mean.shape == (12,) and said.rule == "gp"
    assert np.abs(said.mean[:6] - np.arange(6)).max() < 0.5  # the target's own sign
    assert (said.low < said.mean).all() and (said.mean < said.high).all()
    assert said.sd[11] > 3 * said.sd[3]
    np.testing.assert_array_equal(PlainForecaster().forecast(space, h).mean, said.mean)  # type: ignore[union-attr]
