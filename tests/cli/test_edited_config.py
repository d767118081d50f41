"""A config that was edited after its run was made: the run goes on as it was made, and says so."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.own_config import differing
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]

GOES_ON = "the run goes on as it was made"
EDITS = {
    "a bound": ("high = 10.0", "high = 11.0", ["space.parameters.x"]),
    "a new parameter": ("kind = {", "k = { type = 'float', low = 0.0, high = 1.0 }\nkind = {", ["space.parameters.k"]),
    "the proposer": ('"random"', '"sobol"', ["proposer.type"]),
    "a new table": ('"random"', '"random"\n[stop]\nplateau = true', ["stop"]),
    "the direction": ('"min"', '"max"', ["targets.0.direction"]),
    "another target": ("[evaluator]", '[[targets]]\nname = "b"\ndirection = "min"\n[evaluator]', ["targets"]),
    "no list of tables": ('[[targets]]\nname = "loss"\ndirection = "min"\n', "", ["targets"]),
    "the seed": ("seed = 1", "seed = 2", ["seed"]),
    "the name": ('"first"', '"second"', ["name"]),
    "workers": ("workers = 2", "workers = 3", ["run.workers"]),
    "a table for a word": ('"inline"', '{ a = 1 }', ["run.fleet"]),
    "two things": ('seed = 1\n[space.parameters]\nx = { type = "float", low = -5.0', 'seed = 2\n[space.parameters]\nx = { type = "float", low = -6.0', ["seed", "space.parameters.x"]),
    "an order": ("trials = 8\nworkers = 2", "workers = 2\ntrials = 8", []),
    "a note": ("seed = 1", "# seed\nseed = 1", []),
    "the order of choices": ('["flat", "steep"]', '["steep", "flat"]', ["space.parameters.kind"]),
}  # fmt: skip


def edit(home: Path, old: str, new: str, file: str = "first.toml") -> None:
    text = (home / file).read_text()
    assert old in text
    (home / file).write_text(text.replace(old, new, 1))


def record(run: str = "first") -> dict[str, tuple[int, bytes]]:
    """The files of the run: when they were written, and what they hold. SQLite makes two to read."""
    files = [p for p in RunFolder.of(run).root.rglob("*") if p.is_file()]
    files = [p for p in files if not p.name.startswith("journal.db-")]
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


@pytest.mark.parametrize("case", EDITS)
def test_differing_keys(home: Path, case: str) -> None:
    old, new, keys = EDITS[case]
    then = tomllib.loads((home / "first.toml").read_text())
    edit(home, old, new)
    assert differing(then, tomllib.loads((home / "first.toml").read_text())) == keys


def test_what_was_edited_is_named_once_and_does_not_count(home: Path, matscout: Matscout) -> None:
    text = (home / "first.toml").read_text()
    assert matscout("sweep", "first.toml").code == 0
    for case in ("a bound", "the direction", "two things"):
        (home / "first.toml").write_text(text)
        old, new, keys = EDITS[case]
        edit(home, old, new)
        said = matscout("resume", "first")
        told = f"first.toml has changed since the run was made ({', '.join(keys)}): {GOES_ON}"
        assert said.code == 0 and said.err.splitlines()[0] == f"matscout: {told}"
        assert said.err.count(GOES_ON) == 1 and "sweep first: 8 complete" in said.out


def test_more_trials_are_asked_for_on_the_command_line(home: Path, matscout: Matscout) -> None:
    assert matscout("sweep", "first.toml").code == 0
    edit(home, "trials = 8", "trials = 9")
    said = matscout("resume", "first")
    line = f"first.toml has changed since the run was made (run.trials): {GOES_ON}; "
    assert said.err.splitlines()[0] == f"matscout: {line}--trials 9 gives it more trials"
    assert said.code == 0 and "8 complete" in said.out
    edit(home, "trials = 9", "trials = 7")
    assert matscout("resume", "first").err.splitlines()[0].endswith(GOES_ON)
    edit(home, "trials = 7", "trials = 9")
    said = matscout("resume", "first", "--trials", "9")  # the very same: nothing is left to say
    assert said.code == 0 and "9 complete" in said.out and GOES_ON not in said.err
    edit(home, "workers = 2", "workers = 1")
    assert "(run.workers)" in matscout("resume", "first", "--trials", "9").err


def test_of_many_keys_three_are_named(home: Path, matscout: Matscout) -> None:
    assert matscout("sweep", "first.toml").code == 0
    for case in ("a bound", "the proposer", "the seed", "workers"):
        edit(home, *EDITS[case][:2])
    edit(home, "trials = 8", "trials = 9")
    first = matscout("resume", "first").err.splitlines()[0]
    assert "(seed, space.parameters.x, proposer.type and 2 more)" in first
    assert first.endswith("--trials 9 gives it more trials")


def test_the_same_said_otherwise_is_no_change(home: Path, matscout: Matscout) -> None:
    """Nor is what the command line said when the run was made."""
    words = ("--seed", "5", "--trials", "6", "--workers", "1")
    assert matscout("sweep", "first.toml", *words).code == 0
    assert GOES_ON not in matscout("resume", "first").err
    edit(home, "seed = 1", "# a note\nseed    =    1")
    said = matscout("resume", "first")
    assert said.code == 0 and GOES_ON not in said.err and "6 complete" in said.out


def test_a_run_that_did_not_write_down_what_its_config_said(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As runs of earlier versions did not."""
    monkeypatch.setattr("matscout.cli.assemble.as_said", lambda raw, base: {})
    assert matscout("sweep", "first.toml").code == 0
    edit(home, "seed = 1", "seed = 2")
    said = matscout("resume", "first")
    assert said.code == 0 and GOES_ON not in said.err


def test_a_file_that_the_space_is_read_from(home: Path, matscout: Matscout) -> None:
    text = (home / "first.toml").read_text()
    written_out = text[text.index("[space.parameters]") : text.index("[[targets]]")]
    space = written_out.replace("[space.parameters]", "[parameters]")
    (home / "space.toml").write_text(space)
    (home / "first.toml").write_text(text.replace(written_out, '[space]\nfile = "space.toml"\n'))
    assert matscout("sweep", "first.toml").code == 0
    assert GOES_ON not in matscout("resume", "first").err
    edit(home, "high = 10.0", "high = 11.0", "space.toml")
    said = matscout("resume", "first")
    line = f"matscout: space.toml has changed since the run was made: {GOES_ON}"
    assert said.code == 0 and said.err.splitlines()[0] == line
    (home / "space.toml").unlink()
    said = matscout("resume", "first")
    assert said.code == 0 and GOES_ON not in said.err


def test_a_pool_that_got_another_candidate(home: Path, matscout: Matscout) -> None:
    """Who recommends from it is told, as who drives it is."""
    (home / "pool.csv").write_text("id,x\n" + "".join(f"p{i},{i}\n" for i in range(6)))
    (home / "people.toml").write_text(PEOPLE)
    assert matscout("campaign", "new", "people.toml").code == 0
    assert GOES_ON not in matscout("campaign", "recommend", "people", "-n", "2").err
    with open(home / "pool.csv", "a") as file:
        file.write("p6,6\n")
    said = matscout("campaign", "recommend", "people", "--open", "-o", "again.csv")
    assert said.err == f"matscout: pool.csv has changed since the run was made: {GOES_ON}\n"
    assert said.code == 0 and len((home / "again.csv").read_text().splitlines()) == 3


PEOPLE = """
kind = "campaign"
name = "people"
[space]
pool = { file = "pool.csv" }
[[targets]]
name = "y"
direction = "max"
[proposer]
type = "random"
"""

TABULAR = """
name = "rows"
[space.parameters]
alpha = { type = "float", low = 0.1, high = 10.0 }
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "tabular"
table = "rows.csv"
predict = "y"
model = "ridge"
folds = 2
[proposer]
type = "random"
[run]
trials = 2
fleet = "inline"
"""


def test_a_config_that_names_no_code_may_be_edited_gone_or_broken(
    home: Path, matscout: Matscout
) -> None:
    rows = "".join(f"{i},{i % 7},{2 * i + 1}\n" for i in range(24))
    (home / "rows.csv").write_text("a,b,y\n" + rows)
    (home / "rows.toml").write_text(TABULAR)
    assert matscout("sweep", "rows.toml").code == 0
    edit(home, "folds = 2", "folds = 3", "rows.toml")
    said = matscout("resume", "rows")
    assert said.code == 0 and f"was made (evaluator.folds): {GOES_ON}" in said.err
    edit(home, "folds = 3", "folds = ", "rows.toml")
    said = matscout("resume", "rows")
    first = said.err.splitlines()[0]
    assert said.code == 0 and "rows.toml: is not TOML" in first and first.endswith(GOES_ON)
    (home / "rows.toml").unlink()
    said = matscout("resume", "rows")
    assert said.code == 0 and GOES_ON not in said.err
    said = matscout("resume", "rows", "--config", "rows.tml")
    assert said.code == 2 and said.err.startswith("matscout: rows.tml: cannot be read")
    assert len(said.err.splitlines()) == 1


BROKEN = {
    "no TOML": ("seed = 1", "seed = ", "is not TOML: Invalid value (at line 3, column 8)"),
    "an unknown key": ("seed = 1", "changed = 1", "top level: unknown key 'changed'"),
    "another evaluator": (":loss", ":nan", "names another evaluator than this run was made with"),
    "no evaluator": ('[evaluator]\ntype = "function"\ntarget = "objective_of_ours:loss"', "", "evaluator: is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_config_with_which_no_code_is_started(home: Path, matscout: Matscout, case: str) -> None:
    """One line with the file's name, before anything is said or written."""
    old, new, message = BROKEN[case]
    assert matscout("sweep", "first.toml").code == 0
    edit(home, old, new)
    before = record()
    for words, where in (((), home / "first.toml"), (("--config", "first.toml"), "first.toml")):
        said = matscout("resume", "first", "--trials", "9", *words)
        assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
        assert said.err.startswith(f"matscout: {where}: {message}"), said.err
    assert record() == before


def test_a_config_that_is_gone(home: Path, matscout: Matscout) -> None:
    assert matscout("sweep", "first.toml").code == 0
    before = record()
    (home / "first.toml").unlink()
    said = matscout("resume", "first", "--trials", "9")
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "first.toml is gone" in said.err and "--config FILE" in said.err
    assert record() == before


def test_a_campaign_without_an_evaluator_is_refused_before_anything_is_said(
    home: Path, matscout: Matscout
) -> None:
    edit(home, 'name = "first"', 'kind = "campaign"\nname = "people"')
    edit(home, '[evaluator]\ntype = "function"\ntarget = "objective_of_ours:loss"\n', "")
    assert matscout("campaign", "new", "first.toml").code == 0
    before = record("people")
    said = matscout("campaign", "run", "people")
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "has no evaluator" in said.err and record("people") == before
