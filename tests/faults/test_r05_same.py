"""R5, played in small; with queues, thoughts in the background and results that wait: tests/drive."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r05_same as r05
from matscout.cli.promises.promise import Setting
from matscout.propose.random import RandomProposer


def test_suggestions_do_not_depend_on_kills(tmp_path: Path) -> None:
    figure = r05.keep(Setting(tmp_path, r05.PROMISE.small, seed=5))
    assert figure.holds, figure.said


def test_a_proposer_that_remembers_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Remembering(RandomProposer):
        calls = 0

        def propose(self, space, history, n, *, seed):  # type: ignore[no-untyped-def]
            self.calls += 1
            return super().propose(space, history, n, seed=seed + self.calls)

    monkeypatch.setattr(r05, "PROPOSERS", {"remembering": Remembering})
    figure = r05.keep(Setting(tmp_path, 2, seed=5))
    assert not figure.holds and "differ" in figure.said
