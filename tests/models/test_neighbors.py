"""Neighbour lists: against brute force, independent of how a crystal is written, cached safely."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data.graphs import GraphStore
from matscout.models import neighbors
from matscout.models.neighbors import (
    Neighbors,
    all_neighbors,
    find_neighbors,
    nearest,
    structure_key,
)

PEROVSKITE = Structure(
    Lattice.cubic(5.8),
    ["Cs", "Sn", "Br", "Br", "Br"],
    [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
)


def random_crystal(seed: int) -> Structure:
    rng = np.random.default_rng(seed)
    matrix = np.eye(3) * rng.uniform(2.5, 4.5, 3) + rng.uniform(-0.8, 0.8, (3, 3))
    n = int(rng.integers(1, 5))
    return Structure(Lattice(matrix), rng.choice(["Na", "Cl", "O"], n), rng.uniform(0, 1, (n, 3)))


def brute_force(structure: Structure, cutoff: float) -> set[tuple[int, int, int, int, int]]:
    images = np.array(list(itertools.product(range(-7, 8), repeat=3)))
    cart, matrix = structure.cart_coords, structure.lattice.matrix
    found = set()
    for i, j in itertools.product(range(len(structure)), repeat=2):
        distance = np.linalg.norm(cart[j] - cart[i] + images @ matrix, axis=1)
        near = images[(distance > 1e-8) & (distance <= cutoff)]
        found |= {(i, j, *map(int, image)) for image in near}
    return found


@given(st.integers(0, 10_000))
def test_all_images_within_the_cutoff_are_found(seed: int) -> None:
    structure = random_crystal(seed)
    structure = Structure(structure.lattice, structure.species, structure.frac_coords % 1.0)
    found = find_neighbors(structure, 4.0)
    rows = zip(found.center, found.neighbor, *found.image.T, strict=True)
    assert {tuple(map(int, row)) for row in rows} == brute_force(structure, 4.0)
    ends = structure.frac_coords[found.neighbor] + found.image - structure.frac_coords[found.center]
    lengths = np.linalg.norm(ends @ structure.lattice.matrix, axis=1)
    assert np.allclose(lengths, found.distance, atol=1e-6)
    assert (np.diff(found.center) >= 0).all()


def test_nearest_takes_whole_shells() -> None:
    found = find_neighbors(PEROVSKITE, 6.0)
    # Tin: six bromine at a/2, then eight caesium at a*sqrt(3)/2, then six tin at a.
    for count, expected in ((1, 6), (6, 6), (7, 14), (14, 14), (15, 20), (999, 20)):
        chosen = nearest(found, count)
        assert (chosen.center == 1).sum() == expected, count
    assert len(nearest(find_neighbors(PEROVSKITE, 1.0), 12)) == 0


@given(seed=st.integers(0, 10_000), count=st.integers(1, 15))
def test_nearest_against_a_plain_loop(seed: int, count: int) -> None:
    found = find_neighbors(random_crystal(seed), 5.0)
    chosen = nearest(found, count)
    for center in np.unique(found.center):
        distances = np.sort(found.distance[found.center == center])
        quota = distances[:count][-1] + neighbors.TIE_ANGSTROM
        expected = distances[distances <= quota]
        assert np.array_equal(np.sort(chosen.distance[chosen.center == center]), expected)


def fingerprint(structure: Structure, count: int) -> Counter[tuple[str, str, float]]:
    """Bonds by the kinds of both ends and length: what must not depend on how it is written."""
    found = nearest(find_neighbors(structure, 6.0), count)
    symbols = [site.specie.symbol for site in structure]
    return Counter(
        (symbols[i], symbols[j], round(float(d), 3))
        for i, j, d in zip(found.center, found.neighbor, found.distance, strict=True)
    )


@pytest.mark.parametrize("count", [4, 7, 12])
def test_the_same_crystal_written_differently_has_the_same_bonds(count: int) -> None:
    bonds = fingerprint(PEROVSKITE, count)
    order = [3, 1, 4, 0, 2]
    assert fingerprint(Structure.from_sites([PEROVSKITE[k] for k in order]), count) == bonds
    supercell = fingerprint(PEROVSKITE * (2, 1, 1), count)
    assert supercell == Counter({bond: 2 * n for bond, n in bonds.items()})


def equal(one: Neighbors, other: Neighbors) -> bool:
    names = ("center", "neighbor", "image", "distance")
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


def test_the_store_is_used_and_keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fresh,) = all_neighbors([PEROVSKITE], 5.0, tmp_path)
    assert equal(fresh, find_neighbors(PEROVSKITE, 5.0))
    searched = []
    real = find_neighbors

    def counted(structure: Structure, cutoff: float) -> Neighbors:
        searched.append(cutoff)
        return real(structure, cutoff)

    monkeypatch.setattr(neighbors, "find_neighbors", counted)
    for found in all_neighbors([PEROVSKITE, PEROVSKITE], 5.0, tmp_path):
        assert equal(found, fresh)
    assert searched == []
    all_neighbors([PEROVSKITE, PEROVSKITE], 5.5, tmp_path)
    all_neighbors([PEROVSKITE], 5.0, None)
    assert searched == [5.5, 5.0]
    moved = PEROVSKITE.copy()
    moved.translate_sites([0], [1e-9, 0, 0])
    other = PEROVSKITE.copy()
    other.replace(0, "Rb")
    keys = {structure_key(s, 5.0) for s in (PEROVSKITE, moved, other, PEROVSKITE * (1, 1, 1))}
    assert len(keys) == 3


def test_a_long_run_that_is_killed_keeps_its_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "_TO_A_PACK", 2)
    salts = [Structure(Lattice.cubic(3.0 + k / 10), ["Cs"], [[0, 0, 0]]) for k in range(5)]
    whole = [find_neighbors(s, 3.35) for s in salts]
    real = find_neighbors

    def killed(structure: Structure, cutoff: float) -> Neighbors:
        if structure == salts[3]:
            raise KeyboardInterrupt
        return real(structure, cutoff)

    monkeypatch.setattr(neighbors, "find_neighbors", killed)
    with pytest.raises(KeyboardInterrupt):
        all_neighbors(salts, 3.35, tmp_path)
    monkeypatch.setattr(neighbors, "find_neighbors", lambda s, c: real(s, c))
    assert len(GraphStore(tmp_path)) == 2
    for one, other in zip(all_neighbors(salts, 3.35, tmp_path), whole, strict=True):
        assert equal(one, other)
    assert not len(whole[4]), "an atom without neighbours is remembered, too"
