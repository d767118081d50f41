"""What a batch rule is: several candidates to be measured at once, chosen together.

The best q of a score are not the best batch: near-duplicates share a score. Measured over 15 tables,
the top q of uncertainty taught a model less than q at random.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import torch
from torch import Tensor


class BatchRule(Protocol):
    """Deterministic: no random numbers but those of a seed of its own, ties to the lowest row.

    `diverse` says that a copy of a picked candidate is not picked while others are left.
    """

    name: ClassVar[str]
    diverse: ClassVar[bool]

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        """Rows of `points` in the order of picking; q of them, or all where there are fewer.

        scores  (b,) larger is better; NaN counts as the worst
        points  (b, p) the candidates, where Euclidean distance means dissimilarity
        known   (m, p) what has been measured or is pending, m >= 0
        """


def checked(scores: Tensor, points: Tensor, known: Tensor, q: int) -> tuple[Tensor, int]:
    """The scores with NaN as -inf, and q cut to the number of candidates. Raises ValueError."""
    if points.dim() != 2 or scores.shape != points.shape[:1] or q < 0:
        raise ValueError(
            "scores must be (b,), points (b, p) and q not negative, got "
            f"{tuple(scores.shape)}, {tuple(points.shape)} and {q}"
        )
    if known.dim() != 2 or known.shape[1] != points.shape[1]:
        raise ValueError(f"known must be (m, {points.shape[1]}), got {tuple(known.shape)}")
    if not bool(torch.isfinite(points).all() & torch.isfinite(known).all()):
        raise ValueError("points must be finite")
    return torch.where(scores.isnan(), -torch.inf, scores), min(q, len(points))


def ranked(scores: Tensor) -> Tensor:
    """Rows from the best score to the worst, the lower row first among equals."""
    return torch.argsort(scores, descending=True, stable=True)


def highest(value: Tensor, scores: Tensor, free: Tensor) -> int:
    """The free row of highest value; of equals, that of highest score, then the lowest.

    The score before the row, so that the order of a table decides only what nothing else does.
    """
    value = torch.where(free, value, -torch.inf)
    equal = (free & (value == value.max())).nonzero().squeeze(-1)
    return int(equal[scores[equal].argmax()])
