"""A Gaussian process over a pool, its covariance, and what strategies that need it have in common."""

from __future__ import annotations

import math

import torch
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.joint import joint_draws
from matscout.propose.pool_process import pool_process
from matscout.propose.strategies.view import PoolView
from matscout.surrogate.base import FitFailed
from matscout.trial import Value


def joint_belief(view: PoolView) -> GpJoint:
    """Fitted to what was measured; what is in doubt is believed. Raises FitFailed."""
    fitted = pool_process(view.candidates, view.data)
    return GpJoint(fitted.believe(view.unit[view.believed]))


def believing(belief: GpJoint, rows: Tensor) -> GpJoint:
    """Once the rows (p, d) came out as expected."""
    return GpJoint(belief.posterior.believe(rows))


def inside(belief: GpJoint, y: float) -> float:
    """A value of the target, counted up, in standard deviations of what was measured."""
    return y / belief.scale - belief.loc / belief.scale


def moments(belief: GpJoint, X: Tensor) -> tuple[Tensor, Tensor]:
    """Standardised mean and sd at X (b, d), each (b,)."""
    with torch.no_grad():
        return belief.standardised.mean_sd(X)


def promising(belief: GpJoint, X: Tensor, most: int, beta: float) -> Tensor:
    """Places of the `most` rows of X (b, d) of highest mean + beta * sd, in ascending order."""
    if len(X) <= most:
        return torch.arange(len(X))
    mean, sd = moments(belief, X)
    order = torch.argsort(mean + beta * sd, descending=True, stable=True)
    return order[:most].sort().values


def drawn(belief: GpJoint, X: Tensor, normals: Tensor) -> Tensor:
    """Standardised joint draws at X (b, d) by `normals` (s, b) -> (s, b).

    Rows that occur twice get one value: they are one point. FitFailed where rounding has left no
    covariance to draw from.
    """
    unique, which = torch.unique(X, dim=0, return_inverse=True)
    within = belief.standardised
    try:
        with torch.no_grad():
            mean, covariance = within.mean_sd(unique)[0], within.covariance(unique, unique)
            return joint_draws(mean, covariance, normals[:, : len(unique)])[:, which]
    except (NotPSDError, NanError) as error:
        raise FitFailed(str(error)) from error


def said(
    rule: str, view: PoolView, belief: GpJoint, row: int, score: float | None = None
) -> dict[str, Value]:
    """Why `row` was picked, in the target's unit and direction; what is no number is left out."""
    mean, sd = belief.mean_sd(view.unit[row : row + 1])
    numbers = {"mean": view.target.sign * float(mean), "sd": float(sd)}
    if score is not None:
        numbers["acquisition"] = score
    finite: dict[str, Value] = {k: v for k, v in numbers.items() if math.isfinite(v)}
    if view.works.min() < 1.0:
        finite["p_feasible"] = round(float(view.works[row]), 6)
    return {"rule": rule, **finite}
