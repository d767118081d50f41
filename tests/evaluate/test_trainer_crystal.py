"""The crystal-graph trainer: it learns, it reports, it uses its cache, and mistakes by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matscout.data.prototypes import substituted
from matscout.data.structures import StructureSet, save_structures
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models import neighbors
from matscout.models.hyperparameters import GraphSettings
from matscout.trial import Measurement, Report

SMALL = {"atom_features": 16, "convolutions": 1, "head_features": 16, "gaussians": 12}


def write(path: Path, n: int = 40, classes: bool = False) -> str:
    """Crystals with a target that elements and distances decide: volume per atom."""
    crystals = [new.structure for new in substituted(n, seed=3, max_sites=6)]
    target = np.array([s.volume / len(s) for s in crystals])
    if classes:
        target = (target > np.median(target)).astype(float)
    save_structures(path, StructureSet(tuple(f"c{k}" for k in range(n)), tuple(crystals), target))
    return str(path)


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("data") / "crystals.jsonl.gz")


def evaluated(
    trainer: CrystalGraphTrainer, params: dict[str, Any], **context: Any
) -> tuple[list[Report], Measurement]:
    *reports, last = trainer.evaluate({**SMALL, **params}, Context(**context))
    assert isinstance(last, Measurement)
    return reports, last  # type: ignore[return-value]


def test_it_learns_and_reports(crystals: str, tmp_path: Path) -> None:
    trainer = CrystalGraphTrainer(structures=crystals, epochs=30, target="volume_error")
    reports, last = evaluated(trainer, {"batch_size": 8}, workdir=tmp_path, seed=1)
    assert [report.step for report in reports] == list(range(1, 31))
    assert reports[-1].values["volume_error"] == last.values["volume_error"]
    assert last.values["gap_to_dummy"] > 1 and last.sem == {}
    with open(tmp_path / "predictions.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8 and all(line["row"].startswith("c") for line in lines)
    errors = [abs(float(line["truth"]) - float(line["prediction"])) for line in lines]
    assert last.values["volume_error"] == pytest.approx(np.mean(errors))
    again = evaluated(trainer, {"batch_size": 8}, seed=1)
    assert again == (reports, last)
    assert evaluated(trainer, {"batch_size": 8}, seed=2)[1] != last


def test_parts_keep_the_batch_and_throughput_is_written(crystals: str, tmp_path: Path) -> None:
    """Big crystals go through in parts; without batch normalisation that changes nothing."""
    params = {"batch_size": 16, "norm": "none"}
    whole = CrystalGraphTrainer(structures=crystals, epochs=2)
    cut = CrystalGraphTrainer(structures=crystals, epochs=2, most_at_once=150)
    sizes = cut.data.graphs(GraphSettings(), None, torch.device("cpu")).sizes
    assert sizes.sum() > 10 * 150 > sizes.max() > 20
    one, other = (evaluated(t, params, workdir=tmp_path, seed=1)[1] for t in (whole, cut))
    assert other.values["mae"] == pytest.approx(one.values["mae"], rel=1e-4)
    about = json.loads((tmp_path / "throughput.json").read_text())
    assert about["structures"] == 2 * 32 and about["device"] == "cpu"
    assert about["structures_per_s"] == pytest.approx(64 / about["seconds"])
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_folds_side_by_side_report_their_mean(crystals: str) -> None:
    trainer = CrystalGraphTrainer(structures=crystals, epochs=3, split="kfold", folds=3)
    reports, last = evaluated(trainer, {})
    assert [report.step for report in reports] == [1, 2, 3]
    assert last.values["mae"] == reports[-1].values["mae"] and last.sem["mae"] > 0


def test_polymorphs_stay_together_in_a_grouped_split(crystals: str) -> None:
    trainer = CrystalGraphTrainer(structures=crystals, split="grouped", folds=4)
    names = [s.composition.reduced_formula for s in trainer.data.crystals.structures]
    for train, judge in trainer.data.folds:
        assert not {names[k] for k in train} & {names[k] for k in judge}


@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc"])
def test_classes(metric: str, tmp_path: Path) -> None:
    trainer = CrystalGraphTrainer(
        structures=write(tmp_path / "c.jsonl", classes=True), task="classification",
        metric=metric, split="stratified", folds=2, epochs=15,
    )  # fmt: skip
    _, last = evaluated(trainer, {"batch_size": 4})
    assert last.values["gap_to_dummy"] > 0.1


def test_graphs_are_made_once_for_a_cutoff_and_kept_on_disk(
    crystals: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[float] = []
    real = neighbors.find_neighbors

    def counted(structure: Any, cutoff: float) -> Any:
        searches.append(cutoff)
        return real(structure, cutoff)

    monkeypatch.setattr(neighbors, "find_neighbors", counted)
    options = {"structures": crystals, "epochs": 1, "graph_cache": str(tmp_path / "graphs")}
    trainer = CrystalGraphTrainer(**options)
    first = evaluated(trainer, {})
    assert evaluated(trainer, {}) == first and len(searches) == 40
    assert evaluated(CrystalGraphTrainer(**options), {}) == first and len(searches) == 40
    evaluated(trainer, {"max_neighbors": 6})
    assert len(searches) == 40, "the list on disk is that of the cut-off"
    evaluated(trainer, {"cutoff_angstrom": 5.0})
    assert searches == [6.0] * 40 + [5.0] * 40
    no_disk = CrystalGraphTrainer(**{**options, "graph_cache": None})
    assert evaluated(no_disk, {}) == first


def test_a_loss_that_explodes_is_measured_and_not_waited_for(crystals: str) -> None:
    trainer = CrystalGraphTrainer(structures=crystals, epochs=50)
    wild = {"optimizer": "sgd", "lr": 10.0, "norm": "none", "schedule": "constant"}
    reports, last = evaluated(trainer, wild)
    assert len(reports) < 50 and np.isnan(reports[-1].values["mae"])
    assert np.isnan(last.values["mae"]) and last.sem == {}


def atoms_of(folder: Path, target: np.ndarray) -> Path:
    """Six crystals of one atom each."""
    from pymatgen.core import Lattice, Structure

    atoms = [Structure(Lattice.cubic(3 + k / 10), ["Fe"], [[0, 0, 0]]) for k in range(6)]
    save_structures(folder / "a.jsonl", StructureSet(tuple("abcdef"), tuple(atoms), target))
    return folder / "a.jsonl"


def test_batch_normalisation_survives_a_last_batch_of_one_atom(tmp_path: Path) -> None:
    path = atoms_of(tmp_path, np.arange(6.0))
    trainer = CrystalGraphTrainer(structures=str(path), epochs=2)
    _, last = evaluated(trainer, {"batch_size": 4})
    assert np.isfinite(last.values["mae"])


@pytest.mark.parametrize(
    ("options", "params", "what"),
    [
        ({"structures": "absent.json"}, {}, "absent.json: no such file"),
        ({"predict": "energy"}, {}, 'no target "energy"'),
        ({"most_at_once": -1}, {}, "trainer.most_at_once: must be a whole number"),
        ({"mixed_precision": "yes"}, {}, "trainer.mixed_precision: must be true or false"),
        ({"metric": "accuracy"}, {}, "'accuracy' is for classification"),
        ({"task": "classification"}, {}, "number its classes 0, 1"),
        ({"split": "hold-out"}, {}, "did you mean 'holdout'"),
        ({"split": "kfold", "folds": 99}, {}, "40 rows do not make 99 folds"),
        ({"hyperparameters": {"batchsize": 5}}, {}, "did you mean 'batch_size'"),
        ({}, {"learning_rate": 0.1}, "params.learning_rate: no such hyperparameter"),
        ({}, {"convolution": 2}, "did you mean 'convolutions'"),
        ({}, {"lr": 1e9}, "params.lr"),
        ({}, {"cutoff_angstrom": 99.0}, "params.cutoff_angstrom"),
    ],
)
def test_mistakes_are_one_line(
    options: dict[str, Any], params: dict[str, Any], what: str, crystals: str
) -> None:
    with pytest.raises(InputError, match=what) as caught:
        trainer = CrystalGraphTrainer(**{"structures": crystals, **options})
        list(trainer.evaluate(params, Context()))
    assert "\n" not in str(caught.value)


def test_one_class_alone_is_told(tmp_path: Path) -> None:
    path = atoms_of(tmp_path, np.zeros(6))
    with pytest.raises(InputError, match="'target' is 0 in every crystal; bring another class too"):
        CrystalGraphTrainer(structures=str(path), task="classification").check([])


def test_a_space_is_checked_before_a_run(crystals: str) -> None:
    trainer = CrystalGraphTrainer(structures=crystals, epochs=2)
    trainer.check(["lr", "convolutions", "max_neighbors"])
    with pytest.raises(InputError, match=r"space\.parameters\.conv"):
        trainer.check(["conv"])


@pytest.mark.slow
def test_real_phonons(shared_data: Path) -> None:
    """1,265 structures with the last phonon peak: a few epochs halve the dummy's error."""
    path = shared_data / "phonons" / "matbench_phonons.json.gz"
    trainer = CrystalGraphTrainer(structures=str(path), predict="last phdos peak", epochs=12)
    *_, last = trainer.evaluate({"batch_size": 32}, Context())
    assert isinstance(last, Measurement)
    assert last.values["mae"] < last.values["gap_to_dummy"]


def test_a_fold_of_one_class_is_judged_by_accuracy_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", classes=True)
    given: dict[str, Any] = {"task": "classification", "split": "kfold", "folds": 20}
    with pytest.raises(InputError, match="one class only to judge by 'balanced_accuracy'"):
        _ = CrystalGraphTrainer(structures=path, **given).data
    assert len(CrystalGraphTrainer(structures=path, metric="accuracy", **given).data.folds) == 20
