"""Structures: the right symmetry and stoichiometry, and kicks that repeat themselves."""

import json

import numpy as np
import pytest

from matscout.data.halide_crystals import (
    AX_PROTOTYPES,
    BX2_PROTOTYPES,
    cubic_perovskite,
    from_plain,
    perturbed,
    to_plain,
)


def test_the_perovskite_is_cubic_with_b_in_the_octahedron():
    crystal = cubic_perovskite("Cs", "Sn", "I", 6.2)
    assert crystal.get_space_group_info()[1] == 221
    assert crystal.composition.reduced_formula == "CsSnI3"
    to_x = sorted(crystal.get_distance(1, i) for i in (2, 3, 4))
    assert to_x == pytest.approx([3.1] * 3)
    assert len(crystal.get_neighbors(crystal[1], 3.2)) == 6


@pytest.mark.parametrize("prototype", AX_PROTOTYPES + BX2_PROTOTYPES, ids=lambda p: p.name)
def test_a_prototype_is_itself(prototype):
    crystal = prototype.crystal("Mg", "Cl", 20.0)
    ratio = 1 if prototype in AX_PROTOTYPES else 2
    assert crystal.composition["Cl"] == ratio * crystal.composition["Mg"]
    assert crystal.get_space_group_info()[0] == prototype.space_group
    assert crystal.volume / len(crystal) == pytest.approx(20.0)
    apart = crystal.distance_matrix[np.triu_indices(len(crystal), 1)]
    assert apart.min() > 1.5


def test_a_kick_breaks_symmetry_and_is_a_function_of_its_seed():
    still = BX2_PROTOTYPES[0].crystal("Ca", "F", 13.0)
    one, again, other = perturbed(still, 7), perturbed(still, 7), perturbed(still, 8)
    assert to_plain(one) == to_plain(again) != to_plain(other)
    assert one.get_space_group_info()[1] < still.get_space_group_info()[1]
    assert one.volume == pytest.approx(still.volume, rel=0.1)


def test_plain_form_goes_through_json():
    crystal = perturbed(BX2_PROTOTYPES[2].crystal("Sn", "Br", 30.0), 1)
    back = from_plain(json.loads(json.dumps(to_plain(crystal))))
    assert back.matches(crystal)
    assert to_plain(back) == to_plain(crystal)
