"""SQLite's WAL-reset bug: sqlite.org/wal.html, "The WAL-Reset Bug"."""

from __future__ import annotations

import sqlite3

from matscout.cli.doctor.finding import Finding, ok

_FROM, _BEFORE = (3, 7, 0), (3, 51, 3)
_MENDED = {(3, 44): 6, (3, 50): 7}
"""Older branches into which the repair was carried, from which patch on."""


def check(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> list[Finding]:
    """Nothing is to be done in either case, but it shall have been looked at."""
    said = ".".join(map(str, version[:3]))
    if has_wal_reset_bug(version):
        said += (
            " has the WAL-reset bug, which corrupts a log that two connections write; harmless here:"
            " a run's journal has one connection that writes, by a lock"
        )
    return [ok("sqlite", said)]


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether a library of this version may corrupt a log that two connections write at once."""
    if not _FROM <= version < _BEFORE:
        return False
    mended = _MENDED.get((version[0], version[1]))
    return mended is None or version[2] < mended
