"""The main job, small: a few live experiments, then a few models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.data.structures import load_structures
from matscout.drive.run import load
from matscout.runfolder import RunFolder


@pytest.fixture
def small_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    from matscout.cli import demo

    monkeypatch.setattr(demo, "CRYSTALS", 24)


def test_a_small_demo_and_going_on_with_it(
    home: Path, matscout: Callable[..., Any], small_sweep: None
) -> None:
    pytest.importorskip("chgnet")
    words = ["demo", "--experiments", "4", "--sweep-trials", "2", "--fleet", "inline", "--json"]
    said = matscout(*words)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["experiments"] == 4 and found["pool"] > 300
    assert found["sweep"]["models"] == 2 and found["sweep"]["best"]["mae"] > 0

    folder = RunFolder.of("demo")
    history, spec = load(folder)
    assert len(history.completed) + len(found["failed"]) == 4
    assert spec.targets[0].unit == "meV/atom"
    structures = load_structures(folder.root / "structures.jsonl.gz", "energy_eV_atom")
    assert len(structures) == 24 + len(history.completed)

    said = matscout("resume", "demo", "--trials", "5", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["experiments"] == 5
    assert load(folder)[0].trials[:4] == history.trials[:4]

    assert "demo-2" in json.loads(matscout("demo", "--experiments", "1", "--sweep-trials", "0",
                                           "--fleet", "inline", "--json").out)["run"]  # fmt: skip
