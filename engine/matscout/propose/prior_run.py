"""An earlier run of the same space, as the journal of a run that starts from it tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.trial import Target, Value

PRIOR = "prior"
"""What the `created` event says earlier runs under: a list of `PriorRun.to_dict`."""

ENQUEUE = "enqueue"
"""What the `created` event lists points to ask first under, in their order."""


@dataclass(frozen=True)
class PriorRun:
    """The trials of an earlier run, as far as this space knows them.

    `names` are the parameters that both have. `params` hold those of them that exist at the point.
    `values` are in the target's unit and direction, as a model was told them (a failed trial counts
    as the worst, a loss that exploded is cut), `sems` their standard errors, None where unknown.
    """

    run: str
    head: str
    names: tuple[str, ...]
    params: tuple[Mapping[str, Value], ...]
    values: tuple[float, ...]
    sems: tuple[float | None, ...]

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the journal. `head` is the hash of the journal that it was read from."""
        return {
            "run": self.run,
            "head": self.head,
            "names": list(self.names),
            "params": [dict(p) for p in self.params],
            "values": list(self.values),
            "sems": list(self.sems),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> PriorRun:
        return cls(
            raw["run"],
            raw["head"],
            tuple(raw["names"]),
            tuple(raw["params"]),
            tuple(raw["values"]),
            tuple(raw["sems"]),
        )

    def good(self, target: Target) -> NDArray[np.float64]:
        """(n,) of which more is better."""
        return target.sign * np.array(self.values, dtype=float)
