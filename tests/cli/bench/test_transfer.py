"""`matscout bench transfer` on a few trials of a small grid: its arms, its pairs, its table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from matscout.cli.bench import transfer
from matscout.cli.bench.transfer import KINDS, Problem


@pytest.fixture(autouse=True)
def a_bowl(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the three test functions."""

    def f(X: np.ndarray) -> np.ndarray:
        return np.asarray(np.square(X - 0.5).sum(axis=1))

    monkeypatch.setattr(transfer, "problems", lambda: [Problem("Bowl", 2, 9, f, 0.0, 0.14)])


def test_every_arm_is_paired_and_shown() -> None:
    found = transfer.transfer(2, 9)
    arms = {"random", "cold", "cold-5", *KINDS}
    assert set(found["curves"]["Bowl"]) == arms and set(found["ratios"]) == {"cold", "cold-5"}
    for curves in found["curves"]["Bowl"].values():
        assert [len(curve) for curve in curves] == [9, 9]
        assert all(a >= b >= 0.0 for curve in curves for a, b in pairwise(curve))
    for to, of in found["ratios"].items():
        assert set(of) == arms - {to}
        cells = [cell for at in of.values() for cell in at.values()]
        assert all(low <= mean <= high for mean, low, high in cells)
    shown = transfer.table(found)
    assert all(arm in shown for arm in arms) and "trial 9" in shown


def test_earlier_runs_are_what_they_are_called() -> None:
    (problem,) = transfer.problems()
    runs = {kind: transfer.earlier(problem, kind, 0) for kind in KINDS}
    assert runs == {kind: transfer.earlier(problem, kind, 0) for kind in KINDS}
    for run in runs["misleading"]:
        X = np.array([[p["x0"], p["x1"]] for p in run.params], dtype=float) / 8
        assert np.allclose(problem.f(X), -np.array(run.values))
    assert runs["helpful"][0].values != runs["helpful"][1].values
