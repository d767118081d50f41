from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]


def test_a_sweep_from_start_to_export(home: Path, matscout: Matscout) -> None:
    said = matscout("sweep", "first.toml")
    assert said.code == 0, said.err
    assert "8 complete" in said.out and "best: trial" in said.out
    assert (home / "results" / "runs" / "first" / "manifest.json").is_file()

    said = matscout("status", "first", "--json")
    status = json.loads(said.out)
    assert status["states"] == {"complete": 8} and status["stopped"] == "budget of 8 trials used"
    assert status["best"]["values"]["loss"] >= 0 and status["driver"] is None

    said = matscout("verify", "first", "--json")
    assert json.loads(said.out)["sound"] and said.code == 0

    said = matscout("export", "first", "--out", "trials.csv")
    assert said.code == 0
    with open("trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert all((row["params.kind"] == "steep") == bool(row["params.slope"]) for row in rows)


def test_status_says_that_the_last_driver_died(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    assert json.loads(matscout("status", "first", "--json").out)["died"] is False
    with Journal.open(RunFolder.of("first")) as journal:
        journal.append(Event(EventKind.OPENED, body={}))  # and nothing after it
    said = matscout("status", "first")
    assert "its last driver died: matscout resume first goes on where it was" in said.out
    assert json.loads(matscout("status", "first", "--json").out)["died"] is True
    assert matscout("resume", "first").code == 0
    assert "died" not in matscout("status", "first").out


def test_resume_with_a_larger_budget(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    said = matscout("resume", "first", "--trials", "12", "--json")
    assert said.code == 0 and json.loads(said.out)["states"] == {"complete": 12}
    again = matscout("resume", "first")
    assert again.code == 0 and "8 complete" not in again.out


def test_the_same_seed_gives_the_same_run_and_another_another(
    home: Path, matscout: Matscout
) -> None:
    runs = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert matscout("sweep", "first.toml", "--name", name, "--seed", seed).code == 0
        with Journal.read_only(RunFolder.of(name)) as journal:
            runs.append([e.body["params"] for e in journal.read() if e.kind == "asked"])
    assert runs[0] == runs[1] != runs[2]


def test_an_optuna_study_opens(home: Path, matscout: Matscout) -> None:
    import optuna

    matscout("sweep", "first.toml")
    said = matscout("export", "first", "--to", "optuna", "--out", "study.db")
    assert said.code == 0 and "optuna-dashboard sqlite:///study.db" in said.out
    study = optuna.load_study(study_name="first", storage="sqlite:///study.db")
    assert len(study.trials) == 8 and study.best_value >= 0
    assert study.metric_names == ["loss"]
    assert all(t.duration is not None for t in study.trials)


def test_a_campaign_over_a_pool(home: Path, matscout: Matscout) -> None:
    (home / "candidates.csv").write_text("formula,radius,note\nA,1.0,x\nB,2.0,y\nC,3,z\n")
    (home / "measure.py").write_text("def y(params):\n    return -params['radius']\n")
    (home / "c.toml").write_text(
        'kind = "campaign"\nname = "alloys"\n'
        '[space]\npool = { file = "candidates.csv", id = "formula" }\n'
        '[[targets]]\nname = "y"\ndirection = "min"\n'
        '[evaluator]\ntype = "function"\ntarget = "measure:y"\n'
        '[proposer]\ntype = "random"\n[run]\ntrials = 9\nfleet = "inline"\n'
    )
    said = matscout("campaign", "new", "c.toml")
    assert said.code == 0 and "matscout campaign run alloys" in said.out
    assert "nothing asked yet" in matscout("status", "alloys").out
    said = matscout("campaign", "run", "alloys")
    assert said.code == 0, said.err
    assert "best: C: y = -3" in said.out and "3 complete" in said.out
    assert "the space is exhausted" in said.out


def test_a_moved_config_is_asked_for(home: Path, matscout: Matscout) -> None:
    """Code is started from the user's own config only, never from what a run folder says."""
    matscout("sweep", "first.toml", "--trials", "3")
    (home / "first.toml").rename(home / "elsewhere.toml")
    said = matscout("resume", "first", "--trials", "5")
    assert said.code == 2 and "--config FILE" in said.err
    said = matscout("resume", "first", "--trials", "5", "--config", "elsewhere.toml")
    assert said.code == 0 and "5 complete" in said.out
    changed = (home / "elsewhere.toml").read_text().replace(":loss", ":nan")
    (home / "elsewhere.toml").write_text(changed)
    said = matscout("resume", "first", "--trials", "6", "--config", "elsewhere.toml")
    assert said.code == 2 and "names another evaluator" in said.err


def test_a_damaged_journal_is_refused(home: Path, matscout: Matscout) -> None:
    matscout("sweep", "first.toml")
    path = RunFolder.of("first").journal
    data = path.read_bytes()
    place = data.index(b'"loss":')
    path.write_bytes(data[: place + 8] + bytes([data[place + 8] ^ 1]) + data[place + 9 :])
    for command in ("verify", "resume", "status"):
        said = matscout(command, "first")
        assert said.code == 3 and "does not match its hash" in said.err
        assert len(said.err.splitlines()) == 1


def test_ready_spaces_are_listed_and_used(home: Path, matscout: Matscout) -> None:
    known = json.loads(matscout("spaces", "--json").out)
    assert "crystal_graph" in known
    assert "[parameters." in matscout("spaces", "crystal_graph").out
    assert matscout("spaces", "crystal_grph").code == 2


@pytest.mark.parametrize(
    "name", ["random", "sobol", "tpe", "cmaes", "gp", "qmc", "grid", "nsga2", "nsga3", "auto"]
)
def test_every_proposer_by_name(home: Path, matscout: Matscout, name: str) -> None:
    config = (home / "first.toml").read_text().replace('"random"', f'"{name}"')
    (home / "first.toml").write_text(config)
    said = matscout("sweep", "first.toml", "--trials", "12")
    assert said.code == 0 and "12 complete" in said.out, said.err


def test_auto_knows_the_budget_and_says_in_the_journal_what_it_picked(
    home: Path, matscout: Matscout
) -> None:
    """Also when the command line changes it; trials of no time are then seen to be too fast."""
    config = (home / "first.toml").read_text().replace('"random"', '"auto"')
    (home / "first.toml").write_text(config)
    assert matscout("sweep", "first.toml").code == 0
    assert matscout("resume", "first", "--trials", "14").code == 0
    with Journal.read_only(RunFolder.of("first")) as journal:
        asked = [e.body for e in journal.read() if e.kind == "asked"]
    assert {body["proposer"] for body in asked} == {"auto"}
    said = [body["why"]["auto"] for body in asked]
    assert said[0] == "sobol: 8 trials are too few to learn from"
    assert said[8] == "gp: 14 trials, 5 columns, 1 condition"
    assert said[13].startswith("sobol: a suggestion is wanted every ")
