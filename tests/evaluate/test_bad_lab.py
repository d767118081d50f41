"""The bad laboratory is bad as often as it is told, and the same every time."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.bad_lab import Crashing, Duplicating, Failing, Lying, Noisy, Slow
from matscout.evaluate.base import Context
from matscout.evaluate.noop import Noop
from matscout.trial import Measurement


def test_noise_has_the_size_it_was_given_and_repeats_itself() -> None:
    lab = Noisy(Noop, sd=2.0)
    values = [
        next(iter(lab.evaluate({"x": 10.0}, Context(seed=seed)))).values["y"]
        for seed in range(2000)
    ]
    # Standard errors: 2 / sqrt(2000) = 0.045 of the mean, 2 / sqrt(4000) = 0.032 of the sd.
    assert abs(np.mean(values) - 10.0) < 0.23
    assert abs(np.std(values) - 2.0) < 0.16
    assert [m.values["y"] for m in lab.evaluate({"x": 10.0}, Context(seed=3))] == [values[3]]


def test_a_fault_comes_at_its_rate_and_spares_another_attempt() -> None:
    lab = Failing(Noop, rate=0.3)

    def fails(seed: int, attempt: int) -> bool:
        try:
            list(lab.evaluate({}, Context(seed=seed, attempt=attempt)))
        except ExperimentFailed:
            return True
        return False

    first = [fails(seed, 1) for seed in range(1000)]
    again = [fails(seed, 2) for seed in range(1000)]
    assert abs(np.mean(first) - 0.3) < 0.075  # five standard errors
    assert first == [fails(seed, 1) for seed in range(1000)]
    assert first != again


def test_wrappers_nest_and_draw_apart() -> None:
    lab = Lying(partial(Noisy, partial(Slow, Noop, 0.001), 1.0), math.nan, rate=0.5)
    assert not lab.costly
    said = [next(iter(lab.evaluate({}, Context(seed=seed)))) for seed in range(40)]
    lies = [math.isnan(m.values["y"]) for m in said if isinstance(m, Measurement)]
    assert 5 < sum(lies) < 35


def test_a_duplicate_comes_after_the_measurement() -> None:
    lab = Duplicating(Noop, shift=0.5)
    said = [m.values for m in lab.evaluate({"x": 2.0}, Context()) if isinstance(m, Measurement)]
    assert said == [{"y": 2.0}, {"y": 2.5}]


def test_a_slow_one_stops_when_asked() -> None:
    lab = Slow(Noop, 3600.0)
    assert list(lab.evaluate({}, Context(should_stop=lambda: True))) == []


def test_crashes_that_leave_us_alive() -> None:
    with pytest.raises(MemoryError):
        list(Crashing(Noop, "memory").evaluate({}, Context()))
    with pytest.raises(RuntimeError):
        list(Crashing(Noop, "raise").evaluate({}, Context()))
    with pytest.raises(InputError, match="rate must lie in"):
        Crashing(Noop, "raise", rate=2.0)
