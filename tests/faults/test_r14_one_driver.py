"""R14: eight drivers at once, on a file and on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.promises import r14_one_driver as r14
from matscout.cli.promises.promise import Setting
from matscout.cli.promises.rival import Rival
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder


def test_one_of_eight_drives_a_file(tmp_path: Path) -> None:
    figure = r14.keep(Setting(tmp_path, r14.PROMISE.small, seed=14))
    assert figure.holds, figure.said


def test_one_of_eight_drives_a_run_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    """With this seed its owner comes to every end that there is."""
    setting = Setting(tmp_path, r14.PROMISE.small, seed=10, journal=postgres_server.url)
    figure = r14.keep(setting)
    assert figure.holds, figure.said
    for fate in r14._FATES:
        assert f"the owner {fate} " in figure.said


def test_a_driver_whose_lock_was_taken_away_while_it_stood_still_writes_nothing_more(
    folder: RunFolder,
) -> None:
    """Somebody removed journal.lock, and resumed. The first event of the second fences the first off."""
    Journal.create(folder).close()
    first = Rival(folder)
    try:
        assert first.ask("open") == "owner" and first.ask("append mine") == "written"
        first.stop()
        folder.lock.unlink()
        with Journal.open(folder) as second:
            second.append(Event(EventKind.OPENED, body={"note": "taken over"}))
            first.wake()
            for _ in range(2):
                assert "another driver has written event 2" in first.ask("append ghost")
            second.append(Event(EventKind.OPENED, body={"note": "goes on"}))
        assert first.ask("append ghost").startswith("JournalTaken")
        assert first.ask("close") == "closed"
    finally:
        first.bury()
    with Journal.read_only(folder) as journal:
        assert journal.verify().notes == ()
        assert [e.body["note"] for e in journal.read()] == ["mine", "taken over", "goes on"]
