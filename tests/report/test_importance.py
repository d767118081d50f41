from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matscout.event import EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.report.importance import Importance, importance
from matscout.report.importance_figure import importance_figure
from matscout.report.record import read_record
from matscout.space import Space
from matscout.trial import Params, State, Trial

SPACE = Space(
    (
        Categorical("kind", tuple(f"k{i}" for i in range(24))),
        Ordinal("width", (8, 16, 64)),
        Float("rate", 1e-6, 1.0, True),
        Float("idle", -3.0, 5.0),
        Int("depth", 1, 9, when={"width": (8, 16)}),
    )
)


def points(space: Space, n: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found: list[dict[str, Any]] = []
    for _ in range(n):
        params: dict[str, Any] = {}
        for p in space.parameters:
            if space.is_active(p, params):
                params[p.name] = p.from_unit(float(rng.random()))
        found.append(params)
    return found


def judged(space: Space, value: Callable[[Params], float], n: int = 150) -> Importance:
    drawn = points(space, n)
    trials = [Trial(i, p, state=State.COMPLETE) for i, p in enumerate(drawn)]
    return importance(space, trials, np.array([value(p) for p in drawn]))


def test_the_shares_of_a_sum_are_those_of_its_terms() -> None:
    """Var(2u) : Var(v) = 4 : 1 for uniform u and v."""
    space = Space((Float("u", 0.0, 1.0), Float("v", 10.0, 20.0), Float("idle", 0.0, 1.0)))
    found = judged(space, lambda p: 2 * p["u"] + (p["v"] - 10) / 10, 400)  # type: ignore[operator]
    assert found.alone["u"] == pytest.approx(0.8, abs=0.06)
    assert found.alone["v"] == pytest.approx(0.2, abs=0.06) and found.alone["idle"] < 0.02
    assert sum(found.alone.values()) <= 1.0 + 1e-9 and found.quality > 0.9
    assert sum(found.top.values()) == pytest.approx(1.0)
    assert max(found.top, key=found.top.__getitem__) == "u"


def test_what_acts_together_is_nobodys_alone() -> None:
    space = Space((Float("u", -1.0, 1.0), Float("v", -1.0, 1.0)))
    found = judged(space, lambda p: float(p["u"]) * float(p["v"]), 400)
    assert sum(found.alone.values()) < 0.3


def test_a_log_parameter_counts_along_its_decades() -> None:
    """All that it does, it does below a thousandth of its range."""
    found = judged(SPACE, lambda p: float(p["rate"] < 1e-4))  # type: ignore[operator]
    assert found.alone["rate"] > 0.8 and found.top["rate"] > 0.5


def test_many_choices_and_a_condition() -> None:
    found = judged(SPACE, lambda p: float(str(p["kind"]) < "k2") + 0.1 * float(p.get("depth", 0)))
    assert set(found.alone) == {"kind", "width", "rate", "idle"}
    assert max(found.alone, key=found.alone.__getitem__) == "kind"
    assert set(found.top) == set(found.alone) | {"depth"} and found.top["depth"] > 0


def test_noise_is_told_to_be_noise() -> None:
    noise = iter(np.random.default_rng(5).normal(size=60).tolist())
    assert judged(SPACE, lambda p: next(noise), 60).quality < 0.2


def test_the_same_every_time() -> None:
    drawn = points(SPACE, 40)
    trials = [Trial(i, p, state=State.COMPLETE) for i, p in enumerate(drawn)]
    height = np.random.default_rng(1).normal(size=40)
    assert importance(SPACE, trials, height) == importance(SPACE, trials, height)


def history_of(make_run: Any, space: Space, values: list[float], seed: int = 0) -> History:
    maker = make_run(space, "tuning", "sweep")
    for params, value in zip(points(space, len(values), seed), values, strict=True):
        maker.measured(maker.ask(None, params, {}), value)
    maker.ended(maker.ask(None, points(space, 1, 99)[0], {}), EventKind.PRUNED, "early")
    return read_record(maker.save()).history


def test_too_few_or_all_alike_is_said_in_words(make_run: Callable[..., Any]) -> None:
    few = importance_figure(SPACE, history_of(make_run, SPACE, [1.0, 2.0]))
    assert few is not None and "2 complete trials are too few" in few and "<svg" not in few


def test_equal_values_have_nothing_to_explain(make_run: Callable[..., Any]) -> None:
    said = importance_figure(SPACE, history_of(make_run, SPACE, [2.5] * 25))
    assert said is not None and "the same value" in said and "<svg" not in said


def test_one_parameter_needs_no_bar(make_run: Callable[..., Any]) -> None:
    space = Space((Float("u", 0.0, 1.0),))
    said = importance_figure(space, history_of(make_run, space, list(range(25))))
    assert said is not None and "There is one parameter, u" in said


def test_one_exploded_loss_is_not_all_there_is_to_explain(make_run: Callable[..., Any]) -> None:
    space = Space((Float("u", 0.0, 1.0), Float("idle", 0.0, 1.0)))
    values = [float(p["u"]) for p in points(space, 60)]
    values[7] = -1e12
    drawn = importance_figure(space, history_of(make_run, space, values))
    assert drawn is not None
    share = re.search(r"u: fANOVA (\d+) %", drawn)
    assert share is not None and int(share[1]) > 75
    assert "From 60 complete trials; what was pruned or failed is not in it." in drawn


def test_the_figure_names_what_fanova_leaves_out(make_run: Callable[..., Any]) -> None:
    values = [float(p["idle"]) for p in points(SPACE, 50)]
    history = history_of(make_run, SPACE, values)
    drawn = importance_figure(SPACE, history)
    assert drawn is not None and "and so not depth." in drawn
    assert "depth: PED-ANOVA" in drawn and "idle: fANOVA" in drawn
    assert drawn == importance_figure(SPACE, history)


@pytest.mark.parametrize("huge", [1e300, 1e-320])
def test_odd_numbers_are_drawn_or_explained(make_run: Callable[..., Any], huge: float) -> None:
    space = Space((Float("u", -8e307, 8e307), Float("v", 1e-300, 1e300, True)))
    values = [huge * (i % 7) for i in range(30)]
    assert importance_figure(space, history_of(make_run, space, values))


def test_the_page_loads_optuna_only_for_bars() -> None:
    code = (
        "import sys\n"
        "import matscout.report.page\n"
        "assert 'optuna' not in sys.modules and 'sklearn' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
