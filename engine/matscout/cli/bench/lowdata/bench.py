"""`matscout bench lowdata`: what is worth taking of a small search over few rows?

Every rule of choosing on the same draws of the same tables, from the same fitted models, judged on the
rows that were not drawn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscout.cli.bench.lowdata.cell import FOLDS, cell, draw, scores
from matscout.cli.bench.lowdata.figures import figures, means
from matscout.cli.bench.lowdata.tables import SOURCES, Rows, chosen, read, require
from matscout.cli.bench.sizes import sizes_named
from matscout.cli.bench.store import Store, loaded
from matscout.cli.bench.told import tell
from matscout.drive.run import versions
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
        return sizes_named(self.sizes, 2 * FOLDS, SIZES)

    def command(self, name: str) -> str:
        """What plays this one table again."""
        sizes = ",".join(str(size) for size in self.rows)
        words = f"--tables {name} --sizes {sizes} --draws {self.draws}"
        return f"matscout bench lowdata --data DATA {words}"


def lowdata(options: Options, store: Store) -> Result:
    """Play the tables, and save the result after each; those that the store holds with the same sizes
    and draws are kept. InputError before anything is fitted.
    """
    if options.draws < 2:
        raise InputError("--draws", f"must be at least 2, got {options.draws}", "10 is usual")
    names, sizes = chosen(options.tables), options.rows
    data = require(options.data, names)
    tables = store.kept()
    every = {name: read(name, data) for name in names}
    for name, rows in every.items():
        _fits(name, rows, sizes, options.draws)
    result = _assembled(tables)
    for name, rows in every.items():
        if tables.get(name, {}).get("command") == options.command(name):
            tell(f"{name}: is there already, with the same sizes and draws")
            continue
        tables[name] = _played(name, rows, options)
        result = _assembled(tables)
        store.save(result)
    return result


def load(path: Path) -> Result:
    """What `bench lowdata` has written. InputError where it did not."""
    return loaded(path, "lowdata", ("versions", "tables", "mean"))


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
        tell(f"{name}, {size} rows: {options.draws} draws in {seconds:.0f} s")
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
