"""A campaign by networks: the same experiments, wherever their members are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.drive.run import load
from matscout.runfolder import RunFolder

CONFIG = """
kind = "campaign"
name = "NAME"
seed = 3
[space]
pool = { file = "pool.csv" }
[[targets]]
name = "y"
direction = "max"
[goal]
kind = "best"
[evaluator]
type = "function"
target = "lab_of_ours:grow"
[proposer]
type = "pool"
strategy = "ensemble_ucb"
startup = 4
[run]
trials = 6
workers = 1
fleet = "FLEET"
"""


def chosen(home: Path, matscout: Callable[..., Any], fleet: str) -> list[tuple[Any, ...]]:
    (home / f"{fleet}.toml").write_text(CONFIG.replace("NAME", fleet).replace("FLEET", fleet))
    assert matscout("campaign", "new", f"{fleet}.toml").code == 0
    said = matscout("campaign", "run", fleet)
    assert said.code == 0, said.err
    history, _ = load(RunFolder.of(fleet))
    assert history.trials[-1].why["rule"] == "ensemble_ucb" and len(history.completed) == 6
    return [(t.candidate, dict(t.why), dict(t.values)) for t in history.trials]


@pytest.fixture
def lab(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("matscout.propose.strategies.ensemble.EPOCHS", 10)
    lines = [f"c{i},{i / 20},{(7 * i % 20) / 20}" for i in range(20)]
    (home / "pool.csv").write_text("\n".join(["id,a,b", *lines]) + "\n")
    (home / "lab_of_ours.py").write_text(
        "def grow(params):\n    return params['a'] - (params['b'] - 0.4) ** 2\n"
    )
    return home


@pytest.mark.slow
def test_members_train_in_processes_of_the_driver(
    lab: Path, matscout: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matscout.fleet.members import ProcessMembers

    calls = []
    plain = ProcessMembers.__call__

    def counted(self: ProcessMembers, function: Any, jobs: Any) -> Any:
        calls.append(len(jobs))
        return plain(self, function, jobs)

    monkeypatch.setattr(ProcessMembers, "__call__", counted)
    here = chosen(lab, matscout, "inline")
    assert not calls
    assert chosen(lab, matscout, "process") == here
    assert calls and set(calls) == {5}


@pytest.mark.slow
def test_members_train_on_ray(lab: Path, matscout: Callable[..., Any]) -> None:
    """Beside the actor that holds the fleet's share of the cluster."""
    assert chosen(lab, matscout, "ray") == chosen(lab, matscout, "inline")
