"""Crystals with several numbers each, some of which nobody has measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data.structures import load_structures, structure_to_dict
from matscout.errors import InputError

CELLS = [Structure(Lattice.cubic(3.0 + k), ["Fe"], [[0, 0, 0]]) for k in range(4)]


def lines(*records: dict[str, Any]) -> str:
    every = zip(records, CELLS, strict=False)
    return "".join(json.dumps({"structure": structure_to_dict(s), **r}) + "\n" for r, s in every)


def test_a_file_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "known.jsonl"
    path.write_text(
        lines({"y": 1.5}, {"y": None, "b": 2}, {"y": "n/a", "b": "3.5"}, {"y": 4, "b": ""})
    )
    found = load_structures(path, "y", ["b"])
    assert np.array_equal(found.target, [1.5, np.nan, np.nan, 4.0], equal_nan=True)
    assert found.others is not None
    assert np.array_equal(found.others, [[np.nan], [2], [3.5], [np.nan]], equal_nan=True)
    path.write_text(lines({"y": 1, "b": 2}, {"y": 3, "b": 4}))
    assert load_structures(path, "y").others is None
    assert load_structures(path, "y", ["b"]).target.tolist() == [1, 3]


def test_a_folder_with_gaps(tmp_path: Path) -> None:
    for k, cell in enumerate(CELLS):
        cell.to(str(tmp_path / f"c{k}.vasp"), fmt="poscar")
    table = tmp_path / "known.csv"
    table.write_text("id,y,b\nc0,1.5,\nc1,,2\nc2,n/a,3\nc3,4,5\n")
    found = load_structures(tmp_path, "y", ["b"])
    assert np.array_equal(found.target, [1.5, np.nan, np.nan, 4.0], equal_nan=True)
    assert found.others is not None
    assert np.array_equal(found.others, [[np.nan], [2], [3], [5]], equal_nan=True)
    with pytest.raises(InputError, match="line 3"):
        load_structures(tmp_path, "y")
    table.write_text("id,y,b\nc0,1.5,high\nc1,,2\n")
    with pytest.raises(InputError, match="id 'c0': target \"b\" must be a finite number"):
        load_structures(tmp_path, "y", ["b"])


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ([{"y": 1.0}, {"y": 2.0}], 'no crystal has a "b"'),
        ([{"b": 1.0}, {"b": 2.0}], 'no crystal has a "y"'),
        ([{"y": 1.0, "b": True}], 'line 1: target "b" must be a finite number, got True'),
        ([{"y": 1.0, "b": 2.0}, {"y": "1e999"}], 'line 2: target "y" must be a finite number'),
    ],
)
def test_what_is_no_number_is_one_line(
    records: list[dict[str, Any]], what: str, tmp_path: Path
) -> None:
    path = tmp_path / "known.jsonl"
    path.write_text(lines(*records))
    with pytest.raises(InputError, match=what) as caught:
        load_structures(path, "y", ["b"])
    assert "\n" not in str(caught.value)
