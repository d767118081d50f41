"""matscout: find the next experiment worth doing when data are scarce and lopsided."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LAZY = {"Campaign": "matscout.api"}
"""Names that load the engine only when they are used."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
