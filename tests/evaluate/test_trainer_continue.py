"""A trial cut short anywhere and taken up again equals the unbroken one, number by number.

Both trainers; stopped politely at every batch, crashed at every batch, killed while saving.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout import failpoint
from matscout.checkpoint import CheckpointStore
from matscout.data.prototypes import substituted
from matscout.data.structures import StructureSet, save_structures
from matscout.errors import RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.keeper import Cadence, Keeper
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.trial import Measurement, Report

SMALL = {"atom_features": 4, "convolutions": 1, "head_features": 4, "gaussians": 8}
SGD = {"optimizer": "sgd", "lr": 0.01, "schedule": "plateau"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "crystal": ({"epochs": 3}, {**SMALL, "batch_size": 6, "dropout": 0.2, "lr": 0.01}),
    "crystal-sgd": ({"epochs": 3}, {**SMALL, **SGD, "batch_size": 6}),
    "crystal-kfold": ({"epochs": 2, "split": "kfold", "folds": 2}, {**SMALL, "batch_size": 6}),
    "mlp": ({"epochs": 3, "folds": 2}, {"hidden_features": 5, "batch_size": 8, "dropout": 0.2}),
    "mlp-sgd": ({"epochs": 3, "folds": 2}, {**SGD, "hidden_features": 5, "batch_size": 8}),
    "extra_trees": ({"folds": 4}, {"n_estimators": 5}),
    "extra_trees-rows": (
        {"folds": 2, "fidelity": "rows", "fidelity_steps": [1, 2, 5]},
        {"n_estimators": 5},
    ),
    "svm": ({"folds": 2, "repeats": 2, "split": "repeated"}, {"C": 3.0}),
}


def write_crystals(path: Path, n: int = 18) -> None:
    crystals = [new.structure for new in substituted(n, seed=1, max_sites=4)]
    target = np.array([s.volume / len(s) + np.sin(k) for k, s in enumerate(crystals)])
    save_structures(path, StructureSet(tuple(map(str, range(n))), tuple(crystals), target))


def write_table(path: Path, n: int = 30) -> None:
    rng = np.random.default_rng(2)
    rows = ["a,b,phase,y"]
    for a, b in rng.normal(size=(n, 2)):
        rows.append(f"{a},{'' if b > 1 else b},{'fcc' if a > 0 else 'bcc'},{a * 2 + b}")
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_crystals(folder / "crystals.jsonl")
    write_table(folder / "table.csv")
    return folder


def trainer(case: str, data: Path, **options: Any) -> Any:
    chosen = {"checkpoint_epochs": 1, **CASES[case][0], **options}
    if case.startswith("crystal"):
        return CrystalGraphTrainer(structures=str(data / "crystals.jsonl"), **chosen)
    model = case.partition("-")[0]
    return TabularTrainer(table=str(data / "table.csv"), predict="y", model=model, **chosen)


@dataclass
class Calls:
    """A `should_stop` that turns true, or raises, at its nth call (never, for None)."""

    n: int | None = None
    crash: bool = False
    made: int = field(default=0, init=False)

    def __call__(self) -> bool:
        self.made += 1
        reached = self.n is not None and self.made >= self.n
        if reached and self.crash:
            raise InterruptedError
        return reached


class Attempt:
    """What one attempt said, in a trainer that knows nothing of earlier ones."""

    def __init__(self, one: Any, case: str, store: CheckpointStore | None, stop: Any) -> None:
        self.reports: dict[int, float] = {}
        self.measurement: Measurement | None = None
        self.saved: list[int] = []
        context = Context(trial=1, seed=5, checkpoints=store, should_stop=stop)
        for said in one.evaluate(CASES[case][1], context):
            assert self.measurement is None, "nothing follows a measurement"
            if isinstance(said, Report):
                assert said.step not in self.reports
                self.reports[said.step] = said.values["mae"]
                self.saved += [said.step] if said.checkpoint else []
            else:
                self.measurement = said


def final_state(store: CheckpointStore) -> tuple[int, dict[str, bytes], str]:
    found = store.load()
    assert found is not None
    arrays = {k: v.tobytes() + f"{v.dtype}{v.shape}".encode() for k, v in found.arrays.items()}
    return found.step, arrays, json.dumps(dict(found.state), sort_keys=True)


@pytest.mark.parametrize("case", CASES)
def test_stopped_anywhere_and_continued(case: str, data: Path, tmp_path: Path) -> None:
    calls = Calls()
    whole = CheckpointStore(tmp_path / "whole")
    unbroken = Attempt(trainer(case, data), case, whole, calls)
    assert unbroken.measurement is not None and len(set(unbroken.reports.values())) > 1
    expected = final_state(whole)
    one = trainer(case, data)
    for n in range(1, calls.made + 1):
        store = CheckpointStore(tmp_path / f"stop{n}")
        first = Attempt(one, case, store, Calls(n))
        assert first.measurement is None
        assert store.load() is not None or not first.reports
        second = Attempt(one, case, store, Calls())
        assert first.reports.items() <= unbroken.reports.items()
        assert second.reports == unbroken.reports, "what was said before is said again"
        assert second.measurement == unbroken.measurement
        assert final_state(store) == expected, f"stopped at call {n}"


@pytest.mark.parametrize(
    ("case", "cadence"),
    [
        ("crystal", {"checkpoint_batches": 2}),
        ("crystal", {"checkpoint_epochs": 2}),
        ("crystal-kfold", {"checkpoint_batches": 3}),
        ("mlp", {"checkpoint_epochs": 2}),
        ("extra_trees", {}),
        ("extra_trees-rows", {}),
    ],
)
def test_crashed_anywhere_and_continued(
    case: str, cadence: dict[str, int], data: Path, tmp_path: Path
) -> None:
    calls = Calls()
    one = trainer(case, data, **cadence)
    unbroken = Attempt(one, case, CheckpointStore(tmp_path / "whole"), calls)
    for n in range(1, calls.made + 1):
        store = CheckpointStore(tmp_path / f"crash{n}")
        with pytest.raises(InterruptedError):
            Attempt(one, case, store, Calls(n, crash=True))
        again = Attempt(one, case, store, Calls())
        assert again.measurement == unbroken.measurement
        assert all(unbroken.reports[step] == value for step, value in again.reports.items())


def test_crashed_again_and_again(data: Path, tmp_path: Path) -> None:
    """Three batches an attempt, each attempt in a fresh trainer."""
    unbroken = Attempt(trainer("crystal", data), "crystal", None, Calls())
    store, reports, attempts = CheckpointStore(tmp_path), {}, 0
    while attempts < 20:
        attempts += 1
        last = Attempt(trainer("crystal", data), "crystal", store, Calls(3))
        reports |= last.reports
        if last.measurement is not None:
            break
    assert attempts > 3 and reports == unbroken.reports
    assert last.measurement == unbroken.measurement


@pytest.mark.parametrize("case", ["crystal", "mlp", "extra_trees"])
def test_checkpoints_change_nothing(case: str, data: Path, tmp_path: Path) -> None:
    """With and without a place for them, often or seldom: the same numbers."""
    bare = Attempt(trainer(case, data), case, None, Calls())
    kept = Attempt(trainer(case, data), case, CheckpointStore(tmp_path / "a"), Calls())
    often = CheckpointStore(tmp_path / "b")
    each = Attempt(trainer(case, data, checkpoint_batches=1), case, often, Calls())
    assert bare.reports == kept.reports == each.reports
    assert bare.measurement == kept.measurement == each.measurement
    assert bare.saved == [] and kept.saved == each.saved == list(kept.reports)


def test_killed_while_saving(data: Path, tmp_path: Path) -> None:
    """SIGKILL between writing a checkpoint in the middle of an epoch and renaming it."""
    one = trainer("crystal", data, checkpoint_batches=1)
    child = os.fork()
    if child == 0:  # pragma: no cover
        failpoint.arm("checkpoint.before_rename:4:kill")
        Attempt(one, "crystal", CheckpointStore(tmp_path / "killed"), Calls())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    whole, store = CheckpointStore(tmp_path / "whole"), CheckpointStore(tmp_path / "killed")
    unbroken = Attempt(one, "crystal", whole, Calls())
    again = Attempt(one, "crystal", store, Calls())
    assert again.reports and again.measurement == unbroken.measurement
    assert final_state(store) == final_state(whole)


@pytest.mark.parametrize("case", ["crystal", "mlp", "extra_trees"])
def test_a_broken_newest_checkpoint_falls_back_and_says_so(
    case: str, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = trainer(case, data)
    whole = CheckpointStore(tmp_path / "whole")
    unbroken = Attempt(one, case, whole, Calls())
    expected = final_state(whole)
    newest = sorted((tmp_path / "whole").glob("step-*"))[-1]
    (newest / "arrays.safetensors").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        again = Attempt(one, case, whole, Calls())
    assert newest.name in caplog.text and "broken" in caplog.text
    assert again.measurement == unbroken.measurement and final_state(whole) == expected


@pytest.mark.parametrize("case", ["crystal", "mlp", "extra_trees"])
def test_a_restore_that_fails_is_an_error_and_never_a_fresh_start(
    case: str, data: Path, tmp_path: Path
) -> None:
    one = trainer(case, data)
    store = CheckpointStore(tmp_path)
    Attempt(one, case, store, Calls())
    first = CASES[case][1]
    other_params = {**first, **({"n_estimators": 6} if case == "extra_trees" else {"lr": 0.02})}
    for params, seed, who in (
        (other_params, 5, one),
        (first, 6, one),
        (first, 5, replace(one, split_seed=1)),
    ):
        context = Context(seed=seed, checkpoints=store)
        with pytest.raises(RunFailed, match="belongs to other data, params or options"):
            list(who.evaluate(params, context))
    for folder in tmp_path.glob("step-*"):
        (folder / "state.json").write_text("{}")
    with pytest.raises(RunFailed, match="no sound checkpoint left") as caught:
        Attempt(one, case, store, Calls())
    assert str(tmp_path) in str(caught.value)


def test_a_sound_checkpoint_of_another_shape_is_refused(data: Path, tmp_path: Path) -> None:
    one, store = trainer("crystal", data), CheckpointStore(tmp_path)
    Attempt(one, "crystal", store, Calls())
    found = store.load()
    assert found is not None
    arrays = {k: v for k, v in found.arrays.items() if "embedding" not in k}
    store.save(replace(found, step=found.step + 1, arrays=arrays))
    with pytest.raises(RunFailed, match=r"cannot be restored.*embedding"):
        Attempt(one, "crystal", store, Calls())


@pytest.mark.parametrize("case", ["crystal", "extra_trees"])
def test_data_are_loaded_once_and_do_not_travel(
    case: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matscout.evaluate import crystal_data, tabular_data

    module: Any = crystal_data if case == "crystal" else tabular_data
    loads: list[int] = []
    real: Callable[[Any], Any] = module.load
    monkeypatch.setattr(module, "load", lambda who: (loads.append(1), real(who))[1])
    one = trainer(case, data)
    assert not loads
    results = [Attempt(one, case, None, Calls()).measurement for _ in range(3)]
    assert len(loads) == 1 and results[0] == results[1] == results[2]
    sent = pickle.dumps(one)
    assert len(sent) < 2000 and pickle.loads(sent) == one
    assert Attempt(pickle.loads(sent), case, None, Calls()).measurement == results[0]
    assert partial(type(one), **one.__getstate__())() == one


def test_the_cadence_of_saves(tmp_path: Path) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def wall(self) -> float:
            return 0.0

    clock = Clock()
    keeper = Keeper(CheckpointStore(tmp_path), "f", Cadence(3, 10.0, 0), clock)
    assert [epoch for epoch in range(1, 10) if keeper.due_after(epoch)] == [3, 6, 9]
    clock.now = 9.9
    assert not keeper.due_inside()
    clock.now = 10.0
    assert keeper.due_inside()
    keeper.save(1, lambda: ({"a": np.zeros(1)}, {}))
    assert not keeper.due_inside()
    batches = Keeper(CheckpointStore(tmp_path), "f", Cadence(0, 0.0, 3), clock)
    assert [batches.due_inside() for _ in range(3)] == [False, False, True]
    assert not any(batches.due_after(epoch) for epoch in range(1, 9))
    nowhere = Keeper(None, "f", Cadence(1, 0.1, 1), clock)
    assert not nowhere.due_inside() and not nowhere.due_after(1)
