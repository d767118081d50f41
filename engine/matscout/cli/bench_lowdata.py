"""`matscout bench lowdata`: what is worth taking of a small search over few rows?

Every rule of choosing on the same draws of the same tables, from the same fitted models, judged on the
rows that were not drawn.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscout.cli.bench_lowdata_cell import FOLDS, cell, draw, scores
from matscout.cli.bench_lowdata_figures import figures, means
from matscout.cli.bench_lowdata_tables import SOURCES, Rows, chosen, read, require
from matscout.drive.run import versions, versions_changed
from matscout.errors import InputError

Result = dict[str, Any]
SIZES = (20, 50, 100, 300)
DRAWS = 10


@dataclass(frozen=True)
class Options:
    """The command line: tables and sizes with commas; empty: all of them."""

    data: Path | None = None
    tables: str = ""
    sizes: str = ""
    draws: int = DRAWS

    @property
    def rows(self) -> tuple[int, ...]:
        words = [word.strip() for word in self.sizes.split(",") if word.strip()]
        if not all(word.isdecimal() and int(word) >= 2 * FOLDS for word in words):
            what = f"must be whole numbers >= {2 * FOLDS} with commas, got {self.sizes!r}"
            raise InputError("--sizes", what, "20,50,100,300 is usual")
        return tuple(sorted({int(word) for word in words})) or SIZES

    def command(self, name: str) -> str:
        """What plays this one table again."""
        sizes = ",".join(str(size) for size in self.rows)
        words = f"--tables {name} --sizes {sizes} --draws {self.draws}"
        return f"matscout bench lowdata --data DATA {words}"


def lowdata(
    options: Options,
    out: Path | None = None,
    write: Callable[[Path | None, Result], None] | None = None,
    *,
    merge: bool = False,
) -> Result:
    """Play the tables, and write the result after each. With `merge` those that `out` holds with the
    same sizes and draws are kept. InputError before anything is fitted.
    """
    if options.draws < 2:
        raise InputError("--draws", f"must be at least 2, got {options.draws}", "10 is usual")
    names, sizes = chosen(options.tables), options.rows
    data = require(options.data, names)
    tables = _kept(out, merge)
    every = {name: read(name, data) for name in names}
    for name, rows in every.items():
        _fits(name, rows, sizes, options.draws)
    result = _assembled(tables)
    for name, rows in every.items():
        if tables.get(name, {}).get("command") == options.command(name):
            _tell(f"{name}: is there already, with the same sizes and draws")
            continue
        tables[name] = _played(name, rows, options)
        result = _assembled(tables)
        if write is not None:
            write(out, result)
    return result


def load(path: Path) -> Result:
    """What `bench lowdata` has written. InputError where it did not."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from None
    except ValueError:
        result = None
    keys = ("versions", "tables", "mean")
    if not isinstance(result, dict) or not all(isinstance(result.get(k), dict) for k in keys):
        raise InputError(
            str(path), "is no result of bench lowdata", "name a file that --out has written"
        )
    return result


def _kept(out: Path | None, merge: bool) -> Result:
    if not merge:
        return {}
    if out is None:
        raise InputError("--merge", "there is no file to add to", "name it with --out")
    if not out.exists():
        return {}
    result = load(out)
    if versions_changed(result["versions"], versions()):
        what = "was made with other versions of matscout or its packages"
        raise InputError(str(out), what, "name a new file, and play all tables again")
    return dict(result["tables"])


def _fits(name: str, rows: Rows, sizes: tuple[int, ...], draws: int) -> None:
    for size in sizes:
        for seed in range(draws):
            if size > len(rows.y) or not len(draw(len(rows.y), size, rows.groups, seed)[1]):
                what = f"{name} has {len(rows.y)} rows, and {size} leave none to judge by"
                raise InputError("--sizes", what, "ask for fewer rows")


def _played(name: str, rows: Rows, options: Options) -> Result:
    source, found = SOURCES[name], {}
    for size in options.rows:
        start_s = time.process_time()
        cells = []
        for seed in range(options.draws):
            one = cell(rows.x, rows.y, rows.groups, size, seed)
            cells.append((len(one.truth), scores(one, seed)))
        seconds = time.process_time() - start_s
        found[str(size)] = {**figures(cells), "seconds": round(seconds, 1)}
        _tell(f"{name}, {size} rows: {options.draws} draws in {seconds:.0f} s")
    return {
        "rows": len(rows.y),
        "inputs": rows.x.shape[1],
        "unit": source.unit,
        "grouped": source.grouped,
        "command": options.command(name),
        "sizes": found,
    }


def _assembled(tables: Result) -> Result:
    ordered = {name: tables[name] for name in SOURCES if name in tables}
    return {"versions": versions(), "tables": ordered, "mean": means(ordered)}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
