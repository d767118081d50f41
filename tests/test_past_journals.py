"""A journal of every past schema opens, reads as it always did, and can be gone on with (promise R18)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from matscout.drive.run import load, reopen
from matscout.event import SCHEMA, Event, EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.trial import State

ASSETS = Path(__file__).with_name("assets")
PAST = sorted(ASSETS.glob("journal-*"))


@pytest.fixture(
    params=[(p, on) for p in PAST for on in ("sqlite", "postgres")],
    ids=lambda param: f"{param[0].name}-{param[1]}",
)
def past(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    asset, backend = request.param
    shutil.copytree(asset, tmp_path / asset.name)
    folder = RunFolder(tmp_path / asset.name)
    folder.outbox.mkdir()
    if backend == "postgres":
        _move_to(request.getfixturevalue("postgres"), folder)
    return folder


def _move_to(server: Any, folder: RunFolder) -> None:
    """The same rows, as a server would have kept them."""
    events = _raw(folder, "SELECT * FROM events ORDER BY seq")
    folder.journal.unlink()
    Journal.create(folder).close()
    with server.admin() as connection:
        _look_into(connection, folder)
        for event in events:
            connection.execute("INSERT INTO events VALUES (%s,%s,%s,%s,%s,%s,%s,%s)", event)
        connection.execute("UPDATE head SET seq = %s, hash = %s", (events[-1][0], events[-1][-1]))


def _look_into(connection: Any, folder: RunFolder) -> None:
    schema = json.loads(folder.address.read_text())["schema"]
    connection.execute("SELECT set_config('search_path', %s, false)", [f'"{schema}"'])


def schema_of(folder: RunFolder) -> int:
    return int(folder.name.rpartition("-")[2])


def test_every_schema_left_one() -> None:
    assert [p.name for p in PAST] == [f"journal-{n}" for n in range(1, SCHEMA + 1)]


def test_a_journal_of_the_current_schema_has_every_kind_of_event(past: RunFolder) -> None:
    with Journal.read_only(past) as journal:
        kinds = {e.kind for e in journal.read()}
    assert kinds == set(EventKind) or schema_of(past) < SCHEMA


def test_it_is_sound_and_reads_as_it_did(past: RunFolder) -> None:
    with Journal.read_only(past) as journal:
        assert journal.verify().notes == ()
    history, spec = load(past)
    assert spec.name == past.name and spec.seed == 7 and spec.policy.trials == 20
    states = Counter(t.state for t in history.trials[:10])
    thawed = schema_of(past) >= 3  # trial 3, which was pruned
    assert states == Counter(
        {s: 1 for s in State if s not in (State.PENDING, State.WITHDRAWN, State.PRUNED)}
        | ({State.PENDING: 4} if thawed else {State.PENDING: 3, State.PRUNED: 1})
    )
    first = history.trials[0]
    assert first.values == {"y": 0.5} and first.sem == {"y": 0.125} and first.answered == (1, 2)
    assert [m.values for m in first.replicates] == [{"y": 0.75}]
    assert [t.params["x"] for t in history.trials[:10]] == [i / 16 for i in range(10)]
    assert [t.id for t in history.finished] == ([0, 1, 2, 4, 7] if thawed else [0, 1, 2, 3, 4, 7])
    assert [t.id for t in history.pending] == [5, 6, 8, 9, *([3] if thawed else [])]
    assert history.spared == ({3} if thawed else set())
    assert dict(history.with_person) == {8: 1} and dict(history.in_flight) == {9: 1}
    assert history.stopped == "interrupted"
    if schema_of(past) >= 2:
        assert history.trials[10].state is State.WITHDRAWN and history.count_asked == 10
        assert [body["params"] for body in history.queue] == [{"x": 0.875}]
        assert dict(history.obsolete) == {9: "old"} and history.begun_from_queue == 0


def test_it_can_be_gone_on_with(past: RunFolder, request: pytest.FixtureRequest) -> None:
    """What is added is of the current schema; what stands is not rewritten."""

    def schemas() -> list[int]:
        query = "SELECT schema FROM events ORDER BY seq"
        if past.journal.is_file():
            return [schema for (schema,) in _raw(past, query)]
        with request.getfixturevalue("postgres").admin() as connection:
            _look_into(connection, past)
            return [schema for (schema,) in connection.execute(query)]

    before = schemas()
    journal, history, _ = reopen(past)
    with journal:
        for event in journal.append(Event(EventKind.MEASURED, 9, 1, {"values": {"y": 1.0}})):
            history.apply(event)
    assert history.best().id == 9  # type: ignore[union-attr]
    assert schemas() == [*before, SCHEMA] and set(before) == {schema_of(past)}
    with Journal.read_only(past) as journal:
        assert journal.verify().events == len(before) + 1


def _raw(folder: RunFolder, query: str) -> list[Any]:
    raw = sqlite3.connect(folder.journal)
    try:
        return raw.execute(query).fetchall()
    finally:
        raw.close()
