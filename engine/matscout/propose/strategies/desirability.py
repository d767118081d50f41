"""Several targets in one number: what improves most on the best overall desirability so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from matscout.acquire.desirability import Desirability, Larger, Near, Smaller, overall
from matscout.acquire.joint import standard_normals
from matscout.goal import Desired
from matscout.propose.strategies.per_target import beliefs_of, expected_of_each
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Target, Value

_CHUNK = 2_000_000
"""Numbers held at once: draws times candidates times targets."""

_NO_GAIN = 1e-9
"""Of a number between 0 and 1: below, improvements are rounding."""


@dataclass(frozen=True)
class DesirabilityRule:
    """E[max(D - best D, 0)], D the overall desirability (acquire/desirability.py) of values drawn
    from a Gaussian process for each target that the goal names, each learned from whatever was
    measured of it. `best` is the highest E[D] among what was measured or is pending: not the luckiest
    measurement. Every pick is believed before the next.

    While no candidate has a chance to improve, usually because some target is useless wherever one
    has looked, the one nearest to being useful in every target is taken.

    draws  quasi-random ones of each target, the same for every candidate
    most   candidates that are scored again for the second pick of a batch and those after it
    """

    draws: int = 256
    most: int = 2_000

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        case = _Case.of(view, self.draws)
        free = torch.from_numpy(view.free)
        picks: list[Pick] = []
        for _ in range(min(n, len(free))):
            score = case.scores(free)
            row = int(free[score.argmax()])
            picks.append((row, case.why(row, float(score.max()))))
            if len(free) > self.most + n:  # what is believed seldom makes others worth more
                order = torch.argsort(score, descending=True, stable=True)
                free = free[order[: self.most + n].sort().values]
            free = free[free != row]
            case = case.believing(row)
        return picks

    def scores(self, view: PoolView) -> Tensor:
        """The expected improvement; where no free candidate has any, how near each is to useful."""
        case = _Case.of(view, self.draws)
        return case.scores(torch.arange(len(view.unit)), torch.from_numpy(view.free))


@dataclass(frozen=True)
class _Case:
    """What is believed while one batch is filled. `rivals` are the rows to improve on.

    useful   (m, 2): between which values a target is of any use, in its own unit
    normals  (s, m)
    """

    view: PoolView
    targets: tuple[Target, ...]
    each: tuple[Desirability, ...]
    useful: Tensor
    normals: Tensor
    beliefs: Sequence[GpPosterior]
    rivals: tuple[int, ...]

    @classmethod
    def of(cls, view: PoolView, draws: int) -> _Case:
        view.goal.check_targets([t.name for t in view.history.targets])
        wanted = {d.target: d for d in view.goal.desirability}
        targets = tuple(t for t in view.history.targets if t.name in wanted)
        told = [t for t in view.history.trials if t.open or t.values]
        return cls(
            view,
            targets,
            tuple(_function(wanted[t.name], t) for t in targets),
            torch.tensor([_useful(wanted[t.name], t) for t in targets], dtype=torch.float64),
            standard_normals(draws, len(targets), view.seed),
            beliefs_of(view, targets),
            tuple(view.candidates.rows(told)),
        )

    def believing(self, row: int) -> _Case:
        X = self.view.unit[row : row + 1]
        beliefs = [belief.believe(X) for belief in self.beliefs]
        return replace(self, beliefs=beliefs, rivals=(*self.rivals, row))

    def scores(self, rows: Tensor, free: Tensor | None = None) -> Tensor:
        """Of `rows` (b,) -> (b,). Whether there is anything to gain is judged by the free ones."""
        works = torch.from_numpy(self.view.works)
        best = float(self._overall(torch.tensor(self.rivals), 0.0).max()) if self.rivals else 0.0
        gain = self._overall(rows, best) * works[rows]
        free_gain = gain[free] if free is not None and len(free) else gain
        if float(free_gain.max()) > _NO_GAIN:
            price = self.view.prices
            return gain if price is None else gain * torch.from_numpy(price.min() / price)[rows]
        mean, sd = self._moments(rows)
        short = (torch.stack([self.useful[:, 0] - mean, mean - self.useful[:, 1]]) / sd).amax(0)
        near = -short.clamp_min(0.0).square().sum(-1)  # twice the log of its probability, roughly
        return near + self._overall(rows, 0.0) + works[rows].log()

    def why(self, row: int, score: float) -> dict[str, Value]:
        here = float(self._overall(torch.tensor([row]), 0.0))
        each = expected_of_each(self.view, self.targets, self.beliefs, row)
        return {"rule": "desirability", "acquisition": score, "desirability": here, **each}

    def _overall(self, rows: Tensor, beyond: float) -> Tensor:
        """E[max(D - beyond, 0)], (b,)."""
        out = []
        for part in rows.split(max(_CHUNK // self.normals.numel(), 1)):
            mean, sd = self._moments(part)
            draws = mean + self.normals.unsqueeze(1) * sd  # (s, b, m)
            out.append((overall(draws, self.each) - beyond).clamp_min(0.0).mean(0))
        return torch.cat(out)

    def _moments(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """In each target's unit and direction, (b, m) each."""
        with torch.no_grad():
            parts = [belief.mean_sd(self.view.unit[rows]) for belief in self.beliefs]
        means = [t.sign * mean for t, (mean, _) in zip(self.targets, parts, strict=True)]
        return torch.stack(means, dim=-1), torch.stack([sd for _, sd in parts], dim=-1)


def _function(wanted: Desired, target: Target) -> Desirability:
    low, high, weight = wanted.low, wanted.high, wanted.weight
    if wanted.aim is not None:
        return Near(low, wanted.aim, high, weight, weight)
    return Larger(low, high, weight) if target.sign > 0 else Smaller(low, high, weight)


def _useful(wanted: Desired, target: Target) -> tuple[float, float]:
    if wanted.aim is not None:
        return wanted.low, wanted.high
    return (wanted.low, math.inf) if target.sign > 0 else (-math.inf, wanted.high)
