"""What the networks of one trial, or of several, say of new crystals together, and what they know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.checkpoint import CheckpointStore
from matscout.data.structures import StructureSet, save_structures
from matscout.errors import InputError
from matscout.evaluate import predicting_crystals
from matscout.evaluate.base import Context
from matscout.evaluate.predicting import Member
from matscout.evaluate.predicting_crystals import CrystalsPredicted, Kept, predict_crystals
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models.uncertainty.belief import Belief
from matscout.trial import Measurement

SMALL = {
    "atom_features": 8, "convolutions": 1, "head_features": 8, "gaussians": 8,
    "cutoff_angstrom": 5.0, "batch_size": 8, "lr": 0.03,
}  # fmt: skip


def trainer(structures: Path, **options: Any) -> CrystalGraphTrainer:
    given = {**SMALL, **options.pop("hyperparameters", {})}
    chosen = {"split": "kfold", "folds": 3, "epochs": 2, **options}
    return CrystalGraphTrainer(structures=structures, hyperparameters=given, **chosen)


def kept(one: CrystalGraphTrainer, folder: Path, trial: int = 0, **params: Any) -> Kept:
    """The networks of a trial that has been trained to its end."""
    store = CheckpointStore(folder / f"trial-{trial}")
    *_, last = one.evaluate(params, Context(trial=trial, seed=trial, checkpoints=store))
    assert isinstance(last, Measurement)
    found = store.load()
    assert found is not None
    return Kept(Member(trial, params, trial), found)


def said(one: CrystalGraphTrainer, members: list[Kept], new: Any) -> CrystalsPredicted:
    return predict_crystals(one, members, new, [f"new {k}" for k in range(len(new))])


def test_several_trials_predict_by_the_mean_of_all_their_networks(
    salts: Any, tmp_path: Path
) -> None:
    one = trainer(salts.few)
    members = [kept(one, tmp_path, 0), kept(one, tmp_path, 1, lr=0.01, atom_features=12)]
    new = salts.structures[24:30]
    both, alone = said(one, members, new), [said(one, [own], new) for own in members]
    (whole,), parts = both.each, [own.each[0] for own in alone]
    assert np.allclose(whole.new.seen, np.mean([own.new.seen for own in parts], axis=0))
    assert not np.allclose(parts[0].new.seen, parts[1].new.seen)
    assert [len(fold.judged) for fold in whole.folds] == [8, 8, 8]
    for fold, first, second in zip(whole.folds, parts[0].folds, parts[1].folds, strict=True):
        assert fold.judged.tolist() == first.judged.tolist() == second.judged.tolist()
        for name in ("of_judged", "of_new"):
            mean = (getattr(first, name).seen + getattr(second, name).seen) / 2
            assert np.allclose(getattr(fold, name).seen, mean)
    assert both.scores.shape == both.then.shape == (2, 3)
    assert np.array_equal(both.scores, np.concatenate([own.scores for own in alone]))
    assert np.allclose(both.scores, both.then, rtol=1e-6)
    assert len(both.missing) == 6 and {len(each) for each in both.missing} == {6}


def test_their_uncertainty_is_that_of_the_mixture(
    salts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mean of the variances, and variance of the means, over the networks of all trials and folds."""
    one = trainer(salts.few, uncertain=True, hyperparameters={"members": 2})
    members = [kept(one, tmp_path, 0), kept(one, tmp_path, 1, lr=0.003)]
    new = salts.structures[24:30]
    heard: list[Belief] = []
    together = predicting_crystals.together

    def hear(each: Any) -> Belief | None:
        heard.extend(each)
        return together(each)

    monkeypatch.setattr(predicting_crystals, "together", hear)
    found = said(one, members, new).belief
    assert found is not None and len(heard) == 6
    means = np.stack([own.mean for own in heard])
    noise = np.mean([own.aleatoric**2 for own in heard], axis=0)
    unsure = np.mean([own.epistemic**2 for own in heard], axis=0) + means.var(axis=0, ddof=1)
    assert np.allclose(found.mean, means.mean(axis=0))
    assert np.allclose(found.sd**2, noise + unsure)
    assert np.allclose(found.aleatoric**2, noise) and (unsure > 0).all()


def salt(a: str, b: str) -> Structure:
    return Structure(Lattice.cubic(4.0), [a, b], [[0, 0, 0], [0.5] * 3])


@pytest.mark.parametrize("transfer", ["pairwise", "two_stage", "scratch"])
def test_known_is_what_the_crystals_or_their_source_have_shown(
    salts: Any, tmp_path: Path, transfer: str
) -> None:
    """Also where the body stays as the source has left it: the head has learned with what it says."""
    own = (*salts.structures[:24], salt("Ag", "F"), salt("Ag", "Cl"), salt("Ag", "Br"))
    other = (*salts.structures[24:], salt("Tl", "F"), salt("Tl", "Cl"))
    tables = []
    for name, structures in (("own", own), ("other", other)):
        ids = tuple(f"{name} {k}" for k in range(len(structures)))
        target = np.random.default_rng(0).normal(size=len(structures))
        tables.append(tmp_path / f"{name}.jsonl")
        save_structures(tables[-1], StructureSet(ids, structures, target))
    given = {"source_epochs": 1, "transfer": transfer}
    one = trainer(tables[0], source=tables[1], folds=2, hyperparameters=given)
    members = [kept(one, tmp_path)]
    found = said(one, members, [salt("Li", "F"), salt("Ag", "I")])
    assert found.missing == (((), ()), ((), ()))
    shown = transfer != "scratch"
    if shown:
        assert said(one, members, [salt("Tl", "I")]).missing == (((), ()),)
    for cation, unknown in (("Xe", True), ("Tl", not shown)):
        if unknown:
            what = f"new 0: no crystal that was learned from has {cation}; leave it out"
            with pytest.raises(InputError, match=what):
                said(one, members, [salt(cation, "F")])
    if shown:  # one trial of two has learned the source: half of the networks know its element
        members.append(kept(one, tmp_path, 1, transfer="scratch"))
        assert said(one, members, [salt("Tl", "I")]).missing == (((), (), ("Tl",), ("Tl",)),)
