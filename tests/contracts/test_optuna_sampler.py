"""Optuna's own exam for samplers, sat by ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from matscout.sampler import GpSampler


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


class _Ours:
    @pytest.fixture(params=["startup", "model"])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        startup = 10 if request.param == "startup" else 2
        return lambda: GpSampler(seed=0, startup=startup)


class TestBasic(_Ours, BasicSamplerTestCase):
    pass


class TestRelative(_Ours, RelativeSamplerTestCase):
    pass


class TestMultiObjective(_Ours, MultiObjectiveSamplerTestCase):
    pass
