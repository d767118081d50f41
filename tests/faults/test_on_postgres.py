"""Promises that have no test of their own there, kept with a journal on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises.named import promises
from matscout.cli.promises.promise import PROCESS, RAY, Setting

QUICK = [("R6", 40, PROCESS), ("R9", 10, PROCESS), ("R10", 23, PROCESS)]
SLOW = [("R2", 3, RAY), ("R5", 1, PROCESS), ("R12", 6, PROCESS), ("R16", 3, PROCESS)]


@pytest.mark.parametrize(
    ("name", "rounds", "fleet"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_a_promise_is_kept(
    tmp_path: Path, postgres_server: Any, name: str, rounds: int, fleet: str
) -> None:
    (promise,) = promises([name])
    setting = Setting(tmp_path, rounds, seed=5, journal=postgres_server.url, fleet=fleet)
    figure = promise.keep(setting)
    assert figure.holds and figure.tried >= rounds, figure.said
