"""The part of a model card on probabilities: do things happen as often as it says?

G. W. Brier, Mon. Weather Rev. 78, 1 (1950); the reliability table and its error after C. Guo et al.,
"On calibration of modern neural networks", ICML 2017, eq. (3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import beta

from matscout.drive.nested import Estimate
from matscout.drive.nested import estimate as over
from matscout.drive.recipe_plan import Plan
from matscout.drive.recipe_result import Honest
from matscout.models.reliability import calibration_curve, expected_calibration_error
from matscout.report.card import Rows
from matscout.report.markup import number

_EDGE = 1e-9


def calibration(plan: Plan, result: Honest, names: Sequence[str]) -> Iterator[str | Rows]:
    """Nothing for numbers; `names` (2,) are the classes, the second the one that is spoken of."""
    if plan.task == "regression":
        return
    if len(names) != 2 or plan.ranked.sees == "label":
        yield "Of more than two classes the labels alone were kept, and no probabilities to judge."
        return
    truth = np.concatenate([f.truth for f in result.folds])
    chance = np.concatenate([f.guess for f in result.folds])
    if chance.min() < -_EDGE or chance.max() > 1 + _EDGE:
        yield "What the members say are scores that rank rows, and no probabilities."
        return
    folds = [(np.array(f.truth), np.clip(f.guess, 0.0, 1.0)) for f in result.folds]
    brier = over([float(np.mean((p - y) ** 2)) for y, p in folds])
    plain = over([float(np.mean((y.mean() - y) ** 2)) for y, _ in folds])
    error = over([expected_calibration_error(y, p) for y, p in folds])
    yield (
        f"The mean of the members' probabilities of {names[1]!r}, on hidden rows. Brier score"
        f" {_said(brier)} (0 is perfect; saying to all rows how common the class is gives"
        f" {number(plain.mean)}). Expected calibration error over ten bins {_said(error)}."
    )
    yield from _curve(truth, np.clip(chance, 0.0, 1.0))


def _curve(truth: np.ndarray, chance: np.ndarray) -> Iterator[str | Rows]:
    curve = calibration_curve(truth, chance)
    lines, off = [], 0
    for said, share, rows in zip(curve.stated, curve.happened, curve.count, strict=True):
        hits = round(share * rows)
        low = float(beta.ppf(0.025, hits, rows - hits + 1)) if hits else 0.0
        high = float(beta.ppf(0.975, hits + 1, rows - hits)) if hits < rows else 1.0
        off += rows if not low <= said <= high else 0
        span = f"{low:.1%} to {high:.1%}"
        lines.append((f"{said:.1%}", f"{share:.1%}", span, str(int(rows))))
    header = ("said on average", "happened", "95 % interval of that", "rows")
    yield Rows("Does it happen as often as it says?", header, tuple(lines), (0, 1, 2, 3))
    if 2 * off > len(truth):
        yield (
            "Beware: most probabilities are off by more than chance. They rank rows; where the number"
            " itself decides, read the share that happened."
        )


def _said(one: Estimate) -> str:
    span = f" [{number(one.low)}, {number(one.high)}]" if np.isfinite(one.low) else ""
    return f"{number(one.mean)}{span}"
