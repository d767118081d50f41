"""Dispatched and begun are two things where there are fewer workers than slots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matscout.cli.show import status, summary_lines
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen
from matscout.event import Event, EventKind
from matscout.fleet.at_work import not_begun
from matscout.fleet.outbox import Outbox
from matscout.fleet.part import job_number
from matscout.outcome import Kind, Outcome
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target


def test_a_lock_a_result_or_a_part_shows_that_a_worker_has_begun(folder: RunFolder) -> None:
    in_flight = {0: 1, 1: 2, 2: 1, 3: 1}
    assert not_begun(folder, in_flight) == [0, 1, 2, 3]
    folder.parts.outbox.mkdir(parents=True)
    Outbox(folder.outbox).write(Outcome(0, 1, Kind.MEASURED, values={"y": 1.0}))
    Outbox(folder.outbox).write(Outcome(1, 1, Kind.MEASURED, values={"y": 1.0}))  # another attempt
    with (
        Outbox(folder.outbox).running(2, 1),
        Outbox(folder.parts.outbox).running(job_number(3, 4), 1),
    ):
        before = sorted(folder.root.rglob("*"))
        assert not_begun(folder, in_flight) == [1]
        assert sorted(folder.root.rglob("*")) == before


def test_status_says_how_many_wait_for_a_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    space = Space((Float("x", 0.0, 1.0),))
    create(folder, RunSpec("run", "sweep", space, (Target("y"),), Policy(trials=4, slots=2)))
    journal, history, spec = reopen(folder)
    with journal, Outbox(folder.outbox).running(0, 1):
        for trial in (0, 1):
            asked = Event(EventKind.ASKED, trial, body={"params": {"x": 0.5}})
            for event in journal.append(asked, Event(EventKind.DISPATCHED, trial, 1)):
                history.apply(event)
        assert "waiting for a worker: 1 of 2 dispatched: trial 1" in summary_lines(
            folder, history, spec
        )
        assert status("run", tmp_path, json=True) == 0
        assert json.loads(capsys.readouterr().out)["waiting_for_worker"] == [1]
    assert not [line for line in summary_lines(folder, history, spec) if "waiting" in line]
