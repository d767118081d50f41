"""Several targets and limits: the sampler's own mathematics, over a run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from botorch.test_functions.multi_objective import BraninCurrin
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from matscout.event import Event, EventKind
from matscout.parameter import Float
from matscout.propose.gp import GpProposer
from matscout.propose.gp_front import FrontModel
from matscout.propose.gp_front_data import WORKS, OfBound, of_front, of_works
from matscout.propose.gp_front_search import doubting, without_last
from matscout.propose.random import RandomProposer
from matscout.propose.sampler.joint import joint_model
from matscout.propose.toolbox import SpaceTools, generator
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.gp import GaussianProcess
from matscout.trial import Target

PLANE = Space((Float("a", 0, 1), Float("b", 0, 1)))


def told(tell, bilog: bool, others: dict[str, str], n: int = 12):  # type: ignore[no-untyped-def]
    """A plane of which less than half is feasible: by a limit, or as a study tells a constraint."""
    limits = [] if bilog else [{"name": "heat", "max": 3.0}]
    story, rng = tell(others=others, limits=limits), np.random.default_rng(4)
    points = rng.random((n + 2, 2)).round(3)
    over = 3.0 * points.sum(axis=1) - 3.0
    unit = np.median(np.abs(over[:n]))
    for (a, b), c in zip(points[:n].tolist(), over.tolist(), strict=False):
        trial = story.asked({"a": a, "b": b})
        told_as = {"heat": c + 3.0}
        if bilog:
            told_as = {"constraint c": math.copysign(math.log1p(abs(c) / unit), c)}
        story.measured(trial, (a - 0.2) ** 2 + b, z=a - b, **told_as)
    for a, b in points[n:].tolist():
        story.asked({"a": a, "b": b})
    return story


@pytest.mark.parametrize("others", [{}, {"z": "max"}], ids=["one", "two"])
def test_it_proposes_what_the_sampler_proposes_for_the_same_study(tell, others) -> None:  # type: ignore[no-untyped-def]
    run, study = told(tell, False, others), told(tell, True, others)
    tools = SpaceTools(PLANE)
    taken = {tools.key(dict(t.params)) for t in run.history.trials}
    ours = FrontModel(tools, run.history, 3).propose(set(taken), generator(3, 0))
    model = joint_model(tools, study.history, [Target("constraint c", "min")], 3)
    theirs = model.propose(set(taken), generator(3, 0))
    assert ours is not None and theirs is not None
    assert ours.params == pytest.approx(theirs.params, abs=1e-6)
    assert ours.why["p_feasible"] == pytest.approx(theirs.why["feasible"], abs=1e-6)
    assert ours.why["mean"] == pytest.approx(theirs.why["y.mean" if others else "mean"], abs=1e-6)
    assert ours.why["rule"] == theirs.why["rule"] == ("pareto" if others else "log_ei")


def test_a_batch_keeps_the_limit(tell) -> None:  # type: ignore[no-untyped-def]
    story = told(tell, False, {}, 20)
    batch = GpProposer(startup=5).propose(PLANE, story.history, 3, seed=1)
    assert all(float(p.why["p_feasible"]) > 0.5 for p in batch)  # type: ignore[arg-type]
    # The best feasible value lies near (0.2, 0), well within; the plain best too.
    assert all(3.0 * (float(p.params["a"]) + float(p.params["b"])) < 3.4 for p in batch)
    assert len({PLANE.key(p.params) for p in batch}) == 3


def test_where_nothing_is_feasible_what_may_be_is_looked_for(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(limits=[{"name": "heat", "max": 0.5}])
    for a in np.linspace(0.35, 1.0, 8).tolist():  # heat falls toward a = 0, and the value toward 1
        story.measured(story.asked({"a": a, "b": 0.5}), -a, heat=2.0 * a)
    (found,) = GpProposer(startup=5).propose(PLANE, story.history, 1, seed=1)
    assert found.why["rule"] == "feasible" and float(found.params["a"]) < 0.25
    batch = GpProposer(startup=5).propose(PLANE, story.history, 4, seed=1)
    waiting = [story.took(p) for p in batch[:3]]  # and what is under way keeps others off, too
    (later,) = GpProposer(startup=5).propose(PLANE, story.history, 1, seed=1)
    spots = np.array([[p.params["a"], p.params["b"]] for p in (*batch, later)], dtype=float)
    assert len(waiting) == 3 and np.linalg.norm(spots[:4] - spots[3], axis=-1)[:3].min() > 0.02
    assert np.linalg.norm(spots[:3] - spots[4], axis=-1).min() > 0.02


def test_a_belief_about_a_limit_that_is_no_number_is_a_failed_fit(tell) -> None:  # type: ignore[no-untyped-def]
    model = FrontModel(SpaceTools(PLANE), told(tell, False, {}).history, 3)
    joint = model._joint
    joint._limits = [replace(belief, y=belief.y * math.nan) for belief in joint._limits]
    with pytest.raises(FitFailed, match="not finite"):
        model.propose(set(), generator(3, 0))


def test_a_doubted_point_is_believed_to_break_what_it_hardly_keeps() -> None:
    X = torch.linspace(0.0, 1.0, 9, dtype=torch.float64).unsqueeze(-1)
    easy, hard = 2.0 + 0.0 * X + 0.3 * torch.sin(4 * X), 1.0 - 2.0 * X
    unknown = torch.full_like(X, torch.nan)
    limits = [GaussianProcess(groups=[0]).fit(X, y, unknown) for y in (easy, hard)]
    rows = torch.tensor([[0.52], [0.45]], dtype=torch.float64)
    told = doubting(limits, rows)
    for before, after, y in zip(limits, told, (easy, hard), strict=True):
        torch.testing.assert_close(without_last(after, 2).y, before.y)
        told_of = after.loc + after.scale * after.y[-2:]
        mean, sd = before.mean_sd(rows)
        if y is easy:
            torch.testing.assert_close(told_of, mean)
            continue
        draws = torch.randn(400_000, 2, generator=torch.Generator().manual_seed(1), dtype=X.dtype)
        draws = mean + sd * draws  # the expectation, by brute force
        for k in range(2):
            below = draws[:, k][draws[:, k] < 0]
            assert float(told_of[k]) < 0.0
            if len(below) > 1000:  # of a sure thing no draw is below
                assert float(told_of[k]) == pytest.approx(float(below.mean()), rel=0.05)


def test_with_several_targets_failures_teach_where_experiments_work(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(others={"z": "min"})
    for k, a in enumerate(np.linspace(0.0, 1.0, 12).tolist()):
        trial = story.asked({"a": a, "b": (k * 0.618) % 1})
        if a > 0.5:
            story.ended(trial, EventKind.FAILED)
        else:
            story.measured(trial, -a, z=-(a**2))  # both are best where nothing works
    batch = GpProposer(startup=5).propose(PLANE, story.history, 3, seed=1)
    assert all(float(p.params["a"]) < 0.75 for p in batch)
    assert all(0.0 < float(p.why["p_feasible"]) <= 1.0 for p in batch)  # type: ignore[arg-type]


def test_bounds_are_read_as_slack_in_logs(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(limits=[{"name": "heat", "min": -1.0, "max": 3.0}])
    heats, sem = [-2.0, -1.0, 2.0, 3.0, 7.0], 0.1
    for k, heat in enumerate(heats):
        story.asked({"a": k / 8, "b": 0.5})
        body = {"values": {"y": 0.0, "heat": heat}, "sem": {"heat": sem}}
        story.say(Event(EventKind.MEASURED, k, 1, body))
    (limit,) = story.history.limits
    reads = [OfBound("heat", bound, sign) for _, bound, sign in limit.bounds]
    low, high = (read(story.history, Target("heat")) for read in reads)
    slack = np.array([-1.0, 0.0, 3.0, 4.0, 8.0])
    unit = np.median([1.0, 3.0, 4.0, 8.0])
    np.testing.assert_allclose(low.y, np.sign(slack) * np.log1p(np.abs(slack) / unit))
    np.testing.assert_array_equal(high.y > 0, [True, True, True, False, False])
    assert high.y[3] == 0.0
    step = 1e-6  # the error as the derivative carries it over
    moved = np.sign(slack) * np.log1p(np.abs(slack + step) / unit)
    rate = np.abs(moved[[0, 2, 3, 4]] - low.y[[0, 2, 3, 4]]) / step
    np.testing.assert_allclose(low.yvar[[0, 2, 3, 4]], (rate * sem) ** 2, rtol=1e-4)


def test_pruned_trials_count_and_failed_ones_are_labels(tell) -> None:  # type: ignore[no-untyped-def]
    story = tell(others={"z": "max"})
    for k in range(4):
        story.measured(story.asked({"a": k / 8, "b": 0.1}), float(k), z=10.0 * k)
    pruned = story.asked({"a": 0.9, "b": 0.9})
    story.reported(pruned, 1, 8.0)
    story.ended(pruned, EventKind.PRUNED)
    story.ended(story.asked({"a": 0.8, "b": 0.8}), EventKind.INVALID)
    waiting = story.asked({"a": 0.7, "b": 0.7})
    y, z = story.history.targets
    assert of_front(story.history, y).y.tolist() == [0.0, -1.0, -2.0, -3.0, -8.0]
    assert of_front(story.history, z).y.tolist() == [0.0, 10.0, 20.0, 30.0, 15.0]
    works = of_works(story.history, WORKS)
    assert works.y.tolist() == [1.0, 1.0, 1.0, 1.0, -1.0]
    assert [t.id for t in works.believed] == [waiting]
    assert of_works(story.history, WORKS, ended=2).y.tolist() == [1.0, 1.0]


@pytest.mark.slow
def test_it_beats_random_on_branin_currin(tell) -> None:  # type: ignore[no-untyped-def]
    """Dominated hypervolume after 30 trials, three seeds. Measured: 55.5, 54.6 and 55.4 against 0, 34
    and 21."""
    problem = BraninCurrin(negate=True)

    def volume(proposer, seed: int) -> float:  # type: ignore[no-untyped-def]
        story = tell(direction="max", others={"z": "max"}, seed=seed)
        for ask in range(30):
            (found,) = proposer.propose(PLANE, story.history, 1, seed=1000 * seed + ask)
            point = torch.tensor([[found.params["a"], found.params["b"]]], dtype=torch.double)
            y, z = problem(point)[0].tolist()
            story.measured(story.took(found), y, z=z)
        Y = torch.tensor([[t.values["y"], t.values["z"]] for t in story.history.completed])
        return Hypervolume(problem.ref_point).compute(Y[is_non_dominated(Y)])

    for seed in range(3):
        assert volume(GpProposer(), seed) > 50.0 > volume(RandomProposer(), seed)
