"""JSON and Parquet tables are what the same CSV would be; what they cannot be is one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data import table_files
from matscout.data.table_files import as_cell
from matscout.data.tables import read_table
from matscout.data.text_table import read_text_table
from matscout.errors import InputError

ROWS = [{"a": 1.5, "b": "x", "ok": True}, {"a": None, "b": "y", "ok": False}]
CELLS = (("1.5", "x", "true"), ("", "y", "false"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.json", json.dumps(ROWS).encode()),
        ("t.JSON", json.dumps(ROWS).encode()),
        ("t.jsonl", "\n\n".join(map(json.dumps, ROWS)).encode()),
        (
            "t.json.gz",
            gzip.compress(
                json.dumps(
                    {"index": [7, 9], "columns": ["a", "b", "ok"],
                     "data": [list(row.values()) for row in ROWS]}
                ).encode()
            ),
        ),
    ],
    ids=["json", "capitals", "lines", "packed"],  # a packed file holds the time: no name for a test
)  # fmt: skip
def test_json_in_any_of_its_ways(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    found = read_text_table(tmp_path / name)
    assert found.header == ("a", "b", "ok") and found.rows == CELLS and found.lines == (1, 2)
    assert found.at(1).endswith(f"{name}: row 2")


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    columns = {
        "a": [1.5, None], "b": ["x", "y"], "ok": [True, False], "__index_level_0__": ["p", "q"],
    }  # fmt: skip
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    assert read_text_table(tmp_path / "t.parquet").rows == CELLS
    table = read_table(tmp_path / "t.parquet", "b", inputs=["a"], classes=True)
    assert table.classes == ("x", "y") and table.numeric["a"][0] == 1.5


def test_parquet_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"

    def refused(what: str, columns: Any) -> None:
        if isinstance(columns, bytes):
            path.write_bytes(columns)
        else:
            parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(InputError, match=what) as error:
            read_text_table(path)
        assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)

    refused("cannot be read as Parquet", b"PAR1 nothing")
    refused("column 'a' holds bytes", {"a": [b"x"]})
    refused("an empty table", {"a": pyarrow.array([], type=pyarrow.float64())})
    monkeypatch.setattr(table_files, "MAX_TEXT_BYTES", 10_000)
    refused("more than 10,000 bytes", {"a": ["x" * 90] * 300})  # a few hundred bytes on disk
    refused("more than 10,000 bytes", {"a": [1] * 20_000})
    monkeypatch.setattr(table_files, "MAX_TEXT_BYTES", 10)
    refused("a table may have 10", {"a": [1]})
    with pytest.raises(InputError, match="no such file"):
        read_text_table(tmp_path / "absent.parquet")


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from matscout.data.parquet_child import answer

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = answer(["t.parquet", 10, 10])
    assert "pyarrow" in found.what and found.mend == "pip install pyarrow"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}", "not a list of objects"),
        ("[1]", "row 1: not an object"),
        ("[]", "an empty table"),
        ("[{}]", "an empty table"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"columns": ["a"], "data": [[1], [1, 2]]}', "row 2: a row must be a list of 1 cells"),
        ('{"columns": [1], "data": [[1]]}', "must be text"),
        ('{"columns": 1, "data": 2}', "must be lists"),
        ('[{"": 1}]', "column 1 has no name"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=what):
        read_text_table(tmp_path / "t.json")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "MAX_JSON_BYTES", 1000)
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(b"[" + b" " * 10**6 + b"]"))
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        read_text_table(tmp_path / "t.json.gz")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_is_a_cell(value: Any) -> None:
    assert as_cell(value) == as_cell(value).strip()
