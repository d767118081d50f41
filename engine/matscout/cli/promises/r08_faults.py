"""Faults of a disk, injected into a driver: the Nth write, fsync or open fails, once.

Below SQLite, in its own layer over the operating system (sqlite.org/vfs.html), through ctypes: what
SQLite sees is what it sees of a real disk. Below Python, in `os` and `open`, for files of the run.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FULL, _CANTOPEN, _IOERR_WRITE, _IOERR_FSYNC = 13, 14, 778, 1034  # sqlite.org/rescode.html

_METHODS = 19
"""Words of sqlite3_io_methods, version 3: iVersion, xClose, xRead, xWrite, xTruncate, xSync, …"""
_WRITE, _SYNC = 3, 5
_XOPEN = 5
"""The word of sqlite3_vfs that holds xOpen, after three numbers in two words and three pointers."""

_SQLITE = {
    "SQLite write, disk full": ("write", _FULL),
    "SQLite write, I/O error": ("write", _IOERR_WRITE),
    "SQLite fsync, I/O error": ("sync", _IOERR_FSYNC),
    "SQLite open, no descriptors": ("open", _CANTOPEN),
}
_PYTHON = {
    "fsync, I/O error": ("fsync", errno.EIO),
    "open, no descriptors": ("open", errno.EMFILE),
    "open, disk full": ("open", errno.ENOSPC),
    "rename, read-only": ("replace", errno.EROFS),
    "unlink, read-only": ("unlink", errno.EROFS),
    "pwrite, disk full": ("pwrite", errno.ENOSPC),
}
_SERVER = {
    "statement, server full": ("statement", "DiskFull"),
    "commit, server shuts down": ("commit", "AdminShutdown"),
}


@dataclass(frozen=True)
class Fault:
    """The `nth` time (from 1; 0: never) that it is done in `root`, it fails. How often each was done is
    written to `count` when the process ends in order."""

    kind: str
    nth: int
    root: Path
    count: Path

    def __call__(self) -> None:
        """In the driver, first of all."""
        done: Counter[str] = Counter()

        def strikes(kinds: dict[str, Any], what: str) -> Any:
            """What the fault is, if it strikes now."""
            done[what] += 1
            self.count.write_text(repr(dict(done)))
            target, found = kinds.get(self.kind, ("", None))
            return found if target == what and done[what] == self.nth else None

        if self.kind in _SERVER:
            _below_the_server(lambda what: strikes(_SERVER, what))
        elif self.kind in _SQLITE:
            _below_sqlite(lambda what: strikes(_SQLITE, what))
        else:
            _below_python(str(self.root), lambda what: strikes(_PYTHON, what))


def layer(kind: str) -> str:
    """Below what a kind of fault strikes: its operations are counted together."""
    return "server" if kind in _SERVER else "sqlite" if kind in _SQLITE else "python"


def kinds(on_server: bool) -> dict[str, str]:
    """What can be done to a driver on this machine: a fault's kind → the operation that it strikes."""
    chosen: dict[str, Any] = dict(_PYTHON)
    if on_server:
        chosen |= _SERVER
    elif _library() is not None:
        chosen |= _SQLITE
    return {name: what for name, (what, _) in chosen.items()}


def _library() -> Any:
    """The SQLite that this Python has loaded; None where it cannot be reached."""
    try:
        import sqlite3  # noqa: F401 (loads it)

        return ctypes.CDLL("libsqlite3.so.0", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except (OSError, ImportError, AttributeError):
        return None


_KEPT: list[Any] = []
"""What C holds a pointer to must not be collected."""


def _below_sqlite(strikes: Callable[[str], int | None]) -> None:
    library = _library()
    library.sqlite3_vfs_find.restype = ctypes.c_void_p
    vfs = ctypes.cast(library.sqlite3_vfs_find(None), ctypes.POINTER(ctypes.c_void_p))
    integer, pointer, long = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    open_type = ctypes.CFUNCTYPE(integer, pointer, pointer, pointer, integer, pointer)
    write_type = ctypes.CFUNCTYPE(integer, pointer, pointer, integer, long)
    sync_type = ctypes.CFUNCTYPE(integer, pointer, integer)
    open_before = open_type(vfs[_XOPEN] or 0)
    ours: dict[int, Any] = {}  # a file's methods → their copy

    def methods_of(before: int) -> Any:
        words = (ctypes.c_void_p * _METHODS).from_address(before)
        copy = (ctypes.c_void_p * _METHODS)(*words)
        write, sync = write_type(words[_WRITE] or 0), sync_type(words[_SYNC] or 0)
        changed = (
            write_type(lambda f, data, n, at: strikes("write") or write(f, data, n, at)),
            sync_type(lambda f, flags: strikes("sync") or sync(f, flags)),
        )
        copy[_WRITE], copy[_SYNC] = (ctypes.cast(c, ctypes.c_void_p).value for c in changed)
        _KEPT.extend((copy, write, sync, *changed))
        return copy

    def open_file(vfs_: int, name: int, file: int, flags: int, out: int) -> int:
        fault = strikes("open")
        if fault:
            ctypes.c_void_p.from_address(file).value = None  # no methods: not to be closed
            return fault
        code = int(open_before(vfs_, name, file, flags, out))
        methods = ctypes.c_void_p.from_address(file)
        if code == 0 and methods.value:
            if methods.value not in ours:
                ours[methods.value] = methods_of(methods.value)
            methods.value = ctypes.addressof(ours[methods.value])
        return code

    changed = open_type(open_file)
    _KEPT.extend((open_before, changed, ours))
    vfs[_XOPEN] = ctypes.cast(changed, ctypes.c_void_p).value


def _below_python(root: str, strikes: Callable[[str], int | None]) -> None:
    def of_the_run(place: Any) -> bool:
        if isinstance(place, int):
            try:
                place = os.readlink(f"/proc/self/fd/{place}")
            except OSError:
                return False
        return os.path.abspath(os.fspath(place)).startswith(root)

    def failing(what: str, before: Callable[..., Any]) -> Callable[..., Any]:
        def call(place: Any, *words: Any, **options: Any) -> Any:
            code = strikes(what) if of_the_run(place) else None
            if code:
                raise OSError(code, os.strerror(code), str(place))
            return before(place, *words, **options)

        return call

    for name in ("fsync", "open", "replace", "unlink", "pwrite"):
        setattr(os, name, failing(name, getattr(os, name)))
    builtins.open = failing("open", builtins.open)


def _below_the_server(strikes: Callable[[str], str | None]) -> None:
    import psycopg

    def failing(what: str, before: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *words: Any, **options: Any) -> Any:
            name = strikes(what)
            if name == "AdminShutdown":
                self.close()
            if name:
                raise getattr(psycopg.errors, name)(f"the server said {name}")
            return before(self, *words, **options)

        return call

    psycopg.Connection.commit = failing("commit", psycopg.Connection.commit)  # type: ignore[method-assign]
    psycopg.Cursor.execute = failing("statement", psycopg.Cursor.execute)  # type: ignore[method-assign]
