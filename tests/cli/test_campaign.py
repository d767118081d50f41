"""The loop with people, from the command line: recommend, fill in, add, and go on with a fleet."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from matscout import failpoint
from matscout.drive.run import load
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.trial import State

Matscout = Callable[..., Any]

CONFIG = """
kind = "campaign"
name = "films"
seed = 1
[space]
pool = { file = "pool.csv" }
[[targets]]
name = "conductivity"
direction = "max"
unit = "S/cm"
[proposer]
type = "PROPOSER"
"""

SPACE = """
kind = "campaign"
name = "films"
[space.parameters]
temperature = { type = "int", low = 20, high = 120, step = 10 }
solvent = { type = "categorical", choices = ["none", "=water", "DMF"] }
[[targets]]
name = "y"
direction = "min"
[[targets]]
name = "z"
direction = "max"
[proposer]
type = "random"
"""


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


@pytest.fixture
def films(home: Path) -> Path:
    """A folder with a campaign over forty candidates that nobody but people measures."""
    lines = ["id,x,temperature,name"]
    lines += [f"c{i},{i / 10},{60 + 10 * (i % 4)},=film {i}" for i in range(40)]
    (home / "pool.csv").write_text("\n".join(lines) + "\n")
    (home / "films.toml").write_text(CONFIG.replace("PROPOSER", "random"))
    return home


@pytest.fixture
def started(films: Path, matscout: Matscout) -> Path:
    assert matscout("campaign", "new", "films.toml").code == 0
    said = matscout("campaign", "recommend", "films", "-n", "6")
    assert said.code == 0, said.err
    return films


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def state_of(name: str = "films") -> tuple[Any, ...]:
    """Everything that a mistake must leave as it was."""
    folder = RunFolder.of(name)
    with Journal.read_only(folder) as journal:
        return journal.verify().events, journal.verify().hash


def test_a_week(films: Path, matscout: Matscout) -> None:
    (films / "films.toml").write_text(CONFIG.replace("PROPOSER", "gp") + "startup = 4\n")
    said = matscout("campaign", "new", "films.toml")
    assert "next: matscout campaign recommend films" in said.out
    said = matscout("campaign", "recommend", "films", "-n", "4", "-o", "monday.csv")
    assert "monday.csv: 4 recommendations" in said.out and said.code == 0
    monday = rows_of(films / "monday.csv")
    assert len(monday) == 4 and all(r["conductivity"] == "" and r["status"] == "" for r in monday)
    assert all(r["conductivity_unit"] == "S/cm" and r["name"].startswith("'=film") for r in monday)
    for i, row in enumerate(monday):
        row["conductivity"] = str(float(row["x"]) * 2 + i / 100)
    monday[3]["conductivity"], monday[3]["status"], monday[3]["note"] = "", "failed", "cracked"
    write(films / "monday.csv", monday)
    said = matscout("campaign", "add", "films", "monday.csv")
    assert "monday.csv: 3 measured, 1 failed" in said.out and "best conductivity" in said.out
    assert "4 already there" in matscout("campaign", "add", "films", "monday.csv").out
    said = matscout("campaign", "recommend", "films", "-n", "3", "-o", "tuesday.csv")
    assert "highest upper bound: predicted" in said.out and "nearest measured c" in said.out
    tuesday = rows_of(films / "tuesday.csv")
    assert not {r["id"] for r in tuesday} & {r["id"] for r in monday}
    for row in tuesday:
        numbers = {
            k: float(row[k]) for k in ("mean", "sd", "low", "high", "p_feasible", "distance")
        }
        assert numbers["low"] < numbers["mean"] < numbers["high"] and numbers["sd"] > 0
        assert 0 < numbers["p_feasible"] < 1 and row["nearest"] in {r["id"] for r in monday[:3]}
        assert row["acquisition"] and row["reason"].startswith("highest upper bound: predicted")
    status = matscout("status", "films")
    assert "3 pending" in status.out and "3 complete" in status.out and "1 failed" in status.out
    assert matscout("verify", "films").code == 0
    assert matscout("export", "films", "-o", "all.csv").code == 0
    assert len(rows_of(films / "all.csv")) == 7


def test_new_ones_each_time_and_the_open_ones_again(started: Path, matscout: Matscout) -> None:
    first = rows_of(started / "next.csv")
    said = matscout("campaign", "recommend", "films", "-n", "6", "-o", "more.csv")
    assert "6 recommendations are still open from before" in said.out
    more = rows_of(started / "more.csv")
    assert len({r["id"] for r in first + more}) == 12
    before = state_of()
    matscout("campaign", "recommend", "films", "--open", "-o", "open.csv")
    assert rows_of(started / "open.csv") == first + more and state_of() == before
    more[0]["conductivity"] = "1.5"
    write(started / "more.csv", more)
    said = matscout("campaign", "add", "films", "more.csv")
    assert "1 measured, 5 skipped" in said.out and "11 recommendations are still open" in said.out
    matscout("campaign", "recommend", "films", "--open", "--force", "-o", "open.csv")
    assert len(rows_of(started / "open.csv")) == 11


def test_to_the_last_candidate(started: Path, matscout: Matscout) -> None:
    said = matscout("campaign", "recommend", "films", "-n", "100", "-o", "rest.csv")
    assert "34 recommendations (100 were asked for, no more are left)" in said.out
    said = matscout("campaign", "recommend", "films", "-o", "none.csv")
    assert said.code == 2 and "all 40 candidates have been asked for" in said.err
    assert not (started / "none.csv").exists()


def test_the_file_is_never_overwritten_unasked(started: Path, matscout: Matscout) -> None:
    before, text = state_of(), (started / "next.csv").read_text()
    for out in ("next.csv", "no/such/folder.csv", "."):
        said = matscout("campaign", "recommend", "films", "-o", out)
        assert said.code == 2 and len(said.err.splitlines()) == 1
    assert state_of() == before and (started / "next.csv").read_text() == text
    assert matscout("campaign", "recommend", "films", "--force").code == 0


def test_fixed_choices(started: Path, matscout: Matscout) -> None:
    said = matscout(
        "campaign", "recommend", "films", "-n", "5", "--fix", "temperature=80", "-o", "80.csv"
    )
    assert said.code == 0 and {r["temperature"] for r in rows_of(started / "80.csv")} == {"80"}
    before = state_of()
    for fix, message in {
        "temprature=80": "no column 'temprature'; did you mean 'temperature'?",
        "temperature=85": "no candidate has it; the nearest there are: 80, 90, 70, 60",
        "temperature": "must be NAME=VALUE",
        "name=gold": "no candidate has it",
    }.items():
        said = matscout("campaign", "recommend", "films", "--fix", fix, "-o", "f.csv")
        assert said.code == 2 and message in said.err, said.err
    said = matscout(
        "campaign", "recommend", "films", "-o", "f.csv", "--fix", "temperature=80", "--fix", "x=0.1"
    )
    assert said.code == 2 and state_of() == before and not (started / "f.csv").exists()


def test_measured_again(started: Path, matscout: Matscout) -> None:
    rows = rows_of(started / "next.csv")
    for i, row in enumerate(rows[:3]):
        row["conductivity"] = str(9.0 - i)
    rows[3]["status"] = "abandoned"
    write(started / "next.csv", rows)
    assert "3 measured" in matscout("campaign", "add", "films", "next.csv").out
    first, second, third, gone, waiting = (r["id"] for r in rows[:5])
    never = next(f"c{i}" for i in range(40) if f"c{i}" not in {r["id"] for r in rows})
    before = state_of()
    for words, message in {
        ("c99",): "--again c99: no candidate 'c99' in this campaign's pool; did you mean 'c9'?",
        (never,): f"--again {never}: was never measured",
        (waiting,): f"--again {waiting}: is not measured yet: it is open",
        (gone,): f"--again {gone}: was abandoned",
        (f"{first},{first}",): "is named twice",
        ("best:4",): "3 can be measured again",
        (first, "-n", "2"): "--again: does not go with -n",
        (first, "--open"): "--again: does not go with --open",
        (first, "--fix", "temperature=80"): "--again: does not go with --fix",
    }.items():
        said = matscout("campaign", "recommend", "films", "-o", "a.csv", "--again", *words)
        assert said.code == 2 and message in said.err and len(said.err.splitlines()) == 1, said.err
    assert state_of() == before and not (started / "a.csv").exists()
    said = matscout("campaign", "recommend", "films", "-o", "a.csv", "--again", f"{first},{third}")
    assert (
        f"{first}: measurement 2, as you asked" in said.out
        and "a.csv: 2 recommendations" in said.out
    )
    again = rows_of(started / "a.csv")
    assert [(r["id"], r["replicate"]) for r in again] == [(first, "2"), (third, "2")]
    again[0]["conductivity"], again[1]["conductivity"] = "5.0", "7.0"  # once the same as before
    write(started / "a.csv", again)
    said = matscout("campaign", "add", "films", "a.csv")
    assert "a.csv: 2 measured" in said.out
    assert f"best conductivity = 8 S/cm ({second})" in said.out, "not the luckiest single value"
    assert "2 already there" in matscout("campaign", "add", "films", "a.csv").out
    assert "4 already there" in matscout("campaign", "add", "films", "next.csv").out
    matscout("campaign", "recommend", "films", "-o", "b.csv", "--again", "best:1")
    (row,) = rows_of(started / "b.csv")
    write(started / "b.csv", [row | {"conductivity": "10"}])
    said = matscout("campaign", "add", "films", "b.csv")
    assert f"best conductivity = 9.0 ± 1.0 S/cm ({second}, mean of 2)" in said.out
    status = matscout("status", "films")
    assert f"best: {second}, mean of 2: conductivity = 9.0 ± 1.0" in status.out
    best = json.loads(matscout("status", "films", "--json").out)["best"]
    assert best["values"] == {"conductivity": 9.0} and best["measurements"] == 2
    assert best["sem"]["conductivity"] == pytest.approx(1.0)
    assert matscout("report", "films").code == 0
    page = (started / "results/runs/films/report.html").read_text()
    assert f"best conductivity: {second}, mean of 2" in page and "mean of</th>" in page


@pytest.mark.parametrize("place", ["campaign.after_asked", "file.before_rename"])
def test_killed_between_the_journal_and_the_file(
    films: Path, matscout: Matscout, place: str
) -> None:
    """What was handed out is known, is not handed out again, and its file can be had again."""
    matscout("campaign", "new", "films.toml")
    failpoint.arm(f"{place}:1:raise")
    assert matscout("campaign", "recommend", "films", "-n", "4").code == 3
    failpoint.arm("")
    assert not (films / "next.csv").exists() and not list(films.glob(".next*"))
    history, _ = load(RunFolder.of("films"))
    lost = [t.candidate for t in history.trials]
    assert len(lost) == 4 and len(history.with_person) == 4
    matscout("campaign", "recommend", "films", "-n", "4", "-o", "other.csv")
    assert not {r["id"] for r in rows_of(films / "other.csv")} & set(lost)
    matscout("campaign", "recommend", "films", "--open")
    assert [r["id"] for r in rows_of(films / "next.csv")][:4] == lost


@pytest.mark.parametrize("place", ["journal.before_write", "journal.before_commit"])
def test_killed_before_the_journal_nothing_has_happened(
    started: Path, matscout: Matscout, place: str
) -> None:
    before = state_of()
    for words in (["recommend", "films", "-o", "b.csv"], ["add", "films", "filled.csv"]):
        filled = rows_of(started / "next.csv")
        filled[0]["conductivity"] = "1.0"
        write(started / "filled.csv", filled)
        failpoint.arm(f"{place}:1:raise")
        assert matscout("campaign", *words).code == 3
        failpoint.arm("")
        assert state_of() == before and not (started / "b.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["journal.after_commit", "campaign.after_asked", "file.before_rename"]
)
def test_really_killed(films: Path, matscout: Matscout, place: str) -> None:
    matscout("campaign", "new", "films.toml")
    command = [sys.executable, "-m", "matscout", "campaign", "recommend", "films", "-n", "4"]
    environment = {**os.environ, "MATSCOUT_FAILPOINT": f"{place}:1:kill"}
    done = subprocess.run(command, cwd=films, env=environment, capture_output=True, text=True)
    assert done.returncode == -9 and not (films / "next.csv").exists()
    assert matscout("campaign", "recommend", "films", "--open").code == 0
    assert len(rows_of(films / "next.csv")) == 4 and matscout("verify", "films").code == 0


def test_killed_after_the_results_are_in(started: Path, matscout: Matscout) -> None:
    """The command did not say so, but they are there; adding them again says so."""
    filled = rows_of(started / "next.csv")
    filled[0]["conductivity"] = "1.0"
    write(started / "next.csv", filled)
    failpoint.arm("campaign.after_added:1:raise")
    assert matscout("campaign", "add", "films", "next.csv").code == 3
    failpoint.arm("")
    said = matscout("campaign", "add", "films", "next.csv", "--json")
    told = json.loads(said.out)
    assert told["already_there"] == 1 and told["skipped"] == 5 and told["open"] == 5


FIRST = "FIRST"  # stands for the first recommended id
BAD = {
    "an unknown id": ("id,conductivity\nc99,1\n", "line 2: no candidate 'c99' in this campaign's pool; did you mean 'c9'?"),
    "another campaign's id": ("id,conductivity\nalloy-3,1\n", "is it another campaign's?"),
    "no id": ("id,conductivity\n,1\n", "line 2: no id; name the candidate"),
    "an unknown column": ("id,condutivity\nFIRST,1\n", "no column 'condutivity'; did you mean 'conductivity'?"),
    "another campaign's column": ("id,conductivity,hardness\nFIRST,1,2\n", "this campaign has no column 'hardness'"),
    "no column for a result": ("id,x\nFIRST,\n", "has no column for a result: conductivity or status"),
    "another unit in the cell": ("id,conductivity,conductivity_unit\nFIRST,1,S/m\n", "line 2: conductivity is in 'S/m', this campaign measures it in 'S/cm'"),
    "another unit in the header": ("id,conductivity [S/m]\nFIRST,1\n", "column 'conductivity [S/m]' is not in S/cm"),
    "text in a number": ("id,conductivity\nFIRST,good\n", "line 2: conductivity must be a finite number, got 'good'"),
    "infinity": ("id,conductivity\nFIRST,inf\n", "line 2: conductivity must be a finite number, got 'inf'"),
    "a decimal comma": ('id,conductivity\nFIRST,"1,5"\n', "must be a finite number, got '1,5'"),
    "rows that disagree": ("id,conductivity\nFIRST,1\nFIRST,2\n", "line 3: 'FIRST' is on line 2 conductivity = 1, this row says conductivity = 2"),
    "failed and measured": ("id,conductivity,status\nFIRST,1,\nFIRST,,failed\n", "line 3: 'FIRST' is on line 2 conductivity = 1, this row says failed"),
    "an unknown status": ("id,conductivity,status\nFIRST,,faild\n", "line 2: unknown status 'faild'; did you mean 'failed'?"),
    "measured without a value": ("id,conductivity,status\nFIRST,,measured\n", "status is 'measured', but no value is given"),
    "failed with a value": ("id,conductivity,status\nFIRST,1,failed\n", "status is 'failed', but a value is given too"),
    "a standard error alone": ("id,conductivity,conductivity_sem\nFIRST,,1\n", "conductivity_sem without conductivity"),
    "a negative standard error": ("id,conductivity,conductivity_sem\nFIRST,1,-1\n", "must not be negative, got -1"),
    "a candidate that was changed": ("id,temperature,conductivity\nFIRST,61.5,1\n", "this row says '61.5'; is it another campaign's"),
    "a ragged row": ("id,conductivity\nFIRST,1,2\n", "line 2: 3 cells under 2 columns"),
    "an empty file": ("", "empty"),
    "a header alone": ("id,conductivity\n", "empty"),
    "semicolons": ("id;conductivity\nFIRST;1\n", "not separated by commas"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_changes_nothing(started: Path, matscout: Matscout, case: str) -> None:
    """One line, exit 2; the good rows before the bad one are not taken either."""
    text, message = BAD[case]
    first, second = (r["id"] for r in rows_of(started / "next.csv")[:2])
    header, _, rest = text.partition("\n")
    good = ",".join(
        {"id": second, "conductivity": "7.5"}.get(name, "") for name in header.split(",")
    )
    before = state_of()
    bodies = [text]
    if "line" in message:  # a row is to blame: so is it after a good one
        bodies.append(f"{header}\n{good}\n{rest}")
        message = message.partition(": ")[2]
    for body in bodies:
        (started / "bad.csv").write_text(body.replace(FIRST, first))
        said = matscout("campaign", "add", "films", "bad.csv")
        assert said.code == 2 and said.out == "" and state_of() == before, (body, said)
        assert len(said.err.splitlines()) == 1 and "bad.csv" in said.err
        assert message.partition("line")[0].replace(FIRST, first) in said.err, said.err


def test_other_mistakes(started: Path, matscout: Matscout) -> None:
    assert "no such file" in matscout("campaign", "add", "films", "none.csv").err
    assert "no such run" in matscout("campaign", "add", "filns", "next.csv").err
    assert matscout("campaign", "recommend", "films", "-n", "0").code == 2
    said = matscout("campaign", "run", "films")
    assert said.code == 2 and "its results are brought by people" in said.err.splitlines()[-1]
    matscout("sweep", "first.toml")
    for words in (["recommend", "first", "-o", "s.csv"], ["add", "first", "next.csv"]):
        said = matscout("campaign", *words)
        assert said.code == 2 and "is a sweep, not a campaign" in said.err
    with Journal.open(RunFolder.of("films")):
        said = matscout("campaign", "add", "films", "next.csv")
        assert said.code == 2 and "open elsewhere" in said.err


def test_points_of_a_space(home: Path, matscout: Matscout) -> None:
    (home / "films.toml").write_text(SPACE)
    matscout("campaign", "new", "films.toml")
    fix = ["--fix", "solvent==water", "--fix", "temperature=80"]
    assert matscout("campaign", "recommend", "films", "-n", "5", "-o", "w.csv", *fix).code == 0
    (row,) = rows_of(home / "w.csv")  # there is no other such point
    assert (row["id"], row["temperature"], row["solvent"]) == ("films-0", "80", "'=water")
    assert matscout("campaign", "recommend", "films", "-n", "3", "-o", "n.csv").code == 0
    rows = rows_of(home / "n.csv")
    rows[0] |= {"y": "1.5", "z": "2"}
    rows[1] |= {"y": "2.5"}
    rows.append(
        {**dict.fromkeys(row, ""), "temperature": "120", "solvent": "none", "y": "0.5", "z": "1"}
    )
    write(home / "n.csv", rows)
    said = matscout("campaign", "add", "films", "n.csv")
    assert (
        "2 measured, 1 partly measured, 1 skipped" in said.out
        and "1 of them of your own" in said.out
    )
    matscout("campaign", "recommend", "films", "--open", "-o", "open.csv")
    again = {r["id"]: r for r in rows_of(home / "open.csv")}
    assert set(again) == {"films-0", "films-2", "films-3"} and again["films-2"]["y"] == "2.5"
    (home / "bad.csv").write_text("id,y,z\nfoils-2,1,1\n")
    said = matscout("campaign", "add", "films", "bad.csv")
    assert said.code == 2 and "'foils-2' is campaign 'foils''s; this is 'films'" in said.err
    (home / "bad.csv").write_text("id,temperature,y,z\nfilms-2,21,1,1\n")
    assert "this row says '21'" in matscout("campaign", "add", "films", "bad.csv").err
    (home / "bad.csv").write_text("temperature,solvent,y,z\n25,none,1,1\n")
    assert (
        "temperature = '25' is outside the space"
        in matscout("campaign", "add", "films", "bad.csv").err
    )
    said = matscout("campaign", "recommend", "films", "--fix", "temperature=300", "-o", "x.csv")
    assert said.code == 2 and "goes from 20 to 120 in steps of 10" in said.err


def test_a_person_and_a_fleet_serve_one_campaign(films: Path, matscout: Matscout) -> None:
    """The fleet does not touch what a person has in hand, nor the person what the fleet measured."""
    config = CONFIG.replace("PROPOSER", "random")
    config += '[evaluator]\ntype = "function"\ntarget = "grower_of_ours:grow"\n'
    config += '[run]\ntrials = 12\nworkers = 2\nfleet = "inline"\n'
    (films / "films.toml").write_text(config)
    (films / "grower_of_ours.py").write_text("def grow(params):\n    return params['x']\n")
    assert matscout("campaign", "new", "films.toml").code == 0
    matscout("campaign", "recommend", "films", "-n", "4")
    mine = rows_of(films / "next.csv")
    said = matscout("campaign", "run", "films")
    assert said.code == 0, said.err
    history, _ = load(RunFolder.of("films"))
    assert len(history.completed) == 8 and set(history.with_person) == {0, 1, 2, 3}
    assert not {t.candidate for t in history.completed} & {r["id"] for r in mine}
    for row in mine:
        row["conductivity"] = "3.5"
    write(films / "next.csv", mine)
    assert "4 measured" in matscout("campaign", "add", "films", "next.csv").out
    assert matscout("resume", "films", "--trials", "14").code == 0
    history, _ = load(RunFolder.of("films"))
    assert len(history.completed) == 14 and not history.pending
    assert all(t.attempts == 1 and t.state is State.COMPLETE for t in history.trials)
    assert matscout("verify", "films").code == 0
    for to in ("csv", "optuna"):
        assert matscout("export", "films", "--to", to, "-o", f"e.{to}").code == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[goal]\nknd = "top"\n', "goal: unknown key 'knd'; did you mean 'kind'?"),
        ('[goal]\nkind = "topp"\n', "goal: unknown 'topp'; did you mean 'top'?"),
        ('[goal]\nkind = "rare"\n', "goal.threshold: goal 'rare' needs one"),
        ('[goal]\nkind = "top"\n', "proposer 'random' is only ever after the best"),
        ('[goal]\ntop = "x"\n', "goal.top: input should be a valid number"),
    ],
)
def test_goals_that_are_none(films: Path, matscout: Matscout, table: str, message: str) -> None:
    (films / "films.toml").write_text(CONFIG.replace("PROPOSER", "random") + table)
    said = matscout("campaign", "new", "films.toml")
    assert said.code == 2 and message in said.err and len(said.err.splitlines()) == 1, said.err
    assert not (films / "results").exists()


def test_the_goal_is_on_record(films: Path, matscout: Matscout) -> None:
    (films / "films.toml").write_text(CONFIG.replace("PROPOSER", "random") + "[goal]\ntop = 0.1\n")
    assert matscout("campaign", "new", "films.toml").code == 0
    _, spec = load(RunFolder.of("films"))
    said = {"kind": "best", "top": 0.1, "threshold": None}
    assert {k: v for k, v in spec.config["goal"].items() if v is not None or k in said} == said


def test_the_goal_reaches_a_proposer_that_takes_one() -> None:
    from matscout.cli import registry
    from matscout.cli.assemble import proposer_of
    from matscout.drive.config import Part
    from matscout.errors import InputError
    from matscout.goal import Goal

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.PROPOSERS, "pool", "matscout.propose.pool:PoolProposer")
        made: Any = proposer_of(Part(type="pool"), Goal("top", 0.1))
        assert made.goal == Goal("top", 0.1)
        with pytest.raises(InputError, match="'gp' is only ever after the best; use pool"):
            proposer_of(Part(type="gp"), Goal("top"))
    assert proposer_of(Part(type="random"), Goal("best")).name == "random"
