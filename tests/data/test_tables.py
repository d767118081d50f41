"""Tables: what is read, and that each mistake is one line with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data import text_table
from matscout.data.decimal_comma import refuse_commas_as_words
from matscout.data.tables import read_table
from matscout.data.text_table import as_number
from matscout.errors import InputError

TEXT = "alloy,temp_K,load,y\nA,300,1.5,10\nB,,2.5,-3e1\n,500,n/a,0\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_words_and_missing_cells(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, TEXT), "y")
    assert len(table) == 3 and table.columns == ("temp_K", "load", "alloy")
    assert np.array_equal(table.numeric["temp_K"], [300, np.nan, 500], equal_nan=True)
    assert np.array_equal(table.numeric["load"], [1.5, 2.5, np.nan], equal_nan=True)
    assert list(table.categorical["alloy"]) == ["A", "B", ""]
    assert list(table.target) == [10, -30, 0] and table.classes == ()


def test_chosen_inputs_groups_and_numbers_as_words(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    table = read_table(path, "y", group="alloy")
    assert table.columns == ("temp_K", "load") and list(table.groups) == ["A", "B", ""]
    table = read_table(path, "y", inputs=["temp_K"], categorical=["temp_K"])
    assert table.columns == ("temp_K",) and list(table.categorical["temp_K"]) == ["300", "", "500"]


def test_classes_are_sorted_and_the_positive_one_is_last(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x,c\n1,10\n2,9\n3,9\n4,10\n"), "c", classes=True)
    assert table.classes == ("9", "10") and list(table.target) == [1, 0, 0, 1]


def test_quotes_line_breaks_in_cells_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = '\ufeffname,y\n"a, b",1\n"c\nd",2\n'
    assert list(read_table(written(tmp_path, text), "y").categorical["name"]) == ["a, b", "c\nd"]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "t.csv", "empty table"),
        ("x,y\n", "t.csv", "empty table"),
        ("x,y\n1,2\n3,four\n", "line 3", "'four'"),
        ("x,y\n1,2\n3,\n", "line 3", "got nothing"),
        ("x,y\n1,2\n3,nan\n", "line 3", "got nothing"),
        ("x,y\n1,inf\n", "line 2", "'inf'"),
        ("x,y\n1,1_000\n", "line 2", "'1_000'"),
        ("x,y\n1,<1E-10\n", "line 2", "'<1E-10'"),
        ('x,y\n"a\nb",2\n3,four\n', "line 4", "'four'"),
        ("x,y\n1,2\n3\n", "line 3", "1 cells under 2 columns"),
        ("x,y\n1,2,3\n", "line 2", "3 cells under 2 columns"),
        ('x,y\n"1,2\n', "line", "not CSV"),
        ("x;y\n1;2\n", "t.csv", "commas"),
        ("x,x,y\n1,2,3\n", "t.csv", "two columns are called 'x'"),
        ("x,,y\n1,2,3\n", "t.csv", "no name"),
        ("x,y\n1,2\n1a,3\n", "line 3", "categorical"),
        ("x,y\n,2\n,3\n", "t.csv", "column 'x' is empty"),
        ("y\n1\n", "t.csv", "no input column"),
        ("x,yy\n1,2\n", "t.csv", "did you mean 'yy'"),
    ],
)
def test_each_mistake_is_one_line_with_its_place(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_table(written(tmp_path, text), "y")
    message = str(caught.value)
    assert where in message and what in message and "\n" not in message


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "absent.csv", "y")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path, "y")
    (tmp_path / "latin.csv").write_bytes("é,y\n1,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_table(tmp_path / "latin.csv", "y")
    monkeypatch.setattr(text_table, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="a table may have 10"):
        read_table(written(tmp_path, TEXT), "y")


def test_unknown_columns_and_hopeless_classes(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    for options in ({"inputs": ["tempK"]}, {"categorical": ["temp_k"]}, {"group": "temp"}):
        with pytest.raises(InputError, match="did you mean 'temp_K'"):
            read_table(path, "y", **options)
    with pytest.raises(InputError, match="both input and target"):
        read_table(path, "y", inputs=["y"])
    with pytest.raises(InputError, match="3 classes in 3 rows"):
        read_table(path, "y", classes=True)
    with pytest.raises(InputError, match="one class only"):
        read_table(written(tmp_path, "x,y\n1,a\n2,a\n"), "y", classes=True)
    with pytest.raises(InputError, match="line 3: no label"):
        read_table(written(tmp_path, "x,y\n1,a\n2,\n3,b\n"), "y", classes=True)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_is_read_back(value: float) -> None:
    assert as_number(repr(value)) == value


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"x,y\n" + data)
    try:
        assert np.isfinite(read_table(path, "y").target).all()
    except InputError as error:
        assert "\n" not in str(error)


def test_a_censored_target_is_refused_or_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,<1E-10\n2,3\n3,≥ 80\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: target 'y' must be a finite number"):
        read_table(path, "y")
    assert read_table(path, "y", censored="bound").target.tolist() == [1e-10, 3.0, 80.0]
    with pytest.raises(InputError, match="did you mean 'bound'"):
        read_table(path, "y", censored="bounds")


def test_a_column_of_times_is_no_input_unless_listed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,day,y\n1,2024-01-02,1\n2,2024-01-01,3\n", encoding="utf-8")
    table = read_table(path, "y", time="day")
    assert table.columns == ("x",) and table.times is not None
    assert np.diff(table.times).tolist() == [-86_400.0]
    assert read_table(path, "y").times is None
    path.write_text("x,day,y\n1,2024-01-02,1\n2,soon,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="'day': row 2 of the column of times has 'soon'"):
        read_table(path, "y", time="day")


def test_a_cell_may_hold_a_large_structure(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("cell,y\n" + "x" * 200_000 + ",1\na,2\n")
    assert len(read_table(tmp_path / "t.csv", "y").categorical["cell"][0]) == 200_000


WITH_COMMAS = 'x,y\n1,1\n"0,5",2\n,3\n"-1,25e3",4\n'


def test_decimal_commas_are_no_words(tmp_path: Path) -> None:
    """What a spreadsheet saves in half of Europe: a column of words, unless somebody says so."""
    path = written(tmp_path, WITH_COMMAS)
    with pytest.raises(InputError) as caught:
        read_table(path, "y")
    said = "line 3: column 'x' has '0,5': a decimal comma; save it with points, or list the column"
    assert said in str(caught.value)
    assert list(read_table(path, "y", categorical=["x"]).categorical["x"])[1] == "0,5"
    with pytest.raises(InputError, match=r"line 3: column 'x' has '0,5': a decimal comma"):
        read_table(path, "x", inputs=["y"])


@pytest.mark.parametrize(
    "cells",
    [
        ["1,000", "2,500"],  # thousands, or so it may be
        ["1,000,000", "0,5"],
        ["1,2,3", "1,2"],
        ["[1,2]", "[3,4]"],
        ["1, 2", "3, 4"],
        ["1,2-dimethyl", "1,3-dimethyl"],
        ["Fe0,5O", "FeO"],
        ["0,5 mm", "1,5 mm"],
        ["a,b", "0,5"],
        ["5,", "6,"],
    ],
)
def test_other_commas_are_left_alone(tmp_path: Path, cells: list[str]) -> None:
    lines = [f'"{cell}",{row}' for row, cell in enumerate(cells)]
    table = read_table(written(tmp_path, "\n".join(["x,y", *lines]) + "\n"), "y")
    assert list(table.categorical["x"]) == cells


def test_one_comma_that_parts_no_thousands_decides_for_its_column(tmp_path: Path) -> None:
    path = written(tmp_path, 'x,y\n"1,250",1\n"0,125",2\n')
    table = read_table(path, "y")  # a run that began with such words goes on
    with pytest.raises(InputError, match=r"line 3: column 'x' has '0,125': a decimal comma"):
        refuse_commas_as_words(path, table.categorical)


def test_a_column_without_a_spread_is_refused(tmp_path: Path) -> None:
    """The square of 1e308 is infinite, and so is every score of the table."""
    for cell in ("1e308", "-1e200", ">1e308"):
        path = written(tmp_path, f"x,y\n1,2\n2,{cell}\n3,4\n")
        with pytest.raises(InputError) as caught:
            read_table(path, "y", censored="bound")
        said = f"line 3: target 'y' is '{cell}', which has no square"
        assert said in str(caught.value) and "mend the cell" in str(caught.value)
    with pytest.raises(InputError, match=r"line 3: column 'x' is '-1e308', which has no square"):
        read_table(written(tmp_path, "x,y\n1,2\n-1e308,3\n"), "y")
    assert read_table(written(tmp_path, "x,y\n1,1e100\n2,3\n"), "y").target[0] == 1e100


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    for name in ("t.csv", "t.json", "t.json.gz", "t.parquet"):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(InputError) as caught:
            read_table(folder, "y")
        assert "s a directory" in str(caught.value) and str(caught.value).endswith("check the path")


def test_a_number_is_one_group_however_it_is_written(tmp_path: Path) -> None:
    """`3` and `3.0` were two groups, and could stand on both sides of a fold."""

    def groups(*cells: str) -> list[str]:
        lines = [f"{cell},1,2" for cell in cells]
        path = written(tmp_path, "\n".join(["g,x,y", *lines]) + "\n")
        found = read_table(path, "y", group="g").groups
        assert found is not None
        return list(found)

    assert groups("3", "3.0", "4e0", "4", "", "+3") == ["3", "3", "4e0", "4e0", "", "3"]
    assert groups("3", "3.0", "b") == ["3", "3.0", "b"]
    ids = ["12345678901234567", "12345678901234568"]
    assert groups(*ids) == ids


def test_a_number_is_one_class_however_it_is_written(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x,c\n1,0\n2,1.0\n3,1\n4,0.0\n"), "c", classes=True)
    assert table.classes == ("0", "1.0") and list(table.target) == [0, 1, 1, 0]
    path = written(tmp_path, "x,c\n1,True\n2,no\n3,TRUE\n4,no\n5,no\n6,no\n7,no\n")
    with pytest.raises(InputError, match="has the labels 'TRUE' and 'True'; write them alike"):
        read_table(path, "c", classes=True)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["1,100", "2,207"], "1,100"),
        (["", "1,100", "2,207"], "1,100"),
        (["950", "1,100", "12,000"], "1,100"),
        (["1,000,000", "250,000.5"], "1,000,000"),
    ],
)
def test_thousands_are_no_words(tmp_path: Path, cells: list[str], first: str) -> None:
    path = written(tmp_path, "x,y\n" + "".join(f'"{cell}",1\n' for cell in cells))
    with pytest.raises(InputError) as caught:
        refuse_commas_as_words(path, {"x": cells})
    said = (
        f"line {cells.index(first) + 2}: column 'x' has '{first}': a thousand, or a decimal comma?"
    )
    assert said in str(caught.value)
    assert str(caught.value).endswith("write it without, or list the column under categorical")


@pytest.mark.parametrize("cells", [["950", "1"], ["1,100", "much"], ["1,2,3", "1,100"], ["", "NA"]])
def test_other_words_with_commas_are_left_alone(tmp_path: Path, cells: list[str]) -> None:
    refuse_commas_as_words(tmp_path / "none.csv", {"x": cells})
