"""R15, played in small; every byte of a checkpoint: tests/test_checkpoint.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.checkpoint import CheckpointStore
from matscout.cli.promises import r15_checkpoint as r15
from matscout.cli.promises.promise import Setting


def test_checkpoints_are_whole_or_not_there(tmp_path: Path) -> None:
    figure = r15.keep(Setting(tmp_path, r15.PROMISE.small, seed=15))
    assert figure.holds, figure.said


def test_a_store_that_trusts_what_it_reads_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trusting(self: CheckpointStore, warn: list[str] | None = None) -> None:
        return None

    monkeypatch.setattr(CheckpointStore, "load", trusting)
    figure = r15.keep(Setting(tmp_path, 1, seed=15))
    assert not figure.holds and "was saved" in figure.said
