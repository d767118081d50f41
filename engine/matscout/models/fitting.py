"""What drives a fit asks of it, whether one network is fitted or several that count as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Fitting(Protocol):
    """`Fit` is one; so are networks fitted one after the other (`staged.py`) or side by side
    (`side_by_side.py`)."""

    @property
    def losses(self) -> Sequence[float]:
        """The mean training loss of each epoch that is done."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def moves(self) -> int:
        """How often the cursor has moved: never the same twice."""

    @property
    def rows_seen(self) -> int:
        """Training rows that have gone through a network in this process."""

    def run_epoch(self) -> Iterator[None]:
        """Finish the epoch that is running, or run the next. Pauses after each update."""

    def outputs(self, rows: np.ndarray) -> Tensor:
        """Raw outputs for `rows`, (…, b, k), without gradients."""

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON that `restore` goes on from; copies, so training may go on meanwhile."""

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Be where `capture` was. Raises ValueError where that was another network or fold."""
