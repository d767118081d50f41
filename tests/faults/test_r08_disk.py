"""R8, played in small."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.app import main
from matscout.cli.promises import r08_disk as r08
from matscout.cli.promises.promise import Setting
from matscout.errors import JournalUnavailable
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder


def test_a_disk_that_refuses_stops_nothing_for_good(tmp_path: Path) -> None:
    figure = r08.keep(Setting(tmp_path, r08.PROMISE.small, seed=8))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_a_server_that_refuses_stops_nothing_for_good(tmp_path: Path, postgres_server: Any) -> None:
    figure = r08.keep(Setting(tmp_path, 8, seed=8, journal=postgres_server.url))
    assert figure.holds, figure.said


@pytest.mark.parametrize("code", [errno.EROFS, errno.EMFILE, errno.ENOSPC, errno.EIO])
def test_a_run_that_cannot_be_opened_is_not_called_damaged(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    Journal.create(folder).close()

    def refused(*words: Any) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr("matscout.owner.os.open", refused)
        with pytest.raises(JournalUnavailable, match=os.strerror(code)):
            Journal.open(folder)
    Journal.open(folder).close()


def test_a_disk_that_refuses_a_command_is_no_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*words: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/r")

    monkeypatch.setattr("matscout.cli.show.spaces", full)
    with pytest.raises(SystemExit) as end:
        main(["spaces"])
    assert end.value.code == 3
    said = capsys.readouterr().err
    assert said == "matscout: /runs/r: No space left on device; mend that, and run it again\n"


def test_events_whose_commit_went_through_without_an_answer_are_known_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is that taken for the work of another driver."""
    with Journal.create(folder) as journal:
        commit = journal._store._connection.commit

        def lost() -> None:
            commit()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        one, two = (Event(EventKind.OPENED, body={"note": n}) for n in "12")
        journal.stage(one)
        with monkeypatch.context() as patch:
            patch.setattr(journal._store._connection, "commit", lost)
            with pytest.raises(JournalUnavailable):
                journal.commit()
        journal.stage(two)
        journal.commit()
        assert [e.body["note"] for e in journal.read()] == ["1", "2"]


def test_a_disk_is_filled_only_where_a_log_grows_on_it(tmp_path: Path) -> None:
    server = Setting(tmp_path, 80, journal="postgresql://here/matscout")
    every = ["no descriptors", "disk full", "read-only"]
    assert list(r08._troubles(Setting(tmp_path, 80), mounts=True)) == every
    assert list(r08._troubles(server, mounts=True)) == ["no descriptors", "read-only"]
    assert list(r08._troubles(server, mounts=False)) == ["no descriptors"]
