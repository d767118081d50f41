"""A line to the database that breaks after a commit went through and before its answer was heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matscout.errors import JournalUnavailable
from matscout.journal import Journal
from matscout.journal_store import Row
from matscout.simulate.trouble import Trouble


class _Line:
    """A store (journal_store.py) one of whose commits, the nth, is done and said not to be."""

    def __init__(self, store: Any, at: Trouble) -> None:
        self._store, self._at, self._left = store, at, at.lose_answer
        self._there: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._there.get(row["seq"], row["hash"]) != row["hash"]:
                raise AssertionError(f"event {row['seq']} is written, and comes as another")
        new = [row for row in rows if row["seq"] not in self._there]
        if new:
            self._store.add(new)
            self._there |= {row["seq"]: row["hash"] for row in new}
        self._left -= 1
        if self._left == 0:
            self._at.answer_lost = True
            raise JournalUnavailable("the server closed the connection: simulated")


def on_a_line(journal: Journal, at: Trouble) -> None:
    """Put the journal at the end of a line that breaks once, where the trouble has it so."""
    if at.lose_answer:
        journal._store = _Line(journal._store, at)  # type: ignore[assignment]
