"""Runs made event by event, without a fleet: what a page has to show is written down directly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.clock import VirtualClock
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.parameter import Categorical, Float, Int
from matscout.pool import Pool
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

NASTY = "<script>alert(\"x\")</script> & 'co'"


@dataclass
class Maker:
    """Adds trials to a run's journal, one whole life at a time."""

    folder: RunFolder
    spec: RunSpec
    events: list[Event] = field(default_factory=list)
    asked: int = 0

    def ask(self, candidate: str | None, params: dict[str, Any], why: dict[str, Any]) -> int:
        trial, self.asked = self.asked, self.asked + 1
        body = {"params": params, "candidate": candidate, "proposer": "gp", "why": why}
        self.events += [
            Event(EventKind.ASKED, trial, body=body),
            Event(EventKind.DISPATCHED, trial, 1),
        ]
        return trial

    def measured(self, trial: int, value: float, sem: float | None = None) -> None:
        name = self.spec.targets[0].name
        body: dict[str, Any] = {"values": {name: value}, "cost_s": 2.0}
        if sem is not None:
            body["sem"] = {name: sem}
        self.events.append(Event(EventKind.MEASURED, trial, 1, body))

    def ended(self, trial: int, kind: EventKind, reason: str) -> None:
        self.events.append(Event(kind, trial, 1, {"reason": reason}))

    def save(self) -> RunFolder:
        with Journal.open(self.folder, clock=VirtualClock(1_750_000_000.0)) as journal:
            journal.append(Event(EventKind.OPENED, body={"versions": {"matscout": "0"}}))
            journal.append(*self.events)
        return self.folder


def pool_space(size: int, seed: int = 0) -> tuple[Space, np.ndarray]:
    """Candidates with three features, one with a nasty name, and a smooth truth (size,)."""
    rng = np.random.default_rng(seed)
    X = rng.random((size, 3))
    ids = [f"c{i}" for i in range(size)]
    ids[min(3, size - 1)] = NASTY
    rows = [
        {"id": c, "a": x[0], "b": x[1], "c": x[2], "note": "text"}
        for c, x in zip(ids, X.tolist(), strict=True)
    ]
    truth = 5.0 + np.sin(4 * X[:, 0]) + X[:, 1] ** 2
    return Space(pool=Pool.from_rows(rows, features=["a", "b", "c"])), truth


def parameter_space() -> Space:
    return Space(
        (
            Float("rate", 1e-4, 1.0, True),
            Int("depth", 1, 12),
            Categorical("kind", (NASTY, "flat")),
        )
    )


@pytest.fixture
def nasty() -> str:
    return NASTY


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Maker]:
    def make(space: Space, name: str = "run", kind: str = "campaign", **config: Any) -> Maker:
        folder = RunFolder.of(name, tmp_path)
        whole = {
            "name": name,
            "kind": kind,
            "targets": [{"name": "y", "direction": "max", "unit": "GPa"}],
            "evaluator": {"type": "function", "target": "code:y"},
            "proposer": {"type": "gp" if space.pool is not None else "tpe"},
            **config,
        }
        spec = RunSpec(name, kind, space, (Target("y", "max", "GPa"),), Policy(99), 7, whole)
        create(folder, spec, VirtualClock(1_750_000_000.0))
        return Maker(folder, spec)

    return make


@pytest.fixture
def campaign(make_run: Callable[..., Maker]) -> Callable[..., RunFolder]:
    """A campaign over a pool with `n` measured, failures, a crash, and one experiment open."""

    def make(n: int, size: int = 60, whole: bool = True, **config: Any) -> RunFolder:
        space, truth = pool_space(size)
        assert space.pool is not None
        maker = make_run(space, **config)
        for i in range(n):
            candidate = space.pool.ids[i]
            why: dict[str, Any] = {"rule": "random"}
            if i >= 4:
                why = {"rule": "lcb", "mean": truth[i] + 0.1, "sd": 0.2, "acquisition": 6.0}
            trial = maker.ask(candidate, space.pool.params(candidate), why)
            maker.measured(trial, float(truth[i]), 0.05 if i % 2 else None)
        if whole:
            ends: Sequence[tuple[EventKind, str]] = (
                (EventKind.FAILED, "the <b>melt</b> cracked"),
                (EventKind.ABANDONED, "withdrawn by Q & A"),
                (EventKind.CRASHED, "worker died"),
            )
            for i, (kind, reason) in enumerate(ends):
                candidate = space.pool.ids[n + i]
                trial = maker.ask(candidate, space.pool.params(candidate), {"rule": "lcb"})
                maker.ended(trial, kind, reason)
        return maker.save()

    return make


@pytest.fixture
def fold_sweep(make_run: Callable[..., Maker]) -> Callable[[int], RunFolder]:
    """Of a branching space with long names, judged over four folds, a few trials pruned."""

    def make(n: int) -> RunFolder:
        space = Space(
            (
                Categorical(
                    "estimator_of_the_second_stage", ("a_rather_long_choice", "net", NASTY)
                ),
                Float("rate", 1e-5, 1.0, True, when={"estimator_of_the_second_stage": ("net",)}),
                Int("depth", 1, 12),
                *(Categorical(f"many{i}", tuple(f"value {k}" for k in range(30))) for i in (1, 2)),
            )
        )
        evaluator = {"type": "tabular", "model": "svm"}
        maker = make_run(space, "folds", "sweep", evaluator=evaluator, proposer={"type": "random"})
        rng = np.random.default_rng(2)
        for i in range(n):
            params: dict[str, Any] = {}
            for p in space.parameters:
                if space.is_active(p, params):
                    params[p.name] = p.from_unit(float(rng.random()))
            trial = maker.ask(None, params, {})
            scores = rng.normal(0.1 * float(params["depth"]), 0.2, size=4)
            steps = 2 if i % 7 == 6 else 4
            for k in range(1, steps + 1):
                body = {"step": k, "values": {"y": float(scores[:k].mean())}}
                maker.events.append(Event(EventKind.REPORTED, trial, 1, body))
            if steps == 2:
                body = {"reason": "below the median at step 2", "cost_s": 1.0}
                maker.events.append(Event(EventKind.PRUNED, trial, 1, body))
            else:
                maker.measured(trial, float(scores.mean()), 0.1)
        return maker.save()

    return make


@pytest.fixture
def sweep(make_run: Callable[..., Maker]) -> Callable[[int], RunFolder]:
    def make(n: int) -> RunFolder:
        maker = make_run(parameter_space(), "tuning", "sweep")
        rng = np.random.default_rng(1)
        for i in range(n):
            params = {"rate": float(10 ** -rng.uniform(0.1, 3.9)), "depth": 1 + i % 12}
            params["kind"] = NASTY if i % 3 else "flat"  # type: ignore[assignment]
            trial = maker.ask(None, params, {})
            if i == 5:
                maker.ended(trial, EventKind.PRUNED, "place 3 of 3 at step 1")
            else:
                maker.measured(trial, -1e9 if i == 4 else float(rng.normal()))
        return maker.save()

    return make
