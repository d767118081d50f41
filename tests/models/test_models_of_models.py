"""Hurdles, averages, one Matern kernel for each block, networks in one go; the model as a parameter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gpytorch.kernels import AdditiveKernel
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, VotingRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.linear_model import LinearRegression, LogisticRegression

from matscout.errors import InputError
from matscout.models import names, tabular
from matscout.models.average import AverageRegressor
from matscout.models.block_matern import BlockMaternClassifier, BlockMaternRegressor
from matscout.models.hurdle import Hurdle
from matscout.models.imbalance.inner import TakesBeside
from matscout.models.network import MlpClassifier
from matscout.models.tabular import Columns


def rows(n: int = 60, d: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x, x[:, 0] + np.sin(2 * x[:, 1])


def test_a_hurdle_is_its_two_models() -> None:
    x, y = rows(200)
    y = np.where(x[:, 0] > 0, 3 + x[:, 1], 0.0)
    own = Hurdle(LogisticRegression(), LinearRegression()).fit(x[:150], y[:150])
    assert own.atom_ == 0.0
    above = x[:150, 0] > 0
    alone = LinearRegression().fit(x[:150][above], y[:150][above]).predict(x[150:])
    gate = LogisticRegression().fit(x[:150], above).predict_proba(x[150:])[:, 1]
    assert np.allclose(own.predict(x[150:]), np.where(gate >= 0.5, alone, 0.0))
    mixed = clone(own).set_params(combine="expected").fit(x[:150], y[:150])
    assert np.allclose(mixed.predict(x[150:]), gate * alone)
    surer = clone(own).set_params(gate_at=0.7).fit(x[:150], y[:150])
    assert np.allclose(surer.predict(x[150:]), np.where(gate >= 0.7, alone, 0.0))
    assert 0 < (surer.predict(x[150:]) == 0).sum() > (own.predict(x[150:]) == 0).sum()


def test_a_hurdle_without_an_atom_or_with_nothing_else() -> None:
    x, y = rows(50)
    own = Hurdle(LogisticRegression(), LinearRegression()).fit(x, y)
    assert np.allclose(own.predict(x), LinearRegression().fit(x, y).predict(x))
    y = np.zeros(50)
    assert (Hurdle(LogisticRegression(), DummyRegressor()).fit(x, y).predict(x) == 0).all()
    y[3] = 7.0
    assert np.isfinite(Hurdle(LogisticRegression(), DummyRegressor()).fit(x, y).predict(x)).all()


class _Spy(TakesBeside, ClassifierMixin, BaseEstimator):
    """A classifier that keeps the groups it was given."""

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> _Spy:
        self.classes_, self.groups_ = np.unique(y), groups
        return self


def test_a_hurdle_hands_groups_to_its_classifier() -> None:
    x, y = rows(40)
    y, groups = np.where(x[:, 0] > 0, y, 0.0), np.arange(40) // 2
    own = tabular.fit(Hurdle(_Spy(), LinearRegression()), x, y, groups)
    assert np.array_equal(own.classifier_.groups_, groups)
    alone = Hurdle(_Spy(), LinearRegression()).fit(x, y).classifier_
    assert alone is not None and alone.groups_ is None


def test_an_average_is_scikit_learn_s_vote() -> None:
    x, y = rows()
    two = [ExtraTreesRegressor(10, random_state=0), LinearRegression()]
    ours = AverageRegressor(two).fit(x, y).predict(x)
    theirs = VotingRegressor([("a", two[0]), ("b", two[1])]).fit(x, y).predict(x)
    assert np.allclose(ours, theirs)


def test_the_block_process_is_a_sum_of_matern_kernels() -> None:
    x, y = rows()
    own = BlockMaternRegressor((("a", 0, 2), ("b", 2, -1)), nu=1.5).fit(x[:40], y[:40])
    process = own.process_.model
    kernel = process.covar_module
    assert isinstance(kernel, AdditiveKernel) and len(kernel.kernels) == 2
    parts = [
        (k.outputscale.item(), k.base_kernel.lengthscale.item(), k.base_kernel.active_dims.tolist())
        for k in kernel.kernels
    ]
    assert [p[2] for p in parts] == [[0, 1], [2, 3]]
    y1 = (y[:40] - own.loc_) / own.scale_

    def cov(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return sum(
            (ConstantKernel(s) * Matern(ell, nu=1.5))(a[:, c], b[:, c]) for s, ell, c in parts
        )

    noise = process.likelihood.noise.item()
    mean = own.process_.middle
    weights = np.linalg.solve(cov(x[:40], x[:40]) + noise * np.eye(40), y1 - mean)
    by_hand = (cov(x[40:], x[:40]) @ weights + mean) * own.scale_ + own.loc_
    assert np.allclose(own.predict(x[40:]), by_hand, atol=1e-4)
    assert np.abs(own.predict(x[40:]) - y[40:]).mean() < 0.6 * np.abs(y[40:] - y[:40].mean()).mean()
    posterior = process.posterior(torch.from_numpy(x[40:]), observation_noise=True)
    assert np.allclose(own.process_.mean(x[40:]), posterior.mean[:, 0].detach(), atol=1e-6)
    assert np.allclose(own.process_.sd(x[40:]) ** 2, posterior.variance[:, 0].detach(), atol=1e-6)


def test_block_classes_and_too_many_rows() -> None:
    x, y = rows(45)
    labels = np.digitize(y, [-0.5, 0.7])
    own = BlockMaternClassifier().fit(x, labels)
    assert (
        np.allclose(own.predict_proba(x).sum(axis=1), 1) and (own.predict(x) == labels).mean() > 0.8
    )
    with pytest.raises(InputError, match="too many for a Gaussian process"):
        BlockMaternRegressor().fit(np.zeros((6001, 1)), np.zeros(6001))


def test_a_network_in_one_go_repeats_and_takes_its_settings() -> None:
    x, y = rows(80)
    labels = np.where(y > 1, "yes", "no")
    params = {
        "epochs": 15,
        "lr": 0.03,
        "loss": "focal",
        "weights": "balanced",
        "batches": "two_phase",
    }
    one, two = (MlpClassifier(params, 3).fit(x, labels).predict_proba(x) for _ in range(2))
    assert (
        np.array_equal(one, two)
        and (MlpClassifier(params, 3).fit(x, labels).predict(x) == labels).mean() > 0.85
    )
    data = Columns(x, 4)
    with pytest.raises(InputError, match="focal loss is for classes"):
        tabular.fit(tabular.pipeline("mlp", "regression", data, {"loss": "focal"}, 0), x, y)
    with pytest.raises(InputError, match="no such hyperparameter; did you mean 'epochs'"):
        tabular.pipeline("mlp", "regression", data, {"epoch": 9}, 0)


def test_a_prefixed_name_beats_a_shared_one_and_others_do_not_count() -> None:
    x, y = rows()
    params = {
        "model": "linear", "linear.alpha": 9.0, "scaler": "robust", "linear.scaler": "none",
        "lightgbm.num_leaves": 7,
    }  # fmt: skip
    model, own = names.chosen(params, "regression")
    assert model == "linear" and own == {"alpha": 9.0, "scaler": "none"}
    any_ = tabular.fit(tabular.pipeline("any", "regression", Columns(x, 4), params, 0), x, y)
    same = tabular.pipeline("linear", "regression", Columns(x, 4), own, 0)
    assert np.array_equal(any_.predict(x), tabular.fit(same, x, y).predict(x))


@pytest.mark.parametrize(
    ("task", "params", "what"),
    [
        ("regression", {}, "params.model: is missing"),
        ("regression", {"model": "lightgmb"}, "did you mean 'lightgbm'"),
        ("regression", {"model": "rusboost"}, "rusboost is for classes"),
        ("classification", {"model": "hurdle"}, "hurdle is for numbers"),
        ("regression", {"model": "linear", "linear.alhpa": 1.0}, "did you mean 'linear.alpha'"),
        ("regression", {"model": "linear", "resample": "smote"}, "no such hyperparameter"),
        ("classification", {"model": "regress_and_cut", "resample": "smote"}, "cannot be resampled"),
        ("classification", {"model": "gaussian_process", "weights": "sqrt"}, "takes no weights"),
        ("regression", {"model": "average", "average.members": "svm"}, "two or more different models"),
        ("regression", {"model": "average", "average.members": "svm+lightgmb"}, "did you mean 'lightgbm'"),
        ("regression", {"model": "hurdle", "hurdle.regressor": "forest"}, "no model is called 'forest'"),
        ("regression", {"model": "hurdle", "hurdle.combine": "mean"}, "'mean' is not a choice"),
        ("regression", {"model": "hurdle", "hurdle.regressor.alpha": 1.0}, "no such hyperparameter"),
        ("classification", {"model": "lightgbm", "threshold": "half way"}, "did you mean 'halfway'"),
    ],
)  # fmt: skip
def test_one_line_for_each_mistake(task: str, params: dict, what: str) -> None:
    with pytest.raises(InputError, match=what):
        tabular.pipeline("any", task, Columns(np.zeros((5, 2)), 2), params, 0)


@pytest.mark.parametrize("resample", ["random_over", "smote", "random_under"])
def test_a_shuffled_target_is_not_learned(resample: str) -> None:
    """Resampled before the split, copies of a judged row would be in training, and be recognised."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 5)), (rng.random(200) < 0.2).astype(int)
    params = {"resample": resample, "n_estimators": 30, "threshold": "tuned", "inner_folds": 2}
    pipe = tabular.pipeline("extra_trees", "classification", Columns(x, 5), params, 0)
    p = tabular.fit(pipe, x[:120], y[:120]).predict_proba(x[120:])[:, 1]
    from sklearn.metrics import roc_auc_score

    assert abs(roc_auc_score(y[120:], p) - 0.5) < 0.2


def test_members_without_probabilities_get_them_whatever_is_given() -> None:
    x, y = rows()
    params = {"members": "svm+linear", "svm.calibrate": "none"}
    pipe = tabular.pipeline("average", "classification", Columns(x, 4), params, 0)
    assert tabular.fit(pipe, x, (y > 0).astype(int)).predict_proba(x).shape == (60, 2)
