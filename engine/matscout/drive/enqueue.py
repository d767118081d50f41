"""Points that a person wants asked first: read and checked whole, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matscout.data.text_table import read_text_table
from matscout.drive.cells import read_value
from matscout.drive.config import read_toml
from matscout.errors import InputError, did_you_mean
from matscout.space import Space
from matscout.trial import Value

MOST = 10_000
"""They stand in the journal's first event, whole."""

Point = dict[str, Value]


def read_enqueued(
    raw: str | Sequence[Mapping[str, Any]], base: Path, space: Space
) -> tuple[list[Point], list[str]]:
    """The points in their order, each once, and what a person should be told about them.

    `raw` is a CSV (a column for each parameter, a row for each point, an empty cell where a parameter
    does not exist), a TOML file of [[points]], or the points themselves. InputError names the line or
    the point that is not of the space.
    """
    if space.pool is not None:
        what = "is for spaces of parameters, and this is a pool"
        raise InputError("prior.enqueue", what, "bring results with matscout campaign add")
    found = _named(raw, base, space)
    if len(found) > MOST:
        raise InputError("prior.enqueue", f"{len(found)} points; {MOST:,} at most", "take fewer")
    first: dict[str, str] = {}
    points, notes = [], []
    for where, point in found:
        key = space.key(point)
        if key in first:
            notes.append(f"{where} repeats {first[key].rpartition(': ')[2]}: it is asked once")
        else:
            first[key] = where
            points.append(point)
    return points, notes


def _named(
    raw: str | Sequence[Mapping[str, Any]], base: Path, space: Space
) -> list[tuple[str, Point]]:
    """Where each point stands, and the point."""
    if not isinstance(raw, str):
        return _checked("prior.enqueue", raw, space)
    if "\0" in raw:
        raise InputError("prior.enqueue", f"is no path: {raw!r:.80}")
    path = base / raw
    if path.suffix == ".csv":
        return list(_from_csv(path, space))
    if path.suffix == ".toml":
        table, _ = read_toml(path)
        for key in table:
            if key != "points":
                raise InputError(str(path), f"unknown key {key!r}", "list [[points]]")
        return _checked(str(path), table.get("points"), space)
    raise InputError(str(path), "is neither .csv nor .toml", "say what it is by its ending")


def _checked(where: str, raw: Any, space: Space) -> list[tuple[str, Point]]:
    if not isinstance(raw, Sequence) or not all(isinstance(point, Mapping) for point in raw):
        raise InputError(where, "must be a list of tables", "write [[points]]")
    names = [f"{where}: point {number}" for number in range(1, len(raw) + 1)]
    return [(name, space.check(point, name)) for name, point in zip(names, raw, strict=True)]


def _from_csv(path: Path, space: Space) -> Iterable[tuple[str, Point]]:
    table = read_text_table(path)
    for name in table.header:
        if name not in space.by_name:
            mend = did_you_mean(name, space.by_name)
            raise InputError(str(path), f"unknown parameter {name!r}", mend)
    for row, cells in enumerate(table.rows):
        where, given = table.at(row), {}
        for name, cell in zip(table.header, cells, strict=True):
            if cell:
                value = read_value(space.by_name[name], cell)
                if value is None:
                    mend = f"give {space.by_name[name].wanted}"
                    raise InputError(where, f"{name}={cell!r:.60} is outside the space", mend)
                given[name] = value
        yield where, space.check(given, where)
