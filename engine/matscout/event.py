"""One line of the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = 4
"""The version of what events mean. A reader refuses a journal of a higher one (promise R18).

1 the first. 2 adds `queued` and `withdrawn`. 3 adds `thawed`. 4 adds `unsealed`.
"""


class EventKind(StrEnum):
    """Everything that can happen to a run. Nothing is ever overwritten; later lines add."""

    CREATED = "created"  # the run: space, targets, seed, config
    OPENED = "opened"  # a driver took the run over: host, pid, workers
    QUEUED = "queued"  # what is to be asked for next, in this order; what was queued before is void
    ASKED = "asked"  # a trial was chosen: params, why
    DISPATCHED = "dispatched"  # an attempt was handed to the fleet
    REPORTED = "reported"  # a value on the way
    MEASURED = "measured"  # the trial's value
    REPLICATED = "replicated"  # a later valid result of the same trial
    CONFLICT = "conflict"  # the same attempt said two different things
    INVALID = "invalid"  # a result that is no number
    FAILED = "failed"  # the experiment did not work
    PRUNED = "pruned"  # stopped early on purpose
    THAWED = "thawed"  # pruned, and to be gone on with after all
    CRASHED = "crashed"  # the infrastructure broke; to be retried
    QUARANTINED = "quarantined"  # crashed too often; not retried
    EXPIRED = "expired"  # the lease ran out; to be retried
    ATTENTION = "needs-attention"  # a person must decide
    SUSPENDED = "suspended"  # the driver stopped the attempt to leave; to be taken up again
    ABANDONED = "abandoned"  # dropped by a person, never to be suggested again
    WITHDRAWN = "withdrawn"  # cancelled for something better; its point is free again
    UNSEALED = "unsealed"  # the sealed test set is opened, by which model; then what it said
    STOPPED = "stopped"  # the run ended, and why


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` counts from 1 and is set by the journal, as is `time` (wall seconds, to inform only)."""

    kind: EventKind
    trial: int | None = None
    attempt: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    time: float = 0.0

    def body_json(self) -> str:
        """The body as the one text that is hashed; ValueError for NaN and infinities."""
        return json.dumps(self.body, sort_keys=True, allow_nan=False, separators=(",", ":"))
