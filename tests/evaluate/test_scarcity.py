"""Arms that are compared see the same rows, and the count of wins is honest."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.evaluate.scarcity import DUMMY, Duel, Scored, Task, compare, duel
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


def test_wins_and_their_interval_by_hand() -> None:
    errors = {"one": (1.0, 2.0, 3.0), "other": (2.0, 2.01, 1.5)}
    scores = [
        Scored(f"t{k}", 50, seed, arm, error + (0.1 if seed else -0.1))
        for arm, row in errors.items()
        for k, error in enumerate(row)
        for seed in (0, 1)
    ]
    found = duel(scores, "one", "other")
    assert isinstance(found, Duel) and (found.wins, found.ties, found.losses) == (1, 1, 1)
    assert found.ratio == pytest.approx((0.5 * 2.0 / 2.01 * 2.0) ** (1 / 3))
    assert found.low < found.ratio < found.high
    assert found.low >= 0.5 and found.high <= 2.0
    with pytest.raises(ValueError, match="'third' was not scored"):
        duel(scores, "third", "other")


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="a: 60 rows do not make 50 and 20 more"):
        list(compare([task("a")], {"line": Line()}, [50], seeds=[0]))
