"""Calibration as pictures: surprises in the order in which they came, and the reliability curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscout.report.calibration_table import CalibrationRow, Prediction, reliability
from matscout.report.markup import Markup, figure, number, table
from matscout.report.svg import Axis, Canvas, legend

_SHOWN_Z = 5.0
"""Surprises beyond five sd are drawn at the edge."""


def surprise_figure(made: Sequence[Prediction]) -> Markup:
    """(value - mean) / sd of each prediction, in the order of completion."""
    z = np.array([p.z for p in made])
    edge = float(np.clip(np.abs(z).max(), 3.0, _SHOWN_Z))
    x = Axis.over([1.0, max(len(made), 2)], "predicted experiments, in order", pad=0.03)
    canvas = Canvas(x, Axis.over([-edge, edge], "surprise: (value − mean) / sd"))
    ends = np.array([x.low, x.high])
    canvas.band(ends, np.full(2, -1.645), np.full(2, 1.645), "f-band")
    canvas.level(0.0, "c-soft")
    for i, p in enumerate(made, start=1):
        title = f"trial {p.trial}: {number(p.value)} against {number(p.mean)} ± {number(p.sd, 2)}"
        if p.inside:
            canvas.dot(i, p.z, "f-blue", title)
        else:
            canvas.cross(i, p.z, "c-red", title)
    outside = sum(not p.inside for p in made)
    told = (
        f"{outside} of {len(made)} measurements fell outside their 90 % interval;"
        f" one in ten should. Mean surprise {number(float(z.mean()), 2)} sd (0 if unbiased)."
    )
    entries = [("dot", "f-blue", "inside"), ("cross", "c-red", "outside")]
    entries.append(("area", "f-band", "where nine in ten should lie"))
    drawing = canvas.svg("surprise", "Surprise of each measurement", told)
    return figure(drawing, [told, legend(entries)])


def reliability_figure(made: Sequence[Prediction], whole: CalibrationRow) -> Markup:
    """Share of measurements inside central intervals against their nominal probability."""
    nominal, observed = reliability(np.array([p.z for p in made]))
    unit = Axis(0.0, 1.0, "", False, tuple((k / 4, f"{25 * k} %") for k in range(5)))
    x = Axis(0.0, 1.0, "probability that the interval promises", False, unit.ticks)
    y = Axis(0.0, 1.0, "share of measurements inside", False, unit.ticks)
    canvas = Canvas(x, y)
    canvas.band(nominal, np.minimum(nominal, observed), np.maximum(nominal, observed), "f-band")
    canvas.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "c-soft")
    canvas.line(nominal, observed, "c-blue")
    told = (
        f"Below the dashed line the intervals are too narrow, above it too wide. The grey area"
        f" between is the miscalibration, {whole.miscalibration:.3f} (0 perfect, 0.5 worst)."
    )
    return figure(canvas.svg("reliability", "Reliability of the intervals", told), told)


def rounds_table(parts: Sequence[CalibrationRow]) -> Markup:
    """One row a block of experiments."""
    rows = [
        [
            f"{p.first}–{p.last}",
            p.count,
            f"{100 * p.coverage:.0f} %",
            f"{100 * p.low:.0f}–{100 * p.high:.0f} %",
            f"{p.miscalibration:.3f}",
            number(p.bias, 2),
        ]
        for p in parts
    ]
    header = ["trials", "predictions", "inside 90 %", "95 % bounds", "miscalibration", "mean z"]
    cells = [[str(cell) for cell in row] for row in rows]
    return table("Calibration round by round", header, cells, numeric=range(1, 6))
