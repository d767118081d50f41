"""Blocks of features: of formulas, of words, and what `features` leaves of them."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.data.bonding import bonding_features
from matscout.data.composition import composition_features, element_fractions
from matscout.errors import InputError
from matscout.models import columns as co
from matscout.models import tabular
from matscout.models.hyperparameters import PrepareSettings

FORMULAS = np.array(["Fe2O3", "NaCl", "SiO2", "Al", "Fe0.5Ni0.5", "GaAs"] * 5, dtype=object)


def table() -> co.Columns:
    load = np.arange(30.0)
    load[3] = np.nan
    return co.columns({"load": load}, {"formula": FORMULAS, "phase": FORMULAS}, ("formula",))


def test_formulas_become_fractions_and_statistics() -> None:
    data = table()
    (first, a, b), (second, c, d), (third, e, f) = data.blocks
    assert (first, second, third) == ("fractions", "statistics", "bonding")
    assert (a, b, d, data.numbers) == (1, c, e, f)
    assert np.array_equal(data.x[:, e:f], bonding_features(list(FORMULAS))[1])
    assert np.array_equal(data.x[:, a:b], element_fractions(list(FORMULAS))[1])
    assert np.array_equal(data.x[:, c:d], composition_features(list(FORMULAS))[1])
    assert data.x.shape[1] == data.numbers + 1


def test_features_choose_among_them_and_keep_the_rest() -> None:
    data = table()
    wide_of = {name: last - first for name, first, last in data.blocks}
    for features in ("fractions", "statistics"):
        wide = wide_of[features]
        settings = PrepareSettings(features=features)
        prepared = co.preparation(data, settings).fit_transform(data.x)
        assert prepared.shape[1] == 1 + wide + 6
        blocks = co.prepared_blocks(data, settings)
        assert blocks == (("numbers", 0, 1), (features, 1, 1 + wide), ("words", 1 + wide, -1))
        assert np.isfinite(prepared).all()
    plain, rich = (
        [name for name, *_ in co.prepared_blocks(data, PrepareSettings(features=features))]
        for features in ("all", "bonding")
    )
    assert plain == ["numbers", "fractions", "statistics", "words"]
    assert rich == [*plain[:-1], "bonding", "words"]


def test_blocks_made_elsewhere_and_what_is_refused() -> None:
    chgnet = np.ones((30, 4))
    data = co.columns({}, {"formula": FORMULAS}, ("formula",), {"chgnet": chgnet})
    assert data.blocks[-1][0] == "chgnet" and np.array_equal(data.x[:, -4:], chgnet)
    with pytest.raises(InputError, match="no column of them"):
        tabular.pipeline(
            "linear", "regression", co.columns({"a": np.ones(3)}, {}), {"features": "fractions"}, 0
        )
    with pytest.raises(InputError, match="row 2: 'Xx2' is no formula"):
        co.columns({}, {"f": np.array(["Fe", "Xx2"], dtype=object)}, ("f",))
    with pytest.raises(InputError, match="did you mean 'formula'"):
        co.columns({}, {"formula": FORMULAS}, ("formulas",))
