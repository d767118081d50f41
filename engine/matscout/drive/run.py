"""A run as a folder: made whole, opened again, and driven for one sitting."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from matscout.bounded_read import read_bounded
from matscout.clock import Clock, SystemClock
from matscout.drive.absorb import given_up
from matscout.drive.interrupt import Interrupt
from matscout.drive.loop import Loop, Observer
from matscout.drive.overlap import Think
from matscout.drive.policy import Policy
from matscout.drive.prune import Pruner
from matscout.drive.prune_resume import retold
from matscout.drive.thought import InThread
from matscout.durable_file import write_durably
from matscout.errors import InputError, RunFailed
from matscout.event import Event, EventKind
from matscout.failpoint import failpoint
from matscout.fleet.base import Fleet
from matscout.fleet.outbox import Outbox
from matscout.history import History
from matscout.journal import Journal
from matscout.json_text import parsed_json
from matscout.limit import Limit
from matscout.outcome import Outcome
from matscout.pool import Pool
from matscout.propose.base import Proposer
from matscout.propose.prior_run import ENQUEUE, PRIOR
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Params, Proposal, Target

_PACKAGES = (
    "matscout",
    "numpy",
    "torch",
    "botorch",
    "gpytorch",
    "optuna",
    "ray",
    "scikit-learn",
    "pymatgen",
    "chgnet",
    "torch-geometric",
    "sqlalchemy",
    "psycopg",
)


_LOOK_AGAIN_S = 0.1
"""Between two looks at a worker that outlived its driver; it will take seconds, or days."""


@dataclass(frozen=True)
class RunSpec:
    """What a run is, fixed when it is made; only the policy may change from sitting to sitting.

    `config` holds the parts by name and option, for the command line to build again; `origin` says
    which file it came from ("path", "sha256") and what that said ("said", JSON), if any. `enqueue`
    are points to ask first, `prior` what is known of earlier runs (see prior.py); `notes` are for the
    person who makes the run. `limits` are what measured values must keep to for a trial to count.
    """

    name: str
    kind: str
    space: Space
    targets: tuple[Target, ...]
    policy: Policy
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    enqueue: Sequence[Params] = ()
    prior: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def measured(self) -> tuple[Target, ...]:
        """What a measurement must hold: every target, and every other value that is limited."""
        names = {t.name for t in self.targets}
        return (*self.targets, *(Target(x.name) for x in self.limits if x.name not in names))


def create(folder: RunFolder, spec: RunSpec, clock: Clock | None = None) -> None:
    """Make the run's folder with its first event. It appears whole, or not at all."""
    draft = folder.draft()
    try:
        body = _created_body(draft, spec)
        url = (spec.config.get("run") or {}).get("journal")
        with Journal.create(draft, clock, url, spec.name) as journal:
            journal.append(Event(EventKind.CREATED, body=body))
        text = json.dumps(body, indent=1, sort_keys=True)
        write_durably(draft.manifest, text.encode())
        failpoint("run.before_settle")
        folder.settle(draft)
    except BaseException:
        shutil.rmtree(draft.root, ignore_errors=True)
        raise


def load(folder: RunFolder) -> tuple[History, RunSpec]:
    """Look at a run without owning it."""
    history = History()
    with Journal.read_only(folder) as journal:
        for event in journal.read():
            history.apply(event)
    return history, spec_of(folder, history)


def reopen(folder: RunFolder, clock: Clock | None = None) -> tuple[Journal, History, RunSpec]:
    """Own a run: its journal (checked), its history (replayed) and what it is."""
    history = History()
    journal = Journal.open(folder, history.apply, clock)
    try:
        return journal, history, spec_of(folder, history)
    except BaseException:
        journal.close()
        raise


def spec_of(folder: RunFolder, history: History) -> RunSpec:
    """The RunSpec that `create` wrote."""
    body = history.created
    if not body:
        raise InputError(str(folder.root), "holds no run: its journal is empty", "make a new one")
    return RunSpec(
        name=body["name"],
        kind=body["kind"],
        space=_space(folder, body["space"]),
        targets=history.targets,
        policy=Policy(**body["policy"]),
        seed=body["seed"],
        config=body["config"],
        origin=body["origin"],
        enqueue=body.get(ENQUEUE, ()),
        prior=body.get(PRIOR, ()),
        limits=history.limits,
    )


def sit(
    folder: RunFolder,
    journal: Journal,
    history: History,
    spec: RunSpec,
    *,
    proposer: Proposer,
    start_fleet: Callable[[], Fleet],
    pruner: Pruner | None = None,
    observer: Observer | None = None,
    interrupt: Interrupt | None = None,
    clock: Clock | None = None,
    stop: Callable[[History], str] | None = None,
    obsolete: Callable[[History, Sequence[Proposal]], Mapping[int, str]] | None = None,
    thaw: Callable[[History], Event | None] | None = None,
    think: Think = InThread,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Drive the run until it is over or interrupted; returns why. Closes the fleet, not the journal.

    `pause` waits so many seconds for a worker that outlived its driver.
    """
    observer, clock = observer or Observer(), clock or SystemClock()
    interrupt = interrupt or Interrupt()
    for note in journal.notes:
        observer.note(note)
    if folder.outbox.exists() and not folder.outbox.is_dir():
        raise InputError(str(folder.outbox), "is a file where results come in", "move it away")
    recovered = _recover(folder, journal, history, spec.policy, observer, interrupt, pause)
    judged = retold(journal.read(), history, pruner)
    try:
        with interrupt.striking():
            fleet = start_fleet()
    except KeyboardInterrupt:
        return "interrupted"  # what the outbox holds, the next sitting finds
    try:
        loop = Loop(
            journal,
            history,
            spec.space,
            proposer,
            fleet,
            spec.policy,
            spec.seed,
            clock,
            pruner,
            observer,
            interrupt,
            stop,
            obsolete,
            judged,
            thaw,
            think,
        )
        opened = Event(EventKind.OPENED, body=_opened_body(spec))
        loop.record(opened, *judged.endings(history, recovered))
        return loop.run(recovered)
    finally:
        fleet.close()


def _recover(
    folder: RunFolder,
    journal: Journal,
    history: History,
    policy: Policy,
    observer: Observer,
    interrupt: Interrupt,
    pause: Callable[[float], None],
) -> list[Outcome]:
    """Settle what the last sitting left in flight; returns results that wait in the outbox.

    An attempt whose worker still lives is waited for: dispatching it again could run an experiment
    twice. One that is dead without a result goes back to the queue, or to a person if it is costly.
    """
    outbox = Outbox(folder.outbox)
    for trial, attempt in history.in_flight.items():
        told = False
        while not outbox.locks.void(trial, attempt):
            if not told:
                observer.note(f"waiting for trial {trial}, whose worker outlived its driver")
                told = True
            if interrupt.level:
                raise RunFailed(f"trial {trial} is still running; resume again when it is done")
            pause(_LOOK_AGAIN_S)
    broken: list[str] = []
    recovered = outbox.sweep(broken)
    failpoint("run.swept")
    for note in broken:
        observer.note(note)
    answered = {(o.trial, o.attempt) for o in recovered}
    for trial, attempt in list(history.in_flight.items()):
        if (trial, attempt) in answered:
            continue
        reason = "its driver died and no result was left"
        events = [Event(EventKind.SUSPENDED, trial, attempt, {"reason": reason})]
        if policy.costly:
            events = given_up(history.trials[trial], attempt, EventKind.CRASHED, reason, policy)
        for event in journal.append(*events):
            history.apply(event)
            observer.event(event, history)
    failpoint("run.recovered")
    if recovered:
        observer.note(f"recovered {len(recovered)} finished experiments from the outbox")
    return recovered


def _created_body(draft: RunFolder, spec: RunSpec) -> dict[str, Any]:
    space: dict[str, Any]
    if spec.space.pool is None:
        space = spec.space.to_dict()
    else:
        space = {"pool": {"file": draft.pool.name, "sha256": _write_pool(draft, spec.space.pool)}}
    return {
        "name": spec.name,
        "kind": spec.kind,
        "seed": spec.seed,
        "space": space,
        "targets": [asdict(t) for t in spec.targets],
        **({"limits": [limit.to_dict() for limit in spec.limits]} if spec.limits else {}),
        "policy": asdict(spec.policy),
        "config": dict(spec.config),
        "origin": dict(spec.origin),
        **({ENQUEUE: [dict(point) for point in spec.enqueue]} if spec.enqueue else {}),
        **({PRIOR: [dict(run) for run in spec.prior]} if spec.prior else {}),
        "versions": versions(),
    }


def _opened_body(spec: RunSpec) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "policy": asdict(spec.policy),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return dict(_versions())


def versions_changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Packages that both know by another version. What only one has cannot have made the other's
    figures: a database's driver, say, that was installed in between."""
    return sorted(name for name in now.keys() & then.keys() if now[name] != then[name])


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write_pool(folder: RunFolder, pool: Pool) -> str:
    content = {"ids": pool.ids, "columns": dict(pool.columns), "features": pool.features}
    if any(kind != "number" for kind in pool.kinds.values()):
        content["kinds"] = dict(pool.kinds)
    data = json.dumps(content, allow_nan=False).encode()
    write_durably(folder.pool, data)
    return hashlib.sha256(data).hexdigest()


def _space(folder: RunFolder, raw: Mapping[str, Any]) -> Space:
    if "pool" not in raw:
        return Space.from_dict(raw)
    try:
        data = read_bounded(folder.pool)
    except OSError as error:
        raise InputError(str(folder.pool), f"cannot be read ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != raw["pool"]["sha256"]:
        raise InputError(
            str(folder.pool),
            "is not the pool that this run was made with",
            "restore it from a copy",
        )
    content = parsed_json(data)
    columns = {name: tuple(column) for name, column in content["columns"].items()}
    kinds = content.get("kinds", {})  # absent where every feature is a number
    return Space(pool=Pool(tuple(content["ids"]), columns, tuple(content["features"]), kinds))
