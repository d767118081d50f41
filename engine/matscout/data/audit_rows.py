"""Findings on rows: copies, rows that contradict each other, and rows that belong together."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import median_filter
from scipy.stats import chi2, t

from matscout.data.audit_findings import Finding, finding
from matscout.data.audit_sheet import Sheet
from matscout.data.audit_units import exact_factor
from matscout.data.text_table import is_missing

_SOURCE_WORDS = frozenset(
    {"doi", "ref", "reference", "source", "paper", "batch", "lab", "author", "operator"}
)
_ENOUGH = 10
"""Inputs measured more than once, from which the noise of a measurement is taken."""

_CHANCE = 0.05
"""That a table without a contradiction has any (Bonferroni over its replicates)."""

_TAIL = 4.0
"""Degrees of freedom of Student's t: repeated measurements stray further than a Gaussian says. By a
Gaussian's tail 7 % of the crossed barrels of Gongora et al. would contradict each other."""

_OF_ITS_OWN = 5
"""Replicates from which a candidate's own spread is taken as well: noise differs between them."""

_APART = 0.5
"""A contradiction is also more than half a robust standard deviation of all targets."""


@dataclass(frozen=True)
class Replicates:
    """Rows with equal inputs, by group of two or more, and what repeated measurements tell of noise.

    `noise` is a robust standard deviation of one measurement in the target's unit, NaN where fewer
    than `_ENOUGH` inputs were measured more than once with different outcomes; `local` is the same
    around each of the target's `levels`. `share` is the part of the target's variance (of these
    rows) that lies within equal inputs: no model of these inputs has R² above 1 - share.
    """

    groups: tuple[tuple[int, ...], ...]
    noise: float
    share: float
    levels: tuple[float, ...] = ()
    local: tuple[float, ...] = ()

    def noise_at(self, levels: Sequence[float]) -> np.ndarray:
        """The noise where the target is about so large, (k,): noise often grows with it."""
        if not self.levels:
            return np.zeros(len(levels))
        return np.interp(levels, self.levels, self.local)


def row_findings(sheet: Sheet, seen: Replicates) -> Iterator[Finding]:
    yield from _duplicates(sheet)
    if sheet.target is not None:
        if sheet.target.classes:
            yield from _two_classes(sheet, seen)
        else:
            yield from _contradictions(sheet, seen)
            yield from _noise(sheet, seen)
    yield from _sources(sheet)


def replicates(sheet: Sheet) -> Replicates:
    """Rows of equal inputs. Copies of the outcome, too, count once for the noise."""
    if not sheet.inputs:
        return Replicates((), float("nan"), float("nan"))
    groups = tuple(tuple(rows) for rows in _alike(sheet.keys()) if len(rows) > 1)
    nothing = Replicates(groups, float("nan"), float("nan"))
    if sheet.target is None or sheet.target.classes:
        return nothing
    y = sheet.target.values
    sd, level, within, total = [], [], 0.0, 0.0
    middle = float(np.nanmean(y)) if np.isfinite(y).any() else math.nan
    for rows in groups:
        values = np.unique(y[list(rows)][np.isfinite(y[list(rows)])])
        count = len(values)
        if count > 1:
            squares = float(np.square(values - values.mean()).sum())
            sd.append(math.sqrt(squares / (count - 1)) / _usual_sd(count))
            level.append(float(np.median(values)))
            within += squares * count / (count - 1)
            total += float(np.square(values - middle).sum())
    if len(sd) < _ENOUGH or not total:
        return nothing
    order = np.argsort(level, kind="stable")
    local = median_filter(np.array(sd)[order], 2 * _ENOUGH + 1, mode="nearest")
    return Replicates(
        groups, float(np.median(sd)), min(within / total, 1.0),
        tuple(np.array(level)[order].tolist()), tuple(local.tolist()),
    )  # fmt: skip


@cache
def _usual_sd(count: int) -> float:
    """The median of the sd of so many Gaussian values, as a part of the true one."""
    return math.sqrt(float(chi2.median(count - 1)) / (count - 1))


def robust_sd(values: np.ndarray) -> float:
    """1.4826 MAD, the standard deviation of a Gaussian; NaN are left out."""
    known = values[np.isfinite(values)]
    return float(np.median(np.abs(known - np.median(known)))) * 1.4826 if len(known) else 0.0


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    found: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return list(found.values())


def _duplicates(sheet: Sheet) -> Iterator[Finding]:
    if not sheet.inputs:
        return
    y = sheet.raw.column(sheet.target.name) if sheet.target else [""] * len(sheet)
    groups = [g for g in _alike(list(zip(sheet.keys(), y, strict=True))) if len(g) > 1]
    copies = sorted(row for rows in groups for row in rows[1:])
    if copies:
        all_of_it = "the target too" if sheet.target else "in every input"
        verb = "row repeats an earlier one" if len(copies) == 1 else "rows repeat an earlier one"
        what = f"{len(copies)} of {len(sheet)} {verb}, {all_of_it}"
        level = "matters" if 100 * len(copies) >= len(sheet) else "note"
        yield finding("duplicates", level, what, lines=sheet.lines(copies))


def _two_classes(sheet: Sheet, seen: Replicates) -> Iterator[Finding]:
    assert sheet.target is not None
    y = sheet.target.values
    torn = [g for g in seen.groups if len(np.unique(y[list(g)][np.isfinite(y[list(g)])])) > 1]
    if torn:
        rows = sorted(row for group in torn for row in group)
        verb = "has" if len(torn) == 1 else "have"
        what = f"{len(torn)} sets of equal inputs {verb} different classes ({len(rows)} rows)"
        yield finding("contradictions", "matters", what, lines=sheet.lines(rows))


def _contradictions(sheet: Sheet, seen: Replicates) -> Iterator[Finding]:
    assert sheet.target is not None
    y = sheet.target.values
    groups = [rows for g in seen.groups if len(rows := [r for r in g if np.isfinite(y[r])]) > 1]
    least, known = _APART * robust_sd(y), np.isfinite(seen.noise)
    # The tail that one in twenty tables without a contradiction would reach once.
    tail = float(t.isf(_CHANCE / (2 * max(sum(map(len, groups)), 1)), _TAIL))
    local = seen.noise_at([float(np.median(y[rows])) for rows in groups])
    wrong: list[int] = []
    for rows, noise in zip(groups, local.tolist(), strict=True):
        values = y[rows]
        off = np.abs(values - np.median(values)) * math.sqrt(len(rows) / (len(rows) - 1))
        limit = least
        if known:
            own = robust_sd(values) if len(rows) >= _OF_ITS_OWN else 0.0
            limit = max(least, tail * max(own, noise))
        if not off.max() > limit > 0.0:
            continue
        wrong += [row for row, distance in zip(rows, off, strict=True) if distance > limit]
        name = exact_factor(float(values.max()), float(values.min()))
        if name:
            ends = f"{values.min():.6g} and {values.max():.6g}"
            what = f"equal inputs, but targets {ends}: {name} apart"
            names, lines = [sheet.target.name], sheet.lines(rows)
            yield finding("unit factor", "matters", what, columns=names, lines=lines)
    if wrong:
        judged = (
            f"the noise of a measurement is about {seen.noise:.3g}" if known
            else f"too few replicates to know the noise: more than half a robust sd, {least:.3g}"
        )  # fmt: skip
        verb = "row has" if len(wrong) == 1 else "rows have"
        what = (
            f"{len(wrong)} {verb} the inputs of others but a target further away than replicates"
            f" explain ({judged})"
        )
        yield finding("contradictions", "matters", what, lines=sheet.lines(sorted(wrong)))


def _noise(sheet: Sheet, seen: Replicates) -> Iterator[Finding]:
    if np.isfinite(seen.noise):
        what = (
            f"{len(seen.groups)} inputs were measured more than once: equal inputs differ by a robust"
            f" sd of {seen.noise:.3g}, which makes {seen.share:.0%} of the variance of these rows"
        )
        yield finding("noise", "matters" if seen.share > 0.1 else "note", what)


def group_finding(
    sheet: Sheet, column: str, units: Sequence[str], inputs: Sequence[str]
) -> Iterator[Finding]:
    """Several rows of one composition: `units` (n,) are reduced formulas, "" for none; `inputs` the
    columns to learn from, the formula among them.
    """
    counts = Counter(unit for unit in units if unit)
    shared = [row for row, unit in enumerate(units) if unit and counts[unit] > 1]
    if 50 * len(shared) < len(sheet):  # two in a hundred move no score
        return
    largest, most = counts.most_common(1)[0]
    what = (
        f"{len(shared)} of {len(sheet)} rows share their composition with another: {len(counts)}"
        f" compositions, {largest} in {most} rows"
    )
    texts = len({cell for cell in sheet.raw.column(column) if not is_missing(cell)})
    if texts > len(counts) and sheet.columns[column].kind == "formula":
        what += f" (written in {texts} ways: make a column of one text for each, and group by that)"
    yield finding(
        "groups", "matters", what, columns=[column], lines=sheet.lines(shared),
        split="grouped", group=column, inputs=list(inputs),
    )  # fmt: skip


def input_groups(sheet: Sheet, seen: Replicates) -> Iterator[Finding]:
    """Without a formula: rows of equal inputs are replicates, and leak as compositions do."""
    rows = sorted(row for group in seen.groups for row in group)
    if 50 * len(rows) < len(sheet):
        return
    what = (
        f"{len(rows)} of {len(sheet)} rows have exactly the inputs of another"
        f" ({len(sheet) - len(rows) + len(seen.groups)} different inputs): replicates"
    )
    made = finding("groups", "matters", what, lines=sheet.lines(rows), split="grouped")
    mend = 'split = "grouped", group = "equal inputs" (or a column that is the same for replicates)'
    yield Finding(
        made.kind, made.level, what,
        "a random split puts replicates of one experiment on both sides: the score says how well"
        " experiments are remembered, not how well new ones are predicted",
        mend, (), made.lines, {"split": "grouped"},
    )  # fmt: skip


def _sources(sheet: Sheet) -> Iterator[Finding]:
    for name in sheet.columns:
        words = re.findall(r"[A-Za-z]+", name.lower())
        if not words or words[-1] not in _SOURCE_WORDS:
            continue
        counts = Counter(cell for cell in sheet.raw.column(name) if not is_missing(cell))
        filled = sum(counts.values())
        if 2 * filled < len(sheet) or len(counts) < 2 or len(counts) > 0.8 * filled:
            continue
        largest, most = counts.most_common(1)[0]
        what = f"{filled} rows come from {len(counts)} sources ({name!r}), {most} from {largest[:40]!r}"
        yield finding("sources", "note", what, columns=[name], split="grouped", group=name)
