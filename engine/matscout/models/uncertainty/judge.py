"""Whether a belief was right: likelihood, CRPS, coverage; in and out of distribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from matscout.models.inputs import Chosen, ColumnInputs, Inputs, inputs_of
from matscout.models.uncertainty.as_surrogate import AsSurrogate
from matscout.models.uncertainty.belief import Belief, UncertainModel
from matscout.surrogate.calibration import coverage, miscalibration_area, sharpness
from matscout.surrogate.conformal import Conformal
from matscout.surrogate.crps import crps
from matscout.surrogate.held_out import HeldOut


@dataclass(frozen=True)
class Judged:
    """Of n measurements that the model has not seen, under Gaussians of the belief's mean and sd.

    nll                 mean negative log density, nats; smaller is better
    crps                mean continuous ranked probability score, in the target's unit; smaller is
                        better
    coverage            share inside the central interval of `level`
    area                miscalibration area, 0 (perfect) to 1/2
    sharpness           root mean variance, in the target's unit
    mae                 mean absolute error, in the target's unit
    epistemic, aleatoric  root mean squares of the two sds, in the target's unit
    conformal           coverage of the conformal interval of `level`; NaN where none was asked for
    """

    n: int
    level: float
    nll: float
    crps: float
    coverage: float
    area: float
    sharpness: float
    mae: float
    epistemic: float
    aleatoric: float
    conformal: float = float("nan")


def judged(
    belief: Belief, y: np.ndarray, level: float = 0.9, conformal: float = float("nan")
) -> Judged:
    """y (n,), n >= 1, physical units."""
    mean, sd = belief.mean, belief.sd
    held = HeldOut.normal(*(torch.from_numpy(np.asarray(part)) for part in (y, mean, sd)))
    return Judged(
        n=len(y),
        level=level,
        nll=-float(held.log_density.mean()),
        crps=float(crps(held).mean()),
        coverage=coverage(y, mean, sd, level),
        area=miscalibration_area(y, mean, sd),
        sharpness=sharpness(sd),
        mae=float(np.abs(y - mean).mean()),
        epistemic=sharpness(belief.epistemic),
        aleatoric=sharpness(belief.aleatoric),
        conformal=conformal,
    )


def judge(
    model: UncertainModel,
    X: Inputs | np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    sets: Mapping[str, np.ndarray],
    *,
    level: float = 0.9,
    conformal: bool = False,
) -> dict[str, Judged]:
    """Fit on the rows `train`, judge on each of `sets`: row numbers by name, such as
    {"inside": held-out rows of the same kind, "outside": another cluster, or a tail of y}.

    `conformal` (columns only) also fits conformal intervals on the training rows, which costs up to
    ten more fits.
    """
    inputs, y = inputs_of(X), np.asarray(y, dtype=np.float64)
    for name, rows in sets.items():
        if np.intersect1d(rows, train).size:
            raise ValueError(f"'{name}' shares rows with the training rows")
    fitted = model.fit(_taken(inputs, train), y[train])
    covered = (
        _conformal_cover(model, inputs, y, train, sets, level)
        if conformal
        else dict.fromkeys(sets, float("nan"))
    )
    return {
        name: judged(fitted.predict(_taken(inputs, rows)), y[rows], level, covered[name])
        for name, rows in sets.items()
    }


def _taken(inputs: Inputs, rows: np.ndarray) -> Inputs:
    if isinstance(inputs, ColumnInputs):
        return ColumnInputs(inputs.X[torch.from_numpy(np.asarray(rows))])
    return Chosen.of(inputs, rows)


def _conformal_cover(
    model: UncertainModel,
    inputs: Inputs,
    y: np.ndarray,
    train: np.ndarray,
    sets: Mapping[str, np.ndarray],
    level: float,
) -> dict[str, float]:
    if not isinstance(inputs, ColumnInputs):
        raise ValueError("conformal intervals are fitted on columns; crystals: on their features")
    X, Y = inputs.X.double(), torch.from_numpy(y)[:, None]
    intervals = Conformal(AsSurrogate(model, noisy=True)).fit(X[train], Y[train])
    out = {}
    for name, rows in sets.items():
        found = intervals.interval(X[rows], level)
        inside = (found.low <= Y[rows, 0]) & (Y[rows, 0] <= found.high)
        out[name] = float(inside.double().mean())
    return out
