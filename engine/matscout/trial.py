"""Trials and what comes back from them. Frozen values; physical units; no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Real
from typing import Any, Literal

from matscout.errors import InvalidValue, one_line

Value = str | int | float | bool
Params = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Target:
    """One measured quantity and the way it should go."""

    name: str
    direction: Literal["min", "max"] = "min"
    unit: str = ""

    @property
    def sign(self) -> float:
        """+1 for max, -1 for min: `sign * value` is always better when larger."""
        return 1.0 if self.direction == "max" else -1.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a proposer suggests: params, and the candidate's id where the space is a pool.

    `why` holds mean, sd, acquisition and the like, under those names, for people and for the journal.
    """

    params: Params
    candidate: str | None = None
    why: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A value on the way (an epoch, a fold). `step` counts from 1 and never repeats in an attempt.

    With `checkpoint=True` the evaluator says: what I saved last in `context.checkpoints` is a
    state from which this trial can go on after this step.
    """

    step: int
    values: Mapping[str, float]
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came back: values by target name, standard errors (SEM) where known, cost in seconds."""

    values: Mapping[str, float]
    sem: Mapping[str, float] = field(default_factory=dict)
    cost_s: float | None = None
    source: str = ""


class State(StrEnum):
    """Where a trial stands. Everything but PENDING and NEEDS_ATTENTION is final; WITHDRAWN is final but
    for a value that arrives nonetheless, PRUNED also for being thawed.
    """

    PENDING = "pending"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INVALID = "invalid"
    QUARANTINED = "quarantined"
    NEEDS_ATTENTION = "needs-attention"
    ABANDONED = "abandoned"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Trial:
    """One point chosen to be evaluated, as the history knows it.

    `answered[0]` is the attempt that gave `values`, `answered[i]` the one that gave `replicates[i - 1]`.
    `finished` is its place in the order of completion (it grows from 0; the place of one that was
    thawed stays empty), None while it is open and for one that was withdrawn. `cost_s` adds up
    what it cost until it was thawed and after. `reports` grows while the trial runs; everything
    else is fixed. The two times are wall seconds, for people.
    """

    id: int
    params: Params
    candidate: str | None = None
    proposer: str = ""
    why: Mapping[str, Value] = field(default_factory=dict)
    state: State = State.PENDING
    attempts: int = 0
    crashes: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    sem: Mapping[str, float] = field(default_factory=dict)
    cost_s: float = 0.0
    reports: Sequence[Report] = ()
    replicates: tuple[Measurement, ...] = ()
    answered: tuple[int, ...] = ()
    reason: str = ""
    finished: int | None = None
    asked_at: float = 0.0
    finished_at: float = 0.0

    @property
    def open(self) -> bool:
        return self.state in (State.PENDING, State.NEEDS_ATTENTION)


def checked_values(raw: Any, targets: tuple[Target, ...]) -> dict[str, float]:
    """`raw` as one finite float per target, or InvalidValue saying why it is none (promise R10).

    A bare number is taken for a single target; numpy and torch scalars count as numbers, text and
    booleans do not.
    """
    if isinstance(raw, Mapping):
        missing = [t.name for t in targets if t.name not in raw]
        if missing:
            got = ", ".join(map(str, raw)) or "nothing"
            raise InvalidValue(one_line(f"no value for {', '.join(missing)} (got {got})"))
        return {t.name: _finite(raw[t.name], t.name) for t in targets}
    if len(targets) != 1:
        names = ", ".join(t.name for t in targets)
        raise InvalidValue(one_line(f"one value for {len(targets)} targets ({names}): got {raw!r}"))
    return {targets[0].name: _finite(raw, targets[0].name)}


def _finite(raw: Any, name: str) -> float:
    if hasattr(raw, "item") and getattr(raw, "size", None) == 1:  # numpy scalars and arrays of one
        raw = raw.item()
    elif hasattr(raw, "numel") and raw.numel() == 1:  # a torch scalar
        raw = raw.item()
    if isinstance(raw, bool) or not isinstance(raw, Real):
        shown = "nothing (None)" if raw is None else f"{type(raw).__name__} {raw!r:.60}"
        raise InvalidValue(one_line(f"{name} must be a number, got {shown}"))
    try:
        value = float(raw)
    except (OverflowError, ValueError):
        raise InvalidValue(f"{name} is too large for a float") from None
    if not math.isfinite(value):
        raise InvalidValue(f"{name} must be finite, got {value}")
    return value
