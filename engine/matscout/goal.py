"""What a campaign is after, and which measured values count as a find."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
class Goal:
    """`top` is the share of candidates that counts as the top. `threshold`, in the target's unit,
    is what has to be passed in the target's direction (at or above for max, at or below for min).
    """

    kind: str = "best"
    top: float = 0.05
    threshold: float | None = None

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

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "top": self.top, "threshold": self.threshold}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Goal:
        """The inverse of `to_dict`; missing keys take their defaults."""
        known = ("kind", "top", "threshold")
        for key in raw:
            if key not in known:
                raise InputError("goal", f"unknown key {key!r}", did_you_mean(key, known))
        return cls(**raw)
