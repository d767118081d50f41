"""R6, played in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r06_new as r06
from matscout.cli.promises.promise import Setting
from matscout.history import History
from matscout.space import Space
from matscout.trial import Proposal


def test_no_point_is_suggested_twice(tmp_path: Path) -> None:
    figure = r06.keep(Setting(tmp_path, r06.PROMISE.small, seed=6))
    assert figure.holds, figure.said


def test_a_proposer_that_repeats_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Repeating:
        name = "repeating"

        def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
            return [Proposal({"n": len(history.trials) % 5, "x": 0.0}) for _ in range(n)]

    monkeypatch.setattr(r06, "PROPOSERS", {"repeating": Repeating})
    figure = r06.keep(Setting(tmp_path, 20, seed=6))
    assert figure.doubled == 15
