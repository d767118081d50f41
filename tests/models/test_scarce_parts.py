"""Uncertainty and transfer as models that a config can name: every kind, in every ready space."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.models import tabular
from matscout.models.transfer_regressor import TransferRegressor, enthalpy_expert
from matscout.models.uncertainty.estimator import KINDS, UncertainRegressor
from matscout.models.uncertainty.quantile_forest import QuantileForest
from matscout.space import Space

FOLDER = Path(__file__).parents[2] / "search_spaces"
FEW = {
    "epochs": 2,
    "second_epochs": 1,
    "members": 2,
    "trees": 8,
    "steps": 2,
    "passes": 2,
    "bags": 2,
}
FORMULAS = np.array(
    ["Fe2O3", "NaCl", "SiO2", "Al2O3", "MgO", "CaF2", "TiO2", "ZnS"] * 3, dtype=object
)


def table(n: int = 24) -> tuple[tabular.Columns, np.ndarray]:
    numbers = np.random.default_rng(0).normal(size=n)
    numbers[3] = np.nan
    data = tabular.columns({"a": numbers}, {"f": FORMULAS[:n]}, ("f",))
    return data, 100.0 + 10.0 * np.nan_to_num(numbers)


def points(name: str) -> list[dict[str, Any]]:
    """One of each kind, from the middle of the space, and small."""
    space = Space.from_toml((FOLDER / f"tabular_{name}.toml").read_text(), name)
    kinds = next(p for p in space.parameters if p.name == "kind").choices  # type: ignore[attr-defined]
    found = []
    for kind in kinds:
        every = {p.name: p.from_unit(0.6) for p in space.parameters} | {"kind": kind}
        params = space.active(every)
        found.append({k: FEW.get(k, v) for k, v in params.items()})
    return found


SPACES = [(name, params) for name in ("uncertain", "transfer") for params in points(name)]


@pytest.mark.parametrize(
    ("model", "params"), SPACES, ids=lambda v: v if isinstance(v, str) else v["kind"]
)
def test_every_kind_of_a_ready_space_is_trained(model: str, params: dict[str, Any]) -> None:
    data, y = table()
    said = []
    for _ in range(2):
        pipe = tabular.pipeline(
            model, "regression", data, {"trees": 8, **params} if model == "uncertain" else params, 3
        )
        said.append(tabular.fit(pipe, data.x[:16], y[:16]).predict(data.x[16:]))
    assert said[0].shape == (8,) and np.isfinite(said[0]).all() and np.array_equal(*said)


def test_the_spaces_name_all_kinds() -> None:
    assert {p["kind"] for n, p in SPACES if n == "uncertain"} == set(KINDS)
    assert {p["kind"] for n, p in SPACES if n == "transfer"} == {
        "experts", "pairwise", "two_stage", "scratch",
    }  # fmt: skip


def test_an_uncertain_model_by_name_is_the_model() -> None:
    X, y = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40.0)
    named = UncertainRegressor("quantile_forest", trees=20, min_leaf=4, random_state=7).fit(X, y)
    known = QuantileForest(20, 4, seed=7).fit(X, y).predict(X)
    assert np.array_equal(named.predict(X), known.mean)
    assert np.array_equal(named.believe(X).sd, known.sd)


def test_what_cannot_be_is_one_line() -> None:
    data, y = table()
    for model, wrong in (
        ("uncertain", {"kind": "bagged"}),
        ("uncertain", {"members": 1}),
        ("transfer", {"kept": 5}),
        ("transfer", {"features": "fractions"}),
    ):
        with pytest.raises(InputError):
            tabular.fit(tabular.pipeline(model, "regression", data, wrong, 0), data.x, y)
    with pytest.raises(InputError, match="uncertain is for numbers"):
        tabular.pipeline("uncertain", "classification", data, {}, 0)
    bare = tabular.columns({"a": np.arange(5.0)}, {})
    with pytest.raises(InputError, match="sees none"):
        tabular.fit(tabular.pipeline("transfer", "regression", bare, {}, 0), bare.x, np.arange(5.0))


def test_the_expert_sees_statistics_as_they_are_whatever_the_scaler() -> None:
    """Scaled by the table's own rows, its features would mean something else."""
    data, y = table()
    few = {"kind": "pairwise", "epochs": 2}
    pipes = [
        tabular.fit(
            tabular.pipeline("transfer", "regression", data, {**few, "scaler": s}, 0), data.x, y
        )
        for s in ("standard", "none")
    ]
    assert np.array_equal(pipes[0].predict(data.x), pipes[1].predict(data.x))
    assert enthalpy_expert() is enthalpy_expert(), "learned once for each process"
    core = pipes[0].named_steps["model"]
    assert isinstance(core, TransferRegressor) and core.shares(np.zeros((1, 1))) == {}


def test_tables_need_no_graphs() -> None:
    """torch_geometric takes seconds to load, in every worker."""
    code = (
        "import sys, matscout.evaluate.tabular_folds; assert 'torch_geometric' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_gate_finds_what_the_table_itself_knows() -> None:
    """A target of a number beside the formula: the enthalpies say nothing of it."""
    rng = np.random.default_rng(2)
    number = rng.normal(size=96)
    data = tabular.columns({"a": number}, {"f": np.tile(FORMULAS, 4)}, ("f",))
    pipe = tabular.pipeline("transfer", "regression", data, {"epochs": 60}, 0)
    fitted = tabular.fit(pipe, data.x, 5.0 * number)
    shares = fitted.named_steps["model"].shares(fitted.named_steps["prepare"].transform(data.x))
    assert shares["table"] > 0.5 and sum(shares.values()) == pytest.approx(1.0)
    assert np.abs(fitted.predict(data.x) - 5.0 * number).mean() < 2.0


def with_chgnet(n: int = 96) -> tuple[tabular.Columns, np.ndarray]:
    """CHGNet's block beside formulas; the target is what a direction of its features says."""
    features = np.random.default_rng(4).normal(size=(n, 64))
    formulas = {"f": np.tile(FORMULAS, n // len(FORMULAS))}
    data = tabular.columns({}, formulas, ("f",), {"chgnet": features})
    return data, 3.0 * features[:, 0]


@pytest.mark.parametrize("more", [{}, {"balance": 0.01, "z": 0.0}, {"kept": 2, "noise": 1.0}])
def test_chgnet_is_an_expert_where_there_are_structures(more: dict[str, Any]) -> None:
    data, y = with_chgnet()
    pipe = tabular.pipeline("transfer", "regression", data, {"epochs": 60, **more}, 0)
    fitted = tabular.fit(pipe, data.x, y)
    shares = fitted.named_steps["model"].shares(fitted.named_steps["prepare"].transform(data.x))
    assert set(shares) == {"enthalpy", "chgnet", "table"}
    assert shares["chgnet"] > shares["enthalpy"]


def test_a_head_on_chgnet_alone() -> None:
    data, y = with_chgnet(240)
    few = {"kind": "pairwise", "epochs": 60}
    error = {
        expert: np.abs(
            tabular.fit(
                tabular.pipeline("transfer", "regression", data, {**few, "expert": expert}, 0),
                data.x[:200], y[:200],
            ).predict(data.x[200:]) - y[200:]
        ).mean()
        for expert in ("enthalpy", "chgnet")
    }  # fmt: skip
    assert error["chgnet"] < 0.5 * error["enthalpy"], error


def test_no_expert_is_left_out_for_what_it_is_not_shown() -> None:
    data, y = with_chgnet()
    pipe = tabular.pipeline("transfer", "regression", data, {"features": "fractions"}, 0)
    with pytest.raises(InputError, match="learns from statistics of one column of formulas"):
        tabular.fit(pipe, data.x, y)
    scratch = {"kind": "scratch", "epochs": 2, "features": "fractions"}
    tabular.fit(tabular.pipeline("transfer", "regression", data, scratch, 0), data.x, y)


def test_an_expert_that_is_not_there_is_named() -> None:
    data, y = table()
    for wrong, said in (
        ({"kind": "pairwise", "expert": "chgnet"}, "chgnet reads structures, and sees none"),
        ({"kept": 3}, "asks 3 experts at a time, and there are 2"),
    ):
        with pytest.raises(InputError, match=said):
            tabular.fit(tabular.pipeline("transfer", "regression", data, wrong, 0), data.x, y)
