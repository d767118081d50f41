"""Pools: features of several kinds, and old callers that know of numbers only."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.pool import Pool

IDS = ("a", "b")


def test_every_feature_is_a_number_unless_said_otherwise() -> None:
    pool = Pool(IDS, {"x": (1, 2.5), "note": ("p", "q")}, ("x",))
    assert pool.kinds == {"x": "number"} and pool.numbers == ("x",)
    assert np.array_equal(pool.matrix, [[1.0], [2.5]])


def test_features_of_every_kind_and_a_matrix_of_the_numbers() -> None:
    columns = {
        "solvent": ("DMF", "water"),
        "x": (1.0, 2.0),
        "formula": ("NaCl", "KCl"),
        "file": ("a.cif", "b.cif"),
        "flag": (True, False),
    }
    kinds = {"solvent": "category", "formula": "formula", "file": "structure", "flag": "category"}
    pool = Pool(IDS, columns, tuple(columns), kinds)
    assert pool.kinds == {**kinds, "x": "number"} and list(pool.kinds) == list(columns)
    assert np.array_equal(pool.matrix, [[1.0], [2.0]])
    assert pool.params("b")["solvent"] == "water"
    assert pool == Pool(IDS, columns, tuple(columns), dict(pool.kinds))


def test_no_number_makes_an_empty_matrix() -> None:
    assert Pool(IDS, {"k": ("p", "q")}, ("k",), {"k": "category"}).matrix.shape == (2, 0)


@pytest.mark.parametrize(
    ("column", "kinds", "message"),
    [
        ((1.0, "two"), {}, "candidate 'b' has 'two', but a feature must be a number"),
        ((1.0, math.nan), {}, "must be a number"),
        ((1.0, True), {}, "must be a number"),
        ((1, 10**400), {}, "must be a number"),
        ((1.0, None), {"x": "category"}, "must be text, a number or a truth value"),
        (("NaCl", ""), {"x": "formula"}, "must be the text of a formula"),
        (("a.cif", 3.0), {"x": "structure"}, "must be the text of a structure"),
        ((1.0, 2.0), {"x": "nummer"}, "did you mean 'number'?"),
        ((1.0, 2.0), {"y": "number"}, "space.pool.kinds: no feature 'y'"),
    ],
)
def test_what_is_of_another_kind_is_refused(column: tuple, kinds: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Pool(IDS, {"x": column}, ("x",), kinds)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_from_rows_takes_the_columns_that_kinds_names() -> None:
    rows = [{"f": "NaCl", "x": 1.0, "note": "p"}, {"f": "KCl", "x": 2.0, "note": "q"}]
    pool = Pool.from_rows(rows, id="f", kinds={"f": "formula"})
    assert pool.features == ("f", "x") and pool.ids == ("NaCl", "KCl")
    assert pool.columns["f"] == ("NaCl", "KCl")
    assert Pool.from_rows(rows, id="f").features == ("x",)
    assert Pool.from_rows(rows, id="f").columns.keys() == {"x", "note"}
