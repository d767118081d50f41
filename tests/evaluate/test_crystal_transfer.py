"""Crystal-graph networks that have learned another property first: from a table, or in a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matscout.checkpoint import CheckpointStore
from matscout.data.structures import StructureSet, load_structures, save_structures
from matscout.errors import InputError, RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.crystal_networks import Networks
from matscout.evaluate.crystal_source import SourceRun, SourceTable, compositions
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models.staged import Staged
from matscout.owner import Owner
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Report

SMALL = {
    "atom_features": 8, "convolutions": 1, "head_features": 8, "gaussians": 8,
    "cutoff_angstrom": 5.0, "batch_size": 8, "lr": 0.03,
}  # fmt: skip
LR = {"type": "float", "low": 1e-3, "high": 1e-2}
LAYERS = {"type": "int", "low": 1, "high": 2}
HYPER = {**SMALL, "source_epochs": 2, "source_lr": 0.03}


def trainer(salts: Any, **options: Any) -> CrystalGraphTrainer:
    chosen = {"epochs": 4, "hyperparameters": HYPER, "source": salts.many, **options}
    return CrystalGraphTrainer(structures=salts.few, **chosen)


def said(one: CrystalGraphTrainer, **context: Any) -> tuple[list[Report], Measurement]:
    *reports, last = one.evaluate(context.pop("params", {}), Context(**context))
    assert isinstance(last, Measurement)
    return reports, last  # type: ignore[return-value]


def write(path: Path, structures: Any, target: np.ndarray) -> Path:
    save_structures(path, StructureSet(tuple(map(str, range(len(target)))), structures, target))
    return path


def test_a_source_that_knows_the_answer_helps(salts: Any) -> None:
    """Twelve pairs of sixteen elements say little; what the source knows has only to be turned round."""
    long = {"epochs": 8, "fraction": 0.5, "hyperparameters": {**HYPER, "source_epochs": 15}}
    one = trainer(salts, **long)
    error = {
        how: said(one, params={"transfer": how}, seed=1)[1].values["mae"]
        for how in ("two_stage", "pairwise", "scratch")
    }
    assert max(error["two_stage"], error["pairwise"]) < 0.5 * error["scratch"]
    plain = trainer(salts, **{**long, "source": None, "hyperparameters": SMALL})
    assert said(plain, seed=1)[1].values["mae"] == error["scratch"], "as without any source"


def test_nothing_is_learned_from_a_composition_that_the_fold_judges(salts: Any) -> None:
    one = trainer(salts, split="kfold", folds=4)
    source = one.data.source
    assert isinstance(source, SourceTable)
    own = compositions(one.data.crystals.structures)
    other = compositions(source.graphs.structures)
    for (_, judge), rows in zip(one.data.folds, source.rows, strict=True):
        hidden = own[judge]
        assert not set(hidden) & set(other[rows])
        assert rows.tolist() == np.flatnonzero(~np.isin(other, hidden)).tolist(), "and no more"


def test_labels_of_judged_compositions_change_nothing(salts: Any, tmp_path: Path) -> None:
    """The proof by lying: other labels where the fold judges, and not one digit moves."""
    many, one = load_structures(salts.many), trainer(salts)
    (_, judge), *_ = one.data.folds
    own = compositions(one.data.crystals.structures)
    hidden = np.isin(compositions(many.structures), own[judge])
    assert 0 < hidden.sum() < 12
    honest = said(one, seed=2)
    for lies, same in ((hidden, True), (~hidden, False)):
        path = tmp_path / "lied.jsonl"
        save_structures(path, replace(many, target=np.where(lies, -many.target, many.target)))
        other = trainer(salts, source=path)
        assert other.data.digest != one.data.digest
        assert (said(other, seed=2) == honest) is same


def test_the_body_stays_frozen_until_the_second_stage(salts: Any) -> None:
    one = trainer(salts)
    fit = Networks(one, one.data, HYPER, 3, torch.device("cpu")).fold(0).fit
    assert isinstance(fit, Staged)
    bodies, losses = [], []
    for _ in range(one.epochs):
        for _ in fit.run_epoch():
            pass
        weights = fit.network.state_dict()
        bodies.append({k: v.clone() for k, v in weights.items() if k.startswith("extractor.")})
        losses.append(fit.losses[-1])
    assert fit.losses == losses and fit.epoch == 4
    same = [all(torch.equal(a[k], b[k]) for k in a) for a, b in pairwise(bodies)]
    assert same == [True, False, False]
    running = [k for k in bodies[0] if "running" in k]
    assert running and all(torch.equal(bodies[0][k], bodies[3][k]) for k in running)
    rows = one.data.source.rows[0]  # type: ignore[union-attr]
    assert fit.rows_seen == 2 * len(rows) + 4 * 19


class Stops:
    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("after", [4, 15, 20, 24])
def test_a_killed_trainer_goes_on_bit_for_bit(after: int, salts: Any, tmp_path: Path) -> None:
    """Inside the source, between the stages, and inside either."""
    one = trainer(salts, hyperparameters={**HYPER, "dropout": 0.2})
    whole = said(one, seed=5)
    store = CheckpointStore(tmp_path)
    first = list(one.evaluate({}, Context(seed=5, checkpoints=store, should_stop=Stops(after))))
    assert len(first) < 5 and store.load() is not None
    reports, last = said(one, seed=5, checkpoints=store)
    assert [r.values for r in reports] == [r.values for r in whole[0]] and last == whole[1]
    with pytest.raises(RunFailed, match="belongs to other data"):
        said(trainer(salts, source=None, hyperparameters=SMALL), seed=5, checkpoints=store)


CONFIG = """
name = "NAME"
seed = 4
[evaluator]
type = "crystal_graph"
structures = "TABLE"
epochs = 5
OPTIONS
[evaluator.hyperparameters]
atom_features = 8
convolutions = 1
head_features = 8
gaussians = 8
MORE
[run]
fleet = "inline"
"""


def trained(folder: Path, name: str, table: Path, options: str = "", more: str = "") -> Path:
    """The folder of a run that `matscout train` has made."""
    from matscout.cli.train import train

    text = CONFIG
    for word, said in (("NAME", name), ("TABLE", table), ("OPTIONS", options), ("MORE", more)):
        text = text.replace(word, str(said))
    config = folder / f"{name}.toml"
    config.write_text(text)
    assert train(config, folder, {}, True) == 0
    return folder / name


def test_a_run_goes_on_from_an_earlier_one(salts: Any, tmp_path: Path) -> None:
    """Pretrained once by a run on 40 other pairs, and taken over by name."""
    first = write(tmp_path / "first.jsonl", salts.structures[24:], salts.worth[24:])
    run = trained(tmp_path, "first", first)
    trained(tmp_path, "second", salts.few, 'source_run = "first"', 'transfer = "pairwise"')
    one = trainer(salts, source=None, source_run=run, hyperparameters={"transfer": "pairwise"})
    source = one.data.source
    assert isinstance(source, SourceRun) and source.shape["atom_features"] == 8
    *_, last = one.evaluate({}, Context())
    assert isinstance(last, Measurement)
    kept = CheckpointStore(RunFolder(run).checkpoints(0)).load()
    assert kept is not None
    weight = "fold0/weights/embedding.weight"
    assert np.array_equal(kept.arrays[weight], source.weights[0]["embedding.weight"])
    with pytest.raises(
        InputError, match=r"atom_features: is 16, and the network of source_run has 8"
    ):
        list(one.evaluate({"atom_features": 16}, Context()))
    one.check(["lr", "slower"])
    with pytest.raises(InputError, match="two stages take two epochs"):
        replace(one, epochs=1, hyperparameters={}).check(["lr"])
    with pytest.raises(InputError, match=r"parameters\.convolutions: is what the network"):
        one.check(["convolutions"])
    with pytest.raises(InputError, match=r"parameters\.source_lr: has no effect"):
        one.check_space(Space.from_dict({"parameters": {"source_lr": LR}}))
    with pytest.raises(InputError, match=r"convolutions: is 2, and the network of source_run"):
        one.check_space(Space.from_dict({"parameters": {"convolutions": LAYERS}}))
    owner = Owner.take(RunFolder(run).lock)
    with pytest.raises(InputError, match=r"is still running: host .*; wait for its end"):
        one.check(["lr"])
    owner.release()
    (newest := sorted(RunFolder(run).checkpoints(0).iterdir())[-1]).joinpath("state.json").unlink()
    with pytest.raises(InputError, match=f"trial 0 of .*{newest.name}: broken checkpoint"):
        _ = replace(one).data
    shutil.rmtree(newest)
    with pytest.raises(InputError, match=r"trial 0 of .* has left no checkpoint"):
        _ = replace(one).data
    first.rename(tmp_path / "moved.jsonl")
    with pytest.raises(InputError, match=r"source_run: .*first: .*first\.jsonl: no such file"):
        _ = replace(one).data
    (tmp_path / "moved.jsonl").rename(first)
    trained(tmp_path, "third", first)
    write(first, salts.structures[24:], -salts.worth[24:])
    one = replace(one, source_run=tmp_path / "third")
    with pytest.raises(InputError, match="no longer those that it learned from"):
        _ = replace(one).data


def test_a_run_that_has_seen_what_the_fold_judges_is_refused(salts: Any, tmp_path: Path) -> None:
    run = trained(tmp_path, "all", salts.many, 'split = "kfold"\nfolds = 2')
    with pytest.raises(
        InputError, match="compositions that fold 0 judges; name its table"
    ) as caught:
        _ = trainer(salts, source=None, source_run=run, split="kfold", folds=2).data
    assert "\n" not in str(caught.value)
    # Each of its two networks has seen the half that the other judged: on such a half it may go on.
    halves = CrystalGraphTrainer(
        structures=salts.many, split="kfold", folds=2, epochs=5, source_run=run
    )
    taken = halves.data.source
    assert isinstance(taken, SourceRun)
    one, other = (w["embedding.weight"] for w in taken.weights)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"source_run": "first"}, "trainer.source_run: is a second beginning"),
        ({"source": None, "source_predict": "y"}, "trainer.source_predict: there is no source"),
        ({"source": "absent.json"}, "absent.json: no such file"),
        ({"source_predict": "energy"}, 'no target "energy"'),
        ({"source": None, "source_run": "absent"}, "no run is at absent"),
        ({"source": None}, "trainer.hyperparameters.source_epochs: no such hyperparameter"),
        ({"epochs": 1}, "params.transfer: two stages take two epochs"),
        ({"hyperparameters": {"transfer": "two-stage"}}, "did you mean 'two_stage'"),
        ({"source": "one"}, "1 of its crystals have a composition that fold 0 does not judge"),
    ],
)
def test_mistakes_are_one_line(
    options: dict[str, Any], what: str, salts: Any, tmp_path: Path
) -> None:
    if options.get("source") == "one":
        path = write(tmp_path / "one.jsonl", salts.structures[-1:], salts.worth[-1:])
        options = {**options, "source": path}
    with pytest.raises(InputError, match=what) as caught:
        said(trainer(salts, **options))
    assert "\n" not in str(caught.value)


def test_a_resumed_run_begins_with_the_trial_that_it_began_with(
    salts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the source run goes on in between: which trial it was is written down, and its digest."""
    from matscout.cli.assemble import drive
    from matscout.drive.loop import Observer
    from matscout.drive.run import load
    from matscout.history import History

    first = write(tmp_path / "first.jsonl", salts.structures[24:], salts.worth[24:])
    run = RunFolder(trained(tmp_path, "first", first))
    second = RunFolder(trained(tmp_path, "second", salts.few, 'source_run = "first"'))
    options = load(second)[1].config["evaluator"]
    assert options["source_trial"] == 0 and len(options["source_digest"]) == 64
    pinned = replace(
        trainer(salts, source=None, hyperparameters={}),
        source_run=run.root, source_trial=0, source_digest=options["source_digest"],
    )  # fmt: skip
    before = pinned.data.source
    # A later sitting of the source has found a better trial.
    monkeypatch.setattr(History, "best", lambda self, target=None: None)
    again = replace(pinned).data.source
    assert isinstance(before, SourceRun) and isinstance(again, SourceRun)
    assert again.trial == 0 and again.networks == before.networks
    with pytest.raises(InputError, match=r"no trial of .* has a value yet"):
        _ = replace(pinned, source_trial=None, source_digest="").data
    with pytest.raises(
        InputError, match=r"trial 1 of .*, which this run begins with, is not there"
    ):
        _ = replace(pinned, source_trial=1).data
    with pytest.raises(InputError, match="has other networks than those that this run began with"):
        _ = replace(pinned, source_digest="0" * 64).data
    later = {"source_run": second.root, "source_trial": None, "source_digest": ""}
    with pytest.raises(InputError, match="began with another source themselves"):
        _ = replace(pinned, **later).data
    with pytest.raises(InputError, match="source_digest: of which trial, is not said"):
        replace(pinned, source_trial=None)
    with pytest.raises(InputError, match="source_trial: there is no source_run"):
        trainer(salts, source_trial=0)
    monkeypatch.undo()
    predicted(tmp_path, "second", salts.few)
    shutil.rmtree(run.checkpoints(0))
    with pytest.raises(InputError, match=r"trial 0 of .* has left no checkpoint") as caught:
        drive(second, Observer())
    assert "\n" not in str(caught.value)


def predicted(folder: Path, name: str, new: Path) -> None:
    """`matscout predict` restores the very networks that were scored, however they began."""
    from matscout.cli.predict import predict

    out = folder / f"{name}.csv"
    assert predict(name, new, out, folder, 0.9, None, False, False, True) == 0
    assert len(out.read_text().splitlines()) == 25


@pytest.mark.slow
def test_networks_that_began_with_a_table_predict(salts: Any, tmp_path: Path) -> None:
    trained(tmp_path, "own", salts.few, f'source = "{salts.many}"', "source_epochs = 1")
    predicted(tmp_path, "own", salts.few)
