"""A network fitted in stages, each of which begins with what the one before has learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from matscout.models.fit import Fit


@dataclass(frozen=True)
class Stage:
    """`begin` makes the fit of the stage from the network that the stage before has left; from None a
    network of the same shape, which the first stage begins with and `restore` fills in the others.
    The epochs of a stage that is not `counted` are run inside the first epoch after them.
    """

    epochs: int
    begin: Callable[[nn.Module | None], Fit]
    counted: bool = True


class Staged:
    """Fits one after the other, as one `Fitting`; the last stage counts."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._number, self._moved, self._seen = 0, 0, 0
        self._before: list[float] = []
        self._now = stages[0].begin(None)

    @property
    def losses(self) -> list[float]:
        return self._before + (self._now.losses if self._stages[self._number].counted else [])

    @property
    def epoch(self) -> int:
        return len(self.losses)

    @property
    def moves(self) -> int:
        return self._moved + self._now.moves

    @property
    def rows_seen(self) -> int:
        return self._seen + self._now.rows_seen

    @property
    def network(self) -> nn.Module:
        """Of the stage that is running."""
        return self._now.network

    def run_epoch(self) -> Iterator[None]:
        while True:
            stage = self._stages[self._number]
            if self._now.epoch >= stage.epochs and self._number + 1 < len(self._stages):
                self._advance()
                continue
            yield from self._now.run_epoch()
            if stage.counted:
                return

    def outputs(self, rows: np.ndarray) -> Tensor:
        return self._now.outputs(rows)

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, state = self._now.capture()
        about = {"stage": self._number, "before": list(self._before), "moved": self._moved}
        return arrays, {**about, "fit": state}

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        number = state.get("stage")
        if not isinstance(number, int) or not 0 <= number < len(self._stages):
            raise ValueError("holds no stage of this fit")
        now = self._stages[number].begin(None)
        now.restore(arrays, state["fit"])
        self._now, self._number = now, number
        self._before = [float(loss) for loss in state["before"]]
        self._moved = int(state["moved"])

    def _advance(self) -> None:
        self._before = self.losses
        self._moved, self._seen = self.moves, self.rows_seen
        self._number += 1
        self._now = self._stages[self._number].begin(self._now.network)
