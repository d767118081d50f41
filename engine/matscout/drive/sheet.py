"""The table that goes to the laboratory and comes back: its columns, and rows to write."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from matscout.data.spreadsheet import safe
from matscout.durable_file import replace_durably
from matscout.errors import InputError, RunFailed, one_line
from matscout.propose.replicates import REPLICATE
from matscout.space import Space
from matscout.trial import Target, Trial, Value

ID, STATUS, NOTE = "id", "status", "note"
FORECAST = (
    "mean", "sd", "low", "high", "p_feasible", "acquisition", "nearest", "distance", "reason",
    REPLICATE,
)  # fmt: skip
"""What is believed about a row, as `Trial.why` holds it under the same names; last, the number of
the measurement where a point is measured again: it tells its row from the one of the first."""


@dataclass(frozen=True)
class Sheet:
    """Names of columns. Whatever would be called like another gets a prefix.

    `point` maps a parameter, or a column of the pool, to its column; `target`, `sem` and `unit` map
    a target (only one with a unit has the last); `forecast` maps the names in FORECAST.
    """

    name: str
    space: Space
    targets: tuple[Target, ...]
    point: Mapping[str, str] = field(init=False)
    target: Mapping[str, str] = field(init=False)
    sem: Mapping[str, str] = field(init=False)
    unit: Mapping[str, str] = field(init=False)
    forecast: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        taken = {ID, STATUS, NOTE}
        maps: dict[str, dict[str, str]] = {k: {} for k in ("target", "sem", "unit")}
        for target in self.targets:
            column = _unlike(target.name, taken, "target.")
            maps["target"][target.name] = column
            maps["sem"][target.name] = _unlike(f"{column}_sem", taken, "target.")
            if target.unit:
                maps["unit"][target.name] = _unlike(f"{column}_unit", taken, "target.")
        maps["point"] = {name: _unlike(name, taken, "params.") for name in self._point_names()}
        maps["forecast"] = {name: _unlike(name, taken, "forecast.") for name in FORECAST}
        for name, columns in maps.items():
            object.__setattr__(self, name, columns)

    @cached_property
    def header(self) -> list[str]:
        """In the order in which they are written."""
        out = [ID, *self.point.values()]
        for target in self.targets:
            out += [self.target[target.name], self.sem[target.name]]
            if target.unit:
                out.append(self.unit[target.name])
        return [*out, STATUS, NOTE, *self.forecast.values()]

    def id_of(self, trial: Trial) -> str:
        """What stands under `id`: the candidate, or the campaign's name and the trial's number."""
        return trial.candidate if trial.candidate is not None else f"{self.name}-{trial.id}"

    def row(self, trial: Trial, so_far: Mapping[str, float]) -> dict[str, Value | None]:
        """One trial as a row, by column; None is an empty cell. `so_far`: what is measured of it."""
        out: dict[str, Value | None] = dict.fromkeys(self.header)
        out[ID] = self.id_of(trial)
        out |= {column: trial.params.get(name) for name, column in self.point.items()}
        for target in self.targets:
            out[self.target[target.name]] = so_far.get(target.name)
            if (error := f"{target.name}.sem") not in self.target:
                out[self.sem[target.name]] = so_far.get(error)
            if target.unit:
                out[self.unit[target.name]] = target.unit
        return out | {column: trial.why.get(name) for name, column in self.forecast.items()}

    def _point_names(self) -> Iterable[str]:
        return self.space.pool.columns if self.space.pool is not None else self.space.by_name


def check_writable(path: Path, force: bool) -> None:
    """InputError if `write_rows` would not be allowed to make `path`: ask before anything is done."""
    if path.exists() and not force:
        raise InputError(str(path), "exists already", "choose another file, or add --force")
    if path.is_dir():
        raise InputError(str(path), "is a folder", "name a file")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(str(path), "its folder does not exist", "make the folder first")
    if not os.access(folder, os.W_OK):
        raise InputError(str(path), "its folder may not be written to", "choose another file")


def write_rows(path: Path, header: list[str], rows: Iterable[Mapping[str, Value | None]]) -> None:
    """The whole file, or none of it. RunFailed if the disk refuses."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([safe(name) for name in header])
    for row in rows:
        cells = (row.get(name) for name in header)
        writer.writerow(["" if cell is None else safe(cell) for cell in cells])
    try:
        replace_durably(path, text.getvalue().encode())
    except OSError as error:
        raise RunFailed(
            one_line(f"{path}: cannot be written ({error.strerror or error})")
        ) from None


def _unlike(name: str, taken: set[str], prefix: str) -> str:
    """`name`, with as many prefixes as make it new; taken from now on."""
    while name in taken:
        name = prefix + name
    taken.add(name)
    return name
