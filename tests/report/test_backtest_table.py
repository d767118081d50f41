"""What a person reads of a backtest."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from matscout.drive.backtest import RANDOM
from matscout.drive.backtest_figures import ArmFigures
from matscout.report.backtest_table import curves, sentence, table

NAN = (math.nan, math.nan)


def arm(name: str = "lcb", **parts: object) -> ArmFigures:
    base: dict[str, object] = {
        "to_80": np.array([20.0, 30.0, 25.0]),
        "af": 4.0,
        "af_ci": (3.0, 5.0),
        "saved": 72.0,
        "saved_ci": (60.0, 90.0),
        "ef_max": 8.25,
        "found_ratio": 2.5,
        "found": ((0, 1, 2), (1, 1, 2), (0, 0, 2)),
        "found_gain": 1.5,
        "found_gain_ci": (1.0, 2.0),
    }
    return ArmFigures(name, **(base | parts))  # type: ignore[arg-type]


MODEL = {"labels": (1, 3), "quality": (0.25, 0.5), "gain": 0.125, "gain_ci": (0.05, 0.2)}
BASE = arm(RANDOM, to_80=np.array([80.0, 120.0, 100.0]), af=1.0, af_ci=(1.0, 1.0), saved=0.0,
           saved_ci=(0.0, 0.0), found_ratio=1.0, found_gain=0.0, found_gain_ci=(0.0, 0.0))  # fmt: skip


def test_a_table_lines_up() -> None:
    lines = table({RANDOM: BASE, "lcb": arm()}).splitlines()
    assert [line.split() for line in lines] == [
        "arm to 80 % AF [95 %] EF max found ×".split(),
        "random 100 1.00 [1.00, 1.00] 8.2 1.00".split(),
        "lcb 25 4.00 [3.00, 5.00] 8.2 2.50".split(),
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_table_with_a_model_and_without_numbers() -> None:
    none = arm(
        "sd", to_80=np.array([np.inf] * 3), af=math.nan, af_ci=NAN, saved=math.nan, saved_ci=NAN,
        **MODEL,
    )  # fmt: skip
    lines = table({RANDOM: arm(RANDOM, **MODEL), "sd": none}).splitlines()
    assert lines[0].split()[-4:] == ["model", "gain", "[95", "%]"]
    assert lines[2].split() == "sd – – 8.2 2.50 0.500 +0.125 [0.050, 0.200]".split()
    assert len({len(line) for line in lines}) == 1


def test_what_was_saved_of_what_random_needs() -> None:
    """Random's own median, not the arm's plus what a median pair saves."""
    assert sentence(arm(), 3) == (
        "lcb: 72 experiments saved [60, 90] of the 100 that random needs (3 seeds)."
    )
    assert sentence(BASE, 3) == ""


@pytest.mark.parametrize("low", [-3.0, 0.0, -math.inf])
def test_learning_did_not_help_here(low: float) -> None:
    said = sentence(arm(saved_ci=(low, 9.0)), 3)
    assert said.endswith(" Learning did not help here.")
    assert ("[…, 9]" in said) == math.isinf(low)


def test_a_budget_that_did_not_suffice() -> None:
    short = {"saved": -math.inf, "saved_ci": (-math.inf, -math.inf), "af": math.nan, "af_ci": NAN}
    said = sentence(arm(**short), 3)
    assert said == (
        "lcb: the budget did not suffice for 80 %; found 2.50 times what chance finds "
        "(+1.50 [1.00, 2.00] beside random, 3 seeds)."
    )
    lost = sentence(arm(**short, found_gain=0.1, found_gain_ci=(-0.1, 0.3)), 3)
    assert lost.endswith("Learning did not help here.")


def test_a_model() -> None:
    assert sentence(arm("lcmd", **MODEL, by_model=True), 10) == (
        "lcmd: a better model than random labels (+0.125 [0.050, 0.200], 10 seeds)."
    )
    worse = MODEL | {"gain": -0.1, "gain_ci": (-0.2, 0.1)}
    assert sentence(arm("lcmd", **worse, by_model=True), 10) == (
        "lcmd: no better model (-0.100 [-0.200, 0.100], 10 seeds). Learning did not help here."
    )


def test_one_seed_tells_little() -> None:
    one = arm(to_80=np.array([25.0]), saved_ci=NAN, af_ci=NAN, found_gain_ci=NAN)
    said = sentence(one, 1)
    assert said == (
        "lcb: 72 experiments saved of the 100 that random needs (1 seed). "
        "One seed does not tell whether that is luck."
    )
    assert "[" not in table({RANDOM: one}).splitlines()[1]


def test_curves_are_ready_to_plot() -> None:
    read = list(csv.DictReader(io.StringIO(curves({RANDOM: arm(RANDOM), "lcb": arm()}))))
    assert list(read[0]) == ["arm", "experiments", "found_mean", "found_p10", "found_p90"]
    assert [(r["arm"], r["experiments"]) for r in read[2:4]] == [(RANDOM, "3"), ("lcb", "1")]
    second = read[4]
    assert float(second["found_mean"]) == pytest.approx(2 / 3)
    assert float(second["found_p10"]) == pytest.approx(0.2) and float(second["found_p90"]) == 1.0
    shorter = arm(found=((1,), (0, 1, 1)))  # ended early: it had found all
    assert [r["found_mean"] for r in csv.DictReader(io.StringIO(curves({"a": shorter})))] == [
        "0.5", "1", "1",
    ]  # fmt: skip


def test_curves_of_a_model_stand_beside_those_of_finds() -> None:
    read = list(csv.DictReader(io.StringIO(curves({"a": arm(**MODEL)}))))
    assert [row["model"] for row in read] == ["0.25", "", "0.5"]
