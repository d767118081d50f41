"""Crystal-graph networks that say how sure they are: against the parts that they are made of."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from matscout.checkpoint import CheckpointStore
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.crystal_networks import Networks
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models.cgcnn import Cgcnn
from matscout.models.fit import Fit
from matscout.models.uncertainty.dropout import thinned
from matscout.models.uncertainty.gaussian import variance_of
from matscout.models.uncertainty.objective import UncertainObjective
from matscout.trial import Measurement, Report, Target

SMALL = {
    "atom_features": 8, "convolutions": 1, "head_features": 8, "gaussians": 8,
    "cutoff_angstrom": 5.0, "batch_size": 8, "members": 3, "passes": 4, "dropout": 0.2,
}  # fmt: skip


def trainer(salts: Any, kind: str = "deep_ensemble", **options: Any) -> CrystalGraphTrainer:
    given = {**SMALL, "uncertainty": kind, **options.pop("hyperparameters", {})}
    chosen = {"epochs": 2, "uncertain": True, "hyperparameters": given, **options}
    return CrystalGraphTrainer(structures=salts.few, **chosen)


def said(one: CrystalGraphTrainer, **context: Any) -> tuple[list[Report], Measurement]:
    *reports, last = one.evaluate(context.pop("params", {}), Context(**context))
    assert isinstance(last, Measurement)
    return reports, last  # type: ignore[return-value]


def networks(one: CrystalGraphTrainer) -> Networks:
    return Networks(one, one.data, dict(one.hyperparameters), 5, torch.device("cpu"))


def run(fit: Any, epochs: int = 2) -> None:
    for _ in range(epochs):
        for _ in fit.run_epoch():
            pass


def test_an_ensemble_is_its_members_by_the_law_of_total_variance(salts: Any) -> None:
    one = trainer(salts)
    fold = networks(one).fold(0)
    run(fold.fit)
    objective, judge = fold.objective, fold.judge
    assert isinstance(objective, UncertainObjective)
    belief = objective.belief(fold.fit.outputs(judge))
    train, _ = one.data.folds[0]
    graphs = one.data.graphs(networks(one).graph_by, None, torch.device("cpu"))
    means, variances, losses = [], [], []
    for member in range(3):
        fit = Fit(
            lambda: Cgcnn(networks(one).size, 5.0, 2),
            lambda network, rows: network(graphs.batch(rows)),
            UncertainObjective(one.data.crystals.target, train, networks(one).fit_by, torch.device("cpu"), networks(one).unsure),
            networks(one).fit_by, train, epochs=2,
            seed=np.random.SeedSequence([5, 0], spawn_key=(2, member)), device=torch.device("cpu"),
        )  # fmt: skip
        run(fit)
        raw = fit.outputs(judge).double()
        losses.append(fit.losses)
        means.append(raw[:, 0].numpy())
        variances.append(variance_of(raw[:, 1]).numpy())
    y = one.data.crystals.target[train]
    assert belief.mean == pytest.approx(y.mean() + y.std() * np.mean(means, 0))
    assert belief.epistemic == pytest.approx(y.std() * np.std(means, 0, ddof=1))
    assert belief.aleatoric == pytest.approx(y.std() * np.sqrt(np.mean(variances, 0)))
    assert fold.fit.losses == pytest.approx(np.mean(losses, 0))


def test_dropout_is_the_network_asked_with_units_left_out(salts: Any) -> None:
    one = trainer(salts, "dropout")
    fold = networks(one).fold(0)
    run(fold.fit)
    plain = fold.fit._fit  # type: ignore[attr-defined]
    every = []
    for number in range(4):
        with thinned(plain.network, np.random.SeedSequence([5, 1, number])):
            every.append(plain.outputs(fold.judge))
    assert torch.equal(fold.fit.outputs(fold.judge), torch.stack(every))
    assert not torch.equal(every[0], every[1])
    alone = [fold.fit.outputs(fold.judge[k : k + 1])[:, 0] for k in range(len(fold.judge))]
    assert torch.allclose(torch.stack(alone, 1), torch.stack(every), atol=1e-6)


@pytest.mark.parametrize("kind", ["deep_ensemble", "dropout", "evidential"])
def test_scores_are_those_of_the_predictions(kind: str, salts: Any, tmp_path: Path) -> None:
    one = trainer(salts, kind, metric="nll", fraction=0.5)
    reports, last = said(one, seed=1, workdir=tmp_path)
    with open(tmp_path / "predictions.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    truth, mean, epistemic, aleatoric = (
        np.array([float(line[name]) for line in lines])
        for name in ("truth", "prediction", "epistemic", "aleatoric")
    )
    sd = np.hypot(epistemic, aleatoric)
    assert (epistemic > 0).all() and (aleatoric > 0).all()
    assert last.values["nll"] == pytest.approx(-norm.logpdf(truth, mean, sd).mean())
    assert last.values["nll"] == reports[-1].values["nll"]
    assert last.values["mae"] == pytest.approx(np.abs(truth - mean).mean())
    inside = np.abs(truth - mean) <= norm.ppf(0.95) * sd
    assert last.values["coverage_90"] == pytest.approx(inside.mean())
    assert last.values["sd_epistemic"] == pytest.approx(np.sqrt(np.square(epistemic).mean()))
    assert {"crps", "coverage_error", "miscalibration_area", "sd", "sd_aleatoric"} < set(
        last.values
    )
    assert json.loads((tmp_path / "scores.json").read_text()) == last.values
    one.check_targets([Target("nll", "min"), Target("crps", "min"), Target("gap_to_dummy", "max")])
    one.check(["uncertainty", "members", "lr"])


@pytest.mark.parametrize("kind", ["deep_ensemble", "dropout"])
def test_killed_it_goes_on_bit_for_bit_after_a_source_too(
    kind: str, salts: Any, tmp_path: Path
) -> None:
    few = {"members": 2, "source_epochs": 1}
    one = trainer(salts, kind, source=salts.many, hyperparameters=few)
    whole = said(one, seed=2)
    for after in (8, 20) if kind == "deep_ensemble" else (8,):
        store, calls = CheckpointStore(tmp_path / str(after)), iter([False] * after)
        stopped = Context(
            seed=2,
            checkpoints=store,
            should_stop=lambda calls=calls: next(calls, True),  # type: ignore[misc]
        )
        assert not any(isinstance(got, Measurement) for got in one.evaluate({}, stopped))
        assert said(one, seed=2, checkpoints=store)[1] == whole[1]


def test_what_signs_a_checkpoint_is_what_tune_asks_for(salts: Any) -> None:
    prints = set()
    for options in ({}, {"uncertain": True}, {"most_at_once": 40}):
        one = CrystalGraphTrainer(structures=salts.few, **options)  # type: ignore[arg-type]
        assert one.state_print({"lr": 0.1}, 3) == one.fingerprint(one.data.digest, {"lr": 0.1}, 3)
        prints.add(one.state_print({"lr": 0.1}, 3))
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("options", "params", "what"),
    [
        ({"task": "classification"}, {}, "trainer.uncertain: classes have probabilities"),
        ({"uncertain": "yes"}, {}, "trainer.uncertain: must be true or false"),
        ({"uncertain": False}, {}, "trainer.hyperparameters.members: no such hyperparameter"),
        ({}, {"uncertainty": "ensemble"}, "did you mean 'deep_ensemble'"),
        ({}, {"uncertainty": "dropout", "dropout": 0.0}, "params.dropout: is 0"),
        ({}, {"weights": "balanced"}, "params.weights: 'balanced' weighs rows"),
        ({"uncertain": False, "metric": "nll", "hyperparameters": None}, {}, "'nll' judges a stated"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    options: dict[str, Any], params: dict[str, Any], what: str, salts: Any
) -> None:
    with pytest.raises(InputError, match=what) as caught:
        if options.get("hyperparameters", 0) is None:
            plain = {**options, "hyperparameters": {}}
            said(CrystalGraphTrainer(structures=salts.few, **plain))
        said(trainer(salts, **options), params=params)
    assert "\n" not in str(caught.value)
