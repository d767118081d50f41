"""A person goes on with what was stopped early."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.drive.run import load
from matscout.runfolder import RunFolder
from matscout.trial import State

Matscout = Callable[..., Any]

CURVES = """
from matscout.trial import Report

def train(params, context):
    for step in range(1, 5):
        yield Report(step, {"loss": (params["x"] - 2) ** 2 / step})
        if context.should_stop():
            return
    yield {"loss": (params["x"] - 2) ** 2 / 4}
"""


@pytest.fixture
def stopped(home: Path, matscout: Matscout) -> RunFolder:
    (home / "curves.py").write_text(CURVES)
    text = (home / "first.toml").read_text().replace("objective_of_ours:loss", "curves:train")
    text = text.replace("trials = 8", "trials = 12").replace("workers = 2", "workers = 1")
    (home / "c.toml").write_text(text + '[early_stopping]\ntype = "asha"\nfactor = 2\n')
    assert matscout("sweep", "c.toml").code == 0
    return RunFolder(home / "results" / "runs" / "first")


def test_it_goes_on_to_the_end(stopped: RunFolder, matscout: Matscout) -> None:
    pruned = [t.id for t in load(stopped)[0].trials if t.state is State.PRUNED]
    assert len(pruned) >= 3
    said = matscout("thaw", "first", str(pruned[-1]), str(pruned[-2]))
    assert said.code == 0, said.err
    assert f"trial {pruned[-1]}: goes on after step" in said.out
    assert said.out.strip().endswith("next: matscout resume first")
    history = load(stopped)[0]
    assert [t.id for t in history.pending] == [pruned[-1], pruned[-2]]
    assert matscout("thaw", "first", str(pruned[-1])).code == 2
    said = matscout("resume", "first", "--json")
    assert json.loads(said.out)["states"] == {
        "complete": 12 - len(pruned) + 2,
        "pruned": len(pruned) - 2,
    }
    assert matscout("verify", "first").code == 0


def test_mistakes_change_nothing(stopped: RunFolder, matscout: Matscout) -> None:
    history = load(stopped)[0]
    pruned = [t.id for t in history.trials if t.state is State.PRUNED]
    complete = [t.id for t in history.trials if t.state is State.COMPLETE]
    for trial, said in ((99, "there is none: 12 trials"), (complete[0], "was not stopped early")):
        answer = matscout("thaw", "first", str(pruned[0]), str(trial))
        assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1
    assert load(stopped)[0].seq == history.seq
