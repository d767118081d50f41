"""What is wrong with a table, what that means for a model, and which option answers it.

Nothing is refused but a file that is no table: what a trainer would refuse is a finding. Pure function
of the file and a seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscout.data.audit_columns import column_findings, useful_inputs
from matscout.data.audit_coverage import coverage, coverage_findings, diversity_finding, reduced
from matscout.data.audit_findings import LEVELS, Bar, Coverage, Finding
from matscout.data.audit_outliers import outlier_findings
from matscout.data.audit_rows import group_finding, input_groups, replicates, row_findings
from matscout.data.audit_sheet import Sheet, read_sheet
from matscout.data.audit_target import histogram, imbalance_ratio, in_decades, target_findings
from matscout.data.diversity import Diversity, diversity
from matscout.errors import InputError


@dataclass(frozen=True)
class Audit:
    """Of `rows` rows. `kinds` says what each column but the target was taken for. `task` is
    regression or classification, "" without a target. `findings` come gravest first.

    `imbalance` is the largest class over the smallest (of a number: of ten ranges of one width, in
    log10 where `decades`), `noise` the robust sd of one measurement from replicates; NaN if unknown.
    """

    table: str
    rows: int
    kinds: Mapping[str, str]
    target: str | None
    task: str
    findings: tuple[Finding, ...]
    histogram: tuple[Bar, ...]
    decades: bool
    imbalance: float
    noise: float
    coverage: Coverage | None
    diversity: Diversity | None

    @property
    def blocked(self) -> bool:
        """Whether the evaluator `tabular` would refuse the table as it is."""
        return any(finding.level == "blocks" for finding in self.findings)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns worth learning from: no names, constants, empty or repeated columns."""
        return next(
            (tuple(f.options["inputs"]) for f in self.findings if "inputs" in f.options),  # type: ignore[arg-type]
            tuple(
                name for name, kind in self.kinds.items() if kind not in ("id", "constant", "empty")
            ),
        )

    @property
    def options(self) -> dict[str, object]:
        """Those of the evaluator `tabular` that answer all that blocks or matters, ready for a config.

        Where classes or values are rare and rows belong together, the split does both. Without a
        column to group by it cannot be grouped, and is left as it is.
        """
        out: dict[str, Any] = {}
        splits = set()
        for finding in self.findings:
            if finding.level == "note":
                continue
            for name, value in finding.options.items():
                if name == "split":
                    splits.add(value)
                elif isinstance(value, dict):
                    out[name] = {**value, **out.get(name, {})}
                else:
                    out.setdefault(name, value)
        if "group" not in out:
            splits.discard("grouped")
        if splits:
            out["split"] = "_".join(sorted(map(str, splits), reverse=True))
        return out

    def of(self, kind: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == kind)


def audit(
    path: str | Path,
    *,
    target: str | None = None,
    id: str | None = None,
    formula: str | None = None,
    structure: str | None = None,
    header: Sequence[str] | None = None,
    rows: Sequence[int] | np.ndarray | None = None,
    seed: int = 0,
) -> Audit:
    """Look a CSV through. `id`, `formula` and `structure` name columns whose kind is known; the others'
    kinds are found. `header` has the column names of a file that has none; `seed` draws the batches
    of the diversity coefficient. With `rows` (their numbers) the others are not looked at: what is
    chosen by the findings must not have seen the rows that will judge it.

    Raises InputError for a file that is no table and for an unknown column.
    """
    sheet = read_sheet(path, target, _said(id, formula, structure), header, rows)
    seen = replicates(sheet)
    bars = histogram(sheet.target) if sheet.target else ()
    found = [*target_findings(sheet, bars), *column_findings(sheet), *row_findings(sheet, seen)]
    found += outlier_findings(sheet)
    formulas, chemistry = sheet.of_kind("formula"), sheet.of_kind("structure")
    by = next(iter([*formulas, *chemistry]), None)
    covered, units = None, [""] * len(sheet)
    if by is not None:
        units = reduced(sheet, by)
        covered = coverage(sheet, units, chemistry[0] if chemistry else None)
        found += [
            *group_finding(sheet, by, units, useful_inputs(sheet)),
            *coverage_findings(sheet, covered),
        ]
    else:
        found += input_groups(sheet, seen)
    spread = _diversity(sheet, units if by is not None else None, seed)
    if spread is not None:
        found += diversity_finding(spread)
    y = sheet.target.values[np.isfinite(sheet.target.values)] if sheet.target else np.array([])
    classes = bool(sheet.target and sheet.target.classes)
    return Audit(
        sheet.raw.name, len(sheet), {name: c.kind for name, c in sheet.columns.items()}, target,
        "" if sheet.target is None else "classification" if classes else "regression",
        tuple(sorted(found, key=lambda f: LEVELS.index(f.level))), bars,
        not classes and in_decades(y), imbalance_ratio(bars), seen.noise, covered, spread,
    )  # fmt: skip


def _said(id: str | None, formula: str | None, structure: str | None) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, kind in ((id, "id"), (formula, "formula"), (structure, "structure")):
        if name is None:
            continue
        if name in said:
            raise InputError(f"--{kind}", f"{name!r} is said to be --{said[name]} already")
        said[name] = kind
    return said


def _diversity(sheet: Sheet, formulas: list[str] | None, seed: int) -> Diversity | None:
    numbers = {name: sheet.numbers(name) for name in sheet.of_kind("number")}
    labels = {name: sheet.inputs[name].keys for name in sheet.of_kind("category")}
    found = diversity(numbers, labels, {"formula": formulas} if formulas else {}, seed=seed)
    return found if found is None or math.isfinite(found.coefficient) else None
