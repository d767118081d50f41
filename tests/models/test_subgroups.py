"""Subgroups by class, decile, element, system and column; the weakest come first."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.models import subgroups
from matscout.models.breakdown import by_decile
from matscout.models.metrics import METRICS
from matscout.models.subgroups import by_subgroup


def test_a_planted_weak_element_is_first() -> None:
    rng = np.random.default_rng(0)
    formulas = [str(f) for f in rng.choice(["NaCl", "Fe2O3", "ZnO", "KBr"], 400)]
    truth = rng.normal(size=400)
    off = np.where([f == "Fe2O3" for f in formulas], 3.0, 0.3) * rng.normal(size=400)
    kinds = {
        "element": subgroups.elements(formulas),
        "system": subgroups.chemical_systems(formulas),
        "decile": subgroups.deciles(truth),
    }
    found = by_subgroup(truth, truth + off, kinds, METRICS["mae"])
    assert {found[0].group, found[1].group} == {"Fe", "Fe-O"}
    iron = next(one for one in found if one.group == "Fe")
    rows = kinds["element"]["Fe"]
    assert iron.count == len(rows) and iron.value == pytest.approx(np.abs(off[rows]).mean())
    assert iron.low < iron.value < iron.high and iron.ratio > 2
    assert len(kinds["element"]["O"]) == sum("O" in f for f in formulas)


def test_an_unlucky_handful_does_not_lead() -> None:
    rng = np.random.default_rng(1)
    labels = ["few"] * 5 + ["many"] * 500
    off = np.r_[[0.1, 0.1, 0.1, 0.1, 9.0], rng.normal(1.5, 0.1, 500)]
    found = by_subgroup(np.zeros(505), off, {"lab": subgroups.labels(labels)}, METRICS["mae"])
    assert [one.group for one in found] == ["many", "few"] and found[1].value > found[0].value


def test_more_is_better_for_labels() -> None:
    truth = np.array([0] * 20 + [1] * 20)
    guess = np.array([0] * 20 + [1] * 5 + [0] * 15)
    found = by_subgroup(
        truth, guess, {"class": subgroups.classes(truth, ("no", "yes"))}, METRICS["accuracy"]
    )
    assert [(one.group, one.value) for one in found] == [("yes", 0.25), ("no", 1.0)]


def test_deciles_are_those_of_the_breakdown() -> None:
    rng = np.random.default_rng(2)
    truth, guess = rng.normal(size=73), rng.normal(size=73)
    found = by_subgroup(truth, guess, {"decile": subgroups.deciles(truth)}, METRICS["mae"])
    assert {f"mae.{one.group}": one.value for one in found} == pytest.approx(
        by_decile(truth, guess)
    )


def test_few_rows_and_rankings_of_one_class_are_left_out() -> None:
    truth = np.array([0.0] * 10 + [1.0] * 4)
    kinds = {"class": subgroups.classes(truth, ("no", "yes"))}
    assert [one.group for one in by_subgroup(truth, truth, kinds, METRICS["accuracy"])] == ["no"]
    assert by_subgroup(truth, truth, kinds, METRICS["roc_auc"]) == []
    assert subgroups.labels(["a", "", None, "a"])["a"].tolist() == [0, 3]


def test_the_seed_decides_the_intervals() -> None:
    rng = np.random.default_rng(3)
    truth, guess = rng.normal(size=60), rng.normal(size=60)
    kinds = {"decile": subgroups.deciles(truth)}
    one, two, three = (by_subgroup(truth, guess, kinds, METRICS["mae"], seed=s) for s in (1, 1, 2))
    assert one == two and one != three


@pytest.mark.parametrize("name", ["mae", "rmse", "accuracy"])
def test_draws_at_once_are_draws_one_by_one(name: str) -> None:
    rng = np.random.default_rng(4)
    truth, guess = (rng.integers(0, 3, (6, 20)).astype(float) for _ in range(2))
    each = [METRICS[name].score(t, g) for t, g in zip(truth, guess, strict=True)]
    assert subgroups._scores(METRICS[name], truth, guess) == pytest.approx(each)
