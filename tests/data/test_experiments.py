"""Experiments from a table: candidates, replicates, ids, and every kind of bad input by its line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data.experiments import Experiments, read_experiments
from matscout.errors import InputError

TEXT = "f,T,y,z\nNaCl,300,1,5\nKCl,300,2,\nNaCl,300.0,3,7\nNaCl,400,9,8\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str, targets: object = "y", **options: object) -> Experiments:
    return read_experiments(written(tmp_path, text), targets, **options)  # type: ignore[arg-type]


def refused(tmp_path: Path, text: str, targets: object = "y", **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, targets, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_with_equal_inputs_are_replicates(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT, ["y", "z"])
    assert len(found) == 3 and found.pool.features == ("f", "T")
    assert found.pool.kinds == {"f": "formula", "T": "number"} == found.kinds
    assert found.values == {"y": ((1, 3), (2,), (9,)), "z": ((5, 7), (), (8,))}
    assert np.array_equal(found.mean("z"), [6, math.nan, 8], equal_nan=True)
    assert np.allclose(found.sem("y"), [1, math.nan, math.nan], equal_nan=True)
    assert found.groups == ("NaCl", "KCl", "NaCl")
    assert "4 rows are 3 candidates, measured up to 2 times each" in found.notes
    assert "1 candidates have no 'z'" in found.notes
    with pytest.raises(InputError, match="no target 'w'"):
        found.mean("w")


def test_ids_are_short_hashes_that_no_spreadsheet_reads_as_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT, ["y", "z"])
    assert all(len(name) == 13 and name[0] == "c" and name.isalnum() for name in found.pool.ids)
    # Written down: a campaign's ids must not change with a new version of matscout.
    assert found.pool.ids[0] == "cljcaiq4exnns"
    assert found.pool.ids[0] == read(tmp_path, "T,y,f\n3e2,2,ClNa\n1,3,KCl\n").pool.ids[0]


def test_an_id_column_names_candidates(tmp_path: Path) -> None:
    text = "name,x,y\na,1,2\nb,1,3\na,1,4\n" + "c,2,5\n"
    found = read(tmp_path, text, id="name")
    assert found.pool.ids == ("a", "b", "c") == found.groups and found.pool.features == ("x",)
    assert found.values["y"] == ((2, 4), (3,), (5,))
    assert any("inputs of another under a different id" in note for note in found.notes)
    assert "name 'a' has other inputs than on line 2" in refused(
        tmp_path, text.replace("a,1,4", "a,7,4"), id="name"
    )
    assert "line 3: no id in column 'name'" in refused(
        tmp_path, text.replace("b,1", ",1"), id="name"
    )


def test_a_formula_may_be_the_id_and_an_input(tmp_path: Path) -> None:
    found = read(tmp_path, "f,y\nNaCl,1\nKCl,2\n", id="f")
    assert found.pool.ids == ("NaCl", "KCl") and found.pool.kinds == {"f": "formula"}


VALUES = st.sampled_from(["0.1", "0.30000000000000004", "2", "-0.0", "1e-9"])
ROWS = st.lists(
    st.tuples(VALUES, st.sampled_from(["p", "q", "NA"]), VALUES, st.integers(0, 3).map(str)),
    min_size=3,
    max_size=12,
)


@given(ROWS, st.data())
def test_ids_do_not_depend_on_the_order_of_rows_or_columns(
    tmp_path: Path, rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    rows = [*rows, ("5", "p", "6", "7"), ("6", "q", "6", "8"), ("6", "q", "6", "9")]
    turned = data.draw(st.permutations(rows))
    places = data.draw(st.permutations(range(4)))
    head = ("b", "kind", "a", "y")

    def found(order: list[tuple[str, ...]], columns: list[int]) -> Experiments:
        lines = [",".join(row[k] for k in columns) for row in [head, *order]]
        return read(tmp_path, "\n".join(lines), kinds={"kind": "category"})

    one, two = found(rows, [0, 1, 2, 3]), found(turned, places)
    assert sorted(one.pool.ids) == sorted(two.pool.ids)
    for name in one.pool.ids:
        assert one.pool.params(name) == two.pool.params(name)
        seen, other = one.values["y"][one.pool.row(name)], two.values["y"][two.pool.row(name)]
        assert sorted(seen) == sorted(other)
        assert one.mean("y")[one.pool.row(name)] == two.mean("y")[two.pool.row(name)]


def test_equal_numbers_however_written(tmp_path: Path) -> None:
    text = "x,y\n0.3,1\n0.30000000000000004,2\n3e-1,3\n0,4\n-0.0,5\n"
    assert read(tmp_path, text).values["y"] == ((1, 2, 3), (4, 5))


def test_rows_that_repeat_are_noted(tmp_path: Path) -> None:
    found = read(tmp_path, "x,y\n1,2\n1,2\n1,2\n3,4\n")
    assert found.values["y"] == ((2, 2, 2), (4,))
    assert "2 rows repeat an earlier one, the target too; they count as replicates" in found.notes


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    text = "entry,x,rig,gap,y\n1,0.5,A,,2\n2,0.5,A,,3\n3,0.7,A,1,4\n4,0.6,A,,4\n5,0.6,A,,4\n"
    found = read(tmp_path, text)
    assert found.pool.features == ("x",) and len(found) == 3
    assert found.pool.columns["rig"] == ("A",) * 3  # for the evaluator; no model sees it
    told = " ".join(found.notes)
    assert all(word in told for word in ("'entry'", "'rig'", "always A", "4 of 5 cells are empty"))


def test_chosen_inputs_and_ignored_columns(tmp_path: Path) -> None:
    text = "a,b,c,y\n1,2,3,4\n5,6,7,8\n"
    assert read(tmp_path, text, inputs=["b"]).pool.features == ("b",)
    assert read(tmp_path, text, ignore=["b"]).pool.features == ("a", "c")
    assert read(tmp_path, text, kinds={"a": "category"}).pool.columns["a"] == ("1", "5")
    assert read(tmp_path, text, kinds={"a": "id"}).pool.features == ("b", "c")


def test_columns_that_say_the_same_are_noted(tmp_path: Path) -> None:
    text = "name,smiles,y\nwater,O,1\nwater,O,2\nether,CCOCC,3\n"
    assert any("'smiles' says the same as 'name'" in note for note in read(tmp_path, text).notes)


def test_a_table_without_a_header(tmp_path: Path) -> None:
    found = read(tmp_path, "1,2\n3,4\n", header=["x", "y"])
    assert found.values["y"] == ((2,), (4,))
    assert "line 1: 2 cells under 3 columns" in refused(
        tmp_path, "1,2\n3,4\n", header=["x", "z", "y"]
    )


def test_two_labels_as_classes(tmp_path: Path) -> None:
    text = "x,y\n1,glass\n2,glass\n3,crystal\n4,glass\n5,?\n"
    found = read(tmp_path, text, classes=True)
    assert found.values["y"] == ((0,), (0,), (1,), (0,), ())
    assert "target 'y': 'crystal' is 1 (25.0%), 'glass' is 0" in found.notes
    assert "take the two labels as classes" in refused(tmp_path, text)
    three = text.replace("4,glass", "4,mud")
    assert "classes need two labels" in refused(tmp_path, three, classes=True)
    numbers = read(tmp_path, "x,y\n1,0\n2,1\n3,1\n", classes=True)
    assert numbers.values["y"] == ((0,), (1,), (1,))


CENSORED = "x,y\n1,<1E-10\n2,3e-4\n3,>5\n4,2e-4\n"


def test_censored_values(tmp_path: Path) -> None:
    told = refused(tmp_path, CENSORED)
    assert "line 2: 'y' is censored: '<1E-10' (and 1 more such row)" in told
    assert 'censored = "bound"' in told and 'on_bad = "drop"' in told
    found = read(tmp_path, CENSORED, censored="bound")
    assert found.values["y"] == ((1e-10,), (3e-4,), (5.0,), (2e-4,))
    assert "2 rows have a censored 'y'; the bound is taken as the value" in found.notes
    found = read(tmp_path, CENSORED, on_bad="drop")
    assert found.values["y"] == ((3e-4,), (2e-4,))
    assert any(note.startswith("dropped 2 of 4 rows (line 2: ") for note in found.notes)


@pytest.mark.parametrize(
    ("text", "targets", "words"),
    [
        ("x,yield\n1,2\n2,3\n", "yeild", "no column 'yeild'; did you mean 'yield'?"),
        ("x,y\n1,2\n2,3\n", [], "targets: none is named"),
        ("x,y\n1,2\n2,2.0\n", "y", "target 'y' is always 2"),
        ("x,y\n1,\n2,nan\n", "y", "target 'y' has no value"),
        ("x,y\n1,red\n2,blue\n3,red\n", "y", "target 'y' is text (2 labels: 'blue', 'red')"),
        ("x,y\n1,2\n2,3\n3,bad\n", "y", "line 4: 'bad' among the numbers of column 'y'"),
        ("x,y\n1,2\n2,inf\n3,3\n", "y", "line 3: 'y' is infinite"),
        ("x,y\n1,2\n-inf,3\n3,4\n4,4\n", "y", "line 3: 'x' is infinite"),
        ("x,y\n1,2\n1e999,3\n3,4\n4,4\n", "y", "line 3: 'x' is infinite"),
        ("x,y\n1,2\n<5,3\n3,4\n", "y", "line 3: 'x' is censored: '<5'; mend the cell, or drop"),
        ("x,y\n1,2\n,3\n3,4\n4,4\n", "y", "line 3: no number in column 'x'"),
        ("x,y\n1,2\ntwo,3\n3,4\n4,4\n", "y", "line 3: 'two' among the numbers of column 'x'"),
        ("y\n1\n2\n", "y", "no input column that varies: there is no other"),
        ("x,y\n1,2\n1,3\n", "y", "no input column that varies: 'x' (constant)"),
        ("", "y", "an empty table"),
        ("x,y\n1,2\n1\n", "y", "line 3: 1 cells under 2 columns"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path: Path, text: str, targets: object, words: str) -> None:
    assert words in refused(tmp_path, text, targets)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": ["xx"]}, "no column 'xx'; did you mean 'x'?"),
        ({"inputs": ["y"]}, "'y' is a target"),
        ({"ignore": ["z"]}, "no column 'z'"),
        ({"id": "nam"}, "no column 'nam'"),
        ({"id": "y"}, "'y' is a target"),
        ({"kinds": {"q": "number"}}, "no column 'q'"),
        ({"kinds": {"x": "nummer"}}, "did you mean 'number'?"),
        ({"on_bad": "skip"}, "on_bad: unknown 'skip'"),
        ({"censored": "drop"}, "censored: unknown 'drop'"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict, words: str) -> None:
    assert words in refused(tmp_path, "x,y\n1,2\n2,3\n", **options)


def test_formulas_that_do_not_parse_are_named_by_row(tmp_path: Path) -> None:
    rows = [f"Fe{k}O{k + 1},{k}" for k in range(1, 41)]
    text = "\n".join(["f,y", *rows[:20], "Fe2O3-x,5", *rows[20:], ",7"])
    assert "line 22: 'f' does not parse as a formula: 'Fe2O3-x' (and 1 more" in refused(
        tmp_path, text
    )
    found = read(tmp_path, text, on_bad="drop")
    assert len(found) == 40 and any("line 43: 'f' is empty" in note for note in found.notes)
    assert "no row can be used" in refused(
        tmp_path, "f,y\nrock,1\nmud,2\n", kinds={"f": "formula"}, on_bad="drop"
    )


def test_a_bomb_for_a_formula_is_a_bad_cell(tmp_path: Path) -> None:
    text = "f,y\nNaCl,1\nKCl,2\n" + "(" * 3000 + "H" + ")9" * 3000 + ",3\n"
    told = refused(tmp_path, text, kinds={"f": "formula"})
    assert "line 4" in told and len(told) < 500


def test_structures_beside_the_table(tmp_path: Path) -> None:
    for name, element in (("a.cif", "Na"), ("POSCAR_b", "K"), ("c.json", "Cs")):
        cell = Structure(Lattice.cubic(4.2), [element, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        fmt = {"a": "cif", "P": "poscar", "c": "json"}[name[0]]
        (tmp_path / name).write_text(cell.to(fmt=fmt))
    text = "file,y\na.cif,1\nPOSCAR_b,2\nc.json,3\n"
    found = read(tmp_path, text)
    assert found.pool.kinds == {"file": "structure"} and found.groups == ("NaCl", "KCl", "CsCl")
    assert found.pool.columns["file"][0] == str(tmp_path.resolve() / "a.cif")
    (tmp_path / "POSCAR_b").write_text("rock")
    (tmp_path / "link.cif").symlink_to(tmp_path / "a.cif")
    text += "../out.cif,4\nlink.cif,5\ngone.cif,6\n"
    told = refused(tmp_path, text, kinds={"file": "structure"})
    assert "line 3: 'file': " in told and "(and 3 more such rows)" in told
    found = read(tmp_path, text, kinds={"file": "structure"}, on_bad="drop")
    assert len(found) == 2
    told = next(note for note in found.notes if note.startswith("dropped 4"))
    assert "'gone.cif': no such file" in told and told.count("not a plain path") == 2


def test_ids_do_not_depend_on_where_the_table_lies(tmp_path: Path) -> None:
    ids = []
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        cell = Structure(Lattice.cubic(4.2), ["Na"], [[0, 0, 0]])
        for name in ("a.cif", "b.cif"):
            (folder / name).write_text(cell.to(fmt="cif"))
        ids.append(read(folder, "file,y\na.cif,1\nb.cif,2\n").pool.ids)
    assert ids[0] == ids[1]


REAL = [
    ("pv_lab/crossed_barrel.csv", "toughness", {}, 600, 3),
    ("pv_lab/agnp.csv", "loss", {}, 164, 48),
    ("pv_lab/autoam.csv", "Score", {}, 100, 1),
    ("baybe/direct_arylation.csv", "yield", {}, 1728, 1),
    ("matbench_formula/castelli.csv", "target", {}, 9646, 2),
    ("matbench_formula/jdft2d.csv", "target", {}, 581, 5),
    ("matbench_formula/steels_yield.csv", "target", {}, 312, 1),
    ("olympus/oer_plate_3496/data.csv", "over", {"header": [*"abcdef", "over"]}, 2121, 1),
    ("olympus/photo_wf3/data.csv", "loss", {"header": [*"abcd", "loss"]}, 1020, 3),
    ("olympus/dye_lasers/data.csv", ["p", "q", "r"], {"header": [*"abc", *"pqr"]}, 3458, 1),
]


@pytest.mark.parametrize(("name", "target", "options", "n", "most"), REAL)
def test_real_tables(
    shared_data: Path, name: str, target: object, options: dict, n: int, most: int
) -> None:
    found = read_experiments(shared_data / name, target, **options)  # type: ignore[arg-type]
    assert len(found) == n
    assert max(len(seen) for column in found.values.values() for seen in column) == most


def test_hardness_has_529_compositions(shared_data: Path) -> None:
    found = read_experiments(shared_data / "hardness/hv_comp_load.csv", "hardness")
    assert len(found) == 1061 and len(set(found.groups)) == 529
    assert 0.09 < (found.mean("hardness") > 40).mean() < 0.11


def test_obelix_has_censored_conductivities(shared_data: Path) -> None:
    path, target = shared_data / "obelix/train.csv", "Ionic conductivity (S cm-1)"
    with pytest.raises(InputError, match=r"line 5: .* is censored: '<1E-10' \(and 28 more"):
        read_experiments(path, target)
    found = read_experiments(path, target, censored="bound")
    y = found.mean(target)
    assert (
        len(found) == 478
        and y.min() <= 1e-10
        and (y > 1e-3).mean() == pytest.approx(0.16, abs=0.01)
    )
    assert "IC (Total)" not in found.pool.columns  # mostly empty, and the target by another name
    named = read_experiments(path, target, on_bad="drop", id="ID")
    assert len(named) == 449 and named.pool.ids[0] == "jqc"


COMMAS = 'x,z,y\n"0,5",1,1\n"1,5",2,2\n"2,25",3,4\n'


def test_decimal_commas_are_refused_unless_a_category_is_said(tmp_path: Path) -> None:
    words = "line 2: column 'x' has '0,5': a decimal comma; save it with points, or say category"
    assert words in refused(tmp_path, COMMAS)
    assert words in refused(tmp_path, COMMAS, on_bad="drop")  # it is no slip in a row
    assert words in refused(tmp_path, COMMAS, inputs=["x"])
    assert read(tmp_path, COMMAS, kinds={"x": "category"}).kinds["x"] == "category"
    assert read(tmp_path, COMMAS, ignore=["x"]).pool.features == ("z",)
    told = refused(tmp_path, COMMAS.replace("x,z,y", "y,z,x"))
    assert told.endswith("line 2: column 'y' has '0,5': a decimal comma; save it with points")


def test_a_target_without_a_spread(tmp_path: Path) -> None:
    text = "x,y\n1,2\n2,1e308\n3,4\n4,5\n"
    assert "line 3: target 'y' is '1e308', which has no square" in refused(tmp_path, text)
    assert len(read(tmp_path, text, on_bad="drop")) == 3
