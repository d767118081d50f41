"""Pools from CSV files: features that are labels, formulas or structure files."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.data.pools import read_pool, read_space
from matscout.errors import InputError

TEXT = "formula,T,solvent\nNaCl,300,water\nKCl,310,DMF\n"


def test_a_config_says_what_a_feature_is(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(TEXT)
    kinds = {"formula": "formula", "solvent": "category"}
    raw = {"pool": {"file": "p.csv", "id": "formula", "features": ["T", *kinds], "kinds": kinds}}
    pool = read_space(raw, tmp_path).pool
    assert pool is not None and pool.ids == ("NaCl", "KCl")
    assert pool.kinds == {"T": "number", **kinds} and pool.columns["formula"] == ("NaCl", "KCl")
    assert read_pool(tmp_path / "p.csv", id="formula").features == ("T",)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"solvent": "formula"}, "line 2: 'solvent' does not parse as a formula: 'water'"),
        ({"solvent": "structure"}, "line 2: 'solvent': 'water': no such file"),
        ({"solvent": "number"}, "line 2: feature 'solvent' must be a number"),
        ({"solvnt": "category"}, "did you mean 'solvent'?"),
        ({"solvent": "categories"}, "unknown 'categories'; did you mean 'category'?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, kinds: dict[str, str], words: str) -> None:
    (tmp_path / "p.csv").write_text(TEXT)
    with pytest.raises(InputError) as caught:
        read_pool(tmp_path / "p.csv", id="formula", features=["T", "solvent"], kinds=kinds)
    assert words in str(caught.value) and "on_bad" not in str(caught.value)


def test_a_slip_of_the_pen_does_not_leave_a_feature_out(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,t,note\na,1,x\nb,2,y\nc,warm,z\n")
    with pytest.raises(
        InputError, match=r"line 4: 't' holds numbers in most rows, but 'warm' here"
    ):
        read_pool(tmp_path / "p.csv")
    assert read_pool(tmp_path / "p.csv", kinds={"t": "category"}).features == ("t",)
    (tmp_path / "p.csv").write_text("id,t,u,note\na,1,2,x\nb,2,3,y\nc,,4,z\n")
    assert read_pool(tmp_path / "p.csv", features=["u"]).features == ("u",)


def test_decimal_commas_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('id,t,u\na,"0,5",1\nb,"1,5",2\n')
    said = r"line 2: column 't' has '0,5': a decimal comma; save it with points, say what"
    for features in (None, ["t"], ["t", "u"]):
        with pytest.raises(InputError, match=said):
            read_pool(path, features=features)
    assert read_pool(path, features=["u"]).features == ("u",)
    assert read_pool(path, kinds={"t": "category"}).features == ("t", "u")


def test_a_space_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = '\ufeff[parameters.x]\ntype = "float"\nlow = 0.0\nhigh = 1.0\n'
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    assert list(read_space({"file": "s.toml"}, tmp_path).by_name) == ["x"]
    for data, words in ((b"\xff\xfe", "is not UTF-8 text"), (b"x = ", "is not TOML: Invalid")):
        (tmp_path / "s.toml").write_bytes(data)
        with pytest.raises(InputError, match=words):
            read_space({"file": "s.toml"}, tmp_path)
