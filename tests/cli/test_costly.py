"""An experiment that its config calls costly, wherever it says so, is begun once (R3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Matscout = Callable[..., Any]

CONFIG = """
name = "oven"
space.parameters = {{ x = {{ type = "float", low = 0.0, high = 1.0 }} }}
targets = [{{ name = "y", direction = "min" }}]
proposer.type = "sobol"
[evaluator]
type = "command"
argv = ["/bin/sh", "-c", "echo begun >> begun.txt; exit 75", "{{params}}", "{{result}}"]
{evaluator}
[run]
trials = 1
fleet = "inline"
{run}
"""


@pytest.mark.parametrize("table", ["evaluator", "run"])
def test_an_experiment_that_broke_waits_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matscout: Matscout, table: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {"evaluator": "", "run": "", table: "costly = true"}
    Path("oven.toml").write_text(CONFIG.format(**said))
    assert matscout("campaign", "new", "oven.toml").code == 0
    matscout("campaign", "run", "oven")
    matscout("resume", "oven")
    assert Path("begun.txt").read_text() == "begun\n"
    states = json.loads(matscout("status", "oven", "--json").out)["states"]
    assert states == {"needs-attention": 1}
