"""R12: every way to crash is told as what it was, and hurts nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r12_crashes as r12
from matscout.cli.promises.promise import Setting


@pytest.mark.parametrize("fleet", ["process", pytest.param("ray", marks=pytest.mark.slow)])
def test_crashes_have_causes_and_end_in_quarantine(tmp_path: Path, fleet: str) -> None:
    figure = r12.keep(Setting(tmp_path, r12.PROMISE.small, seed=12, fleet=fleet))
    assert figure.tried == r12.PROMISE.small and figure.holds, figure.said


def test_a_cause_that_is_not_told_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(r12._SAID, "abort", "SIGILL")
    figure = r12.keep(Setting(tmp_path, 2, seed=12))
    assert not figure.holds and "SIGABRT" in figure.said
