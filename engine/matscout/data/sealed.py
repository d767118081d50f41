"""A sealed test set: rows set aside before anything is tried, and looked at once, at the end.

The seal is a small file. It says how the rows were drawn and of which table, never which they are:
they are drawn again when it is opened. The opening is on disk before a row is handed out, so that a
second look, by another model, is refused even after a crash. The same model may look again: that is
the same look.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from matscout.bounded_read import read_bounded
from matscout.data.sealed_share import parts_of
from matscout.data.splits import GROUPED, Fold, split
from matscout.data.tables import Table
from matscout.data.whole_file import write_new, write_whole
from matscout.errors import InputError

SCHEMA = 1
MAX_BYTES = 2**20
KINDS = ("kfold", "stratified", "grouped", "stratified_grouped")


@dataclass(frozen=True)
class Seal:
    """One of `parts` equal parts of the rows of the table with that digest, drawn from `seed`.

    `opened` is when, and `model` by the digest of which model; both empty while it is sealed.
    """

    table: str
    rows: int
    kind: str
    parts: int
    seed: int
    opened: str = ""
    model: str = ""


def seal(
    path: str | Path, table: Table, *, kind: str = "stratified", parts: int = 5, seed: int = 0
) -> Seal:
    """Set rows of `table` aside, and write that down in `path`. The same seal again is no mistake.

    Stratified on classes, or on ten quantiles of a number. Raises InputError for a seal that is
    there and is another one, and where the rows cannot be drawn.
    """
    made = Seal(_digest(table), len(table), kind, parts, seed)
    _rows(made, table)
    path = Path(path)
    # Of two that seal at once the second finds the first one's seal, opened by then or not.
    if not path.exists() and write_new(path, _text(made)):
        return made
    there = read_seal(path)
    if replace(there, opened="", model="") != made:
        what = "seals other rows already"
        raise InputError(str(path), what, "keep it, or name a new file for a new test set")
    return there


def drawn(table: Table, share: float, *, kind: str, seed: int) -> Fold:
    """(visible rows, sealed rows), ascending, of a seal that is not written down yet."""
    return _rows(Seal("", len(table), kind, parts_of(share), seed), table)


def visible(path: str | Path, table: Table) -> np.ndarray:
    """The rows that are not sealed, (m,) ascending: all that a model may be chosen by."""
    return _rows(_of(path, table), table)[0]


def open_seal(path: str | Path, table: Table, *, final: bool, model: str, when: str) -> np.ndarray:
    """The sealed rows, (k,) ascending; that they were looked at by `model` (a digest of all that
    decides its predictions), and `when`, is recorded first.

    Raises InputError without `final`, and where another model was here before.
    """
    path = Path(path)
    _of(path, table)
    if not final:
        raise InputError(str(path), "the test set is sealed", "say --final when all is chosen")
    if not model:
        raise ValueError("a model's digest is needed")
    with open(path, encoding="utf-8") as held:
        # Of two at once the second waits, and then reads what the first has written.
        fcntl.flock(held, fcntl.LOCK_EX)
        there = _of(path, table)
        if there.opened and there.model != model:
            what = f"the test set was opened on {there.opened}, by another model"
            raise InputError(str(path), what, "report that result; a new claim needs new rows")
        if not there.opened:
            write_whole(path, _text(replace(there, opened=when or "unknown", model=model)))
    return _rows(there, table)[1]


def read_seal(path: str | Path) -> Seal:
    """What a seal says. Raises InputError for a file that is none."""
    path = Path(path)
    try:
        raw = json.loads(read_bounded(path, MAX_BYTES))
        schema = raw.pop("schema")
        found = Seal(**raw)
    except FileNotFoundError:
        raise InputError(str(path), "no such seal", "seal the table first") from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise InputError(str(path), "is no seal of matscout's", "check the path") from None
    if schema != SCHEMA:
        raise InputError(str(path), f"a seal of schema {schema!r}, not {SCHEMA}", "update matscout")
    return found


def _of(path: str | Path, table: Table) -> Seal:
    there = read_seal(path)
    if there.table != _digest(table):
        what = f"seals {there.rows} rows of a table that is not this one"
        raise InputError(str(path), what, "restore the table as it was when it was sealed")
    return there


def _rows(made: Seal, table: Table) -> Fold:
    """(visible, sealed): the first of `parts` folds."""
    where = "sealed"
    if made.kind not in KINDS:
        raise InputError(where, f"cannot be drawn by {made.kind!r}", f"use {', '.join(KINDS)}")
    if made.kind in GROUPED and table.groups is None:
        raise InputError(where, f"{made.kind!r} needs a group for every row", "name a group column")
    try:
        return split(
            made.kind, table.target, folds=made.parts, groups=table.groups,
            classes=bool(table.classes), seed=made.seed,
        )[0]  # fmt: skip
    except InputError as error:
        raise error.within(where) from None


def _digest(table: Table) -> str:
    """SHA-256 of names and values: the same table under another name or path is the same."""
    found = hashlib.sha256(repr((table.target_name, table.classes)).encode())
    found.update(np.ascontiguousarray(table.target, dtype="<f8").tobytes())
    for name, numbers in table.numeric.items():
        found.update(repr(name).encode() + np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    for name, words in table.categorical.items():
        found.update(repr((name, words.tolist())).encode())
    for name, block in table.blocks.items():
        found.update(repr(name).encode() + np.ascontiguousarray(block, dtype="<f8").tobytes())
    if table.groups is not None:
        found.update(repr(table.groups.tolist()).encode())
    return found.hexdigest()


def _text(made: Seal) -> bytes:
    return json.dumps({"schema": SCHEMA, **asdict(made)}, indent=1).encode()
