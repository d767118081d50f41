"""What crosses between the loop and a worker: an assignment one way, outcomes the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from matscout.json_text import parsed_json
from matscout.trial import Params


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one trial, for one worker. `attempt` is the fencing token (1, 2, …)."""

    trial: int
    attempt: int
    params: Params
    candidate: str | None = None
    seed: int = 0
    timeout_s: float | None = None


class Kind(StrEnum):
    """`reported` is on the way; the others end the attempt."""

    REPORTED = "reported"
    MEASURED = "measured"
    INVALID = "invalid"
    FAILED = "failed"
    STOPPED = "stopped"
    CRASHED = "crashed"


NEVER_BEGAN = "cancelled before it began"
"""The reason of a `stopped` outcome of an attempt that no worker had a hand in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt said. JSON both ways, since it waits in the outbox until it is journalled.

    An ending outcome in the outbox holds all `reports` of its attempt, as bodies of `reported` events: a
    driver may have died before it heard them.
    """

    trial: int
    attempt: int
    kind: Kind
    step: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    sem: Mapping[str, float] = field(default_factory=dict)
    checkpoint: bool = False
    cost_s: float = 0.0
    source: str = ""
    reason: str = ""
    worker: str = ""
    reports: Sequence[Mapping[str, Any]] = ()

    @property
    def ends_attempt(self) -> bool:
        return self.kind is not Kind.REPORTED

    @property
    def report_body(self) -> dict[str, Any]:
        body = {"step": self.step, "values": dict(self.values)}
        return body | ({"checkpoint": True} if self.checkpoint else {})

    def reported(self) -> list[Outcome]:
        """`reports` as the outcomes that they were when they were said."""
        return [
            Outcome(
                self.trial, self.attempt, Kind.REPORTED, step=body["step"], values=body["values"],
                checkpoint=body.get("checkpoint", False), worker=self.worker,
            )
            for body in self.reports
        ]  # fmt: skip

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """The outcome that `to_json` wrote; ValueError if it is anything else."""
        raw: Any = parsed_json(text)
        if not isinstance(raw, dict):
            raise ValueError("an outcome is a JSON object")
        try:
            reports = tuple(raw.get("reports", ()))  # absent in outboxes of earlier versions
            return cls(**{**raw, "kind": Kind(raw["kind"]), "reports": reports})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an outcome: {error}") from None
