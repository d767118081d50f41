"""Monte Carlo dropout (dropout.py) of a network that is fitted epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.fit import Fit
from matscout.models.staged import Staged
from matscout.models.uncertainty.dropout import thinned


class ThinnedFit:
    """A `Fitting` whose `outputs`, (passes, b, k), are those of `passes` thinned networks. Dropout is in
    the `head` of its network alone, so that the body below is asked once.
    """

    def __init__(self, fit: Fit | Staged, passes: int, seed: int) -> None:
        self._fit, self._passes, self._seed = fit, passes, seed

    @property
    def losses(self) -> Sequence[float]:
        return self._fit.losses

    @property
    def epoch(self) -> int:
        return self._fit.epoch

    @property
    def moves(self) -> int:
        return self._fit.moves

    @property
    def rows_seen(self) -> int:
        return self._fit.rows_seen

    def run_epoch(self) -> Iterator[None]:
        return self._fit.run_epoch()

    def outputs(self, rows: np.ndarray) -> Tensor:
        head = cast(nn.Sequential, self._fit.network.head)
        handle = head.register_forward_hook(self._each)
        try:
            return self._fit.outputs(rows).transpose(0, 1)
        finally:
            handle.remove()

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self._fit.capture()

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        self._fit.restore(arrays, state)

    def _each(self, head: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> Tensor:
        """(b, w) -> (b, passes, k)."""
        said = []
        for number in range(self._passes):
            with thinned(head, np.random.SeedSequence([self._seed, 1, number])):
                said.append(head.forward(given[0]))  # not called: this hook would come again
        return torch.stack(said, dim=1)
