"""Linear constraints on the parameters of an Optuna study, which declares none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from matscout.constraint import Constraint, Linear
from matscout.errors import InputError
from matscout.propose.region import Region
from matscout.propose.sampler.coding import Coding
from matscout.space import Space
from matscout.trial import Params

WHERE = "GpSampler.linear"

_ROUNDING = 1e-9
"""Of the size of the numbers: how far a bound may be passed by sums of floats."""


@dataclass(frozen=True)
class LinearSpace(Space):
    """A space whose constraints may name parameters that do not always exist: a constraint counts
    where all of its parameters do."""

    def satisfied(self, params: Params) -> bool:
        met = [c for c in self.constraints if all(name in params for name in c.parameters)]
        return all(c.violation(params) == 0.0 for c in met)

    def _check_constraint(self, constraint: Constraint) -> None:
        """What may be wrong with one was said of its names in the study (`coded`)."""


def check(linear: Sequence[Linear], names: Sequence[str] | None) -> tuple[Linear, ...]:
    """InputError for anything but `Linear` values that name some of `names`."""
    if isinstance(linear, Linear):
        raise InputError(WHERE, "must be a list of constraints", "put [ ] around it")
    for constraint in linear:
        if not isinstance(constraint, Linear):
            what = f"must hold values of matscout.sampler.Linear, got {constraint!r}"
            raise InputError(WHERE, what)
        missing = [n for n in constraint.parameters if names is not None and n not in names]
        if missing:
            raise InputError(WHERE, f"{missing[0]!r} is not in search_space", "name all of them")
    return tuple(linear)


def coded(
    linear: Sequence[Linear], codings: Mapping[str, Coding], single: Mapping[str, Any]
) -> tuple[Constraint, ...]:
    """The constraints as a space of `codings` holds them: by its names, and with the parameters that
    have one value only (`single`) put into the bound. Those with a parameter that is not known yet
    are left out. InputError where a parameter is no number."""
    out: list[Constraint] = []
    for c in linear:
        if not all(name in codings or name in single for name in c.parameters):
            continue
        moving = {n: k for n, k in c.coefficients.items() if n in codings}
        for name in moving:
            if not codings[name].numeric:
                raise _no_number(name)
        values = {n: _number(n, single[n]) for n in c.parameters if n not in codings}
        bound = c.bound - math.fsum(c.coefficients[n] * value for n, value in values.items())
        if moving:
            out.append(Linear({codings[n].key: k for n, k in moving.items()}, c.op, bound))
        elif c.violation(values):
            raise impossible()
    return tuple(out)


def impossible() -> InputError:
    return InputError(WHERE, "no point satisfies all constraints", "loosen one")


def require_possible(
    distributions: Mapping[str, BaseDistribution], linear: Sequence[Linear], ordinal: bool
) -> None:
    """InputError where these ranges leave the constraints no point."""
    of = {n: Coding.of(n, d, ordinal, numeric=True) for n, d in distributions.items()}
    codings = {name: coding for name, coding in of.items() if coding is not None}
    single = {n: only_value(d) for n, d in distributions.items() if d.single()}
    held = coded(linear, codings, single)
    if held:
        try:
            Region(Space(tuple(c.parameter for c in codings.values() if c.numeric), held))
        except InputError:
            raise impossible() from None


def only_value(distribution: BaseDistribution) -> Any:
    """Of a distribution that has a single one."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low


def broken(linear: Sequence[Linear], params: Mapping[str, Any]) -> list[Linear]:
    """Those that `params` have all parameters of, and break."""
    met = [c for c in linear if all(name in params for name in c.parameters)]
    return [c for c in met if c.violation({n: _number(n, params[n]) for n in c.parameters})]


def drawn_within(
    linear: Sequence[Linear],
    name: str,
    distribution: BaseDistribution,
    known: Mapping[str, Any],
    others: Mapping[str, BaseDistribution],
    rng: np.random.Generator,
) -> Any:
    """A random value of one parameter that leaves every constraint possible: `known` are the values
    that the trial has or is about to have, `others` the ranges of what it may still ask for.
    InputError where there is none."""
    least, most = -math.inf, math.inf
    for constraint in linear:
        if name in constraint.coefficients:
            low, high = _room(constraint, name, known, others)
            least, most = max(least, low), min(most, high)
    value = _between(name, distribution, least, most, float(rng.random()))
    if value is None or broken(linear, {**known, name: value}):
        mend = "give GpSampler the ranges of all of them (search_space=)"
        raise InputError(WHERE, f"{name} has no value that keeps them beside the others'", mend)
    return value


def _room(
    constraint: Linear,
    name: str,
    known: Mapping[str, Any],
    others: Mapping[str, BaseDistribution],
) -> tuple[float, float]:
    """What a parameter may be, so that some values of those not known yet keep the constraint."""
    down = up = constraint.bound
    for other, factor in constraint.coefficients.items():
        if other == name:
            continue
        ends: tuple[float, float] = (-math.inf, math.inf)
        if other in known:
            ends = (_number(other, known[other]),) * 2
        elif other in others:
            ends = _ends(other, others[other])
        terms = sorted(factor * end for end in ends) if factor else [0.0, 0.0]
        down, up = down - terms[1], up - terms[0]
    factor = constraint.coefficients[name]
    if factor == 0.0:
        return -math.inf, math.inf
    low = down if constraint.op in (">=", "==") else -math.inf
    high = up if constraint.op in ("<=", "==") else math.inf
    least, most = sorted((low / factor, high / factor))
    return least, most


def _between(
    name: str, distribution: BaseDistribution, least: float, most: float, unit: float
) -> Any:
    """A value in [least, most], uniform on the distribution's own scale; None if there is none."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [c for c in distribution.choices if least <= _number(name, c) <= most]
        return choices[int(unit * len(choices))] if choices else None
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = max(least, distribution.low), min(most, distribution.high)
    tolerance = _ROUNDING * max(1.0, abs(low), abs(high))
    if low > high + tolerance:
        return None
    if distribution.step is None or distribution.log:
        if distribution.log:
            value = math.exp(math.log(low) + unit * (math.log(max(high, low)) - math.log(low)))
        else:
            value = low + unit * (high - low)
        value = min(max(value, low), max(high, low), distribution.high)
        if isinstance(distribution, FloatDistribution):
            return max(value, distribution.low)
        return _whole(value, low, high, tolerance)
    step, first = distribution.step, distribution.low
    lowest = math.ceil((low - first) / step - _ROUNDING)
    highest = math.floor((high - first) / step + _ROUNDING)
    if lowest > highest:
        return None
    value = first + step * min(lowest + int(unit * (highest - lowest + 1)), highest)
    return value if isinstance(value, int) else min(value, distribution.high)


def _whole(value: float, low: float, high: float, tolerance: float) -> int | None:
    lowest, highest = math.ceil(low - tolerance), math.floor(high + tolerance)
    return None if lowest > highest else min(max(round(value), lowest), highest)


def _ends(name: str, distribution: BaseDistribution) -> tuple[float, float]:
    if isinstance(distribution, CategoricalDistribution):
        numbers = [_number(name, c) for c in distribution.choices]
        return min(numbers), max(numbers)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return float(distribution.low), float(distribution.high)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no_number(name)
    return float(value)


def _no_number(name: str) -> InputError:
    return InputError(WHERE, f"{name} is no number", "list its choices as increasing numbers")
