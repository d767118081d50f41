"""Target transforms: there and back, increasing, fitted by training rows, refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import PowerTransformer

from matscout.errors import InputError
from matscout.models import tabular
from matscout.models.tabular import Columns
from matscout.models.target_transform import TRANSFORMS, TargetTransform


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_there_and_back(kind: str) -> None:
    y = np.sort(np.random.default_rng(0).lognormal(size=80))[:, None]
    own = TargetTransform(kind).fit(y)
    z = own.transform(y)
    assert (np.diff(z[:, 0]) >= 0).all() and np.allclose(own.inverse_transform(z), y, rtol=1e-6)
    far = own.inverse_transform(np.array([[-1e3], [1e3]]))
    assert np.isfinite(far).all()
    flat = TargetTransform(kind).fit(np.ones((5, 1)))
    assert np.allclose(flat.inverse_transform(flat.transform(np.ones((5, 1)))), 1.0, atol=1e-6)


def test_yeo_johnson_is_scikit_learn_s_where_its_power_has_an_inverse() -> None:
    y = np.random.default_rng(1).gamma(2.0, size=(200, 1))
    standard = (y - y.mean()) / y.std()
    theirs = PowerTransformer(standardize=False).fit(standard)
    assert 0 < theirs.lambdas_[0] < 2
    ours = TargetTransform("yeo_johnson").fit(y)
    assert np.allclose(ours.transform(y), theirs.transform(standard), atol=1e-3)


def test_what_has_no_transform_is_refused_inside_the_fold_too() -> None:
    x = np.arange(12.0)[:, None]
    y = np.linspace(-2, 3, 12)
    for kind, what in (("log1p", "above -1"), ("sqrt", "0 or more")):
        pipe = tabular.pipeline(
            "linear", "regression", Columns(x, 1), {"target_transform": kind}, 0
        )
        with pytest.raises(InputError, match=what):
            tabular.fit(pipe, x, y)


def test_a_linear_model_on_a_log_scale_does_not_run_away() -> None:
    x = np.arange(20.0)[:, None]
    y = np.expm1(x[:, 0])
    pipe = tabular.pipeline("linear", "regression", Columns(x, 1), {"target_transform": "log1p"}, 0)
    assert tabular.fit(pipe, x, y).predict(np.array([[1e4]]))[0] < np.expm1(2 * 19.0 + 1)
