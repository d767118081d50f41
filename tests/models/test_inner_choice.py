"""A transfer chosen by cross-validation: the right one, inside the training rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.models.extractors import Views
from matscout.models.inner_choice import ChosenInside, InnerErrors
from matscout.models.inputs import ColumnInputs

SEEN: list[np.ndarray] = []


class Column:
    """Least squares on one column. Keeps the targets that it was shown."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, views: Views, y: np.ndarray, seed: int) -> Column:
        SEEN.append(y)
        new = Column(self.name)
        new.line = np.polyfit(self._x(views), y, 1)
        return new

    def predict(self, views: Views) -> np.ndarray:
        return np.asarray(np.polyval(self.line, self._x(views)))

    def _x(self, views: Views) -> np.ndarray:
        rows = views[self.name]
        return np.array([float(rows.batch([k])[0, 0]) for k in range(len(rows))])  # type: ignore[arg-type]


def problem(n: int = 30) -> tuple[Views, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    views: Views = {"good": ColumnInputs.of(x[:, :1]), "bad": ColumnInputs.of(x[:, 1:])}
    return views, 2.0 * x[:, 0] + 0.1 * rng.normal(size=n)


ARMS = {"bad": Column("bad"), "good": Column("good")}


def test_the_better_one_is_taken_and_fitted_to_all_rows() -> None:
    views, y = problem()
    SEEN.clear()
    fitted = ChosenInside(InnerErrors(ARMS, 3), ARMS).fit(views, y, 0)
    assert fitted.name == "good" and fitted.errors["good"] < 0.2 < fitted.errors["bad"]
    assert [len(part) for part in SEEN] == [20] * 6 + [30]
    assert np.abs(fitted.predict(views) - y).mean() < 0.2
    # Folds leave each row out once: three training parts hold every row twice.
    held = np.concatenate(SEEN[0:6:2])
    assert all((held == value).sum() == 2 for value in y)


def test_two_arms_choose_by_one_validation_that_cannot_be_seen() -> None:
    views, y = problem()
    errors = InnerErrors(ARMS)
    first = errors(views, y, 0)
    first["good"] = -1.0
    SEEN.clear()
    again = errors(views, y, 0)
    assert not SEEN and again["good"] > 0
    assert again == InnerErrors(ARMS)(views, y, 0)
    assert errors(views, y, 1) == InnerErrors(ARMS)(views, y, 1) != again
    y[:] = y[::-1].copy()
    assert errors(views, y, 1) == InnerErrors(ARMS)(views, y, 1), "a changed target is another one"
    fewer = ChosenInside(errors, {"bad": Column("good")}).fit(views, problem()[1], 0)
    assert fewer.name == "bad", "chosen by the candidate's errors, among those that it has arms for"


def test_too_few_rows_or_folds_are_refused() -> None:
    views, y = problem(5)
    with pytest.raises(ValueError, match="5 rows do not make 3 folds"):
        InnerErrors(ARMS)(views, y, 0)
    with pytest.raises(ValueError, match="two folds"):
        InnerErrors(ARMS, 1)
