"""Recorded experiments as an evaluator: a CSV in which each row is one measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from matscout.data.decimal_comma import decimal_commas, refuse_decimal_commas
from matscout.data.no_square import refuse_no_square
from matscout.data.tables import MISSING
from matscout.data.text_table import TextTable, as_number, read_text_table
from matscout.errors import ExperimentFailed, InputError, did_you_mean
from matscout.evaluate.base import Context
from matscout.parameter import Categorical
from matscout.space import Space
from matscout.trial import Measurement, Params, Value

_DIGITS = 12
"""Numbers match if they agree in so many significant digits: 0.1 + 0.2 finds the row of 0.3."""


class TableEvaluator:
    """Looks the point up in `path` and says what was measured there.

    A row belongs to a point if it agrees in all `inputs` (every column that is no target and not
    `id`, unless told); with `id` a candidate is found by its id in that column. Of several rows,
    one is drawn by the trial's seed, so that noise stays noise; `replicates="mean"` says their mean
    and its standard error instead. `source` names the line. A point that was never recorded, or
    whose value is missing, is a failed experiment.

    Raises InputError for a file, a column or a cell that is not right, with its line.
    """

    costly = False

    def __init__(
        self,
        path: Path,
        targets: list[str],
        inputs: list[str] | None = None,
        id: str | None = None,
        replicates: Literal["draw", "mean"] = "draw",
    ) -> None:
        if not targets:
            raise InputError("evaluator.targets", "names no column", "list the measured columns")
        if replicates not in ("draw", "mean"):
            raise InputError("evaluator.replicates", f"unknown {replicates!r}", "draw or mean")
        raw = read_text_table(Path(path))
        self._path, self._name = Path(path), Path(path).name
        self._mean = replicates == "mean"
        self._targets = tuple(targets)
        self._id = id
        others = [c for c in raw.header if c not in targets and c != id]
        self._inputs = tuple(others if inputs is None else inputs)
        both = set(self._inputs) & set(targets)
        if both or not self._inputs:
            what = f"{sorted(both)[0]!r} is both input and target" if both else "there are none"
            raise InputError("evaluator.inputs", what, "list the columns that are varied")
        columns = {name: raw.column(name) for name in (*self._inputs, *targets)}
        ids = raw.column(id) if id else [""] * len(raw.rows)
        self._lines = raw.lines
        self._commas = [name for name in self._inputs if decimal_commas(columns[name])]
        self._values = {name: _measured(raw, name, columns[name]) for name in targets}
        self._rows: dict[tuple[object, ...], list[int]] = {}
        self._by_id: dict[str, list[int]] = {}
        for row in range(len(raw.rows)):
            key = tuple(_as_matched(columns[name][row]) for name in self._inputs)
            self._rows.setdefault(key, []).append(row)
            self._by_id.setdefault(ids[row], []).append(row)

    def check_space(self, space: Space) -> None:
        """Before a run: what is a number there has no decimal commas here, or no row would match."""
        for name in self._commas:
            if name in space.by_name and not isinstance(space.by_name[name], Categorical):
                refuse_decimal_commas(read_text_table(self._path), name)

    def evaluate(self, params: Params, context: Context) -> Iterator[Measurement]:
        rows = self._find(params, context.candidate)
        if self._mean:
            yield self._averaged(rows)
            return
        rng = np.random.default_rng(np.random.SeedSequence(context.seed))
        row = rows[int(rng.integers(len(rows)))]
        values = {name: float(self._values[name][row]) for name in self._targets}
        self._require(values)
        yield Measurement(values, source=f"{self._name}:{self._lines[row]}")

    def _find(self, params: Params, candidate: str | None) -> Sequence[int]:
        if self._id is not None and candidate is not None:
            rows = self._by_id.get(candidate)
            point = f"{self._id}={candidate}"
        else:
            missing = [name for name in self._inputs if name not in params]
            if missing:
                hint = did_you_mean(missing[0], params) if params else "there are no params"
                where = f"{self._name}: column {missing[0]!r}"
                raise InputError(where, "the space has no parameter of this name", hint)
            rows = self._rows.get(tuple(_as_matched(params[name]) for name in self._inputs))
            point = ", ".join(f"{name}={params[name]}" for name in self._inputs)
        if rows is None:
            raise ExperimentFailed(f"{self._name} has no row for {point}")
        return rows

    def _averaged(self, rows: Sequence[int]) -> Measurement:
        """Mean over the rows with a value, and sd / sqrt(n) where there are two or more."""
        values, sem = {}, {}
        for name in self._targets:
            known = self._values[name][list(rows)]
            known = known[~np.isnan(known)]
            values[name] = float(known.mean()) if known.size else float("nan")
            if known.size > 1:
                sem[name] = float(known.std(ddof=1) / np.sqrt(known.size))
        self._require(values)
        lines = ",".join(str(self._lines[row]) for row in rows)
        return Measurement(values, sem, source=f"{self._name}:{lines}")

    def _require(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if np.isnan(value):
                raise ExperimentFailed(f"{self._name} records no {name} there")


def _measured(raw: TextTable, name: str, cells: Sequence[str]) -> np.ndarray:
    """(n,) floats, NaN where nothing was measured."""
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        number = as_number(cell)
        if number is None:
            raise InputError(
                raw.at(row), f"{name}: {cell!r:.60} is no number", "mend or empty the cell"
            )
        values[row] = number
    refuse_no_square(raw, name, values.tolist())
    return values


def _as_matched(value: Value) -> object:
    """Numbers by value, however written; truth by its word; text as it is."""
    text = str(value).strip()
    if isinstance(value, bool) or text.lower() in ("true", "false"):
        return text.lower()
    number = as_number(text)
    return text if number is None else float(f"{number:.{_DIGITS - 1}e}")
