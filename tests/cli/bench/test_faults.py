"""`matscout bench faults`: which promises are played, what is printed and written, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matscout.cli.app import main
from matscout.cli.promises import named
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.tally import Tally


def promise(name: str, broken: bool = False, journals: tuple[str, ...] = ("sqlite",)) -> Promise:
    def keep(setting: Setting) -> Figure:
        assert list(setting.folder.iterdir()) == []
        tally = Tally()
        for number in range(setting.rounds):
            tally.round(number, "the cat was on it" if broken and number == 1 else "")
        return tally.figure("looked | at", {"slowest, s": 0.25})

    return Promise(name, f"{name} holds", "it is looked at", 2, 5, keep, journals)


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"R1": promise("R1"), "R2": promise("R2", broken=True), "R11": promise("R11")}
    monkeypatch.setattr(named, "MODULES", dict.fromkeys(known, ""))
    monkeypatch.setattr(named, "promise", lambda name: known[name])


def faults(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["bench", "faults", *words])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_broken_promise_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "faults.json"
    assert faults("--only", "r1", "--full", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "every promise was kept that was played" in said and "not played here: R2, R11" in said
    assert faults("--only", "R2", "--seed", "7", "--out", str(out), "--merge") == 3
    said = capsys.readouterr().out
    assert "broken: R2 sqlite process" in said and "round 1: the cat was on it" in said
    figures = json.loads(out.read_text())["figures"]
    assert [figures[f"R{i} sqlite process"]["tried"] for i in (1, 2)] == [5, 2]
    assert figures["R2 sqlite process"]["command"].endswith("--only R2 --seed 7")


def test_the_page_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "faults.json"
    assert faults("--rounds", "3", "--out", str(out)) == 3
    assert list(json.loads(out.read_text())["figures"]) == [
        f"{name} sqlite process" for name in ("R1", "R2", "R11")
    ]
    capsys.readouterr()
    assert faults("--render", str(out)) == 0
    page = capsys.readouterr().out
    assert "| R2 | sqlite, process | 3 of 5 | 2 of 3 | 0 | 0 | looked \\| at; broke first" in page
    assert "slowest, s: 0.25" in page and "**R11.** R11 holds" in page


def test_the_figures_of_other_stores_and_fleets_are_kept_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "faults.json"
    assert faults("--only", "R1", "--rounds", "4", "--out", str(out)) == 0
    result = json.loads(out.read_text())
    there = result["figures"].pop("R1 sqlite process")
    where = ("R1 postgresql process", "R1 postgresql ray", "R1 sqlite ray")
    result["figures"] = dict.fromkeys(where, there)
    out.write_text(json.dumps(result))
    assert faults("--only", "R1", "--rounds", "3", "--out", str(out), "--merge") == 0
    capsys.readouterr()
    assert faults("--render", str(out)) == 0
    page = capsys.readouterr().out
    for name in where:
        assert f"| R1 | {', '.join(name.split()[1:])} | 4 of 5 | 4 of 4 |" in page
    assert "| R1 | sqlite, process | 3 of 5 | 3 of 3 |" in page
    assert page.count("**R1.**") == 1 and page.count("- `matscout bench faults --only R1") == 4


@pytest.mark.parametrize(
    "words,said",
    [
        (["--only", "R1", "--journal", "mysql://me:secret@x"], "is no address of a PostgreSQL"),
        (["--fleet", "carrier"], "no fleet 'carrier'"),
        (["--fleet", "ray"], "none of these is asked"),
        (["--merge"], "there is no file to add to"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg")
    assert faults(*words) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1 and "secret" not in line
