"""Networks fitted side by side, one epoch of each at a time: the members of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matscout.models.fitting import Fitting


class SideBySide:
    """Several as one `Fitting`; the loss is their mean, and `outputs` (members, b, k)."""

    def __init__(self, members: Sequence[Fitting]) -> None:
        self._members = members

    @property
    def losses(self) -> list[float]:
        each = [member.losses[: self.epoch] for member in self._members]
        return [float(np.mean(one)) for one in zip(*each, strict=True)]

    @property
    def epoch(self) -> int:
        return min(member.epoch for member in self._members)

    @property
    def moves(self) -> int:
        return sum(member.moves for member in self._members)

    @property
    def rows_seen(self) -> int:
        return sum(member.rows_seen for member in self._members)

    def run_epoch(self) -> Iterator[None]:
        done = self.epoch
        for member in self._members:
            if member.epoch == done:
                yield from member.run_epoch()

    def outputs(self, rows: np.ndarray) -> Tensor:
        return torch.stack([member.outputs(rows) for member in self._members])

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays: dict[str, np.ndarray] = {}
        states = []
        for number, member in enumerate(self._members):
            own, state = member.capture()
            arrays |= {f"{_start(number)}{name}": array for name, array in own.items()}
            states.append(state)
        return arrays, {"members": states}

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        states = state.get("members")
        if not isinstance(states, list) or len(states) != len(self._members):
            raise ValueError(f"does not hold {len(self._members)} members")
        for number, (member, own) in enumerate(zip(self._members, states, strict=True)):
            start = _start(number)
            mine = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            member.restore(mine, own)


def _start(number: int) -> str:
    return f"member{number}/"
