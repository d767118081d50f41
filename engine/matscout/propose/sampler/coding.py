"""One distribution of Optuna as one of our parameters, and its values there and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter, When
from matscout.trial import Value

LEAST_LEVELS = 3
"""Two numbers have no order worth knowing: a category of two says the same."""


class Coding:
    """Values of one Optuna parameter as our `parameter` holds them.

    Choices go in as their index, because they may be None, or 1 beside True. With `ordinal`, three
    or more increasing numbers are taken in their order, equally far apart. With `numeric`, because
    a constraint adds them up, increasing numbers go in as they are.
    """

    def __init__(
        self, name: str, distribution: BaseDistribution, ordinal: bool = True, numeric: bool = False
    ) -> None:
        self.distribution = distribution
        self._indexed = isinstance(distribution, CategoricalDistribution)
        key = json.dumps(name)
        if isinstance(distribution, CategoricalDistribution) and numeric:
            choices = distribution.choices
            if _increasing(choices):
                self._indexed = False
                self.parameter: Parameter = Ordinal(key, choices)
                return
        self.parameter = _parameter(key, distribution, ordinal)

    @classmethod
    def of(
        cls, name: str, distribution: BaseDistribution, ordinal: bool = True, numeric: bool = False
    ) -> Coding | None:
        """None for what a model has no use for: a single value, or bounds beyond the floats."""
        if distribution.single():
            return None
        try:
            return cls(name, distribution, ordinal, numeric)
        except (InputError, TypeError):
            return None

    @property
    def key(self) -> str:
        """The name of the parameter within a space: Optuna allows names that we do not."""
        return self.parameter.name

    @property
    def numeric(self) -> bool:
        """Whether values go in as the numbers that they are."""
        return not self._indexed

    def conditioned(self, when: When) -> Parameter:
        """The parameter, existing only where its parents have these values."""
        return replace(self.parameter, when=when)

    def encode(self, value: Any) -> Value | None:
        """`value` as the space holds it, or None where it does not belong."""
        if self._indexed:
            try:
                return int(self.distribution.to_internal_repr(value))
            except ValueError:
                return None
        return self.parameter.canonical(value)

    def decode(self, held: Value) -> Any:
        """The inverse of `encode`."""
        if self._indexed:
            return self.distribution.choices[int(held)]
        return held


def _parameter(name: str, distribution: BaseDistribution, ordinal: bool) -> Parameter:
    if isinstance(distribution, FloatDistribution):
        low, high = distribution.low, distribution.high
        if not math.isfinite(high - low):
            raise InputError(name, "is wider than the floats")
        return Float(name, low, high, distribution.log, distribution.step)
    if isinstance(distribution, IntDistribution):
        return Int(name, distribution.low, distribution.high, distribution.log, distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        places = tuple(range(len(distribution.choices)))
        if ordinal and len(places) >= LEAST_LEVELS and _increasing(distribution.choices):
            return Ordinal(name, places)
        return Categorical(name, places)
    raise TypeError(f"unknown distribution {distribution!r}")


def _increasing(choices: tuple[Any, ...]) -> bool:
    plain = all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices)
    return plain and all(a < b for a, b in pairwise(choices))
