"""How many rows go through a network at once, whatever the size of the batch that makes a step.

A step's batch is cut into parts, whose gradients add up to the batch's own (but for layers that look
at their whole part, such as batch normalisation). So one crystal of thousands of atoms does not
decide how much memory a sweep needs, and running out of it halves the parts, not the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_NO_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
JUDGED_AT_ONCE = 512  # rows in a batch without gradients: some MB for crystals of ten atoms


def out_of_memory(error: BaseException) -> bool:
    """Whether that is all that was wrong. CUDA's allocator has a class of its own for it; torch's for
    the CPU, cuBLAS and the driver say it in the words of a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """`rows`, which are on the CPU, on `device`. A GPU is not waited for, as a plain copy would."""
    if device.type == "cpu":
        return rows
    pinned = rows.pin_memory() if device.type == "cuda" else rows
    return pinned.to(device, non_blocking=True)


@dataclass(frozen=True)
class Passes:
    """sizes  (n,) what each row weighs: for crystals, atoms and bonds (`GraphTable.sizes`)
    most   so much goes through at once, 0: no bound. A row that weighs more goes alone
    mixed  bfloat16 where CUDA has it (no scaling of the loss needed, unlike float16); elsewhere
           nothing changes
    """

    sizes: np.ndarray | None = None
    most: int = 0
    mixed: bool = False

    def parts(self, rows: Tensor, at_once: int = 0) -> list[Tensor]:
        """`rows` (b,), on the CPU, in parts of `most` by weight and of `at_once` rows, 0: no bound.

        The parts are in order of weight, like with like, where the batch has to be cut by weight;
        else `rows` as they are. A last part of one row joins its neighbour where it may.
        """
        bounded = self.sizes is not None and self.most > 0
        if bounded and self.sizes is not None:
            weights = self.sizes[rows.numpy()]
            if weights.sum() > self.most:
                order = np.argsort(weights, kind="stable")
                ends = _cuts(weights[order], self.most, at_once or len(order))
                return list(rows[torch.from_numpy(order)].tensor_split(ends))
        if not at_once or len(rows) <= at_once:
            return [rows]
        parts = list(rows.split(at_once))
        if len(parts[-1]) == 1 and at_once > 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        return parts


def without_gradients(say: Callable[[Tensor], Tensor], rows: Tensor, passes: Passes) -> Tensor:
    """What `say` says of parts of `rows` (b,), which are on the CPU, in their order, (b, k). Parts are
    halved where memory runs out."""
    most = JUDGED_AT_ONCE
    while True:
        parts = passes.parts(rows, most)
        try:
            with torch.no_grad():
                said = torch.cat([say(part) for part in parts])
            break
        except Exception as error:
            if most == 1 or not out_of_memory(error):
                raise
            most = max(1, min(most, len(rows)) // 2)
    found = torch.empty_like(said)
    found[_places(rows, parts)] = said
    return found


def _places(rows: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """Where each row of the parts, end to end, stands in `rows`, which may hold a row twice."""
    return torch.argsort(rows, stable=True)[
        torch.argsort(torch.argsort(torch.cat(list(parts)), stable=True))
    ]


def _cuts(weights: np.ndarray, most: int, at_once: int) -> list[int]:
    """Where parts begin, but for the first: greedily, each as full as it may be."""
    cuts, filled, count = [], 0, 0
    for place, weight in enumerate(weights.tolist()):
        if count and (filled + weight > most or count == at_once):
            cuts.append(place)
            filled, count = 0, 0
        filled, count = filled + weight, count + 1
    return cuts
