"""Stacking: weights by inner out-of-fold predictions, against closed forms and plain enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from matscout.errors import InputError
from matscout.models import tabular
from matscout.models.average import AverageClassifier, AverageRegressor
from matscout.models.hurdle import Hurdle
from matscout.models.imbalance.cut import RegressAndCut
from matscout.models.imbalance.inner import TakesBeside, number_folds
from matscout.models.stack import StackClassifier, StackRegressor, convex_weights
from matscout.models.tabular import Columns


def rows(n: int = 60, d: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x, x[:, 0] + np.sin(2 * x[:, 1])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_independent_errors_are_weighed_by_their_variance(scale: float) -> None:
    """1 / variance (J. M. Bates & C. W. J. Granger, Oper. Res. Q. 20, 451 (1969)): a known worth."""
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0]
    sd = np.array([1.0, 2.0, 4.0])
    found = convex_weights(scale * directions * sd)
    assert np.allclose(found, sd**-2 / np.sum(sd**-2.0))


def test_no_other_weights_on_a_fine_grid_err_less() -> None:
    rng = np.random.default_rng(1)
    grid = np.array([[i, j, 40 - i - j] for i in range(41) for j in range(41 - i)]) / 40
    for _ in range(20):
        missed = rng.normal(size=(9, 3)) @ rng.normal(size=(3, 3)) + rng.normal(size=3)
        found = convex_weights(missed)
        assert found.min() >= 0 and found.sum() == pytest.approx(1)
        assert np.sum((missed @ found) ** 2) <= np.sum((missed @ grid.T) ** 2, axis=0).min() + 1e-9


def test_a_member_that_fails_counts_nothing_and_equals_count_alike() -> None:
    errors = np.array([[1.0, np.nan, 3.0], [1.0, 0.0, -3.0]])
    assert np.allclose(convex_weights(errors), [0.9, 0.0, 0.1])
    for missed in (np.zeros((4, 2)), np.full((4, 2), np.nan)):
        assert np.array_equal(convex_weights(missed), [0.5, 0.5])


def test_weights_are_those_of_scikit_learn_s_out_of_fold_predictions() -> None:
    x, y = rows()
    two = [Ridge(), DecisionTreeRegressor(max_depth=3, random_state=0)]
    folds = KFold(5, shuffle=True, random_state=3)
    missed = np.column_stack([y - cross_val_predict(one, x, y, cv=folds) for one in two])
    own = StackRegressor(two, 5, random_state=3).fit(x, y)
    a, b = missed.T
    first = np.clip(np.dot(b, b - a) / np.dot(a - b, a - b), 0, 1)  # the parabola's lowest point
    assert 0 < first < 1 and np.allclose(own.weights_, [first, 1 - first])
    mean = first * two[0].fit(x, y).predict(x) + (1 - first) * two[1].fit(x, y).predict(x)
    assert np.allclose(own.predict(x), mean)


def test_on_linear_data_it_is_the_linear_member_and_so_no_worse_than_the_best() -> None:
    x, _ = rows(90)
    y = x @ [1.0, -2.0, 0.5, 3.0]
    own = StackRegressor(
        [ExtraTreesRegressor(20, random_state=0), LinearRegression()], random_state=0
    ).fit(x[:60], y[:60])
    assert own.weights_[1] == pytest.approx(1)
    assert np.allclose(own.predict(x[60:]), y[60:], atol=1e-6)
    labels = (y > 0).astype(int)
    two = [DummyClassifier(), LogisticRegression(C=100)]
    classes = StackClassifier(two, random_state=0).fit(x[:60], labels[:60])
    assert classes.weights_[1] == pytest.approx(1) and classes.fitted_[0] is None
    assert (classes.predict(x[60:]) == labels[60:]).mean() > 0.9


def test_a_member_that_knows_its_rows_by_heart_is_not_believed() -> None:
    """By what members say of rows that they were fitted on, a tree would have all the weight."""
    x, _ = rows(200)
    y = np.random.default_rng(5).normal(size=200)
    pair = [DecisionTreeRegressor(random_state=0), DummyRegressor()]
    numbers = StackRegressor(pair, random_state=0).fit(x, y)
    assert numbers.weights_[0] < 0.15
    two = [DecisionTreeClassifier(random_state=0), DummyClassifier()]
    classes = StackClassifier(two, random_state=0).fit(x, (y > 0).astype(int))
    assert classes.weights_[0] < 0.15


def test_the_unit_and_the_zero_of_the_target_do_not_matter() -> None:
    x, y = rows()
    two = [Ridge(), DecisionTreeRegressor(max_depth=2, random_state=0)]
    own, other = (StackRegressor(two, random_state=0).fit(x, t) for t in (y, 1000 * y + 273.15))
    assert np.allclose(own.weights_, other.weights_)
    assert np.allclose(1000 * own.predict(x) + 273.15, other.predict(x))


SEEN: list[tuple[np.ndarray, np.ndarray | None]] = []
"""Labels and groups of every fit of a `_Spy`."""


class _Spy(TakesBeside, ClassifierMixin, RegressorMixin, BaseEstimator):
    """A model of either kind, which keeps what it was given."""

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> _Spy:
        assert amounts is None or np.array_equal(amounts, x[:, 0])
        SEEN.append((y, groups))
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x[:, 0]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.full((len(x), len(self.classes_)), 1 / len(self.classes_))


@pytest.mark.parametrize("kind", ["number", "class", "hurdle", "cut"])
def test_inner_folds_keep_groups_whole_and_have_every_class(kind: str) -> None:
    SEEN.clear()
    n, groups = 60, np.repeat(np.arange(20), 3)
    x = np.linspace(-1, 1, n)[:, None]
    y = x[:, 0] * 2
    stack: Any = StackRegressor([_Spy(), DummyRegressor()], 4, random_state=0)
    if kind == "class":
        y = (np.arange(n) % 10 == 0).astype(int)
        stack = StackClassifier([_Spy(), DummyClassifier()], 4, random_state=0)
    elif kind == "hurdle":
        y = np.where(np.arange(n) % 2, y, 0.0)
        stack = Hurdle(LogisticRegression(), stack)
    elif kind == "cut":
        stack, y = RegressAndCut(stack, 3), (x[:, 0] > 0.3).astype(int)
    amounts = x[:, 0] if kind in ("class", "cut") else None
    tabular.fit(stack, x, y, groups, amounts)
    assert len(SEEN) >= 4
    size = {"hurdle": 1.5}.get(kind, 3)  # rows of a group that the models see
    for labels, own in SEEN:
        assert own is not None and len(own) == len(labels)
        each = np.unique(own, return_counts=True)[1]
        assert each.min() >= size - 0.5 and each.max() <= size + 0.5
        assert kind != "class" or len(np.unique(labels)) == 2


def test_with_too_few_rows_it_is_the_average() -> None:
    x, y = rows(3)
    two = [Ridge(), DummyRegressor()]
    own = StackRegressor(two).fit(x, y)
    assert np.array_equal(own.weights_, [0.5, 0.5])
    assert np.allclose(own.predict(x), AverageRegressor(two).fit(x, y).predict(x))
    x, y = rows(30)
    labels = (np.arange(30) == 7).astype(int)  # one row of the rare class
    pair = [LogisticRegression(), DummyClassifier()]
    rare = StackClassifier(pair).fit(x, labels)
    average = AverageClassifier(pair).fit(x, labels)
    assert np.allclose(rare.predict_proba(x), average.predict_proba(x))
    one_group = StackRegressor(two).fit(x, y, groups=np.zeros(30))
    assert np.array_equal(one_group.weights_, [0.5, 0.5])
    assert StackRegressor([Ridge()]).fit(x, y).weights_ == [1.0]


def test_fewer_rows_than_folds_make_fewer_folds_of_two_rows() -> None:
    assert number_folds(3, None, 5, 0) is None
    for n, count in ((4, 2), (7, 3), (10, 5), (40, 5)):
        folds = number_folds(n, None, 5, 0)
        assert folds is not None and len(folds) == count
        assert min(len(judge) for _, judge in folds) >= 2
        assert sorted(np.concatenate([judge for _, judge in folds])) == list(range(n))


@pytest.mark.parametrize("n", [2, 4, 6])
def test_every_member_of_the_ready_space_learns_from_a_handful(n: int) -> None:
    x, y = rows(n)
    params = {
        "members": "extra_trees+lightgbm+hist_gradient_boosting+svm+gaussian_process",
        "target_transform": "yeo_johnson", "extra_trees.n_estimators": 5,
    }  # fmt: skip
    pipe = tabular.pipeline("stack", "regression", Columns(x, 4), params, 0)
    assert np.isfinite(tabular.fit(pipe, x, y).predict(x)).all()


def test_by_name_it_repeats_and_takes_its_members_settings() -> None:
    x, y = rows()
    params = {
        "model": "stack", "stack.members": "linear+extra_trees", "stack.inner_folds": 3,
        "stack.extra_trees.n_estimators": 7, "stack.linear.alpha": 2.0,
    }  # fmt: skip
    one, two = (
        tabular.fit(tabular.pipeline("any", "regression", Columns(x, 4), params, 5), x, y)
        for _ in range(2)
    )
    assert np.array_equal(one.predict(x), two.predict(x)) and one.inner_folds == 3
    linear, trees = one.fitted_
    assert linear[-1].alpha == 2.0 and trees[-1].n_estimators == 7
    labels = (y > 0.5).astype(int)
    params = {"members": "svm+regress_and_cut", "threshold": "tuned", "inner_folds": 3}
    pipe = tabular.pipeline("stack", "classification", Columns(x, 4), params, 0)
    said = tabular.fit(pipe, x, labels, np.arange(60) // 2, y).predict_proba(x)
    assert np.allclose(said.sum(axis=1), 1) and ((said[:, 1] > 0.5) == labels).mean() > 0.8


def test_a_hurdle_and_a_cut_regression_hold_a_stack() -> None:
    x, y = rows(80)
    few = {"regressor.members": "linear+extra_trees", "regressor.extra_trees.n_estimators": 5}
    gap = {"classifier": "stack", "classifier.members": "linear+svm", "regressor": "stack", **few}
    pipe = tabular.pipeline("hurdle", "regression", Columns(x, 4), gap, 0)
    zeros = np.maximum(y, 0.0)
    assert np.isfinite(tabular.fit(pipe, x, zeros).predict(x)).all()
    cut = {"regressor": "stack", **few}
    pipe = tabular.pipeline("regress_and_cut", "classification", Columns(x, 4), cut, 0)
    assert np.isfinite(tabular.fit(pipe, x, (y > 0).astype(int), amounts=y).predict(x)).all()


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"stack.members": "svm"}, "params.members: must be two or more different models"),
        ({"stack.members": "svm+svm"}, "two or more different models"),
        ({"stack.members": "svm+average"}, "'average' is no single model"),
        ({"stack.members": "svm+lightgmb"}, "did you mean 'lightgbm'"),
        ({"stack.inner_folds": 1}, "params.inner_folds: 2 <= value <= 20 must hold"),
        ({"stack.folds": 3}, "no such hyperparameter; did you mean 'stack.inner_folds'"),
    ],
)
def test_one_line_for_each_mistake(params: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        tabular.pipeline(
            "any", "regression", Columns(*rows()[:1], 4), {"model": "stack", **params}, 0
        )
