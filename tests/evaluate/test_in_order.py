"""Side by side, but in their order; and nothing is begun in vain for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.evaluate.base import Context, never
from matscout.evaluate.in_order import in_order
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.trial import Measurement


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_order_is_that_of_the_items(threads: int) -> None:
    barrier = threading.Barrier(threads, timeout=30)

    def work(k: int) -> int:
        if k < threads:
            barrier.wait()  # so many at once, or this would never end
        return k * k

    assert list(in_order(work, range(12), threads, never)) == [k * k for k in range(12)]
    assert list(in_order(work, [], threads, never)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_what_was_not_begun_is_not(threads: int) -> None:
    begun: list[int] = []
    with closing(in_order(lambda k: begun.append(k) or k, range(100), threads, never)) as results:
        assert next(results) == 0
    assert len(begun) <= 1 + 2 * threads
    stop: Callable[[], bool] = iter([False, False, True]).__next__
    assert list(in_order(lambda k: k, range(100), threads, stop)) == [0, 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_goes_wrong_goes_wrong_in_its_place(threads: int) -> None:
    def work(k: int) -> int:
        if k == 2:
            raise ZeroDivisionError
        return k

    got = []
    with pytest.raises(ZeroDivisionError):
        for k in in_order(work, range(9), threads, never):
            got.append(k)
    assert got == [0, 1]


@pytest.mark.parametrize("fidelity", ["folds", "rows"])
def test_folds_side_by_side_are_the_same_trial(tmp_path: Path, fidelity: str) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a},{b},{a * b}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")

    def said(threads: int) -> list[object]:
        trainer = TabularTrainer(
            table=tmp_path / "t.csv", predict="y", fidelity=fidelity, fold_threads=threads,
            hyperparameters={"n_estimators": 5},
        )  # fmt: skip
        return list(trainer.evaluate({}, Context(seed=3)))

    alone = said(1)
    assert said(4) == alone and isinstance(alone[-1], Measurement)
    assert len(alone) == {"folds": 6, "rows": 4}[fidelity]


@pytest.mark.parametrize(
    ("options", "what"),
    [({"fold_threads": 0}, "≥ 1"), ({"fold_threads": 2, "model": "mlp"}, "mlp")],
)
def test_mistakes_by_name(options: dict[str, object], what: str) -> None:
    with pytest.raises(InputError, match=f"trainer.fold_threads.*{what}"):
        TabularTrainer(table=Path("t.csv"), predict="y", **options)  # type: ignore[arg-type]
