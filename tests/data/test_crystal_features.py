"""CHGNet's crystal features: shape, symmetry, purity, and one line where CHGNet is missing."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data import crystal_features as module
from matscout.data.crystal_features import WIDTH, crystal_features
from matscout.errors import InputError


def rocksalt(cation: str, a_angstrom: float = 5.6) -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(a_angstrom), [cation, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure()


def test_features_of_a_crystal_do_not_depend_on_its_cell_or_its_company() -> None:
    pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")
    salts = [rocksalt("Na"), rocksalt("K", 6.3), rocksalt("Li", 5.1)]
    found = crystal_features(salts)
    assert found.shape == (3, WIDTH) and found.dtype == np.float64 and np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() > 0.01
    module._known.clear()
    assert np.array_equal(crystal_features(salts[1:]), found[1:])
    double = salts[0].copy() * (2, 1, 1)
    assert np.allclose(crystal_features([double])[0], found[0], atol=1e-4)
    assert crystal_features([]).shape == (0, WIDTH)


def test_they_are_chgnets_own_per_atom() -> None:
    pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")
    salt = rocksalt("Na")
    said = module._model().predict_structure(salt, task="e", return_crystal_feas=True)
    assert np.allclose(crystal_features([salt])[0], said["crystal_fea"] / len(salt), atol=1e-6)


def test_an_isolated_atom_is_named() -> None:
    pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")
    far = Structure(Lattice.cubic(30), ["Ar"], [[0, 0, 0]])
    with pytest.raises(InputError, match=r"candidate 'x': an atom has no neighbour"):
        crystal_features([far], ["candidate 'x'"])


def test_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    row = np.arange(WIDTH, dtype=float)
    monkeypatch.setattr(module, "_known", {})
    monkeypatch.setattr(module, "_computed", lambda s, name: calls.append(name) or row)
    found = crystal_features([rocksalt("Na"), rocksalt("Na"), rocksalt("Na", 5.7)])
    assert calls == ["structure 0", "structure 2"] and np.array_equal(found[0], found[1])


def test_without_chgnet_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name == "chgnet" or name.startswith("chgnet."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_known", {})
    module._model.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'matscout\[oracle\]'"):
        crystal_features([rocksalt("Na")])


def test_real_phonon_crystals(shared_data: Path) -> None:
    pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")
    from matscout.data.structures import load_structures

    data = load_structures(shared_data / "phonons/matbench_phonons.json.gz", "last phdos peak")
    found = crystal_features(data.structures[:20])
    assert (np.ptp(found, axis=0) > 0).all()
