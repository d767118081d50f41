"""The table of threats, row by row: names that are paths, cells that are programs, folders of strangers.

Other rows stand beside what they protect: Ray's token in fleet/test_ray_cluster.py, an unauthenticated
call in cli/doctor, SQL in test_security_lint.py, passwords of databases in test_journal_postgres.py,
files that are bombs in data/test_structures.py.
"""

from __future__ import annotations

import csv
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.cli.app import main
from matscout.data.formula import amounts
from matscout.data.spreadsheet import safe, unquoted
from matscout.errors import InputError, one_line
from matscout.runfolder import RunFolder, checked_name

Say = Callable[..., tuple[int, str, str]]

NAMES = [
    "\x1b[2J\x1b[31mred",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a\rb",
    "\u202egnp.exe",
]

CAMPAIGN = """
kind = "campaign"
name = "films"
[space]
pool = { file = "pool.csv", features = ["x"] }
[[targets]]
name = "<b>y"
direction = "max"
[proposer]
type = "random"
"""

SWEEP = """
name = "first"
[space.parameters]
x = { type = "float", low = 0.0, high = 1.0 }
[[targets]]
name = "loss"
direction = "min"
[evaluator]
type = "function"
target = "objective_of_theirs:loss"
[proposer]
type = "random"
[run]
trials = 2
fleet = "inline"
"""

OBJECTIVE = """
from pathlib import Path
Path("imported").touch()

def loss(params):
    return params["x"]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    """Run a command: its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        return int(end.value.code or 0), *capfd.readouterr()

    return run


# -- names as paths ---------------------------------------------------------------------------------


@given(st.text(max_size=70) | st.from_regex(r"[a-z0-9./_-]{1,70}", fullmatch=True))
def test_a_name_is_refused_or_a_folder_right_below_the_runs(name: str) -> None:
    runs = Path("/srv/runs")
    try:
        root = RunFolder.of(name, runs).root
    except InputError as error:
        assert one_line(str(error)) == str(error)
        return
    assert root.parent == runs and root.resolve() == root and root.name == name
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "x/..", "/x", "x/y", "x\\y", "X", "-x", ".x", "a..b", "a\n", "a\x00", "ä", "a" * 65],
)  # fmt: skip
def test_names_that_are_paths(name: str) -> None:
    with pytest.raises(InputError):
        checked_name(name)


def test_a_link_is_not_followed(home: Path, say: Say) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home / "results" / "runs").mkdir(parents=True)
    (home / "results" / "runs" / "films").symlink_to(elsewhere)
    (home / "pool.csv").write_text("id,x\na,1\nb,2\n")
    (home / "films.toml").write_text(CAMPAIGN)
    code, _, err = say("campaign", "new", "films.toml")
    assert code == 2 and "symbolic link" in err and not list(elsewhere.iterdir())
    assert say("status", "films")[0] == 2


# -- what names and cells may do to a terminal, a spreadsheet, a browser ----------------------------


@given(st.text(max_size=40))
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(cell: str) -> None:
    written = str(safe(cell))
    assert not written.startswith(("=", "+", "-", "@"))
    assert written.isprintable() and unquoted(written) == one_line(cell)


def test_names_of_candidates_do_no_harm(home: Path, say: Say) -> None:
    with open(home / "pool.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "x"], *([name, i] for i, name in enumerate(NAMES))])
    (home / "films.toml").write_text(CAMPAIGN)
    said = [say("campaign", "new", "films.toml")]
    if said[0][0] == 2:  # refused by name: then what can be written is left
        (home / "pool.csv").write_text("id,x\n=cmd|' /C calc'!A0,1\n<script>alert(1)</script>,2\n")
        said.append(say("campaign", "new", "films.toml"))
    said.append(say("campaign", "recommend", "films", "-n", "2"))
    with open(home / "next.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert not [
        c for row in (header, *rows) for c in row if c[:1] in ("=", "+", "@") or not c.isprintable()
    ]
    filled = [[*row[:-1], *row[-1:]] for row in rows]
    value = next(i for i, name in enumerate(header) if "y" in name and "<b>" in name)
    for i, row in enumerate(filled):
        row[value] = str(i)
    with open(home / "done.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *filled])
    said.append(say("campaign", "add", "films", "done.csv"))
    said.append(say("status", "films"))
    said.append(say("export", "films", "--out", "all.csv"))
    said.append(say("report", "films"))
    said.append(say("verify", "films"))
    assert [code for code, _, _ in said[-6:]] == [0] * 6, "\n".join(err for _, _, err in said)
    for _, out, err in said:
        assert all(c.isprintable() or c == "\n" for c in out + err), (out, err)
    page = RunFolder.of("films").report.read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page and "<b>y" not in page
    assert "\x1b" not in page and not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    with open("all.csv", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [c for c in cells if c[:1] in ("=", "+", "@") or not c.isprintable()]


@pytest.mark.parametrize(
    "bomb",
    [
        "(" * 99 + "H" + ")" * 99, "(" * 45 + "H" + ")9" * 45, "(H" * 40 + ")9" * 40, "[{(" * 33 + "H" + "}])" * 33,
        "(" * 100_000, "H" * 1_000_000, "(" * 200, "H1" + "0" * 190,
    ],
)  # fmt: skip
def test_the_depth_of_a_formula_is_bounded(bomb: str) -> None:
    start_s = time.process_time()
    try:
        amounts(bomb)
    except ValueError as error:
        assert len(str(error)) < 400
    assert time.process_time() - start_s < 1.0, "linear in at most 200 characters"


# -- code and secrets -------------------------------------------------------------------------------


def forget() -> None:
    """As in a new process: nobody has imported it yet."""
    sys.modules.pop("objective_of_theirs", None)
    Path("imported").unlink(missing_ok=True)


@pytest.fixture
def theirs(home: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose config names code, as somebody else might hand it over."""
    monkeypatch.syspath_prepend(str(home))
    (home / "objective_of_theirs.py").write_text(OBJECTIVE)
    (home / "first.toml").write_text(SWEEP)
    forget()
    assert say("sweep", "first.toml")[0] == 0
    forget()
    return RunFolder.of("first").root


def test_code_named_by_a_journal_is_not_run(theirs: Path, home: Path, say: Say) -> None:
    (home / "first.toml").rename(home / "moved.toml")
    code, _, err = say("resume", "first", "--trials", "4")
    assert code == 2 and "code is only started from your own config" in err
    (home / "first.toml").write_text(SWEEP.replace("objective_of_theirs", "objective_of_ours"))
    code, _, err = say("resume", "first", "--trials", "4")
    assert code == 2 and "names another evaluator" in err
    for words in (["status", "first"], ["verify", "first"], ["export", "first", "-o", "x.csv"]):
        assert say(*words)[0] == 0
    assert not (home / "imported").exists()
    (home / "first.toml").write_text(SWEEP)
    assert say("resume", "first", "--trials", "4")[0] == 0 and (home / "imported").exists()


def test_a_config_that_came_with_the_folder_is_not_the_users_own(
    theirs: Path, home: Path, say: Say
) -> None:
    """A journal may say that its config lies in the run's folder, beside the module that it names."""
    handed_over = home / "results" / "runs" / "second"
    (home / "sub").mkdir()
    (home / "first.toml").rename(home / "sub" / "second.toml")
    (home / "objective_of_theirs.py").rename(home / "sub" / "objective_of_theirs.py")
    assert say("sweep", "sub/second.toml", "--name", "second", "--trials", "1")[0] == 0
    forget()
    # A link stands for the address that a journal made for this would give.
    (home / "sub").rename(handed_over / "config")
    (home / "sub").symlink_to(handed_over / "config")
    code, _, err = say("resume", "second", "--trials", "2")
    assert code == 2 and "code is only started from your own config" in err, err
    assert not (home / "imported").exists()


def test_no_secret_of_the_environment_is_written_into_a_run(
    home: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f00dfacef00dfacef00dface")
    monkeypatch.setenv("PGPASSWORD", "f00dfacef00dfacef00dface")
    (home / "objective_of_theirs.py").write_text(OBJECTIVE)
    (home / "first.toml").write_text(SWEEP)
    assert say("sweep", "first.toml")[0] == 0
    files = [p for p in RunFolder.of("first").root.rglob("*") if p.is_file()]
    assert files and not [p for p in files if b"f00dface" in p.read_bytes()]


def test_state_folders_are_for_their_owner_alone(theirs: Path) -> None:
    for folder in (theirs, theirs / "outbox"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in ("journal.db", "journal.lock"):
        assert not stat.S_IMODE((theirs / file).stat().st_mode) & 0o077
