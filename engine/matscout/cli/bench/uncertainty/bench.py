"""`matscout bench uncertainty`: is a model as sure as it may be, of rows like those it has learned from
and of others?
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matscout.cli.bench.lowdata.tables import SOURCES as SMALL
from matscout.cli.bench.lowdata.tables import Rows, Source, chosen, require, rows_of
from matscout.cli.bench.store import Store, loaded
from matscout.cli.bench.told import tell
from matscout.cli.bench.uncertainty.models import MODELS
from matscout.cli.bench.uncertainty.shifts import SHIFTS, Drawn, drawn
from matscout.drive.run import versions
from matscout.errors import InputError
from matscout.models.uncertainty.judge import Judged, judge

Result = dict[str, Any]
Sets = Mapping[str, list[Drawn]]
DRAWS, LEVEL = 5, 0.9
SOURCES = {
    name: replace(source, grouped=True)
    for name, source in {
        **SMALL,
        "expt_gap": Source("matbench_formula/expt_gap.csv", "target", "eV"),
    }.items()
}
FIGURES = ("nll", "crps", "coverage", "area", "mae", "epistemic", "aleatoric")
_DIGITS = 6


@dataclass(frozen=True)
class Options:
    """The command line: tables with commas; empty: all of them. `conformal`: also the coverage of
    conformal intervals, for which each model is fitted again, on few rows up to ten times."""

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
    names = chosen(options.tables, SOURCES)
    data = require(options.data, names, SOURCES)
    tables = store.kept()
    for name, table in tables.items():
        if name not in names and table["command"] != options.command(name):
            what = f"{name} is there from another command: {table['command']}"
            raise InputError("--merge", what, "ask for as many draws, or name a new file")
    every = {name: rows_of(SOURCES[name], data) for name in names}
    sets = {name: _sets(name, rows, options.draws) for name, rows in every.items()}
    for name, rows in every.items():
        if tables.get(name, {}).get("command") == options.command(name):
            tell(f"{name}: is there already, with the same draws")
            continue
        tables[name] = _played(name, rows, sets[name], options)
        store.save(_assembled(tables))
    return _assembled(tables)


def load(path: Path) -> Result:
    """What `bench uncertainty` has written. InputError where it did not."""
    return loaded(path, "uncertainty", ("versions", "tables"), "tables", SOURCES)


def _sets(name: str, rows: Rows, draws: int) -> Sets:
    try:
        return {shift: [drawn(rows, shift, draw) for draw in range(draws)] for shift in SHIFTS}
    except ValueError as error:
        raise InputError(f"--tables {name}", str(error), "leave it out") from None


def _played(name: str, rows: Rows, sets: Sets, options: Options) -> Result:
    start_s = time.process_time()
    shifts = {shift: _judged(name, rows, shift, sets[shift], options) for shift in SHIFTS}
    seconds = time.process_time() - start_s
    tell(f"{name}: {options.draws} draws of {len(SHIFTS)} kinds in {seconds:.0f} s")
    return {
        "rows": len(rows.y),
        "unit": SOURCES[name].unit,
        "command": options.command(name),
        "seconds": round(seconds, 1),
        "shifts": shifts,
    }


def _judged(name: str, rows: Rows, shift: str, sets: list[Drawn], options: Options) -> Result:
    """By model, place and figure: a number for each draw, None where there is none."""
    found: Result = {model: {"inside": {}, "outside": {}} for model in MODELS}
    for draw, one in enumerate(sets):
        places = {"inside": one.inside, "outside": one.outside}
        for model, make in MODELS.items():
            said = judge(
                make(draw), rows.x, rows.y, one.train, places,
                level=LEVEL, conformal=options.conformal,
            )  # fmt: skip
            for place, judged in said.items():
                for figure, value in _figures(judged, options.conformal).items():
                    found[model][place].setdefault(figure, []).append(value)
        tell(f"{name}, {shift}: draw {draw + 1} of {options.draws}")
    return found


def _figures(one: Judged, conformal: bool) -> dict[str, float | None]:
    names = (*FIGURES, "conformal") if conformal else FIGURES
    values = {name: float(getattr(one, name)) for name in names}
    return {n: float(f"{v:.{_DIGITS}g}") if math.isfinite(v) else None for n, v in values.items()}


def _assembled(tables: Result) -> Result:
    ordered = {name: tables[name] for name in SOURCES if name in tables}
    return {"versions": versions(), "level": LEVEL, "tables": ordered}
