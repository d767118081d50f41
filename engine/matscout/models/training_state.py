"""Everything that the next batch depends on, as arrays and JSON, and back again.

A run that is captured, rebuilt and restored goes on number by number as if it had never stopped, on
the same machine, device and thread count. (On CUDA, torch's scatter-adds are not ordered, so that
two unbroken runs differ there in the last bits too.) Nothing here is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Arrays = dict[str, np.ndarray]


class RandomStream:
    """torch's global generators, borrowed: inside `with` they are this stream's, outside nobody's
    draws are disturbed. Layers such as dropout can draw from nowhere else.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._outer = self.now()
        torch.random.default_generator.manual_seed(seed)
        if self._cuda is not None:
            with torch.cuda.device(self._cuda):
                torch.cuda.manual_seed(seed)
        self._own = self.now()
        self._set(self._outer)

    def __enter__(self) -> None:
        self._outer = self.now()
        self._set(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._own = self.now()
        self._set(self._outer)

    def capture(self) -> Arrays:
        return {f"random/{name}": state.numpy().copy() for name, state in self._own.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """A checkpoint from a CPU has no state for a GPU: there the seeded one is kept."""
        known = [name for name in self._own if name == "cpu" or f"random/{name}" in arrays]
        self._own |= {n: torch.from_numpy(_array(arrays, f"random/{n}").copy()) for n in known}

    def now(self) -> dict[str, Tensor]:
        """Where torch's generators stand; inside `with`, this stream."""
        states = {"cpu": torch.get_rng_state()}
        if self._cuda is not None:
            states["cuda"] = torch.cuda.get_rng_state(self._cuda)
        return states

    def put_back(self, states: Mapping[str, Tensor]) -> None:
        """Inside `with`: to where `now` saw the stream."""
        self._set(states)

    def _set(self, states: Mapping[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if self._cuda is not None:
            torch.cuda.set_rng_state(states["cuda"], self._cuda)


def capture(
    network: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    stream: RandomStream,
    generator: np.random.Generator,
) -> tuple[Arrays, dict[str, Any]]:
    """Copies of weights, buffers, optimiser, scheduler and both generators."""
    arrays = {f"weights/{name}": _copy(tensor) for name, tensor in network.state_dict().items()}
    moments = optimizer.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for index, slots in moments["state"].items():
        for key, value in slots.items():
            if isinstance(value, Tensor):
                arrays[f"optimizer/{index}/{key}"] = _copy(value)
            else:
                plain.setdefault(str(index), {})[key] = value
    arrays.update(stream.capture())
    return arrays, {
        "optimizer": {"groups": moments["param_groups"], "plain": plain},
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "generator": generator.bit_generator.state,
    }


def restore(
    arrays: Mapping[str, np.ndarray],
    state: Mapping[str, Any],
    network: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    stream: RandomStream,
    generator: np.random.Generator,
) -> None:
    """Put what `capture` took into freshly built ones. ValueError where it does not fit."""
    weights = {
        name: torch.from_numpy(_array(arrays, f"weights/{name}").copy())
        for name in network.state_dict()
    }
    try:
        network.load_state_dict(weights)
        optimizer.load_state_dict(_optimizer_state(arrays, state["optimizer"], optimizer))
        if (scheduler is None) != (state["scheduler"] is None):
            raise ValueError("the learning-rate schedule is another one")
        if scheduler is not None:
            scheduler.load_state_dict(dict(state["scheduler"]))
        stream.restore(arrays)
        generator.bit_generator.state = state["generator"]
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"does not fit this network: {error!s:.200}") from None


def _optimizer_state(
    arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], optimizer: Optimizer
) -> dict[str, Any]:
    slots: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in state["plain"].items()}
    for name, array in arrays.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            slots.setdefault(int(index), {})[key] = torch.from_numpy(array.copy())
    groups = [dict(group) for group in state["groups"]]
    for group, current in zip(groups, optimizer.state_dict()["param_groups"], strict=True):
        for key, value in current.items():
            if isinstance(value, tuple):  # JSON has only lists
                group[key] = tuple(group[key])
    return {"state": slots, "param_groups": groups}


def _copy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


def _array(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"holds no '{name}'")
    return arrays[name]
