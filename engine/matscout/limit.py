"""What a measured value must keep to for a trial to count: an outcome constraint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matscout.errors import InputError


@dataclass(frozen=True, slots=True)
class Limit:
    """The value called `name`, a target or anything else that is measured, is to be at least `min`
    and at most `max`, in its own unit; at least one of the two is given.
    """

    name: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        where = f"limits.{self.name}"
        for side, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not math.isfinite(bound):
                raise InputError(f"{where}.{side}", f"must be a finite number, got {bound!r}")
        if self.min is None and self.max is None:
            raise InputError(where, "limits nothing", "give it min or max")
        if self.min is not None and self.max is not None and not self.min < self.max:
            what = f"min must be below max, got {self.min:g} and {self.max:g}"
            raise InputError(where, what)

    @property
    def bounds(self) -> tuple[tuple[str, float, float], ...]:
        """Each side that is limited: its name, the bound, and the sign that makes a value too high
        (or, for `min`, too low) the larger one."""
        sides = (("min", self.min, -1.0), ("max", self.max, 1.0))
        return tuple((side, bound, sign) for side, bound, sign in sides if bound is not None)

    def excess(self, value: float) -> dict[str, float]:
        """By how much `value` lies beyond each bound, in its unit: kept at 0 or below."""
        return {f"{self.name} {side}": sign * (value - at) for side, at, sign in self.bounds}

    def keeps(self, value: float | None) -> bool:
        """What is not known is not known to be kept."""
        return value is not None and all(over <= 0.0 for over in self.excess(value).values())

    def to_dict(self) -> dict[str, str | float]:
        return {"name": self.name, **{side: bound for side, bound, _ in self.bounds}}

    def __str__(self) -> str:
        words = {"min": "at least", "max": "at most"}
        return f"{self.name} " + " and ".join(
            f"{words[side]} {bound:g}" for side, bound, _ in self.bounds
        )


def all_kept(limits: Sequence[Limit], values: Mapping[str, float]) -> bool:
    """Whether `values`, by name, keep every limit."""
    return all(limit.keeps(values.get(limit.name)) for limit in limits)


def check_limits(limits: Sequence[Limit]) -> None:
    """InputError for two limits of one value."""
    names = [limit.name for limit in limits]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"limits.{name}", "stands there twice", "give one min and max")
