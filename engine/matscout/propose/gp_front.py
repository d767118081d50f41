"""Gaussian process proposals for several targets, and where values are to keep to limits."""

from __future__ import annotations

import math

import numpy as np
import torch

from matscout.history import History
from matscout.propose.gp_front_data import WORKS, OfBound, of_front, of_works
from matscout.propose.gp_front_search import doubting, without_last
from matscout.propose.gp_space import Read
from matscout.propose.measured_cost import MeasuredCost
from matscout.propose.observations import feasible, of_space
from matscout.propose.replicates import pooled
from matscout.propose.sampler.joint import JointModel, Known, fitted, limit_of, rows_of
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Proposal, State, Target, Value


class FrontModel:
    """`JointModel` over a run. A process for each target and for each bound of a limit; with several
    targets one more for the chance that an experiment works, once one has failed (with one target a
    failure counts as the worst value seen). Raises FitFailed.
    """

    def __init__(
        self, tools: SpaceTools, history: History, seed: int, cost: MeasuredCost | None = None
    ) -> None:
        self._tools, self._limited = tools, bool(history.limits)
        self._joint = JointModel(tools, _known(tools, history), seed, cost)

    def propose(self, taken: set[str], rng: np.random.Generator) -> Proposal | None:
        """The best new point, believed to come out as expected from now on; None if none was found."""
        found = self._joint.propose(taken, rng)
        if found is None:
            return None
        self._joint.believe(torch.from_numpy(self._tools.encoding.rows([found.params])))
        why: dict[str, Value] = dict(found.why)
        chance = why.pop("feasible")
        if self._limited or chance != 1.0:
            why["p_feasible"] = chance
        finite = {k: v for k, v in why.items() if not isinstance(v, float) or math.isfinite(v)}
        return Proposal(found.params, why=finite)


def _known(tools: SpaceTools, history: History) -> Known:
    several = len(history.targets) > 1
    read = of_front if several else of_space
    learned: list[tuple[Target, Read]] = [
        (Target(limit.name), OfBound(limit.name, bound, sign))
        for limit in history.limits
        for _, bound, sign in limit.bounds
    ]
    if several and history.count(State.FAILED, State.INVALID):
        learned.append((WORKS, of_works))
    limits = [limit_of(tools, history, *one) for one in learned]
    points = pooled(history.completed)
    good = [t for t in points if feasible(history, t)]
    search: list[GpPosterior] = []
    if not good:
        doubted = [read(history, target, None).believed for target, read in learned]
        alone = [without_last(p, len(d)) for p, d in zip(limits, doubted, strict=True)]
        search = doubting(alone, rows_of(tools, doubted[0]))
    return Known(
        targets=history.targets,
        objectives=[fitted(tools, history, target, read) for target in history.targets],
        constraints=limits,
        feasible=good,
        measured=points,
        pending=history.pending,
        # The first as it is called where it is the only one: what was predicted of it is judged.
        prefixes=["", *(f"{target.name}." for target in history.targets[1:])],
        search=search,
    )
