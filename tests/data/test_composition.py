"""Composition features against a hand calculation, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Element

from matscout.data.composition import (
    PROPERTIES,
    composition_features,
    element_fractions,
    element_table,
)


def feature(formula: str, name: str) -> float:
    names, values = composition_features([formula])
    return float(values[0, names.index(name)])


def test_statistics_by_hand() -> None:
    fe, o = 1.83, 3.44
    mean = 0.4 * fe + 0.6 * o
    kind = "electronegativity (Pauling)"
    assert feature("Fe2O3", f"mean {kind}") == pytest.approx(mean)
    deviation = 0.4 * abs(fe - mean) + 0.6 * abs(o - mean)
    assert feature("Fe2O3", f"deviation {kind}") == pytest.approx(deviation)
    assert feature("Fe2O3", f"minimum {kind}") == fe and feature("Fe2O3", f"maximum {kind}") == o
    assert feature("Fe2O3", f"range {kind}") == pytest.approx(o - fe)
    assert feature("Fe2O3", "maximum atomic mass (u)") == pytest.approx(55.845)


def test_norms_by_hand() -> None:
    assert feature("Fe2O3", "0-norm of the fractions") == 2
    assert feature("Fe2O3", "2-norm of the fractions") == pytest.approx((0.16 + 0.36) ** 0.5)
    assert feature("Fe2O3", "5-norm of the fractions") == pytest.approx((0.4**5 + 0.6**5) ** 0.2)


def test_valence_electrons_are_those_beyond_the_noble_gas() -> None:
    counts = [feature("As", f"mean valence {kind} electrons") for kind in "spdf"]
    assert counts == [2, 3, 10, 0] and feature("As", "mean valence electrons") == 15
    assert (
        feature("Ce", "mean valence f electrons") >= 1
        and feature("H", "mean valence electrons") == 1
    )


def test_a_formula_and_its_multiples_are_bitwise_equal() -> None:
    _, values = composition_features(["Fe2O3", "O3Fe2", "Fe4O6", "Fe0.4O0.6"])
    assert (values == values[0]).all()


def test_what_all_elements_share_has_no_spread() -> None:
    rows = ["NiCu2Zn0.3", "Ni0.1Cu0.7Zn0.3", "Fe0.3Co0.3Ni0.1"]
    for row in rows:
        assert feature(row, "mean row") == 4 and feature(row, "deviation row") == 0


def test_each_row_is_computed_alone() -> None:
    formulas = ["NaCl", "SrTiO3", "Al", "Li10GeP2S12", "Ag0.05Gd0.048Pd0.902"]
    _, together = composition_features(formulas)
    alone = np.vstack([composition_features([f])[1] for f in formulas])
    assert np.array_equal(together, alone) and np.isfinite(together).all()
    names, none = composition_features([])
    assert none.shape == (0, len(names))


def test_the_table_has_no_gap_and_imputes_by_group() -> None:
    table = element_table()
    assert table.shape == (119, len(PROPERTIES)) and np.isfinite(table).all()
    chi = list(PROPERTIES).index("electronegativity (Pauling)")
    known = [float(Element(s).X) for s in ("Kr", "Xe", "Rn")]
    assert table[10, chi] == pytest.approx(np.mean(known))  # neon has none
    assert table[26, chi] == 1.83
    with pytest.raises(ValueError, match="read-only"):
        table[1, 1] = 0.0


def test_fractions() -> None:
    names, values = element_fractions(["Fe2O3", "H2O", "Fe"])
    assert names == ["H", "O", "Fe"]
    assert np.allclose(values, [[0, 0.6, 0.4], [2 / 3, 1 / 3, 0], [0, 0, 1]])
    assert element_fractions([])[1].shape == (0, 0)


@pytest.mark.parametrize("bad", ["Xx2", "", "H" * 500, "rock"])
def test_what_does_not_parse_is_named(bad: str) -> None:
    for function in (composition_features, element_fractions):
        with pytest.raises(ValueError, match=r"formula|characters") as caught:
            function(["NaCl", bad])
        assert bad[:40] in str(caught.value)
