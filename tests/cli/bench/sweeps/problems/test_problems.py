from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from botorch.test_functions import synthetic
from botorch.test_functions.multi_objective import C2DTLZ2, DTLZ2, BraninCurrin

from matscout.cli.bench.sweeps.problems import corrupted, jenatton, plain
from matscout.cli.bench.sweeps.problems.named import MAKES, SYNTHETIC, chosen, problem
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem, Single
from matscout.cli.bench.sweeps.problems.tables import TableProblem
from matscout.errors import InputError
from matscout.parameter import Categorical, Ordinal
from matscout.propose.sampling import Sampler
from matscout.space import Space
from matscout.trial import Target

OURS = chosen("synthetic")


def made(name: str) -> Any:
    return problem(name, {})


def points(one: Problem, n: int = 32) -> list[dict[str, Any]]:
    return Sampler(one.space).uniform(n, np.random.default_rng(3))


def row(point: dict[str, Any], d: int) -> torch.Tensor:
    return torch.tensor([[float(point[f"x{i + 1}"]) for i in range(d)]], dtype=torch.double)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("branin", synthetic.Branin()),
        ("hartmann6_60", synthetic.Hartmann(6)),
        ("ackley5", synthetic.Ackley(5, bounds=[(-5.0, 10.0)] * 5)),
        ("levy10", synthetic.Levy(10)),
        ("ackley_mixed", synthetic.AckleyMixed(53)),
        ("labs30", synthetic.Labs(30)),
        ("pressure_vessel", synthetic.PressureVessel()),
        ("speed_reducer", synthetic.SpeedReducer()),
        ("branin_currin", BraninCurrin()),
        ("c2dtlz2", C2DTLZ2(dim=4, num_objectives=2)),
        ("dtlz2", DTLZ2(dim=6, num_objectives=2)),
    ],
)
def test_a_trial_says_what_botorch_says(name: str, function: Any) -> None:
    one = made(name)
    for point in points(one):
        seen, X = one.observed(point, 0, 0), row(point, function.dim)
        assert list(seen.values) == pytest.approx(function(X).reshape(-1).tolist(), rel=1e-12)
        assert len(seen.constraints) == one.limits
        if one.limits:
            assert seen.feasible == bool(function.is_feasible(X)[0])


@pytest.mark.parametrize("name", OURS)
def test_nothing_is_better_than_the_optimum(name: str) -> None:
    one = made(name)
    told = [(p, one.observed(p, i, 0)) for i, p in enumerate(points(one, 200))]
    regrets = one.regrets(told)
    assert len(regrets) == 200 and min(regrets) >= 0.0 and one.unit > 0
    assert one.budget >= 40 and one.kind in SYNTHETIC


@pytest.mark.parametrize(
    "name", ["branin", "hartmann6_60", "ackley5", "levy10", "ackley_mixed", "labs30"]
)
def test_at_botorchs_optimum_there_is_no_regret(name: str) -> None:
    one = made(name)
    best = one.function.optimizers[0].tolist()
    whole = set(one.function.discrete_inds)
    point = {f"x{i + 1}": round(v) if i in whole else v for i, v in enumerate(best)}
    # BoTorch gives Hartmann's place to five digits and the merit of Labs to four.
    assert one.regrets([(point, one.observed(point, 0, 0))])[0] == pytest.approx(0.0, abs=2e-6)


def test_the_designs_known_optima_are_feasible_to_rounding_and_as_good_as_said() -> None:
    vessel, reducer = made("pressure_vessel"), made("speed_reducer")
    radius = 0.8125 / 0.0193
    length = (1_296_000.0 - 4 / 3 * math.pi * radius**3) / (math.pi * radius**2)
    best = {"x1": 0.8125, "x2": 0.4375, "x3": radius, "x4": length}
    seen = vessel.observed(vessel.space.check(best), 0, 0)
    assert max(seen.constraints) < 1e-6
    assert seen.values[0] == pytest.approx(vessel.optimum, rel=1e-12)
    assert vessel.optimum == pytest.approx(6059.714335, abs=1e-5)
    assert reducer.optimum == pytest.approx(reducer.function.optimal_value, abs=1e-3)


def test_jenatton_has_its_known_optimum_and_four_branches() -> None:
    one = made("jenatton")
    best = {"x1": 0, "x2": 0, "x4": 0.0, "r8": 0.0}
    assert one.optimum == 0.1 == one.observed(one.space.check(best), 0, 0).values[0]
    for shift, point in (
        (0.2, {"x1": 0, "x2": 1, "x5": 0.5, "r8": 0.25}),
        (0.3, {"x1": 1, "x3": 0, "x6": 0.5, "r9": 0.25}),
        (0.4, {"x1": 1, "x3": 1, "x7": -0.5, "r9": 0.25}),
    ):
        assert jenatton.value(one.space.check(point)) == pytest.approx(shift + 0.25 + 0.25)
    assert {len(p) for p in points(one)} == {4}


def test_a_descent_tells_hartmanns_basins_apart() -> None:
    one = made("hartmann6_60")
    second = dict(zip("123456", (0.4, 0.88, 0.85, 0.57, 0.14, 0.04), strict=True))
    best = dict(zip("123456", (0.2, 0.15, 0.48, 0.28, 0.31, 0.66), strict=True))
    named = [{f"x{k}": v for k, v in p.items()} for p in (best, second)]
    assert [one.basin(p) for p in named] == [plain.GLOBAL, plain.SECOND]
    assert {one.basin(p) for p in points(one)} <= {plain.GLOBAL, plain.SECOND, plain.OTHER}
    assert made("branin").basin({}) == ""


def test_wrong_values_depend_on_seed_and_trial_alone() -> None:
    one, right = made("corrupted_hartmann6"), made("hartmann6_60")
    point = points(one, 1)[0]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    said = np.array([[one.observed(point, t, s).values[0] for t in range(150)] for s in (0, 1)])
    assert torch.equal(before, torch.get_rng_state())
    wrong = said != right.observed(point, 0, 0).values[0]
    assert 0.04 < wrong.mean() < 0.16 and (wrong[0] != wrong[1]).any()
    assert np.abs(said).max() <= corrupted.WIDEST and said.max() > 0 > said.min()
    assert (one.observed(point, 7, 0).values[0] == said[0, 7]) and one.noisy


class Line(Single):
    """x itself, seen with what noise it is given."""

    def observed(self, params: Any, trial: int, seed: int) -> Observed:
        raise AssertionError

    def true(self, points: Any) -> Any:
        x = np.array([p["x"] for p in points], dtype=float)
        return x, x < 9

    @property
    def optimum(self) -> float:
        return 0.0


def test_regret_is_that_of_the_best_observed_feasible_trial() -> None:
    space = Space((Ordinal("x", tuple(range(11))),))
    low = Line("line", "plain", space, 5)
    told = [
        ({"x": 10}, Observed((0.0,), (1.0,))),
        ({"x": 6}, Observed((5.0,), (-1.0, 0.0))),
        ({"x": 2}, Observed((7.0,), (0.0, 0.0))),
        ({"x": 8}, Observed((4.0,), (0.0, 0.0))),
    ]
    median, worst = low.unit, 8 / low.unit
    assert median == 4
    assert low.regrets(told) == [worst, 6 / median, 6 / median, 8 / median]
    assert low.best_found(told) == [worst, 6 / median, 2 / median, 2 / median]
    high = Line("line", "plain", space, 5, (Target("y", "max"),))
    assert high.regrets(told[1:])[-1] == pytest.approx(-2 / high.unit)


def test_what_is_taken_is_the_point_with_the_best_mean_of_its_measurements() -> None:
    space = Space((Ordinal("x", tuple(range(11))),))
    low = Line("line", "plain", space, 5)
    told = [
        ({"x": 6}, Observed((5.0,))),
        ({"x": 8}, Observed((1.0,))),  # lucky
        ({"x": 2}, Observed((4.0,))),
        ({"x": 8}, Observed((9.0,))),  # and found out
        ({"x": 2}, Observed((4.5,))),
    ]
    assert [regret * low.unit for regret in low.regrets(told)] == [6, 8, 8, 2, 2]


def test_the_volume_of_a_front_counts_feasible_points_only() -> None:
    one = made("branin_currin")
    told = [(p, one.observed(p, 0, 0)) for p in points(one, 200)]
    regrets = one.regrets(told)
    assert regrets == sorted(regrets, reverse=True) and 0 < regrets[-1] < 1
    broken = [(p, replace(seen, constraints=(1.0,))) for p, seen in told]
    assert one.regrets(broken) == [1.0] * 200


def test_a_tables_rows_are_found_and_its_noise_repeats() -> None:
    space = Space((Categorical("kind", ("a", "b")), Ordinal("width", (1, 2, 3))))
    values = [[10.0 * i + j for j in range(2)] for i in range(6)]
    one = TableProblem(
        "t_4", "tables_4", space, 10, (Target("f1", "max"),), workers=4, noisy=True,
        values=values, cost_s=[[float(i)] * 2 for i in range(6)],
    )  # fmt: skip
    said = {one.observed({"kind": "b", "width": 3}, t, 0).values[0] for t in range(20)}
    assert said == {50.0, 51.0}
    assert one.observed({"kind": "b", "width": 1}, 3, 1) == one.observed(
        {"kind": "b", "width": 1}, 3, 1
    )
    assert one.observed({"kind": "a", "width": 3}, 0, 0).cost_s == 2.0
    assert one.optimum == 50.5 and one.horizon_s == pytest.approx(10 * 2.5 / 4)
    assert one.true([{"kind": "a", "width": 2}])[0] == 10.5


def test_problems_are_chosen_by_name_and_group() -> None:
    assert chosen("jenatton, branin") == ["branin", "jenatton"]
    assert chosen("plain,mixed") == list(MAKES)[:7]
    assert len(chosen("tables")) == 45 and len(chosen("bbob")) == 24
    assert chosen("all") == list(MAKES) and len(chosen("synthetic")) == 15
    with pytest.raises(InputError, match="did you mean 'branin'"):
        chosen("brannin")
    for name in ("mlp_car_1", "bbob_f01"):
        with pytest.raises(InputError, match=f"holds {name}"):
            problem(name, {})
