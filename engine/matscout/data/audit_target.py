"""Findings on the target: how it is spread, what is missing or censored, which values are rare."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.stats import skew

from matscout.data.audit_findings import Bar, Finding, finding
from matscout.data.audit_rows import robust_sd
from matscout.data.audit_sheet import Sheet, TargetColumn

BINS = 10
FEW = 100
"""Rows below which tuning a model rarely paid in matscout's own tables (docs/small-data.md)."""

OUTLYING = 3.5
"""Iglewicz & Hoaglin, How to Detect and Handle Outliers (1993): the modified z-score that is far."""

_MOST_OUTLYING = 0.05
"""More values than this are no outliers but a tail."""

_IMBALANCED = 4.0
_SKEWED = 2.0
_ZEROS = 0.1


def histogram(target: TargetColumn) -> tuple[Bar, ...]:
    """Classes by label; numbers in ten bars of one width, of log10 where `in_decades`."""
    y = target.values[np.isfinite(target.values)]
    if target.classes:
        counts = np.bincount(y.astype(int), minlength=len(target.classes))
        return tuple(Bar(label, int(n)) for label, n in zip(target.classes, counts, strict=True))
    if not len(y):
        return ()
    log = in_decades(y)
    counts, edges = np.histogram(np.log10(y) if log else y, bins=BINS)
    ends = 10.0**edges if log else edges
    pairs = pairwise(ends.tolist())
    return tuple(
        Bar(f"{low:.4g} to {high:.4g}", int(n), low, high)
        for n, (low, high) in zip(counts, pairs, strict=True)
    )


def in_decades(y: np.ndarray) -> bool:
    """Whether values are better looked at by their logarithm: all above zero, and spread over two
    decades or more between the 5 % and the 95 % quantile.
    """
    if not len(y) or y.min() <= 0:
        return False
    low, high = np.quantile(y, (0.05, 0.95))
    return bool(high >= 100 * low)


def imbalance_ratio(bars: tuple[Bar, ...]) -> float:
    """The largest count over the smallest that is not zero: of classes, or of bars of one width."""
    counts = [bar.count for bar in bars if bar.count]
    return max(counts) / min(counts) if counts else float("nan")


def target_findings(sheet: Sheet, bars: tuple[Bar, ...]) -> Iterator[Finding]:
    target = sheet.target
    if target is None:
        return
    yield from _cells(sheet, target)
    if len(sheet) < FEW:
        yield finding("few rows", "matters", f"{len(sheet)} rows", objective="cv")
    if target.classes:
        yield from _classes(sheet, target, bars)
    else:
        yield from _numbers(sheet, target, bars)


def _cells(sheet: Sheet, target: TargetColumn) -> Iterator[Finding]:
    name = target.name
    for kind, rows, told in (
        ("missing target", target.missing, "no"),
        ("unreadable", target.unreadable, "an unreadable"),
        ("infinite", target.infinite, "an infinite"),
        ("censored", target.bounds, "a censored"),
    ):
        if rows:
            cell = sheet.raw.column(name)[rows[0]]
            shown = f", such as {cell!r:.40}" if kind != "missing target" else ""
            verb = "row has" if len(rows) == 1 else "rows have"
            what = f"{len(rows)} {verb} {told} target {name!r}{shown}"
            yield finding(kind, "blocks", what, columns=[name], lines=sheet.lines(rows))


def _classes(sheet: Sheet, target: TargetColumn, bars: tuple[Bar, ...]) -> Iterator[Finding]:
    if len(bars) < 2:
        yield finding("one class", "blocks", f"{target.name!r} is always {bars[0].label!r}")
        return
    rare = min(bars, key=lambda bar: bar.count)
    total, ratio = sum(bar.count for bar in bars), imbalance_ratio(bars)
    if ratio >= _IMBALANCED:
        what = (
            f"{rare.count} of {total} rows are {rare.label!r} ({rare.count / total:.1%}); imbalance"
            f" ratio {ratio:.3g} to 1"
        )
        yield finding(
            "imbalance", "matters", what, columns=[target.name],
            split="stratified", metric="pr_auc" if len(bars) == 2 else "f1_macro", breakdown=True,
        )  # fmt: skip
    if rare.count < 10:
        y = target.values
        place = target.classes.index(rare.label)
        lines = sheet.lines(np.flatnonzero(y == place))
        what = f"class {rare.label!r} has {rare.count} rows"
        yield finding("scarce class", "matters", what, columns=[target.name], lines=lines)


def _numbers(sheet: Sheet, target: TargetColumn, bars: tuple[Bar, ...]) -> Iterator[Finding]:
    y = target.values[np.isfinite(target.values)]
    if len(np.unique(y)) < 2:
        what = f"{target.name!r} is always {y[0]:g}" if len(y) else f"{target.name!r} has no number"
        yield finding("constant target", "blocks", what, columns=[target.name])
        return
    zeros = float((y == 0).mean())
    if zeros >= _ZEROS and zeros < 1.0:
        what = f"{zeros:.0%} of {target.name!r} are exactly zero"
        yield finding("zeros", "matters", what, columns=[target.name], breakdown=True)
    own = far(target.values)
    if 0 < own.size <= _MOST_OUTLYING * len(y):
        scale = " of its logarithm" if in_decades(y) else ""
        verb = "value lies" if own.size == 1 else "values lie"
        what = (
            f"{own.size} {verb} more than {OUTLYING} robust sd{scale} from the median:"
            f" {_shown(target.values[own])}"
        )
        yield finding(
            "target outliers", "note", what, columns=[target.name], lines=sheet.lines(own)
        )
    bent = float(skew(y))
    if bent > _SKEWED and in_decades(y) and y.max() < 1:
        low, high = np.quantile(y, (0.05, 0.95))
        what = f"{target.name!r} spans decades below 1: nine in ten are {low:.2g} to {high:.2g}"
        yield finding(
            "decades", "matters", what, columns=[target.name],
            hyperparameters={"target_transform": "quantile"},
        )  # fmt: skip
    elif bent > _SKEWED and y.min() > -1:
        what = f"{target.name!r} is skewed to the right (skewness {bent:.1f})"
        yield finding(
            "skew", "matters", what, columns=[target.name],
            hyperparameters={"target_transform": "log1p"},
        )  # fmt: skip
    ratio = imbalance_ratio(bars)
    if ratio >= 10 * _IMBALANCED:
        rare = [bar for bar in bars if 0 < bar.count < max(b.count for b in bars) / 40]
        count = sum(bar.count for bar in rare)
        unit = "values of one width in log" if in_decades(y) else "values of one width"
        what = (
            f"of ten ranges of {unit} the fullest has {ratio:.3g} times the rows of the emptiest;"
            f" {count / len(y):.1%} of the rows lie in ranges with less than a fortieth of it"
        )
        level = "matters" if 100 * count >= len(y) else "note"
        yield finding(
            "target imbalance", level, what, columns=[target.name],
            split="stratified", also=["tail_mae", "balanced_mae"], breakdown=True,
        )  # fmt: skip


def far(values: np.ndarray, limit: float = OUTLYING, flat: bool = True) -> np.ndarray:
    """Rows whose modified z-score |x - median| / (1.4826 MAD) is above `limit`, (k,); of log10 where
    the values span decades. Where most values are equal (MAD 0) the mean absolute deviation stands
    in, as Iglewicz & Hoaglin advise; without `flat` nothing is far there.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.array([], dtype=int)
    x = values.copy()
    if in_decades(values[known]):
        x[known] = np.log10(values[known])
    off = np.abs(x - np.median(x[known]))
    scale = robust_sd(x) or (1.2533 * float(off[known].mean()) if flat else 0.0)
    if not scale:
        return np.array([], dtype=int)
    return np.flatnonzero(known & (off > limit * scale))


def _shown(values: np.ndarray) -> str:
    ends = np.sort(values)
    if len(ends) <= 4:
        return ", ".join(f"{v:.4g}" for v in ends)
    return f"{ends[0]:.4g} to {ends[-1]:.4g}"
