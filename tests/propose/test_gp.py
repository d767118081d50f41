from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.test_functions import Branin

from matscout.errors import InputError
from matscout.event import EventKind
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.pool import Pool
from matscout.propose import gp_space
from matscout.propose.acquisitions import acquisition
from matscout.propose.gp import GpProposer
from matscout.propose.gp_pool import PoolModel
from matscout.propose.gp_space import SpaceModel
from matscout.propose.random import RandomProposer
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.gp import GaussianProcess

LINE = Space((Float("x", 0, 1),))


def line(tell, direction: str = "min", scale: float = 1.0):  # type: ignore[no-untyped-def]
    """A valley at 0.4 seen at eight points (a hill, if it is maximised)."""
    story = tell(direction=direction)
    sign = 1.0 if direction == "min" else -1.0
    for k in range(8):
        x = k / 7
        story.measured(story.asked({"x": x}), sign * scale * ((x - 0.4) ** 2 + 3.0))
    return story


def test_branin_is_solved_where_chance_is_far_off(tell) -> None:  # type: ignore[no-untyped-def]
    branin, space = Branin(), Space((Float("a", -5, 10), Float("b", 0, 15)))

    def best(proposer) -> float:  # type: ignore[no-untyped-def]
        story = tell()
        for ask in range(26):
            trial = story.took(proposer.propose(space, story.history, 1, seed=ask)[0])
            point = [[float(story.history.trials[trial].params[n]) for n in "ab"]]
            story.measured(trial, float(branin(torch.tensor(point, dtype=torch.float64))))
        return story.history.best().values["y"] - branin.optimal_value

    assert best(GpProposer()) < 0.3
    assert best(RandomProposer()) > 0.5


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_reason_is_given_in_the_units_and_direction_of_the_target(tell, scale) -> None:  # type: ignore[no-untyped-def]
    for direction, sign in (("min", 1.0), ("max", -1.0)):
        story = line(tell, direction, scale)
        (bound,) = GpProposer(startup=3, acquisition="lcb", beta=2.0).propose(
            LINE, story.history, 1, seed=0
        )
        why = bound.why
        assert why["rule"] == "lcb"
        assert 2.8 * scale < sign * why["mean"] < 3.4 * scale
        assert 0 < why["sd"] < 0.2 * scale
        assert why["acquisition"] == pytest.approx(why["mean"] - sign * 2.0 * why["sd"])
        (wide,) = GpProposer(startup=3, acquisition="sd").propose(LINE, story.history, 1, seed=0)
        assert wide.why["acquisition"] == pytest.approx(wide.why["sd"])
        (ei,) = GpProposer(startup=3, acquisition="log_ei").propose(LINE, story.history, 1, seed=0)
        assert ei.why["acquisition"] < math.log(scale)


def test_log_ei_and_lcb_take_turns_in_and_across_batches(tell) -> None:  # type: ignore[no-untyped-def]
    story, proposer = line(tell), GpProposer(startup=3)
    rules = []
    for ask in range(3):
        proposals = proposer.propose(LINE, story.history, 1 + ask % 2, seed=ask)
        rules += [p.why["rule"] for p in proposals]
        for proposal in proposals:
            story.measured(story.took(proposal), 3.0)
    assert rules == ["lcb", "log_ei", "lcb", "log_ei"]


def test_the_start_lasts_for_the_asks_it_was_given_and_until_there_are_data(tell) -> None:  # type: ignore[no-untyped-def]
    story, proposer = tell(), GpProposer(startup=3)
    rules = []
    for ask in range(6):
        (proposal,) = proposer.propose(LINE, story.history, 1, seed=ask)
        rules.append(proposal.why["rule"])
        trial = story.took(proposal)
        if trial > 1:
            story.measured(trial, float(trial))
    assert rules == ["sobol"] * 4 + ["lcb", "log_ei"]


def test_a_batch_is_spread(tell) -> None:  # type: ignore[no-untyped-def]
    story = line(tell)
    proposals = GpProposer(startup=3, acquisition="sd").propose(LINE, story.history, 4, seed=0)
    xs = sorted(float(p.params["x"]) for p in proposals)
    assert min(np.diff(xs)) > 0.05


def test_pending_points_count_as_asked(tell) -> None:  # type: ignore[no-untyped-def]
    story, proposer = line(tell), GpProposer(startup=3, acquisition="lcb")
    (first,) = proposer.propose(LINE, story.history, 1, seed=0)
    story.took(first)
    (second,) = proposer.propose(LINE, story.history, 1, seed=0)
    at_once = proposer.propose(LINE, line(tell).history, 2, seed=0)
    assert at_once[0].params == first.params
    assert abs(float(second.params["x"]) - float(first.params["x"])) > 1e-3


def test_failures_are_kept_away_from(tell) -> None:  # type: ignore[no-untyped-def]
    """Where every second trial fails, the model must not go on asking there."""
    story = tell()
    for k in range(12):
        x = k / 11
        trial = story.asked({"x": x})
        if x > 0.5:
            story.ended(trial, EventKind.FAILED)
        else:
            story.measured(trial, 1.0 - x)  # it gets better toward the cliff
    proposals = GpProposer(startup=3, acquisition="log_ei").propose(LINE, story.history, 5, seed=0)
    assert sum(float(p.params["x"]) > 0.6 for p in proposals) <= 1


def test_more_rows_than_the_posterior_takes(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(gp_space, "MAX_ROWS", 6)
    story = tell()
    for k in range(20):
        story.measured(story.asked({"x": k / 19}), abs(k / 19 - 0.5))
    tools, target = SpaceTools(LINE), story.history.targets[0]
    model = SpaceModel(tools, story.history, target)
    kept = sorted(round(19 * x) for x in model._X[:, 0].tolist())
    assert kept == [8, 9, 10, 17, 18, 19] or kept == [9, 10, 11, 17, 18, 19]
    assert GpProposer(startup=3).propose(LINE, story.history, 1, seed=0)


def test_a_fit_that_fails_falls_back_and_says_so(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def fails(*_: object) -> None:
        raise FitFailed("the matrix is cursed")

    monkeypatch.setattr(GaussianProcess, "_fit", fails)
    pool = Pool(("p", "q", "r"), {"x": (1.0, 2.0, 3.0)}, ("x",))
    for space in (LINE, Space(pool=pool)):
        story = tell()
        for k in range(2):
            params = {"x": float(k)} if space is LINE else pool.params("pq"[k])
            story.measured(story.asked(params, None if space is LINE else "pq"[k]), float(k))
        (proposal,) = GpProposer(startup=2).propose(space, story.history, 1, seed=0)
        rule = "tpe" if space is LINE else "random"
        assert proposal.why == {"rule": rule, "fallback": "the matrix is cursed"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"startup": -1}, "startup: must be a whole number"),
        ({"startup": True}, "startup: must be a whole number"),
        ({"acquisition": "lbc"}, "unknown 'lbc'; did you mean 'lcb'"),
        ({"beta": -1.0}, "beta: must be a number"),
        ({"beta": math.nan}, "beta: must be a number"),
        ({"start": "sobel"}, "did you mean 'sobol'"),
    ],
)
def test_options_are_checked(options, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        GpProposer(**options)


# -- pools -----------------------------------------------------------------------------------


def pool_of(n: int, d: int = 2) -> Pool:
    table = np.random.default_rng(1).random((n, d))
    columns = {f"f{j}": tuple((1e3 * table[:, j]).tolist()) for j in range(d)}
    return Pool(tuple(f"c{i}" for i in range(n)), columns, tuple(columns))


def measured(tell, pool: Pool, n: int, direction: str = "max"):  # type: ignore[no-untyped-def]
    story = tell(direction=direction)
    for i in range(n):
        params = pool.params(f"c{i}")
        trial = story.asked(params, f"c{i}")
        story.measured(trial, -((params["f0"] - 600) ** 2) / 1e5 - params["f1"] / 1e3)
    return story


@pytest.mark.parametrize("rule", ["lcb", "log_ei", "sd", "alternate"])
@pytest.mark.parametrize("pending", [0, 3])
def test_picks_are_those_of_a_full_scoring(tell, monkeypatch, rule: str, pending: int) -> None:  # type: ignore[no-untyped-def]
    """The pool is scored once and the leaders again; that changes no pick."""
    monkeypatch.setattr("matscout.propose.gp_pool._BLOCK", 7)
    pool = pool_of(300)
    story = measured(tell, pool, 12)
    for i in range(100, 100 + pending):
        story.asked(pool.params(f"c{i}"), f"c{i}")
    proposer = GpProposer(startup=2, acquisition=rule, beta=1.5)
    picked = proposer.propose(Space(pool=pool), story.history, 6, seed=0)

    unit = torch.from_numpy(pool.matrix)
    unit = (unit - unit.min(0).values) / (unit.max(0).values - unit.min(0).values)
    y = [[t.values["y"]] for t in story.history.completed]
    posterior = GaussianProcess().fit(unit[:12], torch.tensor(y, dtype=torch.float64))
    seen = [*range(12), *range(100, 100 + pending)]
    posterior = posterior.believe(unit[seen[12:]])
    expected = []
    for place in range(len(seen), len(seen) + 6):
        card = acquisition(rule, place, posterior, unit[seen], 1.5)
        with torch.no_grad():
            scores = card(posterior, unit.unsqueeze(-2))
        scores[seen] = -torch.inf
        row = int(scores.argmax())
        expected.append(f"c{row}")
        seen.append(row)
        posterior = posterior.believe(unit[row : row + 1])
    assert [p.candidate for p in picked] == expected


def test_a_batch_is_not_the_top_of_the_list(tell) -> None:  # type: ignore[no-untyped-def]
    pool = pool_of(300)
    story = measured(tell, pool, 12)
    picked = GpProposer(startup=2, acquisition="sd").propose(
        Space(pool=pool), story.history, 5, seed=0
    )
    spots = np.array([[p.params["f0"], p.params["f1"]] for p in picked], dtype=float)
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 1e9 * np.eye(5)
    assert gaps.min() > 100  # of 1000; their neighbours in the pool are at some 40


def test_it_finds_the_best_of_a_pool_sooner_than_chance(tell) -> None:  # type: ignore[no-untyped-def]
    pool, space = pool_of(200), Space(pool=pool_of(200))
    story, proposer = measured(tell, pool, 2), GpProposer(startup=2)
    for ask in range(12):
        (proposal,) = proposer.propose(space, story.history, 1, seed=ask)
        p = proposal.params
        value = -((p["f0"] - 600) ** 2) / 1e5 - p["f1"] / 1e3
        story.measured(story.took(proposal), value)
    truth = [
        -((pool.params(c)["f0"] - 600) ** 2) / 1e5 - pool.params(c)["f1"] / 1e3 for c in pool.ids
    ]
    top = sorted(truth)[-5:]
    assert story.history.best().values["y"] >= top[0]


def test_positions_in_the_pool_do_not_matter(tell) -> None:  # type: ignore[no-untyped-def]
    pool = pool_of(60)
    turned = Pool(pool.ids[::-1], {k: v[::-1] for k, v in pool.columns.items()}, pool.features)
    proposer = GpProposer(startup=2)
    ours = proposer.propose(Space(pool=pool), measured(tell, pool, 9).history, 4, seed=0)
    theirs = proposer.propose(Space(pool=turned), measured(tell, turned, 9).history, 4, seed=0)
    assert [p.candidate for p in ours] == [p.candidate for p in theirs]


def test_failed_candidates_are_not_asked_again_and_do_no_harm(tell) -> None:  # type: ignore[no-untyped-def]
    pool = pool_of(20)
    story = measured(tell, pool, 8)
    story.ended(story.asked(pool.params("c9"), "c9"), EventKind.FAILED)
    proposals = GpProposer(startup=2).propose(Space(pool=pool), story.history, 50, seed=0)
    asked = {f"c{i}" for i in range(8)} | {"c9"}
    assert {p.candidate for p in proposals} == set(pool.ids) - asked


def test_pools_that_a_model_cannot_see_into(tell) -> None:  # type: ignore[no-untyped-def]
    flat = Pool(("p", "q", "r"), {"x": (1.0, 1.0, 1.0)}, ("x",))
    infinite = Pool(("p", "q", "r"), {"x": (1.0, math.inf, 1.0)}, ("x",))
    for pool, message in ((flat, "feature that varies"), (infinite, "candidate 'q' has inf")):
        story = tell()
        for candidate in "pq":
            story.measured(story.asked(pool.params(candidate), candidate), 1.0)
        with pytest.raises(InputError, match=message):
            GpProposer(startup=2).propose(Space(pool=pool), story.history, 1, seed=0)


def test_believing_lowers_no_bound_below_the_score() -> None:
    assert all(card.falls_with_sd for card in map(_any_card, ("lcb", "log_ei", "sd")))
    assert PoolModel.__doc__ and "falls_with_sd" in PoolModel.__doc__


def _any_card(name: str):  # type: ignore[no-untyped-def]
    posterior = GaussianProcess().fit(torch.zeros(0, 1).double(), torch.zeros(0, 1).double())
    return acquisition(name, 0, posterior, torch.zeros(1, 1).double(), 1.0)


def test_categories_and_integers_are_modelled(tell) -> None:  # type: ignore[no-untyped-def]
    space = Space((Categorical("k", ("bad", "good", "worse")), Int("n", 0, 20)))
    story, proposer = tell(), GpProposer(startup=6)
    for ask in range(20):
        trial = story.took(proposer.propose(space, story.history, 1, seed=ask)[0])
        p = story.history.trials[trial].params
        story.measured(trial, {"bad": 5.0, "good": 0.0, "worse": 9.0}[p["k"]] + abs(p["n"] - 13))
    assert story.history.best().params == {"k": "good", "n": 13}


def test_a_number_of_one_value_is_no_obstacle(tell) -> None:  # type: ignore[no-untyped-def]
    space = Space((Float("x", 0, 1), Float("y", 0, 1), Ordinal("o", (3,))))
    story, rng = tell(), np.random.default_rng(0)
    for x, y in rng.random((12, 2)).tolist():
        story.measured(story.asked({"x": x, "y": y, "o": 3}), (x - 0.3) ** 2 + y)
    (proposal,) = GpProposer().propose(space, story.history, 1, seed=0)
    assert space.check(proposal.params) == proposal.params
    assert "fallback" not in proposal.why
