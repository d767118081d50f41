"""The pool of the main job."""

import csv
from math import isfinite, sqrt

import pytest

from matscout.data.halides import (
    FEATURES,
    HALIDES,
    OCTAHEDRAL,
    TOLERANCE,
    TOXIC,
    describe,
    halide,
    halide_pool,
    halides,
)
from matscout.errors import InputError


def test_the_pool_is_about_340_and_free_of_toxic_metals():
    pool = halide_pool()
    assert 320 <= len(pool) <= 360
    assert not {symbol for row in pool.to_rows() for symbol in (row["A"], row["B"])} & TOXIC
    assert len(halides()) > len(pool), "the toxic ones stay known, for the reference table"


@pytest.mark.parametrize("x", HALIDES)
def test_caesium_tin_halides_are_candidates(x):
    assert f"CsSn{x}3" in halide_pool()


def test_ids_are_formulas_and_order_is_fixed():
    formulas = [h.formula for h in halides()]
    assert len(set(formulas)) == len(formulas)
    assert all(h.formula == f"{h.A}{h.B}{h.X}3" and h.A != h.B for h in halides())
    assert formulas == [h.formula for h in sorted(halides(), key=lambda h: (h.A, h.B, h.rX))]


def test_geometry_is_goldschmidts_and_inside_the_window():
    h = halide("Cs", "Pb", "I")
    assert h.tolerance == pytest.approx((1.88 + 2.20) / (sqrt(2) * (1.19 + 2.20)))
    assert h.octahedral == pytest.approx(1.19 / 2.20)
    for candidate in halides():
        assert TOLERANCE[0] <= candidate.tolerance <= TOLERANCE[1]
        assert OCTAHEDRAL[0] <= candidate.octahedral <= OCTAHEDRAL[1]


def test_features_are_finite_numbers_known_before_any_experiment():
    pool = halide_pool()
    assert pool.features == FEATURES
    assert pool.matrix.shape == (len(pool), len(FEATURES))
    assert all(isfinite(v) for v in pool.matrix.ravel())
    assert not {"dH_dec_meV_atom", "E0_eV_atom", "a0_A", "B0_GPa"} & set(describe(halides()[0]))


@pytest.mark.parametrize(
    "a, b, x, named",
    [("Xx", "Sn", "I", "'Xx'"), ("Cs", "Si", "I", "'Si'"), ("Cs", "Sn", "O", "'O'")],
)
def test_an_element_out_of_place_is_a_persons_mistake(a, b, x, named):
    with pytest.raises(InputError, match=named):
        halide(a, b, x)


def test_every_compound_with_an_experimental_label_is_in_the_window(shared_data):
    with open(shared_data / "perovskite_labels" / "halides.csv") as file:
        labelled = {row["formula"] for row in csv.DictReader(file)}
    assert labelled <= {h.formula for h in halides()}
