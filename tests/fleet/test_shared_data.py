"""What one process has read, all workers of a machine look at; trainers take what was read."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from matscout.cli.promises.alive import eventually
from matscout.data.structures import StructureSet, save_structures
from matscout.evaluate import drawn_graphs
from matscout.evaluate.base import Context, Evaluator
from matscout.evaluate.noop import Noop
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.fleet.actor import AttemptActor
from matscout.fleet.sharing import adopting, shared_data
from matscout.fleet.worker import assignment_to_json
from matscout.models.hyperparameters import GraphSettings
from matscout.outcome import Assignment, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Measurement, Params, Report, Target

TARGETS = (Target("sum"), Target("writeable"))
PATIENCE_S = 240.0
METALS = ("Fe", "Co", "Ni", "Cu", "Ag", "Au", "Pd", "Pt", "Al")


class Reader:
    """Sums up the numbers of a file; says in another file when it reads them. Goes on when as many
    processes as are to be `together` are at work."""

    costly = False

    def __init__(self, path: str, together: int = 1) -> None:
        self.path, self.together = path, together
        self.numbers: np.ndarray | None = None

    def shared(self) -> np.ndarray:
        if self.numbers is None:
            with open(self.path + ".log", "a") as log:
                log.write("read\n")
            self.numbers = np.loadtxt(self.path)
        return self.numbers

    def adopt(self, shared: np.ndarray) -> None:
        self.numbers = shared

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        numbers = self.shared()
        Path(f"{self.path}.{os.getpid()}.here").touch()
        here = Path(self.path).parent
        assert eventually(lambda: len(list(here.glob("*.here"))) >= self.together, PATIENCE_S)
        yield Measurement(
            {"sum": float(numbers.sum()), "writeable": float(numbers.flags.writeable)}
        )


def numbers_file(folder: Path) -> Path:
    path = folder / "numbers.txt"
    np.savetxt(path, np.arange(100_000.0))
    return path


def test_an_actor_adopts_what_it_is_given(folder: RunFolder, tmp_path: Path) -> None:
    path = numbers_file(tmp_path)
    make = partial(Reader, str(path))
    data = shared_data(make())
    actor = AttemptActor(make, TARGETS, str(folder.root), "ray-0", shared=data)
    (text,) = actor.run(assignment_to_json(Assignment(0, 1, {})))
    assert Outcome.from_json(text).values["sum"] == data.sum()
    assert (tmp_path / "numbers.txt.log").read_text() == "read\n"
    assert shared_data(Noop()) is None, "most have nothing to share"


@pytest.mark.slow
def test_several_ray_actors_look_at_one_copy_that_was_read_once(
    folder: RunFolder, tmp_path: Path
) -> None:
    from matscout.fleet.ray_actors import RayFleet

    path = numbers_file(tmp_path)
    make = partial(Reader, str(path), together=3)
    fleet = RayFleet(make, TARGETS, folder, slots=3, cpus=0.25, shared=shared_data(make()))
    try:
        for trial in range(3):
            fleet.submit(Assignment(trial, 1, {}, None, 7))
        heard: list[Outcome] = []
        until_s = time.monotonic() + PATIENCE_S
        while len(heard) < 3 and time.monotonic() < until_s:
            heard += fleet.poll(1.0)
    finally:
        fleet.close()
    assert len({o.worker for o in heard}) == 3
    # Not to be written to: it lies in the node's object store, and is no worker's own.
    assert [o.values for o in heard] == [{"sum": np.arange(1e5).sum(), "writeable": 0.0}] * 3
    assert (tmp_path / "numbers.txt.log").read_text() == "read\n"


def sent(data: Any) -> Any:
    """As Ray sends it: arrays out of band, where they cannot be written to."""
    apart: list[pickle.PickleBuffer] = []
    body = pickle.dumps(data, protocol=5, buffer_callback=apart.append)
    return pickle.loads(body, buffers=[bytes(part) for part in apart])


def said(trainer: Evaluator, params: dict[str, Any]) -> list[Any]:
    return list(trainer.evaluate(params, Context(seed=3)))


@pytest.mark.parametrize("model", ["extra_trees", "lightgbm", "svm", "mlp"])
def test_a_tabular_trainer_without_its_file(model: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{'x' if a > 0 else 'z'},{3 * a + b:.3f}" for a, b in rng.normal(size=(40, 2))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["a,word,y", *rows]) + "\n")
    few = {"n_estimators": 5} if model in ("extra_trees", "lightgbm") else {}
    make = partial(
        TabularTrainer, table=path, predict="y", model=model, folds=2, epochs=2, hyperparameters=few
    )
    whole = make()
    exact, data = said(whole, {}), sent(shared_data(whole))
    assert not data.table.target.flags.writeable
    path.unlink()
    assert said(adopting(make, data), {}) == exact


def test_a_crystal_trainer_without_its_file(tmp_path: Path) -> None:
    cells = [Structure(Lattice.cubic(a), ["Cs"], [[0, 0, 0]]) for a in np.linspace(3.0, 4.0, 12)]
    path = tmp_path / "crystals.jsonl"
    names = tuple(f"c{k}" for k in range(12))
    save_structures(path, StructureSet(names, tuple(cells), np.linspace(1.0, 2.0, 12)))
    make = partial(
        CrystalGraphTrainer, structures=path, epochs=1,
        hyperparameters={"atom_features": 4, "convolutions": 1, "cutoff_angstrom": 5.0},
    )  # fmt: skip
    whole = make()
    exact, data = said(whole, {}), sent(shared_data(whole))
    (table,) = data.drawn._tables.values()
    assert table.distance.dtype == torch.float32 and len(table) == 12, "graphs come along"
    path.unlink()
    assert said(adopting(make, data), {}) == exact


def test_a_worker_with_another_device_makes_no_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put once for its node is copied to its GPU ("meta" stands in for one), source and all."""
    cells = [Structure(Lattice.cubic(3.0 + k / 9), [e], [[0, 0, 0]]) for k, e in enumerate(METALS)]
    path = tmp_path / "crystals.jsonl"
    save_structures(path, StructureSet(tuple(METALS), tuple(cells), np.arange(9.0)))
    small = {"atom_features": 4, "convolutions": 1, "source_epochs": 1}
    make = partial(
        CrystalGraphTrainer, structures=path, source=path, epochs=2, hyperparameters=small
    )
    whole = make()
    exact, data = said(whole, {}), sent(shared_data(whole))
    path.unlink()

    def none(*_: Any) -> Any:
        raise AssertionError("graphs are there already")

    monkeypatch.setattr(drawn_graphs, "crystal_graphs", none)
    one = adopting(make, data)
    assert said(one, {}) == exact
    settings, device = GraphSettings(), torch.device("meta")
    for drawn in (one.data.drawn, one.data.source.graphs):  # type: ignore[attr-defined]
        there = drawn.on(settings, None, device)
        assert there.distance.device == device and len(there) == 9
        assert drawn.on(settings, None, device) is there, "once for each device"
        here = drawn.on(settings, None, torch.device("cpu"))
        assert here.distance.device.type == "cpu" and drawn.held == 2
    with pytest.raises(AssertionError, match="there already"):
        one.data.graphs(GraphSettings(cutoff_angstrom=5.0), None, device)  # type: ignore[attr-defined]
