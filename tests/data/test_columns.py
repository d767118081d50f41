"""What a column is taken for, and that a word is not taken for chemistry."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from matscout.data.cells import BadRows, input_cells
from matscout.data.columns import as_bound, column_kinds, is_infinite
from matscout.data.text_table import TextTable
from matscout.errors import InputError

HERE = Path()


def table_of(**columns: list[str]) -> TextTable:
    rows = tuple(zip(*columns.values(), strict=True))
    return TextTable("t.csv", tuple(columns), rows, tuple(range(2, len(rows) + 2)))


def kind_of(cells: list[str], name: str = "x", folder: Path = HERE, wanted: bool = False) -> str:
    found = column_kinds(table_of(**{name: cells}), [name], folder, wanted=[name] if wanted else [])
    return found[name].kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e4", "2.5"], "number"),
        (["1", "2", "three", "4", "4"], "number"),  # a slip, to be named by its line
        (["<0.1", "0.5", "inf", "0.5"], "number"),
        (["0", "1", "0", "1"], "number"),
        (["1", "", "2", "2"], "number"),
        (["low", "high", "low", "5"], "category"),
        (["true", "false", "true"], "category"),
        (["a", "b", "a", ""], "category"),
        (["a", "a", "a"], "constant"),
        (["7", "7.0", "7"], "constant"),
        (["", "nan", "?"], "empty"),
        (["", "", "", "1"], "empty"),
        (["apple", "pear", "plum"], "id"),
        ([f"label {k % 200}" for k in range(1000)], "id"),
        ([f"label {k % 100}" for k in range(1000)], "category"),
    ],
)
def test_numbers_labels_ids(cells: list[str], kind: str) -> None:
    assert kind_of(cells) == kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["Fe2O3", "Al2O3", "NaCl", "Al2O3"], "formula"),
        (["NaCl", "KCl", "LiF"], "formula"),
        (["Al", "Al(NiB)2", "Al10Co21B19", "Si"], "formula"),
        (["Fe2O3"] * 3 + ["As4", "Li1.3Al0.3Ti1.7(PO4)3"], "formula"),
        (["Na", "K", "Na", "Cs"], "category"),  # and sodium is not 'not available'
        (["No", "Yes", "No"], "category"),
        (["C", "I", "No", "C"], "category"),
        (["ON", "OFF", "ON"], "category"),
        (["B1", "C3", "P2", "B1"], "category"),
        (["BASIC", "ACID", "BASIC"], "category"),
        (["R-3c", "Pnma", "P21", "Pnma"], "category"),
        (["THF", "DMF", "DMSO", "THF"], "category"),
        (["CCO", "CC", "CN(C)C=O", "c1ccccc1", "CCO"], "category"),
    ],
)
def test_formulas_and_what_looks_like_them(cells: list[str], kind: str) -> None:
    assert kind_of(cells) == kind


def test_nearly_all_must_parse() -> None:
    good = [f"Fe{k}O{k + 1}" for k in range(1, 41)]
    assert kind_of([*good, "Fe2O3-x"]) == "formula"
    assert kind_of([*good[:5], "Fe2O3-x", "Fe2O3-x"]) == "category"


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("entry", ["0", "1", "2"], "id"),
        ("entry", ["0", "1", "1"], "number"),
        ("temperature", ["1", "2", "3"], "number"),
        ("ICSD ID", ["155950.0", "3", "3"], "id"),
        ("sample_id", ["3", "3", "4"], "id"),
        ("DOI", ["10.1/a", "10.1/b", "10.1/b"], "id"),
        ("refractive index", ["1", "2", "3"], "number"),
        ("grid", ["1", "2", "3"], "number"),
        ("fluid", ["1", "2", "3"], "number"),
    ],
)
def test_ids_by_their_name(name: str, cells: list[str], kind: str) -> None:
    assert kind_of(cells, name) == kind


def test_an_input_that_is_asked_for_is_taken_as_one() -> None:
    assert kind_of(["0", "1", "2"], "entry", wanted=True) == "number"
    assert kind_of(["apple", "pear", "plum"], wanted=True) == "category"
    assert kind_of(["", "", "", "1"], wanted=True) == "number"
    assert kind_of(["a", "a"], wanted=True) == "constant"


def test_structures_are_files_that_are_there(tmp_path: Path) -> None:
    Structure(Lattice.cubic(4.2), ["Na"], [[0, 0, 0]]).to(str(tmp_path / "a.cif"))
    assert kind_of(["a.cif", "a.cif", "b.cif"], folder=tmp_path) == "structure"
    assert kind_of(["c.cif", "c.cif", "b.cif"], folder=tmp_path) == "category"
    assert kind_of(["a.cif", "oak", "oak"], folder=tmp_path) == "category"
    assert kind_of(["x" * 5000 + ".cif", "a\0.cif", "a\0.cif"], folder=tmp_path) == "category"


def test_a_person_knows_better() -> None:
    table = table_of(x=["1", "2", "1"], A=["Na", "K", "Na"])
    found = column_kinds(table, ["x", "A"], HERE, said={"x": "category", "A": "formula"})
    assert [found[name].kind for name in ("x", "A")] == ["category", "formula"]
    with pytest.raises(InputError, match="did you mean 'category'"):
        column_kinds(table, ["x"], HERE, said={"x": "categorie"})
    with pytest.raises(InputError, match="no column 'X'"):
        column_kinds(table, ["x"], HERE, said={"X": "id"})


def test_bounds_and_infinities() -> None:
    assert as_bound("<1E-10") == 1e-10 and as_bound("≥ 80") == 80 and as_bound(">= 3") == 3
    assert as_bound("1e-10") is None and as_bound("<") is None and as_bound("< low") is None
    assert is_infinite("-Inf") and is_infinite("1e999") and not is_infinite("infinite")


REAL = {
    "pv_lab/crossed_barrel.csv": ("toughness", "n number theta number r number t number"),
    "pv_lab/autoam.csv": ("Score", "number"),
    "pv_lab/agnp.csv": ("loss", "number"),
    "hardness/hv_comp_load.csv": ("hardness", "composition formula load number"),
    "matbench_formula/castelli.csv": ("target", "formula formula"),
    "matbench_formula/glass.csv": ("target", "formula formula"),
    "matbench_formula/steels_yield.csv": ("target", "formula formula"),
    "matbench_formula/expt_gap.csv": ("target", "formula formula"),
    "matbench_formula/jdft2d.csv": ("target", "formula formula"),
    "perovskite_labels/halides.csv": ("is_perovskite", "formula formula"),
    "baybe/direct_arylation.csv": (
        "yield",
        "entry id Base_SMILES category Ligand_SMILES category Solvent_SMILES category "
        "Concentration number Temp_C number Base category Ligand category Solvent category",
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_kinds_on_real_tables(shared_data: Path, name: str) -> None:
    from matscout.data.text_table import read_text_table

    target, said = REAL[name]
    table = read_text_table(shared_data / name)
    inputs = [column for column in table.header if column != target]
    found = column_kinds(table, inputs, shared_data)
    words = said.split()
    want = (
        dict.fromkeys(inputs, "number")
        if words == ["number"]
        else dict(zip(words[::2], words[1::2], strict=True))
    )
    assert {column: c.kind for column, c in found.items()} == want


def test_kinds_on_obelix(shared_data: Path) -> None:
    from matscout.data.text_table import read_text_table

    table = read_text_table(shared_data / "obelix/train.csv")
    found = column_kinds(table, table.header, shared_data)
    kinds: dict[str, set[str]] = {}
    for column in found.values():
        kinds.setdefault(column.kind, set()).add(column.name)
    assert kinds["formula"] == {"Reduced Composition", "True Composition"}
    assert kinds["category"] == {"Space group", "Family"}
    assert kinds["id"] == {"ID", "DOI", "Ref", "Cif ID", "Laskowski ID"}
    assert kinds["number"] == {
        "Z", "Ionic conductivity (S cm-1)", "Space group #", "a", "b", "c",
        "alpha", "beta", "gamma", "Checked",
    }  # fmt: skip
    assert {"IC (Total)", "IC (Bulk)", "note", "ICSD ID"} <= kinds["empty"]


def test_hydrates_written_with_a_point_make_no_words_of_their_column() -> None:
    """Their rows are refused, with how to write them."""
    salts = ["CuSO4.5H2O", "MgCl2.6H2O", "NaCl", "Fe(III)2O3"] * 2
    assert kind_of(salts) == "formula"
    bad = BadRows(table_of(salt=salts))
    input_cells(bad.table, "salt", "formula", bad, HERE)
    assert sorted(bad.reasons) == [0, 1, 3, 4, 5, 7]
    assert bad.reasons[0][0].endswith("a hydrate with a point: write CuSO4(H2O)5")
