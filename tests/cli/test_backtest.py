"""`matscout backtest`: every goal from a CSV to a sentence, and every mistake to one line."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Matscout = Callable[..., Any]
N = 45
RNG = np.random.default_rng(11)
X, Z = RNG.random(N), RNG.random(N)
SOLVENT = RNG.choice(["water", "ethanol"], N)
EASY = 5 - 12 * (X - 0.3) ** 2 - 4 * (Z - 0.6) ** 2 + 0.3 * (SOLVENT == "water")
NOISE = RNG.normal(size=N)
SEVENTH = np.sort(EASY)[-7]
RARE = np.where(EASY >= SEVENTH, "yes", "no")


def write(path: Path, columns: dict[str, Sequence[Any]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def columns(**more: Sequence[Any]) -> dict[str, Sequence[Any]]:
    return {
        "x": X.tolist(),
        "z": Z.tolist(),
        "solvent": SOLVENT.tolist(),
        "y": EASY.tolist(),
    } | more


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matscout.drive.learned._TREES", 10)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "t.csv", columns(noise=NOISE.tolist(), rare=RARE.tolist()))


IGNORE = {
    "y": ["--ignore", "noise", "--ignore", "rare"],
    "noise": ["--ignore", "y", "--ignore", "rare"],
    "rare": ["--ignore", "y", "--ignore", "noise"],
}
ONE = ["--jobs", "1"]

GOALS = {
    "best": ["y"],
    "top": ["y", "--top", "10%"],
    "threshold": ["y", "--threshold", "4.2"],
    "rare": ["rare"],
    "model": ["y"],
}


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_from_end_to_end(goal: str, table: Path, matscout: Matscout) -> None:
    target, *more = GOALS[goal]
    init = [] if goal != "rare" else ["--init", "6"]
    said = matscout(
        "backtest", "t.csv", "--target", target, "--goal", goal, *more, *IGNORE[target], *init,
        "--budget", "14", "--batch", "2", "--workers", "3", "--seeds", "2", *ONE, "--json", "o.json",
        "--curves", "c.csv",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "random" in said.out and "auto:" in said.out and "Traceback" not in said.err
    assert "inputs that are categories: solvent" in said.err
    raw = json.loads(Path("o.json").read_text())
    assert set(raw) == {"n", "top", "arms", "protocol"} and raw["n"] == N
    assert list(raw["arms"]) == ["random", "auto"]
    for name, arm in raw["arms"].items():
        assert {"to_80", "af", "ef_max", "found"} <= set(arm)
        assert len(arm["to_80"]["per_seed"]) == len(arm["found"]) == 2
        assert len(arm["af"]["ci95"]) == 2 and {"median", "ci95"} == set(arm["af"])
        assert (goal in ("rare", "model")) == bool(arm["learned"]["quality"])
        far = N if name == "random" and goal not in ("rare", "model") else 14
        assert all(len(curve) == far for curve in arm["found"])
    assert raw["protocol"]["goal"]["kind"] == goal and raw["protocol"]["workers"] == 3
    assert (
        raw["top"]
        == {"best": 1, "top": 5, "threshold": (EASY >= 4.2).sum(), "rare": 7, "model": 3}[goal]
    )
    assert Path("c.csv").read_text().startswith("arm,experiments,found_mean")


def test_learning_helps_on_an_easy_table_and_not_on_noise(table: Path, matscout: Matscout) -> None:
    common = ["--top", "20%", "--seeds", "5", *ONE]
    easy = matscout("backtest", "t.csv", "--target", "y", *IGNORE["y"], *common, "--json", "e.json")
    assert easy.code == 0 and "Learning did not help" not in easy.out
    assert "experiments saved [" in easy.out and "that random needs (5 seeds)." in easy.out
    arm = json.loads(Path("e.json").read_text())["arms"]["auto"]
    assert arm["helped"] is True and arm["af"]["median"] > 1.3 and arm["af"]["ci95"][0] > 1
    noise = matscout("backtest", "t.csv", "--target", "noise", *IGNORE["noise"], *common)
    assert noise.code == 0 and noise.out.rstrip().endswith("Learning did not help here.")


def test_a_budget_too_short_for_80_per_cent_is_judged_by_the_curves(
    table: Path, matscout: Matscout
) -> None:
    said = matscout(
        "backtest", "t.csv", "--target", "y", *IGNORE["y"], "--top", "20%", "--budget", "14",
        "--seeds", "8", *ONE, "--strategy", "lcb,mean",
    )  # fmt: skip
    lines = [line for line in said.out.splitlines() if line.startswith(("lcb:", "mean:"))]
    assert len(lines) == 2 and all("the budget did not suffice for 80 %; found" in x for x in lines)
    assert "did not help" not in lines[0]


def figures_of(matscout: Matscout, file: str, *words: str) -> dict[str, Any]:
    said = matscout("backtest", file, "--seeds", "3", "--budget", "18", "--top", "20%", *words, *ONE,
                    "--json", "o.json")  # fmt: skip
    assert said.code == 0, said.err
    raw: dict[str, Any] = json.loads(Path("o.json").read_text())
    return {name: {k: v for k, v in arm.items()} for name, arm in raw["arms"].items()}


def test_the_form_of_a_table_does_not_matter(table: Path, matscout: Matscout) -> None:
    """Columns permuted, inputs in other units, the target's sign turned with its direction: every
    figure is the same, because every pick is (the values of this table are all different)."""
    first = figures_of(matscout, "t.csv", "--target", "y", *IGNORE["y"])
    turned = {
        "target": (-3 * EASY + 7).tolist(),
        "solvent": SOLVENT.tolist(),
        "temperature": (300 * Z + 25).tolist(),
        "x": (1e-6 * X - 2e-6).tolist(),
    }
    write(table.parent / "u.csv", turned)
    assert figures_of(matscout, "u.csv", "--target", "target", "--direction", "min") == first


def test_a_default_budget_ends_where_nothing_is_left_and_says_so(
    table: Path, matscout: Matscout
) -> None:
    words = ["backtest", "t.csv", "--target", "y", *IGNORE["y"], "--goal", "model", "--seeds", "2"]
    words += ["--strategy", "random", *ONE, "--json", "o.json"]
    said = matscout(*words)
    assert said.code == 0
    line = (
        "t.csv: 31 experiments in all: with 30% held out to judge the model, 31 candidates are left"
    )
    assert f"{line} to choose from" in said.err.splitlines()
    raw = json.loads(Path("o.json").read_text())
    assert raw["protocol"]["budget"] == 31
    learned = raw["arms"]["random"]["learned"]
    assert learned["labels"][-1] == 31
    assert len(learned["rmse_tenths"]) == 10 and learned["rmse_tail"] > 0
    assert "held out" not in matscout(*words, "--budget", "31").err


@pytest.mark.slow
def test_two_jobs_say_what_one_does(table: Path, matscout: Matscout) -> None:
    words = ["backtest", "t.csv", "--target", "y", *IGNORE["y"], "--seeds", "4", "--budget", "12"]
    words += ["--strategy", "auto,lcb", "--goal", "threshold", "--threshold", "4.2"]
    one = matscout(*words, "--jobs", "1", "--json", "1.json")
    two = matscout(*words, "--jobs", "2", "--json", "2.json")
    assert one.code == two.code == 0 and one.out == two.out
    assert Path("1.json").read_bytes() == Path("2.json").read_bytes()


@pytest.mark.slow
def test_control_c_ends_it_at_once_and_quietly(table: Path) -> None:
    words = ["backtest", "t.csv", "--target", "y", *IGNORE["y"], "--seeds", "500", "--jobs", "2"]
    run = subprocess.Popen(
        [sys.executable, "-m", "matscout", *words, "--json", "o.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stderr is not None
    while "candidates, each in one row" not in run.stderr.readline():
        assert run.poll() is None
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: the processes that play get it too
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, "") and "Traceback" not in err
    assert not (table.parent / "o.json").exists()


def test_random_alone_and_twice_the_same(table: Path, matscout: Matscout) -> None:
    words = ["backtest", "t.csv", "--target", "y", *IGNORE["y"], *ONE, "--strategy", "random,"]
    first, again = matscout(*words), matscout(*words)
    assert first.code == 0 and first.out == again.out
    assert [line.split()[0] for line in first.out.splitlines()[1:]] == ["arm", "random"]


def test_one_seed_says_that_it_is_one(table: Path, matscout: Matscout) -> None:
    said = matscout("backtest", "t.csv", "--target", "y", *IGNORE["y"], *ONE, "--seeds", "1",
                    "--strategy", "mean", "--top", "20%", "--budget", "40")  # fmt: skip
    assert said.code == 0 and "One seed does not tell" in said.out


def test_a_class_needs_no_threshold(table: Path, matscout: Matscout) -> None:
    for goal in ("rare", "model", "threshold"):
        said = matscout("backtest", "t.csv", "--target", "rare", "--goal", goal, *IGNORE["rare"],
                        "--init", "5", "--seeds", "1", "--budget", "6", *ONE, "--strategy", "random",
                        "--json", "o.json")  # fmt: skip
        assert said.code == 0, said.err
        assert "'yes' is 1" in said.err
        raw = json.loads(Path("o.json").read_text())
        assert raw["protocol"]["goal"]["threshold"] == 0.5 and raw["top"] == 7


# -- bad input ----------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[list[str], str]] = {
    "no such target": (["--target", "Y"], "no column 'Y'; known here: solvent, x"),
    "a target of text": (["--target", "solvent"], "target 'solvent' is text (2 labels"),
    "a constant target": (["--target", "flat"], "target 'flat' is always 1"),
    "a target that is all NaN": (["--target", "gone"], "target 'gone' has no value"),
    "an infinite input": (["--target", "y", "--kind", "infinite=number"], "line 4: 'infinite' is inf"),
    "an infinite target": (["--target", "infinite"], "line 4: 'infinite' is infinite"),
    "a formula that does not parse": (["--target", "y"], "line 3: 'f' does not parse as a formula"),
    "a formula that does not parse, as said": (["--target", "y", "--kind", "f=formula"], "line 3: 'f'"),
    "an unknown goal": (["--target", "y", "--goal", "tpo"], "goal: unknown 'tpo'; did you mean 'top'?"),
    "an unknown strategy": (
        ["--target", "y", "--strategy", "auto,lbc"], "strategy: unknown 'lbc'; did you mean 'lcb'?"
    ),
    "a strategy without its limit": (
        ["--target", "y", "--strategy", "find"], "strategy 'find' needs one"
    ),
    "an unknown kind": (["--target", "y", "--kind", "x=nmber"], "unknown kind 'nmber'; did you mean"),
    "a kind of no column": (["--target", "y", "--kind", "w=number"], "no column 'w'"),
    "a kind without =": (["--target", "y", "--kind", "x"], "--kind: 'x' has no ="),
    "an unknown direction": (["--target", "y", "--direction", "up"], "--direction: unknown 'up'; max or"),
    "a top of nothing": (["--target", "y", "--top", "0"], "goal.top: must be a share between 0 and 1"),
    "a top of more than all": (["--target", "y", "--top", "200%"], "share between 0 and 1, got 2"),
    "a top that is no share": (["--target", "y", "--top", "five"], "--top: 'five' is no share"),
    "rare without a limit": (["--target", "y", "--goal", "rare"], "goal 'rare' needs one; name the limit"),
    "threshold without a limit": (["--target", "y", "--goal", "threshold"], "'threshold' needs one"),
    "a limit that nothing passes": (
        ["--target", "y", "--goal", "rare", "--threshold", "99"], "nothing in the table passes it"
    ),
    "a limit that everything passes": (
        ["--target", "y", "--goal", "threshold", "--threshold", "-99"], "everything in the table"
    ),
    "a limit that is no number": (
        ["--target", "y", "--goal", "rare", "--threshold", "nan"], "threshold: must be a finite number"
    ),
    "a budget above the pool": (["--target", "y", "--budget", "46"], "46 experiments, but the table has 45"),
    "a budget above what is left to choose from": (
        ["--target", "y", "--goal", "model", "--budget", "32"],
        "budget: 32 experiments, but with 30% held out to judge the model, 31 candidates are left; "
        "take 31 or fewer",
    ),
    "a budget above what is left of a rare class": (
        ["--target", "y", "--goal", "rare", "--threshold", "4.2", "--budget", "45"], "take 31 or fewer"
    ),
    "a budget that is all random": (["--target", "y", "--budget", "2"], "leave nothing to choose after 2"),
    "a start larger than the pool": (["--target", "y", "--init", "45"], "45 candidates are too few for 45"),
    "fewer workers than the batch": (
        ["--target", "y", "--batch", "4", "--workers", "3"], "workers: 4 are asked for at once, but only 3"
    ),
    "an unknown start": (["--target", "y", "--start", "wth"], "start: unknown 'wth'"),
    "no seed": (["--target", "y", "--seeds", "0"], "seeds"),
    "no job": (["--target", "y", "--jobs", "0"], "jobs"),
    "no target at all": ([], "Missing option '--target'"),
    "ignoring nothing": (["--target", "y", "--ignore", "w"], "no column 'w'"),
    "ignoring all": (
        ["--target", "y", *(f"--ignore={name}" for name in ("x", "z", "solvent"))], "no input column"
    ),
    "names for a header there is": (["--target", "y", "--header", "a,b,y"], "line 1: "),
    "no header row": (["--target", "y", "--header", "x,z,solvent,target"], "no column 'y'"),
    "a folder for the figures": (["--target", "y", "--json", "."], "is a folder; name a file"),
    "figures into no folder": (["--target", "y", "--json", "no/o.json"], "its folder does not exist"),
    "curves into no folder": (["--target", "y", "--curves", "no/o.csv"], "its folder does not exist"),
    "figures over the table": (["--target", "y", "--json", "bad.csv"], "is the table, or named twice"),
    "both into one file": (["--target", "y", "--json", "o", "--curves", "./o"], "or named twice"),
}  # fmt: skip


def bad_table(case: str) -> dict[str, Sequence[Any]]:
    if "infinite" in case:
        return columns(infinite=[1.0, 2.0, "inf", *range(N - 3)])
    if "formula" in case:
        return columns(f=["NaCl", "not a formula", *(f"Na{i}Cl" for i in range(2, N))])
    if "constant" in case:
        return columns(flat=[1.0] * N)
    if "NaN" in case:
        return columns(gone=["nan"] * N)
    return columns()


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_line_and_nothing_is_written_or_played(
    case: str, tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was played")

    monkeypatch.setattr("matscout.cli.backtest.play_all", never)
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[case]
    before = write(tmp_path / "bad.csv", bad_table(case)).read_bytes()
    said = matscout("backtest", "bad.csv", *words)
    assert (said.code, said.out) == (2, ""), said.err
    assert len(said.err.splitlines()) == 1 and said.err.startswith("matscout: "), said.err
    assert message in said.err, said.err
    assert (tmp_path / "bad.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


FILES = {
    "a table that is not there": (None, "no such file"),
    "an empty table": ("", "empty"),
    "a header alone": ("x,y\n", "empty"),
    "one candidate": ("x,y\n1,2\n", "no input column that varies"),
    "two candidates": ("x,y\n1,2\n2,3\n", "init: 2 candidates are too few for 2 random ones"),
    "a table without another column": ("y\n1\n2\n3\n", "no input column"),
    "semicolons": ("x;y\n1;2\n2;3\n", "not separated by commas"),
    "a ragged row": ("x,y\n1,2\n2\n", "line 3: 1 cells under 2 columns"),
    "two columns of one name": ("x,x,y\n1,2,3\n", "two columns are called 'x'"),
    "not text": (b"\xff\xfe\x00x", "not UTF-8"),
    "one input with several values": ("x,y\n1,2\n1,3\n1,4\n", "no input column that varies"),
}


@pytest.mark.parametrize("case", FILES)
def test_tables_that_cannot_be_played(
    case: str, tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = FILES[case]
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "bad.csv").write_bytes(data)
    said = matscout("backtest", "bad.csv", "--target", "y", "--json", "o.json", *ONE)
    assert (said.code, said.out) == (2, "") and len(said.err.splitlines()) == 1, said.err
    assert message in said.err and not (tmp_path / "o.json").exists()


@pytest.mark.parametrize("case", ["an infinite row", "a formula that does not parse"])
def test_the_rest_is_played_only_if_it_is_said(
    case: str, tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bad.csv", bad_table(case))
    words = ["backtest", "bad.csv", "--target", "y", "--strategy", "random", *ONE]
    refused = matscout(*words)
    assert refused.code == 2 and "--drop-bad" in refused.err
    played = matscout(*words, "--drop-bad")
    assert played.code == 0 and played.out.startswith(f"bad.csv: {N - 1} candidates")
    assert "dropped 1 of 45 rows" in played.err


def test_a_censored_target_is_its_bound_only_if_it_is_said(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t.csv", columns(y=["<1E-10", *EASY[1:].tolist()]))
    words = ["backtest", "t.csv", "--target", "y", "--strategy", "random", *ONE]
    refused = matscout(*words)
    assert refused.code == 2 and "line 2: 'y' is censored: '<1E-10'" in refused.err
    assert "--censored" in refused.err
    assert matscout(*words, "--censored").code == 0


def test_a_disk_that_refuses_at_the_end(
    table: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matscout.durable_file.write_durably", full)
    said = matscout(
        "backtest", "t.csv", "--target", "y", "--strategy", "random", *ONE, "--json", "o"
    )
    assert said.code == 3 and said.err.splitlines()[-1] == (
        "matscout: o: cannot be written (No space left on device)"
    )
    assert [path.name for path in table.parent.iterdir()] == ["t.csv"]
