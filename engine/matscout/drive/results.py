"""A results file, read and checked row by row. Nothing is taken in here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from matscout.data.spreadsheet import unquoted
from matscout.data.text_table import MISSING, TextTable, as_number
from matscout.drive.cells import read_value, same_value
from matscout.drive.sheet import ID, NOTE, STATUS, Sheet
from matscout.errors import InputError, did_you_mean, one_line
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.replicates import REPLICATE
from matscout.trial import Params, Trial, Value

MEASURED, FAILED, ABANDONED = "measured", "failed", "abandoned"
OUTCOMES = (MEASURED, FAILED, ABANDONED)

_UNIT = re.compile(r"(?P<name>.*\S)\s*[\[(](?P<unit>[^\[\]()]*)[\])]")
_DIGITS = 18
_LISTED = 20_000
"""Ids among which the nearest is sought: more would take seconds to compare."""


@dataclass(frozen=True)
class Row:
    """What one row says. `outcome` is empty for a row that is not filled in yet.

    `trial` is None for a point that nobody was asked to measure, and where it was asked for more
    than once and the row does not say which time: then `times` are all of them, the first first.
    `where` names file and line, `source` the same for the journal.
    """

    where: str
    source: str
    called: str
    params: Params
    candidate: str | None = None
    trial: int | None = None
    times: tuple[int, ...] = ()
    outcome: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    sem: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def read_rows(table: TextTable, sheet: Sheet, history: History) -> list[Row]:
    """Every row of `table`; InputError for the first thing wrong, with its line."""
    return _Reader(table, sheet, history).rows()


def candidate_called(where: str, called: str, pool: Pool) -> str:
    """`called` itself; InputError with the nearest id unless it is a candidate of the pool."""
    if called not in pool:
        near = get_close_matches(called, pool.ids[:_LISTED], n=1)
        mend = f"did you mean {near[0]!r}?" if near else "is it another campaign's?"
        raise InputError(where, f"no candidate {called!r:.60} in this campaign's pool", mend)
    return called


def trial_called(where: str, called: str, campaign: str, history: History) -> Trial:
    """The trial that an id of ours (`name-12`) names."""
    name, _, number = called.rpartition("-")
    if number.isdecimal() and name and name != campaign:
        what = f"{called!r:.60} is campaign {name!r:.60}'s; this is {campaign!r}"
        raise InputError(where, what, "add it to that campaign")
    if name != campaign or not number.isdecimal():
        mend = f"ids here look like {campaign}-0; empty it for a point of your own"
        raise InputError(where, f"unknown id {called!r:.60}", mend)
    count = as_count(number)
    if count >= len(history.trials):
        raise InputError(where, f"no {called!r:.60}: {len(history.trials)} trials were asked for")
    return history.trials[count]


def as_count(digits: str) -> int:
    """What `digits` say, or more than there can be of anything: thousands of them Python refuses."""
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS


class _Reader:
    def __init__(self, table: TextTable, sheet: Sheet, history: History) -> None:
        self._table, self._sheet, self._history = table, sheet, history
        self._pool = sheet.space.pool
        self._columns = self._known_columns()
        self._asked: dict[str, list[Trial]] = {}
        for trial in history.asked_for:
            place = self._place(trial.params, trial.candidate)
            self._asked.setdefault(place, []).append(trial)

    def rows(self) -> list[Row]:
        return [self._row(i) for i in range(len(self._table.rows))]

    # -- columns ------------------------------------------------------------------------------

    def _known_columns(self) -> dict[str, int]:
        """Our column → its place. A unit in brackets is checked and taken off."""
        sheet, name = self._sheet, self._table.name
        units = {sheet.target[t.name]: t.unit for t in sheet.targets}
        units |= {sheet.sem[t.name]: t.unit for t in sheet.targets}
        known = set(sheet.header)
        places: dict[str, int] = {}
        for place, raw in enumerate(self._table.header):
            column = unquoted(raw)
            bracket = _UNIT.fullmatch(column)
            if column not in known and bracket and bracket["name"] in units:
                column = bracket["name"]
                if bracket["unit"].strip() != units[column]:
                    what = f"column {raw!r} is not in {units[column] or 'plain numbers'}"
                    raise InputError(name, what, "bring the campaign's own unit")
            if column not in known:
                mend = did_you_mean(column, known)
                raise InputError(name, f"this campaign has no column {raw!r:.60}", mend)
            if column in places:
                raise InputError(name, f"two columns mean {column!r}", "drop one")
            places[column] = place
        if not {STATUS, *sheet.target.values()} & set(places):
            shown = " or ".join([*sheet.target.values(), STATUS])
            raise InputError(name, f"has no column for a result: {shown}", "add one")
        return places

    def _cell(self, row: int, column: str) -> str:
        """The text of a cell; empty where there is no such column."""
        place = self._columns.get(column)
        return "" if place is None else self._table.rows[row][place]

    def _filled(self, row: int, column: str) -> str:
        """The same for a cell that a person fills in: a word for nothing is nothing. (Not for what
        we wrote: an additive may well be called "none".)"""
        cell = self._cell(row, column)
        return "" if cell.lower() in MISSING else cell

    # -- rows ---------------------------------------------------------------------------------

    def _row(self, i: int) -> Row:
        where = self._table.at(i)
        params, candidate, times, called = self._point(i, where)
        values, sem = self._values(i, where)
        outcome = self._outcome(i, where, values)
        return Row(
            where=where,
            source=f"{Path(self._table.name).name}:{self._table.lines[i]}",
            called=called,
            params=params,
            candidate=candidate,
            trial=times[0] if len(times) == 1 else None,
            times=times if len(times) > 1 else (),
            outcome=outcome,
            values=values,
            sem=sem,
            note=one_line(self._filled(i, NOTE)),
        )

    def _outcome(self, i: int, where: str, values: Mapping[str, float]) -> str:
        word = self._filled(i, STATUS).lower()
        if not word:
            return MEASURED if values else ""
        if word not in OUTCOMES:
            raise InputError(where, f"unknown status {word!r:.40}", did_you_mean(word, OUTCOMES))
        if word == MEASURED and not values:
            raise InputError(where, "status is 'measured', but no value is given", "fill it in")
        if word != MEASURED and values:
            raise InputError(
                where, f"status is {word!r}, but a value is given too", "empty one of them"
            )
        return word

    def _values(self, i: int, where: str) -> tuple[dict[str, float], dict[str, float]]:
        values: dict[str, float] = {}
        sems: dict[str, float] = {}
        for target in self._sheet.targets:
            column, sem_column = self._sheet.target[target.name], self._sheet.sem[target.name]
            value = self._number(i, where, column)
            sem = self._number(i, where, sem_column)
            if sem is not None and value is None:
                raise InputError(where, f"{sem_column} without {column}", "give both or neither")
            if sem is not None and sem < 0:
                raise InputError(where, f"{sem_column} must not be negative, got {sem:g}")
            if value is not None:
                values[target.name] = value
            if sem is not None:
                sems[target.name] = sem
            unit = self._filled(i, self._sheet.unit.get(target.name, ""))
            if unit and unquoted(unit) != target.unit and value is not None:
                what = f"{column} is in {unit!r:.40}, this campaign measures it in {target.unit!r}"
                raise InputError(where, what, "convert the value")
        return values, sems

    def _number(self, i: int, where: str, column: str) -> float | None:
        cell = self._filled(i, column)
        if not cell:
            return None
        number = as_number(cell)
        if number is None:
            what = f"{column} must be a finite number, got {cell!r:.40}"
            raise InputError(where, what, "mend or empty the cell")
        return number

    # -- which point --------------------------------------------------------------------------

    def _point(self, i: int, where: str) -> tuple[Params, str | None, tuple[int, ...], str]:
        called = unquoted(self._cell(i, ID))
        if self._pool is not None:
            return self._candidate(i, where, called)
        if called:
            trial = trial_called(where, called, self._sheet.name, self._history)
            self._check_same(i, where, called, trial.params)
            return trial.params, None, (trial.id,), called
        raw: dict[str, Value] = {}
        for name, parameter in self._sheet.space.by_name.items():
            cell = self._cell(i, self._sheet.point[name])
            if not cell:
                continue
            value = read_value(parameter, cell)
            if value is None:
                what = f"{name} = {cell!r:.40} is outside the space"
                raise InputError(where, what, f"give {parameter.wanted}")
            raw[name] = value
        params = self._sheet.space.check(raw, where)
        called = ", ".join(f"{name}={value}" for name, value in params.items())
        return params, None, self._times(i, where, called, self._place(params, None)), called

    def _candidate(
        self, i: int, where: str, called: str
    ) -> tuple[Params, str | None, tuple[int, ...], str]:
        assert self._pool is not None
        if not called:
            raise InputError(where, "no id", "name the candidate")
        params = self._pool.params(candidate_called(where, called, self._pool))
        self._check_same(i, where, called, params)
        return params, called, self._times(i, where, called, self._place(params, called)), called

    def _times(self, i: int, where: str, called: str, place: str) -> tuple[int, ...]:
        """The trials of this point that the row may be about. A sheet of ours says which time, or
        says with an empty cell that it is the first."""
        trials, column = self._asked.get(place, []), self._sheet.forecast[REPLICATE]
        if column not in self._columns:
            return tuple(t.id for t in trials)
        number = self._number(i, where, column)
        if number is None:
            return tuple(t.id for t in trials[:1])
        found = [t.id for t in trials if t.why.get(REPLICATE, 1) == number]
        if not found:
            what = f"{called!r:.60} was not handed out as measurement {number:g}"
            raise InputError(where, what, "is it another campaign's, or was the cell changed?")
        return tuple(found[:1])

    def _check_same(self, i: int, where: str, called: str, params: Params) -> None:
        """The point that stands in the row is the one that the id names."""
        for name, column in self._sheet.point.items():
            cell = self._cell(i, column)
            value = params.get(name)
            if not cell or same_value(value if value is not None else "", cell):
                continue
            if isinstance(value, float) and math.isnan(value):
                continue
            what = f"{called!r:.60} has {column} = {value}, this row says {cell!r:.40}"
            raise InputError(where, what, "is it another campaign's, or was the cell changed?")

    def _place(self, params: Params, candidate: str | None) -> str:
        """The same text for the same point."""
        if candidate is not None:
            return candidate
        shown = ((k, f"{v:.9g}" if isinstance(v, float) else str(v)) for k, v in params.items())
        return repr(sorted(shown))
