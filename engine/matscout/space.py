"""What may vary: parameters with conditions and constraints, or a pool of candidates."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from matscout.constraint import Constraint, constraint_from_dict, constraint_to_dict, in_words
from matscout.errors import InputError, did_you_mean
from matscout.parameter import (
    Categorical,
    Parameter,
    parameter_from_dict,
    parameter_to_dict,
    same,
)
from matscout.pool import Pool
from matscout.trial import Params, Value


@dataclass(frozen=True)
class Space:
    """Parameters in an order in which every parent stands before its children; or a pool."""

    parameters: tuple[Parameter, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    pool: Pool | None = None

    def __post_init__(self) -> None:
        if self.pool is not None:
            if self.parameters or self.constraints:
                raise InputError("space", "a pool excludes parameters and constraints", "keep one")
            return
        if not self.parameters:
            raise InputError("space", "there is nothing to vary", "add parameters or a pool")
        if len(self.by_name) != len(self.parameters):
            names = [p.name for p in self.parameters]
            twice = next(n for n in names if names.count(n) > 1)
            raise InputError(f"space.parameters.{twice}", "named twice", "give each its own name")
        checked = tuple(self._with_checked_condition(p) for p in self.parameters)
        object.__setattr__(self, "parameters", _parents_first(checked))
        self.__dict__.pop("by_name")
        for constraint in self.constraints:
            self._check_constraint(constraint)

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        return {p.name: p for p in self.parameters}

    @property
    def conditional(self) -> bool:
        return any(p.when for p in self.parameters)

    @cached_property
    def count(self) -> int | None:
        """How many points there are; None when a continuum, or too many to count quickly."""
        if self.pool is not None:
            return len(self.pool)
        if any(p.count is None for p in self.parameters):
            return None
        product = 1
        for parameter in self.parameters:
            product *= parameter.count or 1
        if not self.conditional and not self.constraints:
            return product
        return sum(1 for _ in self.points()) if product <= 100_000 else None

    def points(self) -> Iterator[dict[str, Value]]:
        """Every allowed point of a space without continua, in a fixed order (params)."""
        assert self.pool is None

        def extend(index: int, params: dict[str, Value]) -> Iterator[dict[str, Value]]:
            if index == len(self.parameters):
                if self.satisfied(params):
                    yield dict(params)
                return
            parameter = self.parameters[index]
            if not self.is_active(parameter, params):
                yield from extend(index + 1, params)
                return
            for value in parameter.values():
                yield from extend(index + 1, {**params, parameter.name: value})

        return extend(0, {})

    def is_active(self, parameter: Parameter, params: Params) -> bool:
        """Whether `parameter` exists, given the values of those before it."""
        return all(
            parent in params and any(same(params[parent], v) for v in values)
            for parent, values in parameter.when.items()
        )

    def active(self, params: Params) -> dict[str, Value]:
        """`params` without those that do not exist under the others' values."""
        kept: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.name in params and self.is_active(parameter, kept):
                kept[parameter.name] = params[parameter.name]
        return kept

    def satisfied(self, params: Params) -> bool:
        return all(c.violation(params) == 0.0 for c in self.constraints)

    def check(self, params: Params, where: str = "params") -> dict[str, Value]:
        """`params` in canonical form, or InputError: unknown, missing, outside, or forbidden."""
        for name in params:
            if name not in self.by_name:
                raise InputError(
                    where, f"unknown parameter {name!r}", did_you_mean(name, self.by_name)
                )
        out: dict[str, Value] = {}
        for parameter in self.parameters:
            name = parameter.name
            if not self.is_active(parameter, out):
                if name in params:
                    raise InputError(
                        where, f"{name} does not exist under these values", "leave it out"
                    )
                continue
            if name not in params:
                raise InputError(where, f"{name} is missing")
            value = parameter.canonical(params[name])
            if value is None:
                what = f"{name}={params[name]!r:.60} is outside the space"
                raise InputError(where, what, f"give {parameter.wanted}")
            out[name] = value
        for constraint in self.constraints:
            if constraint.violation(out):
                raise InputError(where, in_words(constraint, out))
        return out

    def key(self, params: Params) -> str:
        """A text that two points share exactly when they are the same point."""
        return json.dumps(params, sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        if self.pool is not None:
            return {
                "pool": {"features": list(self.pool.features), "candidates": self.pool.to_rows()}
            }
        out: dict[str, Any] = {
            "parameters": {p.name: parameter_to_dict(p) for p in self.parameters}
        }
        if self.constraints:
            out["constraints"] = [constraint_to_dict(c) for c in self.constraints]
        return out

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Space:
        """The inverse of `to_dict`; InputError names what is wrong and where."""
        known = ("parameters", "constraints", "pool")
        for key in raw:
            if key not in known:
                raise InputError("space", f"unknown key {key!r}", did_you_mean(key, known))
        parameters = raw.get("parameters", {})
        constraints = raw.get("constraints", [])
        if not isinstance(parameters, Mapping):
            raise InputError("space.parameters", "must be a table of parameters")
        if not isinstance(constraints, list | tuple):
            raise InputError("space.constraints", "must be a list of tables")
        return cls(
            tuple(parameter_from_dict(name, value) for name, value in parameters.items()),
            tuple(constraint_from_dict(value) for value in constraints),
            _pool_from_dict(raw["pool"]) if "pool" in raw else None,
        )

    def to_toml(self) -> str:
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str, where: str = "space") -> Space:
        try:
            return cls.from_dict(tomllib.loads(text))
        except (ValueError, RecursionError) as error:  # no TOML, or a number of 5,000 digits
            raise InputError(where, f"not TOML: {error}") from None

    def _with_checked_condition(self, child: Parameter) -> Parameter:
        """`child` with its condition's values as their parameters hold them (2.0 as 2)."""
        where = f"{child.where}.when"
        when: dict[str, tuple[Value, ...]] = {}
        for parent_name, values in child.when.items():
            parent = self.by_name.get(parent_name)
            if parent is None:
                mend = did_you_mean(parent_name, [n for n in self.by_name if n != child.name])
                raise InputError(where, f"refers to {parent_name!r}, which is no parameter", mend)
            if parent.count is None:
                raise InputError(where, f"{parent_name} is continuous", "depend on a listed value")
            if not values:
                raise InputError(where, f"{parent_name} has no values", "list when it exists")
            held = []
            for value in values:
                canonical = parent.canonical(value)
                if canonical is None:
                    known = parent.choices if isinstance(parent, Categorical) else ()
                    mend = did_you_mean(str(value), map(str, known)) if known else ""
                    raise InputError(where, f"{parent_name} never is {value!r}", mend)
                held.append(canonical)
            when[parent_name] = tuple(held)
        return replace(child, when=when) if when else child

    def _check_constraint(self, constraint: Constraint) -> None:
        for name in constraint.parameters:
            parameter = self.by_name.get(name)
            if parameter is None:
                raise InputError(
                    "space.constraints", f"no parameter {name!r}", did_you_mean(name, self.by_name)
                )
            if parameter.when:
                raise InputError(
                    "space.constraints", f"{name} does not always exist", "drop its when"
                )
            if isinstance(parameter, Categorical):
                raise InputError("space.constraints", f"{name} is categorical, not a number")
        reach = [_reach(self.by_name[name], c) for name, c in constraint.coefficients.items()]
        if not math.isfinite(sum(reach, start=abs(constraint.bound))):
            what = f"no float holds the largest sum of {', '.join(constraint.parameters)}"
            raise InputError("space.constraints", what, "bring the bounds nearer to 0")


def _reach(parameter: Parameter, coefficient: float) -> float:
    """The largest term of a number in a sum, and how far its terms lie apart."""
    low, high = (coefficient * float(parameter.from_unit(end)) for end in (0.0, 1.0))
    return max(abs(low), abs(high), abs(high - low))


def _parents_first(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    ordered: list[Parameter] = []
    placed: set[str] = set()
    waiting = list(parameters)
    while waiting:
        # The first that is ready, one at a time: an order that is right stays as it was written.
        ready = next((p for p in waiting if set(p.when) <= placed), None)
        if ready is None:
            names = ", ".join(p.name for p in waiting)
            raise InputError("space.parameters", f"conditions go round in a circle: {names}")
        ordered.append(ready)
        placed.add(ready.name)
        waiting.remove(ready)
    return tuple(ordered)


def _pool_from_dict(raw: Any) -> Pool:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("candidates"), list | tuple):
        raise InputError(
            "space.pool", "must be a table with candidates", "list [[pool.candidates]]"
        )
    for key in raw:
        if key not in ("features", "candidates"):
            raise InputError("space.pool", f"unknown key {key!r}", did_you_mean(key, ["features"]))
    for number, row in enumerate(raw["candidates"], start=1):
        if not isinstance(row, Mapping):
            raise InputError("space.pool", f"candidate {number} must be a table, got {row!r}")
    return Pool.from_rows(raw["candidates"], features=raw.get("features"))
