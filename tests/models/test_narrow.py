"""A space over models, narrowed to a task and a table, and fitted at its points."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matscout.errors import InputError
from matscout.models import names, tabular
from matscout.models.hyperparameters import check_names
from matscout.models.narrow import narrowed
from matscout.space import Space

FOLDER = Path(__file__).parents[2] / "search_spaces"
SMALL = Space.from_toml((FOLDER / "small_table.toml").read_text())
BALANCED = Space.from_toml((FOLDER / "tabular_balanced_ensembles.toml").read_text())
RARE = Space.from_toml((FOLDER / "tabular_imbalanced.toml").read_text())
FORMULAS = np.array(["Fe2O3", "NaCl", "SiO2", "Al"] * 9, dtype=object)
DATA = tabular.columns({"a": np.random.default_rng(0).normal(size=36)}, {"f": FORMULAS}, ("f",))
Y = np.where(np.arange(36) % 3 == 0, 0.0, DATA.x[:, 0])


def narrow(task: str, rows: int = 300, formulas: bool = True) -> Space:
    return narrowed(SMALL, task, rows=rows, formulas=formulas)


def point(space: Space, units: list[float]) -> dict:
    return space.active(
        {p.name: p.from_unit(u) for p, u in zip(space.parameters, units * 9, strict=False)}
    )


def fits(model: str, task: str, params: dict) -> None:
    y = Y if task == "regression" else (Y > 0).astype(int)
    amounts = Y if task == "classification" else None
    folds = {"inner_folds": 2} if task == "classification" else {}
    few = (
        small("", params["model"], task, params)
        if model == "any"
        else small("", model, task, params)
    )
    if model == "any":
        few = {f"{params['model']}.{name}": value for name, value in few.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = tabular.pipeline(model, task, DATA, {**params, **few, **folds}, 0)
        found = tabular.fit(pipe, DATA.x, y, amounts=amounts)
        assert np.isfinite(found.predict(DATA.x)).all()
        if task == "classification":
            assert np.allclose(found.predict_proba(DATA.x).sum(axis=1), 1)


def small(head: str, model: str, task: str, params: dict) -> dict:
    """Five trees instead of hundreds, in models inside models too."""
    if model in names.OF_MEMBERS:
        few = (
            "extra_trees.n_estimators",
            "lightgbm.n_estimators",
            "hist_gradient_boosting.max_iter",
        )
        return {head + name: 5 for name in few}
    if model in ("hurdle", "regress_and_cut"):
        out = {}
        for part, kind in names.HEADS[model].items():
            inner = params.get(f"{model}.{part}", "extra_trees")
            out |= small(f"{part}.", inner, kind, params)
        return out
    known = tabular.hyperparameter_names(model, task)
    return {
        head + name: 5
        for name in ("n_estimators", "max_iter")
        if name in known and model != "linear"
    }


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["regression", "classification"]),
    st.lists(st.floats(0, 1), min_size=5, max_size=9),
)
def test_every_point_of_the_joint_space_fits(task: str, units: list[float]) -> None:
    fits("any", task, point(narrow(task), units))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["regression", "classification"]),
    st.lists(st.floats(0, 1), min_size=5, max_size=9),
)
def test_every_point_of_the_joint_space_fits_at_length(task: str, units: list[float]) -> None:
    fits("any", task, point(narrow(task), units))


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.floats(0, 1), min_size=5, max_size=9))
def test_every_point_of_the_spaces_for_rare_classes_fits(units: list[float]) -> None:
    fits("lightgbm", "classification", point(RARE, units))
    fits("any", "classification", point(BALANCED, units))


def test_narrowing_takes_out_what_a_table_cannot_use() -> None:
    numbers, classes = narrow("regression"), narrow("classification")
    for task, space in (("regression", numbers), ("classification", classes)):
        check_names(space.by_name, tabular.hyperparameter_names("any", task))
    assert "resample" not in numbers.by_name and "threshold" not in numbers.by_name
    assert "target_transform" not in classes.by_name
    assert set(numbers.by_name["lightgbm.loss"].choices) == {"l2", "l1"}
    assert set(classes.by_name["lightgbm.loss"].choices) == {"cross_entropy", "focal"}
    assert "lightgbm.focal_gamma" not in numbers.by_name
    assert "hurdle" in numbers.by_name["model"].choices
    assert "hurdle" not in classes.by_name["model"].choices
    large = narrow("regression", rows=6000, formulas=False)
    assert "block_gaussian_process" not in large.by_name["model"].choices
    assert "features" not in large.by_name and "block_gaussian_process.nu" not in large.by_name
    with pytest.raises(InputError, match="no parameter 'model'"):
        narrowed(RARE, "classification", rows=9, formulas=False)
