"""Ionic radii: the right kind, the right spin, and the one that pymatgen lacks."""

import pytest

from matscout.data.shannon import ionic_radius


@pytest.mark.parametrize(
    "element, charge, coordination, radius_A",
    [
        ("Cs", 1, "XII", 1.88),
        ("Pb", 2, "VI", 1.19),
        ("I", -1, "VI", 2.20),
        ("Fe", 2, "VI", 0.78),  # high spin; low spin is 0.61, and the crystal radius 0.92
        ("Mn", 2, "VI", 0.83),
        ("Sn", 2, "VI", 1.18),  # not in Shannon's table
    ],
)
def test_effective_high_spin_radii(element, charge, coordination, radius_A):
    assert ionic_radius(element, charge, coordination) == pytest.approx(radius_A)


def test_what_is_not_tabulated_is_none():
    assert ionic_radius("Sn", 2, "XII") is None
    assert ionic_radius("Li", 1, "XII") is None
    assert ionic_radius("He", 2, "VI") is None


def test_pymatgen_still_lacks_tin():
    """If this fails, pymatgen has learnt Sn2+ and our own value should be compared with it."""
    from pymatgen.core import Element

    assert "2" not in Element("Sn").data["Shannon radii"]
