"""Structures with targets from JSON and from folders; malformed ones are one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data import structure_files, structures
from matscout.data.structures import (
    StructureSet,
    load_structures,
    save_structures,
    structure_from_dict,
    structure_to_dict,
)
from matscout.errors import InputError

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
IRON = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def entries() -> list[dict[str, Any]]:
    return [{"structure": s.as_dict(), "target": y} for s, y in ((SALT, -3.4), (IRON, 0))]


def same(found: StructureSet) -> bool:
    pairs = zip(found.structures, (SALT, IRON), strict=True)
    return list(found.target) == [-3.4, 0.0] and all(
        np.array_equal(a.lattice.matrix, b.lattice.matrix)
        and np.array_equal(a.frac_coords, b.frac_coords)
        and a.species == b.species
        for a, b in pairs
    )


@pytest.mark.parametrize("name", ["s.json", "s.jsonl", "s.json.gz", "s.jsonl.gz"])
def test_every_kind_of_file(tmp_path: Path, name: str) -> None:
    if "jsonl" in name:
        text = "\n".join(json.dumps(entry) for entry in entries()) + "\n\n"
    else:
        text = json.dumps(entries())
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = load_structures(tmp_path / name)
    assert same(found) and found.ids == ("0", "1")


def test_matbench_and_another_target_name(tmp_path: Path) -> None:
    table = {
        "index": [0, 1],
        "columns": ["structure", "e form"],
        "data": [[SALT.as_dict(), -3.4], [IRON.as_dict(), 0]],
    }
    (tmp_path / "s.json").write_text(json.dumps(table))
    assert same(load_structures(tmp_path / "s.json", "e form"))


def test_a_folder_of_files_and_a_table(tmp_path: Path) -> None:
    SALT.to(str(tmp_path / "salt.cif"), fmt="cif")
    IRON.to(str(tmp_path / "iron-1.vasp"), fmt="poscar")
    (tmp_path / "targets.csv").write_text("id,target\nsalt,-3.4\niron-1,0\n")
    found = load_structures(tmp_path)
    assert found.ids == ("salt", "iron-1") and list(found.target) == [-3.4, 0.0]
    assert [s.composition.reduced_formula for s in found.structures] == ["NaCl", "Fe"]
    assert [len(s) for s in found.structures] == [8, 2]


@pytest.mark.parametrize("name", ["s.jsonl", "deep/s.jsonl.gz"])
def test_what_is_saved_is_read_back_and_the_same_bytes_again(tmp_path: Path, name: str) -> None:
    found = StructureSet(("a", "b"), (SALT, IRON), np.array([-3.4, 0.0]))
    save_structures(tmp_path / name, found)
    first = (tmp_path / name).read_bytes()
    again = load_structures(tmp_path / name)
    assert same(again) and again.ids == ("a", "b")
    save_structures(tmp_path / name, again)
    assert (tmp_path / name).read_bytes() == first
    assert Structure.from_dict(structure_to_dict(SALT)) == SALT


def test_no_code_is_imported_from_a_file() -> None:
    raw = structure_to_dict(IRON)
    planted = {"@module": "this_module_would_be_imported", "@class": "Thing"}
    raw["sites"][0]["properties"] = {"x": planted}
    raw["lattice"]["@module"] = "this_module_would_be_imported"
    raw["properties"] = planted
    assert structure_from_dict(raw) == IRON


def broken(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    entry = {"structure": structure_to_dict(IRON), "target": 1.0}
    part: Any = entry
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return entry


FE = {"element": "Fe", "occu": 1}
CELL = ("structure", "lattice", "matrix")


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (broken(("target",), "abc"), "finite number"),
        (broken(("target",), float("nan")), "finite number"),
        (broken(("target",), None), "finite number"),
        (broken(("target",), True), "finite number"),
        (broken(("structure",), 7), "not a pymatgen structure"),
        (broken(("structure",), {}), "not a pymatgen structure"),
        (broken(CELL, [[1, 2], [3, 4]]), "3x3"),
        (broken(CELL, "abc"), "not a pymatgen structure"),
        (broken(CELL, [[float("inf"), 0, 0], [0, 1, 0], [0, 0, 1]]), "not finite"),
        (broken(CELL, [[3, 0, 0], [3, 0, 0], [0, 0, 3]]), "cubic angstrom"),
        (broken(CELL, [[1e-3, 0, 0], [0, 3e3, 0], [0, 0, 3]]), "cubic angstrom"),
        (broken(("structure", "sites"), []), "1 to 5,000 sites"),
        (broken(("structure", "sites", 0, "abc"), [0, 0]), "not a pymatgen structure"),
        (broken(("structure", "sites", 0, "abc"), [0, None, 0]), "not finite"),
        (broken(("structure", "sites", 0, "species"), [{"element": "Xx"}]), "no element"),
        (broken(("target",), 1e308), r"target 'target' is '1e\+308', which has no square"),
        (broken(("structure", "sites", 0, "species"), [FE, FE]), "partly occupied"),
        (broken(("structure", "sites", 0, "species", 0, "occu"), 0.5), "partly occupied"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, entry: dict[str, Any], what: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(entries()[0]) + "\n" + json.dumps(entry) + "\n")
    with pytest.raises(InputError, match=what) as caught:
        load_structures(path)
    assert "line 2" in str(caught.value) and "\n" not in str(caught.value)


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, data: bytes, what: str) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=what):
            load_structures(tmp_path / name)

    with pytest.raises(InputError, match="no such file"):
        load_structures(tmp_path / "absent.json")
    refused("a.json", b"[", "not JSON")
    refused("a.json", b"[" * 100_000, "not JSON")
    refused("a.json", b"{}", "not a list")
    refused("a.json", b"[]", "no structure")
    refused("a.json", b"[1]", "entry 0: not an object")
    refused("a.json", json.dumps([{**entries()[0], "id": "x"}] * 2).encode(), "'x' is given twice")
    refused("a.json.gz", b"not gzip", "cannot be read")
    refused("a.json.gz", gzip.compress(b"[]" * 99)[:-9], "cannot be read")
    refused("a.txt", b"", "not a .json")
    with pytest.raises(InputError, match="it has: target"):
        (tmp_path / "b.json").write_text(json.dumps(entries()))
        load_structures(tmp_path / "b.json", "energy")
    monkeypatch.setattr(structures, "MAX_FILE_BYTES", 1000)
    refused("bomb.json.gz", gzip.compress(b"[" + b" " * 10**6 + b"]"), "more than 1,000 bytes")


def test_bad_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(what: str, **files: str) -> None:
        for old in tmp_path.iterdir():
            old.unlink()
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        with pytest.raises(InputError, match=what):
            load_structures(tmp_path)

    table = "id,target\na,1\n"
    poscar = IRON.to(fmt="poscar")
    refused("0 CSV files")
    refused("2 CSV files", t_csv=table, u_csv=table)
    refused("no structure file", t_csv=table)
    refused("several structure files", t_csv=table, a_cif="x", a_vasp="x")
    refused("letters, digits", t_csv="id,target\n../a,1\n")
    refused("no column 'id'", t_csv="name,target\na,1\n")
    refused("not a structure", t_csv=table, a_cif="data_x\n_cell_length_a 3\n")
    refused("fewer than eight lines", t_csv=table, a_vasp="x")
    refused("names no elements", t_csv=table, a_vasp=poscar.replace("Fe\n", "2\n"))
    refused("line 7 must count", t_csv=table, a_vasp=poscar.replace("\n2\n", "\n999999999\n"))
    monkeypatch.setattr(structure_files, "MAX_STRUCTURE_BYTES", 50)
    refused("a structure may have 50 bytes", t_csv=table, a_vasp=poscar)


def test_real_structures(shared_data: Path) -> None:
    found = load_structures(shared_data / "phonons" / "matbench_phonons.json.gz", "last phdos peak")
    assert len(found) == 1265 and found.target.min() > 0
