"""Pools and spaces from files: what `[space]` of a config may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matscout.bounded_read import TooLarge, read_bounded
from matscout.data.cells import BadRows, input_cells
from matscout.data.decimal_comma import refuse_decimal_commas
from matscout.data.text_table import TextTable, as_number, read_text_table
from matscout.data.toml_text import parse_toml
from matscout.errors import InputError, did_you_mean
from matscout.pool import KINDS, Pool
from matscout.space import Space
from matscout.trial import Value

_MAX_BYTES = 10_000_000
_ELSE = ", say what the column is in kinds, or name the features without it"


def read_space(raw: Mapping[str, Any], base: Path) -> Space:
    """The space that a config's `[space]` table describes; files are sought from `base`.

    One of: `parameters` (and `constraints`) written out, `file` (a TOML file of those), `ready` (a
    space that matscout brings, by name), or `pool` (`file`, `id`, `features`, `kinds` of a
    CSV; or `candidates` written out).
    """
    ways = [key for key in ("parameters", "file", "ready", "pool") if key in raw]
    if len(ways) > 1:
        raise InputError("space", f"{' and '.join(ways)} exclude each other", "keep one")
    if not ways:
        known = ["parameters", "constraints", "file", "ready", "pool"]
        odd = next((key for key in raw if key not in known), None)
        if odd is not None:
            raise InputError("space", f"unknown key {odd!r}", did_you_mean(odd, known))
        raise InputError("space", "is empty", "add parameters, file, ready or pool")
    if ways[0] == "parameters":
        return Space.from_dict(raw)
    odd = next((key for key in raw if key != ways[0]), None)
    if odd is not None:
        raise InputError("space", f"unknown key {odd!r} beside {ways[0]}", "leave it out")
    if ways[0] == "pool":
        return Space(pool=_pool(raw["pool"], base))
    name = raw[ways[0]]
    if not isinstance(name, str):
        raise InputError(f"space.{ways[0]}", f"must be text, got {name!r}")
    return _from_file(ready_space(name) if ways[0] == "ready" else base / name)


def space_file(raw: Mapping[str, Any], base: Path) -> Path | None:
    """The user's file that `read_space` reads; None where there is none."""
    pool = raw.get("pool")
    named = raw.get("file", pool.get("file") if isinstance(pool, Mapping) else None)
    return base / named if isinstance(named, str) else None


def ready_spaces() -> dict[str, Path]:
    """The spaces that matscout brings, by name."""
    package = Path(__file__).parents[1] / "search_spaces"  # in an installed wheel
    folder = package if package.is_dir() else Path(__file__).parents[3] / "search_spaces"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def ready_space(name: str) -> Path:
    known = ready_spaces()
    if name not in known:
        raise InputError("space.ready", f"no space called {name!r}", did_you_mean(name, known))
    return known[name]


def _from_file(path: Path) -> Space:
    try:
        data = read_bounded(path, _MAX_BYTES)
    except TooLarge:
        what = f"is larger than {_MAX_BYTES} bytes"
        raise InputError(str(path), what, "is it a space?") from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputError(str(path), what, "check the path") from None
    raw = parse_toml(path, data)
    try:
        return Space.from_dict(raw)
    except InputError as error:
        raise error.within(str(path)) from None


def _pool(raw: Any, base: Path) -> Pool:
    if not isinstance(raw, Mapping):
        raise InputError(
            "space.pool", f"must be a table, got {raw!r}", 'write { file = "pool.csv" }'
        )
    if "file" not in raw:
        pool = Space.from_dict({"pool": raw}).pool
        assert pool is not None
        return pool
    known = ("file", "id", "features", "kinds")
    odd = next((key for key in raw if key not in known), None)
    if odd is not None:
        raise InputError("space.pool", f"unknown key {odd!r}", did_you_mean(odd, known))
    for key in ("file", "id"):
        if not isinstance(raw.get(key, ""), str):
            raise InputError(f"space.pool.{key}", f"must be text, got {raw[key]!r:.60}")
    features, kinds = raw.get("features"), raw.get("kinds", {})
    if features is not None and not _are_names(features):
        what = f"must be a list of columns, got {features!r:.60}"
        raise InputError("space.pool.features", what, 'write ["x", "solvent"]')
    if not isinstance(kinds, Mapping) or not _are_names(list(kinds.values())):
        what = f"must be a table of words, got {kinds!r:.60}"
        raise InputError("space.pool.kinds", what, 'write { solvent = "category" }')
    return read_pool(base / raw["file"], id=raw.get("id", "id"), features=features, kinds=kinds)


def _are_names(raw: Any) -> bool:
    return isinstance(raw, list) and all(isinstance(name, str) for name in raw)


def read_pool(
    path: Path,
    *,
    id: str = "id",
    features: list[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Pool:
    """Candidates from a CSV with a header; `id` names the column that identifies them.

    A column is whole numbers, numbers or text, whichever all its cells are. `kinds` says which
    features are categories, formulas or structures (files beside the table) instead of numbers.
    Where no features are named, a column of which most cells are numbers must not hold anything else:
    a slip of the pen would leave it out without a word. So would decimal commas, which are refused.
    """
    table = read_text_table(path)
    _check_ids(table, id)
    kinds = kinds or {}
    for name in kinds:
        table.column(name)
    for name in table.header if features is None else features:
        if name != id and kinds.get(name, "number") == "number":
            refuse_decimal_commas(table, name, _ELSE)
    for name in features or ():
        for row, cell in enumerate(table.column(name)):
            if kinds.get(name, "number") == "number" and as_number(cell) is None:
                raise InputError(
                    table.at(row),
                    f"feature {name!r} must be a number, got {cell!r:.40}",
                    "fill it in, say what the column is in kinds, or leave it out of features",
                )
    for name in table.header if features is None else ():
        if name != id and name not in kinds:
            _check_numbers(table, name)
    columns = {
        name: table.column(name) if name == id else _typed(table.column(name))
        for name in table.header
    }
    bad = BadRows(table)
    for name, kind in kinds.items():
        if kind in KINDS and kind != "number":
            columns[name] = list(input_cells(table, name, kind, bad, path.parent).values)
    bad.refuse(also="")
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    try:
        return Pool.from_rows(rows, id=id, features=features, kinds=kinds)
    except InputError as error:
        raise error.within(str(path)) from None


def _check_ids(table: TextTable, name: str) -> None:
    """People get a candidate's id in a file to fill in, and must be able to hand it back as it is."""
    for row, cell in enumerate(table.column(name)):
        if not cell.isprintable() or "  " in cell or cell != cell.strip():
            what = f"candidate id {cell!r:.60} must be printable text without double spaces"
            raise InputError(table.at(row), what, "rename it")


def _check_numbers(table: TextTable, name: str) -> None:
    cells = table.column(name)
    odd = [row for row, cell in enumerate(cells) if as_number(cell) is None]
    if odd and 2 * len(odd) < len(cells):
        what = f"{name!r} holds numbers in most rows, but {cells[odd[0]]!r:.40} here"
        raise InputError(table.at(odd[0]), what, "mend the cell" + _ELSE)


def _typed(cells: list[str]) -> list[Value]:
    numbers = [as_number(cell) for cell in cells]
    if any(number is None for number in numbers):
        return list(cells)
    if all(cell.lstrip("+-").isdigit() for cell in cells):
        return [int(cell) for cell in cells]
    return [float(number) for number in numbers if number is not None]
