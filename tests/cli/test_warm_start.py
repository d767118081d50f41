"""Known points asked first and earlier runs to start from: `[prior]`, --enqueue, --prior."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import matscout.api
from matscout.event import Event
from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]

KNOWN = "x,kind,slope\n1.5,steep,0.1\n2,flat,\n"
PARAMS = [{"x": 1.5, "kind": "steep", "slope": 0.1}, {"x": 2.0, "kind": "flat"}]


def asked(name: str) -> list[Event]:
    with Journal.read_only(RunFolder.of(name)) as journal:
        return [event for event in journal.read() if event.kind == "asked"]


def edit(home: Path, old: str, new: str) -> None:
    text = (home / "first.toml").read_text()
    assert old in text
    (home / "first.toml").write_text(text.replace(old, new, 1))


def refused(home: Path, matscout: Matscout, *words: str) -> str:
    """The one line that is said; nothing may have been started."""
    before = sorted(p for p in home.rglob("*") if "__pycache__" not in p.parts)
    said = matscout("sweep", "first.toml", *words)
    assert (said.code, said.out) == (2, ""), said.err
    assert len(said.err.splitlines()) == 1 and said.err.startswith("matscout: first.toml")
    assert sorted(p for p in home.rglob("*") if "__pycache__" not in p.parts) == before
    return str(said.err)


def test_known_points_come_first_in_their_order(home: Path, matscout: Matscout) -> None:
    (home / "known.csv").write_text(KNOWN)
    said = matscout("sweep", "first.toml", "--enqueue", "known.csv")
    assert said.code == 0, said.err
    events = asked("first")
    assert [e.body["params"] for e in events[:2]] == PARAMS
    assert [e.body["why"]["rule"] for e in events] == ["enqueued"] * 2 + ["random"] * 6


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("known.toml", '[[points]]\nx = 1.5\nkind = "steep"\nslope = 0.1\n[[points]]\nx = 2\nkind = "flat"\n'),
        ("known.csv", KNOWN),
    ],
)  # fmt: skip
def test_the_config_may_name_them(home: Path, matscout: Matscout, file: str, text: str) -> None:
    (home / file).write_text(text)
    edit(home, "[run]", f'[prior]\nenqueue = "{file}"\n[run]')
    assert matscout("sweep", "first.toml").code == 0
    assert [e.body["params"] for e in asked("first")[:2]] == PARAMS


def test_resume_goes_on_with_the_rest(home: Path, matscout: Matscout) -> None:
    (home / "known.csv").write_text(KNOWN + "3,flat,\n")
    matscout("sweep", "first.toml", "--enqueue", "known.csv", "--trials", "2")
    (home / "known.csv").unlink()  # the journal is enough
    assert matscout("resume", "first", "--trials", "4").code == 0
    rules = [e.body["why"]["rule"] for e in asked("first")]
    assert rules == ["enqueued", "enqueued", "enqueued", "random"]


def test_a_run_killed_on_the_way_asks_what_the_unbroken_one_did(
    home: Path, matscout: Matscout
) -> None:
    (home / "known.csv").write_text(KNOWN)
    matscout("sweep", "first.toml", "--enqueue", "known.csv", "--name", "whole")
    matscout("sweep", "first.toml", "--enqueue", "known.csv", "--name", "parts", "--trials", "1")
    for trials in ("2", "3", "8"):
        matscout("resume", "parts", "--trials", trials)
    assert [e.body["params"] for e in asked("parts")] == [e.body["params"] for e in asked("whole")]


def test_what_is_listed_twice_is_asked_once_and_said(home: Path, matscout: Matscout) -> None:
    (home / "known.csv").write_text(KNOWN + "2.0,flat,\n")
    said = matscout("sweep", "first.toml", "--enqueue", "known.csv")
    assert "known.csv: line 4 repeats line 3: it is asked once" in said.err
    assert [e.body["why"]["rule"] for e in asked("first")].count("enqueued") == 2


def test_batches_are_filled_up_by_the_proposer(home: Path, matscout: Matscout) -> None:
    (home / "known.csv").write_text(KNOWN)
    edit(home, "workers = 2", "workers = 4\nbatch = 4")
    assert matscout("sweep", "first.toml", "--enqueue", "known.csv").code == 0
    events = asked("first")
    assert [e.body["why"]["rule"] for e in events[:4]] == ["enqueued"] * 2 + ["random"] * 2
    assert len({json.dumps(e.body["params"]) for e in events}) == len(events) == 8


def test_asking_ahead_asks_each_once(home: Path, matscout: Matscout) -> None:
    (home / "known.csv").write_text(KNOWN)
    edit(home, "workers = 2", "workers = 2\nahead = 3")
    assert matscout("sweep", "first.toml", "--enqueue", "known.csv").code == 0
    assert [e.body["why"]["rule"] for e in asked("first")].count("enqueued") == 2
    assert [e.body["params"] for e in asked("first")[:2]] == PARAMS


ENQUEUE_MISTAKES = {
    "outside": (
        "x,kind\n11,flat\n",
        "known.csv: line 2: x='11' is outside the space; give a number from -5 to 10",
    ),
    "no number": ("x,kind\na,flat\n", "line 2: x='a' is outside the space"),
    "no label": (
        "x,kind\n1,flt\n",
        "line 2: kind='flt' is outside the space; give one of flat, steep",
    ),
    "unknown": ("x,kid\n1,flat\n", "known.csv: unknown parameter 'kid'; did you mean 'kind'?"),
    "missing": ("x\n1\n", "line 2: kind is missing"),
    "inactive": ("x,kind,slope\n1,flat,0.1\n", "line 2: slope does not exist under these values"),
    "nothing": ("x,kind\n", "an empty table"),
}


@pytest.mark.parametrize("case", ENQUEUE_MISTAKES)
def test_points_that_are_not_of_the_space(home: Path, matscout: Matscout, case: str) -> None:
    text, message = ENQUEUE_MISTAKES[case]
    (home / "known.csv").write_text(text)
    assert message in refused(home, matscout, "--enqueue", "known.csv")


def test_files_of_points_that_are_none(home: Path, matscout: Matscout) -> None:
    assert "none.csv: no such file" in refused(home, matscout, "--enqueue", "none.csv")
    (home / "known.txt").write_text(KNOWN)
    assert "neither .csv nor .toml" in refused(home, matscout, "--enqueue", "known.txt")
    edit(home, "[run]", '[prior]\nenqueue = "a\\u0000.csv"\n[run]')
    assert "prior.enqueue: is no path" in refused(home, matscout)
    edit(home, '[prior]\nenqueue = "a\\u0000.csv"\n', "")
    (home / "known.toml").write_text("[[point]]\nx = 1\n")
    assert "unknown key 'point'" in refused(home, matscout, "--enqueue", "known.toml")
    (home / "known.toml").write_text('[[points]]\nx = 1\nkind = "steep"\n')
    assert "known.toml: point 1: slope is missing" in refused(
        home, matscout, "--enqueue", "known.toml"
    )
    edit(home, "[run]", "[prior]\nenqueu = 3\n[run]")
    assert "prior: unknown key 'enqueu'; did you mean 'enqueue'?" in refused(home, matscout)


def test_a_violated_constraint(home: Path, matscout: Matscout) -> None:
    edit(home, "[[targets]]", '[[space.constraints]]\ntype = "linear"\ncoefficients = { x = 1.0 }\nop = "<="\nbound = 1.0\n[[targets]]')  # fmt: skip
    (home / "known.csv").write_text("x,kind\n2,flat\n")
    assert "line 2: x <= 1.0 must hold, but it is 2.0" in refused(
        home, matscout, "--enqueue", "known.csv"
    )


def test_campaigns_of_people_ask_them_first(home: Path) -> None:
    config = {
        "space": {"parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}}},
        "targets": [{"name": "y", "direction": "max"}],
        "proposer": {"type": "random"},
        "prior": {"enqueue": [{"x": 0.25}, {"x": 0.5}]},
    }
    with matscout.api.Campaign.new(config, home / "runs" / "people") as campaign:
        assert campaign.recommend(1)["x"].tolist() == [0.25]
        assert campaign.recommend(2)["x"].tolist()[0] == 0.5
        assert 0.5 not in campaign.recommend(2)["x"].tolist()


def sweep_first(matscout: Matscout) -> None:
    assert matscout("sweep", "first.toml", "--name", "earlier", "--trials", "12").code == 0


@pytest.fixture
def after(home: Path, matscout: Matscout) -> Path:
    """A home with an earlier run, and a config that starts from it."""
    sweep_first(matscout)
    edit(home, '[proposer]\ntype = "random"\n', '[prior]\nruns = ["results/runs/earlier"]\n')
    return home


def test_a_sweep_starts_from_an_earlier_one(after: Path, matscout: Matscout) -> None:
    before = RunFolder.of("earlier").journal.read_bytes()
    said = matscout("sweep", "first.toml")
    assert said.code == 0, said.err
    events = asked("first")
    assert {e.body["proposer"] for e in events} == {"transfer"}
    assert [e.body["why"]["rule"] for e in events[:2]] == ["best of earlier runs"] * 2
    assert all(0.0 <= e.body["why"]["earlier"] <= 1.0 for e in events[5:])
    assert RunFolder.of("earlier").journal.read_bytes() == before


def test_resume_needs_only_the_run(after: Path, matscout: Matscout) -> None:
    import shutil

    matscout("sweep", "first.toml", "--name", "whole", "--fleet", "inline", "--workers", "1")
    matscout("sweep", "first.toml", "--name", "parts", "--workers", "1")
    whole = [e.body["params"] for e in asked("whole")]
    assert [e.body["params"] for e in asked("parts")] == whole
    edit(after, "trials = 8", "trials = 9")
    matscout("sweep", "first.toml", "--name", "nine", "--workers", "1")
    shutil.rmtree(RunFolder.of("earlier").root)
    assert matscout("resume", "parts", "--trials", "9").code == 0
    assert len(asked("parts")) == 9


def test_the_command_line_may_name_it(home: Path, matscout: Matscout) -> None:
    sweep_first(matscout)
    edit(home, '"random"', '"transfer"')
    assert matscout("sweep", "first.toml", "--prior", "earlier").code == 0
    assert asked("first")[0].body["why"]["rule"] == "best of earlier runs"
    said = matscout("sweep", "first.toml", "--name", "b", "--prior", "nothing")
    assert said.code == 2 and "no such run; there are: earlier, first" in said.err


def test_fewer_and_more_parameters(after: Path, matscout: Matscout) -> None:
    text = (after / "first.toml").read_text()
    (after / "first.toml").write_text(
        text.replace("x = {", "y = { type = 'int', low = 1, high = 9 }\nx = {")
    )
    assert matscout("sweep", "first.toml", "--name", "more").code == 0
    fewer = "\n".join(line for line in text.splitlines() if not line.startswith("slope"))
    (after / "first.toml").write_text(fewer)
    assert matscout("sweep", "first.toml", "--name", "fewer").code == 0


def test_trials_outside_this_space_are_left_out(after: Path, matscout: Matscout) -> None:
    edit(after, "high = 10.0", "high = 7.0")
    said = matscout("sweep", "first.toml")
    assert said.code == 0
    assert "trials are used" in said.err and "lie outside this space" in said.err


PRIOR_MISTAKES = {
    "another space": ("x = {", "z = {", "is of another space: 'x' is only there and 'z' only here; leave it out"),
    "a label there": ('x = { type = "float", low = -5.0, high = 10.0 }', 'x = { type = "categorical", choices = ["a"] }', "'x' is a number there and a label here"),
    "another target": ('name = "loss"', 'name = "error"', "measures loss, not 'error'"),
    "another direction": ('"min"', '"max"', "goes for the min of 'loss', and this run for the max"),
    "nowhere": ("runs/earlier", "runs/later", "prior.runs: results/runs/later: no run is there"),
    "outside": ("low = -5.0, high = 10.0", "low = 100.0, high = 101.0", "only 0 of its trials have a value and lie inside this space"),
    "a proposer that is blind": ("[run]", '[proposer]\ntype = "tpe"\n[run]', "proposer 'tpe' makes no use of earlier runs; use proposer transfer"),
    "none": ('runs = ["results/runs/earlier"]', 'runs = []\n[proposer]\ntype = "transfer"', "'transfer' starts from earlier runs, and there are none"),
    "no list": ('["results/runs/earlier"]', '"earlier"', "prior.runs: input should be a valid list"),
}  # fmt: skip


@pytest.mark.parametrize("case", PRIOR_MISTAKES)
def test_runs_to_start_from_that_do_not_fit(after: Path, matscout: Matscout, case: str) -> None:
    old, new, message = PRIOR_MISTAKES[case]
    edit(after, old, new)
    assert message in refused(after, matscout)


def test_a_prior_that_chose_from_a_pool(after: Path, matscout: Matscout) -> None:
    (after / "pool.csv").write_text("id,x\na,1\nb,2\nc,3\nd,4\n")
    (after / "pool.toml").write_text(
        'name = "pooled"\n[space]\npool = { file = "pool.csv", features = ["x"] }\n'
        '[[targets]]\nname = "loss"\ndirection = "min"\n[evaluator]\ntype = "function"\n'
        'target = "objective_of_ours:loss"\n[run]\ntrials = 3\nfleet = "inline"\n'
    )
    assert matscout("sweep", "pool.toml").code == 0
    edit(after, "runs/earlier", "runs/pooled")
    assert "is of another space: it chooses from a pool" in refused(after, matscout)
    text = (
        (after / "pool.toml").read_text().replace("[run]", '[proposer]\ntype = "transfer"\n[run]')
    )
    (after / "pool.toml").write_text(text)
    said = matscout("sweep", "pool.toml", "--name", "again")
    assert said.code == 2 and "'transfer' is not for pools" in said.err
