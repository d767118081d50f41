"""The worker's durable outbox: a result is on disk before anybody is told of it (promise R2)."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from matscout.bounded_read import read_bounded
from matscout.durable_file import sync_folder, write_durably
from matscout.evaluate.descriptors import is_short
from matscout.failpoint import failpoint
from matscout.fleet.attempt_lock import AttemptLocks
from matscout.outcome import Kind, Outcome

_MADE_UP = (Kind.CRASHED, Kind.STOPPED)
_NAME = re.compile(r"trial-(\d+)-(\d+)\.(json|draft)")


@dataclass(frozen=True)
class Outbox:
    """One file per attempt that has ended and is not yet in the journal.

    A file holds the ending outcome as JSON and the SHA-256 of that JSON. It is written under a
    draft name, flushed, renamed, and its folder flushed: a reader finds the whole of it or nothing.
    """

    folder: Path

    @property
    def locks(self) -> AttemptLocks:
        return AttemptLocks(self.folder)

    def path(self, trial: int, attempt: int) -> Path:
        return self.folder / f"trial-{trial:06d}-{attempt:02d}.json"

    def write(self, outcome: Outcome) -> None:
        """Store an ending outcome durably; OSError if the disk refuses."""
        failpoint("outbox.before_write")
        final = self.path(outcome.trial, outcome.attempt)
        draft = final.with_suffix(".draft")
        text = outcome.to_json()
        record = json.dumps({"outcome": text, "sha256": _sha256(text)})
        write_durably(draft, record.encode())
        failpoint("outbox.before_rename")
        os.replace(draft, final)
        sync_folder(self.folder)
        failpoint("outbox.after_rename")

    def read(self, trial: int, attempt: int) -> Outcome | None:
        """The stored outcome of an attempt; None if there is none, or none that is sound. OSError where
        no file descriptor is left to look with: there may be one."""
        path = self.path(trial, attempt)
        try:
            return _read(path)
        except (OSError, ValueError, RecursionError) as error:
            if is_short(error):
                raise
            return None

    def written(self) -> set[tuple[int, int]]:
        """(trial, attempt) of every file that waits, sound or not."""
        return {key for key, _ in self._files("json")}

    def sweep(self, warn: list[str] | None = None) -> list[Outcome]:
        """Every sound outcome that was never acknowledged, by trial and attempt.

        A broken file is moved to `broken/` and told of in `warn`. A draft goes if nobody is at
        work on it: what was never renamed was never told to anybody. OSError where no file
        descriptor is left: what cannot be read for that is not broken.
        """
        found = []
        self._drop_drafts()
        for _, path in self._files("json"):
            try:
                outcome = _read(path)
                if self.path(outcome.trial, outcome.attempt) != path:
                    raise ValueError(f"it speaks of trial {outcome.trial}")
                found.append(outcome)
            except (OSError, ValueError, RecursionError) as error:
                if is_short(error):
                    raise
                place = self._set_aside(path)
                if warn is not None:
                    warn.append(f"{path}: broken result ({error}); moved to {place}")
        return found

    def acknowledge(self, outcome: Outcome) -> None:
        """The outcome is in the journal: forget it. Unknown: no-op, and so is a report: the file under
        its attempt's name is the ending, which may be there before the report was heard. And so is an
        ending that a fleet made up for a worker which it gave up, should that have written another
        meanwhile: that one is not in the journal. A disk that will not remove the file, or cannot be
        looked at now, changes nothing: the next sweep finds it again, and the journal knows it."""
        if not outcome.ends_attempt:
            return
        with suppress(OSError):
            if outcome.kind in _MADE_UP:
                written = self.read(outcome.trial, outcome.attempt)
                if written is not None and written.kind is not outcome.kind:
                    return
            self.path(outcome.trial, outcome.attempt).unlink(missing_ok=True)

    def running(self, trial: int, attempt: int) -> AbstractContextManager[None]:
        """Hold the attempt's lock (see AttemptLocks)."""
        return self.locks.hold(trial, attempt)

    def alive(self) -> list[tuple[int, int]]:
        """The attempts that some process, perhaps of a dead driver, is working on now."""
        return self.locks.alive()

    def _files(self, kind: str) -> Iterator[tuple[tuple[int, int], Path]]:
        """((trial, attempt), path), as the names say."""
        if self.folder.is_dir():
            named = ((_NAME.fullmatch(path.name), path) for path in sorted(self.folder.iterdir()))
            yield from (
                ((int(name[1]), int(name[2])), path)
                for name, path in named
                if name and name[3] == kind
            )

    def _drop_drafts(self) -> None:
        drafts = list(self._files("draft"))
        alive = set(self.alive()) if drafts else set()
        for key, draft in drafts:
            if key not in alive:
                draft.unlink(missing_ok=True)

    def _set_aside(self, path: Path) -> Path:
        place = self.folder / "broken" / path.name
        try:
            place.parent.mkdir(exist_ok=True)
            os.replace(path, place)
        except OSError:
            return path
        return place


def _read(path: Path) -> Outcome:
    record = json.loads(read_bounded(path))
    if not isinstance(record, dict) or not isinstance(record.get("outcome"), str):
        raise ValueError("not an outbox record")
    if _sha256(record["outcome"]) != record.get("sha256"):
        raise ValueError("it does not match its hash")
    return Outcome.from_json(record["outcome"])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
