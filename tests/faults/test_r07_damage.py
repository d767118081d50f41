"""R7, played in small; SQLite's own log, and what was said of each damage: tests/test_journal.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r07_damage as r07
from matscout.cli.promises.promise import Setting
from matscout.event import Event
from matscout.journal import Journal, Verdict
from matscout.journal_store import GENESIS


def test_no_damage_is_read_as_a_number(tmp_path: Path) -> None:
    figure = r07.keep(Setting(tmp_path, r07.PROMISE.small, seed=7))
    assert figure.holds, figure.said


def test_no_altered_row_is_read(tmp_path: Path, postgres_server: Any) -> None:
    figure = r07.keep(Setting(tmp_path, 25, seed=7, journal=postgres_server.url))
    assert figure.holds, figure.said


def test_a_journal_that_believes_what_it_reads_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks each event's hash, and neither the log's tail nor what was acknowledged."""

    def trusting(self: Journal, replay: Callable[[Event], None] | None = None) -> Verdict:
        count, chain = [(0, GENESIS), *((e.seq, digest) for e, digest in self._verified(0))][-1]
        return Verdict(count, chain)

    monkeypatch.setattr(Journal, "verify", trusting)
    figure = r07.keep(Setting(tmp_path, 50, seed=7))
    assert not figure.holds and "journal.db-wal" in figure.said
