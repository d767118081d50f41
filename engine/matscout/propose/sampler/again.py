"""Whether the best point of a noisy study is worth measuring again before a new one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from matscout.history import History
from matscout.propose.confirmed import best_again
from matscout.propose.gp_space import SpaceModel
from matscout.propose.observations import value_of, variance_of
from matscout.propose.replicates import measurements, pooled
from matscout.propose.toolbox import SpaceTools
from matscout.trial import Proposal, Target, Trial

EVERY = 3
"""One suggestion in so many may be a replicate. Near an optimum many points are as good as the best
within the noise, and repeating them alone would never find a better one."""

RULE = "replicate"


def again(tools: SpaceTools, history: History) -> Proposal | None:
    """A point to measure again, chosen as `run.confirm` does (propose/confirmed.py): where the best
    point by the model's mean leads the second best by less than the standard error of that
    difference. None elsewhere, and where repeats have agreed exactly. Raises FitFailed.
    """
    target = history.targets[0]
    points = [t for t in pooled(history.completed) if value_of(t, target) is not None]
    if len(history.trials) % EVERY or len(points) < 2 or _exact(points, target):
        return None
    belief = SpaceModel(tools, history, target).posterior
    with torch.no_grad():
        mean, _ = belief.mean_sd(torch.from_numpy(tools.rows(points)))
    first, second = np.argsort(-mean.numpy(), kind="stable")[:2].tolist()
    fitted = belief.noise_here * belief.scale**2
    spread = sum(_variance(points[i], target, fitted) for i in (first, second))
    if float(mean[first] - mean[second]) >= math.sqrt(spread):
        return None
    return best_again(history, RULE)


def _variance(point: Trial, target: Target, fitted: float) -> float:
    """Of the mean over the measurements of a point; from the model's noise where none is known."""
    known = variance_of(point, target)
    return fitted / len(measurements(point)) if math.isnan(known) else known


def _exact(points: Sequence[Trial], target: Target) -> bool:
    """Whether something was measured more than once, and never came out differently."""
    values = [[m.values.get(target.name) for m in measurements(p)] for p in points]
    often = [v for v in values if len(v) > 1]
    return bool(often) and all(len(set(v)) == 1 for v in often)
