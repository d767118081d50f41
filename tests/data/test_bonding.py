"""What elements do together: against hand calculations, brute force, and what must not change them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element

from matscout.data.bonding import ELECTRONIC, TOGETHER, bonding_features


def feature(formula: str, name: str) -> float:
    names, values = bonding_features([formula])
    return float(values[0, names.index(name)])


def test_pauling_s_ionic_character_and_its_mean_over_pairs() -> None:
    na, cl = 0.93, 3.16
    ionic = 1 - np.exp(-0.25 * (cl - na) ** 2)
    assert feature("NaCl", "largest ionic character") == pytest.approx(ionic)
    assert feature("NaCl", "mean ionic character") == pytest.approx(2 * 0.25 * ionic)
    assert feature("Cu", "largest ionic character") == 0
    assert feature("NaCl", "mixing entropy (k)") == pytest.approx(np.log(2))


def test_electrons_fill_the_lowest_levels_of_the_free_atoms() -> None:
    # All of Na's 3s electrons fit into Cl's 3p hole: full there, the next level is Na's own.
    levels = {s: Element(s).data["Atomic orbitals"] for s in ("Na", "Cl")}
    assert feature("NaCl", "highest filled level (eV)") == pytest.approx(
        27.211386 * levels["Cl"]["3p"]
    )
    assert feature("NaCl", "lowest empty level (eV)") == pytest.approx(
        27.211386 * levels["Na"]["3s"]
    )
    assert feature("Cu", "level gap (eV)") == 0
    assert feature("Ne", "lowest empty level (eV)") == 0  # nothing is left but the vacuum


@pytest.mark.parametrize(
    ("formula", "least"),
    [("NaCl", 0), ("Fe3O4", 0), ("Na2Cl", 1 / 3), ("SrTiO3", 0), ("Mg2Si", 0), ("ZnAl", 2.5)],
)
def test_what_charge_is_left_over(formula: str, least: float) -> None:
    # Fe3O4 needs iron of two kinds: one state of each element leaves 1/7 or more.
    expected = 1 / 7 if formula == "Fe3O4" else least
    assert feature(formula, "least charge") == pytest.approx(expected, abs=1e-8)


CHEMICAL = st.dictionaries(
    st.sampled_from(["H", "O", "Na", "Fe", "Sn", "Cl", "C", "Mn"]),
    st.integers(1, 6),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(CHEMICAL)
def test_charges_are_those_of_all_combinations(counts: dict[str, int]) -> None:
    formula = "".join(f"{symbol}{count}" for symbol, count in counts.items())
    total = sum(counts.values())
    each = [
        [n * q / total for q in Element(symbol).common_oxidation_states]
        for symbol, n in counts.items()
    ]
    sums = [sum(some) for some in itertools.product(*each)]
    assert feature(formula, "least charge") == pytest.approx(min(map(abs, sums)), abs=1e-8)
    assert feature(formula, "lowest charge") == pytest.approx(min(sums))
    assert feature(formula, "highest charge") == pytest.approx(max(sums))
    common = math.gcd(*counts.values())  # pymatgen's own reduction keeps H2
    electrons = sum(n // common * Element(s).Z for s, n in counts.items())
    assert feature(formula, "odd electrons") == electrons % 2
    assert feature(formula, "atoms of the formula unit") == total // common


def test_octets() -> None:
    assert feature("NaCl", "electrons beyond octets") == 0
    assert feature("GaAs", "electrons beyond octets") == 0
    assert feature("Na2Cl", "electrons beyond octets") == pytest.approx(1 / 3)


def test_a_formula_and_its_multiples_are_bitwise_equal_and_each_row_is_computed_alone() -> None:
    same = bonding_features(["Fe2O3", "O3Fe2", "Fe4O6", "Fe0.4O0.6"])[1]
    assert (same == same[0]).all()
    formulas = ["NaCl", "SrTiO3", "Al", "Li10GeP2S12", "Ag0.05Gd0.048Pd0.902", "Cf2O3", "C60"]
    names, together = bonding_features(formulas)
    alone = np.vstack([bonding_features([f])[1] for f in formulas])
    assert np.array_equal(together, alone) and np.isfinite(together).all()
    assert len(names) == len(set(names)) == 5 * len(ELECTRONIC) + len(TOGETHER)
    assert bonding_features([])[1].shape == (0, len(names))


def test_no_unit_of_a_solution_and_none_too_large() -> None:
    assert feature("Fe0.62379C0.37621", "odd electrons") == 0.5
    assert feature("Fe0.62379C0.37621", "atoms of the formula unit") == 0
    many = "C1H1N1O1S1Mn1Sn1Cl1Br1I1Te1Se1Sb1As1P1Ge1"
    assert np.isfinite(bonding_features([many])[1]).all()


def test_what_does_not_parse_is_named() -> None:
    with pytest.raises(ValueError, match="Xx2"):
        bonding_features(["NaCl", "Xx2"])
