"""Thompson sampling: believe one draw of the posterior at a time, and take its best point."""

from __future__ import annotations

import torch
from torch import Tensor


def win_share(draws: Tensor) -> Tensor:
    """P(f(x) is the best of all), by counting: draws (s, n) -> (n,), sum 1. Ties share a win.

    The same as `top_share` with k = 1.
    """
    best = (draws == draws.amax(-1, keepdim=True)).double()
    return (best / best.sum(-1, keepdim=True)).mean(0)


def one_per_draw(draws: Tensor, q: int) -> list[int]:
    """Kandasamy et al. 2018, algorithm 2 (synchronous parallel Thompson sampling), without
    repeats: the j-th pick is the best point of the j-th draw that is not yet picked.

    draws (s, n) with s >= q, joint over the points that may still be asked (pending ones left out).
    Ties go to the lowest row. All the exploration there is comes from the draws: with few rows
    measured, a noisy or nearly flat posterior makes this close to random.
    """
    if len(draws) < q:
        raise ValueError(f"one draw per pick: {q} picks need {q} draws, got {len(draws)}")
    left = draws[:q].clone()
    picked: list[int] = []
    for draw in left[: min(q, draws.shape[1])]:
        draw[torch.tensor(picked, dtype=torch.long)] = -torch.inf
        picked.append(int(draw.argmax()))
    return picked
