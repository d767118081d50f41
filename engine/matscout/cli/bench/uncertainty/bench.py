"""`matscout bench uncertainty`: is a model as sure as it may be, of rows like those it has learned from
and of others?
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscout.cli.bench.lowdata.tables import SOURCES as SMALL
from matscout.cli.bench.lowdata.tables import Rows, Source, rows_of
from matscout.cli.bench.store import Store, loaded
from matscout.cli.bench.told import tell
from matscout.cli.bench.uncertainty.models import MODELS
from matscout.cli.bench.uncertainty.shifts import SHIFTS, drawn
from matscout.drive.run import versions
from matscout.errors import InputError, did_you_mean
from matscout.models.uncertainty.judge import Judged, judge

Result = dict[str, Any]
DRAWS, LEVEL = 5, 0.9
SOURCES = {
    **SMALL,
    "expt_gap": Source("matbench_formula/expt_gap.csv", "target", "eV"),
}
FIGURES = ("nll", "crps", "coverage", "area", "mae", "epistemic", "aleatoric", "conformal")
_WIDTH = 6


@dataclass(frozen=True)
class Options:
    """The command line: tables with commas; empty: all of them. `conformal`: also the coverage of
    conformal intervals, which takes up to eleven times as long."""

    data: Path | None = None
    tables: str = ""
    draws: int = DRAWS
    conformal: bool = False

    def command(self, name: str) -> str:
        """What plays this one table again."""
        words = f"--data DATA --tables {name} --draws {self.draws}"
        return f"matscout bench uncertainty {words}{' --conformal' if self.conformal else ''}"


def uncertainty(options: Options, store: Store) -> Result:
    """Play the tables, and save the result after each; those that the store holds from the same command
    are kept. InputError before anything is fitted.
    """
    names = _named(options.tables)
    if options.data is None:
        raise InputError("--data", "is missing", "name the folder that holds the tables")
    every = {name: rows_of(SOURCES[name], options.data) for name in names}
    tables = store.kept()
    for name, rows in every.items():
        if tables.get(name, {}).get("command") == options.command(name):
            tell(f"{name}: is there already, with the same draws")
            continue
        tables[name] = _played(name, rows, options)
        store.save(_assembled(tables))
    return _assembled(tables)


def load(path: Path) -> Result:
    """What `bench uncertainty` has written. InputError where it did not."""
    return loaded(path, "uncertainty", ("versions", "tables"), "tables", SOURCES)


def _named(words: str) -> Sequence[str]:
    named = [word.strip() for word in words.split(",") if word.strip()]
    for name in named:
        if name not in SOURCES:
            raise InputError("--tables", f"no table {name!r}", did_you_mean(name, SOURCES))
    return [name for name in SOURCES if name in named or not named]


def _played(name: str, rows: Rows, options: Options) -> Result:
    start_s = time.process_time()
    shifts = {shift: _drawn_again(name, rows, shift, options) for shift in SHIFTS}
    seconds = time.process_time() - start_s
    tell(f"{name}: {options.draws} draws of {len(SHIFTS)} kinds in {seconds:.0f} s")
    return {
        "rows": len(rows.y),
        "unit": SOURCES[name].unit,
        "command": options.command(name),
        "seconds": round(seconds, 1),
        "shifts": shifts,
    }


def _drawn_again(name: str, rows: Rows, shift: str, options: Options) -> Result:
    """By model, set and figure: a number for each draw."""
    found: Result = {model: {"inside": {}, "outside": {}} for model in MODELS}
    for draw in range(options.draws):
        try:
            sets = drawn(rows, shift, draw)
        except ValueError as error:
            raise InputError(f"--tables {name}", str(error), "leave it out") from None
        named = {"inside": sets.inside, "outside": sets.outside}
        for model, make in MODELS.items():
            said = judge(
                make(draw), rows.x, rows.y, sets.train, named,
                level=LEVEL, conformal=options.conformal,
            )  # fmt: skip
            for place, one in said.items():
                for figure, value in _figures(one).items():
                    found[model][place].setdefault(figure, []).append(value)
        tell(f"{name}, {shift}: draw {draw + 1} of {options.draws}")
    return found


def _figures(one: Judged) -> dict[str, float]:
    known = {name: float(getattr(one, name)) for name in FIGURES}
    return {name: float(f"{v:.{_WIDTH}g}") for name, v in known.items() if math.isfinite(v)}


def _assembled(tables: Result) -> Result:
    ordered = {name: tables[name] for name in SOURCES if name in tables}
    return {"versions": versions(), "level": LEVEL, "tables": ordered}
