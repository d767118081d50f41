"""A backtest for a person: a table, one sentence for each arm, and curves for a plot."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

import numpy as np

from matscout.drive.backtest import RANDOM
from matscout.drive.backtest_figures import ArmFigures


def table(arms: Mapping[str, ArmFigures]) -> str:
    """Columns: experiments to 80 %, AF, most EF, found against random; and the model's quality."""
    learned = any(arm.labels for arm in arms.values())
    head = ["arm", "to 80 %", "AF [95 %]", "EF max", "found ×"]
    rows = [head + (["model", "gain [95 %]"] if learned else [])]
    for arm in arms.values():
        row = [
            arm.name,
            _number(float(np.median(arm.to_80))),
            f"{_number(arm.af, 2)} {_range(arm.af_ci, 2)}".rstrip(),
            _number(arm.ef_max, 1),
            _number(arm.found_ratio, 2),
        ]
        if learned:
            row += [_number(arm.quality[-1], 3), _gain(arm.gain, arm.gain_ci, 3)]
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def sentence(arm: ArmFigures, seeds: int) -> str:
    """What it means, in the words of the question that was asked."""
    if arm.name == RANDOM:
        return ""
    count = "1 seed" if seeds == 1 else f"{seeds} seeds"
    if arm.by_model:
        better = "a better model than random labels" if arm.helped else "no better model"
        said = f"{better} ({_gain(arm.gain, arm.gain_ci, 3)}, {count})"
    elif math.isfinite(arm.saved):
        said = (
            f"{arm.saved:.0f} experiments saved {_range(arm.saved_ci, 0)} of the "
            f"{arm.af * float(np.median(arm.to_80)):.0f} that random needs ({count})"
        )
    else:
        said = (
            f"the budget did not suffice for 80 %; found {arm.found_ratio:.2f} times what chance "
            f"finds ({_gain(arm.found_gain, arm.found_gain_ci, 2)} beside random, {count})"
        )
    return f"{arm.name}: {' '.join(said.split())}.{_so(arm)}"


def _so(arm: ArmFigures) -> str:
    if arm.helped is None:
        return " One seed does not tell whether that is luck."
    return "" if arm.helped else " Learning did not help here."


def _gain(value: float, bounds: tuple[float, float], digits: int) -> str:
    return f"{value:+.{digits}f} {_range(bounds, digits)}".rstrip()


def curves(arms: Mapping[str, ArmFigures]) -> str:
    """CSV, ready to plot: for each arm and number of experiments the mean number found and the
    10th and 90th percentile over seeds; where a model is judged, its quality after so many."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    learned = any(arm.labels for arm in arms.values())
    write(["arm", "experiments", "found_mean", "found_p10", "found_p90", *["model"] * learned])
    for arm in arms.values():
        length, quality = max(map(len, arm.found)), dict(zip(arm.labels, arm.quality, strict=True))
        # A run that ended early had found all.
        full = np.array([[*curve, *[curve[-1]] * (length - len(curve))] for curve in arm.found])
        low, high = np.percentile(full, [10, 90], axis=0)
        for i, values in enumerate(zip(full.mean(axis=0), low, high, strict=True), start=1):
            model = [f"{quality[i]:.6g}" if i in quality else ""] if learned else []
            write([arm.name, i, *(f"{value:.6g}" for value in values), *model])
    return out.getvalue()


def _number(value: float, digits: int = 0) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}" if digits else f"{value:g}"


def _range(bounds: tuple[float, float], digits: int) -> str:
    low, high = bounds
    if math.isnan(low):
        return ""
    ends = [f"{v:.{digits}f}" if math.isfinite(v) else "…" for v in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"
