"""R5, played in small; with queues, thoughts in the background and results that wait: tests/drive."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from matscout.cli.promises import r05_same as r05
from matscout.cli.promises.promise import Setting
from matscout.propose.random import RandomProposer


def test_suggestions_do_not_depend_on_kills(tmp_path: Path) -> None:
    figure = r05.keep(Setting(tmp_path, r05.PROMISE.small, seed=5))
    assert figure.holds, figure.said


class Remembering(RandomProposer):
    calls = 0

    def propose(self, space, history, n, *, seed):  # type: ignore[no-untyped-def]
        self.calls += 1
        return super().propose(space, history, n, seed=seed + self.calls)


class Hanging(RandomProposer):
    """In the driver that is to be killed, as one that waits for a thread which a fork has not got."""

    def propose(self, space, history, n, *, seed):  # type: ignore[no-untyped-def]
        if multiprocessing.parent_process() is not None:
            threading.Event().wait()
        return super().propose(space, history, n, seed=seed)


def test_a_driver_that_does_not_come_to_its_end_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r05, "PROPOSERS", {"hanging": Hanging})
    monkeypatch.setattr(r05, "PATIENCE_S", 0.2)
    others = set(multiprocessing.active_children())  # of tests that ran in this process before
    with pytest.raises(AssertionError, match=r"hanging, ask .*: no end after 0\.2 s"):
        r05.keep(Setting(tmp_path, 1, seed=5))
    assert set(multiprocessing.active_children()) <= others


def test_a_proposer_that_remembers_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r05, "PROPOSERS", {"remembering": Remembering})
    figure = r05.keep(Setting(tmp_path, 2, seed=5))
    assert not figure.holds and "differ" in figure.said
