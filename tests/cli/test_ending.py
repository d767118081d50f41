"""How a command ends: in one line, whatever its user does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli import app as module

Matscout = Callable[..., Any]


def strike(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_pressed_again_while_the_command_ends(
    matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "app", strike)
    monkeypatch.setattr(module, "tell", strike)
    assert matscout("status", "first").code == 130


def test_ctrl_c_once(matscout: Matscout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "app", strike)
    said = matscout("status", "first")
    assert (said.code, said.err) == (130, "matscout: interrupted\n")


@pytest.mark.parametrize(
    ("runs", "what"),
    [("first.toml", "File exists"), ("first.toml/runs", "Not a directory"), (400 * "r", "File name too long")],
)  # fmt: skip
def test_a_place_for_runs_that_cannot_be_one(
    home: Path, matscout: Matscout, runs: str, what: str
) -> None:
    said = matscout("sweep", "first.toml", "--runs", runs)
    assert said.code == 2 and what in said.err and "check the path" in said.err
    assert len(said.err.splitlines()) == 1
