from __future__ import annotations

import numpy as np
import pytest
from imblearn.ensemble import RUSBoostClassifier
from sklearn.base import clone

from matscout.models.imbalance.rusboost import RusBoost


def exclusive_or(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """No single split tells these classes apart."""
    x = np.random.default_rng(seed).choice([-1.0, 1.0], size=(60, 2))
    return x, (x.prod(axis=1) > 0).astype(int)


def gives_up(x: np.ndarray, y: np.ndarray) -> bool:
    try:
        RUSBoostClassifier(n_estimators=5, random_state=0).fit(x, y)
    except ValueError as error:
        return "worse than random" in str(error)
    return False


def test_where_one_split_is_no_better_than_chance_deeper_trees_are_boosted() -> None:
    hopeless = [one for one in map(exclusive_or, range(20)) if gives_up(*one)]
    assert hopeless
    for x, y in hopeless:
        model = RusBoost(n_estimators=5, random_state=0).fit(x, y)
        assert (model.predict(x) == y).mean() > 0.9


def test_elsewhere_it_is_imbalanced_learns() -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    y = (x[:, 0] > 1.0).astype(int)
    ours, theirs = (kind(n_estimators=5, random_state=0) for kind in (RusBoost, RUSBoostClassifier))
    assert clone(ours).get_params() == theirs.get_params()
    assert (ours.fit(x, y).predict_proba(x) == theirs.fit(x, y).predict_proba(x)).all()


def test_other_mistakes_are_said() -> None:
    with pytest.raises(ValueError, match="contains NaN"):
        RusBoost().fit(np.full((4, 1), np.nan), np.array([0, 1, 0, 1]))
