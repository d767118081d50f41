"""What a sweep takes from earlier ones, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int
from matscout.propose import transfer_weights
from matscout.propose.prior_run import PRIOR, PriorRun
from matscout.propose.toolbox import SpaceTools
from matscout.propose.transfer import TransferProposer
from matscout.propose.transfer_prior import belief_of
from matscout.propose.transfer_start import _near, best_points
from matscout.propose.transfer_weights import ranking_weights
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.gp import GaussianProcess
from matscout.trial import Target, Value

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
LOSS = Target("loss", "min")

Params = Mapping[str, Value]


def bowl(params: Params) -> float:
    return (float(params["x"]) - 0.3) ** 2 + (float(params["y"]) - 0.7) ** 2


def prior(
    f: Callable[[Params], float], n: int = 20, space: Space = SPACE, name: str = "a"
) -> PriorRun:
    points = SpaceTools(space).sampler.uniform(n, np.random.default_rng(0))
    values = tuple(f(p) for p in points)
    return PriorRun(name, "", tuple(space.by_name), tuple(points), values, (None,) * n)


def history_of(runs: list[PriorRun], seed: int = 3) -> History:
    body: dict[str, Any] = {"targets": [{"name": "loss", "direction": "min"}], "seed": seed}
    body[PRIOR] = [run.to_dict() for run in runs]
    return History([Event(EventKind.CREATED, body=json.loads(json.dumps(body)))])


def ask(history: History, params: Params, why: Params | None = None) -> int:
    trial = len(history.trials)
    body = {"params": dict(params), "why": dict(why or {})}
    history.apply(Event(EventKind.ASKED, trial, body=body))
    history.apply(Event(EventKind.DISPATCHED, trial, 1))
    return trial


def tell(history: History, trial: int, value: float) -> None:
    history.apply(Event(EventKind.MEASURED, trial, 1, {"values": {"loss": value}}))


def sweep(
    proposer: TransferProposer,
    history: History,
    f: Callable[[Params], float],
    trials: int,
    space: Space = SPACE,
) -> list[dict[str, Value]]:
    for i in range(len(history.trials), trials):
        (proposal,) = proposer.propose(space, history, 1, seed=i)
        tell(history, ask(history, proposal.params, proposal.why), f(proposal.params))
    return [dict(t.params) for t in history.trials]


def weights_for(f: Callable[[Params], float], runs: list[PriorRun], left: float = 1.0) -> Any:
    """After twelve trials of the bowl's own run."""
    tools = SpaceTools(SPACE)
    points = tools.sampler.uniform(12, np.random.default_rng(1))
    X = torch.from_numpy(tools.encoding.rows(points))
    y = -np.array([f(p) for p in points])
    own = GaussianProcess().fit(X, torch.from_numpy(y).unsqueeze(-1))
    beliefs = [belief_of(tools, run, LOSS) for run in runs]
    return ranking_weights(own, beliefs, X, y, left, np.random.default_rng(2))


def wild(params: Params) -> float:
    return float(np.cos(17 * float(params["x"])) + np.sin(23 * float(params["y"])))


def test_a_run_that_ranks_alike_is_trusted_and_one_that_misranks_is_not() -> None:
    """On twelve points of a function that twelve points do not tell."""

    def f(p: Params) -> float:
        return wild(p)

    good, bad = prior(f, 120), prior(lambda p: -f(p), 120)
    weights = weights_for(f, [good, bad])
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > 0.5 and weights[1] == 0.0
    assert weights_for(f, [bad]).tolist() == [0.0, 1.0]


def test_another_unit_and_another_offset_change_nothing() -> None:
    plain = weights_for(wild, [prior(wild, 60)])
    scaled = weights_for(wild, [prior(lambda p: 1e6 * wild(p) + 5e6, 60)])
    assert scaled == pytest.approx(plain, abs=0.05)


def test_no_say_is_left_once_the_budget_is_used() -> None:
    assert weights_for(wild, [prior(wild, 60)], left=0.0).tolist() == [0.0, 1.0]


def test_own_losses_are_those_of_true_refits() -> None:
    """Draws of the process without row j, from its own factorisation, misrank as often."""
    tools = SpaceTools(SPACE)
    points = tools.sampler.uniform(9, np.random.default_rng(4))
    X = torch.from_numpy(tools.encoding.rows(points))
    y = -np.array([wild(p) for p in points])
    own = GaussianProcess().fit(X, torch.from_numpy(y).unsqueeze(-1)).standardised
    many = 4000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer_weights, "DRAWS", many)
        got = transfer_weights._own_losses(own, slice(0, 9), y, np.random.default_rng(0))
    K, noise = own.kernel.forward(X, X).detach().numpy(), own.noise.numpy()
    rng, lost = np.random.default_rng(1), np.zeros(many)
    for j in range(9):
        rest = [i for i in range(9) if i != j]
        solve = K[:, rest] @ np.linalg.inv(K[np.ix_(rest, rest)] + np.diag(noise[rest]))
        mean, covariance = solve @ own.y.numpy()[rest], K - solve @ K[rest]
        draws = rng.multivariate_normal(mean, covariance + 1e-9 * np.eye(9), many)
        lost += ((draws[:, j : j + 1] < draws) != (y[j] < y)).sum(axis=1)
    assert got.mean() == pytest.approx(lost.mean(), abs=0.3)


def test_the_best_of_the_earlier_run_comes_first_and_what_follows_is_near_it() -> None:
    history = history_of([prior(bowl)])
    asked = sweep(TransferProposer(budget=30), history, bowl, 12)
    rules = [t.why["rule"] for t in history.trials]
    assert rules[:5] == ["best of earlier runs"] * 2 + ["sobol"] * 3
    assert all(0.0 <= t.why["earlier"] <= 1.0 for t in history.trials[5:])
    assert min(map(bowl, asked[:2])) < 0.03
    assert min(map(bowl, asked)) < 0.001


def test_the_first_points_are_apart() -> None:
    tools, crowded = SpaceTools(SPACE), prior(bowl)
    near = tuple({"x": 0.3 + 1e-4 * i, "y": 0.7} for i in range(20))
    crowded = PriorRun("a", "", ("x", "y"), (*near, *crowded.params), (*map(bowl, near), *crowded.values), (None,) * 40)  # fmt: skip
    points = best_points(tools, [crowded], [belief_of(tools, crowded, LOSS)], 3, 0)
    rows = tools.encoding.rows(points)
    gaps = [np.sqrt(np.mean((a - b) ** 2)) for i, a in enumerate(rows) for b in rows[:i]]
    assert len(points) == 3 and min(gaps) >= 0.1


def test_points_of_runs_that_varied_other_things_are_not_near() -> None:
    assert _near({0: 0.2, 1: 0.8}, {0: 0.25, 1: 0.8})
    assert not _near({0: 0.2, 1: 0.8}, {1: 0.2, 2: 0.8})


def test_a_run_turned_upside_down_does_not_keep_it_from_the_optimum() -> None:
    history = history_of([prior(lambda p: -bowl(p), name="a"), prior(lambda p: -bowl(p), name="b")])
    assert min(map(bowl, sweep(TransferProposer(budget=25), history, bowl, 25))) < 0.003


def test_pure_and_the_same_after_a_resume() -> None:
    history = history_of([prior(bowl), prior(wild, name="b")])
    lasting = TransferProposer(budget=20)
    for trial in range(14):
        (proposal,) = lasting.propose(SPACE, history, 1, seed=trial)
        (again,) = TransferProposer(budget=20).propose(
            Space.from_dict(SPACE.to_dict()), history.fork(), 1, seed=trial
        )
        assert again == proposal
        tell(history, ask(history, proposal.params), bowl(proposal.params))


def test_batches_are_whole_and_hold_no_point_twice() -> None:
    history = history_of([prior(bowl)])
    proposer = TransferProposer(budget=40)
    for round_ in range(3):
        batch = proposer.propose(SPACE, history, 8, seed=round_)
        assert len(batch) == 8
        for trial, p in [(ask(history, p.params), p) for p in batch]:
            tell(history, trial, bowl(p.params))
    assert len({json.dumps(dict(t.params)) for t in history.trials}) == 24


SMALL = Space((Int("a", 0, 3), Categorical("k", ("p", "q")), Int("b", 0, 2, when={"k": ("q",)})))


def small(params: Params) -> float:
    return float(params["a"]) + 2.0 * (params["k"] == "p") + float(params.get("b", 0))


def test_a_small_conditional_space_to_its_end() -> None:
    """Every one of its 16 points once, three of them open at a time; then nothing."""
    history, proposer = history_of([prior(small, 10, SMALL)]), TransferProposer(budget=30)
    open_: list[int] = []
    for i in range(16):
        (proposal,) = proposer.propose(SMALL, history, 1, seed=i)
        assert SMALL.check(proposal.params) == dict(proposal.params)
        open_.append(ask(history, proposal.params))
        if len(open_) == 3:
            trial = open_.pop(0)
            tell(history, trial, small(history.trials[trial].params))
    assert len({SMALL.key(t.params) for t in history.trials}) == 16
    assert proposer.propose(SMALL, history, 1, seed=99) == []


def test_an_earlier_run_with_fewer_parameters() -> None:
    """It says nothing of the one that it did not know, and what it knows is used."""
    line = Space((Float("x", 0.0, 1.0),))
    run = prior(lambda p: (float(p["x"]) - 0.3) ** 2, 20, line)
    belief = belief_of(SpaceTools(SPACE), run, LOSS)
    X = torch.tensor([[0.3, 0.0], [0.3, 1.0]], dtype=torch.float64)
    mean, _ = belief.mean_sd(X)
    assert mean[0] == mean[1]
    history = history_of([run])
    asked = sweep(TransferProposer(budget=30), history, bowl, 12)
    assert abs(float(asked[0]["x"]) - 0.3) < 0.1 and min(map(bowl, asked)) < 0.01


def test_without_earlier_runs_it_is_gp() -> None:
    from matscout.propose.gp import GpProposer

    history = history_of([])
    mine = sweep(TransferProposer(), history, bowl, 11)
    other = history_of([])
    assert sweep(GpProposer(), other, bowl, 11) == mine  # type: ignore[arg-type]


def test_a_model_that_cannot_be_fitted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise FitFailed("no")

    history = history_of([prior(bowl)])
    sweep(TransferProposer(budget=30), history, bowl, 5)
    monkeypatch.setattr("matscout.propose.transfer.fit_pooled", broken)
    (proposal,) = TransferProposer(budget=30).propose(SPACE, history, 1, seed=0)
    assert proposal.why["fallback"] == "no"


def test_options_that_make_no_sense() -> None:
    for option in ("first", "startup", "budget"):
        with pytest.raises(InputError, match=f"proposer.{option}: must be a whole number"):
            TransferProposer(**{option: -1})


def test_no_repeats_on_a_small_grid_with_eight_pending() -> None:
    """60 suggestions, 625 points, 8 pending: promise R6."""
    grid = Space(tuple(Int(name, 0, 4) for name in "abcd"))

    def f(p: Params) -> float:
        return float(sum((int(v) - 1) ** 2 for v in p.values()))

    history, proposer = history_of([prior(f, 40, grid)]), TransferProposer(budget=60)
    for i in range(60):
        (proposal,) = proposer.propose(grid, history, 1, seed=i)
        ask(history, proposal.params)
        if len(history.pending) > 8:
            trial = history.pending[i % 9]
            tell(history, trial.id, f(trial.params))
    assert len({grid.key(t.params) for t in history.trials}) == 60
