"""Engines measured in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def interleaved(engines: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Call each engine once a round, so that what else the machine does meets them all alike."""
    found: dict[str, list[T]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, engine in engines.items():
            found[name].append(engine())
    return found
