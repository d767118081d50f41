"""`matscout audit` as people and machines see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matscout.cli.app import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["audit", *words])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rows = [f"s{k},{f},{k % 9},{'hit' if k % 8 == 0 else 'miss'}" for k, f in
            enumerate(["NaCl", "KCl", "Fe2O3", "LiF"] * 20)]  # fmt: skip
    path.write_text("\n".join(["sample,formula,T,y", *rows]) + "\n", encoding="utf-8")
    return path


def test_people_read_what_it_means_and_what_to_do(table: Path, capsys) -> None:
    code, out, _ = run(capsys, str(table), "--target", "y")
    assert code == 0
    assert "█" in out and "imbalance ratio 7" in out and "means:" in out
    assert 'split = "grouped", group = "formula"' in out
    assert 'inputs = ["formula", "T"]' in out


def test_machines_read_the_same(table: Path, capsys) -> None:
    code, out, _ = run(capsys, str(table), "--target", "y", "--json")
    found = json.loads(out)
    assert code == 0 and found["rows"] == 80 and found["imbalance"] == 7.0
    assert found["noise"] is None and not found["blocked"]
    assert found["coverage"]["elements"]["Cl"] == 40
    assert any(f["options"].get("group") == "formula" for f in found["findings"])


def test_a_page_is_whole_and_escaped(table: Path, tmp_path: Path, capsys) -> None:
    text = table.read_text().replace("sample,", "<script>alert(1)</script>,", 1)
    table.write_text(text)
    page = tmp_path / "audit.html"
    words = (str(table), "--target", "y", "--out", str(page))
    assert run(capsys, *words)[0] == 0
    html = page.read_text()
    assert (
        "<script" not in html and "&lt;script&gt;" in html and "http" not in html.split("<main>")[1]
    )
    assert "imbalance ratio 7" in html and "Cl" in html and html.endswith("</html>\n")
    code, _, err = run(capsys, *words)
    assert code == 2 and "exists already" in err
    assert run(capsys, *words, "--force")[0] == 0
    assert run(capsys, *words[:3], "--out", str(tmp_path / "no" / "a.html"))[0] == 2


@pytest.mark.parametrize(
    "words",
    [("nowhere.csv",), ("{t}", "--target", "Y"), ("{t}", "--formula", "x"), ("{t}", "--id")],
)
def test_a_mistake_is_one_line_and_exit_2(words: tuple[str, ...], table: Path, capsys) -> None:
    code, out, err = run(capsys, *(word.format(t=table) for word in words))
    assert code == 2 and out == "" and err.count("\n") == 1
