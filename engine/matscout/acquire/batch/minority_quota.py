"""A part of each batch kept for the rare class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import BatchRule, checked, ranked


@dataclass(frozen=True)
class MinorityQuota:
    """At least ceil(share * q) picks from those predicted to be of the rare class, the rest freely.

    positive  (b,) P(rare class) of each candidate
    rule      chooses, with the scores, within the quota's candidates and then within all others

    Predicted means P >= 1/2, or, where these are fewer than three times the quota, that many by
    rank. Offered with `rarity`'s warning in mind: a quota of likely positives is what helps, a
    score multiplied by rarity is what hurts.
    """

    positive: Tensor
    rule: BatchRule
    share: float = 0.5
    name: ClassVar[str] = "minority_quota"
    diverse: ClassVar[bool] = False  # each part is as its rule is; copies may fall into both

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        if self.positive.shape != scores.shape:
            raise ValueError(f"P(rare) must be {tuple(scores.shape)}: {tuple(self.positive.shape)}")
        quota = math.ceil(self.share * q)
        likely = ranked(self.positive)
        likely = likely[: max(int((self.positive >= 0.5).sum()), 3 * quota)].sort().values
        first = likely[self.rule.pick(scores[likely], points[likely], known, quota)]
        others = torch.ones(len(points), dtype=torch.bool)
        others[first] = False
        rest = others.nonzero().squeeze(-1)
        taken = torch.cat([known, points[first]])
        second = rest[self.rule.pick(scores[rest], points[rest], taken, q - len(first))]
        return torch.cat([first, second]).tolist()
