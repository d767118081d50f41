"""What a campaign is after, and which measured values count as a find."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matscout.errors import InputError, did_you_mean

GOALS = {
    "best": "the single best material",
    "top": "as many of the best few per cent as possible",
    "threshold": "everything that passes a limit",
    "rare": "the rare class, or a rare tail",
    "model": "a model that is right everywhere, the tail too",
}
"""Each goal in the scientist's words. The goal picks the acquisition and the metric, because the
wrong pair is slower than random (Rohr et al. 2020)."""


@dataclass(frozen=True)
class Desired:
    """What values of one target are worth, from 0 (useless) to 1 (as good as need be), in its unit.

    Of a target to be maximised useless at `low` and below, as good as need be from `high` on; of one
    to be minimised the other way round. With an `aim` of the latter only there, and useless outside
    `low` to `high`. Between the limits it rises as a power, `weight`: above 1 asks for values close
    to the good end.
    """

    target: str
    low: float
    high: float
    aim: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        where = f"goal.desirability.{self.target}"
        for name in ("low", "high", "aim", "weight"):
            value = getattr(self, name)
            if (name != "aim" or value is not None) and not _finite(value):
                raise InputError(f"{where}.{name}", f"must be a finite number, got {value!r:.60}")
        if not self.low < self.high:
            raise InputError(where, f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.aim is not None and not self.low < self.aim < self.high:
            raise InputError(f"{where}.aim", f"must lie between low and high, got {self.aim:g}")
        if not self.weight > 0:
            raise InputError(f"{where}.weight", f"must be above 0, got {self.weight:g}")

    def to_dict(self) -> dict[str, float]:
        """What its table in a config says; without the target's name, which is the table's."""
        aim = {} if self.aim is None else {"aim": self.aim}
        return {"low": self.low, "high": self.high, **aim, "weight": self.weight}

    @classmethod
    def from_dict(cls, target: str, raw: Any) -> Desired:
        where, known = f"goal.desirability.{target}", ("low", "high", "aim", "weight")
        if not isinstance(raw, Mapping):
            raise InputError(where, f"must be a table, got {raw!r:.60}", "give it low and high")
        for key in raw:
            if key not in known:
                raise InputError(where, f"unknown key {key!r}", did_you_mean(str(key), known))
        for key in ("low", "high"):
            if key not in raw:
                raise InputError(where, f"{key} is missing", "add it")
        return cls(target, **raw)


@dataclass(frozen=True)
class Goal:
    """`top` is the share of candidates that counts as the top. `threshold`, in the target's unit,
    is what has to be passed in the target's direction (at or above for max, at or below for min).
    `desirability` makes one number of several targets, each of which is named once.
    """

    kind: str = "best"
    top: float = 0.05
    threshold: float | None = None
    desirability: tuple[Desired, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in GOALS:
            raise InputError("goal", f"unknown {self.kind!r}", did_you_mean(str(self.kind), GOALS))
        for name, value in (("top", self.top), ("threshold", self.threshold)):
            # Also what comes from a config's table of options, which nobody has checked before.
            if not isinstance(value, int | float) and not (value is None and name == "threshold"):
                raise InputError(f"goal.{name}", f"must be a number, got {value!r:.60}")
        if not 0.0 < self.top < 1.0:
            raise InputError("goal.top", f"must be a share between 0 and 1, got {self.top:g}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InputError("goal.threshold", f"must be a finite number, got {self.threshold}")
        if self.kind in ("threshold", "rare") and self.threshold is None:
            raise InputError("goal.threshold", f"goal {self.kind!r} needs one", "name the limit")
        if self.desirability and self.kind != "best":
            what = f"says what is best, and the goal is {self.kind!r}"
            raise InputError("goal.desirability", what, "leave it out, or take goal best")

    def check_targets(self, names: Sequence[str]) -> None:
        """InputError for a desirability of something that is not measured."""
        for wanted in self.desirability:
            if wanted.target not in names:
                what = f"no target is called {wanted.target!r}"
                raise InputError("goal.desirability", what, did_you_mean(wanted.target, names))

    def to_dict(self) -> dict[str, Any]:
        plain = {"kind": self.kind, "top": self.top, "threshold": self.threshold}
        tables = {wanted.target: wanted.to_dict() for wanted in self.desirability}
        return {**plain, "desirability": tables} if tables else plain

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Goal:
        """The inverse of `to_dict`; missing keys take their defaults."""
        known = ("kind", "top", "threshold", "desirability")
        for key in raw:
            if key not in known:
                raise InputError("goal", f"unknown key {key!r}", did_you_mean(key, known))
        tables = raw.get("desirability") or {}
        if not isinstance(tables, Mapping):
            what = f"must be a table of tables by target, got {tables!r:.60}"
            raise InputError("goal.desirability", what)
        wanted = tuple(Desired.from_dict(str(name), table) for name, table in tables.items())
        return cls(**{**raw, "desirability": wanted})


def _finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # not so for NaN
