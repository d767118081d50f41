from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from matscout.cli.app import main

CONFIG = """
name = "first"
seed = 1
[space.parameters]
x = { type = "float", low = -5.0, high = 10.0 }
kind = { type = "categorical", choices = ["flat", "steep"] }
slope = { type = "float", low = 0.01, high = 1.0, log = true, when = { kind = ["steep"] } }
[[targets]]
name = "loss"
direction = "min"
[evaluator]
type = "function"
target = "objective_of_ours:loss"
[proposer]
type = "random"
[run]
trials = 8
workers = 2
fleet = "inline"
"""

OBJECTIVE = """
def loss(params):
    return (params["x"] - 2) ** 2 + params.get("slope", 0.0)

def nan(params):
    return float("nan")

def text(params):
    return "good"

def nothing(params):
    pass

def broken(params):
    raise ZeroDivisionError("no such thing")

number = 3
"""


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and its objective, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "first.toml").write_text(CONFIG)
    (tmp_path / "objective_of_ours.py").write_text(OBJECTIVE)
    return tmp_path


@pytest.fixture
def matscout(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def run(*words: str) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = capfd.readouterr()
        return Said(int(end.value.code or 0), out, err)

    return run
