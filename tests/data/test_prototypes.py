"""Substituted prototypes: pymatgen still ships them, and what comes out is a sane crystal."""

from __future__ import annotations

import re

import numpy as np
import pytest

from matscout.data.prototypes import (
    ANIONS,
    CATIONS,
    aflow_prototypes,
    charge_balanced,
    substituted,
)
from matscout.errors import InputError


def test_pymatgen_ships_the_prototypes() -> None:
    """They lie in a private file: if this fails, a new pymatgen has moved it."""
    found = dict(aflow_prototypes())
    assert len(found) == len(aflow_prototypes()) > 250
    assert found["AB_cF8_225_a_b"].composition.reduced_formula == "NaCl"


def test_substituted_crystals_are_sane() -> None:
    made = substituted(120, seed=7)
    assert len({new.id for new in made}) == len(made) == 120
    assert len({new.prototype for new in made}) > 30
    for new in made:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", new.id)
        elements = [e.symbol for e in new.structure.composition.elements]
        anions = [e for e in elements if e in ANIONS]
        assert len(anions) == 1 and set(elements) <= {*CATIONS, *ANIONS}
        assert 2 <= len(elements) <= 3 and 2 <= len(new.structure) <= 10
        amounts = [(e.symbol, n) for e, n in new.structure.composition.items()]
        assert charge_balanced(amounts, anions[0])
        distance = new.structure.get_neighbor_list(6.0)[3]
        assert distance.min() > 1.2
        assert 4 < new.structure.volume / len(new.structure) < 150


def test_volumes_are_near_experiment() -> None:
    """Rock salt of known cell (angstrom): the ionic radii put it within 3 %."""
    made = substituted(1, 0, cations=["Mg"], anions=["O"], max_sites=2)
    for seed in range(1, 60):
        if made[0].prototype == "AB_cF8_225_a_b":
            break
        made = substituted(1, seed, cations=["Mg"], anions=["O"], max_sites=2)
    assert made[0].prototype == "AB_cF8_225_a_b"
    assert (4 * made[0].structure.volume) ** (1 / 3) == pytest.approx(4.21, rel=0.03)


def test_the_seed_decides_and_an_id_means_one_crystal() -> None:
    one, again, other = substituted(40, 1), substituted(40, 1), substituted(400, 2)
    assert [new.id for new in one] == [new.id for new in again]
    assert [new.id for new in one] != [new.id for new in other[:40]]
    known = {new.id: new.structure for new in other}
    shared = [new for new in one if new.id in known]
    assert shared
    for new in shared:
        assert np.array_equal(new.structure.lattice.matrix, known[new.id].lattice.matrix)
        assert new.structure == known[new.id]
    assert [new.id for new in substituted(10, 1)] == [new.id for new in one[:10]]


def test_charge_balance() -> None:
    assert charge_balanced([("Na", 1), ("Cl", 1)], "Cl")
    assert charge_balanced([("Cs", 1), ("Sn", 1), ("I", 3)], "I")
    assert not charge_balanced([("Na", 1), ("Cl", 2)], "Cl")


def test_too_many_are_refused() -> None:
    with pytest.raises(InputError, match="ask for fewer"):
        substituted(500, 0, cations=["Mg"], anions=["O"], max_sites=2)
