"""Arms that are compared see the same rows, and the count of wins is honest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matscout.evaluate.scarcity import DUMMY, Duel, Scored, Task, compare, duel, interval
from matscout.models.extractors import Views
from matscout.models.inputs import ColumnInputs

SEEN: list[tuple[float, ...]] = []


class Line:
    """Least squares on one column; `noise` spoils it. Keeps what it was shown."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise

    def fit(self, views: Views, y: np.ndarray, seed: int) -> Line:
        SEEN.append(tuple(y))
        new = Line(self.noise)
        new.slope = float(np.polyfit(_x(views), y, 1)[0])
        return new

    def predict(self, views: Views) -> np.ndarray:
        return self.slope * _x(views) + self.noise


def _x(views: Views) -> np.ndarray:
    return np.array([float(views["x"].batch([k])[0, 0]) for k in range(len(views["x"]))])  # type: ignore[arg-type]


def task(name: str, n: int = 60) -> Task:
    x = np.random.default_rng(len(name)).normal(size=(n, 1))
    return Task(name, {"x": ColumnInputs.of(x)}, 3.0 * x[:, 0], "eV")


def test_all_arms_see_the_same_rows_and_the_better_one_wins() -> None:
    SEEN.clear()
    arms = {"good": Line(), "bad": Line(1.0)}
    scores = list(compare([task("a"), task("bb")], arms, [10, 20], seeds=[0, 1, 2]))
    assert len(scores) == 2 * 2 * 3 * 3 and {s.arm for s in scores} == {"good", "bad", DUMMY}
    assert SEEN[0::2] == SEEN[1::2] and len(set(SEEN)) == 12
    found = duel(scores, "good", "bad")
    assert (found.wins, found.ties, found.losses) == (4, 0, 0) and found.ratio < 0.01
    assert duel(scores, "bad", "good").losses == 4
    assert duel(scores, "good", "good").ties == 4
    dummy = duel(scores, "bad", DUMMY)
    assert dummy.low <= dummy.ratio <= dummy.high
    assert list(compare([task("a")], arms, [10], seeds=[5])) == list(
        compare([task("a")], arms, [10], seeds=[5])
    )


def scored(task: str, rows: int, arm: str, *errors: float) -> list[Scored]:
    return [Scored(task, rows, seed, arm, error) for seed, error in enumerate(errors)]


def test_wins_and_their_intervals_by_hand() -> None:
    scores = [
        *scored("a", 50, "one", 1.0, 1.1, 0.9),
        *scored("a", 50, "other", 2.0, 2.1, 1.9),
        *scored("a", 99, "one", 1.0, 1.0, 2.0),  # lower in the mean, but nobody can be sure
        *scored("a", 99, "other", 1.5, 0.9, 2.4),
        *scored("b", 50, "one", 3.0, 3.2, 3.1),
        *scored("b", 50, "other", 1.5, 1.6, 1.5),
        *scored("c", 50, "other", 1.0, 1.0, 1.0),  # never met
    ]
    found = duel(scores, "one", "other")
    assert isinstance(found, Duel) and (found.wins, found.ties, found.losses) == (1, 1, 1)
    assert found.lower == 2 and found.pairs == 3
    logs = [
        np.log(np.divide(x, y))
        for x, y in (
            ((1.0, 1.1, 0.9), (2.0, 2.1, 1.9)),
            ((1.0, 1.0, 2.0), (1.5, 0.9, 2.4)),
            ((3.0, 3.2, 3.1), (1.5, 1.6, 1.5)),
        )
    ]
    means = np.array([each.mean() for each in logs])
    assert found.ratio == pytest.approx(np.exp(means.mean()))
    # Tasks are drawn with all their sizes: of two tasks, a quarter of the samples is a alone, a quarter
    # b alone, so that these are the ends.
    assert found.low == pytest.approx(np.exp(means[:2].mean()))
    assert found.high == pytest.approx(np.exp(means[2]))
    assert found.win_share == (0.0, 0.5)
    for each in logs:
        exact = stats.ttest_1samp(each, 0.0).confidence_interval(0.95)
        assert interval(each) == pytest.approx((exact.low, exact.high))
    assert found.tasks == 2
    with pytest.raises(ValueError, match="'one' and 'third' were never"):
        duel(scores, "one", "third")
    with pytest.raises(ValueError, match="two draws"):
        duel([*scored("a", 50, "one", 1.0), *scored("a", 50, "other", 2.0)], "one", "other")


def test_draws_are_paired_by_their_seeds() -> None:
    """One arm without the first draw: the luck of a draw must not be held against another's."""
    one = scored("a", 50, "one", 1.0, 10.0, 100.0)
    other = scored("a", 50, "other", 2.0, 20.0, 200.0, 5.0)[1:]
    found = duel([*one, *other], "one", "other")
    assert found.ratio == pytest.approx(0.5) and (found.wins, found.tasks) == (1, 1)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="a: 60 rows do not make 50 and 20 more"):
        list(compare([task("a")], {"line": Line()}, [50], seeds=[0]))
