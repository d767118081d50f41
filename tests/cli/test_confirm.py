"""`run.confirm`: the best of a sweep is measured again before it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]


def test_a_sweep_ends_with_its_best(home: Path, matscout: Matscout) -> None:
    config = (home / "first.toml").read_text().replace("trials = 8", "trials = 8\nconfirm = 2", 1)
    (home / "first.toml").write_text(config)
    said = matscout("sweep", "first.toml")
    assert said.code == 0, said.err
    with Journal.read_only(RunFolder.of("first")) as journal:
        asked = [event.body for event in journal.read() if event.kind == "asked"]
    rules = [body["why"]["rule"] for body in asked]
    assert rules == ["random"] * 6 + ["confirm"] * 2
    first = asked[6]["why"]["repeats"]
    assert asked[6]["params"] == asked[first]["params"]
    assert "mean of" in said.out + said.err
    assert matscout("status", "first").code == 0
    assert matscout("report", "first").code == 0
    assert matscout("export", "first", "--to", "optuna", "-o", "o.db").code == 0
