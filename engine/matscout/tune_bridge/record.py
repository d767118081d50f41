"""What a searcher must not forget: events, their fold, and which Tune trial is which of ours.

The same events as in a journal. They are kept in memory and go as JSON into Tune's own snapshots; with
a run folder they are in its journal too, before Tune hears of anything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from matscout.drive.absorb import events_for
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen
from matscout.errors import InputError, JournalUnavailable
from matscout.event import SCHEMA, Event, EventKind
from matscout.history import History
from matscout.journal import Journal
from matscout.json_text import parsed_json
from matscout.outcome import Outcome
from matscout.runfolder import RunFolder, checked_name
from matscout.trial import Trial

log = logging.getLogger(__name__)

TUNE = "tune"
"""What a `dispatched` event says under "to"; Tune's own id of the trial stands under "id"."""

_POLICY = Policy(trials=1)
"""Retries are Tune's; nothing that is said of them here is read."""

_PAUSE_S = 1.0
"""Between two tries of a disk that is full."""

_open: WeakValueDictionary[Path, Record] = WeakValueDictionary()
"""By folder: one process may make a Tuner after another on it, and the last one owns the journal."""


class Record:
    """The events of one Tune experiment. Everything else in it is derived from them."""

    def __init__(self) -> None:
        self.history = History()
        self.events: list[Event] = []
        self._journal: Journal | None = None
        self._attempts: dict[str, tuple[int, int]] = {}  # Tune's id → our trial and attempt

    @classmethod
    def begun(cls, spec: RunSpec, folder: Path | None) -> Record:
        """A new one; or, where `folder` holds a run already, that run, which must be the same."""
        if folder is None:
            record = cls()
            record.append(Event(EventKind.CREATED, body=_about(spec)))
            return record
        root = _run_folder(folder)
        if not root.holds_run:
            create(root, replace(spec, name=root.name))
        return cls.reopened(spec, root)

    @classmethod
    def reopened(cls, spec: RunSpec, root: RunFolder) -> Record:
        earlier = _open.pop(root.root, None)
        if earlier is not None:
            earlier.close()
        record = cls()
        journal, _, _ = reopen(root)
        try:
            for event in journal.read():
                record._fold(event)
            check_same(record.history.created, spec, str(root.root))
        except BaseException:
            journal.close()
            raise
        record._journal = journal
        _open[root.root] = record
        return record

    def append(self, *events: Event) -> None:
        """On the disk first, if there is a run folder. While the disk refuses, Tune waits: an exception
        here it would take for the trial's failure."""
        # As they will be read back: a tuple that becomes a list later would be another history.
        plain = [replace(e, body=json.loads(e.body_json())) for e in events]
        if self._journal is not None:
            plain = _written(self._journal, plain)
        else:
            now = time.time()
            plain = [
                replace(e, time=now, seq=len(self.events) + i + 1) for i, e in enumerate(plain)
            ]
        for event in plain:
            self._fold(event)

    def tell(self, outcome: Outcome, stopping: str = "") -> None:
        """Take in what became of an attempt; what is known already changes nothing."""
        self.append(*events_for(self.history, outcome, _POLICY, stopping))

    def known(self, tune_id: str) -> tuple[Trial, int] | None:
        """Our trial and attempt behind a trial of Tune's."""
        if tune_id not in self._attempts:
            return None
        trial, attempt = self._attempts[tune_id]
        return self.history.trials[trial], attempt

    def running(self) -> dict[str, int]:
        """Tune's ids of what is in flight → our trials."""
        return {
            tune_id: trial
            for tune_id, (trial, attempt) in self._attempts.items()
            if self.history.in_flight.get(trial) == attempt
        }

    def orphan(self) -> Trial | None:
        """The oldest trial that was chosen, has no value, and that Tune has forgotten."""
        in_flight = self.history.in_flight
        return next((t for t in self.history.pending if t.id not in in_flight), None)

    def dispatch(self, trial: int, tune_id: str) -> Event:
        attempt = self.history.trials[trial].attempts + 1 if trial < len(self.history.trials) else 1
        return Event(EventKind.DISPATCHED, trial, attempt, {"to": TUNE, "id": tune_id})

    def suspend_all_but(self, tune_ids: Sequence[str]) -> None:
        """Tune works on `tune_ids` and on nothing else: the rest waits to be handed out again."""
        reason = "Tune forgot this trial when it was restored"
        for tune_id, trial in self.running().items():
            if tune_id not in tune_ids:
                attempt = self._attempts[tune_id][1]
                body = {"reason": reason}
                self.append(Event(EventKind.SUSPENDED, trial, attempt, body))

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # -- as JSON ------------------------------------------------------------------------------

    def to_json(self) -> str:
        rows = [[e.kind.value, e.trial, e.attempt, dict(e.body), e.time] for e in self.events]
        text = json.dumps(rows, allow_nan=False, separators=(",", ":"))
        about = {"schema": SCHEMA, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        return json.dumps({"matscout": about, "events": rows}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, spec: RunSpec, where: str, folder: Path | None) -> Record:
        """The record that `to_json` wrote; InputError if it is damaged, newer, or of another space.

        With a run folder the journal there is what counts: it holds what the snapshot holds, and
        what came after it.
        """
        record = cls()
        for event in _events(text, where):
            record._fold(event)
        check_same(record.history.created, spec, where)
        if folder is None:
            return record
        kept = cls.begun(spec, folder)
        told = [(e.kind, e.trial, e.attempt, e.body) for e in record.events[1:]]
        held = [(e.kind, e.trial, e.attempt, e.body) for e in kept.events[1:]]
        if held[: len(told)] != told[: len(held)]:
            what = f"is not the run that Tune's snapshot {where} was taken of"
            raise InputError(str(folder), what, "give the run folder of that experiment")
        kept.append(*record.events[len(kept.events) :])  # nothing, unless the folder was lost
        return kept

    def _fold(self, event: Event) -> None:
        self.history.apply(event)
        self.events.append(event)
        if event.kind is EventKind.DISPATCHED and event.body.get("to") == TUNE:
            assert event.trial is not None and event.attempt is not None
            self._attempts[event.body["id"]] = (event.trial, event.attempt)


def _written(journal: Journal, events: Sequence[Event]) -> list[Event]:
    told = False
    while True:
        try:
            return journal.append(*events)
        except JournalUnavailable as error:
            if not told:
                log.warning("paused: %s; goes on when the disk takes it", error)
            told = True
            time.sleep(_PAUSE_S)


def check_same(created: Mapping[str, Any], spec: RunSpec, where: str) -> None:
    """InputError where `created` says other things of the experiment than `spec`."""
    ours = _about(spec)
    for key, said in (("space", "another space"), ("targets", "another metric or mode")):
        if created.get(key) != ours[key]:
            raise InputError(where, f"was made with {said}", "restore it with the same")
    if created.get("seed") != spec.seed:
        what = f"was made with seed {created.get('seed')}, not {spec.seed}"
        raise InputError(where, what, "restore it with the same")
    theirs = (created.get("config") or {}).get("proposer")
    if theirs != ours["config"].get("proposer"):
        raise InputError(where, f"was made with proposer {theirs}", "restore it with the same")


def _about(spec: RunSpec) -> dict[str, Any]:
    """What `drive.run.create` writes of a run, but for the versions."""
    about = {
        "name": spec.name,
        "kind": spec.kind,
        "seed": spec.seed,
        "space": spec.space.to_dict(),
        "targets": [
            {"name": t.name, "direction": t.direction, "unit": t.unit} for t in spec.targets
        ],
        "config": dict(spec.config),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about, allow_nan=False))
    return plain


def _run_folder(path: Path) -> RunFolder:
    checked_name(path.name)
    return RunFolder.of(path.name, path.absolute().parent)


def _events(text: str, where: str) -> list[Event]:
    mend = "restore an earlier experiment folder"
    try:
        raw = parsed_json(text)
        schema, digest, rows = raw["matscout"]["schema"], raw["matscout"]["sha256"], raw["events"]
        if schema > SCHEMA:
            raise InputError(where, f"was written by a newer matscout (schema {schema})", "update")
        said = json.dumps(rows, allow_nan=False, separators=(",", ":"))
        if hashlib.sha256(said.encode()).hexdigest() != digest:
            raise InputError(where, "does not match its hash", mend)
        return [
            Event(EventKind(kind), trial, attempt, body, seq, when)
            for seq, (kind, trial, attempt, body, when) in enumerate(rows, start=1)
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(where, f"is no state of a matscout search ({error!s:.80})", mend) from None
