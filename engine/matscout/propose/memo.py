"""Keep what was derived from the last arguments. A cache that cannot be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """`make(*args)`, made anew only when an argument is another object than last time.

    For things that are a function of their arguments alone, or that follow an argument which only
    grows (a history). One entry: a run has one space and one history.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._args: tuple[object, ...] | None = None
        self._made: T | None = None

    def __call__(self, *args: object) -> T:
        known = self._args is not None and len(self._args) == len(args)
        if not (known and all(a is b for a, b in zip(self._args or (), args, strict=True))):
            self._made, self._args = self._make(*args), args
        return self._made  # type: ignore[return-value]
