"""gpytorch's settings are the whole process's: threads take turns."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gpytorch
import numpy as np
import pytest

from matscout.models.block_matern import BlockMaternRegressor
from matscout.models.exactly import exactly
from matscout.models.recipe import Recipe
from matscout.models.uncertainty.deep_kernel import DeepKernelModel

X = np.random.default_rng(0).normal(size=(12, 2))


def _block() -> Callable[[], object]:
    fitted = BlockMaternRegressor().fit(X, X[:, 0])
    return lambda: fitted.predict(X)


def _deep() -> Callable[[], object]:
    fitted = DeepKernelModel(Recipe(epochs=1), steps=1).fit(X, X[:, 0])
    return lambda: fitted.predict(X)


@pytest.mark.parametrize("made", [_block, _deep])
def test_every_model_waits_its_turn(made: Callable[[], Callable[[], object]]) -> None:
    predict = made()
    thread = threading.Thread(target=predict)
    with exactly():
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert not thread.is_alive()


def test_threads_do_not_take_each_others_settings() -> None:
    """gpytorch's are the whole process's: who leaves first must not take them from who stays."""
    first_is_in, ended = threading.Event(), threading.Event()
    seen: list[bool] = []

    def first() -> None:
        with exactly():
            first_is_in.set()
            ended.wait(0.2)

    def second() -> None:
        first_is_in.wait(5.0)
        with exactly():
            one.join()
            seen.append(gpytorch.settings.fast_computations.log_prob.on())

    before = gpytorch.settings.fast_computations.log_prob.on()
    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    other.start()
    other.join()
    assert seen == [False] and gpytorch.settings.fast_computations.log_prob.on() == before
