"""`matscout report RUN` from the command line: where it writes, what it refuses, what status says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]

CAMPAIGN = """
kind = "campaign"
name = "alloys"
[space]
pool = { file = "pool.csv", id = "formula", features = ["a", "b"] }
[[targets]]
name = "y"
direction = "max"
[evaluator]
type = "function"
target = "page_of_ours:y"
[proposer]
type = "gp"
startup = 4
[run]
trials = 14
fleet = "inline"
"""


@pytest.fixture
def alloys(home: Path, matscout: Matscout) -> Path:
    """A finished campaign over forty candidates, in the current folder."""
    rows = [f"{i},{(i * 7) % 40},x{i}\n" for i in range(40)]
    lines = [f"<b>F{i}</b>,{row}" for i, row in enumerate(rows)]
    (home / "pool.csv").write_text("formula,a,b,note\n" + "".join(lines))
    (home / "page_of_ours.py").write_text("def y(p):\n    return -abs(p['a'] - 20) - p['b'] / 10\n")
    (home / "c.toml").write_text(CAMPAIGN)
    assert matscout("campaign", "new", "c.toml").code == 0
    assert matscout("campaign", "run", "alloys").code == 0
    return home


def test_a_campaigns_page(alloys: Path, matscout: Matscout) -> None:
    folder = RunFolder.of("alloys")
    before = folder.journal.read_bytes()
    said = matscout("report", "alloys", "--next", "3")
    assert said.code == 0 and said.out.strip() == str(folder.report), said.err
    text = folder.report.read_text()
    assert "&lt;b&gt;F2" in text and "<b>F2" not in text
    with Journal.read_only(folder) as journal:
        assert journal.verify().hash in text
    assert folder.journal.read_bytes() == before
    assert not [p for p in folder.root.iterdir() if "draft" in p.name]
    again = matscout("report", "alloys", "--json")  # a page of ours is made anew
    assert json.loads(again.out) == {"file": str(folder.report), "trials": 14}


def test_the_next_ones_are_what_the_run_asks(alloys: Path, matscout: Matscout) -> None:
    said = matscout("report", "alloys", "-o", "page.html", "--next", "1")
    assert said.code == 0
    text = (alloys / "page.html").read_text()
    section = text[text.index("What the run would ask for next") :]
    assert matscout("resume", "alloys", "--trials", "15").code == 0
    with Journal.read_only(RunFolder.of("alloys")) as journal:
        last = [e for e in journal.read() if e.kind == "asked"][-1].body["candidate"]
    shown = last.replace("<", "&lt;").replace(">", "&gt;")
    assert shown in section[: section.index("</table>")]


def test_a_page_while_a_driver_writes(alloys: Path, matscout: Matscout) -> None:
    with Journal.open(RunFolder.of("alloys")):
        said = matscout("report", "alloys")
    assert said.code == 0
    assert "Running now" in RunFolder.of("alloys").report.read_text()


def test_a_sweeps_page(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    said = matscout("report", "first", "--x", "x", "--y", "x")
    assert said.code == 0, said.err
    text = RunFolder.of("first").report.read_text()
    assert "Sweep over 3 parameters: minimise loss" in text and "The axes are x and x" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "no such run"),
        (("alloys", "-o", "mine.html"), "exists already; choose another file, or say --force"),
        (("alloys", "-o", "no/such/page.html"), "its folder does not exist"),
        (("alloys", "-o", "."), "is a folder"),
        (("alloys", "--x", "aa", "--y", "b"), "--x: no column 'aa'"),
        (("alloys", "--x", "a", "--y", "note"), "--y: column 'note' holds 'x0'"),
        (("alloys", "--x", "a"), "--y: is missing beside 'a'"),
        (("alloys", "--next", "-1"), "--next"),
    ],
)
def test_mistakes(alloys: Path, matscout: Matscout, words: tuple[str, ...], message: str) -> None:
    (alloys / "mine.html").write_text("mine")
    before = sorted(alloys.rglob("*"))
    said = matscout("report", *words)
    assert said.code == 2 and message in said.err and said.out == "", said.err
    assert len(said.err.splitlines()) == 1
    assert sorted(alloys.rglob("*")) == before and (alloys / "mine.html").read_text() == "mine"


def test_force_and_a_foreign_report(alloys: Path, matscout: Matscout) -> None:
    (alloys / "mine.html").write_text("mine")
    assert matscout("report", "alloys", "-o", "mine.html", "--force").code == 0
    assert "<!DOCTYPE html>" in (alloys / "mine.html").read_text()
    folder = RunFolder.of("alloys")
    folder.report.write_text("my own notes")
    said = matscout("report", "alloys")
    assert said.code == 2 and folder.report.read_text() == "my own notes"


def test_a_damaged_journal_makes_no_page(alloys: Path, matscout: Matscout) -> None:
    path = RunFolder.of("alloys").journal
    data = path.read_bytes()
    place = data.index(b'"y":')
    path.write_bytes(data[: place + 6] + bytes([data[place + 6] ^ 1]) + data[place + 7 :])
    said = matscout("report", "alloys", "-o", "page.html")
    assert said.code == 3 and not (alloys / "page.html").exists()


def test_status_tells_calibration_and_advice(alloys: Path, matscout: Matscout) -> None:
    said = matscout("status", "alloys")
    assert said.code == 0, said.err
    assert "fell inside their 90 % interval" in said.out
    for rule in ("regret", "nothing_better", "plateau"):
        assert f"{rule}, advice only: " in said.out
    status = json.loads(matscout("status", "alloys", "--json").out)
    assert status["calibration"]["count"] == 10
    assert {a["name"] for a in status["stop"]} == {"regret", "nothing_better", "plateau"}
    assert not any(a["on"] for a in status["stop"])


def test_a_rule_that_is_on_ends_the_run_and_holds_after_it(
    alloys: Path, matscout: Matscout
) -> None:
    text = CAMPAIGN.replace('"alloys"', '"short"').replace("trials = 14", "trials = 40")
    (alloys / "short.toml").write_text(text + "[stop]\nplateau = { experiments = 6 }\n")
    assert matscout("campaign", "new", "short.toml").code == 0
    said = matscout("campaign", "run", "short")
    assert said.code == 0 and "stopped: plateau: no better value in the last" in said.out
    count = json.loads(matscout("status", "short", "--json").out)["asked"]
    assert count < 40
    again = matscout("resume", "short")
    assert "stopped: plateau: no better value" in again.out
    assert json.loads(matscout("status", "short", "--json").out)["asked"] == count
    assert "plateau: stop: " in matscout("status", "short").out


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("plateu = true", "stop: unknown key 'plateu'; did you mean 'plateau'?"),
        ("regret = true", "stop.regret: needs a pool of candidates; use plateau"),
        ("plateau = { patience = 3 }", "stop.plateau: unknown key 'patience'"),
    ],
)
def test_mistakes_in_a_sweeps_stop_table(
    home: Path, matscout: Matscout, table: str, message: str
) -> None:
    config = home / "first.toml"
    config.write_text(f"{config.read_text()}\n[stop]\n{table}\n")
    said = matscout("sweep", "first.toml")
    assert said.code == 2 and message in said.err and not (home / "results").exists(), said.err
