"""A person's mistake gets one line that says where, what and how to mend; exit 2; nothing written."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]

CONFIG_MISTAKES = {
    "a misspelt key": ("trials = 8", "trails = 8", "run: unknown key 'trails'; did you mean 'trials'?"),
    "a misspelt table": ("[proposer]", "[propser]", "unknown key 'propser'; did you mean 'proposer'?"),
    "an unknown proposer": ('"random"', '"randm"', "proposer.type: unknown 'randm'; did you mean 'random'?"),
    "an unknown option": ('"random"', '"random"\nstart = 3', "proposer: unknown key 'start'"),
    "an unknown evaluator": ('"function"', '"fnction"', "evaluator.type: unknown 'fnction'; did you mean"),
    "a missing module": ("objective_of_ours:loss", "objektive:loss", "objektive"),
    "a missing function": (":loss", ":los", "did you mean 'loss'?"),
    "no function": (":loss", ":number", "number"),
    "bounds the wrong way round": ("low = -5.0", "low = 50.0", "space.parameters.x: low < high must hold"),
    "a condition on nothing": ("when = { kind", "when = { kin", "did you mean 'kind'?"),
    "a condition on no value": ('["steep"]', '["step"]', "kind never is 'step'; did you mean 'steep'?"),
    "conditions in a circle": ('["flat", "steep"] }', '["flat", "steep"], when = { slot = [1] } }\nslot = { type = "int", low = 0, high = 1, when = { kind = ["flat"] } }', "space.parameters: conditions go round in a circle: kind, slot, slope"),
    "constraints that nothing satisfies": ("[[targets]]", '[[space.constraints]]\ntype = "linear"\ncoefficients = { x = 1.0 }\nop = ">="\nbound = 11.0\n[[targets]]', "space.constraints: no point satisfies all of them; loosen one"),
    "constraints that no whole number satisfies": ("[[targets]]", '[space.parameters.n]\ntype = "int"\nlow = 0\nhigh = 9\n[[space.constraints]]\ntype = "linear"\ncoefficients = { n = 2.0 }\nop = "=="\nbound = 3.0\n[[targets]]', "space.constraints: no point satisfies all of them; loosen one"),
    "a run name with a path": ('name = "first"', 'name = "../first"', "run name '../first'"),
    "a run name with capitals": ('name = "first"', 'name = "First"', "run name 'First'"),
    "no TOML": ("[space.parameters]", "[space.parameters", "is not TOML"),
    "text for a number": ("low = -5.0", 'low = "a"', "low must be a finite number, got 'a'"),
    "an unknown space": ("[space.parameters]", "[space.parameter]", "space: unknown key 'parameter'"),
    "an unknown pruner": ("[run]", '[early_stopping]\ntype = "hyperbnd"\n[run]', "early_stopping.type: unknown 'hyperbnd'; did you mean 'hyperband'?"),
    "a pruner without its length": ("[run]", '[early_stopping]\ntype = "hyperband"\n[run]', "early_stopping: max_step is missing; a hyperband early_stopping needs it"),
    "a pruner's misspelt option": ("[run]", '[early_stopping]\ntype = "patience"\n_index = 3\n[run]', "early_stopping: unknown key '_index'"),
    "text for a count": ('"random"', '"tpe"\nstartup = "ten"', "proposer.startup: input should be a valid integer, got 'ten'"),
    "yes for a number": ('"random"', '"tpe"\nstartup = true', "proposer.startup: input should be a valid integer, got True"),
    "a fraction for a count": ("[run]", '[early_stopping]\ntype = "hyperband"\nmax_step = 4.5\n[run]', "early_stopping.max_step: input should be a valid integer, got 4.5"),
    "a pruner where nothing is reported": ('type = "function"\ntarget = "objective_of_ours:loss"\n', 'type = "command"\nargv = ["true"]\n[early_stopping]\ntype = "asha"\n', "early_stopping: 'asha' needs values on the way, and evaluator 'command' reports none; leave it out"),
    "a pruner of folds for epochs": ('type = "function"\ntarget = "objective_of_ours:loss"\n', 'type = "tabular"\ntable = "t.csv"\npredict = "y"\nmodel = "mlp"\n[early_stopping]\ntype = "wilcoxon"\n', "early_stopping: 'wilcoxon' compares folds: steps here are epochs; use asha or median"),
    "nothing left but to confirm": ("trials = 8", "trials = 8\nconfirm = 8", "run.confirm: must be fewer than run.trials = 8, got 8"),
    "a range beyond floats": ("low = -5.0, high = 10.0", "low = -1e308, high = 1e308", "space.parameters.x: high - low must be a finite number, got low=-1e+308, high=1e+308; bring the bounds nearer"),
    "a float for a whole bound": ("[[targets]]", '[space.parameters.n]\ntype = "int"\nlow = 1.0\nhigh = 9\n[[targets]]', "space.parameters.n: low must be a whole number, got 1.0; write 1"),
    "a constraint without a type": ("[[targets]]", "[[space.constraints]]\nbound = 3.0\n[[targets]]", "space.constraints: type is missing; known here: linear, simplex"),
    "a time without an end": ("trials = 8", "trials = 8\ntimeout_s = inf", "run.timeout_s: input should be a finite number, got inf"),
    "more trials than can be": ("trials = 8", "trials = 99999999999999999999", "run.trials: input should be less than or equal to 10000000"),
    "an option that fills the memory": ('"random"', '"tpe"\ncandidates = 1000000000000', "proposer.candidates: must be at most 1,000,000, got 1000000000000"),
    "a pruner that never stops": ("[run]", '[early_stopping]\ntype = "asha"\nfactor = 1\n[run]', "early_stopping.factor: must be at least 2, got 1"),
    "a pruner of folds for one": ('type = "function"\ntarget = "objective_of_ours:loss"\n', 'type = "tabular"\ntable = "t.csv"\npredict = "y"\nsplit = "holdout"\n[early_stopping]\ntype = "wilcoxon"\n', "early_stopping: 'wilcoxon' compares folds: a holdout is a single fold; use asha or median"),
    "a number for a file": ("[run]", "[prior]\nenqueue = 3\n[run]", "first.toml: prior.enqueue: input should be a valid string, got 3"),
    "a point outside": ("[run]", '[prior]\nenqueue = [{ x = 99.0, kind = "flat" }]\n[run]', "point 1: x=99.0 is outside the space; give a number from -5 to 10"),
    "a point that breaks a constraint": ("[[targets]]", '[[space.constraints]]\ntype = "linear"\ncoefficients = { x = 2.0 }\nop = "<="\nbound = 4.0\n[prior]\nenqueue = [{ x = 3.0, kind = "flat" }]\n[[targets]]', "point 1: 2.0 x <= 4.0 must hold, but it is 6.0"),
    "a target with control characters": ('name = "loss"', 'name = "lo\\u001b[31mss"', "targets: name 'lo\\x1b[31mss' must be printable text; rename it"),
    "a target called as the error of another": ("[evaluator]", '[[targets]]\nname = "loss.sem"\ndirection = "min"\n[evaluator]', "targets: 'loss.sem' is how the standard error of 'loss' is called; rename it"),
    "a fleet that is none": ('"inline"', '"inlin"', "run.fleet: input should be"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIG_MISTAKES)
def test_config_mistakes(home: Path, matscout: Matscout, case: str) -> None:
    old, new, message = CONFIG_MISTAKES[case]
    text = (home / "first.toml").read_text()
    assert old in text
    (home / "first.toml").write_text(text.replace(old, new, 1))
    before = sorted(home.rglob("*"))
    said = matscout("sweep", "first.toml")
    assert (said.code, said.out) == (2, "")
    assert message in said.err and len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("matscout: first.toml") or "run name" in said.err
    assert [p for p in sorted(home.rglob("*")) if "__pycache__" not in p.parts] == before


POOLS = {
    "an empty table": ("", "empty"),
    "a header alone": ("id,x\n", "empty"),
    "a duplicate candidate": ("id,x\na,1\na,2\n", "duplicate candidate id 'a'"),
    "no id column": ("name,x\na,1\n", "no column 'id'"),
    "a ragged row": ("id,x\na,1\nb\n", "line 3"),
    "a feature that is text": ("id,x\na,1\nb,?\n", "line 3: feature 'x' must be a number, got '?'"),
    "an unknown feature": ("id,y\na,1\n", "no column 'x'"),
}


@pytest.mark.parametrize("case", POOLS)
def test_pool_mistakes(home: Path, matscout: Matscout, case: str) -> None:
    table, message = POOLS[case]
    (home / "pool.csv").write_text(table)
    config = (home / "first.toml").read_text()
    start, end = config.index("[space.parameters]"), config.index("[[targets]]")
    pool = '[space]\npool = { file = "pool.csv", features = ["x"] }\n'
    (home / "first.toml").write_text(config[:start] + pool + config[end:])
    said = matscout("sweep", "first.toml")
    assert (said.code, said.out) == (2, "") and message in said.err, said.err
    assert len(said.err.splitlines()) == 1 and not (home / "results").exists()


def test_missing_files_and_runs(home: Path, matscout: Matscout) -> None:
    assert "no_such.toml: cannot be read" in matscout("sweep", "no_such.toml").err
    for command in ("status", "resume", "verify"):
        said = matscout(command, "nothing")
        assert said.code == 2 and "no such run" in said.err
        assert matscout(command, "../nothing").code == 2
    matscout("sweep", "first.toml")
    assert "there are: first" in matscout("status", "fist").err


def test_a_run_folder_that_exists(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    before = RunFolder.of("first").journal.read_bytes()
    said = matscout("sweep", "first.toml")
    assert said.code == 2 and "exists already; resume it (matscout resume first)" in said.err
    assert RunFolder.of("first").journal.read_bytes() == before


def test_a_journal_that_is_open_elsewhere(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    with Journal.open(RunFolder.of("first")):
        said = matscout("resume", "first", "--trials", "20")
        assert said.code == 2 and "open elsewhere: host" in said.err
        assert matscout("status", "first").code == 0
        assert matscout("verify", "first").code == 0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nan", "loss must be finite, got nan"),
        ("text", "loss must be a number, got str 'good'"),
        ("nothing", "the evaluator returned nothing"),
    ],
)
def test_an_objective_without_a_number(
    home: Path, matscout: Matscout, function: str, message: str
) -> None:
    text = (home / "first.toml").read_text()
    (home / "first.toml").write_text(text.replace(":loss", f":{function}"))
    said = matscout("sweep", "first.toml")
    last = said.err.splitlines()[-1]
    assert said.code == 3 and message in last and last.startswith("matscout: evaluator:")
    assert "Traceback" not in said.err


def test_an_objective_that_always_raises(home: Path, matscout: Matscout) -> None:
    text = (home / "first.toml").read_text()
    (home / "first.toml").write_text(text.replace(":loss", ":broken"))
    said = matscout("sweep", "first.toml")
    last = said.err.splitlines()[-1]
    assert said.code == 3 and "ZeroDivisionError: no such thing" in last
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("function", "message"),
    [("broken", "ZeroDivisionError: no such thing"), ("nan", "loss must be finite, got nan")],
)
def test_a_short_run_in_which_nothing_worked_has_failed(
    home: Path, matscout: Matscout, function: str, message: str
) -> None:
    """Too few trials to be given up on the way: it says so at its end, and whenever it is resumed."""
    text = (home / "first.toml").read_text()
    (home / "first.toml").write_text(text.replace(":loss", f":{function}"))
    for words in (("sweep", "first.toml"), ("resume", "first")):
        said = matscout(*words, "--trials", "2")
        last = said.err.splitlines()[-1]
        assert said.code == 3 and last.startswith("matscout: evaluator: ") and message in last
        assert "stopped: budget of 2 trials used" in said.out
    assert matscout("status", "first").code == 0


def test_a_short_run_goes_on_once_its_objective_works(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (home / "first.toml").read_text()
    (home / "first.toml").write_text(text.replace(":loss", ":broken"))
    assert matscout("sweep", "first.toml", "--trials", "2").code == 3
    ours = import_module("objective_of_ours")
    monkeypatch.setattr(ours, "broken", ours.loss)
    said = matscout("resume", "first", "--trials", "4")
    assert said.code == 0 and "2 complete, 2 quarantined" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ["swep"],
        ["sweep"],
        ["sweep", "--trails", "3"],
        ["sweep", "x", "--trials", "0"],
        ["export", "x"],
    ],
)
def test_words_the_command_line_does_not_know(matscout: Matscout, words: list[str]) -> None:
    said = matscout(*words)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and said.out == ""


def test_export_never_overwrites(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    (home / "there.csv").write_text("mine")
    said = matscout("export", "first", "--out", "there.csv")
    assert said.code == 2 and (home / "there.csv").read_text() == "mine"
    assert "did you mean 'csv'?" in matscout("export", "first", "--to", "cvs", "--out", "new").err
    assert matscout("export", "first", "--out", "no/such/folder.csv").code == 2


def test_tracebacks_only_for_those_who_ask(home: Path, matscout: Matscout) -> None:
    assert "Traceback" not in matscout("sweep", "no_such.toml").err
    assert "Traceback" in matscout("--debug", "sweep", "no_such.toml").err


def test_a_pruner_that_sees_nothing_is_said_once(home: Path, matscout: Matscout) -> None:
    """A function may report or not; that it does not is known after the first trial."""
    text = (home / "first.toml").read_text()
    (home / "first.toml").write_text(text + '[early_stopping]\ntype = "asha"\n')
    said = matscout("sweep", "first.toml")
    assert said.code == 0
    assert said.err.count("reported nothing on the way, and no 'loss'") == 1


def test_a_folder_of_runs_that_has_no_name_in_utf8(home: Path, matscout: Matscout) -> None:
    said = matscout("sweep", "first.toml", "--runs", "r\udcff")
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "has a name that is no UTF-8" in said.err and not list(home.glob("r*"))


def test_a_file_where_the_outbox_should_be(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    folder = RunFolder.of("first")
    folder.outbox.rmdir()
    folder.outbox.write_text("mine")
    with Journal.read_only(folder) as journal:
        before = len(list(journal.read()))
    said = matscout("resume", "first", "--trials", "9")
    assert said.code == 2 and "outbox: is a file where results come in; move it away" in said.err
    with Journal.read_only(folder) as journal:
        assert len(list(journal.read())) == before


def test_more_recommendations_than_a_person_can_want(home: Path, matscout: Matscout) -> None:
    said = matscout("campaign", "recommend", "first", "-n", "3000000")
    assert said.code == 2 and "less than or equal to 100000" in said.err
