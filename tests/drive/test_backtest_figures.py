"""Figures against closed forms and brute force."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from matscout.drive.backtest import RANDOM, Played
from matscout.drive.backtest_figures import ArmFigures, figures, to_json


def played(
    arm: str, seed: int, hits: list[int], length: int, *, wanted: int, candidates: int = 100
) -> Played:
    """Wanted ones at the experiments `hits` (counted from 1), of `length` experiments."""
    found = np.zeros(length, dtype=np.int64)
    found[[h - 1 for h in hits]] = 1
    return Played(arm, seed, np.cumsum(found), wanted, candidates)


def runs(arm: str, hits: list[list[int]], length: int, wanted: int = 5) -> list[Played]:
    return [played(arm, seed, h, length, wanted=wanted) for seed, h in enumerate(hits)]


RANDOM_HITS = [[10, 30, 50, 70, 90], [5, 20, 35, 60, 80], [20, 40, 60, 81, 99]]
ARM_HITS = [[3, 4, 6, 20, 30], [2, 5, 9, 10], [8, 9, 15, 35]]
TWO = [*runs(RANDOM, RANDOM_HITS, 100), *runs("lcb", ARM_HITS, 40)]


def test_by_hand() -> None:
    arms = figures(TWO)
    assert list(arms) == [RANDOM, "lcb"]
    random, arm = arms[RANDOM], arms["lcb"]
    # 80 % of five is four.
    assert random.to_80.tolist() == [70, 60, 81] and arm.to_80.tolist() == [20, 10, 35]
    assert arm.af == 70 / 20 and arm.saved == np.median([50, 50, 46])
    assert random.af == 1 and random.saved == 0 and random.saved_ci == (0, 0)
    assert arm.helped is True and random.helped is None
    assert arm.found[1][:10] == (0, 1, 1, 1, 2, 2, 2, 2, 3, 4) and len(random.found[0]) == 100


@pytest.mark.parametrize(("wanted", "enough"), [(1, 1), (2, 2), (5, 4), (9, 8), (10, 8), (30, 24)])
def test_eighty_per_cent_is_rounded_up(wanted: int, enough: int) -> None:
    hits = list(range(1, wanted + 1))
    (arm,) = figures([played(RANDOM, 0, hits, 50, wanted=wanted)]).values()
    assert arm.to_80.tolist() == [enough]


def test_the_bootstrap_draws_seeds_in_pairs() -> None:
    """Three seeds: all 27 resamples, each with its weight, against 2,000 drawn with a fixed seed."""
    arm = figures(TWO)["lcb"]
    ours, theirs = np.array([20.0, 10, 35]), np.array([70.0, 60, 81])
    every = [list(draw) for draw in itertools.product(range(3), repeat=3)]
    saved = sorted(np.median(theirs[d] - ours[d]) for d in every)
    af = sorted(np.median(theirs[d]) / np.median(ours[d]) for d in every)
    assert arm.saved_ci == (saved[0], saved[-1]) and arm.af_ci == (af[0], af[-1])
    assert repr(arm) == repr(figures(TWO)["lcb"])


def test_the_bootstrap_interval_of_a_mean_is_the_normal_one() -> None:
    rng = np.random.default_rng(1)
    quality = rng.normal(0.1, 0.2, 200)
    base = [Played(RANDOM, s, np.arange(1, 9), 8, 80, (8,), (0.5,)) for s in range(200)]
    arm = [Played("a", s, np.arange(1, 9), 8, 80, (8,), (0.5 + q,)) for s, q in enumerate(quality)]
    found = figures([*arm, *base], by_model=True)["a"]
    half = 1.96 * quality.std() / math.sqrt(200)
    assert found.gain == pytest.approx(quality.mean())
    assert found.gain_ci == pytest.approx((found.gain - half, found.gain + half), abs=0.1 * half)


def test_enhancement_and_found_ratio_by_brute_force() -> None:
    arm = figures(TWO)["lcb"]
    curve = [[sum(h <= i for h in hits) for i in range(1, 41)] for hits in ARM_HITS]
    ef = [np.mean([c[i - 1] / 5 for c in curve]) / (i / 100) for i in range(1, 41)]
    assert arm.ef_max == pytest.approx(max(ef[9:]))
    expected = sum(i * 5 / 100 for i in range(1, 41))
    assert arm.found_ratio == pytest.approx(np.mean([sum(c) / expected for c in curve]))
    random = [[sum(h <= i for h in hits) for i in range(1, 41)] for hits in RANDOM_HITS]
    gains = [(sum(a) - sum(b)) / expected for a, b in zip(curve, random, strict=True)]
    assert arm.found_gain == pytest.approx(np.mean(gains))
    assert arm.found_gain_ci == pytest.approx((min(gains), max(gains)))


def test_a_perfect_arm_has_the_largest_enhancement_there_is() -> None:
    """20 wanted of 100, found at once: EF(i) = (i / 20) / (i / 100) = 5, until all are found."""
    hits = list(range(1, 21))
    arm = figures([played(RANDOM, 0, hits, 100, wanted=20), played("a", 0, hits, 100, wanted=20)])[
        "a"
    ]
    assert arm.ef_max == pytest.approx(5.0) and arm.to_80.tolist() == [16]


def test_random_orders_have_figures_of_one() -> None:
    """found_ratio is 1 on average, and 80 % take (N + 1) * k / (wanted + 1) experiments, where the
    k-th of the wanted makes 80 % (the order statistics of a draw without replacement)."""
    rng = np.random.default_rng(0)
    one, two = (
        [
            played(name, s, sorted((rng.permutation(100)[:10] + 1).tolist()), 100, wanted=10)
            for s in range(400)
        ]
        for name in (RANDOM, "other")
    )
    arms = figures([*one, *two])
    assert arms[RANDOM].found_ratio == pytest.approx(1.0, abs=0.04)
    assert arms[RANDOM].to_80.mean() == pytest.approx(101 * 8 / 11, abs=2.0)
    assert arms["other"].af == pytest.approx(1.0, abs=0.06)
    assert arms["other"].saved_ci[0] < 0 < arms["other"].saved_ci[1]
    assert arms["other"].helped is False
    assert 1.0 < arms[RANDOM].ef_max < 1.5


# -- budgets that do not suffice -----------------------------------------------------------------------


def short(hits: list[list[int]]) -> ArmFigures:
    """Random is slow and goes on to 100; the arm has 40 experiments."""
    return figures([*runs(RANDOM, RANDOM_HITS, 100), *runs("a", hits, 40)])["a"]


def test_a_budget_that_does_not_suffice_is_no_number() -> None:
    arm = short([[2, 4, 6], [3, 5, 7], [1, 4, 8]])
    assert np.isinf(arm.to_80).all() and math.isnan(arm.af) and math.isnan(arm.af_ci[0])
    assert not math.isfinite(arm.saved)
    # It found more at every point than random, whose third comes at 35 at the earliest.
    assert arm.found_ratio > 1.5 and arm.found_gain_ci[0] > 0 and arm.helped is True
    none = short([[], [], []])
    assert none.helped is False and none.found_ratio == 0


def test_a_budget_that_suffices_for_most_seeds() -> None:
    arm = short([[2, 4, 6, 8], [3, 5, 7, 9], [1, 4]])
    assert arm.to_80.tolist() == [8, 9, math.inf]
    assert arm.af == 70 / 9 and arm.saved == 51
    assert arm.saved_ci[0] == -math.inf  # a resample with the slow seed twice
    assert arm.helped is False


def test_where_neither_gets_there_the_curves_decide() -> None:
    base = runs(RANDOM, [[30], [35], [38]], 40)
    arm = figures([*base, *runs("a", [[1, 2], [2, 3], [3, 4]], 40)])["a"]
    assert math.isnan(arm.af) and not math.isfinite(arm.saved) and arm.helped is True


def test_one_seed_has_no_interval() -> None:
    arm = figures([TWO[0], TWO[3]])["lcb"]
    assert arm.saved == 50 and all(map(math.isnan, (*arm.saved_ci, *arm.af_ci, *arm.found_gain_ci)))
    assert arm.helped is None


# -- models ------------------------------------------------------------------------------------------------


def with_model(arm: str, hits: list[int], quality: float, seeds: int = 6) -> list[Played]:
    """Some spread over seeds that arms have in common."""
    return [
        Played(
            arm, s, played(arm, s, hits, 40, wanted=5).found, 5, 100, (10, 40),
            (0.3, quality + 0.01 * s),
        )
        for s in range(seeds)
    ]  # fmt: skip


def test_a_goal_of_a_model_is_judged_by_the_model() -> None:
    """Whatever it found on the way; and the other way round."""
    base = with_model(RANDOM, [5, 10, 15, 20, 25], 0.5)
    for by_model, hits, quality, helped in (
        (True, [36, 37, 38, 39, 40], 0.6, True),
        (True, [1, 2, 3, 4, 5], 0.4, False),
        (False, [36, 37, 38, 39, 40], 0.6, False),
        (False, [1, 2, 3, 4, 5], 0.4, True),
    ):
        arm = figures([*base, *with_model("a", hits, quality)], by_model=by_model)["a"]
        assert arm.helped is helped
        assert arm.gain == pytest.approx(quality - 0.5)
        assert arm.gain_ci == pytest.approx((arm.gain, arm.gain))
        assert arm.quality == pytest.approx((0.3, quality + 0.025)) and arm.labels == (10, 40)


def test_pools_of_different_sizes_have_their_own_expectation() -> None:
    """Groups differ in size, so with some seeds fewer candidates are left."""
    runs = [
        played(RANDOM, 0, [1], 20, wanted=2, candidates=20),
        played(RANDOM, 1, [1], 30, wanted=3, candidates=40),
    ]
    (arm,) = figures(runs).values()
    ratios = [
        20 / sum(i * 2 / 20 for i in range(1, 21)),
        20 / sum(i * 3 / 40 for i in range(1, 21)),
    ]
    assert arm.found_ratio == pytest.approx(np.mean(ratios))
    assert arm.ef_max == pytest.approx((0.5 / (10 / 20) + (1 / 3) / (10 / 40)) / 2)


# -- for a machine -----------------------------------------------------------------------------------------


def test_json_has_the_keys_that_were_promised() -> None:
    raw = to_json(figures(TWO), 100, 5)
    assert json.loads(json.dumps(raw, allow_nan=False)) == raw
    assert set(raw) == {"n", "top", "arms"} and (raw["n"], raw["top"]) == (100, 5)
    assert set(raw["arms"]) == {RANDOM, "lcb"}
    arm = raw["arms"]["lcb"]
    promised = {"to_80", "af", "ef_max", "found"}
    ours = {"saved", "found_ratio", "found_gain", "learned", "helped"}
    assert set(arm) == promised | ours
    assert arm["to_80"] == {"median": 20, "per_seed": [20, 10, 35]}
    assert set(arm["af"]) == {"median", "ci95"} and arm["af"]["median"] == 3.5
    assert arm["found"] == [list(curve) for curve in figures(TWO)["lcb"].found]
    nothing = {"labels": [], "quality": [], "gain": None, "ci95": [None, None]}
    assert arm["learned"] == {**nothing, "rmse_tail": None, "rmse_tenths": []}


def test_what_is_infinite_or_unknown_is_null() -> None:
    raw = to_json({"a": short([[1], [2], [3, 4, 5, 6]])}, 100, 5)["arms"]["a"]
    assert raw["to_80"] == {"median": None, "per_seed": [None, None, 6]}
    assert raw["af"] == {"median": None, "ci95": [None, None]} and raw["saved"]["median"] is None
    json.dumps(raw, allow_nan=False)
