"""Ten numbers of a crystal's geometry: known lattices, and every way to write one down."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data import crystal_features
from matscout.data.composition import composition_features
from matscout.data.geometry import NAMES, geometry_features
from matscout.data.structure_blocks import structure_blocks
from matscout.errors import InputError

SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)


def of(structure: Structure) -> dict[str, float]:
    return dict(zip(NAMES, geometry_features([structure])[0], strict=True))


def test_rock_salt_is_known() -> None:
    found = of(SALT)
    assert found["volume per atom (A3)"] == pytest.approx(5.64**3 / 8)
    assert found["density (g/cm3)"] == pytest.approx(2.17, abs=0.02)
    for name in ("shortest bond (A)", "mean nearest distance (A)"):
        assert found[name] == pytest.approx(2.82)
    assert found["mean coordination"] == 6.0 and found["spread of coordination"] == 0.0
    assert found["isotropy of bonds"] == pytest.approx(1.0)
    radii = 1.8 + 1.0  # Slater's, Na and Cl
    assert found["shortest bond over radii"] == pytest.approx(2.82 / radii)
    spheres = 4 / 3 * math.pi * (1.8**3 + 1.0)
    assert found["packing of atomic spheres"] == pytest.approx(4 * spheres / 5.64**3)


def test_layers_and_close_packing() -> None:
    graphene = Structure(
        Lattice.hexagonal(2.46, 15.0), ["C", "C"], [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    )
    assert of(graphene)["mean coordination"] == 3.0
    assert of(graphene)["isotropy of bonds"] == pytest.approx(0.0, abs=1e-9)
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    assert of(copper)["mean coordination"] == 12.0
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert of(iron)["mean coordination"] == 14.0, "the second shell of bcc is near"


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_every_way_of_writing_it_down(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    matrix = np.eye(3) * rng.uniform(3.0, 5.0, 3) + rng.uniform(-0.6, 0.6, (3, 3))
    crystal = Structure(
        Lattice(matrix), rng.choice(["Na", "Cl", "O"], n), rng.uniform(0, 1, (n, 3))
    )
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = Structure(Lattice(matrix @ rotation), crystal.species, crystal.frac_coords)
    moved = crystal.copy()
    moved.translate_sites(list(range(n)), [0.3, -0.2, 0.7])
    flipped = Structure.from_sites(list(crystal)[::-1])
    found = geometry_features([crystal, turned, moved, flipped, crystal * (2, 1, 1)])
    assert np.isfinite(found).all()
    for row in found[1:]:
        assert row == pytest.approx(found[0], rel=1e-6, abs=1e-6)


def test_lonely_atoms() -> None:
    apart = Structure(Lattice.cubic(12.0), ["Ar"], [[0, 0, 0]])
    assert of(apart)["mean nearest distance (A)"] == pytest.approx(12.0)
    with pytest.raises(InputError, match="mine: an atom has no other") as caught:
        geometry_features([Structure(Lattice.cubic(17.0), ["Ar"], [[0, 0, 0]])], ["mine"])
    assert "\n" not in str(caught.value)


def test_blocks_are_kept_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fake(structures: list[Structure], names: list[str]) -> np.ndarray:
        asked.extend(names)
        if "bad" in names:
            raise InputError("bad", "planted")
        return np.array([[s.volume] * crystal_features.WIDTH for s in structures])

    monkeypatch.setattr(crystal_features, "crystal_features", fake)
    monkeypatch.setattr("matscout.data.structure_blocks._TO_A_PACK", 2)
    crystals = [
        SALT,
        SALT * (2, 1, 1),
        SALT.copy().scale_lattice(150.0),
        SALT.copy().scale_lattice(190.0),
    ]
    with pytest.raises(InputError, match="planted"):
        structure_blocks(crystals, folder=tmp_path, names=["a", "b", "c", "bad"])
    found = structure_blocks(crystals, folder=tmp_path, names=["a", "b", "c", "d"])
    assert asked == ["a", "b", "c", "bad", "c", "d"], "the first pack was on disk"
    assert list(found) == ["composition", "chgnet", "geometry"]
    for names, table in found.values():
        assert table.shape == (4, len(names))
    assert found["chgnet"][1][:, 5].tolist() == [s.volume for s in crystals]
    again = structure_blocks(crystals[::-1], folder=tmp_path)
    assert len(asked) == 6
    for name in found:
        assert np.array_equal(again[name][1][::-1], found[name][1], equal_nan=True)
    plain = structure_blocks(crystals, wanted=["geometry", "composition"])
    assert np.array_equal(plain["geometry"][1], found["geometry"][1])
    assert plain["composition"][0] == composition_features(["NaCl"])[0] and "chgnet" not in plain
