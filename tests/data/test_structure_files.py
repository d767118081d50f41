"""Structures of a table's cells: any way of writing, bounded, kept by content; mistakes by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data import structure_files
from matscout.data.bounded_child import ChildEnded, Refused
from matscout.data.graphs import GraphStore
from matscout.data.structure_child import answer
from matscout.data.structure_files import StructureText, attempted, load_texts, structure_text
from matscout.data.structure_text import structure_to_dict
from matscout.errors import InputError

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
IRON = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CIF = SALT.to(fmt="cif")


def text_of(kind: str, text: str, where: str = "t.csv: line 3") -> StructureText:
    return StructureText(kind, text, where)


def same(one: Structure, other: Structure) -> bool:
    return one.composition == other.composition and np.allclose(one.lattice.abc, other.lattice.abc)


def crowd(sites: int, symbol: str = "Fe") -> str:
    one = {"species": [{"element": symbol, "occu": 1}], "abc": [0.1, 0.2, 0.3]}
    lattice = {"matrix": [[90, 0, 0], [0, 90, 0], [0, 0, 90]]}
    return json.dumps({"lattice": lattice, "sites": [one] * sites})


def test_three_ways_of_writing_and_one_bad_text_hides_no_other() -> None:
    texts = [
        text_of("cif", CIF),
        text_of("cif", CIF.replace("Na", "Qq"), "t.csv: line 4: a.cif"),
        text_of("json", json.dumps(SALT.as_dict())),
        text_of("poscar", SALT.to(fmt="poscar")),
        text_of("json", crowd(10_000)),
        text_of("json", crowd(1, "Qq")),
        text_of("cif", "\x00 garbage"),
    ]
    found = attempted(texts)
    assert all(same(found[k], SALT) for k in (0, 2, 3))  # type: ignore[arg-type]
    bad = [str(found[k]) for k in (1, 4, 5, 6)]
    assert bad[0].startswith("t.csv: line 4: a.cif: ") and "Qq" in bad[0] and "Qq" in bad[2]
    assert "1 to 5,000 sites" in bad[1] and "not a structure" in bad[3]
    assert not any("\n" in line for line in bad)
    with pytest.raises(InputError, match=r"line 4: a\.cif"):
        load_texts(texts)


@settings(max_examples=40)
@given(st.sampled_from(["cif", "poscar", "json"]), st.text(max_size=80), st.integers(0, 700))
def test_whatever_the_text_it_is_read_or_refused(kind: str, noise: str, place: int) -> None:
    whole = {"cif": CIF, "poscar": IRON.to(fmt="poscar"), "json": json.dumps(SALT.as_dict())}[kind]
    found = answer([kind, whole[:place] + noise + whole[place + len(noise) :]])
    assert isinstance(found, Refused) or len(found["numbers"]) == len(found["coords"])


def test_a_line_that_no_cif_has_is_refused_before_it_is_parsed() -> None:
    """The parser would think about these quotes for the square of their number."""
    lines = CIF.splitlines()
    longest = [*lines[:3], "_x " + "'" * 2045, *lines[3:]]
    assert not isinstance(answer(["cif", "\n".join(longest)]), Refused)
    found = answer(["cif", "\n".join([*lines[:3], "'" * 10**6 + "x", *lines[3:]])])
    assert isinstance(found, Refused) and "line 4 has 1,000,001 characters" in str(found)


def test_kept_on_disk_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_files, "_known", {})
    texts = [text_of("json", json.dumps(structure_to_dict(s))) for s in (SALT, IRON)]
    monkeypatch.setattr(
        structure_files, "answers", lambda module, requests, **_: map(answer, requests)
    )
    broken = text_of("json", "{}")
    with pytest.raises(InputError):
        load_texts([*texts, broken], GraphStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
    load_texts(texts, GraphStore(tmp_path / "store"))

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("read again")

    monkeypatch.setattr(structure_files, "answers", never)
    structure_files._known.clear()
    again = load_texts(texts[::-1], GraphStore(tmp_path / "store"))
    assert same(again[0], IRON) and same(again[1], SALT)
    assert np.array_equal(again[1].frac_coords, SALT.frac_coords)


def test_what_ends_the_child_is_told_by_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_files, "_known", {})

    def ends(module: str, requests: Any, **_: Any) -> Any:
        for kind, text in requests:
            if text == "bomb":
                raise ChildEnded("takes more than 20 s to read")
            yield answer([kind, text])

    monkeypatch.setattr(structure_files, "answers", ends)
    salt = text_of("json", json.dumps(SALT.as_dict()))
    found = attempted([salt, text_of("cif", "bomb", "t.csv: line 9"), text_of("cif", CIF)])
    assert str(found[1]).startswith("t.csv: line 9: takes more than 20 s")
    assert same(found[0], SALT) and same(found[2], SALT)  # type: ignore[arg-type]


def test_size_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_files, "MAX_STRUCTURE_BYTES", 50)
    (tmp_path / "a.cif").write_text(CIF)
    for source in (str(tmp_path / "a.cif"), json.dumps(SALT.as_dict())):
        with pytest.raises(InputError, match=r"t\.csv: line 2.*may have 50 bytes"):
            structure_text(source, "t.csv: line 2")
    (tmp_path / "b.cif").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"b\.cif: cannot be read"):
        structure_text(str(tmp_path / "b.cif"))
