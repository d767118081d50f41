"""The TOML file that describes a run: read whole and refused whole, before anything starts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matscout.bounded_read import TooLarge, read_bounded
from matscout.data.toml_text import parse_toml, refuse_table
from matscout.drive.policy import Policy
from matscout.errors import InputError, did_you_mean, one_line
from matscout.goal import Goal
from matscout.journal_server import check_journal, without_passwords
from matscout.limit import Limit, check_limits
from matscout.trial import Target

MAX_BYTES = 10_000_000


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Part(BaseModel):
    """A proposer, an evaluator or a stopping rule: its name, and the options that it alone knows."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    type: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class TargetTable(_Table):
    name: str = Field(min_length=1)
    direction: Literal["min", "max"]
    unit: str = ""

    def target(self) -> Target:
        return Target(self.name, self.direction, self.unit)


class LimitTable(_Table):
    """What a measured value must keep to. See `Limit`."""

    name: str = Field(min_length=1)
    min: float | None = None
    max: float | None = None

    def limit(self) -> Limit:
        return Limit(self.name, self.min, self.max)


class GoalTable(_Table):
    """What a campaign is after. See `Goal` for what each means."""

    kind: str = "best"
    top: float = 0.05
    threshold: float | None = None
    desirability: dict[str, Any] | None = None

    def goal(self) -> Goal:
        return Goal.from_dict(self.model_dump())


class RunTable(_Table):
    """Budget and workers. See `Policy` for what each means.

    fold_jobs: whether the folds of a trial are jobs of their own, so that several workers share it.
    journal: the PostgreSQL server that holds the journal, without a password.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    trials: int = Field(default=50, ge=1, le=10_000_000)
    workers: int = Field(default=2, ge=1, le=100_000)
    batch: int = Field(default=1, ge=1)
    ahead: int = Field(default=0, ge=0, le=100_000)
    overlap: bool = False
    cancel_obsolete: bool = False
    confirm: int = Field(default=0, ge=0)
    fleet: Literal["inline", "process", "ray"] = "process"
    cpus: float = Field(default=1.0, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    resources: dict[str, float] = {}
    address: str | None = None
    threads: int = Field(default=1, ge=1)
    fold_jobs: bool = False
    lease_s: float | None = Field(default=None, gt=0)
    timeout_s: float | None = Field(default=None, gt=0)
    budget_s: float | None = Field(default=None, gt=0)
    max_crashes: int = Field(default=3, ge=1)
    costly: bool = False
    on_interrupt: Literal["cancel", "wait"] | None = None
    journal: str | None = None

    def policy(self) -> Policy:
        if self.overlap and self.fleet == "inline":
            what = "needs workers that go on while the driver thinks, and fleet 'inline' has none"
            raise InputError("run.overlap", what, 'use fleet = "process", or leave it out')
        if self.gpus > 0 and self.fleet != "ray":
            what = f"workers of fleet '{self.fleet}' have the processor alone: Ray lends GPUs"
            raise InputError("run.gpus", what, 'use fleet = "ray", or gpus = 0')
        return Policy(
            trials=self.trials,
            slots=self.workers,
            batch=self.batch,
            lease_s=self.lease_s,
            timeout_s=self.timeout_s,
            max_crashes=self.max_crashes,
            costly=self.costly,
            budget_s=self.budget_s,
            on_interrupt=self.on_interrupt or ("wait" if self.costly else "cancel"),
            ahead=self.ahead,
            overlap=self.overlap,
            cancel_obsolete=self.cancel_obsolete,
        )


class PriorTable(_Table):
    """What is known beforehand: points to ask first (enqueue.py), and earlier runs (prior.py)."""

    enqueue: str | list[dict[str, Any]] = []
    runs: list[str] = []


class Config(_Table):
    """A whole run. `space` is read by matscout.space and matscout.data.pools.

    A campaign without an evaluator is one whose results people bring. Without a goal it is after
    the best value of the first target.
    """

    kind: Literal["sweep", "campaign"] = "sweep"
    name: str
    seed: int = Field(default=0, ge=0)
    space: dict[str, Any]
    targets: list[TargetTable] = Field(min_length=1)
    limits: list[LimitTable] = []
    evaluator: Part | None = None
    goal: GoalTable | None = None
    prior: PriorTable | None = None
    proposer: Part | None = None
    early_stopping: Part | None = None
    stop: dict[str, Any] = {}
    run: RunTable = RunTable()


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """The TOML file at `path` and the SHA-256 of its bytes; InputError says what is wrong with it."""
    refuse_table(path)
    try:
        data = read_bounded(path, MAX_BYTES)
    except TooLarge:
        what = f"is larger than {MAX_BYTES} bytes"
        raise InputError(str(path), what, "put tables into files of their own") from None
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "check the path"
        ) from None
    return parse_toml(path, data), hashlib.sha256(data).hexdigest()


def parse_config(raw: dict[str, Any]) -> Config:
    """`raw` as a Config, or InputError for the first thing wrong, with the nearest known key."""
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, raw) from None
    for key, tables in (("targets", config.targets), ("limits", config.limits)):
        for name in (table.name for table in tables):
            if name != one_line(name):  # it is a column of files that people fill in
                raise InputError(key, f"name {name!r} must be printable text", "rename it")
    if config.run.journal is not None:
        check_journal(config.run.journal)
    if config.evaluator is None and config.kind == "sweep":
        raise InputError("evaluator", "is missing", "add it")
    if config.limits and config.kind == "campaign":
        raise InputError("limits", "belong to a sweep", "leave them out of a campaign")
    check_limits([table.limit() for table in config.limits])
    if config.goal is not None:
        if config.kind == "sweep":
            raise InputError("goal", "belongs to a campaign", "leave it out of a sweep")
        config.goal.goal().check_targets([target.name for target in config.targets])
    if config.evaluator is not None and config.evaluator.options.get("costly") is True:
        # Whoever may begin an experiment again looks at [run] alone.
        config = config.model_copy(update={"run": config.run.model_copy(update={"costly": True})})
    return config


def _explained(error: ValidationError, raw: dict[str, Any]) -> InputError:
    # A misspelt key makes another one missing: name the misspelling, which is the cause.
    details = sorted(error.errors(), key=lambda d: d["type"] != "extra_forbidden")[0]
    path = [str(part) for part in details["loc"]]
    where = ".".join(path)
    if details["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        outer = ".".join(path[:-1]) or "top level"
        return InputError(outer, f"unknown key {path[-1]!r}", did_you_mean(path[-1], known))
    if details["type"] == "missing":
        return InputError(where, "is missing", "add it")
    said = details["msg"][0].lower() + details["msg"][1:]
    what = f"{said}, got {without_passwords(repr(details['input'])):.80}"
    return InputError(".".join(_given(path, raw)), one_line(what))


def _given(path: list[str], raw: Any) -> list[str]:
    """The part of `path` that the person wrote: where a key takes one of several types, pydantic adds
    the one that it has tried."""
    for place, part in enumerate(path):
        inside = raw.get(part) if isinstance(raw, dict) else None
        if isinstance(raw, list) and part.isdecimal() and int(part) < len(raw):
            inside = raw[int(part)]
        if inside is None:
            return path[:place]
        raw = inside
    return path


def _known_keys(path: list[str]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "run": RunTable,
        "targets": TargetTable,
        "limits": LimitTable,
        "goal": GoalTable,
        "prior": PriorTable,
    }
    model = tables.get(path[0], Config) if path else Config
    return list(model.model_fields)
